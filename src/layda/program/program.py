"""The straight-line program: inputs, operations in the author's order, named outputs. Plain immutable data."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from layda.program.arithmetic import Arithmetic, arithmetic, kind_of
from layda.program.operations import operation

__all__ = ["Node", "Program", "number_from_json", "number_to_json"]


@dataclass(frozen=True, slots=True)
class Node:
    """One line of a program: an input, a constant, or an operation on earlier lines.

    Attributes:
        op: "input", "const" or the name of an operation.
        args: the indices of the lines that it takes.
        value: the constant's number (``const``) or the input's name (``input``).
    """

    op: str
    args: tuple[int, ...] = ()
    value: float | str | None = None


def number_to_json(value: float) -> float | str:
    """A number as JSON can hold it: non-finite ones as words, −0 as the word "-0".

    >>> number_to_json(float("inf")), number_to_json(-0.0), number_to_json(1.5)
    ('Infinity', '-0', 1.5)
    """
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0.0 and math.copysign(1.0, value) < 0:
        return "-0"
    return value


_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "-0": -0.0}


def number_from_json(value: float | str) -> float:
    """The number behind :func:`number_to_json`.

    Raises:
        ValueError: a text that is none of the four words.
    """
    if isinstance(value, str):
        if value not in _WORDS:
            raise ValueError(f"{value!r} is not a number; allowed are JSON numbers and {', '.join(_WORDS)}")
        return _WORDS[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


@dataclass(frozen=True, eq=False)
class Program:
    """A straight line of operations from named inputs to named outputs.

    Attributes:
        inputs: the names of the inputs, in order.
        nodes: the lines; a line refers to earlier ones by index.
        outputs: pairs (name, index of the line that computes it).
        named: in a lowered program, which lines hold the results of named functions: (name, lines of the arguments,
            line of the result). Interval arithmetic knows these functions by name; nothing else asks.
    """

    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, int], ...]
    named: tuple[tuple[str, tuple[int, ...], int], ...] = ()

    def __call__(self, *values: Any) -> Any:
        """Evaluate line by line with any kind of number; one output comes alone, several as a tuple.

        >>> from layda.program import trace
        >>> trace(lambda x: x * x + 1)(3.0)
        10.0
        """
        results = self.evaluate(dict(zip(self.inputs, values, strict=True)))
        found = tuple(results.values())
        return found[0] if len(found) == 1 else found

    def evaluate(self, values: Mapping[str, Any], numbers: Arithmetic | None = None) -> dict[str, Any]:
        """Evaluate line by line: the readable twin of everything that is printed from a program.

        Args:
            values: input name -> number (Python, NumPy, SymPy, mpmath, torch, JAX or traced).
            numbers: the arithmetic; by default that of the values' kind.

        Returns:
            Output name -> number.
        """
        from layda.program.elementary import apply as apply_to_any
        from layda.program.tracing import Traced

        results: list[Any] = []
        if any(type(value) is Traced for value in values.values()):
            apply: Any = apply_to_any
            constant: Any = float
        else:
            numbers = numbers or arithmetic(kind_of(*values.values()))
            apply, constant = numbers.apply, numbers.constant
        for node in self.nodes:
            if node.op == "input":
                results.append(values[str(node.value)])
            elif node.op == "const":
                results.append(constant(node.value))
            else:
                results.append(apply(node.op, *[results[index] for index in node.args]))
        return {name: results[index] for name, index in self.outputs}

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(name for name, _ in self.outputs)

    @cached_property
    def operation_count(self) -> int:
        """How many operations one evaluation takes (inputs and constants are free)."""
        return sum(node.op not in ("input", "const") for node in self.nodes)

    @cached_property
    def lowered(self) -> Program:
        """The same program in elementary operations alone, as the float printers take it."""
        from layda.program.rewriting import lower

        return lower(self)

    def select(self, names: Sequence[str]) -> Program:
        """The part of the program that computes the named outputs.

        >>> from layda.program import trace
        >>> both = trace(lambda x: {"square": x * x, "double": x + x})
        >>> both.select(["double"]).operation_count
        1
        """
        known = dict(self.outputs)
        return pruned(self.inputs, self.nodes, tuple((name, known[name]) for name in names), self.named)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the program: equal exactly for equal programs (−0 and 0 differ)."""
        text = hashlib.sha256("\0".join(self.inputs).encode())
        for node in self.nodes:
            value = struct.pack("<d", node.value) if isinstance(node.value, float) else str(node.value).encode()
            text.update(f"|{node.op} {node.args} ".encode() + value)
        text.update(repr(self.outputs).encode())
        return text.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)  # not of the fields: there −0.0 and 0.0 are equal

    def to_json(self) -> dict[str, Any]:
        """The program as JSON data (the *tape*).

        >>> from layda.program import trace
        >>> trace(lambda x: 2 * x).to_json()["nodes"]
        [['input', 'x'], ['const', 2.0], ['mul', 1, 0]]
        """
        lines: list[list[Any]] = []
        for node in self.nodes:
            if node.op == "const":
                lines.append(["const", number_to_json(node.value)])  # type: ignore[arg-type]
            elif node.op == "input":
                lines.append(["input", node.value])
            else:
                lines.append([node.op, *node.args])
        return {"inputs": list(self.inputs), "nodes": lines, "outputs": [[name, index] for name, index in self.outputs]}

    @staticmethod
    def from_json(data: Any) -> Program:
        """A program from its JSON data, every line checked.

        Raises:
            ValueError: the data is no program (an unknown operation, a reference forward, a missing part).
        """
        return Program(*_checked(data))

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def ancestors(nodes: Sequence[Node], line: int, most: int | None = None) -> set[int]:
    """The lines that a line depends on, with itself; none at all where they hold more than ``most`` operations."""
    found: set[int] = set()
    waiting, operations = [line], 0
    while waiting:
        index = waiting.pop()
        if index in found:
            continue
        found.add(index)
        waiting.extend(nodes[index].args)
        operations += nodes[index].op not in ("input", "const")
        if most is not None and operations > most:
            return set()
    return found


