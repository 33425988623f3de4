"""Bounds by interval arithmetic: between which numbers does a program stay, given between which its inputs are?

Used to prove that some steps need no test for overflow: a fast path runs them without, and tests afterwards that
what the proof assumed still holds. The bounds are therefore generous, never tight, and ``None`` ("may not be finite")
is always a safe answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from layda.program.program import Node, Program

__all__ = ["Interval", "bounds"]

Interval = tuple[float, float]

_LARGEST = 1e290
_SLACK = 1.0 + 2.0**-40  # covers every rounding on the way
_WAVE = 1e8  # sin and cos are not defined beyond (see layda.functions)


def bounds(program: Program, inputs: Mapping[str, Interval]) -> dict[str, Interval | None]:
    """An interval that holds every output while the inputs stay in theirs; ``None`` where that cannot be shown.

    >>> from layda.program import trace
    >>> low, high = bounds(trace(lambda x: x * x + 1), {"x": (-2.0, 1.0)})["value"]
    >>> 0.999 < low <= 1.0, 5.0 <= high < 5.001
    (True, True)
    """
    found: list[Interval | None] = []
    for node in program.nodes:
        if node.op == "input":
            found.append(_checked(inputs[str(node.value)]))
        elif node.op == "const":
            value = float(node.value)  # type: ignore[arg-type]
            found.append(_checked((value, value)))
        elif (divided := _guarded_division(program, node)) is not None:
            found.append(_by_root(found[divided[0]], found[divided[1]]))
        else:
            args = [found[index] for index in node.args]
            same = len(node.args) == 2 and node.args[0] == node.args[1]
            found.append(_of(node.op, args, same))
    return {name: found[index] for name, index in program.outputs}


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


def _by_root(above: Interval | None, root: Interval | None) -> Interval | None:
    """a / r or 0, where r is a root: the smallest positive one is that of the smallest positive number, 2^−1074."""
    if above is None or root is None:
        return None
    largest = max(abs(above[0]), abs(above[1])) / 2.0**-537
    return _checked((-largest if above[0] < 0.0 else 0.0, largest if above[1] > 0.0 else 0.0))


def _checked(interval: Interval | None) -> Interval | None:
    if interval is None or not -_LARGEST <= interval[0] <= interval[1] <= _LARGEST:
        return None
    return interval


def _of(op: str, args: list[Interval | None], same: bool) -> Interval | None:
    if op in ("lt", "le", "eq", "and", "or", "not"):
        return (0.0, 1.0)
    if op == "select":
        first, second = args[1], args[2]
        return None if first is None or second is None else (min(first[0], second[0]), max(first[1], second[1]))
    rule = _RULES.get(op)
    if rule is None or any(arg is None for arg in args):
        return None
    if same and op == "mul":
        low, high = args[0]  # type: ignore[misc]
        largest = max(low * low, high * high) * _SLACK
        return _checked((0.0 if low <= 0.0 <= high else min(low * low, high * high) / _SLACK, largest))
    try:
        return _checked(rule(*args))
    except (OverflowError, ZeroDivisionError, ValueError):
        return None


def _wide(low: float, high: float) -> Interval:
    return (low * _SLACK if low < 0.0 else low / _SLACK, high * _SLACK if high > 0.0 else high / _SLACK)


def _add(a: Interval, b: Interval) -> Interval:
    slack = 2.0**-40 * max(abs(end) for end in (*a, *b))
    low, high = a[0] + b[0], a[1] + b[1]
    # A sum of non-negative numbers is not negative, however it is rounded.
    return (low - slack if low < 0.0 or min(a[0], b[0]) < 0.0 else low / _SLACK, high + slack)


def _mul(a: Interval, b: Interval) -> Interval:
    ends = [x * y for x in a for y in b]
    return _wide(min(ends), max(ends))


def _div(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0.0 <= b[1]:
        raise ZeroDivisionError
    ends = [x / y for x in a for y in b]
    return _wide(min(ends), max(ends))


def _sqrt(a: Interval) -> Interval:
    if a[0] < 0.0:
        raise ValueError
    return _wide(math.sqrt(a[0]), math.sqrt(a[1]))


def _wave(a: Interval) -> Interval:
    if max(abs(a[0]), abs(a[1])) > _WAVE:
        raise ValueError
    return (-1.01, 1.01)


def _log(a: Interval) -> Interval:
    if a[0] <= 0.0:
        raise ValueError
    return _add((math.log(a[0]), math.log(a[1])), (-1e-9, 1e-9))


def _abs(a: Interval) -> Interval:
    return (0.0 if a[0] <= 0.0 <= a[1] else min(abs(a[0]), abs(a[1])), max(abs(a[0]), abs(a[1])))


_RULES: dict[str, Callable[..., Interval]] = {
    "add": _add,
    "sub": lambda a, b: _add(a, (-b[1], -b[0])),
    "mul": _mul,
    "div": _div,
    "neg": lambda a: (-a[1], -a[0]),
    "abs": _abs,
    "sqrt": _sqrt,
    "floor": lambda a: (a[0] - 1.0, a[1]),
    "fma": lambda a, b, c: _add(_mul(a, b), c),
    "sin": _wave,
    "cos": _wave,
    "tanh": lambda a: (-1.01, 1.01),
    "arctan": lambda a: (-1.6, 1.6),
    "exp": lambda a: (0.0, math.exp(a[1]) * 1.01),
    "log": _log,
}
