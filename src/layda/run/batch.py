"""The ensemble's path for tables and black boxes: the rule's step on (balls, dimension) arrays, all gradients at once.

The twin of :mod:`layda.run.numeric`, without a record. Where every step has a gradient of its own (mini-batches), balls
run one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.mapped import evaluate
from layda.measures import CONSTANTS, VERDICTS, settled
from layda.measures.ending import ending_program
from layda.measures.stopping import distance_to_go
from layda.measures.window import window_length
from layda.objective import Objective
from layda.program.loop import LOST, SETTLED, SPENT
from layda.rule import State, Stepper
from layda.run.curvature import flat_way, goes_down, signs_of
from layda.run.judge import (
    allowed_gap,
    asks_for_curvature,
    curved_distance,
    descended,
    far_to_go,
    resting_place,
    rests_on_level_ground,
)
from layda.run.minima import known_minima
from layda.run.restart import restarted_rows

__all__ = ["run_batch"]

Array = NDArray[Any]
_NUMBERS_AT_ONCE = 1 << 20
_CODES = {kind: index for index, kind in enumerate(VERDICTS)}


def run_batch(
    objective: Objective,
    stepper: Stepper,
    starts: Array,
    numbers: Mapping[str, Any],
    options: Mapping[str, Any],
    progress: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """The arrays that ``options["keep"]`` names; arguments as in :func:`layda.run.ensemble.run_balls`."""
    size = max(1, min(4096, _NUMBERS_AT_ONCE // max(1, objective.dimension * 8)))
    parts: list[dict[str, Array]] = []
    for first in range(0, len(starts), size):
        part = slice(first, first + size)
        own = {name: (value[part] if np.ndim(value) else value) for name, value in numbers.items()}
        run = _one_by_one if objective.stochastic else _together
        parts.append(run(objective, stepper, starts[part], own, options))
        if progress is not None:
            progress(len(starts[part]))
    return {name: np.concatenate([part[name] for part in parts]) for name in options["keep"]}


def _one_by_one(
    objective: Objective, stepper: Stepper, starts: Array, numbers: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Array]:
    from layda.run.descend import descend
    from layda.settings import replaced

    found: dict[str, list[Any]] = {name: [] for name in options["keep"]}
    known = known_minima(objective).minima
    every = max(options["check_every"], getattr(objective, "steps_per_epoch", 0))
    for ball, start in enumerate(starts):
        own = {name: float(value[ball]) if np.ndim(value) else value for name, value in numbers.items()}
        run = descend(
            objective, replaced(stepper.rule, own), start=start, steps=options["steps"],
            tolerance=options["tolerance"], check_every=every, record="end",
        )  # fmt: skip
        answer = run.estimates[-1]
        at_rest = run.verdict.kind in ("converged", "trapped")
        figures = {
            "position": run.positions[-1], "estimate": answer, "value": run.value, "steps": run.steps,
            "verdict": _CODES[run.verdict.kind], "basin": _basin(answer, known, options["radius"]) if at_rest else -1,
        }  # fmt: skip
        for name in found:
            found[name].append(figures[name])
    kinds = {"steps": np.int32, "verdict": np.uint8, "basin": np.int16}
    return {name: np.array(values, dtype=kinds.get(name, np.float64)) for name, values in found.items()}


def _basin(place: Array, known: Any, radius: float) -> int:
    near = [float(np.max(np.abs(place - np.array(minimum.position)))) for minimum in known]
    return int(np.argmin(near)) if near and min(near) <= radius else -1


class _Window:
    """The numbers of the last window, quarter by quarter, for every ball."""

    def __init__(self, steps: int, balls: int, dimension: int) -> None:
        self.length = window_length(steps)
        self.since = steps - self.length
        self.high = np.full((4, balls), -np.inf)
        self.low = np.full((4, balls), np.inf)
        self.displacement = np.full((4, balls), -np.inf)
        self.distance = np.full((4, balls), np.inf)
        self.turns = np.zeros((balls, dimension))

    def look(self, t: int, balls: Array, places: list[Array], rests: list[Array], values: Array) -> None:
        """Note step t of the balls that still roll."""
        if not self.length or t <= self.since:
            return
        quarter = (t - self.since - 1) // (self.length // 4)
        moves = places[-1] - places[-2]
        displacement = np.max(np.abs(moves), axis=1)
        gradient = np.max(np.abs(rests[-1]), axis=1)
        change = np.max(np.abs(rests[-1] - rests[-2]), axis=1)
        distance = np.asarray(distance_to_go(gradient, displacement, change))
        for store, fold, new in (
            (self.displacement, np.fmax, displacement), (self.distance, np.fmin, distance),
            (self.high, np.fmax, values), (self.low, np.fmin, values),
        ):  # fmt: skip
            store[quarter, balls] = fold(store[quarter, balls], new)
        if t > self.since + 1:
            self.turns[balls] += moves * (places[-2] - places[-3]) < 0.0

    def scalars(self, spent: Array) -> dict[str, Array]:
        """As the verdict's program takes them; zeros for balls that ended earlier."""
        counts = spent & (self.length > 0)
        found = {"window": np.where(counts, float(self.length), 0.0)}
        found["turns"] = np.where(counts, np.max(self.turns, axis=1), 0.0)
        for name in ("displacement", "distance", "high", "low"):
            for quarter in range(4):
                found[f"{name}_{quarter + 1}"] = np.where(counts, getattr(self, name)[quarter], 0.0)
        return found


