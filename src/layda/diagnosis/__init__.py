"""What a verdict means, what was the matter, and what to do. Plain data and text out; draws nothing."""

from __future__ import annotations

from layda.diagnosis.advice import diagnose, follow
from layda.diagnosis.energies import Energy, energy
from layda.diagnosis.findings import Diagnosis, Finding, Remedy
from layda.diagnosis.report import report
from layda.diagnosis.tune import Tuned, tune
from layda.diagnosis.words import SHORT, describe, remarks

__all__ = [
    "SHORT", "Diagnosis", "Energy", "Finding", "Remedy", "Tuned", "describe", "diagnose", "energy", "follow", "remarks",
    "report", "tune",
]  # fmt: skip
