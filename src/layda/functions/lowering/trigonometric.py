"""sin, cos, tan and arctan from exactly rounded operations.

x = k·π/2 + r with |r| ≤ π/4; π/2 in three parts of 27 bits, whose products with k < 2^26 are exact, and a fourth of 53.
The coefficients are printed by ``tools/coefficients.py``.
"""

from __future__ import annotations

from typing import Any

from layda.functions.lowering.exact import NAN, horner, rint, two_difference
from layda.program import absolute, floor, where

__all__ = ["arctan", "cos", "sin", "tan"]

LARGEST = 1e8
"""Beyond it the parts of π/2 do not suffice, and NaN is better than a wrong value."""

_TINY = 2.0**-27  # below, sin x, tan x and arctan x round to x, and −0 must stay −0
_TWO_OVER_PI = 0.6366197723675814
_HALF_PI = (1.570796325802803, 9.920935739593517e-10, 5.721188709663575e-18, 1.6446256936324258e-26)
_SIN = (
    -0.16666666666666666, 0.008333333333330925, -0.00019841269836724904, 2.7557316085102794e-06,
    -2.5051128211610636e-08, 1.5917867766896243e-10,
)  # fmt: skip
_COS = (
    0.041666666666666664, -0.0013888888888887382, 2.4801587298744625e-05, -2.755731726081361e-07,
    2.087614399539826e-09, -1.1382468815765352e-11,
)  # fmt: skip
_ARCTAN = (
    -0.3333333333333333, 0.19999999999995513, -0.1428571428466518, 0.11111111015146714, -0.0909090457366906,
    0.07692183087342026, -0.06664509989818045, 0.058581362519061465, -0.05085383488842831, 0.03922974453661223,
    -0.019174543572021332,
)  # fmt: skip


def _reduced(x: Any) -> tuple[Any, Any, Any]:
    """k, and r as a sum of two floats."""
    near = where(absolute(x) <= LARGEST, x, 0.0)
    k = rint(near * _TWO_OVER_PI)
    first, second, third, fourth = _HALF_PI
    high, low = two_difference(near - k * first, k * second)
    high, more = two_difference(high, k * third)
    low = (low + more) - k * fourth
    total = high + low
    return k, total, (high - total) + low


def _halved(k: Any) -> tuple[Any, Any]:
    """Half of a whole number, rounded down, and whether nothing was lost: whether the number is even."""
    half = k * 0.5
    below = floor(half)
    return below, below == half


def _sine(r: Any, tail: Any) -> Any:
    z = r * r
    return r + ((r * z) * horner(_SIN, z) + tail * (1.0 - 0.5 * z))


def _cosine(r: Any, tail: Any) -> Any:
    z = r * r
    half = 0.5 * z
    rounded = 1.0 - half
    return rounded + (((1.0 - rounded) - half) + ((z * z) * horner(_COS, z) - r * tail))


def _within(x: Any, value: Any) -> Any:
    return where(absolute(x) <= LARGEST, value, NAN)


def sin(x: Any) -> Any:
    """The sine; NaN for |x| > 1e8."""
    k, r, tail = _reduced(x)
    half, even = _halved(k)
    value = where(even, _sine(r, tail), _cosine(r, tail))
    _, upper = _halved(half)  # k modulo 4 is 0 or 1
    value = where(upper, value, -value)
    return where(absolute(x) < _TINY, x, _within(x, value))


def cos(x: Any) -> Any:
    """The cosine; NaN for |x| > 1e8."""
    k, r, tail = _reduced(x)
    _, even = _halved(k)
    value = where(even, _cosine(r, tail), _sine(r, tail))
    half, _ = _halved(k + 1.0)
    _, right = _halved(half)  # k modulo 4 is 0 or 3
    return _within(x, where(right, value, -value))


def tan(x: Any) -> Any:
    """The tangent; NaN for |x| > 1e8."""
    k, r, tail = _reduced(x)
    _, even = _halved(k)
    s, c = _sine(r, tail), _cosine(r, tail)
    # Where r is 0 so is k (only x = 0 is a multiple of π/2), so nothing is divided by 0.
    value = where(even, s, -c) / where(even, c, s)
    return where(absolute(x) < _TINY, x, _within(x, value))


def arctan(x: Any) -> Any:
    """The arc tangent: arctan a = c + arctan t with c = 0, π/4 or π/2, |t| ≤ √2 − 1."""
    a = absolute(x)
    small, large = a <= 0.41421356237309503, a > 2.414213562373095
    above = where(small, a, where(large, -1.0, a - 1.0))
    below = where(small, 1.0, where(large, a, a + 1.0))
    t = above / below
    z = t * t
    high = where(small, 0.0, where(large, 1.5707963267948966, 0.7853981633974483))
    low = where(small, 0.0, where(large, 6.123233995736766e-17, 3.061616997868383e-17))
    value = high + (t + ((t * z) * horner(_ARCTAN, z) + low))
    value = where(x < 0.0, -value, value)
    return where(a < _TINY, x, where(x == x, value, NAN))
