"""From how a run ended to its verdict, with the evidence: the traced code first, then what needs more than one number.

The traced code (``measures/verdict.py``) says *settled*, *frozen*, …; once per settled run the Hessian tells a minimum
from a saddle, and the known minima tell a good minimum from a trap.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.python import evaluate
from layda.measures import CONSTANTS, VERDICTS, Evidence
from layda.measures.ending import ending_program
from layda.objective import Minimum, Objective, TracedObjective
from layda.program.loop import LOST, SETTLED
from layda.rule import Rule
from layda.run.curvature import flat_way, goes_down, signs_of
from layda.run.minima import known_minima
from layda.run.result import Verdict
from layda.run.state import Ending
from layda.schedules import Schedule

__all__ = [
    "allowed_gap",
    "asks_for_curvature",
    "curved_distance",
    "descended",
    "far_to_go",
    "gradients_at",
    "judge",
    "resting_place",
    "rests_on_level_ground",
]  # fmt: skip

Array = NDArray[np.float64]
_LARGEST_HESSIAN = 200
_LARGEST_CONVEX = 32
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
    found = _ending(objective, ending, steps, tolerance)
    evidence = Evidence(**{field.name: float(found[field.name]) for field in fields(Evidence)})
    kind, needed = VERDICTS[int(found["code"])], float(found["steps_needed"])
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


def _ending(objective: Objective, ending: Ending, steps: int, tolerance: float) -> dict[str, Any]:
    """The evidence and the code, by the program that lanes are judged with, too."""
    places, rests = ending.tail.positions, ending.tail.rests
    end, window = places[-1], ending.window
    with np.errstate(all="ignore"):
        moves = np.max(np.abs(np.diff(places, axis=0)), axis=1) if len(places) > 1 else np.zeros(1)
        sides = np.array([high - low for low, high in objective.box])
        beyond = [max(low - x, x - high) for x, (low, high) in zip(end, objective.box, strict=True)]
        values = np.append(ending.gradient, ending.value)
        scalars = {
            "step": ending.step,
            "lost": ending.code == LOST,
            "stopped": ending.code == SETTLED,
            "finite": np.all(np.isfinite(values)),
            "nan": np.any(np.isnan(values)),
            "place_finite": np.all(np.isfinite(end)),
            "defined": objective.is_defined(end),
            "displacement": moves[-1],
            "displacement_before": moves[-2] if len(moves) > 1 else 0.0,
            "extent": np.max(np.maximum(ending.high, end) - np.minimum(ending.low, end)),
            "extent_before": np.max(ending.high - ending.low),
            "outside": np.fmax(np.fmax.reduce(np.array(beyond) / sides), 0.0),
            "gradient": np.max(np.abs(rests[-1])),
            "gradient_change": np.max(np.abs(rests[-1] - rests[-2])) if len(rests) > 1 else 0.0,
            "curved_distance": 0.0,
            "box_width": np.max(sides),
            "highest_before": ending.highest_before,
            "rate": ending.rate,
            "largest_rate": ending.largest_rate,
            "turns": window.turns if window else 0.0,
            "window": window.length if window else 0.0,
            "steps": max(steps, 1),
            "tolerance": tolerance,
            "noisy": objective.stochastic,
        }
        for name in ("displacement", "distance", "high", "low"):
            quarters = _ZEROS if window is None else getattr(window, name)
            scalars |= {f"{name}_{index}": quarters[index - 1] for index in range(1, 5)}
        known = {name: float(value) for name, value in scalars.items()}
        found = evaluate(ending_program(), known)
        if found["stuck"]:
            rest = rests[-1][None, :]
            known["curved_distance"] = float(curved_distance(objective, end[None, :], rest, known["extent_before"])[0])
            found = evaluate(ending_program(), known)
    return found


def curved_distance(objective: Objective, places: Array, rests: Array, extents: Any) -> Array:
    """|g| over the curvature along g, by a difference of gradients; infinite where the ground bends down.

    Args:
        objective: the function.
        places: (balls, dimension).
        rests: likewise, what is zero where the rule rests.
        extents: of the paths, one number or one for each ball.
    """
    with np.errstate(all="ignore"):
        length = np.sqrt(_dot(rests, rests))
        direction = rests / length[:, None]
        size = 1e-6 * np.broadcast_to(extents, length.shape)
        change = gradients_at(objective, places + size[:, None] * direction) - gradients_at(objective, places)
        curvature = _dot(direction, change) / size
        return np.where(curvature > 0.0, length / curvature, np.inf)


def gradients_at(objective: Objective, places: Array) -> Array:
    """∇f at each row."""
    if isinstance(objective, TracedObjective):
        return objective.gradients(places)
    return np.array([objective.value_and_gradient(place)[1] for place in places])


def _dot(a: Array, b: Array) -> Array:
    """Σ aᵢbᵢ of each row, in the order of the coordinates, so that one row has the bits of many."""
    total: Array = a[:, 0] * b[:, 0]
    for index in range(1, a.shape[1]):
        total = total + a[:, index] * b[:, index]
    return total


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
    """Minimum, worse minimum or saddle, with the evidence."""
    judged = descended(objective, rule)
    place = resting_place(rule, ending.tail.positions[-1], estimate)
    signs = signs_of(judged, place[None, :]) if asks_for_curvature(judged) else None
    if signs is not None and rests_on_level_ground(objective, judged, rule):
        way = float(flat_way(judged, place[None, :], evidence.extent_before, signs)[0])
        if way > far_to_go(evidence.tolerance, evidence.extent_before):
            with np.errstate(divide="ignore"):
                pace = np.float64(evidence.last_displacement)
                needed = way / pace * np.log(way / (evidence.tolerance * evidence.extent_before))
            return "crawling", (), {"flat_way": way, "steps_needed": float(needed)}
    if judged.convex:
        return "converged", (), {}
    numbers = _curvatures(judged, place)
    numbers["goes_down"] = bool(goes_down(judged, place[None, :], signs)[0])
    if numbers["goes_down"]:
        return "saddle", (), numbers
    known = known_minima(judged)
    best = known.best
    numbers["minima_known"] = str(known)
    if best is None:
        return "converged", (), numbers
    value = judged.value(place)
    place, seen = place[None, :], ending.tail.positions[-1][None, :]
    gap = float(allowed_gap(judged, best, place, seen, np.array([value]), evidence.gradient, evidence.distance)[0])
    numbers |= {"best_known": best.value, "above_best": value - best.value, "gap_allowed": gap}
    return ("trapped" if value - best.value > gap else "converged"), (best,), numbers


def asks_for_curvature(judged: Objective) -> bool:
    """Whether the Hessian is looked at: a convex function's only where that is cheap."""
    return not judged.convex or judged.dimension <= _LARGEST_CONVEX


