"""In which order lines are printed where the compiler keeps the order: what takes long begins early."""

from __future__ import annotations

from layda.program import Node, Program
from layda.program.program import ancestors

__all__ = ["slow_first"]

_SLOW = ("div", "sqrt")
_FEW = 12  # operations before it; more of them would hold many numbers back in registers


def slow_first(program: Program) -> Program:
    """The same lines, divisions and roots as early as they can be where little is needed for them.

    A processor takes one division after the other, each as long as some ten products. At the end of a step it would
    wait for them; at the begin it multiplies and adds meanwhile.

    >>> from layda.program import trace
    >>> print(slow_first(trace(lambda x, y: x * x + 2.0 / y)))
    v0 = y
    v1 = 2.0
    v2 = div(v1, v0)
    v3 = x
    v4 = mul(v3, v3)
    v5 = add(v4, v2)
    value: v5
    """
    order: dict[int, int] = {}  # line -> its new place
    for index, node in enumerate(program.nodes):
        if node.op in _SLOW:
            for line in sorted(ancestors(program.nodes, index, _FEW)):
                order.setdefault(line, len(order))
    if not order:
        return program
    for line in range(len(program.nodes)):
        order.setdefault(line, len(order))
    nodes = [program.nodes[line] for line in order]
    moved = tuple(Node(node.op, tuple(order[arg] for arg in node.args), node.value) for node in nodes)
    return Program(program.inputs, moved, tuple((name, order[line]) for name, line in program.outputs))
