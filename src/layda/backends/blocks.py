"""A block of balls from the first step to the last: march, close ranks, look at the last stretch in quarters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.lanes import LanePlan
from layda.program.loop import SPENT

__all__ = ["BlockEnd", "run_block"]

Array = NDArray[Any]
_RUNNING, _NOBODY = -1, 9
_CLOSE_RANKS = 4  # when a quarter of the lanes has ended


@dataclass(frozen=True)
class BlockEnd:
    """How the balls of a block ended, in their order.

    Attributes:
        columns: name of the state -> its numbers at the end.
        code: SPENT, SETTLED or LOST. step: the last step.
        watched: accumulator -> (quarters, balls) for balls that spent their budget.
    """

    columns: dict[str, Array]
    code: NDArray[np.int32]
    step: NDArray[np.int32]
    watched: dict[str, Array]


class _Block:
    """The matrix of columns, and who is in which lane."""

    def __init__(self, plan: LanePlan, count: int, watched: bool) -> None:
        group = plan.lanes_per_group
        self.plan = plan
        self.n = count
        self.room = -(-max(count, 1) // group) * group
        self.notes = len(plan.watch.names) if plan.watch and watched else 0
        self.states = len(plan.loop.state)
        self.cols = np.zeros((len(plan.columns), self.room), plan.dtype)
        self.code = np.full(self.room, _NOBODY, np.int32)
        self.code[:count] = _RUNNING
        self.step = np.zeros(self.room, np.int32)
        self.ball = np.arange(self.room)
        self.complete = True  # nobody has left yet: lane and ball are the same
        self.end_cols = np.zeros((self.states, count), plan.dtype)
        self.end_notes = np.zeros((4, self.notes, count), plan.dtype)
        self.end_code = np.zeros(count, np.int32)
        self.end_step = np.zeros(count, np.int32)

    @property
    def padded(self) -> int:
        """Lanes that the printed text goes through."""
        group = self.plan.lanes_per_group
        return -(-self.n // group) * group

    def close_ranks(self) -> None:
        """Move out those that have ended, if they are many; the others follow up."""
        n = self.n
        ended = self.code[:n] >= 0
        gone = np.flatnonzero(ended)
        if len(gone) * _CLOSE_RANKS < n:
            return
        self._leave(gone)
        self.complete = False
        kept = np.flatnonzero(~ended)
        m = len(kept)
        self.cols[:, :m] = self.cols.take(kept, axis=1)
        self.ball[:m] = self.ball[kept]
        self.code[:m] = _RUNNING
        self.code[m:] = _NOBODY
        self.n = m

    def _leave(self, lanes: NDArray[np.int64]) -> None:
        balls = self.ball[lanes]
        found = self.cols[: self.states].take(lanes, axis=1)
        for row in range(self.states):
            self.end_cols[row][balls] = found[row]
        self.end_code[balls] = self.code[lanes]
        self.end_step[balls] = self.step[lanes]

    def note(self, quarter: int) -> None:
        """Keep what was noted in a quarter."""
        first = len(self.plan.columns) - self.notes
        balls: Any = slice(self.n) if self.complete else self.ball[: self.n]
        for row in range(self.notes):
            self.end_notes[quarter, row][balls] = self.cols[first + row, : self.n]

    def spend(self, step: int) -> None:
        """The budget is spent."""
        n = self.n
        running = self.code[:n] == _RUNNING
        self.code[:n][running], self.step[:n][running] = SPENT, step
        if self.complete:
            self.end_cols, self.end_code = self.cols[: self.states, :n], self.code[:n]
            self.end_step = self.step[:n]
        else:
            self._leave(np.arange(n))


def run_block(
    plan: LanePlan,
    columns: Mapping[str, Any],
    scalars: Mapping[str, float],
    count: int,
    *,
    steps: int,
    tolerance: float,
    limit: float,
    split: int | None = None,
    starts: Mapping[str, float] | None = None,
) -> BlockEnd:
    """Run a block.

    Args:
        plan: the printed loop.
        columns: name of the state or of a varying number -> a number or one for each ball.
        scalars: name -> value of the uniform numbers.
        count: how many balls.
        steps: the budget.
        tolerance: of the stopping test.
        limit: what counts as a moderate state.
        split: where the last stretch begins, a whole number of quarters before the end; ``None`` without a watch.
        starts: accumulator -> its value before a quarter.
    """
    stretch = 0 if split is None else steps - split
    block = _Block(plan, count, stretch > 0)
    for row, name in enumerate(plan.columns[: len(plan.loop.state) + len(plan.varying)]):
        block.cols[row, :count] = columns[name]
    uniform = np.array([scalars[name] for name in plan.uniform] or [0.0], plan.dtype)
    end = steps if split is None else split
    t = 0
    while t < end and block.n:
        threshold = max(-(-block.n // _CLOSE_RANKS), 1)
        t = plan.functions["march"](
            block.cols.ctypes.data, block.room, block.padded, uniform.ctypes.data, t, end, tolerance, limit,
            block.code.ctypes.data, block.step.ctypes.data, threshold,
        )  # fmt: skip
        block.close_ranks()
    if stretch and block.n:
        _watch(plan, block, uniform, steps, tolerance, end, starts or {})
    block.spend(steps)
    state = {name: block.end_cols[row] for row, name in enumerate(plan.loop.state)}
    names = plan.watch.names if stretch and plan.watch is not None else ()
    watched = {name: block.end_notes[:, index] for index, name in enumerate(names)}
    return BlockEnd(state, block.end_code, block.end_step, watched)


def _watch(
    plan: LanePlan, block: _Block, uniform: Array, steps: int, tolerance: float, split: int, starts: Mapping[str, float]
) -> None:
    """The last stretch, quarter by quarter; what was noted in each is kept behind the columns."""
    assert plan.watch is not None
    first = len(plan.columns) - block.notes
    quarter = (steps - split) // 4
    for index in range(4):
        for offset, name in enumerate(plan.watch.names):
            if index == 0 or name in starts:
                block.cols[first + offset, : block.room] = starts.get(name, 0.0)
        begin = split if index == 0 else split + index * quarter + 1
        stop = split + (index + 1) * quarter + 1
        plan.functions["stretch"](
            block.cols.ctypes.data, block.room, block.padded, uniform.ctypes.data, begin, stop, steps, split, tolerance,
            block.code.ctypes.data, block.step.ctypes.data,
        )  # fmt: skip
        block.note(index)
        block.close_ranks()
        if not block.n:
            return
