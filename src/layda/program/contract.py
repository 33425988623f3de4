"""A program for machines with fused multiply-adds, by fixed rules, so that every backend fuses alike.

Two rewritings, both of which change roundings only:

1. :func:`gathered`: factors that stay the same for a whole run, and powers of two, are taken out of products and sums
   and multiplied first, once: α(4(px)) becomes (4α)(px), 2q·2y + 2p becomes 2(2y·q + p).
2. a·b + c becomes ``fma(a, b, c)``, which rounds once, where the product is used nowhere else. Of two products the one
   that is ready later is fused: the other one is computed meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from layda.program.program import Node, Program
from layda.program.rewriting import carried, lower
from layda.program.tracing import Graph, Traced

__all__ = ["contracted", "gathered"]

_LARGEST_POWER = 64  # powers of two that are moved: nothing overflows by them that would not have come near


def contracted(program: Program, fixed: Collection[str] = (), lowered: bool = True) -> Program:
    """The program with fused multiply-adds; what ``fast=True`` runs.

    Args:
        program: any program.
        fixed: the inputs that stay the same for a whole run.
        lowered: in elementary operations alone; otherwise named functions keep their names.

    >>> from layda.program import trace
    >>> print(contracted(trace(lambda a, b, c: a * b + c)))
    v0 = a
    v1 = b
    v2 = c
    v3 = fma(v0, v1, v2)
    value: v3
    """
    source = gathered(program, fixed)
    source = lower(source, fused=True) if lowered else source
    uses = _uses(source)
    depth = [0] * len(source.nodes)
    for index, node in enumerate(source.nodes):
        depth[index] = 1 + max((depth[arg] for arg in node.args), default=0)
    graph = Graph()
    results: list[Traced] = []

    def fusable(index: int) -> bool:
        return source.nodes[index].op == "mul" and uses[index] == 1

    for node in source.nodes:
        if node.op in ("add", "sub") and any(fusable(arg) for arg in node.args):
            results.append(_fused(graph, source, results, node, fusable, depth))
        else:
            results.append(graph.repeat(node, results))
    outputs = {name: results[index] for name, index in source.outputs}
    return graph.program(source.inputs, outputs, carried(source, results))


def _uses(program: Program) -> list[int]:
    found = [0] * len(program.nodes)
    for node in program.nodes:
        for arg in node.args:
            found[arg] += 1
    for _, index in program.outputs:
        found[index] += 1
    return found


def _fused(
    graph: Graph,
    source: Program,
    results: list[Traced],
    node: Node,
    fusable: Callable[[int], bool],
    depth: list[int],
) -> Traced:
    left, right = node.args
    take_right = fusable(right) and (not fusable(left) or depth[right] >= depth[left])
    product, other = (right, left) if take_right else (left, right)
    a, b = (results[arg] for arg in source.nodes[product].args)
    rest = results[other]
    if node.op == "sub" and take_right:  # rest − a·b
        return graph.apply("fma", graph.apply("neg", a), b, rest)
    if node.op == "sub":  # a·b − rest
        return graph.apply("fma", a, b, graph.apply("neg", rest))
    return graph.apply("fma", a, b, rest)


# --- gathering --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Product:
    """±2^power · factor · core: the factor stays the same for a whole run, the core does not; ``None`` stands for 1."""

    core: Traced | None
    factor: Traced | None = None
    power: int = 0
    minus: bool = False

    @property
    def mixed(self) -> bool:
        """Whether something fixed stands before something that changes."""
        return self.factor is not None and self.core is not None

    @property
    def bare(self) -> bool:
        """Whether only a power of two stands before what changes."""
        return self.factor is None and self.core is not None


def gathered(program: Program, fixed: Collection[str] = ()) -> Program:
    """The program with signs, powers of two and fixed factors gathered, and multiplied before what changes.

    >>> from layda.program import trace
    >>> print(gathered(trace(lambda a, x: a * ((x + x) * (2 * x))), ["a"]))
    v0 = a
    v1 = x
    v2 = mul(v1, v1)
    v3 = 4.0
    v4 = mul(v0, v3)
    v5 = mul(v4, v2)
    value: v5
    """
    uses = _uses(program)
    graph = Graph()
    found: list[_Product] = []
    for index, node in enumerate(program.nodes):
        product = _product(graph, node, found, fixed)
        if abs(product.power) > _LARGEST_POWER or (uses[index] > 1 and product.mixed):
            product = _Product(_whole(graph, product))  # multiplied once, not once for each use
        found.append(product)
    return graph.program(program.inputs, {name: _whole(graph, found[index]) for name, index in program.outputs})


def _product(graph: Graph, node: Node, found: list[_Product], fixed: Collection[str]) -> _Product:
    if node.op == "input":
        value = graph.input(str(node.value))
        return _Product(None, value) if node.value in fixed else _Product(value)
    if node.op == "const":
        return _of_factor(graph.constant(node.value))  # type: ignore[arg-type]
    args = [found[arg] for arg in node.args]
    if node.op == "mul":
        return _times(graph, *args)
    if node.op == "neg":
        return replace(args[0], minus=not args[0].minus)
    if node.op == "add" and node.args[0] == node.args[1]:
        return replace(args[0], power=args[0].power + 1)
    if node.op == "div" and args[1].core is args[1].factor is None:  # by a power of two
        below = args[1]
        return _times(graph, args[0], replace(below, power=-below.power))
    if all(arg.core is None for arg in args) and node.op in ("add", "sub", "div", "sqrt", "abs"):
        return _of_factor(graph.apply(node.op, *(_whole(graph, arg) for arg in args)))
    if node.op in ("add", "sub"):
        return _sum(graph, args[0], replace(args[1], minus=args[1].minus != (node.op == "sub")))
    return _Product(graph.apply(node.op, *(_whole(graph, arg) for arg in args)))


def _of_factor(factor: Traced) -> _Product:
    """A fixed number; a power of two or its negative as such."""
    if factor.node.op == "const":
        value = float(factor.node.value)  # type: ignore[arg-type]
        mantissa, exponent = math.frexp(value) if math.isfinite(value) else (0.0, 0)
        if abs(mantissa) == 0.5 and abs(exponent - 1) <= _LARGEST_POWER:
            return _Product(None, None, exponent - 1, mantissa < 0.0)
    return _Product(None, factor)


def _times(graph: Graph, a: _Product, b: _Product) -> _Product:
    fixed = _of_factor(_folded(graph, a.factor, b.factor)) if a.factor is not None and b.factor is not None else None
    if fixed is None:
        fixed = _Product(None, a.factor if b.factor is None else b.factor)
    core = graph.apply("mul", a.core, b.core) if a.core is not None and b.core is not None else None
    if core is None:
        core = a.core if b.core is None else b.core
    return _Product(core, fixed.factor, fixed.power + a.power + b.power, fixed.minus ^ a.minus ^ b.minus)


def _folded(graph: Graph, a: Traced, b: Traced) -> Traced:
    """The product of two fixed factors; constants are multiplied here and now."""
    if a.node.op == b.node.op == "const":
        product = float(a.node.value) * float(b.node.value)  # type: ignore[arg-type]
        if math.isfinite(product) and product != 0.0:
            return graph.constant(product)
    return graph.apply("mul", a, b)


def _sum(graph: Graph, a: _Product, b: _Product) -> _Product:
    """a + b; a power of two that both have stays outside, and of two signs one."""
    power, minus = 0, a.minus and b.minus
    if a.bare and b.bare and a.power * b.power > 0:
        power = min(a.power, b.power, key=abs)
    first, second = (replace(part, power=part.power - power, minus=part.minus ^ minus) for part in (a, b))
    if first.minus and first.factor is None:  # b − a
        first, second = second, first
    op = "sub" if second.minus and second.factor is None else "add"
    inside = [_whole(graph, first), _whole(graph, replace(second, minus=False) if op == "sub" else second)]
    return _Product(graph.apply(op, *inside), None, power, minus)


def _whole(graph: Graph, product: _Product) -> Traced:
    """The number itself: what is fixed is multiplied first; a doubled product doubles one of its factors."""
    core, factor = product.core, product.factor
    size = math.ldexp(-1.0 if product.minus else 1.0, product.power)
    if core is None or factor is not None:
        whole = graph.constant(size) if factor is None else _scaled(graph, factor, size)
        return whole if core is None else graph.apply("mul", whole, core)
    if size != 1.0 and core.node.op == "mul":
        first, second = (Traced(graph, index) for index in core.node.args)
        return graph.apply("mul", _scaled(graph, first, size), second)
    return _scaled(graph, core, size)


def _scaled(graph: Graph, value: Traced, size: float) -> Traced:
    """The value times ± a power of two."""
    if size == 1.0:
        return value
    if size == 2.0 and value.node.op != "const":
        return graph.apply("add", value, value)
    return _folded(graph, value, graph.constant(size))
