"""A loop made of programs: what a whole run is, for every backend.

::

    for t = first, first + 1, …:
        observe      (state, numbers, t)            -> observed values, among them the condition "alive"
        record
        stop with LOST      if not alive
        check        (state, observed, numbers, t)  -> the condition "settled", when t is a multiple of ``every``
        stop with SETTLED   if settled
        stop with SPENT     if t = last
        advance      (state, observed, numbers, t)  -> the next state
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.program.arithmetic import arithmetic
from layda.program.program import Program

__all__ = ["LOST", "SETTLED", "SPENT", "Loop", "LoopEnd", "first_check", "run_readably"]

SPENT, SETTLED, LOST = 0, 1, 2
"""Why a loop ended: the budget was spent, the check said settled, or something was no longer finite or defined."""


@dataclass(frozen=True)
class Loop:
    """Three programs and the names that tie them together.

    Attributes:
        state: the names of the numbers that are carried from step to step.
        numbers: the names of the numbers that stay the same.
        observe: inputs among state, numbers and "t"; outputs the observed values and "alive".
        check: inputs among state, observed, numbers, "t" and "tolerance"; output "settled".
        advance: inputs among state, observed, numbers and "t"; outputs every name of the state.
        record: the names of the state that are written down at every step.
    """

    state: tuple[str, ...]
    numbers: tuple[str, ...]
    observe: Program
    check: Program
    advance: Program
    record: tuple[str, ...]

    @cached_property
    def observed(self) -> tuple[str, ...]:
        """The names of the observed values, without "alive"."""
        return tuple(name for name in self.observe.output_names if name != "alive")

    @cached_property
    def operation_count(self) -> int:
        """Elementary operations in one step."""
        return self.observe.lowered.operation_count + self.advance.lowered.operation_count


@dataclass(frozen=True)
class LoopEnd:
    """How a stretch of a loop ended.

    Attributes:
        code: SPENT, SETTLED or LOST.
        step: t at the end.
        state: name -> number (or array of lanes) at the end.
        observed: likewise for the observed values.
        records: one row per step from the first on, one column per recorded name; empty when nothing was recorded.
    """

    code: int
    step: int
    state: dict[str, Any]
    observed: dict[str, Any]
    records: NDArray[np.float64]


def first_check(first: int, every: int) -> int:
    """The first step ≥ ``first`` at which the check runs (a positive multiple of ``every``); −1 for never."""
    if every <= 0:
        return -1
    return max(every, -(-first // every) * every)


def run_readably(
    loop: Loop,
    state: Mapping[str, float],
    numbers: Mapping[str, float],
    *,
    first: int = 0,
    last: int,
    every: int = 0,
    tolerance: float = 0.0,
    keep: bool = True,
) -> LoopEnd:
    """The readable twin: operation by operation on Python floats. Every backend gives these bits.

    Args:
        loop: the programs.
        state: name -> number before the first step of the stretch.
        numbers: name -> number.
        first: t of the first step.
        last: t of the last observation.
        every: the check runs at positive multiples of it; 0 for never.
        tolerance: the check's input of that name.
        keep: whether to record.
    """
    floats = arithmetic("float")
    current = dict(state)
    rows: list[Sequence[float]] = []
    t, due, code = first, first_check(first, every), SPENT
    while True:
        known = {**numbers, **current, "t": float(t), "tolerance": tolerance}
        observed = loop.observe.lowered.evaluate(known, floats)
        if keep:
            rows.append([current[name] for name in loop.record])
        if not observed.pop("alive"):
            code = LOST
            break
        known |= observed
        if t == due:
            due += every
            if loop.check.lowered.evaluate(known, floats)["settled"]:
                code = SETTLED
                break
        if t == last:
            break
        current = loop.advance.lowered.evaluate(known, floats)
        t += 1
    records = np.array(rows, dtype=np.float64).reshape(len(rows), len(loop.record))
    return LoopEnd(code, t, current, observed, records)
