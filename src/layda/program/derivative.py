"""Derivatives by reverse mode on the program itself: programs in, programs out.

An adjoint carries the condition under which it was reached (its *guard*): the branch of a ``where`` that was not taken
adds nothing, even where its own derivative is infinite. The guard becomes a ``where`` only at joins and inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from layda.program.operations import operation
from layda.program.program import Program
from layda.program.tracing import Graph, Traced

__all__ = ["gradient", "hessian", "hessian_product", "value_and_gradient"]

_LARGEST_SCALE = 2.0**32

Guarded = tuple[Traced | None, Traced]


def gradient(program: Program, variables: Sequence[str] | None = None, output: str | None = None) -> Program:
    """∂output/∂variable for every variable, as a program with outputs ``d_<variable>``.

    Args:
        program: the function.
        variables: inputs to differentiate by; all by default.
        output: which output; the first by default.

    >>> from layda.program import trace
    >>> gradient(trace(lambda x, y: x * x * y))(3.0, 5.0)
    (30.0, 9.0)
    """
    return _differentiate(program, variables, output, keep_value=False)


def value_and_gradient(program: Program, variables: Sequence[str] | None = None, output: str | None = None) -> Program:
    """The output itself (named ``value``) and its gradient, sharing every line that they have in common."""
    return _differentiate(program, variables, output, keep_value=True)


def hessian(program: Program, variables: Sequence[str] | None = None, output: str | None = None) -> Program:
    """∂²output/∂a∂b for every pair a ≤ b of variables, as a program with outputs ``d_<a>_<b>`` (lower triangle).

    >>> from layda.program import trace
    >>> hessian(trace(lambda x, y: x * x * y)).evaluate({"x": 3.0, "y": 5.0})
    {'d_x_x': 10.0, 'd_y_x': 6.0, 'd_y_y': 0.0}
    """
    names = list(variables if variables is not None else program.inputs)
    first = gradient(program, names, output)
    graph, lines = _inlined(first)
    outputs: dict[str, Any] = {}
    for row, name in enumerate(names):
        index = dict(first.outputs)[f"d_{name}"]
        adjoints = _adjoints(graph, lines, index, first, names[: row + 1])
        for column in names[: row + 1]:
            outputs[f"d_{name}_{column}"] = adjoints[column]
    return graph.program(program.inputs, outputs)


def hessian_product(program: Program, variables: Sequence[str] | None = None, output: str | None = None) -> Program:
    """∇²f·u as the gradient of ∇f·u: as long as a few gradients, however many variables there are (Pearlmutter 1994).

    Args:
        program: f.
        variables: inputs to differentiate by; all by default.
        output: which output; the first by default.

    Returns:
        A program with the inputs of f and ``along_<variable>`` for the direction u, and the outputs ``d_<variable>``.

    >>> from layda.program import trace
    >>> hessian_product(trace(lambda x, y: x * x * y))(3.0, 5.0, 1.0, 2.0)
    (22.0, 6.0)
    """
    names = list(variables if variables is not None else program.inputs)
    first = gradient(program, names, output)
    graph, lines = _inlined(first)
    slopes = dict(first.outputs)
    total: Any = None
    for name in names:
        term = lines[slopes[f"d_{name}"]] * graph.input(f"along_{name}")
        total = term if total is None else total + term
    along = graph.program([*program.inputs, *(f"along_{name}" for name in names)], {"value": total})
    return gradient(along, names)


def _differentiate(program: Program, variables: Sequence[str] | None, output: str | None, keep_value: bool) -> Program:
    names = list(variables if variables is not None else program.inputs)
    index = dict(program.outputs)[output] if output is not None else program.outputs[0][1]
    graph, lines = _inlined(program)
    adjoints = _adjoints(graph, lines, index, program, names)
    outputs: dict[str, Any] = {"value": lines[index]} if keep_value else {}
    for name in names:
        outputs[f"d_{name}"] = adjoints[name]
    return graph.program(program.inputs, outputs)


def _inlined(program: Program) -> tuple[Graph, list[Traced]]:
    graph = Graph()
    lines: list[Traced] = []
    for node in program.nodes:
        lines.append(graph.repeat(node, lines))
    return graph, lines


def _adjoints(
    graph: Graph, lines: list[Traced], output: int, program: Program, variables: Sequence[str]
) -> dict[str, Traced]:
    """One backward sweep: variable -> ∂output/∂variable."""
    relevant = _depends_on(program, set(variables))
    waiting: dict[int, list[Guarded]] = {output: [(None, graph.constant(1.0))]}
    found = {name: graph.constant(0.0) for name in variables}
    for index in range(output, -1, -1):
        contributions = waiting.pop(index, None)
        if contributions is None or not relevant[index]:
            continue
        node = program.nodes[index]
        if node.op == "input":
            found[str(node.value)] = _unguarded(graph, _joined(graph, contributions))
            continue
        guard, adjoint = _joined(graph, contributions)
        if node.op == "select":
            condition = lines[node.args[0]]
            opposite = graph.apply("not", condition)
            waiting.setdefault(node.args[1], []).append((_narrowed(graph, guard, condition), adjoint))
            waiting.setdefault(node.args[2], []).append((_narrowed(graph, guard, opposite), adjoint))
            continue
        derivative = operation(node.op).derivative
        if derivative is None:
            continue
        arguments = [lines[arg] for arg in node.args]
        if node.op == "mul" and node.args[0] == node.args[1]:
            # The square's 2a at once: one product less than adding the same one twice.
            twice = graph.apply("add", arguments[0], arguments[0])
            waiting.setdefault(node.args[0], []).append((guard, _times(graph, adjoint, twice)))
            continue
        for arg, partial in zip(node.args, derivative(lines[index], *arguments), strict=True):
            if relevant[arg] and partial is not None:
                waiting.setdefault(arg, []).append((guard, _times(graph, adjoint, graph.lift(partial))))
    return found


def _times(graph: Graph, adjoint: Traced, partial: Traced) -> Traced:
    """adjoint · partial, a fraction 1/2ᵏ taken out of a doubling: (c·u)·(a + a) = ((2c)·u)·a where c is 1/2ᵏ.

    So the slope of (x² − 1)²/4 is (x² − 1)·x, without a chain of halvings and doublings.
    """
    adjoint, partial = _number(graph, adjoint), _number(graph, partial)
    node = partial.node
    if node.op == "add" and node.args[0] == node.args[1]:
        single = Traced(graph, node.args[0])
        if (factor := _fraction(adjoint)) is not None:
            return graph.apply("mul", 2.0 * factor, single)
        if adjoint.node.op == "mul":
            first, second = (Traced(graph, index) for index in adjoint.node.args)
            if (factor := _fraction(first)) is not None:
                return graph.apply("mul", graph.apply("mul", 2.0 * factor, second), single)
    return graph.apply("mul", adjoint, partial)


def _number(graph: Graph, value: Traced) -> Traced:
    """The quotient of a whole number by a power of two as a constant, which is exact in every kind of number."""
    if value.node.op == "div":
        above, below = (graph.nodes[index] for index in value.node.args)
        if above.op == "const" and below.op == "const":
            part, whole = float(above.value), float(below.value)  # type: ignore[arg-type]
            if part == math.floor(part) and abs(math.frexp(whole)[0]) == 0.5 and 1.0 <= abs(whole) <= _LARGEST_SCALE:
                return graph.constant(part / whole)
    return value


def _fraction(value: Traced) -> float | None:
    """The constant, if it is 1/2, 1/4, and so on."""
    if value.node.op != "const":
        return None
    number = float(value.node.value)  # type: ignore[arg-type]
    return number if math.frexp(number)[0] == 0.5 and 1.0 / _LARGEST_SCALE <= number < 1.0 else None


def _depends_on(program: Program, variables: set[str]) -> list[bool]:
    found: list[bool] = []
    for node in program.nodes:
        found.append(node.value in variables if node.op == "input" else any(found[arg] for arg in node.args))
    return found


def _narrowed(graph: Graph, guard: Traced | None, condition: Traced) -> Traced:
    return condition if guard is None else graph.apply("and", guard, condition)


def _joined(graph: Graph, contributions: list[Guarded]) -> Guarded:
    """The sum of the contributions; a guard that all of them share is kept as the guard of the sum."""
    guards = {None if guard is None else guard.index for guard, _ in contributions}
    if len(guards) == 1:
        total = contributions[0][1]
        for _, value in contributions[1:]:
            total = graph.apply("add", total, value)
        return contributions[0][0], total
    plain = [_unguarded(graph, contribution) for contribution in contributions]
    total = plain[0]
    for value in plain[1:]:
        total = graph.apply("add", total, value)
    return None, total


def _unguarded(graph: Graph, contribution: Guarded) -> Traced:
    guard, value = contribution
    return value if guard is None else graph.apply("select", guard, value, graph.constant(0.0))