def rests_on_level_ground(objective: Objective, judged: Objective, rule: Rule) -> bool:
    """Whether the rule comes to rest where the gradient of ``judged`` vanishes."""
    return not rule.decays_weights or (judged is not objective and not rule.decoupled)


def far_to_go(tolerance: Any, extent: Any) -> Any:
    """The way along flat directions from which on a ball is said not to have arrived."""
    return CONSTANTS["flat"][0] * tolerance * extent


def resting_place(rule: Rule, position: Array, estimate: Array) -> Array:
    """Where to look: at the rule's answer; with a decoupled weight decay at the position.

    There the velocity does not vanish at rest, and a look-ahead's estimate stays behind its point of rest.
    """
    return position if rule.decays_weights and rule.decoupled else estimate


def allowed_gap(
    judged: Objective, best: Minimum, place: Array, position: Array, value: Array, gradient: Any, distance: Any
) -> Array:
    """How far above the best known minimum settled balls may be and still count as being in it.

    A look-ahead's answer is another place than the one where the slope was seen last: there the larger slope of both
    counts, and the way between them is a part of the distance.

    Args:
        judged: whose minima are meant.
        best: the lowest of them.
        place: (balls, dimension): the answers.
        position: (balls, dimension): where the gradients were seen.
        value: f at the answers.
        gradient: the sizes of the gradients.
        distance: the estimated ways to go.
    """
    aside = np.max(np.abs(place - position), axis=1)
    slope = np.array(np.broadcast_to(gradient, aside.shape), dtype=np.float64)
    apart = np.flatnonzero(aside > 0.0)
    if len(apart):
        slope[apart] = np.maximum(slope[apart], np.max(np.abs(gradients_at(judged, place[apart])), axis=1))
    gap = CONSTANTS["gap"][0] * judged.dimension * slope * (distance + aside)
    found: Array = gap + CONSTANTS["rounding"][0] * np.maximum(np.abs(value), abs(best.value))
    return found


def descended(objective: Objective, rule: Rule) -> Objective:
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


def _curvatures(objective: Objective, place: Array) -> dict[str, Any]:
    """The smallest and the largest eigenvalue of the Hessian, for people."""
    if objective.dimension > _LARGEST_HESSIAN:
        return {"curvature": "its sign by Lanczos' method: more than 200 coordinates"}
    matrix = objective.hessian(place)
    if not np.all(np.isfinite(matrix)):
        return {"curvature": "the Hessian is not finite here"}
    eigenvalues = np.linalg.eigvalsh(matrix)
    return {"smallest_curvature": float(eigenvalues[0]), "largest_curvature": float(eigenvalues[-1])}
