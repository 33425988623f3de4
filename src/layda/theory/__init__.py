"""What theory says of a rule, from the rule's own step: linear systems, stability, rates, tuning.

>>> from layda import theory
>>> round(theory.stability_limit("nesterov:momentum=0.9"), 6)
1.357143
"""

from __future__ import annotations

from layda.theory.barriers import Barrier, barrier
from layda.theory.linear import LinearSystem, linear_system
from layda.theory.stability import curvature_limit, rate_at, regime, stability_limit, steps_to, worst_rate
from layda.theory.tuning import Tuning, best_settings

__all__ = [
    "Barrier", "LinearSystem", "Tuning", "barrier", "best_settings", "curvature_limit", "linear_system", "rate_at",
    "regime", "stability_limit", "steps_to", "worst_rate",
]  # fmt: skip
