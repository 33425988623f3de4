"""Very many runs of one loop at once, in vector registers: what maps, basins and sweeps are made with.

A *block* is a matrix of columns (the numbers of the state, then the numbers that differ from lane to lane), one lane
per ball, all at the same step. ``march`` takes every lane some steps ahead; lanes that have ended are moved out, the
others close ranks (:mod:`layda.backends.blocks`). ``stretch`` does so in the last stretch of a run, of which it notes
how it went. Two texts of each are printed from one loop:

- *careful* (:mod:`layda.backends.careful`): at every step it is asked whether f and its gradient are finite;
- *light* (:mod:`layda.backends.light`): the same steps without asking, in registers, several vectors side by side.
  Interval arithmetic has shown that a few steps between moderate states stay finite (:mod:`layda.backends.proof`);
  every few steps it is tested that the state is moderate, and if it is not, the stretch is done again carefully. So
  both give the same bits.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from layda.backends.careful import write_careful
from layda.backends.light import write_march
from layda.backends.native import load, vector_width
from layda.backends.noting import write_stretch
from layda.backends.proof import Proof, proven_steps
from layda.program import Program
from layda.program.intervals import Interval, folded
from layda.program.loop import Loop

__all__ = ["LanePlan", "Watch"]

_REGISTERS = 28  # of the 32 that AVX-512 has; the others hold constants and what is in between
_SHORT = 60  # operations in a step
_MODERATE = 8.0  # times the size of the problem


@dataclass(frozen=True)
class Watch:
    """What is noted at every step of a stretch: accumulators and how they change.

    Attributes:
        names: of the accumulators.
        program: inputs among state, observed, numbers, ``names``, "t" and "since"; outputs every one of ``names``.
    """

    names: tuple[str, ...]
    program: Program


@dataclass(frozen=True)
class LanePlan:
    """One loop printed for lanes.

    Attributes:
        loop: the programs.
        varying: the numbers that differ from lane to lane; the others are the same for all.
        every: steps between two stopping tests (between two looks around, without tests).
        tested: whether the stopping test runs.
        size: the largest coordinate that is known of the problem: of its box, of the starts.
        ranges: between which values every number of the loop lies.
        steps: the budget.
        watch: for the last stretch.
        dtype: "float64" or "float32".
    """

    loop: Loop
    varying: tuple[str, ...]
    every: int
    tested: bool
    size: float
    ranges: tuple[tuple[str, Interval], ...]
    steps: int
    watch: Watch | None = None
    dtype: str = "float64"

    @cached_property
    def proof(self) -> Proof:
        """Which steps need no test for overflow; without any there is the careful text alone."""
        # Positions at the very corners of what is known are moderate, in all vectors at once.
        limit = self.size * max(_MODERATE, 0.5 * self.unroll * len(self.loop.carried))
        return proven_steps(self.loop, 2.0 ** math.ceil(math.log2(limit)), dict(self.ranges), self.steps, self.dtype)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of a block's columns."""
        return (*self.loop.state, *self.varying, *(self.watch.names if self.watch else ()))

    @cached_property
    def uniform(self) -> tuple[str, ...]:
        """The numbers that are the same for all lanes."""
        return tuple(name for name in self.loop.numbers if name not in self.varying)

    def printed(self, program: Program) -> Program:
        """The program in the form that is printed."""
        return program if self.dtype == "float32" else program.lowered

    def proven(self, program: Program) -> Program:
        """The program as it is printed where the proof holds: without choices that are decided there."""
        return folded(self.printed(program), dict(self.proof.ranges), self.dtype)

    @cached_property
    def unroll(self) -> int:
        """Vectors that go side by side in the light text."""
        # Long programs have much to do side by side of their own; fused steps are over sooner (both measured).
        fused = any(node.op == "fma" for node in self.loop.advance.nodes)
        most = (7 if fused else 12) if self.short else 4
        return max(1, min(most, _REGISTERS // (len(self.loop.persistent) + len(self.varying))))

    @cached_property
    def unroll_noting(self) -> int:
        """Likewise where it is noted how things go; spilling a few registers costs less than waiting."""
        return max(1, min(2, 2 * _REGISTERS // len(self.columns)))

    @property
    def short(self) -> bool:
        """Whether a step is so short that the processor looks several vectors ahead by itself."""
        return self.operations <= _SHORT

    @cached_property
    def operations(self) -> int:
        """In one step of the light text."""
        return self.printed(self.loop.way).operation_count

    @cached_property
    def lanes_per_group(self) -> int:
        """A block has room for a multiple of so many lanes."""
        return vector_width(self.dtype) * (math.lcm(self.unroll, self.unroll_noting) if self.watch else self.unroll)

    @cached_property
    def functions(self) -> dict[str, Any]:
        """``march`` and, with a watch, ``stretch``, compiled."""
        return _functions(self)


@lru_cache(maxsize=256)
def _functions(plan: LanePlan) -> dict[str, Any]:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    real = ctypes.c_double if plan.dtype == "float64" else ctypes.c_float
    types: dict[str, tuple[Any, ...]] = {
        "march": (None, pointer, number, number, pointer, number, number, number, real, real, pointer, pointer, pointer)
    }
    text = [write_careful(plan, "careful", None), write_march(plan)]
    if plan.watch is not None:
        types["stretch"] = (None, pointer, number, number, pointer, number, number, number, number, real, real, pointer,
                            pointer, pointer)  # fmt: skip
        text += [write_careful(plan, "watched", plan.watch), write_stretch(plan)]
    lines = [line for writer in text for line in writer.lines]
    declared = sorted(set().union(*(writer.declared for writer in text)))
    return load("\n".join(declared + lines) + "\n", types)
