"""Where the columns, codes and numbers of a block are, in a text that is being written for its lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layda.backends.vector import Writer

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan

__all__ = ["Columns"]


class Columns:
    """What all texts share.

    Args:
        plan: a :class:`layda.backends.lanes.LanePlan`.
        writer: the text.
    """

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
