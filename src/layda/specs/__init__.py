"""Text such as ``heavy-ball:momentum=0.9``, ``x^4 - 3x^2``, ``file.py:Name`` <-> rules, schedules and objectives."""

from __future__ import annotations

from layda.specs.objectives import to_objective
from layda.specs.rules import rule_text, to_rule

__all__ = ["rule_text", "to_objective", "to_rule"]
