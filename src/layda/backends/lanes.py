"""Very many runs of one loop at once, in vector registers: what maps, basins and sweeps are made with.

A *block* is a matrix of columns (the numbers of the state, then the numbers that differ from lane to lane), one lane
per ball, all at the same step. ``march`` takes every lane some steps ahead; lanes that have ended are moved out, the
others close ranks (:mod:`layda.backends.blocks`). Two texts are printed from one loop:

- *careful*: at every step it is asked whether f and its gradient are finite;
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

from layda.backends.native import load, vector_width
from layda.backends.proof import Proof, proven_steps
from layda.backends.vector import Writer
from layda.program import Program
from layda.program.intervals import Interval, folded
from layda.program.loop import LOST, SETTLED, Loop

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
        alive = len(self.loop.persistent) + len(self.varying)
        # Long programs have much to do side by side of their own; fused steps are over sooner (both measured).
        fused = any(node.op == "fma" for node in self.loop.advance.nodes)
        most = (7 if fused else 12) if self.short else 4
        return max(1, min(most, _REGISTERS // max(1, alive)))

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
        return vector_width(self.dtype) * self.unroll

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
    text = [_careful(plan, "careful", None), _march(plan)]
    if plan.watch is not None:
        types["stretch"] = (None, pointer, number, number, pointer, number, number, number, number, real, pointer,
                            pointer, pointer)  # fmt: skip
        text += [_careful(plan, "watched", plan.watch), _stretch(plan)]
    lines = [line for writer in text for line in writer.lines]
    declared = sorted(set().union(*(writer.declared for writer in text)))
    return load("\n".join(declared + lines) + "\n", types)


class _Lanes:
    """What both texts share: where columns, codes and numbers are."""

    def __init__(self, plan: LanePlan, writer: Writer) -> None:
        self.plan, self.w = plan, writer

    def column(self, name: str, lane: str) -> str:
        """The address of a lane's place in a column."""
        w = self.w
        row = w.do(f"mul i64 %stride, {self.plan.columns.index(name)}")
        return w.do(f"getelementptr {w.scalar}, ptr %cols, i64 {w.do(f'add i64 {row}, {lane}')}")

    def read(self, address: str) -> str:
        """W numbers."""
        return self.w.do(f"load {self.w.vector}, ptr {address}, align {8 if self.w.scalar == 'double' else 4}")

    def write(self, value: str, address: str, mask: str) -> None:
        """W numbers, where the condition holds."""
        w = self.w
        size = 8 if w.scalar == "double" else 4
        suffix = f"v{w.width}{'f64' if size == 8 else 'f32'}.p0"
        w.declared.add(f"declare void @llvm.masked.store.{suffix}({w.vector}, ptr, i32, {w.mask})")
        w.line(
            f"  call void @llvm.masked.store.{suffix}({w.vector} {value}, ptr {address}, i32 {size}, {w.mask} {mask})"
        )

    def active(self, lane: str) -> str:
        """Which lanes have not ended."""
        w = self.w
        address = w.do(f"getelementptr i32, ptr %code, i64 {lane}")
        codes = w.do(f"load <{w.width} x i32>, ptr {address}, align 4")
        return w.do(f"icmp slt <{w.width} x i32> {codes}, zeroinitializer")

    def end(self, mask: str, lane: str, code: int, t: str) -> None:
        """Note why and when the lanes of the mask ended, and that some did."""
        w = self.w
        ints = f"<{w.width} x i32>"
        w.declared.add(f"declare void @llvm.masked.store.v{w.width}i32.p0({ints}, ptr, i32, {w.mask})")
        now = w.splat(w.do(f"trunc i64 {t} to i32"), "i32")
        for array, value in (("%code", w.whole(code, "i32")), ("%step", now)):
            address = w.do(f"getelementptr i32, ptr {array}, i64 {lane}")
            store = f"@llvm.masked.store.v{w.width}i32.p0"
            w.line(f"  call void {store}({ints} {value}, ptr {address}, i32 4, {w.mask} {mask})")
        w.line("  store i32 1, ptr %ended")

    def numbers(self, lane: str | None) -> dict[str, str]:
        """The uniform numbers and, for a lane, the varying ones."""
        w, found = self.w, {}
        for index, name in enumerate(self.plan.uniform):
            address = w.do(f"getelementptr {w.scalar}, ptr %scalars, i64 {index}")
            found[name] = w.splat(w.do(f"load {w.scalar}, ptr {address}"))
        for name in self.plan.varying if lane is not None else ():
            found[name] = self.read(self.column(name, str(lane)))
        return found

    def time(self, t: str) -> str:
        """The step number for every lane."""
        return self.w.splat(self.w.do(f"sitofp i64 {t} to {self.w.scalar}"))

    def variable(self, kind: str, value: str | None = None) -> str:
        """A variable that LLVM will keep in a register; declared in the entry block."""
        name = self.w.do(f"alloca {kind}", "var")
        if value is not None:
            self.w.line(f"  store {kind} {value}, ptr {name}")
        return name

    def get(self, kind: str, variable: str) -> str:
        """The variable's value."""
        return self.w.do(f"load {kind}, ptr {variable}")

    def put(self, kind: str, variable: str, value: str) -> None:
        """A new value for the variable."""
        self.w.line(f"  store {kind} {value}, ptr {variable}")

    def add(self, variable: str, amount: str) -> None:
        """Move on by so much."""
        self.put("i64", variable, self.w.do(f"add i64 {self.get('i64', variable)}, {amount}"))


