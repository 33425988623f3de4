"""A block of balls from the first step to the last: march, close ranks, look at the last stretch in quarters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.lanes import LanePlan
from layda.backends.ranks import move_lanes
from layda.program.loop import SPENT

__all__ = ["BlockEnd", "run_block"]

Array = NDArray[Any]
_RUNNING, _NOBODY = -1, 9
# Steps with the state in registers; a chunk that was not moderate is done again carefully. Most balls that are thrown
# away are so early: later chunks may be longer. Ranks may be closed after some of them.
_CHUNK, _LONGEST_CHUNK, _CHUNKS = 128, 4096, 8
_TESTED_CHUNK, _LONGEST_TESTED_CHUNK = 150, 500  # where the stopping test runs; ranks may be closed after each
_WORTH_A_CALL = 1 << 18  # lanes times steps: few lanes go farther before ranks are closed
_CLOSE_RANKS = 4  # when a quarter of the lanes has ended
_LINE = 64  # bytes that the processor fetches at once; a vector that lies in one of them is read faster


@dataclass(frozen=True)
class BlockEnd:
    """How the balls of a block ended, in their order.

    Attributes:
        columns: name of the state -> its numbers at the end.
        code: SPENT, SETTLED or LOST. step: the last step.
        late: the balls that came to the last stretch; ``None`` when none did.
        watched: accumulator -> (quarters, late balls): what was noted of them, 0 for those that ended in the stretch.
    """

    columns: dict[str, Array]
    code: NDArray[np.int32]
    step: NDArray[np.int32]
    late: NDArray[np.int64] | None
    watched: dict[str, Array]


def _matrix(rows: int, lanes: int, dtype: str) -> Array:
    """Room for rows that each begin at the begin of a line, not all of them at the same place of the cache."""
    each = _LINE // np.dtype(dtype).itemsize
    stride = (-(-lanes // each) | 1) * each
    room = np.empty(rows * stride + each, dtype)
    first = -room.ctypes.data % _LINE // room.itemsize
    return room[first : first + rows * stride].reshape(rows, stride)[:, :lanes]


class _Block:
    """The matrix of columns, and who is in which lane."""

    def __init__(self, plan: LanePlan, count: int) -> None:
        group = plan.lanes_per_group
        self.plan = plan
        self.n = count
        room = -(-max(count, 1) // group) * group
        self.notes = len(plan.watch.names) if plan.watch else 0
        self.states = len(plan.loop.state)
        self.cols = _matrix(len(plan.columns), room, plan.dtype)
        self.cols[:, count:] = 0.0
        self.code = np.full(room, _RUNNING, np.int32)
        self.code[count:] = _NOBODY
        self.step = np.empty(room, np.int32)
        self.ended = np.zeros(1, np.int32)  # whether any lane has, since ranks were closed
        self.matrix = (self.cols.ctypes.data, self.cols.strides[0] // self.cols.itemsize)
        self.marks = (self.code.ctypes.data, self.step.ctypes.data, self.ended.ctypes.data)
        self.ball: Any = None  # nobody has left yet: lane and ball are the same
        self.end_cols: Any = None
        self.late: Any = None
        self.seat: Any = None  # ball -> its place among the late ones
        self.end_notes: Any = None
        self.end_code = np.empty(count, np.int32)
        self.end_step = np.empty(count, np.int32)

    @property
    def padded(self) -> int:
        """Lanes that the printed text goes through."""
        group = self.plan.lanes_per_group
        return -(-self.n // group) * group

    def close_ranks(self, share: int = 1) -> None:
        """Move out those that have ended, if they are many; the last ones take their places."""
        if not self.ended[0]:
            return
        n = self.n
        ended = np.flatnonzero(self.code[:n] >= 0)
        if len(ended) * share < n:
            return
        self.ended[0] = 0
        if self.ball is None:
            self.ball = np.arange(len(self.code))
            self.end_cols = _matrix(self.states, len(self.end_code), self.plan.dtype)
        balls = self.ball[ended]
        move_lanes(self.cols, ended, self.end_cols, balls, self.states)
        self.end_code[balls], self.end_step[balls] = self.code[ended], self.step[ended]
        left = n - len(ended)
        holes = ended[: np.searchsorted(ended, left)]
        movers = left + np.flatnonzero(self.code[left:n] < 0)
        move_lanes(self.cols, movers, self.cols, holes, len(self.cols))
        self.ball[holes] = self.ball[movers]
        self.code[:left], self.code[left:n] = _RUNNING, _NOBODY
        self.n = left

    def begin_notes(self) -> None:
        """The last stretch begins with the balls that still roll."""
        self.late = np.arange(self.n) if self.ball is None else self.ball[: self.n].copy()
        self.seat = np.empty(len(self.end_code), np.int64)
        self.seat[self.late] = np.arange(self.n)
        self.end_notes = np.empty((4, self.notes, self.n), self.plan.dtype)

    def note(self, quarter: int) -> None:
        """Keep what was noted in a quarter."""
        first = len(self.plan.columns) - self.notes
        seats = slice(self.n) if self.ball is None else self.seat[self.ball[: self.n]]
        for row in range(self.notes):
            self.end_notes[quarter, row][seats] = self.cols[first + row, : self.n]

    def spend(self, step: int) -> None:
        """The budget is spent."""
        n = self.n
        running: Any = self.code[:n] < 0 if self.ended[0] else slice(None)
        self.step[:n][running], self.code[:n][running] = step, SPENT
        self.ended[0] = 1
        if self.ball is None:
            self.end_cols, self.end_code, self.end_step = self.cols[: self.states, :n], self.code[:n], self.step[:n]
        else:
            self.close_ranks()
        if self.late is not None:
            self.end_notes[:, :, self.end_code[self.late] != SPENT] = 0.0


def run_block(
    plan: LanePlan,
    columns: Mapping[str, Any],
    scalars: Mapping[str, float],
    count: int,
    *,
    steps: int,
    tolerance: float,
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
        split: where the last stretch begins, a whole number of quarters before the end; ``None`` without a watch.
        starts: accumulator -> its value before a quarter.
    """
    block = _Block(plan, count)
    for row, name in enumerate(plan.columns[: len(plan.loop.state) + len(plan.varying)]):
        block.cols[row, :count] = columns[name]
    uniform = np.array([scalars[name] for name in plan.uniform] or [0.0], plan.dtype)
    end = steps if split is None else split
    t = 0
    while t < end and block.n:
        chunk, until = _chunk(plan, block.n, t)
        plan.functions["march"](
            *block.matrix, block.padded, uniform.ctypes.data, t, min(until, end), chunk, tolerance, plan.proof.limit,
            *block.marks,
        )  # fmt: skip
        block.close_ranks(_CLOSE_RANKS)
        t = until
    block.close_ranks()
    if split is not None and block.n:
        _watch(plan, block, uniform, steps, tolerance, split, starts or {})
    block.spend(steps)
    state = {name: block.end_cols[row] for row, name in enumerate(plan.loop.state)}
    names = plan.watch.names if block.late is not None and plan.watch is not None else ()
    watched = {name: block.end_notes[:, index] for index, name in enumerate(names)}
    return BlockEnd(state, block.end_code, block.end_step, block.late, watched)


