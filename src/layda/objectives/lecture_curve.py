"""The lecture's curve: one start from which everything in the lecture can be seen."""

from __future__ import annotations

from functools import cache
from typing import Any

from layda.objective import Minimum, TracedObjective, from_function

__all__ = ["DESCRIPTION", "lecture_curve"]

DESCRIPTION = "A poor minimum at 1 (f = −1/16), a barrier at 0 (f = 0), a better minimum at −2 (f = −2/5)."


def _curve(x: Any) -> Any:
    return (3 * x**4 + 4 * x**3 - 12 * x**2) / 80


@cache
def lecture_curve() -> TracedObjective:
    """f(x) = (3x⁴ + 4x³ − 12x²)/80 with f′ = (12/80)·x(x − 1)(x + 2), from x = 2 where f = 2/5.

    ========  =====  ==========  ======================  ===========================
    place     f      curvature   descent is stable for   heavy ball, β = .9, for
    ========  =====  ==========  ======================  ===========================
    x = 1     −1/16  9/20        α < 40/9 = 4.44         α < 76/9 = 8.44
    x = 0     0      −3/10       (the barrier)
    x = −2    −2/5   9/10        α < 20/9 = 2.22         α < 38/9 = 4.22
    ========  =====  ==========  ======================  ===========================

    The barrier is 1/16 above the poor minimum; a ball that keeps its velocity brings 2/5 with it.

    >>> lecture_curve().value((-2.0,))
    -0.4
    """
    return from_function(
        _curve,
        box=(-3.5, 3.0),
        start=(2.0,),
        minima=[Minimum((-2.0,), -0.4), Minimum((1.0,), -0.0625)],
        name="lecture",
        description=DESCRIPTION,
        equation="(3x⁴ + 4x³ − 12x²)/80",
        source="the lecture that layda grew out of; the curve is ours",
    )
