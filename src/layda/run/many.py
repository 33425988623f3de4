"""A race from very many starts: what becomes of each contestant on the whole, instead of one anecdote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layda.errors import MissingExtraError
from layda.measures import CONSTANTS
from layda.objective import Objective
from layda.rule import Rule
from layda.run.descend import whole_number
from layda.run.ensemble import ensemble
from layda.run.race import labelled
from layda.specs import to_objective

if TYPE_CHECKING:
    import xarray

__all__ = ["race_many"]


def race_many(
    objective: str | Objective | Callable[..., Any],
    rules: Sequence[str | Rule | type[Rule]] | dict[str, Any] | None = None,
    *,
    starts: int = 1000,
    seed: int = 0,
    steps: int = 1000,
    tolerance: float = CONSTANTS["tolerance"][0],
    progress: Callable[[str], None] | None = None,
) -> xarray.Dataset:
    """Let several rules descend one objective, each from the same starts, drawn evenly from the objective's box.

    Args:
        objective: as in :func:`layda.race`.
        rules: as in :func:`layda.race`.
        starts: how many.
        seed: of the starts.
        steps: the budget of each ball.
        tolerance: as in :func:`layda.descend`.
        progress: called with the label of a contestant that begins.

    Returns:
        ``verdict``, ``steps``, ``basin`` and ``value`` over ``contestant`` and ``ball``; see :func:`layda.fractions`.

    >>> found = race_many("x^4 - 2x^2 + x/4", ["gradient-descent", "heavy-ball"], starts=50)
    >>> dict(found.sizes)
    {'contestant': 2, 'ball': 50}
    """
    try:
        import xarray as xr
    except ImportError:
        raise MissingExtraError("xarray", "sweep", "a race from many starts") from None
    target = to_objective(objective)
    count = whole_number("starts", starts, 1, 10**8)
    low, high = np.array(target.box).T
    places = np.random.default_rng(whole_number("seed", seed, 0, 2**128)).uniform(low, high, (count, target.dimension))
    contestants = labelled(rules)
    parts = []
    for label, rule in contestants:
        if progress is not None:
            progress(label)
        options = {"steps": steps, "tolerance": tolerance, "keep": ("verdict", "steps", "basin", "value")}
        parts.append(ensemble(target, rule, places, **options))  # type: ignore[arg-type]
    side = xr.Variable("contestant", [label for label, _ in contestants])
    whole: xr.Dataset = xr.concat(parts, dim=side, combine_attrs="override")
    whole = whole.assign_coords(rule=("contestant", [str(rule) for _, rule in contestants]))
    return whole.assign_attrs(seed=seed, rule_name="", rule="")
