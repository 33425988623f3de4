"""From how a run ended to its verdict, with the evidence: the traced code first, then what needs more than one number.

The traced code (``measures/verdict.py``) says *settled*, *frozen*, …; once per settled run the Hessian tells a minimum
from a saddle, and the known minima tell a good minimum from a trap.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.measures import CONSTANTS, Evidence, distance_to_go, settled, verdict_code
from layda.objective import Minimum, Objective, TracedObjective
from layda.program.loop import LOST, SETTLED
from layda.rule import Rule
from layda.run.minima import known_minima
from layda.run.result import Verdict
from layda.run.state import Ending
from layda.schedules import Schedule

__all__ = ["judge"]

Array = NDArray[np.float64]
_LARGEST_HESSIAN = 200
_ZEROS = (0.0, 0.0, 0.0, 0.0)


def judge(
    objective: Objective, rule: Rule, ending: Ending, estimate: Array, *, steps: int, tolerance: float
) -> Verdict:
    """The verdict on a run.

    Args:
        objective: what was descended.
        rule: how.
        ending: how it ended.
        estimate: the rule's answer at the end.
        steps: the budget.
        tolerance: of the stopping test; 0 (never stop early) is judged with the default.
    """
    tolerance = tolerance or CONSTANTS["tolerance"][0]
    evidence = _evidence(objective, ending, steps, tolerance)
    kind, needed = verdict_code(evidence)
    numbers: dict[str, Any] = dict(asdict(evidence))
    numbers["step"] = ending.step
    numbers["value"] = ending.value
    if ending.window is not None:
        numbers["period"] = ending.window.period
    if kind in ("crawling", "unfinished"):
        numbers["steps_needed"] = needed
    if kind == "undefined":
        numbers |= _where_undefined(objective, ending)
    known: tuple[Minimum, ...] = ()
    if kind == "converged":
        kind, known, more = _settled_where(objective, rule, ending, estimate, evidence)
        numbers |= more
    thresholds = {name: value for name, (value, _) in CONSTANTS.items()} | {"tolerance": tolerance}
    return Verdict(kind, ending.step, numbers, thresholds, known[0] if known else None, objective.notes)


def _evidence(objective: Objective, ending: Ending, steps: int, tolerance: float) -> Evidence:
    places, rests = ending.tail.positions, ending.tail.rests
    end = places[-1]
    with np.errstate(all="ignore"):
        moves = np.max(np.abs(np.diff(places, axis=0)), axis=1) if len(places) > 1 else np.zeros(1)
        before = float(np.max(ending.high - ending.low))
        extent = float(np.max(np.maximum(ending.high, end) - np.minimum(ending.low, end)))
        gradient = float(np.max(np.abs(rests[-1])))
        change = float(np.max(np.abs(rests[-1] - rests[-2]))) if len(rests) > 1 else 0.0
        sides = np.array([high - low for low, high in objective.box])
        beyond = [
            max(low - x, x - high, 0.0) / side for x, (low, high), side in zip(end, objective.box, sides, strict=True)
        ]
    displacement = float(moves[-1])
    distance = float(distance_to_go(gradient, displacement, change))
    if len(places) > 2 and not np.any(moves[-2:]) and 0.0 < gradient < np.inf and before > 0.0:
        # The steps have become smaller than the spacing of floats, and the secant says nothing: ask the curvature.
        distance = _distance_by_curvature(objective, ending, before)
    rested = gradient == 0.0 and displacement == 0.0
    if len(places) > 2 and ending.code != LOST:
        rested = rested or bool(settled(displacement, float(moves[-2]), gradient, change, extent, tolerance))
        rested = rested or (displacement == 0.0 and float(moves[-2]) == 0.0 and distance <= tolerance * extent)
    window = ending.window
    quarters: dict[str, float] = {}
    for name in ("displacement", "distance", "high", "low"):
        numbers = _ZEROS if window is None else getattr(window, name)
        quarters |= {f"{name}_{index}": numbers[index - 1] for index in range(1, 5)}
    finite = np.isfinite(ending.value) and bool(np.all(np.isfinite(ending.gradient)))
    everything = np.append(ending.gradient, ending.value)
    return Evidence(
        left_domain=float(bool(np.all(np.isfinite(end))) and not objective.is_defined(end)),
        lost=float(ending.code == LOST and not finite),
        infinite=float((not finite and not np.any(np.isnan(everything))) or not np.all(np.isfinite(end))),
        settled=float(ending.code == SETTLED or rested),
        last_displacement=displacement,
        extent=extent,
        extent_before=before,
        outside=float(max(beyond)),
        box_width=float(np.max(sides)),
        highest_before=ending.highest_before,
        rate=ending.rate,
        largest_rate=ending.largest_rate,
        gradient=gradient,
        distance=distance,
        **quarters,
        turns=float(window.turns) if window else 0.0,
        window=float(window.length) if window else 0.0,
        steps=float(max(steps, 1)),
        tolerance=tolerance,
        noisy=float(objective.stochastic),
    )


def _distance_by_curvature(objective: Objective, ending: Ending, extent: float) -> float:
    """|g| over the curvature along g, by a difference of gradients; infinite where the ground bends down."""
    place, rest = ending.tail.positions[-1], ending.tail.rests[-1]
    direction = rest / np.linalg.norm(rest)
    size = 1e-6 * extent
    with np.errstate(all="ignore"):
        change = objective.value_and_gradient(place + size * direction)[1] - ending.gradient
        curvature = float(direction @ change) / size
    return float(np.linalg.norm(rest)) / curvature if curvature > 0.0 else np.inf


def _where_undefined(objective: Objective, ending: Ending) -> dict[str, Any]:
    """The coordinate that a reader should look at: not finite, else the one that moved most in the last step."""
    places = ending.tail.positions
    bad = np.flatnonzero(~np.isfinite(ending.gradient))
    if len(places) > 1:
        moved = np.abs(places[-1] - places[-2])
        index = int(bad[np.argmax(moved[bad])]) if len(bad) else int(np.argmax(moved))
    else:
        index = int(bad[0]) if len(bad) else 0
    return {"coordinate": objective.coordinates[index], "coordinate_value": float(places[-1][index])}


def _settled_where(
    objective: Objective, rule: Rule, ending: Ending, estimate: Array, evidence: Evidence
) -> tuple[str, tuple[Minimum, ...], dict[str, Any]]:
    """Minimum, worse minimum or saddle."""
    judged = _descended(objective, rule)
    if rule.decays_weights and rule.decoupled:
        # There the velocity does not vanish at rest, and a look-ahead's estimate stays behind its point of rest.
        estimate = ending.tail.positions[-1]
    numbers: dict[str, Any] = {}
    if judged.convex:
        return "converged", (), numbers
    curvature = _curvature(judged, estimate, ending.step == 0)
    numbers |= curvature
    if curvature.get("goes_down"):
        return "saddle", (), numbers
    known = known_minima(judged)
    best = known.best
    numbers["minima_known"] = str(known)
    if best is None:
        return "converged", (), numbers
    value = judged.value(estimate)
    gap = CONSTANTS["gap"][0] * judged.dimension * evidence.gradient * evidence.distance
    gap += CONSTANTS["rounding"][0] * max(abs(value), abs(best.value))
    numbers |= {"best_known": best.value, "above_best": value - best.value, "gap_allowed": gap}
    return ("trapped" if value - best.value > gap else "converged"), (best,), numbers


def _descended(objective: Objective, rule: Rule) -> Objective:
    """The objective whose minima the rule seeks: with a constant weight decay the penalised one."""
    weight = rule.weight_decay
    if isinstance(weight, Schedule) or weight == 0.0 or not isinstance(objective, TracedObjective):
        return objective
    if not rule.decoupled:
        return objective.penalised(weight)
    if any(isinstance(value, Schedule) for value in rule.settings().values()):
        return objective
    # Decoupled: it rests where direction(g) + λx = 0; where that is linear in g, a penalty of λ over the gain.
    with np.errstate(all="ignore"):
        gain, twice = (float(rule.direction(np.float64(size))) for size in (1.0, 2.0))
    return objective.penalised(weight / gain) if twice == 2.0 * gain and 0.0 < gain < np.inf else objective


def _curvature(objective: Objective, place: Array, at_start: bool) -> dict[str, Any]:
    """Eigenvalues of the Hessian where the ball settled; where they cannot tell, a look around."""
    if objective.dimension > _LARGEST_HESSIAN:
        return {"curvature": "not looked at: more than 200 coordinates"}
    matrix = objective.hessian(place)
    if not np.all(np.isfinite(matrix)):
        return {
            "curvature": "the Hessian is not finite here",
            "goes_down": _goes_down(objective, place, np.eye(len(place))),
        }
    eigenvalues, vectors = np.linalg.eigh(matrix)
    largest = float(np.max(np.abs(eigenvalues)))
    smallest = float(eigenvalues[0])
    found: dict[str, Any] = {"smallest_curvature": smallest, "largest_curvature": float(eigenvalues[-1])}
    if smallest < -CONSTANTS["negative"][0] * largest:
        found["goes_down"] = True
    elif smallest <= CONSTANTS["negative"][0] * largest:
        flat = vectors[:, eigenvalues <= CONSTANTS["negative"][0] * largest]
        found["goes_down"] = _goes_down(objective, place, flat)
    else:
        found["goes_down"] = False
    return found


def _goes_down(objective: Objective, place: Array, directions: Array) -> bool:
    """Whether f falls at a thousandth of the box to either side along one of the directions (columns)."""
    here = objective.value(place)
    reach = 1e-3 * max(high - low for low, high in objective.box)
    for direction in directions.T:
        sides = [objective.value(place + sign * reach * direction) - here for sign in (1.0, -1.0)]
        change = max(abs(side) for side in sides)
        if min(sides) < -max(1e-3 * change, 1e-12 * abs(here)):
            return True
    return False
