"""sin, cos, tan and arctan from exactly rounded operations.

x = k·π/2 + r with |r| ≤ π/4. π/2 = a + b + c + d, whose products with k < 2^26 are exact but for the last: a in steps
of 2^−26, b of 2^−53, c of 2^−80. x − ka and (x − ka) − kb are multiples of 2^−53 below 1, so they are exact, too.
Where a·b + c rounds once (:data:`FUSED`), three parts of 53 bits do the same with fewer operations.
The coefficients are printed by ``tools/coefficients.py``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from layda.functions.lowering.exact import NAN, horner, rint
from layda.program import absolute, bit, where

__all__ = ["FUSED", "arctan", "cos", "sin", "tan"]

LARGEST = 1e8
"""Beyond it the parts of π/2 do not suffice, and NaN is better than a wrong value."""

_TINY = 2.0**-27  # below, tan x and arctan x round to x, and −0 must stay −0
_TWO_OVER_PI = 0.6366197723675814
_HALF_PI_FUSED = (1.5707963267948966, 6.123233995736765e-17, 1.082856673921914e-32)
_HALF_PI = (1.570796325802803, 9.920935184482005e-10, 6.123233932053594e-17, 6.36831716351095e-25)
_SIN = (
    0.16666666666666666, -0.008333333333330925, 0.00019841269836724904, -2.7557316085102794e-06,
    2.5051128211610636e-08, -1.5917867766896243e-10,
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


def _reduced(x: Any, fused: bool) -> tuple[Any, Any, Any]:
    """k, r, and what is still to be taken away from r."""
    k = rint(x * _TWO_OVER_PI)
    if fused:  # x − ka is a multiple of 2^−53 below 1, so it is exact
        first, second, third = _HALF_PI_FUSED
        return k, ((x - k * first) - k * second) - k * third, 0.0
    first, second, third, fourth = _HALF_PI
    return k, ((x - k * first) - k * second) - k * third, k * fourth


def _sine(r: Any, tail: Any) -> Any:
    z = r * r
    return r - ((r * z) * horner(_SIN, z) + tail)  # for r = −0 this is −0 − (−0 + 0), which is −0


def _cosine(r: Any) -> Any:
    """The tail is left out: where |r| ≤ π/4 it moves the cosine by less than a third of an ulp."""
    z = r * r
    return 1.0 + z * (z * horner(_COS, z) - 0.5)


def _within(x: Any, value: Any) -> Any:
    return where(absolute(x) <= LARGEST, value, NAN)


def sin(x: Any, fused: bool = False) -> Any:
    """The sine; NaN for |x| > 1e8."""
    k, r, tail = _reduced(x, fused)
    value = where(bit(k, 0.0), _cosine(r), _sine(r, tail))
    return _within(x, where(bit(k, 1.0), -value, value))


def cos(x: Any, fused: bool = False) -> Any:
    """The cosine; NaN for |x| > 1e8."""
    k, r, tail = _reduced(x, fused)
    value = where(bit(k, 0.0), _sine(r, tail), _cosine(r))
    return _within(x, where(bit(k + 1.0, 1.0), -value, value))


def tan(x: Any, fused: bool = False) -> Any:
    """The tangent; NaN for |x| > 1e8."""
    k, r, tail = _reduced(x, fused)
    s, c = _sine(r, tail), _cosine(r)
    # Where r is 0 so is k (only x = 0 is a multiple of π/2), so nothing is divided by 0.
    turned = bit(k, 0.0)
    value = where(turned, -c, s) / where(turned, s, c)
    return where(absolute(x) < _TINY, x, _within(x, value))


FUSED = {name: partial(function, fused=True) for name, function in (("sin", sin), ("cos", cos), ("tan", tan))}
"""Name -> the same function, to be contracted."""


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
