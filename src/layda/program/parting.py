"""A program in two: what is one number for all elements, reckoned once, and what every element needs for itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from layda.program.operations import operation
from layda.program.program import Program
from layda.program.tracing import Graph, Traced

__all__ = ["Parted", "parted"]


@dataclass(frozen=True)
class Parted:
    """A program in two parts, which together compute what it computed, in the same operations.

    Attributes:
        uniform: from the inputs that all elements share to the numbers ``u0``, ``u1``, … that ``varying`` needs, and to
            those outputs that neither depend on the element nor are called like one of its inputs.
        varying: from the element's inputs and ``u0``, ``u1``, … to the other outputs.
        scalars: the names ``u0``, ``u1``, …
    """

    uniform: Program
    varying: Program
    scalars: tuple[str, ...]


def parted(program: Program, elements: Collection[str]) -> Parted:
    """Take out of a program what does not depend on the element.

    Args:
        program: any.
        elements: the inputs that are one number for each element.

    >>> from layda.program import trace
    >>> halves = parted(trace(lambda a, b, x: (a * b) * x + 1.0), ["x"])
    >>> halves.uniform(3.0, 2.0), halves.varying(10.0, 6.0)
    (6.0, 61.0)
    """
    depends: list[bool] = []
    for node in program.nodes:
        depends.append(node.value in elements if node.op == "input" else any(depends[arg] for arg in node.args))
    outer, inner = Graph(), Graph()
    known: list[Traced] = []  # every line in the outer program, whether it is used there or not
    for node in program.nodes:
        known.append(outer.repeat(node, known))
    handed: dict[int, str] = {}
    found: dict[int, Traced] = {}

    def inside(index: int) -> Traced:
        """The line in the inner program: written there, or handed in as a number."""
        if index not in found:
            node = program.nodes[index]
            if depends[index] or node.op == "const":
                found[index] = inner.repeat(node, {arg: inside(arg) for arg in node.args})
            else:
                handed[index] = f"u{len(handed)}"
                number = inner.input(handed[index])
                found[index] = inner.apply("lt", 0.0, number) if condition(index) else number
        return found[index]

    def condition(index: int) -> bool:
        """Whether the line is no number: it is handed in as 1 or 0."""
        op = program.nodes[index].op
        return op not in ("input", "const") and operation(op).condition

    own = {name: inside(index) for name, index in program.outputs if depends[index] or name in elements}
    inputs = (*(name for name in program.inputs if name in elements), *handed.values())
    shared = {name: known[index] for name, index in program.outputs if not (depends[index] or name in elements)}
    uniform = {
        text: outer.apply("select", known[index], 1.0, 0.0) if condition(index) else known[index]
        for index, text in handed.items()
    } | shared
    outside = tuple(name for name in program.inputs if name not in elements)
    return Parted(outer.program(outside, uniform), inner.program(inputs, own), tuple(handed.values()))
