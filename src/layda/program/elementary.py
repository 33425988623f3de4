"""The elementary functions on every kind of number: floats, arrays, symbols, tensors, traced values."""

from __future__ import annotations

from typing import Any

from layda.program.arithmetic import arithmetic, kind_of
from layda.program.tracing import Traced

__all__ = [
    "absolute", "apply", "bit", "both", "either", "exponent", "floor", "negate", "scale", "sqrt", "where",
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


def scale(x: Any, k: Any) -> Any:
    """x·2^k for a whole number k from −2044 to 2044, as (x·2^⌊k/2⌋)·2^(k − ⌊k/2⌋); unspecified elsewhere.

    Rounded once, and only where the result is subnormal, as long as x·2^⌊k/2⌋ is a normal number.

    >>> scale(0.75, 3.0)
    6.0
    """
    return apply("scale", x, k)


def bit(x: Any, place: float) -> Any:
    """Whether a bit (0 to 50) of a whole number is set, negative ones in two's complement; |x| < 2^51.

    >>> bit(6.0, 1.0), bit(6.0, 0.0), bit(-1.0, 1.0)
    (True, False, True)
    """
    return apply("bit", x, place)


def exponent(x: Any) -> Any:
    """floor(log2 |x|) of a finite normal number, exactly; unspecified elsewhere."""
    return apply("exponent", x)