def pruned(
    inputs: tuple[str, ...],
    nodes: Sequence[Node],
    outputs: tuple[tuple[str, int], ...],
    named: Sequence[tuple[str, tuple[int, ...], int]] = (),
) -> Program:
    """The program of those lines that the outputs need, in their old order."""
    needed = set()
    waiting = [index for _, index in outputs]
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            waiting.extend(nodes[index].args)
    place: dict[int, int] = {}
    kept: list[Node] = []
    for index in sorted(needed):
        node = nodes[index]
        place[index] = len(kept)
        kept.append(Node(node.op, tuple(place[arg] for arg in node.args), node.value))
    marked = tuple(
        (op, tuple(place[arg] for arg in args), place[result])
        for op, args, result in named
        if result in place and all(arg in place for arg in args)
    )
    return Program(inputs, tuple(kept), tuple((name, place[index]) for name, index in outputs), marked)


def _lines(program: Program) -> Iterator[str]:
    for index, node in enumerate(program.nodes):
        if node.op in ("input", "const"):
            yield f"v{index} = {node.value}"
        else:
            yield f"v{index} = {node.op}({', '.join(f'v{arg}' for arg in node.args)})"
    for name, index in program.outputs:
        yield f"{name}: v{index}"


def _checked(data: Any) -> tuple[tuple[str, ...], tuple[Node, ...], tuple[tuple[str, int], ...]]:
    try:
        inputs = tuple(_text(name) for name in data["inputs"])
        nodes: list[Node] = []
        for head, *rest in data["nodes"]:
            if head == "const":
                nodes.append(Node("const", (), number_from_json(rest[0])))
            elif head == "input":
                if rest[0] not in inputs:
                    raise ValueError(f"line {len(nodes)} reads {rest[0]!r}, which is no input")
                nodes.append(Node("input", (), _text(rest[0])))
            else:
                args = tuple(_index(arg, len(nodes)) for arg in rest)
                if operation(head).arity != len(args):
                    raise ValueError(
                        f"line {len(nodes)}: {head} takes {operation(head).arity} arguments, not {len(args)}"
                    )
                nodes.append(Node(head, args))
        outputs = tuple((_text(name), _index(index, len(nodes))) for name, index in data["outputs"])
    except (KeyError, TypeError, IndexError) as fault:
        raise ValueError(f"not a program: {type(fault).__name__}: {fault}") from None
    return inputs, tuple(nodes), outputs


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a name")
    return value


def _index(value: Any, bound: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < bound:
        raise ValueError(f"{value!r} is not the number of an earlier line (0 to {bound - 1})")
    return value
