"""From how a run ended to the evidence and the verdict's code: one program for a single descent and for many lanes.

The vectors of a run (its last points, its gradients) are first reduced to scalars by largest values, which are exact:
by NumPy for one run of any dimension (``layda/run/judge.py``), by :func:`reduced` in lanes. What follows is the same
program for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from layda.functions import abs, both, either, maximum, minimum, negate, where
from layda.measures.stopping import distance_to_go, settled
from layda.measures.verdict import Evidence, verdict_program
from layda.program import Program, trace

__all__ = ["SCALARS", "WINDOW", "ending_program", "judged", "reduced"]

WINDOW = tuple(f"{name}_{quarter}" for name in ("displacement", "distance", "high", "low") for quarter in (1, 2, 3, 4))
"""The names of the window's numbers, as :class:`~layda.measures.verdict.Evidence` calls them."""

SCALARS = (
    "step", "lost", "stopped", "finite", "nan", "place_finite", "defined", "displacement", "displacement_before",
    "extent", "extent_before", "outside", "gradient", "gradient_change", "curved_distance", "box_width",
    "highest_before", "rate", "largest_rate", "turns", "window", "steps", "tolerance", "noisy", *WINDOW,
)  # fmt: skip
"""What the program takes. Yes/no facts are 1.0 and 0.0: ``lost`` and ``stopped`` say why the loop ended, ``finite`` and
``nan`` speak of f and its gradient, ``place_finite`` of the position; ``curved_distance`` is the distance to go by the
curvature, used where a ball moves no more (``stuck``)."""


def largest(values: Sequence[Any]) -> Any:
    """The largest; NaN when one is NaN."""
    top = values[0]
    for value in values[1:]:
        top = maximum(value, top)
    for value in values:
        top = where(value == value, top, value)
    return top


def reduced(
    place: Sequence[Any],
    last: Sequence[Any],
    earlier: Sequence[Any],
    rest: Sequence[Any],
    push: Sequence[Any],
    low: Sequence[Any],
    high: Sequence[Any],
    observed: Sequence[Any],
    box: Sequence[tuple[float, float]],
) -> dict[str, Any]:
    """The scalars that lie in vectors, one number per coordinate each.

    Args:
        place: the last position.
        last: the one before.
        earlier: the one before that.
        rest: what is zero where the rule rests, at ``place``.
        push: the same at ``last``.
        low: the lower corner of the box around the path before ``place``.
        high: its upper corner.
        observed: f and its gradient at ``place``.
        box: the objective's.
    """
    finite, unknown, there = 0.0, 0.0, 0.0
    for value in observed:
        finite = finite + (value - value)
        unknown = where(value == value, unknown, 1.0)
    for x in place:
        there = there + (x - x)
    outside = 0.0
    for x, (left, right) in zip(place, box, strict=True):
        outside = maximum(maximum(left - x, x - right) / (right - left), outside)
    return {
        "finite": where(finite == 0.0, 1.0, 0.0),
        "nan": unknown,
        "place_finite": where(there == 0.0, 1.0, 0.0),
        "displacement": largest([abs(a - b) for a, b in zip(place, last, strict=True)]),
        "displacement_before": largest([abs(a - b) for a, b in zip(last, earlier, strict=True)]),
        "extent": largest([_reach(a, b, x) for a, b, x in zip(low, high, place, strict=True)]),
        "extent_before": largest([b - a for a, b in zip(low, high, strict=True)]),
        "outside": outside,
        "gradient": largest([abs(a) for a in rest]),
        "gradient_change": largest([abs(a - b) for a, b in zip(rest, push, strict=True)]),
    }


def _reach(low: Any, high: Any, x: Any) -> Any:
    """The side of the box around the path with its last point; NaN with a point that is NaN."""
    return where(x == x, maximum(x, high) - minimum(x, low), x)


def judged(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence, the verdict's ``code``, ``steps_needed``, and whether the ball is ``stuck``.

    Args:
        numbers: the values of :data:`SCALARS`, of any kind.
    """
    n = dict(numbers)
    moved = n["step"] >= 1.0
    displacement = where(moved, n["displacement"], 0.0)
    change = where(moved, n["gradient_change"], 0.0)
    before, gradient, extent = n["displacement_before"], n["gradient"], n["extent"]
    distance = distance_to_go(gradient, displacement, change)
    twice = n["step"] >= 2.0
    still = both(both(displacement == 0.0, before == 0.0), twice)
    pushed = both(gradient > 0.0, gradient - gradient == 0.0)
    stuck = both(both(still, pushed), n["extent_before"] > 0.0)
    # The steps have become smaller than the spacing of floats, and the secant says nothing: ask the curvature.
    distance = where(stuck, n["curved_distance"], distance)
    alive = both(twice, n["lost"] == 0.0)
    rested = both(gradient == 0.0, displacement == 0.0)
    rested = either(rested, both(alive, settled(displacement, before, gradient, change, extent, n["tolerance"])))
    rested = either(rested, both(both(alive, still), distance <= n["tolerance"] * extent))
    infinite = either(both(n["finite"] == 0.0, n["nan"] == 0.0), n["place_finite"] == 0.0)
    evidence = n | {
        "left_domain": where(both(n["place_finite"] > 0.0, n["defined"] == 0.0), 1.0, 0.0),
        "lost": where(both(n["lost"] > 0.0, n["finite"] == 0.0), 1.0, 0.0),
        "infinite": where(infinite, 1.0, 0.0),
        "settled": where(either(n["stopped"] > 0.0, rested), 1.0, 0.0),
        "last_displacement": displacement,
        "distance": distance,
    }
    found = {field.name: evidence[field.name] for field in fields(Evidence)}
    verdict = verdict_program().evaluate(found)
    return found | verdict | {"stuck": where(both(stuck, negate(n["stopped"] > 0.0)), 1.0, 0.0)}


@cache
def ending_program() -> Program:
    """:func:`judged` as a straight line."""

    def written(*numbers: Any) -> dict[str, Any]:
        return judged(dict(zip(SCALARS, numbers, strict=True)))

    return trace(written, SCALARS)
