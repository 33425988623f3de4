"""The checks of a diagnosis: each looks at a run by itself and says what it found, or nothing."""

from __future__ import annotations

from collections.abc import Callable

from layda.diagnosis.checks.cycle import cycle
from layda.diagnosis.checks.motion import domain, stability
from layda.diagnosis.checks.pace import pace, reach
from layda.diagnosis.checks.rest import minimum, saddle
from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Finding

__all__ = ["CHECKS"]

CHECKS: dict[str, Callable[[Examined], Finding | None]] = {
    "domain": domain,
    "stability": stability,
    "reach": reach,
    "pace": pace,
    "cycle": cycle,
    "saddle": saddle,
    "minimum": minimum,
}
"""Name -> check, in the order in which they are made. A new one is added here and nowhere else."""
