"""Program -> LLVM's text language, on vectors of lanes: every operation once for W balls at a time.

The text names each operation (``fadd``, ``fmul``, ``llvm.fma``), without fast-math flags, so LLVM may neither reorder
nor contract: the lanes hold the bits of the plain path. Powers of two and exponents are made from the bits of a number.

float32 programs keep their named functions: these are computed in float64 and rounded once.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layda.program import Program, operation, trace

__all__ = ["Writer"]

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
            value = struct.unpack("<f", struct.pack("<f", value))[0] if abs(value) < 3.4e38 else value
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
        self, program: Program, inputs: Sequence[Mapping[str, str]], kind: str | None = None
    ) -> list[dict[str, str]]:
        """The same program on several vectors, operation by operation, so that one waits while the others work."""
        kind = kind or self.scalar
        values: list[list[str]] = [[] for _ in inputs]
        for node in program.nodes:
            for own, known in zip(values, inputs, strict=True):
                if node.op == "input":
                    own.append(known[str(node.value)])
                elif node.op == "const":
                    own.append(self.number(float(node.value), kind))  # type: ignore[arg-type]
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
        if operation(op).lowering is not None:
            return self._named(op, args, kind)
        assert kind == "double", f"{op} on {kind}: only lowered functions use it, and they are computed in float64"
        return self._pow2(args[0]) if op == "pow2" else self._exponent(args[0])

    def _named(self, op: str, args: list[str], kind: str) -> str:
        """A named function on float32: in float64, rounded once."""
        names = [f"a{index}" for index in range(len(args))]
        lowering = operation(op).lowering
        assert lowering is not None
        form = trace(lowering, names).lowered
        if kind == "double":
            return self.programs(form, [dict(zip(names, args, strict=True))])[0]["value"]
        wide = f"<{self.width} x double>"
        values = [self.do(f"fpext <{self.width} x {kind}> {arg} to {wide}") for arg in args]
        found = self.programs(form, [dict(zip(names, values, strict=True))], "double")[0]["value"]
        return self.do(f"fptrunc {wide} {found} to <{self.width} x {kind}>")

    def _pow2(self, k: str) -> str:
        wide, bits = f"<{self.width} x double>", f"<{self.width} x i64>"
        moved = self.do(f"fadd {wide} {k}, {self.number(_MAGIC, 'double')}")
        whole = self.do(f"bitcast {wide} {moved} to {bits}")
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
