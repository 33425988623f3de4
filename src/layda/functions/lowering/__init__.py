"""The transcendental functions written in exactly rounded operations, so that every machine gives the same bits.

Each is a straight line of + − × ÷, floor, comparison, selection and scaling by powers of two; none asks a mathematical
library. :data:`MAX_ULP` states the largest error of each, measured against mpmath.
"""

from __future__ import annotations

from layda.functions.lowering import exponential, trigonometric
from layda.functions.lowering.exponential import cosh, exp, log, sinh, tanh
from layda.functions.lowering.powers import power
from layda.functions.lowering.trigonometric import arctan, cos, sin, tan

__all__ = ["FUSED", "MAX_ULP", "arctan", "cos", "cosh", "exp", "log", "power", "sin", "sinh", "tan", "tanh"]

MAX_ULP: dict[str, float] = {
    "sin": 1.8, "cos": 1.8, "tan": 4.0, "arctan": 4.0, "exp": 1.0, "log": 1.0, "sinh": 4.0, "cosh": 4.0, "tanh": 2.0,
    "power": 2.0,
}  # fmt: skip
"""Name -> the largest error in units in the last place."""

FUSED = trigonometric.FUSED | exponential.FUSED
"""Name -> the same function in a form that :func:`layda.program.contracted` makes the most of."""
