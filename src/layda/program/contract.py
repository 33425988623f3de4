"""Sums of products as fused multiply-adds, by one fixed rule, so that every backend fuses alike.

``a·b + c`` becomes ``fma(a, b, c)``, which rounds once, where the product is used nowhere else. Of two products the one
that is ready later is fused: the other one is computed meanwhile.
"""

from __future__ import annotations

from layda.program.program import Program
from layda.program.tracing import Graph, Traced

__all__ = ["contracted"]


def contracted(program: Program) -> Program:
    """The lowered program with fused multiply-adds; what ``fast=True`` runs.

    >>> from layda.program import trace
    >>> print(contracted(trace(lambda a, b, c: a * b + c)))
    v0 = a
    v1 = b
    v2 = c
    v3 = fma(v0, v1, v2)
    value: v3
    """
    source = program.lowered
    uses = [0] * len(source.nodes)
    depth = [0] * len(source.nodes)
    for index, node in enumerate(source.nodes):
        for arg in node.args:
            uses[arg] += 1
        depth[index] = 1 + max((depth[arg] for arg in node.args), default=0)
    for _, index in source.outputs:
        uses[index] += 1
    graph = Graph()
    results: list[Traced] = []

    def fusable(index: int) -> bool:
        return source.nodes[index].op == "mul" and uses[index] == 1

    for node in source.nodes:
        values = [results[arg] for arg in node.args]
        if node.op == "input":
            results.append(graph.input(str(node.value)))
        elif node.op == "const":
            results.append(graph.constant(node.value))  # type: ignore[arg-type]
        elif node.op in ("add", "sub") and any(fusable(arg) for arg in node.args):
            results.append(_fused(graph, source, results, node.op, node.args, fusable, depth))
        else:
            results.append(graph.apply(node.op, *values))
    return graph.program(source.inputs, {name: results[index] for name, index in source.outputs})


def _fused(
    graph: Graph,
    source: Program,
    results: list[Traced],
    op: str,
    args: tuple[int, ...],
    fusable: object,
    depth: list[int],
) -> Traced:
    left, right = args
    take_right = fusable(right) and (not fusable(left) or depth[right] >= depth[left])  # type: ignore[operator]
    product, other = (right, left) if take_right else (left, right)
    a, b = (results[arg] for arg in source.nodes[product].args)
    rest = results[other]
    if op == "sub" and take_right:  # rest − a·b
        return graph.apply("fma", graph.apply("neg", a), b, rest)
    if op == "sub":  # a·b − rest
        return graph.apply("fma", a, b, graph.apply("neg", rest))
    return graph.apply("fma", a, b, rest)
