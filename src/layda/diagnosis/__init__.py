"""What a verdict means, in words. Plain data and text out; draws nothing."""

from __future__ import annotations

from layda.diagnosis.tune import Tuned, tune
from layda.diagnosis.words import SHORT, describe, remarks

__all__ = ["SHORT", "Tuned", "describe", "remarks", "tune"]
