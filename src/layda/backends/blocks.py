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
_CLOSE_RANKS = 8  # when an eighth of the lanes has ended


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

    def __init__(self, plan: LanePlan, count: int, quarters: int) -> None:
        group = plan.lanes_per_group
        self.plan = plan
        self.n = count
        self.room = -(-max(count, 1) // group) * group
        self.notes = len(plan.watch.names) if plan.watch else 0
        rows = len(plan.columns) + self.notes * quarters
        self.cols = np.zeros((rows, self.room), plan.dtype)
        self.code = np.full(self.room, _NOBODY, np.int32)
        self.code[:count] = _RUNNING
        self.step = np.zeros(self.room, np.int32)
        self.ball = np.arange(self.room)
        self.end_cols = np.zeros((rows, count), plan.dtype)
        self.end_code = np.zeros(count, np.int32)
        self.end_step = np.zeros(count, np.int32)

    @property
    def padded(self) -> int:
        """Lanes that the printed text goes through."""
        group = self.plan.lanes_per_group
        return -(-self.n // group) * group

    def close_ranks(self) -> None:
        """Move out those that have ended; the others follow up."""
        n = self.n
        gone = np.flatnonzero(self.code[:n] >= 0)
        if not len(gone):
            return
        self._leave(gone)
        kept = np.flatnonzero(self.code[:n] < 0)
        m = len(kept)
        self.cols[:, :m] = self.cols[:, kept]
        self.ball[:m] = self.ball[kept]
        self.code[:m] = _RUNNING
        self.code[m:] = _NOBODY
        self.n = m

    def _leave(self, lanes: NDArray[np.int64]) -> None:
        balls = self.ball[lanes]
        self.end_cols[:, balls] = self.cols[:, lanes]
        self.end_code[balls] = self.code[lanes]
        self.end_step[balls] = self.step[lanes]

    def spend(self, step: int) -> None:
        """The budget is spent."""
        lanes = np.flatnonzero(self.code[: self.n] == _RUNNING)
        self.code[lanes], self.step[lanes] = SPENT, step
        self._leave(np.arange(self.n))


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
    block = _Block(plan, count, 4 if stretch else 0)
    for row, name in enumerate(plan.columns[: len(plan.loop.state) + len(plan.varying)]):
        block.cols[row, :count] = columns[name]
    uniform = np.array([scalars[name] for name in plan.uniform] or [0.0], plan.dtype)
    end = steps if split is None else split
    t = 0
    while t < end and block.n:
        threshold = max(block.n // _CLOSE_RANKS, 1)
        t = plan.functions["march"](
            block.cols.ctypes.data, block.room, block.padded, uniform.ctypes.data, t, end, tolerance, limit,
            block.code.ctypes.data, block.step.ctypes.data, threshold,
        )  # fmt: skip
        block.close_ranks()
    if stretch and block.n:
        _watch(plan, block, uniform, steps, tolerance, end, starts or {})
    block.spend(steps)
    state = {name: block.end_cols[row] for row, name in enumerate(plan.loop.state)}
    watched = {}
    if stretch and plan.watch is not None:
        first = len(plan.columns)
        for index, name in enumerate(plan.watch.names):
            watched[name] = block.end_cols[first + index :: block.notes]
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
        place = len(plan.columns) + index * block.notes
        block.cols[place : place + block.notes] = block.cols[first : first + block.notes]
        block.close_ranks()
        if not block.n:
            return