class _Balls:
    """All that a batch knows of its balls; every array has one row per ball."""

    def __init__(self, objective: Objective, stepper: Stepper, starts: Array, numbers: Mapping[str, Any]) -> None:
        self.objective, self.stepper = objective, stepper
        self.numbers = {name: (value[:, None] if np.ndim(value) else value) for name, value in numbers.items()}
        count = len(starts)
        self.x = starts.copy()
        begun = stepper.start(self.numbers, self.x)
        self.slots = [np.broadcast_to(np.asarray(value, np.float64), self.x.shape).copy() for value in begun.slots]
        self.shared = [np.full((count, 1), float(value)) for value in begun.shared]
        self.schedules = [
            np.broadcast_to(np.asarray(value, np.float64), (count, 1)).copy() for value in begun.schedules
        ]
        self.last, self.earlier = self.x.copy(), self.x.copy()
        self.low, self.high = self.x.copy(), self.x.copy()
        self.top = np.full(count, -np.inf)
        self.rate = self.rates(np.arange(count), 0.0)
        self.top_rate = self.rate.copy()
        self.code, self.step = np.full(count, SPENT), np.zeros(count, np.int32)
        self.value, self.slope = np.zeros(count), np.zeros_like(self.x)
        self.rest, self.push = np.zeros_like(self.x), np.zeros_like(self.x)

    def numbers_of(self, balls: Array) -> dict[str, Any]:
        """The settings of these balls."""
        return {name: (value[balls] if np.ndim(value) else value) for name, value in self.numbers.items()}

    def state_of(self, balls: Array) -> State:
        """The rule's state of these balls."""
        return State(*(tuple(part[balls] for part in group) for group in (self.slots, self.shared, self.schedules)))

    def rates(self, balls: Array, t: float) -> Array:
        """α of step t."""
        now = self.stepper.resolved(self.numbers_of(balls), t, self.state_of(balls).schedules)
        rate = np.asarray(now.learning_rate, np.float64)  # type: ignore[attr-defined]
        return np.broadcast_to(rate.reshape(-1) if rate.ndim else rate, (len(balls),)).copy()

    def observe(self, balls: Array, t: int) -> Array:
        """f, its gradient and the rest at step t; which balls are alive."""
        self.value[balls], self.slope[balls] = self.objective.values_and_gradients(self.x[balls])
        self.push[balls] = self.rest[balls]
        rest = self.stepper.rest(
            self.numbers_of(balls), float(t), self.x[balls], self.slope[balls], self.state_of(balls).schedules
        )
        self.rest[balls] = rest
        fine = np.isfinite(self.value[balls]) & np.all(np.isfinite(self.slope[balls]), axis=1)
        defined = np.array([self.objective.is_defined(place) for place in self.x[balls]], dtype=bool)
        return np.asarray(fine & defined)

    def _values(self, places: Array) -> Array:
        """f at each row, NaN where it does not exist."""
        found = np.full(len(places), np.nan)
        fine = np.all(np.isfinite(places), axis=1)
        fine &= np.array([bool(ok) and self.objective.is_defined(x) for x, ok in zip(places, fine, strict=True)], bool)
        if np.any(fine):
            found[fine] = self.objective.values(places[fine])
        return found

    def settled(self, balls: Array, tolerance: float) -> Array:
        """The stopping test."""
        x, last, earlier = self.x[balls], self.last[balls], self.earlier[balls]
        extent = np.max(np.maximum(self.high[balls], x) - np.minimum(self.low[balls], x), axis=1)
        return np.asarray(
            settled(
                np.max(np.abs(x - last), axis=1),
                np.max(np.abs(last - earlier), axis=1),
                np.max(np.abs(self.rest[balls]), axis=1),
                np.max(np.abs(self.rest[balls] - self.push[balls]), axis=1),
                extent,
                tolerance,
            )
        )

    def advance(self, balls: Array, t: int) -> Array:
        """One step; which balls have run into numbers that are not finite."""
        x = self.x[balls]
        self.low[balls] = np.minimum(self.low[balls], x)
        self.high[balls] = np.maximum(self.high[balls], x)
        numbers, before = self.numbers_of(balls), (x, self.state_of(balls))
        after = self.stepper.step(numbers, float(t), x, self.slope[balls], before[1])
        if self.stepper.restarts:
            rest, value = self.rest[balls], self.value[balls]
            after = restarted_rows(self.stepper, numbers, float(t), before, after, rest, value, self._values)
        moved, state = after
        self.earlier[balls], self.last[balls] = self.last[balls], x
        self.x[balls] = moved
        for store, group in ((self.slots, state.slots), (self.shared, state.shared), (self.schedules, state.schedules)):
            for array, value in zip(store, group, strict=True):
                array[balls] = value
        return np.asarray(~np.all(np.isfinite(self.x[balls]), axis=1))


