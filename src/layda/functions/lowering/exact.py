"""Small exact steps that the lowered functions share: error-free sums and products, rounding to whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layda.program import where

__all__ = ["NAN", "clamped", "horner", "rint", "two_product", "two_sum"]

NAN = float("nan")
_MAGIC = 6755399441055744.0  # 1.5·2^52: adding it pushes every fractional bit of |x| < 2^51 out
_SPLITTER = 134217729.0  # 2^27 + 1


def rint(x: Any) -> Any:
    """The nearest whole number, ties to even; |x| < 2^51."""
    return (x + _MAGIC) - _MAGIC


def clamped(x: Any, low: float, high: float) -> Any:
    """x within [low, high]; NaN becomes low, to be put back at the end."""
    raised = where(x > low, x, low)
    return where(raised < high, raised, high)


def horner(coefficients: Sequence[float], z: Any) -> Any:
    """The polynomial with these coefficients, lowest power first."""
    total: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * z + coefficient
    return total


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as a rounded sum and its exact error (Knuth 1969)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _halves(a: Any) -> tuple[Any, Any]:
    scaled = a * _SPLITTER
    high = scaled - (scaled - a)
    return high, a - high


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """a·b as a rounded product and its exact error, without fused multiply-add (Dekker 1971); |a|, |b| < 2^970."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
