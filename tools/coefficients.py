"""Print the polynomial coefficients that ``layda/functions/lowering`` uses: python tools/coefficients.py.

Each polynomial interpolates the wanted function at Chebyshev points, in 60 digits. The largest error of the
interpolant, absolute and before its coefficients are rounded, is printed beside them: up to about twice the best
possible (minimax) one, and small beside half a unit in the last place, so rounding decides the accuracy.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import mpmath

mpmath.mp.dps = 60

Function = Callable[[mpmath.mpf], mpmath.mpf]


def interpolation(function: Function, low: float, high: float, count: int) -> list[mpmath.mpf]:
    """The coefficients, lowest power first, of the polynomial through ``count`` Chebyshev points of [low, high]."""
    middle, half = mpmath.mpf(low + high) / 2, mpmath.mpf(high - low) / 2
    points = [middle + half * mpmath.cos((2 * k + 1) * mpmath.pi / (2 * count)) for k in range(count)]
    matrix = mpmath.matrix([[point**power for power in range(count)] for point in points])
    return list(mpmath.lu_solve(matrix, mpmath.matrix([function(point) for point in points])))


def _log_over_s(z: mpmath.mpf) -> mpmath.mpf:
    """log((1 + s)/(1 − s))/s with z = s²."""
    return 2 * mpmath.atanh(mpmath.sqrt(z)) / mpmath.sqrt(z)


def _odd(function: Function, first: mpmath.mpf, z: mpmath.mpf) -> mpmath.mpf:
    """(f(x) / x − 1) / x² as a function of z = x²."""
    x = mpmath.sqrt(z)
    return first if z < mpmath.mpf(10) ** -30 else (function(x) / x - 1) / z


THIRD = mpmath.mpf(1) / 3

# name: (function of z, low, high, coefficients, weight of the polynomial in the result at z, what it is)
TABLES: dict[str, tuple[Function, float, float, int, Function, str]] = {
    "SIN": (lambda z: -_odd(mpmath.sin, -THIRD / 2, z), 0.0, 0.618, 6, lambda z: z, "sin x = x − x³ p(x²), |x| ≤ π/4"),
    "COS": (
        lambda z: mpmath.mpf(1) / 24 if z < mpmath.mpf(10) ** -20 else (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z**2,
        0.0, 0.618, 6, lambda z: z * z, "cos x = 1 − x²/2 + x⁴ p(x²), |x| ≤ π/4",
    ),
    "EXP": (
        lambda r: mpmath.mpf(1) / 2 if abs(r) < mpmath.mpf(10) ** -20 else (mpmath.exp(r) - 1 - r) / r**2,
        -0.3467, 0.3467, 10, lambda r: r * r, "exp r = 1 + r + r² p(r), |r| ≤ ln 2 / 2",
    ),
    "LOG": (
        lambda z: 2 * THIRD if z < mpmath.mpf(10) ** -20 else (_log_over_s(z) - 2) / z,
        0.0, 0.02945, 7, lambda z: z, "log((1 + s)/(1 − s)) = 2s + s³ p(s²), |s| ≤ 3 − 2√2",
    ),
    "LOG_TAIL": (
        lambda z: mpmath.mpf(2) / 5
        if z < mpmath.mpf(10) ** -12
        else (_log_over_s(z) - 2 - 2 * z / 3) / z**2,
        0.0, 0.02945, 8, lambda z: z * z, "… = 2s + 2s³/3 + s⁵ p(s²)",
    ),
    "TANH": (lambda z: _odd(mpmath.tanh, -THIRD, z), 0.0, 0.391, 12, lambda z: z, "tanh x = x + x³ p(x²), |x| ≤ 0.625"),
    "SINH": (lambda z: _odd(mpmath.sinh, THIRD / 2, z), 0.0, 1.0, 8, lambda z: z, "sinh x = x + x³ p(x²), |x| ≤ 1"),
    "ARCTAN": (
        lambda z: _odd(mpmath.atan, -THIRD, z), 0.0, 0.1716, 11, lambda z: z, "arctan x = x + x³ p(x²), |x| ≤ √2 − 1",
    ),
}  # fmt: skip


def split(value: mpmath.mpf, steps: list[int]) -> list[float]:
    """The value as a sum of positive floats: multiples of 2^−step for each step, and what is left."""
    parts = []
    for step in steps:
        parts.append(float(mpmath.ldexp(mpmath.floor(mpmath.ldexp(value, step)), -step)))
        value -= mpmath.mpf(parts[-1])
    return [*parts, float(value)]


def parts_below(value: mpmath.mpf, count: int) -> list[float]:
    """The value as a sum of positive floats of 53 bits each, all but the last from below."""
    parts = []
    for index in range(count):
        part = float(value)
        if index < count - 1 and part > value:
            part = math.nextafter(part, 0.0)
        parts.append(part)
        value -= mpmath.mpf(part)
    return parts


def main() -> None:
    """Print every table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name, (function, low, high, count, weight, words) in TABLES.items():
        found = interpolation(function, low, high, count)
        rounded = [float(number) for number in found]
        grid = [mpmath.mpf(low) + mpmath.mpf(high - low) * k / 400 for k in range(401)]
        worst = max(abs(weight(z) * (mpmath.polyval(found[::-1], z) - function(z))) for z in grid)
        print(f"# {words}; error {mpmath.nstr(worst, 2)}")
        print(f"{name} = (\n" + "".join(f"    {number!r},\n" for number in rounded) + ")")
    print("HALF_PI =", split(mpmath.pi / 2, [26, 53, 80]))
    print("HALF_PI_FUSED =", parts_below(mpmath.pi / 2, 3))
    print("LN2 =", split(mpmath.log(2), [32]))
    print("LN2_FUSED =", parts_below(mpmath.log(2), 2))
    print("HALF_PI, two floats:", float(mpmath.pi / 2), float(mpmath.pi / 2 - mpmath.mpf(float(mpmath.pi / 2))))
    print("2/3, two floats:", float(2 * THIRD), float(2 * THIRD - mpmath.mpf(float(2 * THIRD))))


if __name__ == "__main__":
    main()