def _chunk(plan: LanePlan, lanes: int, t: int) -> tuple[int, int]:
    """The chunk, a whole number of tests, and how far to go before looking around."""
    if not plan.tested:
        chunk = min(max(_CHUNK, t), _LONGEST_CHUNK)
        return chunk, t + _CHUNKS * chunk
    steps = min(max(_TESTED_CHUNK, _WORTH_A_CALL // lanes), _LONGEST_TESTED_CHUNK)
    chunk = -(-steps // plan.every) * plan.every
    return chunk, t + chunk


def _watch(
    plan: LanePlan, block: _Block, uniform: Array, steps: int, tolerance: float, split: int, starts: Mapping[str, float]
) -> None:
    """The last stretch, quarter by quarter; what was noted in each is kept behind the columns.

    Without a stretch the last state alone is looked at: it may not be finite, or settled.
    """
    assert plan.watch is not None
    quarter = (steps - split) // 4
    first = len(plan.columns) - len(plan.watch.names)
    if quarter:
        block.begin_notes()
    for index in range(4 if quarter else 1):
        for offset, name in enumerate(plan.watch.names):
            if index == 0 or name in starts:
                block.cols[first + offset] = starts.get(name, 0.0)
        begin = split if index == 0 else split + index * quarter + 1
        stop = split + (index + 1) * quarter + 1
        plan.functions["stretch"](
            *block.matrix, block.padded, uniform.ctypes.data, begin, stop, steps, split, tolerance, plan.proof.limit,
            *block.marks,
        )  # fmt: skip
        if quarter:
            block.note(index)
        block.close_ranks(_CLOSE_RANKS)
        if not block.n:
            return