def _together(
    objective: Objective, stepper: Stepper, starts: Array, numbers: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Array]:
    steps, tolerance, every = options["steps"], options["tolerance"], options["check_every"]
    with np.errstate(all="ignore"):
        b = _Balls(objective, stepper, starts, numbers)
        window = _Window(steps, len(starts), objective.dimension)
        rolling = np.arange(len(starts))
        for t in range(steps + 1):
            alive = b.observe(rolling, t)
            rolling = _ended(b, rolling, ~alive, LOST, t)
            if t > 0:
                places = [b.earlier[rolling], b.last[rolling], b.x[rolling]]
                window.look(t, rolling, places, [b.push[rolling], b.rest[rolling]], b.value[rolling])
            if tolerance > 0.0 and t and t % every == 0 and len(rolling):
                rolling = _ended(b, rolling, b.settled(rolling, tolerance), SETTLED, t)
            if t == steps or not len(rolling):
                break
            if steps - t > window.length:
                b.top[rolling] = np.maximum(b.top[rolling], b.value[rolling])
            gone = b.advance(rolling, t)
            thrown = rolling[gone]
            b.value[thrown], b.slope[thrown] = np.nan, np.nan
            b.push[thrown], b.rest[thrown] = b.rest[thrown], np.nan
            rolling = _ended(b, rolling, gone, LOST, t + 1)
            b.rate[rolling] = b.rates(rolling, float(t + 1))
            b.top_rate[rolling] = np.maximum(b.top_rate[rolling], b.rate[rolling])
        b.step[rolling] = steps
        found = _answers(b)
        if {"verdict", "basin"} & set(options["keep"]):
            found |= _judged(b, found, window, options)
    return {name: found[name] for name in options["keep"]}


def _ended(b: _Balls, rolling: Array, ended: Array, code: int, t: int) -> Array:
    balls = rolling[ended]
    b.code[balls], b.step[balls] = code, t
    return np.asarray(rolling[~ended])


def _answers(b: _Balls) -> dict[str, Array]:
    everyone = np.arange(len(b.x))
    answers = b.stepper.estimate(b.numbers, b.step[:, None].astype(np.float64), b.x, b.state_of(everyone))
    estimate = np.broadcast_to(np.asarray(answers, np.float64), b.x.shape)
    value = b.value.copy()
    other = np.flatnonzero(~np.all((estimate == b.x) | (np.isnan(estimate) & np.isnan(b.x)), axis=1))
    if len(other):
        value[other] = b.objective.values_and_gradients(estimate[other])[0]
    return {"position": b.x, "estimate": estimate, "value": value, "steps": b.step}


