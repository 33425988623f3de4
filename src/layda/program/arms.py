"""The same bits with fewer operations: what both arms of a choice do to the same things is done once.

Of ``where(c, 1 + z·(2 + z·3), z·(4 + z·5))`` only one arm is looked at, so both polynomials can be one, whose
coefficients are chosen first: h = where(c, 2, 4) + z·where(c, 3, 5). The sine is such a choice, by the quarter of the
circle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from layda.program.program import Node, Program, ancestors
from layda.program.tracing import Graph, Traced

__all__ = ["shared_arms"]

_SHARED = ("add", "sub", "mul", "fma")
_FEWEST = 3  # operations saved; below it is not worth a change of the order of lines


def shared_arms(program: Program) -> Program:
    """The program with the operations that the two arms of a choice have in common done once, on chosen constants.

    A choice of constants costs less than a product, because it waits for nothing and takes no multiplier's time. Only
    lines that nobody but this choice needs are taken together, so that no result changes, in no bit.

    >>> from layda.program import trace, where
    >>> both = trace(lambda x, z: where(x > 0.0, ((z * 2.0 + 3.0) * z + 4.0) * z, 1.0 - ((z * 5.0 + 6.0) * z + 7.0)))
    >>> [program.operation_count for program in (both, shared_arms(both))]
    [12, 11]
    """
    nodes = program.nodes
    choices = [index for index, node in enumerate(nodes) if node.op == "select"]
    if not choices:
        return program
    users: dict[int, list[int]] = defaultdict(list)
    for index, node in enumerate(nodes):
        for arg in node.args:
            users[arg].append(index)
    for _, index in program.outputs:
        users[index].append(-1)
    twins: dict[int, tuple[int, int, int]] = {}  # line -> its counterpart in the other arm, and the condition
    for index in choices:
        condition, first, second = nodes[index].args
        taken = ancestors(nodes, condition) | twins.keys()  # the condition comes before what is chosen by it
        arms = [[line for line in _own(nodes, users, arm, index) if line not in taken] for arm in (first, second)]
        pairs = _pairs(nodes, *arms)
        if len(pairs) >= _FEWEST and sum(_differing(nodes, *pair) for pair in pairs) <= len(pairs) + 1:
            for line, other in pairs:
                twins[line] = twins[other] = (line, other, condition)
    return _written(program, twins) if twins else program


def _own(nodes: Sequence[Node], users: Mapping[int, Sequence[int]], arm: int, choice: int) -> list[int]:
    """The lines that nobody but this arm needs, in their order."""
    own = {choice}
    waiting = [-arm]
    while waiting:
        index = -heappop(waiting)  # users stand behind what they use, so all of them have been looked at
        if index not in own and nodes[index].op not in ("input", "const") and own.issuperset(users[index]):
            own.add(index)
            for arg in nodes[index].args:
                heappush(waiting, -arg)
    return sorted(own - {choice})


def _pairs(nodes: Sequence[Node], first: Sequence[int], second: Sequence[int]) -> list[tuple[int, int]]:
    """Lines of the two arms that do the same to the same, to counterparts or to constants."""
    pairs: dict[int, int] = {}  # line of the second arm -> line of the first

    def key(index: int) -> tuple[str, tuple[int, ...]]:
        args = nodes[index].args
        return nodes[index].op, tuple(-1 if nodes[arg].op == "const" else pairs.get(arg, arg) for arg in args)

    unmatched = {key(index): index for index in first if nodes[index].op in _SHARED}
    for index in second:
        if nodes[index].op in _SHARED and (one := unmatched.pop(key(index), None)) is not None:
            pairs[index] = one
    return [(one, other) for other, one in pairs.items()]


def _differing(nodes: Sequence[Node], one: int, other: int) -> int:
    """How many constants of two counterparts differ; told apart by their text, for −0 is not 0."""
    args = zip(nodes[one].args, nodes[other].args, strict=True)
    return sum(nodes[a].op == "const" and str(nodes[a].value) != str(nodes[b].value) for a, b in args)


def _written(program: Program, twins: Mapping[int, tuple[int, int, int]]) -> Program:
    """The lines in their order, but for those that a counterpart waits for."""
    graph = Graph()
    results: dict[int, Traced] = {}

    def needs(index: int) -> tuple[int, ...]:
        if index not in twins:
            return program.nodes[index].args
        one, other, condition = twins[index]
        return (condition, *program.nodes[one].args, *program.nodes[other].args)

    def argument(index: int, place: int) -> Traced:
        one, other, condition = twins[index]
        first, second = program.nodes[one].args[place], program.nodes[other].args[place]
        if program.nodes[first].op != "const":
            return results[first]
        return graph.apply("select", results[condition], results[first], results[second])

    for line in range(len(program.nodes)):
        waiting = [line]
        while waiting:
            index = waiting[-1]
            missing = [arg for arg in needs(index) if arg not in results]
            if missing:
                waiting.extend(reversed(missing))
                continue
            waiting.pop()
            node = program.nodes[index]
            if index not in twins:
                results[index] = graph.repeat(node, results)
            elif index not in results:
                made = graph.apply(node.op, *(argument(index, place) for place in range(len(node.args))))
                results[twins[index][0]] = results[twins[index][1]] = made
    return graph.program(program.inputs, {name: results[index] for name, index in program.outputs})
