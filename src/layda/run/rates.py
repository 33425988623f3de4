"""The best learning rate of a small grid, for contestants whose rate nobody chose.

The grid is 2^k/L for k = −7 … 1, L being the largest curvature at the start: from the largest rate for which gradient
descent is stable on a quadratic of that curvature (2/L; heavy ball 2(1 + β)/L) downwards. Larger rates can be faster
where the curvature falls along the way, but nothing vouches for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.objective import Objective
from layda.rule import Rule
from layda.run.descend import descend
from layda.run.lanczos import curvature_products, lanczos

__all__ = ["RateChoice", "choose_rate", "rate_grid", "steps_to"]

Array = NDArray[np.float64]
_POWERS = range(-7, 2)
_PRODUCTS = 30


@dataclass(frozen=True)
class RateChoice:
    """The rate that did best.

    Attributes:
        rule: the rule with that rate.
        rates: the grid.
        steps: for each rate the steps to the target, ``None`` where it was not reached (or no target was given).
    """

    rule: Rule
    rates: tuple[float, ...]
    steps: tuple[int | None, ...]


def _largest_curvature(objective: Objective, place: Array) -> float:
    """The largest |eigenvalue| of the Hessian; 0 where it is not finite."""
    found = lanczos(curvature_products(objective, place)[0], objective.dimension, most=_PRODUCTS, both_ends=False)
    return 0.0 if found is None else float(np.max(np.abs(found.values)))


def rate_grid(objective: Objective, start: Any = None) -> tuple[float, ...]:
    """Nine learning rates, each twice the one before, up to 2/L; L is the largest curvature at the start.

    >>> from layda.objectives import get
    >>> [round(rate, 6) for rate in rate_grid(get("x^2"))[-3:]]
    [0.25, 0.5, 1.0]
    """
    place = np.array(objective.start if start is None else start, dtype=np.float64)
    with np.errstate(all="ignore"):
        curvature = _largest_curvature(objective, place)
    centre = 1.0 / curvature if curvature > 0.0 else 0.01
    return tuple(float(centre * 2.0**power) for power in _POWERS)


def steps_to(values: Array, target: float) -> int | None:
    """The first step at which f is at or below the target.

    >>> steps_to(np.array([3.0, 2.0, 1.0]), 2.0)
    1
    """
    below = np.flatnonzero(values <= target)
    return int(below[0]) if len(below) else None


def choose_rate(
    objective: Objective,
    rule: Rule,
    rates: tuple[float, ...],
    *,
    start: Any = None,
    steps: int = 1000,
    target: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> RateChoice:
    """The rate with the fewest steps to the target; without one (or where none reaches it) the lowest final f.

    Args:
        objective: what is descended.
        rule: how; its learning rate is replaced.
        rates: the candidates.
        start: as in :func:`layda.descend`.
        steps: the budget of each.
        target: f that is to be reached.
        progress: called with the steps done.
    """
    if target is not None:
        # Budgets that double find the fewest steps without running the slow rates to their end.
        budget = min(32, steps)
        while True:
            found = [steps_to(_run(objective, rule, rate, start, budget, progress).values, target) for rate in rates]
            reached = [count for count in found if count is not None]
            if reached or budget >= steps:
                break
            budget = min(2 * budget, steps)
        if reached:
            best = rates[found.index(min(reached))]
            return RateChoice(_with_rate(rule, best), rates, tuple(found))
    runs = [_run(objective, rule, rate, start, steps, progress) for rate in rates]
    order = sorted(
        range(len(rates)), key=lambda index: (not np.isfinite(runs[index].value), runs[index].value, runs[index].steps)
    )
    return RateChoice(_with_rate(rule, rates[order[0]]), rates, (None,) * len(rates))


def _with_rate(rule: Rule, rate: float) -> Rule:
    return replace(rule, learning_rate=rate)  # type: ignore[call-arg]  # every rule has one (Rule.__post_init__)


def _run(
    objective: Objective, rule: Rule, rate: float, start: Any, steps: int, progress: Callable[[int], None] | None
) -> Any:
    tolerance = 0.0 if steps < 1000 else 1e-6
    # No verdict is wanted here, and a search for other minima would only cost time.
    plain = replace(objective, convex=True)
    return descend(plain, _with_rate(rule, rate), start=start, steps=steps, tolerance=tolerance, progress=progress)
