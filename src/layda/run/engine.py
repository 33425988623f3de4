"""The ensemble's engine for traced objectives: balls in, how each ended out; block by block, on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.blocks import BlockEnd, run_block
from layda.backends.lanes import LanePlan, proven_steps
from layda.backends.mapped import evaluate
from layda.measures import CONSTANTS, VERDICTS
from layda.measures.ending import SCALARS
from layda.measures.window import window_length
from layda.objective import TracedObjective
from layda.program.loop import LOST, SETTLED, SPENT
from layda.rule import Stepper
from layda.run.curvature import goes_down, inertia_program
from layda.run.judge import allowed_gap, curved_distance, descended, resting_place
from layda.run.lane_programs import QUARTER_STARTS, finish_program, only, window_watch
from layda.run.loops import build_loop, layout
from layda.run.minima import known_minima

__all__ = ["Engine", "threads_of"]

Array = NDArray[Any]
Ranges = tuple[tuple[str, tuple[float, float]], ...]
_CODES = {kind: index for index, kind in enumerate(VERDICTS)}
_BLOCK_NUMBERS = 1 << 18  # numbers in a block's matrix: it should stay in a core's own cache
_LARGEST_BLOCK = 16384
_LONGEST_STRETCH = 256  # without stopping tests: steps between two looks around
_MODERATE = 4.0  # widths of everything that is known of the problem's size


def threads_of(threads: int | None) -> int:
    """How many threads: those asked for, else one for each core that this process may use."""
    if threads is not None:
        return max(1, threads)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


@dataclass(frozen=True)
class Engine:
    """A traced objective and a rule, made ready for very many balls.

    Attributes:
        objective, stepper: what goes down what, and how.
        varying: the names of the numbers that differ from ball to ball.
        steps, tolerance, check_every: as for :func:`layda.descend`.
        keep: what is wanted: "position", "estimate", "value", "steps", "verdict", "basin".
        radius: how near a minimum a settled ball is in its basin.
        fast: fused multiply-adds.
        dtype: "float64" or "float32".
    """

    objective: TracedObjective
    stepper: Stepper
    varying: tuple[str, ...]
    steps: int
    tolerance: float
    check_every: int
    keep: tuple[str, ...]
    radius: float
    fast: bool = False
    dtype: str = "float64"

    @cached_property
    def watched(self) -> bool:
        """Whether verdicts are wanted; only then the measures are carried along."""
        return "verdict" in self.keep or "basin" in self.keep

    @cached_property
    def _names(self) -> Any:
        return layout(self.objective.dimension, self.stepper)

    @cached_property
    def _whole(self) -> Any:
        return build_loop(self.objective, self.stepper)

    @cached_property
    def _finish(self) -> Any:
        return finish_program(self.objective, self.stepper, self.watched)

    def _plan(self, size: float, ranges: Ranges, history: bool = False) -> tuple[Any, float]:
        """The printed loop and what counts as a moderate state; made once for the same question."""
        key = (size, ranges, history)
        if key not in self._plans:
            self._plans[key] = self._planned(size, dict(ranges), history)
        return self._plans[key]

    @cached_property
    def _plans(self) -> dict[Any, tuple[Any, float]]:
        return {}

    def _planned(self, size: float, ranges: dict[str, tuple[float, float]], history: bool) -> tuple[Any, float]:
        """The printed loop and what counts as a moderate state."""
        names, whole = self._names, self._whole
        tested = self.tolerance > 0.0
        wanted = (*names.carried, *((*names.last, *names.earlier, *names.push, *names.low, *names.high, "top_rate")
                                    if self.watched or tested else ()))  # fmt: skip
        loop = only(whole, (*wanted, "highest") if history else wanted)
        limit = float(2.0 ** np.ceil(np.log2(_MODERATE * size)))
        proven = proven_steps(loop, limit, ranges, self.steps)
        return (
            LanePlan(
                loop,
                self.varying,
                self.check_every if tested else _stretch(self.steps),
                tested and not history,
                proven,
                window_watch(loop, names) if self.watched and not history else None,
                self.fast,
                self.dtype,
            ),
            limit,
        )

    def run(
        self,
        starts: Array,
        numbers: Mapping[str, Any],
        threads: int | None = None,
        progress: Callable[[int], None] | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
        size: float | None = None,
    ) -> dict[str, Array]:
        """Run every ball.

        Args:
            starts: (balls, dimension).
            numbers: name -> value, or one for each ball.
            threads: by default one for each core.
            progress: called with the number of balls done since the last call.
            ranges: of the numbers, where these balls are part of a larger whole that shares one printed text.
            size: the largest coordinate of the whole's starts.

        Returns:
            What ``keep`` names; positions and estimates (balls, dimension).
        """
        count = len(starts)
        ends = np.array([*np.ravel(self.objective.box), 1.0])
        size = max(float(np.max(np.abs(ends))), float(np.max(np.abs(starts))) if size is None else size)
        if ranges is None:
            ranges = {name: (float(np.min(value)), float(np.max(value))) for name, value in numbers.items()}
        ordered = tuple(sorted(ranges.items()))
        plan, limit = self._plan(size, ordered)
        found = self._rooms(count)
        length = len(plan.columns) or 1
        block = max(plan.lanes_per_group, min(_LARGEST_BLOCK, _BLOCK_NUMBERS // length))

        def work(first: int) -> int:
            part = slice(first, min(first + block, count))
            own = {name: (value[part] if np.ndim(value) else value) for name, value in numbers.items()}
            ended = self._block(plan, limit, size, ordered, starts[part], own)
            for name, values in ended.items():
                found[name][part] = values
            return len(starts[part])

        firsts = range(0, count, block)
        workers = min(threads_of(threads), max(1, len(firsts)))
        if workers == 1:
            for first in firsts:
                _tell(progress, work(first))
        else:
            plan.functions  # noqa: B018 - compiled once, before the threads begin
            with ThreadPoolExecutor(workers) as pool:
                for done in _in_turn(pool, work, firsts, 4 * workers):
                    _tell(progress, done)
        return found

    def _rooms(self, count: int) -> dict[str, Array]:
        dimension = self.objective.dimension
        kinds: dict[str, tuple[tuple[int, ...], Any]] = {
            "position": ((count, dimension), np.float64),
            "estimate": ((count, dimension), np.float64),
            "value": ((count,), np.float64),
            "steps": ((count,), np.int32),
            "verdict": ((count,), np.uint8),
            "basin": ((count,), np.int16),
        }
        return {name: np.empty(*kinds[name]) for name in self.keep}

    def _columns(self, starts: Array, numbers: Mapping[str, Any], plan: LanePlan) -> dict[str, Any]:
        """The block's columns before step 0; a rule starts at rest."""
        names, stepper = self._names, self.stepper
        columns: dict[str, Any] = {name: numbers[name] for name in plan.varying}
        schedules: tuple[Any, ...] = ()
        for i, name in enumerate(names.position):
            state = stepper.start(numbers, starts[:, i])
            columns[name] = starts[:, i]
            columns |= {group[i]: value for group, value in zip(names.slots, state.slots, strict=True)}
            columns |= dict(zip(names.shared, state.shared, strict=True))
            schedules = state.schedules
            columns |= dict(zip(names.schedules, schedules, strict=True))
            columns |= {group[i]: starts[:, i] for group in (names.last, names.earlier, names.low, names.high)}
            columns[names.push[i]] = 0.0
        columns["top_rate"] = stepper.resolved(numbers, 0.0, schedules).learning_rate  # type: ignore[attr-defined]
        return columns | {"highest": -np.inf}

    def _block(
        self,
        plan: LanePlan,
        limit: float,
        size: float,
        ranges: Ranges,
        starts: Array,
        numbers: dict[str, Any],
    ) -> dict[str, Array]:
        with np.errstate(all="ignore"):
            columns = self._columns(starts, numbers, plan)
        length = window_length(self.steps)
        ended = run_block(
            plan, columns, numbers, len(starts), steps=self.steps, tolerance=self.tolerance, limit=limit,
            split=self.steps - length if self.watched else None, starts=QUARTER_STARTS,
        )  # fmt: skip
        state = {name: np.asarray(value, np.float64) for name, value in ended.columns.items()}
        known: dict[str, Any] = numbers | state | {"t": ended.step.astype(np.float64)}
        found: dict[str, Array] = {"steps": ended.step}
        if self.watched:
            known |= self._scalars(ended, length)
        elif not {"value", "estimate"} & set(self.keep):
            return self._kept(found | {"position": np.stack([state[n] for n in self._names.position], axis=1)})
        outcome = evaluate(self._finish, known, len(starts))
        found |= {
            "value": outcome["value"],
            "position": np.stack([state[name] for name in self._names.position], axis=1),
            "estimate": np.stack([outcome[f"estimate{i}"] for i in range(self.objective.dimension)], axis=1),
        }
        if self.watched:
            outcome = self._mended(outcome, known, ended, starts, numbers, size, ranges, length)
            found |= self._judged(outcome, found, ended.code)
        return self._kept(found)

    def _kept(self, found: dict[str, Array]) -> dict[str, Array]:
        return {name: found[name] for name in self.keep}

    def _scalars(self, ended: BlockEnd, length: int) -> dict[str, Any]:
        """What the verdict's program takes and does not compute itself; see ``measures/ending.py``."""
        spent = (ended.code == SPENT) & (length > 0)
        tolerance = self.tolerance or CONSTANTS["tolerance"][0]
        known: dict[str, Any] = {
            "lost": (ended.code == LOST).astype(np.float64),
            "stopped": (ended.code == SETTLED).astype(np.float64),
            "curved_distance": 0.0,
            "highest_before": -np.inf,
            "window": np.where(spent, float(length), 0.0),
            "steps": float(max(self.steps, 1)),
            "tolerance": tolerance,
            "noisy": 0.0,
        }
        for name in ("displacement", "distance", "high", "low"):
            for quarter in range(4):
                value = ended.watched[name][quarter] if length else 0.0
                known[f"{name}_{quarter + 1}"] = np.where(spent, value, 0.0)
        turns: Any = 0.0
        for i in range(self.objective.dimension):
            turns = np.maximum(turns, ended.watched[f"turns{i}"][3] if length else 0.0)
        known["turns"] = np.where(spent, turns, 0.0)
        assert all(name in known or name not in self._finish.inputs for name in SCALARS)
        return known

    def _mended(
        self,
        outcome: dict[str, Array],
        known: dict[str, Any],
        ended: BlockEnd,
        starts: Array,
        numbers: dict[str, Any],
        size: float,
        ranges: Ranges,
        length: int,
    ) -> dict[str, Array]:
        """Two things that few balls need: the curvature where one is stuck, and the largest f before the window.

        The latter is asked for only where it decides: where the verdict would be another one if f had been infinite.
        """
        count = len(starts)
        outcome = dict(outcome)
        stuck = np.flatnonzero(outcome["stuck"] > 0.0)
        if len(stuck):
            places = np.stack([known[name][stuck] for name in self._names.position], axis=1)
            rests = np.stack([outcome[f"rest{i}"][stuck] for i in range(places.shape[1])], axis=1)
            distance = np.zeros(count)
            distance[stuck] = curved_distance(self.objective, places, rests, outcome["extent_before"][stuck])
            known["curved_distance"] = distance
            outcome = dict(evaluate(self._finish, known, count))
        growing = outcome["code"] == _CODES["diverged"]
        doubtful = np.flatnonzero(growing & (ended.code == SPENT))
        if len(doubtful) and self.steps > length:
            high = dict(known) | {"highest_before": np.inf}
            otherwise = evaluate(self._finish, high, count)["code"]
            again = doubtful[otherwise[doubtful] != outcome["code"][doubtful]]
            if len(again):
                highest = np.full(count, -np.inf)
                highest[again] = self._highest(starts[again], _taken(numbers, again), size, ranges, self.steps - length)
                known["highest_before"] = highest
                outcome = dict(evaluate(self._finish, known, count))
        return outcome

    def _highest(self, starts: Array, numbers: dict[str, Any], size: float, ranges: Ranges, split: int) -> Array:
        plan, limit = self._plan(size, ranges, history=True)
        with np.errstate(all="ignore"):
            columns = self._columns(starts, numbers, plan)
        ended = run_block(plan, columns, numbers, len(starts), steps=split, tolerance=0.0, limit=limit)
        return np.asarray(ended.columns["highest"], np.float64)

    def _judged(self, outcome: dict[str, Array], found: dict[str, Array], code: Array) -> dict[str, Array]:
        """Verdicts and basins: settled balls are asked whether they lie in a minimum, and in which."""
        verdict = outcome["code"].astype(np.uint8)
        settled = np.flatnonzero(verdict == _CODES["converged"])
        judged = descended(self.objective, self.stepper.rule)
        known = known_minima(judged).minima
        basin = np.full(len(verdict), -1, np.int16)
        if len(settled):
            place = resting_place(self.stepper.rule, found["position"], found["estimate"])[settled]
            if not judged.convex:
                assert isinstance(judged, TracedObjective)
                saddle = goes_down(judged, place, self._signs(judged, place))
                verdict[settled[saddle]] = _CODES["saddle"]
                if known:
                    columns = {name: place[:, i] for i, name in enumerate(judged.coordinates)}
                    value = evaluate(judged.program, columns, len(place))["value"]
                    gradient, distance = outcome["gradient"][settled], outcome["distance"][settled]
                    gap = allowed_gap(judged, known[0], value, gradient, distance)
                    verdict[settled[~saddle & (value - known[0].value > gap)]] = _CODES["trapped"]
            if known and "basin" in self.keep:
                nearest, distance = _nearest(place, np.array([minimum.position for minimum in known]))
                inside = (distance <= self.radius) & (verdict[settled] != _CODES["saddle"])
                basin[settled] = np.where(inside, nearest, -1)
        return {"verdict": verdict, "basin": basin}

    def _signs(self, judged: TracedObjective, place: Array) -> Array | None:
        if judged.dimension > 32:
            return None
        columns = {name: place[:, i] for i, name in enumerate(judged.coordinates)}
        return np.array(evaluate(inertia_program(judged), columns, len(place))["sign"])


def _stretch(steps: int) -> int:
    """The longest stretch that leaves few steps over at the end: those are done carefully, one at a time."""
    return min(range(_LONGEST_STRETCH // 2, _LONGEST_STRETCH + 1), key=lambda length: (steps % length, -length))


def _taken(numbers: dict[str, Any], index: Array) -> dict[str, Any]:
    return {name: (value[index] if np.ndim(value) else value) for name, value in numbers.items()}


def _nearest(places: Array, minima: Array) -> tuple[Array, Array]:
    """The index of the nearest minimum in the largest coordinate difference, and how far it is."""
    best, index = np.full(len(places), np.inf), np.zeros(len(places), np.int16)
    for number, minimum in enumerate(minima):
        distance = np.max(np.abs(places - minimum), axis=1)
        nearer = distance < best
        best[nearer], index[nearer] = distance[nearer], number
    return index, best


def _tell(progress: Callable[[int], None] | None, done: int) -> None:
    if progress is not None:
        progress(done)


def _in_turn(pool: ThreadPoolExecutor, work: Callable[[int], int], items: Any, ahead: int) -> Iterator[int]:
    """Results in order, with only so many pieces waiting: a billion balls are not a million futures."""
    from collections import deque

    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
