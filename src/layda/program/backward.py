"""Bounds against the direction of time: between which numbers were a program's inputs, given where its outputs are?

A sum, product or fused multiply-add that came out finite had finite arguments (∞ + a and ∞·a are never finite), so
where the result and all arguments but one are bounded, that one is, too: a = z − b, a = z/b where b is not 0. Going
back and forth over the program narrows what is known (interval constraint propagation: Benhamou, Goualard, Granvilliers
and Puget 1999).
"""

from __future__ import annotations

from collections.abc import Mapping

from layda.program.intervals import Interval, Kind, kind_of_numbers, line_bounds
from layda.program.program import Program

__all__ = ["bounds_before"]

_ROUNDS = 3
_UNDERFLOW = 1e-290  # a product may have lost so much by being rounded to zero


def bounds_before(
    program: Program,
    outputs: Mapping[str, Interval],
    inputs: Mapping[str, Interval],
    dtype: str = "float64",
) -> dict[str, Interval | None]:
    """An interval for every input, given those of the outputs and of some inputs; ``None`` where nothing is known.

    >>> from layda.program import trace
    >>> ball = trace(lambda x, v: {"x": x - (0.9 * v + 0.1 * x), "v": 0.9 * v + 0.1 * x})
    >>> found = bounds_before(ball, {"x": (-1.0, 1.0), "v": (-1.0, 1.0)}, {})
    >>> 2.0 <= found["x"][1] < 2.01, 1.33 < found["v"][1] < 1.34
    (True, True)
    """
    kind = kind_of_numbers(dtype)
    known: list[Interval | None] = [None] * len(program.nodes)
    for _ in range(_ROUNDS):
        for index, interval in enumerate(line_bounds(program, inputs, kind, known)):
            known[index] = _narrowed(known[index], interval)
        for name, index in program.outputs:
            known[index] = _narrowed(known[index], outputs.get(name))
        for index in range(len(program.nodes) - 1, -1, -1):
            if known[index] is not None:
                _backward(program, index, known, kind)
    places = {str(node.value): index for index, node in enumerate(program.nodes) if node.op == "input"}
    return {name: (known[places[name]] if name in places else None) for name in program.inputs}


def _narrowed(known: Interval | None, more: Interval | None) -> Interval | None:
    if known is None or more is None:
        return more if known is None else known
    both = (max(known[0], more[0]), min(known[1], more[1]))
    return both if both[0] <= both[1] else known  # nothing lies in both: then nothing gets here, and any bound holds


def _backward(program: Program, index: int, known: list[Interval | None], kind: Kind) -> None:
    """What the value of a line says about its arguments."""
    node, value = program.nodes[index], known[index]
    assert value is not None
    args = [known[arg] for arg in node.args]
    found: list[Interval | None] = [None] * len(args)
    if node.op == "neg":
        found = [kind.of("neg", [value], False)]
    elif node.op == "add":
        found = [kind.of("sub", [value, args[1]], False), kind.of("sub", [value, args[0]], False)]
    elif node.op == "sub":
        found = [kind.of("add", [value, args[1]], False), kind.of("sub", [args[0], value], False)]
    elif node.op == "mul":
        product = kind.of("add", [value, (-_UNDERFLOW, _UNDERFLOW)], False)
        found = [kind.of("div", [product, args[1]], False), kind.of("div", [product, args[0]], False)]
    elif node.op == "fma":
        product = kind.of("sub", [value, args[2]], False)
        found = [
            kind.of("div", [product, args[1]], False),
            kind.of("div", [product, args[0]], False),
            kind.of("sub", [value, kind.of("mul", args[:2], False)], False),
        ]
    if node.args and len(set(node.args)) == len(node.args):
        for arg, interval in zip(node.args, found, strict=True):
            known[arg] = _narrowed(known[arg], interval)