def _careful(plan: LanePlan, name: str, watch: Watch | None) -> Writer:
    """One vector of lanes from t0 up to t1, asking at every step; with a watch, t1 itself is looked at, too."""
    w = Writer(vector_width(plan.dtype), plan.dtype)
    lanes, loop = _Lanes(plan, w), plan.loop
    last = ", i64 %last, i64 %since" if watch else ""
    w.line(
        f"define internal void @{name}(ptr %cols, i64 %stride, i64 %lane, ptr %scalars, i64 %t0, i64 %t1{last}, "
        f"{w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended) noinline {{"
    )
    w.label("entry")
    state = {column: lanes.variable(w.vector) for column in loop.state}
    notes = {column: lanes.variable(w.vector) for column in (watch.names if watch else ())}
    active, clock = lanes.variable(w.mask), lanes.variable("i64", "%t0")
    started = lanes.active("%lane")
    lanes.put(w.mask, active, started)
    for column, variable in (state | notes).items():
        lanes.put(w.vector, variable, lanes.read(lanes.column(column, "%lane")))
    numbers = lanes.numbers("%lane") | {"tolerance": w.splat("%tolerance")}
    if watch:
        numbers["since"] = lanes.time("%since")
    w.line("  br label %walk")
    w.label("walk")
    t = lanes.get("i64", clock)
    known = numbers | {column: lanes.get(w.vector, variable) for column, variable in state.items()}
    known["t"] = lanes.time(t)
    seen = w.program(plan.printed(loop.observe), known)
    alive = seen.pop("alive")
    known |= seen
    before = lanes.get(w.mask, active)
    lost = w.both(before, w.opposite(alive))
    going = w.both(before, alive)
    lanes.put(w.mask, active, going)
    some = w.any(lost)
    w.line(f"  br i1 {some}, label %lost, label %looked")
    w.label("lost")
    lanes.end(lost, "%lane", LOST, t)
    w.line("  br label %looked")
    w.label("looked")
    if watch:
        noted = w.program(
            plan.printed(watch.program), known | {column: lanes.get(w.vector, v) for column, v in notes.items()}
        )
        begun = w.do(f"icmp sgt i64 {t}, %since")
        wanted = w.both(going, w.splat(begun, "i1"))
        for column, variable in notes.items():
            lanes.put(w.vector, variable, w.choose(wanted, noted[column], lanes.get(w.vector, variable)))
    if plan.tested:
        remainder = w.do(f"srem i64 {t}, {plan.every}")
        due = w.do(f"and i1 {w.do(f'icmp eq i64 {remainder}, 0')}, {w.do(f'icmp sgt i64 {t}, 0')}")
        w.line(f"  br i1 {due}, label %test, label %tested")
        w.label("test")
        settled = w.both(going, w.program(plan.printed(loop.check), known)["settled"])
        lanes.put(w.mask, active, w.both(going, w.opposite(settled)))
        lanes.end(settled, "%lane", SETTLED, t)
        w.line("  br label %tested")
        w.label("tested")
    moving = lanes.get(w.mask, active)
    stop = w.do(f"xor i1 {w.any(moving)}, true")
    if watch:
        stop = w.do(f"or i1 {stop}, {w.do(f'icmp eq i64 {t}, %last')}")
    w.line(f"  br i1 {stop}, label %done, label %advance")
    w.label("advance")
    moved = w.program(plan.printed(loop.advance), known)
    for column, variable in state.items():
        lanes.put(w.vector, variable, w.choose(moving, moved[column], known[column]))
    following = w.do(f"add i64 {t}, 1")
    lanes.put("i64", clock, following)
    w.line(f"  br i1 {w.do(f'icmp sge i64 {following}, %t1')}, label %done, label %walk")
    w.label("done")
    for column, variable in (state | notes).items():
        lanes.write(lanes.get(w.vector, variable), lanes.column(column, "%lane"), started)
    w.line("  ret void\n}")
    return w


def _stretch(plan: LanePlan) -> Writer:
    """The watched text over all lanes of a block, from t0 up to t1 (and at t = last without a step)."""
    w = Writer(vector_width(plan.dtype), plan.dtype)
    w.line(
        "define void @stretch(ptr %cols, i64 %stride, i64 %n, ptr %scalars, i64 %t0, i64 %t1, i64 %last, i64 %since, "
        f"{w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended) {{"
    )
    w.label("entry")
    lanes = _Lanes(plan, w)
    place = lanes.variable("i64", "0")
    w.line("  br label %next")
    w.label("next")
    lane = lanes.get("i64", place)
    w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %n')}, label %work, label %done")
    w.label("work")
    w.line(
        f"  call void @watched(ptr %cols, i64 %stride, i64 {lane}, ptr %scalars, i64 %t0, i64 %t1, i64 %last, "
        f"i64 %since, {w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended)"
    )
    lanes.add(place, str(w.width))
    w.line("  br label %next")
    w.label("done")
    w.line("  ret void\n}")
    return w


def _march(plan: LanePlan) -> Writer:
    from layda.backends.light import write_march

    w = Writer(vector_width(plan.dtype), plan.dtype)
    write_march(plan, w, _Lanes(plan, w))
    return w
