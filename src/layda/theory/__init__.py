"""What theory says of a rule, from the rule's own step: linear systems, stability, rates, tuning.

>>> from layda import theory
>>> round(theory.stability_limit("nesterov:momentum=0.9"), 6)
1.357143
"""

from __future__ import annotations

from layda.theory.barriers import Barrier, barrier
from layda.theory.bounds import NoEscape, no_escape
from layda.theory.linear import LinearSystem, linear_system
from layda.theory.mechanics import Body, as_body, settings_of
from layda.theory.stability import curvature_limit, rate_at, regime, stability_limit, steps_to, worst_rate
from layda.theory.tuning import Tuning, best_settings

__all__ = [
    "Barrier", "Body", "LinearSystem", "NoEscape", "Tuning", "as_body", "barrier", "best_settings", "curvature_limit",
    "linear_system", "no_escape", "rate_at", "regime", "settings_of", "stability_limit", "steps_to", "worst_rate",
]  # fmt: skip
