"""exp, log, tanh, sinh and cosh from exactly rounded operations.

The coefficients are printed by ``tools/coefficients.py``.
"""

from __future__ import annotations

from typing import Any

from layda.functions.lowering.exact import NAN, clamped, horner, rint
from layda.program import absolute, exponent, scale, where

__all__ = ["FUSED", "cosh", "exp", "log", "scaled_exp", "sinh", "split_power_of_two", "tanh"]

INF = float("inf")
LN2 = (0.6931471803691238, 1.9082149292705877e-10)
"""ln 2 in 32 bits, whose products with whole numbers up to 2^21 are exact, and 53 more."""

_LN2_FUSED = (0.6931471805599453, 2.3190468138462996e-17)
_ONE_OVER_LN2 = 1.4426950408889634
_TINY = 2.0**-28
_EXP = (
    0.5000000000000001, 0.16666666666666669, 0.04166666666662404, 0.008333333333330055, 0.0013888888917258759,
    0.00019841269863088255, 2.4801521225986432e-05, 2.7557268406190795e-06, 2.7620121717381933e-07,
    2.51004110820149e-08,
)  # fmt: skip
_LOG = (
    0.666666666666667, 0.3999999999989924, 0.2857142862609589, 0.2222221111514416, 0.18182890556695602,
    0.1533167403016786, 0.1461703754879165,
)  # fmt: skip
_TANH = (
    -0.3333333333333333, 0.1333333333333304, -0.05396825396789384, 0.021869488518873555, -0.008863235100297065,
    0.003592121713787555, -0.00145577511739838, 0.0005896591704308033, -0.00023758584039791723,
    9.256153036516744e-05, -3.1190227437815513e-05, 6.479872918951109e-06,
)  # fmt: skip
_SINH = (
    0.16666666666666666, 0.008333333333333333, 0.00019841269841269773, 2.755731922404034e-06, 2.505210836405804e-08,
    1.6059048396350562e-10, 7.646625361656657e-13, 2.8445264169895285e-15,
)  # fmt: skip


def scaled_exp(x: Any, tail: Any = None, shift: float = 0.0) -> Any:
    """e^(x + tail)·2^−shift for x in [−750, 720] and a tail far below x: e^x = 2^k·e^r, |r| ≤ ln 2 / 2.

    The power of two is applied so that results below the normal range are rounded once.
    """
    k = rint(x * _ONE_OVER_LN2)
    high, low = x - k * LN2[0], k * LN2[1]
    r = high - low
    rest = (high - r) - low
    curve = (r * r) * horner(_EXP, r)
    if tail is not None:
        rest = rest + tail
        rest = rest + rest * (r + curve)
    value = 1.0 + (r + (curve + rest))
    return scale(value, k - shift if shift else k)


def exp(x: Any) -> Any:
    """e to the power x, from 0 through the subnormal numbers to infinity."""
    value = scaled_exp(clamped(x, -750.0, 720.0))
    return where(x == x, value, NAN)


def _fused_exp(x: Any) -> Any:
    """exp, to be contracted: x − ka is then exact (a multiple of 2^−53 below 1), and every product is part of a sum."""
    inside = clamped(x, -750.0, 720.0)
    k = rint(inside * _ONE_OVER_LN2)
    r = (inside - k * _LN2_FUSED[0]) - k * _LN2_FUSED[1]
    return where(x == x, scale(horner((1.0, 1.0, *_EXP), r), k), NAN)


FUSED = {"exp": _fused_exp}
"""Name -> the same function, to be contracted."""


def split_power_of_two(x: Any) -> tuple[Any, Any]:
    """x = m·2^e with m in (√½, √2], for x positive, finite, subnormal ones included."""
    small = x < 2.0**-900
    scaled = where(small, x * 2.0**128, x)
    e = exponent(scaled)
    m = scale(scaled, -e)
    upper = m > 1.4142135623730951
    m = where(upper, m * 0.5, m)
    e = where(upper, e + 1.0, e)
    return m, where(small, e - 128.0, e)


def log(x: Any) -> Any:
    """The natural logarithm, with x = 2^e·(1 + f) and s = f/(2 + f).

    ln x = e·ln 2 + ln(1 + f);  ln(1 + f) = f − f²/2 + s(f²/2 + R(s²))
    """
    usable = where(x > 0.0, where(x < INF, x, 1.0), 1.0)
    m, e = split_power_of_two(usable)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * f * f
    tail = s * (half + z * horner(_LOG, z)) + e * LN2[1]
    value = e * LN2[0] - ((half - tail) - f)
    value = where(x == INF, INF, where(x > 0.0, value, NAN))
    return where(x == 0.0, -INF, value)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent: a polynomial up to 0.625, then 1 − 2/(e^2|x| + 1)."""
    a = absolute(x)
    z = where(a < 0.625, x * x, 0.0)
    near = x + (x * z) * horner(_TANH, z)
    far = 1.0 - 2.0 / (scaled_exp(clamped(2.0 * a, 0.0, 64.0)) + 1.0)
    value = where(a < 0.625, near, where(x < 0.0, -far, far))
    return where(a < _TINY, x, where(x == x, value, NAN))


def _half_exp(a: Any) -> tuple[Any, Any]:
    """e^a/2 and e^−a/2 for a ≥ 0, without overflow before the result itself overflows."""
    rising = scaled_exp(clamped(a, 0.0, 720.0), shift=1.0)
    return rising, 0.25 / rising


def sinh(x: Any) -> Any:
    """The hyperbolic sine: a polynomial up to 1, then e^|x|/2 − e^−|x|/2."""
    a = absolute(x)
    z = where(a < 1.0, x * x, 0.0)
    near = x + (x * z) * horner(_SINH, z)
    rising, falling = _half_exp(a)
    far = rising - falling
    value = where(a < 1.0, near, where(x < 0.0, -far, far))
    return where(a < _TINY, x, where(x == x, value, NAN))


def cosh(x: Any) -> Any:
    """The hyperbolic cosine: e^|x|/2 + e^−|x|/2."""
    rising, falling = _half_exp(absolute(x))
    return where(x == x, rising + falling, NAN)