def _judged(b: _Balls, found: dict[str, Array], window: _Window, options: Mapping[str, Any]) -> dict[str, Array]:
    box = np.array(b.objective.box)
    sides = box[:, 1] - box[:, 0]
    everything = np.column_stack([b.value, b.slope])
    beyond = np.fmax.reduce(np.maximum(box[:, 0] - b.x, b.x - box[:, 1]) / sides, axis=1)
    reach = np.max(np.maximum(b.high, b.x) - np.minimum(b.low, b.x), axis=1)
    known: dict[str, Any] = {
        "step": b.step.astype(np.float64),
        "lost": (b.code == LOST).astype(np.float64),
        "stopped": (b.code == SETTLED).astype(np.float64),
        "finite": np.all(np.isfinite(everything), axis=1).astype(np.float64),
        "nan": np.any(np.isnan(everything), axis=1).astype(np.float64),
        "place_finite": np.all(np.isfinite(b.x), axis=1).astype(np.float64),
        "defined": np.array([float(b.objective.is_defined(place)) for place in b.x]),
        "displacement": np.max(np.abs(b.x - b.last), axis=1),
        "displacement_before": np.max(np.abs(b.last - b.earlier), axis=1),
        "extent": reach,
        "extent_before": np.max(b.high - b.low, axis=1),
        "outside": np.fmax(beyond, 0.0),
        "gradient": np.max(np.abs(b.rest), axis=1),
        "gradient_change": np.max(np.abs(b.rest - b.push), axis=1),
        "curved_distance": 0.0,
        "box_width": float(np.max(sides)),
        "highest_before": b.top,
        "rate": b.rate,
        "largest_rate": b.top_rate,
        "steps": float(max(options["steps"], 1)),
        "tolerance": options["tolerance"] or CONSTANTS["tolerance"][0],
        "noisy": 0.0,
        **window.scalars(b.code == SPENT),
    }
    outcome = evaluate(ending_program(), known, len(b.x))
    stuck = np.flatnonzero(outcome["stuck"] > 0.0)
    if len(stuck):
        distance = np.zeros(len(b.x))
        distance[stuck] = curved_distance(b.objective, b.x[stuck], b.rest[stuck], known["extent_before"][stuck])
        outcome = evaluate(ending_program(), known | {"curved_distance": distance}, len(b.x))
    verdict = outcome["code"].astype(np.uint8)
    rested = np.flatnonzero(verdict == _CODES["converged"])
    basin = np.full(len(verdict), -1, np.int16)
    judged = descended(b.objective, b.stepper.rule)
    minima = known_minima(judged).minima if len(rested) and (not judged.convex or "basin" in options["keep"]) else ()
    place = resting_place(b.stepper.rule, found["position"], found["estimate"])[rested]
    crawls = np.zeros(len(rested), bool)
    signs = signs_of(judged, place) if len(rested) and asks_for_curvature(judged) else None
    if signs is not None and rests_on_level_ground(b.objective, judged, b.stepper.rule):
        extent = known["extent_before"][rested]
        crawls = flat_way(judged, place, extent, signs) > far_to_go(known["tolerance"], extent)
    if len(rested) and not judged.convex:
        saddle = goes_down(judged, place, signs)
        verdict[rested[saddle]] = _CODES["saddle"]
        if minima:
            value = judged.values(place)
            gap = allowed_gap(
                judged, minima[0], place, found["position"][rested], value, known["gradient"][rested],
                outcome["distance"][rested],
            )  # fmt: skip
            verdict[rested[~saddle & (value - minima[0].value > gap)]] = _CODES["trapped"]
    verdict[rested[crawls]] = _CODES["crawling"]
    for index, ball in enumerate(rested):
        if verdict[ball] not in (_CODES["saddle"], _CODES["crawling"]):
            basin[ball] = _basin(place[index], minima, options["radius"])
    return {"verdict": verdict, "basin": basin}
