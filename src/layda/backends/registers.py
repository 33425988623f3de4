"""Several vectors of lanes with their state in registers, in a text that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from layda.backends.columns import Columns
from layda.backends.native import vector_width
from layda.backends.vector import Writer
from layda.program import Program

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan

__all__ = ["Registers", "new_text"]


class Registers:
    """The vectors of a group: their variables, which LLVM keeps in registers, and what is asked of all of them.

    Args:
        plan: what is printed.
        lanes: the columns.
        unroll: how many vectors.
        names: the columns that have a variable; ``loaded`` are read at the begin, the others are made before they are
            asked for.
        together: whether programs are written operation by operation on all vectors, so that one waits while others
            work. Short ones are not: the processor looks far enough ahead, and fewer registers are taken.
    """

    def __init__(
        self, plan: LanePlan, lanes: Columns, unroll: int, names: Sequence[str], loaded: Sequence[str], together: bool
    ) -> None:
        self.plan, self.lanes, self.w, self.unroll = plan, lanes, lanes.w, unroll
        self.loaded = tuple(loaded)
        self.variables = [
            {name: lanes.variable(self.w.vector, "zeroinitializer") for name in names} for _ in range(unroll)
        ]
        self.masks = [lanes.variable(self.w.mask) for _ in range(unroll)]
        self.uniform = lanes.numbers(None) | {"tolerance": self.w.splat("%tolerance")}
        self.parts = [range(unroll)] if together else [range(index, index + 1) for index in range(unroll)]
        self.where: list[str] = []
        self.fixed: list[dict[str, str]] = []

    def look(self, lane: str) -> str:
        """Which lanes of the group roll; whether any does."""
        self.where = [self.w.do(f"add i64 {lane}, {index * self.w.width}") for index in range(self.unroll)]
        for variable, place in zip(self.masks, self.where, strict=True):
            self.lanes.put(self.w.mask, variable, self.lanes.active(place))
        return self.some()

    def load(self) -> None:
        """The columns into the variables."""
        loop, lanes = self.plan.loop, self.lanes
        fixed = (*self.plan.varying, *(name for name in loop.state if name in loop.still))
        self.fixed = [{name: lanes.read(lanes.column(name, place)) for name in fixed} for place in self.where]
        for own, place in zip(self.variables, self.where, strict=True):
            for name in self.loaded:
                lanes.put(self.w.vector, own[name], lanes.read(lanes.column(name, place)))

    def store(self, index: int, mask: str) -> None:
        """The variables of a vector into the columns, in the lanes of the mask."""
        for name, variable in self.variables[index].items():
            value = self.lanes.get(self.w.vector, variable)
            self.lanes.write(value, self.lanes.column(name, self.where[index]), mask)

    def mask(self, index: int) -> str:
        """Which lanes of a vector roll."""
        return self.lanes.get(self.w.mask, self.masks[index])

    def some(self) -> str:
        """Whether any lane rolls."""
        found = self.mask(0)
        for index in range(1, self.unroll):
            found = self.w.do(f"or {self.w.mask} {found}, {self.mask(index)}")
        return self.w.any(found)

    def leave(self, index: int, mask: str) -> None:
        """The lanes of the mask roll no more."""
        self.lanes.put(self.w.mask, self.masks[index], self.w.both(self.mask(index), self.w.opposite(mask)))

    def known(self, index: int, t: str) -> dict[str, str]:
        """Everything that is known of a vector at step t."""
        values = {name: self.lanes.get(self.w.vector, variable) for name, variable in self.variables[index].items()}
        return self.uniform | self.fixed[index] | values | {"t": self.lanes.time(t)}

    def run(self, program: Program, t: str) -> None:
        """The outputs of a program become the variables of those names, in every vector."""
        for part in self.parts:
            known = [self.known(index, t) for index in part]
            for index, values in zip(part, self.w.programs(program, known), strict=True):
                for name, value in values.items():
                    self.lanes.put(self.w.vector, self.variables[index][name], value)

    def moderate(self, label: str, otherwise: str, new: bool = True) -> None:
        """Go on at the label only if the state of every lane that rolls is moderate.

        Args:
            label: where to go on.
            otherwise: where to go if not.
            new: whether the label is set here.
        """
        w, totals = self.w, []
        for index in range(self.unroll):
            known = self.known(index, "0")
            sizes = [w.call("fabs", [known[name]]) for name in self.plan.loop.carried]
            totals.append(w.choose(self.mask(index), self._total(sizes), w.number(0.0)))
        # One comparison for all: it takes a multiplier's time, sums do not.
        bad = w.do(f"fcmp ugt {w.vector} {self._total(totals)}, {w.splat('%limit')}")
        w.line(f"  br i1 {w.any(bad)}, label %{otherwise}, label %{label}")
        if new:
            w.label(label)

    def _total(self, values: list[str]) -> str:
        """The sum, added up in pairs."""
        while len(values) > 1:
            pairs = [values[index : index + 2] for index in range(0, len(values), 2)]
            values = [self.w.do(f"fadd {self.w.vector} {', '.join(p)}") if len(p) > 1 else p[0] for p in pairs]
        return values[0]


def new_text(plan: LanePlan, name: str, arguments: str) -> tuple[Writer, Columns]:
    """A function for all lanes of a block, begun."""
    w = Writer(vector_width(plan.dtype), plan.dtype)
    w.line(
        f"define void @{name}(ptr %cols, i64 %stride, i64 %n, ptr %scalars, i64 %t0, i64 %t1, {arguments}, "
        f"{w.scalar} %tolerance, {w.scalar} %limit, ptr %code, ptr %step, ptr %ended) {{"
    )
    w.label("entry")
    return w, Columns(plan, w)
