"""The lecture's curve: the 1-D objective on which everything in the lecture can be seen, and the lecture's contestants."""

from __future__ import annotations

from functools import cache
from typing import Any

from layda.objective import Minimum, TracedObjective, from_function

__all__ = ["LECTURE_CURVE", "lecture_curve"]


def _curve(x: Any) -> Any:
    return (x**2 - 1) ** 2 / 4 + x / 10


@cache
def lecture_curve() -> TracedObjective:
    """The curve, traced."""
    return from_function(
        _curve,
        box=(-2, 2),
        start=(2.0,),
        minima=[Minimum((-1.0466805317,), -0.1023860738), Minimum((0.9456492740,), 0.0973605582)],
        name="lecture",
        description="The lecture's curve.",
        equation="(x² − 1)²/4 + x/10",
    )


LECTURE_CURVE = lecture_curve()
