"""The elementary functions on every kind of number: floats, arrays, symbols, tensors, traced values."""

from __future__ import annotations

from typing import Any

from layda.program.arithmetic import arithmetic, kind_of
from layda.program.tracing import Traced

__all__ = [
    "absolute", "apply", "both", "either", "exponent", "floor", "negate", "pow2", "sqrt", "where",
]  # fmt: skip


def apply(name: str, *arguments: Any) -> Any:
    """Apply the named operation to numbers of any kind; traced ones write a line down."""
    for argument in arguments:
        if type(argument) is Traced:
            return argument.graph.apply(name, *arguments)
    return arithmetic(kind_of(*arguments)).apply(name, *arguments)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``; both are evaluated.

    >>> where(True, 1.0, 2.0)
    1.0
    """
    return apply("select", condition, a, b)


def both(first: Any, second: Any) -> Any:
    """Whether both conditions hold."""
    return apply("and", first, second)


def either(first: Any, second: Any) -> Any:
    """Whether at least one of the conditions holds."""
    return apply("or", first, second)


def negate(condition: Any) -> Any:
    """Whether the condition does not hold."""
    return apply("not", condition)


def sqrt(x: Any) -> Any:
    """The square root; NaN below zero.

    >>> sqrt(4.0)
    2.0
    """
    return apply("sqrt", x)


def floor(x: Any) -> Any:
    """The largest integer not above x.

    >>> floor(-0.5)
    -1.0
    """
    return apply("floor", x)


def absolute(x: Any) -> Any:
    """The absolute value."""
    return apply("abs", x)


def pow2(k: Any) -> Any:
    """2 to an integer power from −1022 to 1023, exactly; unspecified elsewhere."""
    return apply("pow2", k)


def exponent(x: Any) -> Any:
    """floor(log2 |x|) of a finite normal number, exactly; unspecified elsewhere."""
    return apply("exponent", x)
