"""One labelled run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import layda
from layda.objective import Objective
from layda.rule import Rule

__all__ = ["Case", "walk"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A run whose verdict is known before it is run.

    Attributes:
        label: the true verdict.
        objective, rule, start, steps: the run, as :func:`layda.descend` takes it.
        why: the theory that gives the label, in one sentence.
        family: what kind of run it is.
        period: of the cycle, where theory knows it; 0 elsewhere.
    """

    label: str
    objective: Objective
    rule: Rule
    start: tuple[float, ...]
    steps: int
    why: str
    family: str
    period: int = 0

    def run(self, **options: Any) -> layda.Trajectory:
        """The run."""
        return layda.descend(
            self.objective, self.rule, start=self.start, steps=self.steps, **{"backend": "python"} | options
        )

    def __str__(self) -> str:
        return f"{self.label} [{self.family}] {self.objective.name} d={len(self.start)} {self.rule} {self.steps} steps"


def walk(objective: Objective, rule: Rule, start: Any, steps: int) -> Array:
    """The positions of a run that nothing stops: arithmetic, no verdict."""
    found: Array = layda.descend(objective, rule, start=start, steps=steps, tolerance=0, backend="python").positions
    return found
