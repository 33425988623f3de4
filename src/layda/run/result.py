"""Results of runs: plain data. Plots, words and files are made from them by functions elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import MissingExtraError
from layda.objective import Minimum, Objective
from layda.rule import RESTARTS, Rule

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["Trajectory", "Verdict", "sparkline"]

Array = NDArray[np.float64]
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Verdict:
    """What became of a run.

    Attributes:
        kind: one of :data:`layda.measures.VERDICTS`.
        step: the step at which the run ended.
        evidence: the numbers that the verdict was made from, by name.
        thresholds: the constants that they were held against, by name.
        better: the best known minimum, where the run was compared with one.
        notes: what else a reader must know (mini-batches, finite differences).
    """

    kind: str
    step: int
    evidence: Mapping[str, Any]
    thresholds: Mapping[str, float]
    better: Minimum | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Trajectory:
    """One descent.

    Attributes:
        objective: what was descended.
        rule: how.
        label: the name in a race.
        positions: where the k-th gradient was taken, shape (steps + 1, dimension); the last alone with
            ``record="end"``.
        estimates: what the rule offers as its answer, likewise.
        values: f(positions), shape (steps + 1,).
        states: the rule's slots by name, (steps + 1, dimension), or (steps + 1,) for shared ones; with adaptive restart
            also "restarts", how often the rule began anew up to each step.
        learning_rates: α at every recorded step, shape (steps + 1,).
        steps: steps taken. budget: steps allowed.
        verdict: what became of the run.
        settings: tolerance, check_every, backend, seed, start, … as plain data.
        evaluations: gradients evaluated.
    """

    objective: Objective
    rule: Rule
    label: str
    positions: Array
    estimates: Array
    values: Array
    states: dict[str, Array] = field(repr=False)
    learning_rates: Array = field(repr=False)
    steps: int
    budget: int
    verdict: Verdict
    settings: dict[str, Any]
    evaluations: int

    @property
    def position(self) -> Array:
        """The rule's answer at the end, shape (dimension,)."""
        found: Array = self.estimates[-1]
        return found

    @property
    def value(self) -> float:
        """f at the rule's answer."""
        return float(self.settings["value"])

    @property
    def velocities(self) -> Array:
        """velocities[k] = positions[k − 1] − positions[k], the displacement that led to row k; row 0 is zero."""
        moved = np.zeros_like(self.positions)
        with np.errstate(all="ignore"):
            moved[1:] = self.positions[:-1] - self.positions[1:]
        return moved

    @property
    def restarts(self) -> int:
        """How often the rule began anew (adaptive restart)."""
        count = self.states.get(RESTARTS)
        return 0 if count is None else int(count[-1])

    @property
    def restart_steps(self) -> NDArray[np.int64]:
        """The recorded steps k whose row holds the rule begun anew; empty with ``record="end"``.

        >>> import layda
        >>> run = layda.descend("x^2", "heavy-ball:learning_rate=0.1,restart=gradient", start=1.0, steps=20)
        >>> run.restarts, run.restart_steps.tolist()
        (4, [5, 10, 15, 20])
        """
        count = self.states.get(RESTARTS)
        if count is None:
            return np.empty(0, np.int64)
        return np.flatnonzero(np.diff(count) > 0.0) + self.steps + 2 - len(count)

    @property
    def best_value(self) -> float:
        """The lowest recorded f."""
        finite = self.values[np.isfinite(self.values)]
        return float(np.min(finite)) if len(finite) else float("nan")

    def report(self) -> dict[str, float]:
        """Further figures of the answer (held-out accuracy or R² of a model on a table)."""
        return self.objective.report(self.position)

    def to_dataframe(self) -> pandas.DataFrame:
        """One row per step: coordinates, estimates where they differ, value, learning rate.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("pandas", "data", "to_dataframe()") from None
        columns: dict[str, Any] = {"step": np.arange(len(self.positions)) + self.steps + 1 - len(self.positions)}
        for index, name in enumerate(self.objective.coordinates):
            columns[name] = self.positions[:, index]
        if not np.array_equal(self.positions, self.estimates, equal_nan=True):
            for index, name in enumerate(self.objective.coordinates):
                columns[f"{name} (estimate)"] = self.estimates[:, index]
        columns |= {"value": self.values, "learning_rate": self.learning_rates}
        return pd.DataFrame(columns)

    def to_xarray(self) -> xarray.Dataset:
        """A labelled dataset over ``step`` and ``coordinate``, with the verdict and the settings as attributes.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        try:
            import xarray as xr
        except ImportError:
            raise MissingExtraError("xarray", "data", "to_xarray()") from None
        steps = np.arange(len(self.positions)) + self.steps + 1 - len(self.positions)
        both = ("step", "coordinate")
        variables: dict[str, Any] = {
            "position": (both, self.positions),
            "estimate": (both, self.estimates),
            "velocity": (both, self.velocities),
            "value": (("step",), self.values),
            "learning_rate": (("step",), self.learning_rates),
        }
        for name, values in self.states.items():
            variables[f"state_{name}"] = (both if values.ndim == 2 else ("step",), values)
        about = {
            "objective": self.objective.name,
            "rule": str(self.rule),
            "label": self.label,
            "verdict": self.verdict.kind,
            "budget": self.budget,
            "tolerance": self.settings["tolerance"],
        }
        coordinates = {"step": steps, "coordinate": list(self.objective.coordinates)}
        return xr.Dataset(variables, coords=coordinates, attrs=about)

    def save(self, path: Any) -> None:
        """Write the result to a file that is whole or not there (see :func:`layda.save`)."""
        from layda.run.files import save

        save(self, path)

    def __repr__(self) -> str:
        return f"<Trajectory {self.label}: {self.verdict.kind} after {self.steps} steps, f = {self.value:.6g}>"

    def _repr_html_(self) -> str:
        from html import escape

        line = sparkline(self.values)
        return (
            f"<b>{escape(self.label)}</b> on {escape(self.objective.name)}: <b>{self.verdict.kind}</b> "
            f"after {self.steps} steps, f = {self.value:.6g} <code>{line}</code>"
        )


def sparkline(values: Array, width: int = 12) -> str:
    """A bare picture of how the values went, low to high, non-finite ones as "×".

    >>> sparkline(np.array([4.0, 2.0, 1.0, 0.0]), 4)
    '█▅▃▁'
    """
    if len(values) > width:
        values = values[np.linspace(0, len(values) - 1, width).round().astype(int)]
    finite = values[np.isfinite(values)]
    if not len(finite):
        return "×" * len(values)
    low, high = float(np.min(finite)), float(np.max(finite))
    text = ""
    for value in values:
        if not np.isfinite(value):
            text += "×"
        else:
            share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
            text += _BARS[round(share * (len(_BARS) - 1))]
    return text
