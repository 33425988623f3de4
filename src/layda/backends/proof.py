"""Which steps need no test for overflow: those near a state whose numbers are moderate, by interval arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layda.program.backward import bounds_before
from layda.program.intervals import Interval, bounds
from layda.program.loop import Loop

__all__ = ["Proof", "proven_steps"]

_MOST_PROVEN = 12  # in one direction


@dataclass(frozen=True)
class Proof:
    """So many steps in a row need no test, if the state is moderate before the first and after the last of them.

    Attributes:
        limit: what counts as moderate: the sum of the sizes of all numbers that the next step depends on, over one lane
            of every vector that goes beside it.
        steps: how many; 0 when nothing could be shown.
        ranges: the intervals in which everything stays at those steps.
    """

    limit: float
    steps: int = 0
    ranges: tuple[tuple[str, Interval], ...] = ()


def proven_steps(
    loop: Loop, limit: float, numbers: Mapping[str, Interval], steps: int, dtype: str = "float64"
) -> Proof:
    """How many steps in a row need no test between two moderate states.

    From the first state onward so many steps stay finite that the bounds on the state allow; from the last one backward
    (:mod:`layda.program.backward`) again so many.

    Args:
        loop: the programs, with their named functions or with what is left of their names.
        limit: the bound on every number of the state that the next step depends on.
        numbers: the range of every number.
        steps: the largest step number.
        dtype: "float64" or "float32".
    """
    if not loop.finite:
        return Proof(limit)
    fixed: dict[str, Any] = {**numbers, "t": (0.0, float(steps)), "tolerance": (0.0, 1.0)}
    positive = _never_negative(loop, limit, fixed)
    moderate = {name: (0.0 if name in positive else -limit, limit) for name in loop.carried}

    def after(state: dict[str, Any]) -> dict[str, Any]:
        return bounds(loop.way, fixed | state, dtype)

    def before(state: dict[str, Any]) -> dict[str, Any]:
        sides = bounds_before(loop.way, state, fixed, dtype)
        return {name: _not_below_zero(sides[name]) if name in positive else sides[name] for name in loop.carried}

    ranges, ahead = _finite_steps(loop, fixed, fixed, moderate, after, dtype)
    if ahead == 0:
        return Proof(limit)
    ranges, behind = _finite_steps(loop, fixed, ranges, before(moderate), before, dtype)
    return Proof(limit, ahead + behind, tuple(ranges.items()))


def _finite_steps(
    loop: Loop, fixed: dict[str, Any], ranges: dict[str, Any], state: dict[str, Any], move: Any, dtype: str
) -> tuple[dict[str, Any], int]:
    """How many states in a row are bounded and have a finite f and gradient; the ranges, widened by them."""
    for done in range(_MOST_PROVEN):
        if None in state.values():
            return ranges, done
        seen = bounds(loop.observe, fixed | state, dtype)
        if any(seen[name] is None for name in loop.finite):
            return ranges, done
        ranges = ranges | {name: _around(ranges.get(name), side) for name, side in state.items()}
        state = move(state)
    return ranges, _MOST_PROVEN


def _not_below_zero(side: Interval | None) -> Interval | None:
    return None if side is None else (max(side[0], 0.0), max(side[1], 0.0))


def _around(known: Interval | None, more: Interval) -> Interval:
    return more if known is None else (min(known[0], more[0]), max(known[1], more[1]))


def _never_negative(loop: Loop, limit: float, fixed: Mapping[str, Interval]) -> set[str]:
    """The carried names that a step never makes negative while they are not: second moments, weights, rates."""
    found = set(loop.carried)
    while True:
        known: dict[str, Any] = {**fixed, **dict.fromkeys(loop.carried, (-limit, limit))}
        after = bounds(loop.way, known | dict.fromkeys(found, (0.0, limit)))
        still = {name for name in found if (after[name] or (-1.0, 1.0))[0] >= 0.0}
        if still == found:
            return found
        found = still
