"""Program -> LLVM's text language, on vectors of lanes: every operation once for W balls at a time.

The text names each operation (``fadd``, ``fmul``, ``llvm.fma``), without fast-math flags, so LLVM may neither reorder
nor contract: the lanes hold the bits of the plain path. Powers of two and exponents are made from the bits of a number.

float32 programs keep their named functions: these are computed in float64 and rounded once.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from layda.backends.order import slow_first
from layda.program import Node, Program, operation, trace
from layda.program.arms import shared_arms

__all__ = ["Writer", "single"]

_MAGIC = 6755399441055744.0  # 1.5·2^52: the last bits of x + it are the whole number x
_INFIX = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_COMPARE = {"lt": "olt", "le": "ole", "eq": "oeq"}
_CALLS = {"abs": ("fabs", 1), "sqrt": ("sqrt", 1), "floor": ("floor", 1), "fma": ("fma", 3)}


@dataclass
class Writer:
    """A function body that is being written, line by line.

    Attributes:
        width: lanes per vector.
        dtype: "float64" or "float32".
    """

    width: int
    dtype: str = "float64"

    def __post_init__(self) -> None:
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self._count = 0

    @property
    def scalar(self) -> str:
        """The type of one number."""
        return "double" if self.dtype == "float64" else "float"

    @property
    def vector(self) -> str:
        """The type of W numbers."""
        return f"<{self.width} x {self.scalar}>"

    @property
    def mask(self) -> str:
        """The type of W conditions."""
        return f"<{self.width} x i1>"

    def line(self, text: str) -> None:
        """One line as it stands."""
        self.lines.append(text)

    def label(self, name: str) -> None:
        """Where a block begins."""
        self.lines.append(f"{name}:")

    def fresh(self, stem: str = "r") -> str:
        """A name that is not used yet."""
        self._count += 1
        return f"%{stem}{self._count}"

    def do(self, text: str, stem: str = "r") -> str:
        """One instruction; the name of its result."""
        name = self.fresh(stem)
        self.lines.append(f"  {name} = {text}")
        return name

    def number(self, value: float, scalar: str | None = None) -> str:
        """A constant for every lane."""
        kind = scalar or self.scalar
        if kind == "float":
            value = single(value)
        word = f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        return f"<{', '.join([f'{kind} {word}'] * self.width)}>"

    def whole(self, value: int, kind: str = "i64") -> str:
        """A whole number for every lane."""
        return f"<{', '.join([f'{kind} {value}'] * self.width)}>"

    def splat(self, value: str, kind: str | None = None) -> str:
        """One scalar for every lane."""
        kind = kind or self.scalar
        vector = f"<{self.width} x {kind}>"
        first = self.do(f"insertelement {vector} poison, {kind} {value}, i64 0")
        return self.do(f"shufflevector {vector} {first}, {vector} poison, <{self.width} x i32> zeroinitializer")

    def call(self, name: str, arguments: list[str], kind: str | None = None) -> str:
        """An intrinsic on vectors of one type."""
        kind = kind or self.scalar
        vector = f"<{self.width} x {kind}>"
        suffix = f"v{self.width}{'f64' if kind == 'double' else 'f32'}"
        self.declared.add(f"declare {vector} @llvm.{name}.{suffix}({', '.join([vector] * len(arguments))})")
        passed = ", ".join(f"{vector} {argument}" for argument in arguments)
        return self.do(f"call {vector} @llvm.{name}.{suffix}({passed})")

    def any(self, mask: str) -> str:
        """Whether the condition holds in any lane (an i1)."""
        self.declared.add(f"declare i1 @llvm.vector.reduce.or.v{self.width}i1({self.mask})")
        return self.do(f"call i1 @llvm.vector.reduce.or.v{self.width}i1({self.mask} {mask})")

    def both(self, first: str, second: str) -> str:
        """Where both conditions hold."""
        return self.do(f"and {self.mask} {first}, {second}")

    def opposite(self, mask: str) -> str:
        """Where the condition does not hold."""
        return self.do(f"xor {self.mask} {mask}, {self.whole(1, 'i1')}")

    def choose(self, mask: str, first: str, second: str) -> str:
        """The first where the condition holds, else the second."""
        return self.do(f"select {self.mask} {mask}, {self.vector} {first}, {self.vector} {second}")

    def program(self, program: Program, inputs: Mapping[str, str]) -> dict[str, str]:
        """Write a program's operations; the names of its outputs' values.

        Args:
            program: lowered for float64; with its named functions for float32.
            inputs: input name -> value.
        """
        return self.programs(program, [inputs])[0]

    def programs(
        self, program: Program, inputs: Sequence[Mapping[str, str]], kind: str | None = None, shared: bool = True
    ) -> list[dict[str, str]]:
        """The same program on several vectors, operation by operation, so that one waits while the others work.

        Args:
            program: as in :meth:`program`.
            inputs: for every vector.
            kind: of the numbers; by default those of the text.
            shared: whether the two arms of a choice may share operations.
        """
        kind = kind or self.scalar
        program = slow_first(shared_arms(program) if shared else program)
        values: list[list[str]] = [[] for _ in inputs]
        doubled = _multiplied(program)
        functions = Counter(node.args for node in program.nodes if _is_named(node))
        for index, node in enumerate(program.nodes):
            for own, known in zip(values, inputs, strict=True):
                if node.op == "input":
                    own.append(known[str(node.value)])
                elif node.op == "const":
                    own.append(self.number(float(node.value), kind))  # type: ignore[arg-type]
                elif index in doubled:
                    own.append(self._twice(own[node.args[0]], kind))
                elif node.op == "bit":
                    own.append(self._bit(program, node, own))
                elif (flipped := _flipped(program, node)) is not None:
                    own.append(self._flip(program, *flipped, own))
                elif _is_named(node):
                    alone = functions[node.args] == 1
                    own.append(self._named(node.op, [own[index] for index in node.args], kind, alone))
                else:
                    own.append(self._operation(node.op, [own[index] for index in node.args], kind))
        return [{name: own[index] for name, index in program.outputs} for own in values]

    def _operation(self, op: str, args: list[str], kind: str) -> str:
        vector = f"<{self.width} x {kind}>"
        if op in _INFIX:
            return self.do(f"{_INFIX[op]} {vector} {args[0]}, {args[1]}")
        if op in _COMPARE:
            return self.do(f"fcmp {_COMPARE[op]} {vector} {args[0]}, {args[1]}")
        if op in _CALLS:
            return self.call(_CALLS[op][0], args, kind)
        if op == "neg":
            return self.do(f"fneg {vector} {args[0]}")
        if op in ("and", "or"):
            return self.do(f"{op} {self.mask} {args[0]}, {args[1]}")
        if op == "not":
            return self.opposite(args[0])
        if op == "select":
            return self.do(f"select {self.mask} {args[0]}, {vector} {args[1]}, {vector} {args[2]}")
        assert kind == "double", f"{op} on {kind}: only lowered functions use it, and they are computed in float64"
        return self._scale(*args) if op == "scale" else self._exponent(args[0])

    def _named(self, op: str, args: list[str], kind: str, alone: bool) -> str:
        """A named function on float32: in float64, rounded once. LLVM sees by itself what sin x and cos x share."""
        lowering = operation(op).lowering
        assert lowering is not None
        assert kind == "float", f"{op} on {kind}: float64 programs are lowered before they are printed"
        names = [f"a{index}" for index in range(len(args))]
        wide = f"<{self.width} x double>"
        values = [self.do(f"fpext <{self.width} x {kind}> {arg} to {wide}") for arg in args]
        known = dict(zip(names, values, strict=True))
        found = self.programs(trace(lowering, names).lowered, [known], "double", alone)[0]["value"]
        return self.do(f"fptrunc {wide} {found} to <{self.width} x {kind}>")

    def _twice(self, x: str, kind: str) -> str:
        """x + x as 2x, with a 2 that LLVM cannot see: it would write the sum again."""
        self.declared.add(f"@two.{kind} = global {kind} 2.0")
        two = self.do(f"load {kind}, ptr @two.{kind}, !invariant.load !{{}}")
        return self.do(f"fmul <{self.width} x {kind}> {x}, {self.splat(two, kind)}")

    def _bit(self, program: Program, node: Node, own: Sequence[str]) -> str:
        """Whether a bit of a whole number is set."""
        bits = f"<{self.width} x i64>"
        word, place = self._word(program, node, own)
        masked = self.do(f"and {bits} {word}, {self.whole(1 << place)}")
        return self.do(f"icmp ne {bits} {masked}, {self.whole(0)}")

    def _flip(self, program: Program, node: Node, x: int, own: Sequence[str]) -> str:
        """−x where the bit is set, else x: the bit becomes the sign. A test would take a multiplier's time."""
        bits = f"<{self.width} x i64>"
        word, place = self._word(program, node, own)
        raised = self.do(f"shl {bits} {word}, {self.whole(63 - place)}")
        sign = self.do(f"and {bits} {raised}, {self.whole(-(1 << 63))}")
        value = self.do(f"bitcast <{self.width} x double> {own[x]} to {bits}")
        return self.do(f"bitcast {bits} {self.do(f'xor {bits} {value}, {sign}')} to <{self.width} x double>")

    def _word(self, program: Program, node: Node, own: Sequence[str]) -> tuple[str, int]:
        """The last bits of k + 1.5·2^52, which are those of the whole number k; and the place that is asked for."""
        moved = _before_rounding(program, node.args[0])
        total = own[moved] if moved is not None else self._moved(own[node.args[0]])
        word = self.do(f"bitcast <{self.width} x double> {total} to <{self.width} x i64>")
        return word, int(program.nodes[node.args[1]].value)  # type: ignore[arg-type]

    def _moved(self, k: str) -> str:
        return self.do(f"fadd <{self.width} x double> {k}, {self.number(_MAGIC, 'double')}")

    def _scale(self, x: str, k: str) -> str:
        """x·2^k: one instruction where the processor has it, else two products with powers made from their bits."""
        wide = f"<{self.width} x double>"
        if self.width == 8:
            name = "@llvm.x86.avx512.mask.scalef.pd.512"
            self.declared.add(f"declare {wide} {name}({wide}, {wide}, {wide}, i8, i32)")
            return self.do(f"call {wide} {name}({wide} {x}, {wide} {k}, {wide} zeroinitializer, i8 -1, i32 4)")
        half = self.call("floor", [self.do(f"fmul {wide} {k}, {self.number(0.5, 'double')}")], "double")
        first = self.do(f"fmul {wide} {x}, {self._power_of_two(half)}")
        return self.do(f"fmul {wide} {first}, {self._power_of_two(self.do(f'fsub {wide} {k}, {half}'))}")

    def _power_of_two(self, k: str) -> str:
        wide, bits = f"<{self.width} x double>", f"<{self.width} x i64>"
        whole = self.do(f"bitcast {wide} {self._moved(k)} to {bits}")
        biased = self.do(f"add {bits} {whole}, {self.whole(1023)}")
        return self.do(f"bitcast {bits} {self.do(f'shl {bits} {biased}, {self.whole(52)}')} to {wide}")

    def _exponent(self, x: str) -> str:
        wide, bits = f"<{self.width} x double>", f"<{self.width} x i64>"
        word = self.do(f"bitcast {wide} {x} to {bits}")
        field = self.do(f"and {bits} {self.do(f'lshr {bits} {word}, {self.whole(52)}')}, {self.whole(0x7FF)}")
        # The whole number e written into the last bits of 2^52, and 2^52 + 1023 taken away: exact.
        written = self.do(f"or {bits} {field}, {self.whole(0x4330000000000000)}")
        number = self.do(f"bitcast {bits} {written} to {wide}")
        return self.do(f"fsub {wide} {number}, {self.number(2.0**52 + 1023.0, 'double')}")


