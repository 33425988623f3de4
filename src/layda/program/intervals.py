"""Bounds by interval arithmetic: between which numbers does a program stay, given between which its inputs are?

Used to prove that some steps need no test for overflow: a fast path runs them without, and tests afterwards that
what the proof assumed still holds. The bounds are therefore generous, never tight, and ``None`` ("may not be finite")
is always a safe answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from layda.program.operations import CONDITIONS
from layda.program.program import Node, Program
from layda.program.rewriting import carried
from layda.program.tracing import Graph, Traced

__all__ = ["Interval", "Kind", "bounds", "folded", "kind_of_numbers", "line_bounds"]

Interval = tuple[float, float]

_WAVE = 1e8  # sin and cos are not defined beyond (see layda.functions)


def bounds(program: Program, inputs: Mapping[str, Interval], dtype: str = "float64") -> dict[str, Interval | None]:
    """An interval that holds every output while the inputs stay in theirs; ``None`` where that cannot be shown.

    >>> from layda.program import trace
    >>> low, high = bounds(trace(lambda x: x * x + 1), {"x": (-2.0, 1.0)})["value"]
    >>> 0.999 < low <= 1.0, 5.0 <= high < 5.001
    (True, True)
    """
    found, _ = _analysed(program, inputs, _KINDS[dtype])
    return {name: found[index] for name, index in program.outputs}


def folded(program: Program, inputs: Mapping[str, Interval], dtype: str = "float64") -> Program:
    """The program without the choices that are decided while the inputs stay in their intervals; the same bits.

    >>> from layda.program import trace, where
    >>> print(folded(trace(lambda x: where(x * x < 10.0, x, 0.0)), {"x": (-2.0, 1.0)}))
    v0 = x
    value: v0
    """
    _, truths = _analysed(program, inputs, _KINDS[dtype])
    graph = Graph()
    results: list[Traced] = []
    for node in program.nodes:
        if node.op == "select" and (known := truths[node.args[0]]) is not None:
            results.append(results[node.args[1 if known else 2]])
        else:
            results.append(graph.repeat(node, results))
    outputs = {name: results[index] for name, index in program.outputs}
    return graph.program(program.inputs, outputs, carried(program, results))


def line_bounds(
    program: Program, inputs: Mapping[str, Interval], kind: Kind, known: list[Interval | None] | None = None
) -> list[Interval | None]:
    """Between which numbers each line stays, as far as that can be shown; ``known`` helps where it is narrower."""
    return _analysed(program, inputs, kind, known)[0]


def _analysed(
    program: Program, inputs: Mapping[str, Interval], kind: Kind, known: list[Interval | None] | None = None
) -> tuple[list[Interval | None], list[bool | None]]:
    """Line by line: between which numbers it stays, and what a condition is; ``None`` where that is not known."""
    found: list[Interval | None] = []
    truths: list[bool | None] = []
    functions = {result: (op, args) for op, args, result in program.named}
    for index, node in enumerate(program.nodes):
        args = [found[arg] for arg in node.args]
        same = len(node.args) > 1 and node.args[0] == node.args[1]
        truths.append(_truth(node, args, [truths[arg] for arg in node.args], same))
        interval: Interval | None
        if node.op == "input":
            interval = kind.checked(inputs.get(str(node.value)))
        elif node.op == "const":
            interval = kind.checked((float(node.value), float(node.value)))  # type: ignore[arg-type]
        elif index in functions:
            op, lines = functions[index]
            interval = kind.of(op, [found[line] for line in lines], False)
        elif node.op == "select" and (decided := truths[node.args[0]]) is not None:
            interval = args[1 if decided else 2]
        elif (divided := _guarded_division(program, node)) is not None:
            interval = kind.by_root(found[divided[0]], found[divided[1]])
        else:
            interval = kind.of(node.op, args, same)
        found.append(interval if interval is not None or known is None else known[index])
    return found, truths


def _truth(node: Node, args: list[Interval | None], known: list[bool | None], same: bool) -> bool | None:
    """Whether a condition holds; an interval holds no NaN."""
    if node.op == "not":
        return None if known[0] is None else not known[0]
    if node.op == "and":
        return False if False in known else True if None not in known else None
    if node.op == "or":
        return True if True in known else False if None not in known else None
    if node.op not in ("lt", "le", "eq") or args[0] is None or args[1] is None:
        return None
    (low, high), (least, most) = args[0], args[1]
    if node.op == "eq":
        return True if same else False if high < least or most < low else None
    if node.op == "lt":
        return True if high < least else False if same or most <= low else None
    return True if same or high <= least else False if most < low else None


def _guarded_division(program: Program, node: Node) -> tuple[int, int] | None:
    """The lines a and r of ``where(r == 0, 0, a / r)`` with a square root r: the slope of a norm is written so."""
    if node.op != "select":
        return None
    condition, zero, quotient = (program.nodes[index] for index in node.args)
    if condition.op != "eq" or quotient.op != "div" or zero.op != "const" or zero.value != 0.0:
        return None
    above, root = quotient.args
    compared = program.nodes[condition.args[1]]
    if condition.args[0] != root or program.nodes[root].op != "sqrt" or compared.op != "const" or compared.value != 0.0:
        return None
    return above, root


@dataclass(frozen=True)
class Kind:
    """The interval rules for one width of floating-point numbers, named as the operations are.

    Attributes:
        slack: a factor that covers every rounding on the way.
        largest: nothing above it is promised to be finite.
        tiny: a positive number below it may be rounded to 0.
        smallest_root: the square root of the smallest positive number.
    """

    slack: float
    largest: float
    tiny: float
    smallest_root: float

    def checked(self, interval: Interval | None) -> Interval | None:
        """The interval if it is bounded; near zero nothing is promised."""
        if interval is None or not -self.largest <= interval[0] <= interval[1] <= self.largest:
            return None
        low, high = interval
        return (0.0 if 0.0 < low < self.tiny else low, 0.0 if -self.tiny < high < 0.0 else high)

    def of(self, op: str, args: list[Interval | None], same: bool) -> Interval | None:
        """The interval of an operation on intervals."""
        if op in CONDITIONS:
            return (0.0, 1.0)
        if op == "select":
            return self.hull(args[1], args[2])
        rule = getattr(self, f"_{op}", None)
        if rule is None or any(arg is None for arg in args):
            return None
        try:
            if same and op in ("mul", "fma"):
                square = self.square(args[0])  # type: ignore[arg-type]
                return self.checked(square if op == "mul" else self._add(square, args[2]))  # type: ignore[arg-type]
            return self.checked(rule(*args))
        except (OverflowError, ZeroDivisionError, ValueError):
            return None

    def hull(self, a: Interval | None, b: Interval | None) -> Interval | None:
        """What holds both."""
        return None if a is None or b is None else (min(a[0], b[0]), max(a[1], b[1]))

    def by_root(self, above: Interval | None, root: Interval | None) -> Interval | None:
        """a / r or 0, where r is a root: the smallest positive one is that of the smallest positive number."""
        if above is None or root is None:
            return None
        largest = max(abs(above[0]), abs(above[1])) / max(self.smallest_root, root[0])
        return self.checked((-largest if above[0] < 0.0 else 0.0, largest if above[1] > 0.0 else 0.0))

    def wide(self, low: float, high: float) -> Interval:
        """The interval with room for roundings."""
        return (
            low * self.slack if low < 0.0 else low / self.slack, high * self.slack if high > 0.0 else high / self.slack
        )  # fmt: skip

    def square(self, a: Interval) -> Interval:
        """That of a·a, which is not negative."""
        least, most = sorted((a[0] * a[0], a[1] * a[1]))
        return self.wide(0.0 if a[0] <= 0.0 <= a[1] else least, most)

    def _add(self, a: Interval, b: Interval) -> Interval:
        error = (self.slack - 1.0) * max(abs(end) for end in (*a, *b))
        low, high = a[0] + b[0], a[1] + b[1]
        # A sum of non-negative numbers is not negative, however it is rounded.
        return (low - error if low < 0.0 or min(a[0], b[0]) < 0.0 else low / self.slack, high + error)

    def _sub(self, a: Interval, b: Interval) -> Interval:
        return self._add(a, self._neg(b))

    def _mul(self, a: Interval, b: Interval) -> Interval:
        ends = [x * y for x in a for y in b]
        return self.wide(min(ends), max(ends))

    def _div(self, a: Interval, b: Interval) -> Interval:
        if b[0] <= 0.0 <= b[1]:
            raise ZeroDivisionError
        ends = [x / y for x in a for y in b]
        return self.wide(min(ends), max(ends))

    def _fma(self, a: Interval, b: Interval, c: Interval) -> Interval:
        return self._add(self._mul(a, b), c)

    def _neg(self, a: Interval) -> Interval:
        return (-a[1], -a[0])

    def _abs(self, a: Interval) -> Interval:
        return (0.0 if a[0] <= 0.0 <= a[1] else min(abs(a[0]), abs(a[1])), max(abs(a[0]), abs(a[1])))

    def _sqrt(self, a: Interval) -> Interval:
        return self.wide(math.sqrt(a[0]), math.sqrt(a[1]))

    def _floor(self, a: Interval) -> Interval:
        return (a[0] - 1.0, a[1])

    def _sin(self, a: Interval) -> Interval:
        if max(abs(a[0]), abs(a[1])) > _WAVE:
            raise ValueError
        return (-1.01, 1.01)

    _cos = _sin

    def _tanh(self, a: Interval) -> Interval:
        return (-1.01, 1.01)

    def _arctan(self, a: Interval) -> Interval:
        return (-1.6, 1.6)

    def _exp(self, a: Interval) -> Interval:
        return (math.exp(a[0]) * 0.99 if a[0] > -600.0 else 0.0, math.exp(a[1]) * 1.01)

    def _log(self, a: Interval) -> Interval:
        return self._add((math.log(a[0]), math.log(a[1])), (-1e-6, 1e-6))


_KINDS = {
    "float64": Kind(1.0 + 2.0**-40, 1e290, 0.0, 2.0**-537),
    "float32": Kind(1.0 + 2.0**-16, 1e36, 1e-30, 2.0**-75),
}


def kind_of_numbers(dtype: str) -> Kind:
    """The interval rules for "float64" or "float32"."""
    return _KINDS[dtype]
