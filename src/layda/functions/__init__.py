"""Mathematical functions that work on every kind of number: Python, NumPy, SymPy, mpmath, torch, JAX, traced values.

Use them in rules, objectives and schedules. On floats and NumPy arrays the transcendental ones are computed by our own
exactly specified sequences of operations (see ``lowering/``), so that every machine and backend gives the same bits;
each states its largest error in units in the last place (ulp).

>>> sin(0.0), exp(0.0), minimum(2.0, 1.0)
(0.0, 1.0, 1.0)
"""

from __future__ import annotations

import math
from typing import Any

from layda.functions import named as _named
from layda.program import absolute, apply, both, either, floor, kind_of, negate, sqrt, where
from layda.program.tracing import Traced

__all__ = [
    "abs", "arctan", "both", "cos", "cosh", "e", "either", "exp", "floor", "log", "maximum", "minimum", "negate", "pi",
    "power", "sign", "sin", "sinh", "sqrt", "tan", "tanh", "where",
]  # fmt: skip

pi = math.pi
e = math.e

NAMED = _named.NAMED
"""The names of the transcendental operations, each with a derivative and a lowering."""

_LARGEST_CHAIN = 1024


def sin(x: Any) -> Any:
    """The sine of x radians, |x| ≤ 1e8; NaN beyond. Error ≤ 1.8 ulp.

    >>> sin(0.5)
    0.479425538604203
    """
    return apply("sin", x)


def cos(x: Any) -> Any:
    """The cosine of x radians, |x| ≤ 1e8; NaN beyond. Error ≤ 1.8 ulp.

    >>> cos(0.0)
    1.0
    """
    return apply("cos", x)


def tan(x: Any) -> Any:
    """The tangent of x radians, |x| ≤ 1e8; NaN beyond. Error ≤ 4 ulp.

    >>> tan(0.0)
    0.0
    """
    return apply("tan", x)


def arctan(x: Any) -> Any:
    """The angle in (−π/2, π/2) whose tangent is x. Error ≤ 4 ulp.

    >>> arctan(float("inf")) == pi / 2
    True
    """
    return apply("arctan", x)


def exp(x: Any) -> Any:
    """e to the power x, over the whole range. Error ≤ 1 ulp.

    >>> exp(0.0)
    1.0
    """
    return apply("exp", x)


def log(x: Any) -> Any:
    """The natural logarithm, over the whole range; −inf at 0, NaN below. Error ≤ 1 ulp.

    >>> log(1.0)
    0.0
    """
    return apply("log", x)


def sinh(x: Any) -> Any:
    """The hyperbolic sine. Error ≤ 4 ulp.

    >>> sinh(0.0)
    0.0
    """
    return apply("sinh", x)


def cosh(x: Any) -> Any:
    """The hyperbolic cosine. Error ≤ 4 ulp.

    >>> cosh(0.0)
    1.0
    """
    return apply("cosh", x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent. Error ≤ 2 ulp.

    >>> tanh(50.0)
    1.0
    """
    return apply("tanh", x)


def power(x: Any, y: Any) -> Any:
    """x to the power y. A whole number y is a fixed chain of products, any other y costs a logarithm. Error ≤ 2 ulp.

    >>> power(3.0, 4), power(2.0, 0.5) == sqrt(2.0)
    (81.0, True)
    """
    if type(y) is not Traced and kind_of(y) == "float":
        if y == y and float(y).is_integer() and -_LARGEST_CHAIN <= y <= _LARGEST_CHAIN:
            return x ** int(y) if type(x) is Traced else _chain(x, int(y))
        if y == 0.5:
            return sqrt(x)
    return apply("power", x, y)


def abs(x: Any) -> Any:
    """The absolute value; its derivative at 0 is 0.

    >>> abs(-2.0)
    2.0
    """
    return absolute(x)


def sign(x: Any) -> Any:
    """−1, 0 or 1; NaN stays NaN.

    >>> sign(-3.0), sign(0.0)
    (-1.0, 0.0)
    """
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x * 0.0))


def minimum(a: Any, b: Any) -> Any:
    """The smaller one: a where a < b, else b (so a NaN in a gives b).

    >>> minimum(1.0, 2.0)
    1.0
    """
    return where(a < b, a, b)


def maximum(a: Any, b: Any) -> Any:
    """The larger one: a where a > b, else b (so a NaN in a gives b).

    >>> maximum(1.0, 2.0)
    2.0
    """
    return where(a > b, a, b)


def _chain(x: Any, count: int) -> Any:
    if count < 0:
        return apply("div", 1.0, _chain(x, -count))
    result: Any = None
    while True:
        if count & 1:
            result = x if result is None else apply("mul", result, x)
        count >>= 1
        if not count:
            return where(x == x, 1.0, 1.0) if result is None else result
        x = apply("mul", x, x)
