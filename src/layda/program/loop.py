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
from layda.program.rewriting import composed

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
        finite: the observed values whose being finite is all that "alive" asks; empty when it asks for more.
    """

    state: tuple[str, ...]
    numbers: tuple[str, ...]
    observe: Program
    check: Program
    advance: Program
    record: tuple[str, ...]
    finite: tuple[str, ...] = ()

    @cached_property
    def observed(self) -> tuple[str, ...]:
        """The names of the observed values, without "alive"."""
        return tuple(name for name in self.observe.output_names if name != "alive")

    @cached_property
    def _uses(self) -> dict[str, frozenset[str]]:
        """Name of the state -> the names of the state that its next value is made from."""
        by_observed = {name: _inputs_of(self.observe, name) & set(self.state) for name in self.observed}
        found: dict[str, frozenset[str]] = {}
        for name in self.state:
            direct = _inputs_of(self.advance, name)
            through = [by_observed[seen] for seen in direct & set(self.observed)]
            found[name] = frozenset((direct & set(self.state)).union(*through))
        return found

    @cached_property
    def carried(self) -> tuple[str, ...]:
        """The names of the state that what is observed depends on, now or later."""
        wanted = {name for seen in self.observed for name in _inputs_of(self.observe, seen) & set(self.state)}
        while True:
            more = wanted.union(*(self._uses[name] for name in wanted))
            if more == wanted:
                return tuple(name for name in self.state if name in wanted)
            wanted = more

    @cached_property
    def way(self) -> Program:
        """Observing and advancing as one program, from what is carried to what it will be."""
        return self.step(self.carried)

    def step(self, names: Sequence[str]) -> Program:
        """Observing and advancing as one program: the next values of these names of the state."""
        seen = self.observe.select(self.observed)
        return composed((*self.state, *self.numbers, "t"), seen, self.advance.select(names))

    @cached_property
    def still(self) -> frozenset[str]:
        """The names of the state that no step changes."""
        found = dict(self.advance.outputs)
        return frozenset(name for name in self.state if self.advance.nodes[found[name]].value == name)

    @cached_property
    def passing(self) -> tuple[str, ...]:
        """The names of the state that forget: nothing but each other is made from them (the last positions, …)."""
        return tuple(name for name in self.state if name not in self._chains and name not in self.still)

    @cached_property
    def persistent(self) -> tuple[str, ...]:
        """The names of the state that a step makes from themselves or from each other."""
        return tuple(name for name in self.state if name in self._chains and name not in self.still)

    @cached_property
    def memory(self) -> int:
        """After so many steps the passing names have forgotten everything from before."""
        left, rounds = set(self.passing), 0
        known = set(self.persistent) | self.still
        while left:
            ready = {name for name in left if self._uses[name] <= known}
            known, left, rounds = known | ready, left - ready, rounds + 1
        return rounds

    @cached_property
    def _chains(self) -> frozenset[str]:
        kept = set(self.state)
        while True:
            gone = {
                name
                for name in kept
                if name not in self.carried
                and name not in self._uses[name]
                and not any(name in self._uses[other] for other in kept if other != name)
            }
            if not gone:
                return frozenset(kept)
            kept -= gone

    @cached_property
    def operation_count(self) -> int:
        """Elementary operations in one step."""
        return self.observe.lowered.operation_count + self.advance.lowered.operation_count


def _inputs_of(program: Program, output: str) -> frozenset[str]:
    """The names of the inputs that an output depends on."""
    return frozenset(str(node.value) for node in program.select([output]).nodes if node.op == "input")


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