def single(value: float) -> float:
    """The float32 number next to a constant; infinity where it is beyond their range, as NumPy rounds."""
    with np.errstate(all="ignore"):
        return float(np.float32(value))


def _is_named(node: Node) -> bool:
    return node.op not in ("input", "const") and operation(node.op).lowering is not None


def _multiplied(program: Program) -> frozenset[int]:
    """Which doublings are printed as products, so that sums and products share the work evenly: the same bits.

    Processors add and multiply side by side, so many of each at a time; the rarer kind has room for the other's work.
    """
    ops = [node.op for node in program.nodes]
    products = sum(ops.count(op) for op in ("mul", "fma"))
    smaller = sum(_is_smaller_or_larger(program, node) for node in program.nodes)  # made where sums are made
    spare = (ops.count("add") + ops.count("sub") + smaller - products) // 2
    doublings = [i for i, node in enumerate(program.nodes) if node.op == "add" and node.args[0] == node.args[1]]
    return frozenset(doublings[: max(0, spare)])


def _is_smaller_or_larger(program: Program, node: Node) -> bool:
    """Whether the line is ``where(a < b, a, b)`` or ``where(a < b, b, a)``."""
    return node.op == "select" and program.nodes[node.args[0]].op == "lt" and (
        sorted(program.nodes[node.args[0]].args) == sorted(node.args[1:])
    )  # fmt: skip


def _flipped(program: Program, node: Node) -> tuple[Node, int] | None:
    """Of ``where(bit(k, place), -x, x)``: the line of the bit, and x."""
    if node.op != "select":
        return None
    condition, minus = program.nodes[node.args[0]], program.nodes[node.args[1]]
    if condition.op != "bit" or minus.op != "neg" or minus.args[0] != node.args[2]:
        return None
    return condition, node.args[2]


def _before_rounding(program: Program, index: int) -> int | None:
    """Where k is x rounded as (x + 1.5·2^52) − 1.5·2^52, the line of the sum, which is k + 1.5·2^52."""
    node = program.nodes[index]
    if node.op != "sub":
        return None
    total, magic = (program.nodes[arg] for arg in node.args)
    if magic.op != "const" or magic.value != _MAGIC or total.op != "add" or total.args[1] != node.args[1]:
        return None
    return node.args[0]
