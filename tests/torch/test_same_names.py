"""Classes with the name of one of ``torch.optim``'s: what differs is listed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")

import layda.torch  # noqa: E402
from layda.torch.named import NAMED  # noqa: E402
from tests.same_names import differences, listed  # noqa: E402


def test_the_table_of_what_differs_from_torch_is_true() -> None:
    """Over every shared name: a new rule with a difference that is not listed fails here."""
    others = {"eps": "epsilon", "decoupled_weight_decay": "decoupled"}
    found = set()
    for name, ours in NAMED.items():
        peer = getattr(torch.optim, name, None)
        if peer is not None:
            found |= differences(name, ours, peer, others)
    assert {"Adam", "AdamW", "NAdam", "SGD"} == {row[0] for row in found}
    assert listed(layda.torch.__doc__ or "") == found
    # A number that both have is the same in both: no row says otherwise.
    assert all("-" in (here, there) or here == there.partition("=")[2] for _, _, here, there in found)
