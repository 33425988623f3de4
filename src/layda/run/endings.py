"""How the balls of a block ended: from their last numbers to value, answer, verdict and basin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.blocks import BlockEnd
from layda.backends.mapped import evaluate
from layda.measures import CONSTANTS, VERDICTS
from layda.measures.ending import SCALARS, WINDOW
from layda.measures.window import window_length
from layda.objective import TracedObjective
from layda.program import Program
from layda.program.intervals import folded
from layda.program.loop import LOST, SETTLED, SPENT
from layda.rule import Stepper
from layda.run.curvature import flat_way, goes_down, inertia_program, signs_of
from layda.run.judge import (
    allowed_gap,
    asks_for_curvature,
    curved_distance,
    descended,
    far_to_go,
    resting_place,
    rests_on_level_ground,
)
from layda.run.lane_programs import QUARTER_STARTS, finish_program
from layda.run.loops import layout
from layda.run.minima import known_minima

__all__ = ["Endings"]

Array = NDArray[Any]
Highest = Callable[[NDArray[np.int64]], Array]
_WINDOW = ("window", "turns", *WINDOW)
_CODES = {kind: index for index, kind in enumerate(VERDICTS)}


@dataclass(frozen=True)
class Endings:
    """What is told of a ball that has ended.

    Attributes:
        objective, stepper: what went down what, and how.
        steps, tolerance: as for :func:`layda.descend`.
        keep: what is wanted: "position", "estimate", "value", "steps", "verdict", "basin".
        radius: how near a minimum a settled ball is in its basin.
    """

    objective: TracedObjective
    stepper: Stepper
    steps: int
    tolerance: float
    keep: tuple[str, ...]
    radius: float

    @property
    def watched(self) -> bool:
        """Whether verdicts are wanted; only then the measures are carried along."""
        return "verdict" in self.keep or "basin" in self.keep

    def told(self, ended: BlockEnd, numbers: Mapping[str, Any], highest: Highest) -> dict[str, Any]:
        """What is kept of the balls; of positions and estimates one array for each coordinate.

        Args:
            ended: how the block ended.
            numbers: name -> value, or one for each ball.
            highest: from indices of balls to the largest f of each before the last window.
        """
        state = {name: np.asarray(value, np.float64) for name, value in ended.columns.items()}
        found: dict[str, Any] = {"steps": ended.step, "position": [state[name] for name in self._position]}
        if self.watched or {"value", "estimate"} & set(self.keep):
            known: dict[str, Any] = {**numbers, **state, "t": ended.step.astype(np.float64)}
            outcome = self._outcome(known, ended, highest)
            found["value"] = outcome["value"]
            found["estimate"] = [outcome[f"estimate{i}"] for i in range(self.objective.dimension)]
            if self.watched:
                found |= self._judged(outcome, found)
        return {name: found[name] for name in self.keep}

    @cached_property
    def _position(self) -> tuple[str, ...]:
        return layout(self.objective.dimension, self.stepper).position

    @cached_property
    def _finish(self) -> Program:
        return finish_program(self.objective, self.stepper, self.watched)

    @cached_property
    def _finish_early(self) -> Program:
        """The same for balls that never came to the last window: all its numbers are 0."""
        return folded(self._finish, dict.fromkeys(_WINDOW, (0.0, 0.0)))

    def _outcome(self, known: dict[str, Any], ended: BlockEnd, highest: Highest) -> dict[str, Array]:
        """The finishing program's results; those that came to the last window are asked for its numbers as well."""
        count = len(ended.code)
        if not self.watched:
            return evaluate(self._finish, known, count)
        known |= {
            "lost": (ended.code == LOST).astype(np.float64),
            "stopped": (ended.code == SETTLED).astype(np.float64),
            "curved_distance": 0.0,
            "highest_before": -np.inf,
            "steps": float(max(self.steps, 1)),
            "tolerance": self.tolerance or CONSTANTS["tolerance"][0],
            "noisy": 0.0,
            **dict.fromkeys(_WINDOW, 0.0),
        }
        late = ended.late
        if late is None:
            return self._mended(self._finish_early, known, count)
        if len(late) == count:
            return self._highs(known | self._window(ended), ended.code, highest)
        outcome = {name: np.array(values) for name, values in self._mended(self._finish_early, known, count).items()}
        own = {name: (value[late] if np.ndim(value) else value) for name, value in known.items()}
        part = self._highs(own | self._window(ended), ended.code[late], lambda balls: highest(late[balls]))
        for name, values in part.items():
            outcome[name][late] = values
        return outcome

    def _window(self, ended: BlockEnd) -> dict[str, Any]:
        """The numbers of the last window, 0 for balls that ended in it."""
        assert ended.late is not None
        found: dict[str, Any] = {}
        found["window"] = np.where(ended.code[ended.late] == SPENT, float(window_length(self.steps)), 0.0)
        for name in QUARTER_STARTS:
            found |= {f"{name}_{quarter + 1}": ended.watched[name][quarter] for quarter in range(4)}
        found["turns"] = np.max([ended.watched[f"turns{i}"][3] for i in range(self.objective.dimension)], axis=0)
        return found

    def _mended(self, program: Program, known: dict[str, Any], count: int) -> dict[str, Array]:
        """The outcome, with the curvature where a ball is stuck: few balls need it."""
        outcome = evaluate(program, known, count)
        stuck = np.flatnonzero(outcome["stuck"] > 0.0)
        if len(stuck):
            places = np.stack([known[name][stuck] for name in self._position], axis=1)
            rests = np.stack([outcome[f"rest{i}"][stuck] for i in range(places.shape[1])], axis=1)
            distance = np.zeros(count)
            distance[stuck] = curved_distance(self.objective, places, rests, outcome["extent_before"][stuck])
            known["curved_distance"] = distance
            outcome = evaluate(program, known, count)
        return outcome

    def _highs(self, known: dict[str, Any], code: Array, highest: Highest) -> dict[str, Array]:
        """The outcome, with the largest f before the window where it decides.

        It does where the verdict would be another one if f had been infinite.
        """
        count = len(code)
        outcome = self._mended(self._finish, known, count)
        doubtful = np.flatnonzero((outcome["code"] == _CODES["diverged"]) & (code == SPENT))
        if len(doubtful) and self.steps > window_length(self.steps):
            otherwise = evaluate(self._finish, known | {"highest_before": np.inf}, count)["code"]
            again = doubtful[otherwise[doubtful] != outcome["code"][doubtful]]
            if len(again):
                before = np.full(count, -np.inf)
                before[again] = highest(again)
                outcome = evaluate(self._finish, known | {"highest_before": before}, count)
        return outcome

    def _judged(self, outcome: dict[str, Array], found: dict[str, Any]) -> dict[str, Array]:
        """Verdicts and basins: settled balls are asked whether they lie in a minimum, and in which."""
        verdict = outcome["code"].astype(np.uint8)
        settled = np.flatnonzero(verdict == _CODES["converged"])
        judged = descended(self.objective, self.stepper.rule)
        known = known_minima(judged).minima
        basin = np.full(len(verdict), -1, np.int16)
        if len(settled):
            resting = resting_place(self.stepper.rule, found["position"], found["estimate"])
            place = np.stack([column[settled] for column in resting], axis=1)
            assert isinstance(judged, TracedObjective)
            crawls = np.zeros(len(settled), bool)
            signs = _signs(judged, place) if asks_for_curvature(judged) else None
            if signs is not None and rests_on_level_ground(self.objective, judged, self.stepper.rule):
                extent = outcome["extent_before"][settled]
                tolerance = self.tolerance or CONSTANTS["tolerance"][0]
                crawls = flat_way(judged, place, extent, signs) > far_to_go(tolerance, extent)
            if not judged.convex:
                saddle = goes_down(judged, place, signs)
                verdict[settled[saddle]] = _CODES["saddle"]
                if known:
                    columns = {name: place[:, i] for i, name in enumerate(judged.coordinates)}
                    value = evaluate(judged.program, columns, len(place))["value"]
                    gradient, distance = outcome["gradient"][settled], outcome["distance"][settled]
                    seen = np.stack([column[settled] for column in found["position"]], axis=1)
                    gap = allowed_gap(judged, known[0], place, seen, value, gradient, distance)
                    verdict[settled[~saddle & (value - known[0].value > gap)]] = _CODES["trapped"]
            verdict[settled[crawls]] = _CODES["crawling"]
            if known and "basin" in self.keep:
                nearest, distance = _nearest(place, np.array([minimum.position for minimum in known]))
                inside = (distance <= self.radius) & (verdict[settled] != _CODES["saddle"]) & ~crawls
                basin[settled] = np.where(inside, nearest, -1)
        return {"verdict": verdict, "basin": basin}


def _signs(judged: TracedObjective, place: Array) -> Array:
    if judged.dimension > 32:
        return signs_of(judged, place)
    columns = {name: place[:, i] for i, name in enumerate(judged.coordinates)}
    return np.array(evaluate(inertia_program(judged), columns, len(place))["sign"])


def _nearest(places: Array, minima: Array) -> tuple[Array, Array]:
    """The index of the nearest minimum in the largest coordinate difference, and how far it is."""
    best, index = np.full(len(places), np.inf), np.zeros(len(places), np.int16)
    for number, minimum in enumerate(minima):
        distance = np.max(np.abs(places - minimum), axis=1)
        nearer = distance < best
        best[nearer], index[nearer] = distance[nearer], number
    return index, best


assert set(_WINDOW) <= set(SCALARS)
