"""Programs from programs: named functions replaced by elementary operations, programs side by side or in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layda.program.operations import operation
from layda.program.program import Program
from layda.program.tracing import Graph, Traced

__all__ = ["carried", "composed", "joined", "lower"]


def lower(program: Program, fused: bool = False) -> Program:
    """Replace every named operation by its elementary operations; ``fused``: by those to be contracted.

    >>> from layda.functions import sin
    >>> from layda.program import trace
    >>> "sin" in {node.op for node in lower(trace(lambda x: sin(x))).nodes}
    False
    """
    if all(node.op in ("input", "const") or operation(node.op).lowering is None for node in program.nodes):
        return program
    graph = Graph()
    results: list[Traced] = []
    named: list[tuple[str, tuple[int, ...], int]] = []
    for node in program.nodes:
        lowering = None if node.op in ("input", "const") else operation(node.op).lowering
        if lowering is None:
            results.append(graph.repeat(node, results))
        else:
            values = [results[index] for index in node.args]
            chosen = (fused and operation(node.op).fused) or lowering
            results.append(graph.lift(chosen(*values)))
            named.append((node.op, tuple(value.index for value in values), results[-1].index))
    outputs = {name: results[index] for name, index in program.outputs}
    return lower(graph.program(program.inputs, outputs, named + carried(program, results)), fused)


def joined(inputs: Sequence[str], *programs: Program) -> Program:
    """Several programs as one with all their outputs; each keeps its lines as they are.

    >>> from layda.program import trace
    >>> print(joined(["x"], trace(lambda x: {"a": x + 1.0}), trace(lambda x: {"b": x + 1.0})))
    v0 = x
    v1 = 1.0
    v2 = add(v0, v1)
    a: v2
    b: v2
    """
    graph = Graph()
    outputs: dict[str, Any] = {}
    named: list[tuple[str, tuple[int, ...], int]] = []
    for program in programs:
        results: list[Traced] = []
        for node in program.nodes:
            results.append(graph.repeat(node, results))
        outputs |= {name: results[index] for name, index in program.outputs}
        named += carried(program, results)
    return graph.program(inputs, outputs, named)


def composed(inputs: Sequence[str], first: Program, second: Program) -> Program:
    """The second program behind the first: what it asks for is an output of the first, or an input.

    >>> from layda.program import trace
    >>> print(composed(["x"], trace(lambda x: {"y": x * x}), trace(lambda y: {"z": y + 1.0})))
    v0 = x
    v1 = mul(v0, v0)
    v2 = 1.0
    v3 = add(v1, v2)
    z: v3
    """
    graph = Graph()
    known: dict[str, Traced] = {}
    named: list[tuple[str, tuple[int, ...], int]] = []
    for program in (first, second):
        results: list[Traced] = []
        for node in program.nodes:
            made = known.get(str(node.value)) if node.op == "input" else None
            results.append(graph.repeat(node, results) if made is None else made)
        known |= {name: results[index] for name, index in program.outputs}
        named += carried(program, results)
    return graph.program(inputs, {name: known[name] for name in second.output_names}, named)


def carried(program: Program, results: Sequence[Traced]) -> list[tuple[str, tuple[int, ...], int]]:
    """The named functions of a program whose lines have become these."""
    return [(op, tuple(results[arg].index for arg in args), results[at].index) for op, args, at in program.named]
