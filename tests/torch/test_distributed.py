"""DDP and FSDP2 on two processes do as one process does: steps, state, refusals, checkpoints."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")

import layda.torch as lt  # noqa: E402
from tests.cases import RULES  # noqa: E402
from tests.torch import two_processes as two  # noqa: E402

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0  # seconds for all that the two processes do

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this torch has no gloo",
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Deed -> what both processes have found."""
    folder = tmp_path_factory.mktemp("two")
    paths = os.pathsep.join([str(ROOT), str(Path(lt.__file__).parents[2])])
    environment = os.environ | {"PYTHONPATH": paths, "LAYDA_CACHE_DIR": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    port = str(_free_port())
    logs = [folder / f"{rank}.txt" for rank in range(2)]
    children = []
    try:
        for rank in range(2):
            command = [sys.executable, "-m", "tests.torch.two_processes", str(rank), port, str(folder)]
            with logs[rank].open("w") as log:
                children.append(
                    subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
                )
        codes = [child.wait(PATIENCE) for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
    assert codes == [0, 0], "\n".join(log.read_text() for log in logs)
    return {
        deed.__name__: [torch.load(folder / f"{deed.__name__} {rank}.pt", weights_only=False) for rank in range(2)]
        for deed in two.DEEDS
    }


def alone(name: str) -> tuple[Any, Any]:
    """The same descent in this process."""
    rule, more = two.SETTINGS[name]
    model = two.net()
    optimizer = lt.Optimizer(model.parameters(), rule, **more)
    two.descend(model, optimizer, range(two.STEPS))
    return model, optimizer


def equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", two.SETTINGS)
def test_two_processes_are_one_within_rounding(found: dict[str, list[Any]], name: str) -> None:
    model, optimizer = alone(name)
    expected = two.numbers(model)
    tolerance = 1e-4 if name == "bf16 state" else 1e-12  # a sum rounded otherwise may round the slot otherwise
    for kind in ("ddp", "fsdp"):
        own, other = (one[name, kind] for one in found["trained"])
        assert equal(own, other)
        for tensor, whole in zip(own, expected, strict=True):
            torch.testing.assert_close(tensor, whole, rtol=tolerance, atol=tolerance)
    assert not any(map(torch.equal, expected, two.numbers(two.net())))
    for one in found["trained"]:
        group = optimizer.param_groups[0]
        assert all(group[key] == value for key, value in one[name, "group"].items())


@pytest.mark.parametrize("name", two.SETTINGS)
def test_the_state_is_sharded(found: dict[str, list[Any]], name: str) -> None:
    _, optimizer = alone(name)
    slots = [value for state in optimizer.state.values() for value in state.values() if value.dim()]
    counts = [one[name, "bytes"] for one in found["trained"]]
    assert sum(counts) == sum(value.nbytes for value in slots)  # no element is kept twice, none is missing
    assert min(counts) > 0.3 * sum(counts)  # five rows are three and two, one row is one and none
    for one in found["trained"]:
        assert one[name, "slots"] == len(slots) > 0
        assert one[name, "alike"]


@pytest.mark.parametrize("name", two.SETTINGS)
def test_estimates_of_sharded_parameters(found: dict[str, list[Any]], name: str) -> None:
    model, optimizer = alone(name)
    with optimizer.estimates():
        expected = two.numbers(model)
    for one in found["trained"]:
        for tensor, whole in zip(one[name, "estimates"], expected, strict=True):
            torch.testing.assert_close(tensor, whole, rtol=1e-4, atol=1e-4)
        assert equal(one[name, "back"], one[name, "fsdp"])
    if name in ("nesterov", "schedule-free"):
        assert not equal(found["trained"][0][name, "estimates"], found["trained"][0][name, "fsdp"])


@pytest.mark.parametrize("fused", [None, False], ids=["fused", "readable"])
@pytest.mark.parametrize("index", range(len(RULES)), ids=lambda index: str(RULES[index]))
def test_with_the_same_gradients_every_bit_is_the_same(
    found: dict[str, list[Any]], index: int, fused: bool | None
) -> None:
    """In shards, replicas and sums still to be taken, on one mesh and another."""
    parameters = [torch.nn.Parameter(tensor) for tensor in two.plain(0)]
    optimizer = lt.Optimizer(parameters, RULES[index], fused=fused, state_dtype=torch.float64)
    for step in range(1, 4):
        for parameter, tensor in zip(parameters, two.plain(step), strict=True):
            parameter.grad = tensor
        optimizer.step()
    for one in found["by_hand"]:
        assert equal(one[index, fused], [parameter.detach() for parameter in parameters])


@pytest.mark.parametrize("first", [True, False], ids=["first step", "later step"])
@pytest.mark.parametrize("fused", [None, False], ids=["fused", "readable"])
def test_one_process_with_a_nan_stops_all(found: dict[str, list[Any]], fused: bool | None, first: bool) -> None:
    steps = 0 if first else 2
    for policy in ("skip", "raise"):
        own, other = (one[fused, policy, first] for one in found["refused_together"])
        assert own == other
        assert own["same"]
        assert own["steps"] == steps
        assert (own["state"] == 0) == first  # nothing is left behind
        assert own["skipped"] == (policy == "skip")
        assert any("parameter 'second.weight' has infinities or NaN" in text for text in own["said"])
    for one in found["refused_together"]:
        passed = one[fused, "pass", first]
        assert not passed["finite"]
        assert passed["steps"] == steps + 1
        assert passed["said"] == [""]


@pytest.mark.parametrize("policy", ["skip", "pass"])
def test_one_process_whose_scaler_found_an_overflow_stops_all(found: dict[str, list[Any]], policy: str) -> None:
    own, other = (one[policy] for one in found["scaled"])
    for one in (own, other):
        assert one["same"]
        assert one["skipped"] == 1
        assert one["steps"] == 2
    assert equal(own["after"], other["after"])
    model = two.net()
    optimizer = lt.HeavyBall(model.parameters(), lr=0.05)
    two.descend(model, optimizer, range(2))
    two.descend(model, optimizer, range(3, 5))
    for tensor, whole in zip(own["after"], two.numbers(model), strict=True):
        torch.testing.assert_close(tensor, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [*two.SETTINGS, "stochastic"])
def test_a_distributed_checkpoint_goes_on_bit_for_bit(found: dict[str, list[Any]], name: str) -> None:
    for one in found["resumed"]:
        assert one[name, "untouched"]  # asking a fresh optimizer for its state moves nothing
        assert one[name, "begun"] == 0
        assert one[name, "loaded"]
        assert equal(one[name, "resumed"], one[name, "straight"])
        assert equal(one[name, "from the whole"], one[name, "straight"])
        kind = torch.bfloat16 if name in ("bf16 state", "stochastic") else torch.float64
        assert set(one[name, "kinds"]) == {kind}
