"""The ensemble's engine for traced objectives: balls in, how each ended out; block by block, on several threads."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.blocks import BlockEnd, run_block
from layda.backends.lanes import LanePlan
from layda.measures.window import window_length
from layda.objective import TracedObjective
from layda.program import contracted
from layda.rule import Stepper
from layda.run.descend import whole_number
from layda.run.endings import Endings
from layda.run.lane_programs import QUARTER_STARTS, only, window_watch
from layda.run.loops import build_loop, contracted_loop, layout

__all__ = ["Engine", "threads_of"]

Array = NDArray[Any]
Ranges = tuple[tuple[str, tuple[float, float]], ...]
_BLOCK_NUMBERS = 1 << 19  # numbers in a block's matrix
_LARGEST_BLOCK, _SMALLEST_BLOCK = 1 << 16, 1 << 12  # balls
_GPU_NUMBERS, _LARGEST_GPU_BLOCK = 1 << 25, 1 << 19  # likewise on a GPU, whose memory has room for several such


def threads_of(threads: int | None) -> int:
    """How many threads: those asked for, else one for each core that this process may use."""
    if threads is not None:
        return whole_number("threads", threads, 1, 1 << 16)
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
        device: "cpu", or "cuda" for the first NVIDIA GPU; the bits are the same.
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
    device: str = "cpu"

    @cached_property
    def endings(self) -> Endings:
        """What is told of a ball that has ended."""
        return Endings(self.objective, self.stepper, self.steps, self.tolerance, self.keep, self.radius)

    @cached_property
    def _names(self) -> Any:
        return layout(self.objective.dimension, self.stepper)

    @cached_property
    def _whole(self) -> Any:
        loop = build_loop(self.objective, self.stepper)
        return contracted_loop(loop, lowered=self.dtype == "float64") if self.fast else loop

    def _plan(self, size: float, ranges: Ranges, history: bool = False) -> LanePlan:
        """The printed loop; made once for the same question."""
        key = (size, ranges, history)
        if key not in self._plans:
            self._plans[key] = self._planned(size, ranges, history)
        return self._plans[key]

    @cached_property
    def _plans(self) -> dict[Any, LanePlan]:
        return {}

    def _planned(self, size: float, ranges: Ranges, history: bool) -> LanePlan:
        names, whole = self._names, self._whole
        tested = self.tolerance > 0.0
        wanted = (*names.carried, *((*names.last, *names.earlier, *names.push, *names.low, *names.high, "top_rate")
                                    if self.endings.watched or tested else ()))  # fmt: skip
        loop = only(whole, (*wanted, "highest") if history else wanted)
        watch = window_watch(loop, names) if self.endings.watched and not history else None
        if watch is not None and self.fast:
            watch = replace(watch, program=contracted(watch.program, lowered=self.dtype == "float64"))
        return LanePlan(
            loop,
            self.varying,
            self.check_every if tested and not history else 1,
            tested and not history,
            size,
            ranges,
            self.steps,
            watch,
            self.dtype,
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
        farthest = max(float(np.max(starts)), -float(np.min(starts))) if size is None else size
        ends = [abs(end) for side in self.objective.box for end in side]
        size = 2.0 ** math.ceil(math.log2(max(1.0, farthest, *ends)))
        if ranges is None:
            ranges = {name: (float(np.min(value)), float(np.max(value))) for name, value in numbers.items()}
        ordered = tuple(sorted(ranges.items()))
        plan = self._plan(size, ordered)
        found = self._rooms(count)
        workers = threads_of(threads) if self.device == "cpu" else 1
        block = self._block_size(plan, count, workers)

        def work(first: int) -> int:
            part = slice(first, min(first + block, count))
            own = {name: (value[part] if np.ndim(value) else value) for name, value in numbers.items()}
            ended = self._block(plan, size, ordered, starts[part], own)
            for name, values in ended.items():
                if isinstance(values, list):
                    for i, column in enumerate(values):
                        found[name][part, i] = column
                else:
                    found[name][part] = values
            return len(starts[part])

        firsts = range(0, count, block)
        workers = min(workers, len(firsts))
        if workers == 1:
            for first in firsts:
                _tell(progress, work(first))
        else:
            plan.functions  # noqa: B018 - compiled once, before the threads begin
            with ThreadPoolExecutor(workers) as pool:
                for done in _in_turn(pool, work, firsts, 4 * workers):
                    _tell(progress, done)
        return found

    def _block_size(self, plan: LanePlan, count: int, workers: int) -> int:
        """How many balls at once; on several threads each has several blocks, if there are so many balls."""
        if self.device != "cpu":
            return max(1, min(_LARGEST_GPU_BLOCK, _GPU_NUMBERS // len(plan.columns)))
        share = max(_SMALLEST_BLOCK, count // (4 * workers)) if workers > 1 else _LARGEST_BLOCK
        return max(plan.lanes_per_group, min(_LARGEST_BLOCK, share, _BLOCK_NUMBERS // len(plan.columns)))

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
        placed = any(slot.start == "position" for slot in stepper.slots)
        schedules: tuple[Any, ...] = ()
        for i, name in enumerate(names.position):
            place = starts[:, i]
            state = stepper.start(numbers, place if placed else 0.0)
            columns[name] = place
            columns |= {group[i]: value for group, value in zip(names.slots, state.slots, strict=True)}
            columns |= dict(zip(names.shared, state.shared, strict=True))
            schedules = state.schedules
            columns |= dict(zip(names.schedules, schedules, strict=True))
            columns |= {group[i]: place for group in (names.last, names.earlier, names.low, names.high)}
            columns[names.push[i]] = 0.0
        if "top_rate" in plan.columns:
            columns["top_rate"] = stepper.resolved(numbers, 0.0, schedules).learning_rate  # type: ignore[attr-defined]
        return columns | {"highest": -np.inf}

    def _block(
        self,
        plan: LanePlan,
        size: float,
        ranges: Ranges,
        starts: Array,
        numbers: dict[str, Any],
    ) -> dict[str, Any]:
        """What is kept of these balls; of positions and estimates one array for each coordinate."""
        split = self.steps - window_length(self.steps)
        ended = _runner(self.device)(
            plan, self._columns(starts, numbers, plan), numbers, len(starts), steps=self.steps,
            tolerance=self.tolerance, split=split if self.endings.watched else None, starts=QUARTER_STARTS,
        )  # fmt: skip

        def highest(balls: NDArray[np.int64]) -> Array:
            own = {name: (value[balls] if np.ndim(value) else value) for name, value in numbers.items()}
            again = self._plan(size, ranges, history=True)
            columns = self._columns(starts[balls], own, again)
            run = run_block(again, columns, own, len(balls), steps=split, tolerance=0.0)
            return np.asarray(run.columns["highest"], np.float64)

        return self.endings.told(ended, numbers, highest)


def _runner(device: str) -> Callable[..., BlockEnd]:
    if device == "cpu":
        return run_block
    from layda.backends import cuda

    return cuda.run_block


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
