"""The lecture's experiments."""

from __future__ import annotations

from layda.lecture.race import CONTESTANTS, STEPS, TOLERANCE, WORKING_DECAY, lecture_race

__all__ = ["CONTESTANTS", "STEPS", "TOLERANCE", "WORKING_DECAY", "lecture_race"]
