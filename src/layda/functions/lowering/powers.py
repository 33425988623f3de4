"""x to the power y: log x in two floats (about 68 bits), times y, and e to that.

Error-free sums and products carry the low part; the special cases are those of IEEE 754 (pow).
The coefficients are printed by ``tools/coefficients.py`` (LOG_TAIL).
"""

from __future__ import annotations

from typing import Any

from layda.functions.lowering.exact import NAN, clamped, horner, two_product, two_sum
from layda.functions.lowering.exponential import INF, LN2, scaled_exp, split_power_of_two
from layda.program import absolute, both, either, floor, negate, where

__all__ = ["power"]

_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
_LARGEST_EXPONENT = 2.0**70  # |log x| ≥ 2^−53 for x ≠ 1: any larger y gives 0, 1 or infinity as well
_TAIL = (
    0.4, 0.2857142857142937, 0.22222222221654733, 0.1818181833565416, 0.15384594934597917, 0.13334806212100603,
    0.11706195689881364, 0.11723603622905411,
)  # fmt: skip


def _precise_log(x: Any) -> tuple[Any, Any]:
    """log x = e·ln 2 + s·(2 + s²·(2/3 + s²·p(s²))) as a sum of two floats, s = (m − 1)/(m + 1) likewise."""
    m, e = split_power_of_two(x)
    f = m - 1.0
    below, below_low = two_sum(m, 1.0)
    s = f / below
    product, rest = two_product(s, below)
    s_low = (((f - product) - rest) - s * below_low) / below
    z, z_low = two_product(s, s)
    z_low = z_low + 2.0 * (s * s_low)
    third, third_low = two_sum(_TWO_THIRDS[0], z * horner(_TAIL, z))
    third_low = third_low + _TWO_THIRDS[1]
    w, w_low = two_product(z, third)
    w_low = w_low + (z * third_low + z_low * third)
    v, v_low = two_sum(2.0, w)
    v_low = v_low + w_low
    near, near_low = two_product(s, v)
    near_low = near_low + (s * v_low + s_low * v)
    high, low = two_sum(e * LN2[0], near)
    low = low + (near_low + e * LN2[1])
    total = high + low
    return total, (high - total) + low


def _magnitude(a: Any, y: Any) -> Any:
    """a^y for a positive and finite."""
    high, low = _precise_log(a)
    product, rest = two_product(y, high)
    rest = rest + y * low
    inside = absolute(product) < 750.0
    return scaled_exp(clamped(product, -750.0, 720.0), where(inside, rest, 0.0))


def power(x: Any, y: Any) -> Any:
    """x to the power y: NaN for negative x with y not whole; x^0 = 1^y = 1 whatever the other one is."""
    bounded = clamped(y, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    whole = floor(bounded) == bounded
    odd = both(whole, negate(floor(bounded * 0.5) == bounded * 0.5))
    a = absolute(x)
    ordinary = both(a > 0.0, a < INF)
    value = _magnitude(where(ordinary, a, 1.0), bounded)
    up = y > 0.0
    value = where(a == 0.0, where(up, 0.0, INF), value)
    value = where(a == INF, where(up, INF, 0.0), value)
    # Only a division tells −0 from 0, and it is made only where the result is infinite anyway.
    infinite = both(a == 0.0, y < 0.0)
    minus_zero = (1.0 / where(infinite, x, 1.0)) < 0.0
    value = where(both(odd, either(x < 0.0, minus_zero)), -value, value)
    value = where(both(a == 0.0, both(odd, up)), x, value)
    value = where(both(both(x < 0.0, a < INF), negate(whole)), NAN, value)
    value = where(both(x == x, y == y), value, NAN)
    return where(either(y == 0.0, x == 1.0), 1.0, value)
