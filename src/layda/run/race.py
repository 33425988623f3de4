"""A race: several rules on one objective from one start with one budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from layda.errors import MissingExtraError, SettingError
from layda.measures import CONSTANTS
from layda.objective import Objective
from layda.rule import Rule
from layda.run.descend import descend
from layda.run.result import Trajectory
from layda.specs import to_objective, to_rule

if TYPE_CHECKING:
    import pandas
    import xarray

__all__ = ["Race", "labelled", "race"]


@dataclass(frozen=True)
class Race:
    """The runs of a race, in the order of the contestants.

    Attributes:
        objective: what was descended.
        runs: one trajectory per contestant.
        budget: the steps that each was allowed.
    """

    objective: Objective
    runs: tuple[Trajectory, ...]
    budget: int

    def __iter__(self) -> Iterator[Trajectory]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, key: int | str) -> Trajectory:
        """A run by place or by label."""
        if isinstance(key, str):
            for run in self.runs:
                if run.label == key:
                    return run
            raise KeyError(f"no contestant is called {key!r}; there are {', '.join(run.label for run in self.runs)}")
        return self.runs[key]

    @property
    def best(self) -> Trajectory | None:
        """The run with the lowest final value; ``None`` when none is finite."""
        finite = [run for run in self.runs if np.isfinite(run.value)]
        return min(finite, key=lambda run: run.value) if finite else None

    def to_dataframe(self) -> pandas.DataFrame:
        """All runs below each other, told apart by the column ``label``."""
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("pandas", "data", "to_dataframe()") from None
        frames = [run.to_dataframe().assign(label=run.label) for run in self.runs]
        whole = pd.concat(frames, ignore_index=True)
        return whole[["label", *[name for name in whole.columns if name != "label"]]]

    def to_xarray(self) -> xarray.Dataset:
        """Position, estimate, value and learning rate over (run, step, coordinate); NaN after a run's end."""
        try:
            import xarray as xr
        except ImportError:
            raise MissingExtraError("xarray", "data", "to_xarray()") from None
        names = ["position", "estimate", "velocity", "value", "learning_rate"]
        parts = [run.to_xarray()[names].drop_attrs() for run in self.runs]
        whole: xr.Dataset = xr.concat(parts, dim=xr.Variable("run", [run.label for run in self.runs]), join="outer")
        whole["verdict"] = ("run", [run.verdict.kind for run in self.runs])
        whole["steps"] = ("run", [run.steps for run in self.runs])
        whole["rule"] = ("run", [str(run.rule) for run in self.runs])
        return whole.assign_attrs(objective=self.objective.name, budget=self.budget)

    def save(self, path: Any) -> None:
        """Write the result to a file that is whole or not there (see :func:`layda.save`)."""
        from layda.run.files import save

        save(self, path)

    def __repr__(self) -> str:
        lines = [f"<Race on {self.objective.name}, {self.budget} steps each"]
        lines += [f"  {run.label}: {run.verdict.kind}, {run.steps} steps, f = {run.value:.6g}" for run in self.runs]
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        return "<br>".join(run._repr_html_() for run in self.runs)


def race(
    objective: str | Objective | Callable[..., Any],
    rules: Sequence[str | Rule | type[Rule]] | dict[str, Any] | None = None,
    *,
    start: Any = None,
    steps: int = 1000,
    tolerance: float = CONSTANTS["tolerance"][0],
    check_every: int | None = None,
    seed: int = 0,
    backend: str = "auto",
    progress: Callable[[str, int], None] | None = None,
) -> Race:
    """Let several rules descend one objective from the same start with the same budget.

    Args:
        objective: as in :func:`descend`.
        rules: rules or their texts, or a dict label -> rule; by default gradient descent, heavy ball and Nesterov.
        start: as in :func:`descend`; a random start is drawn once, for all.
        steps: the budget of each.
        tolerance: as in :func:`descend`.
        check_every: as in :func:`descend`.
        seed: as in :func:`descend`.
        backend: as in :func:`descend`.
        progress: called with a contestant's label and its steps done.

    Returns:
        The race. Runs that settled also say in their evidence (``best_in_race``) whether any contestant got lower.

    Raises:
        SettingError: no contestant.

    >>> result = race("x^4 - 2x^2", ["gradient-descent", "heavy-ball"], start=0.5, steps=2000)
    >>> [run.verdict.kind for run in result]
    ['converged', 'converged']
    """
    target = to_objective(objective, start=start)
    runs: list[Trajectory] = []
    for label, rule in labelled(rules):
        told = None if progress is None else _bound(progress, label)
        runs.append(
            descend(
                target,
                rule,
                start=start,
                steps=steps,
                tolerance=tolerance,
                check_every=check_every,
                seed=seed,
                backend=backend,
                label=label,
                progress=told,
            )
        )
    return Race(target, tuple(_compared(runs)), steps)


def labelled(rules: Sequence[str | Rule | type[Rule]] | dict[str, Any] | None) -> list[tuple[str, Rule]]:
    """The contestants with a label for each: the given one, else the rule's name where that tells them apart.

    Raises:
        SettingError: there is none.
    """
    chosen = ["gradient-descent", "heavy-ball", "nesterov"] if rules is None else rules
    pairs = list(chosen.items()) if isinstance(chosen, dict) else [(None, rule) for rule in chosen]
    if not pairs:
        raise SettingError("a race needs at least one rule, and got none")
    contestants = [(given, to_rule(text)) for given, text in pairs]
    names = [rule.name for _, rule in contestants]
    found: list[tuple[str, Rule]] = []
    for given, rule in contestants:
        label = given or (rule.name if names.count(rule.name) == 1 else str(rule))
        while label in [known for known, _ in found]:
            label += " (again)"
        found.append((label, rule))
    return found


def _bound(progress: Callable[[str, int], None], label: str) -> Callable[[int], None]:
    return lambda done: progress(label, done)


def _compared(runs: list[Trajectory]) -> list[Trajectory]:
    """Note on each run whether it is the lowest of the race, within the precision of minima."""
    finite = [run.value for run in runs if np.isfinite(run.value)]
    if not finite:
        return runs
    lowest = min(finite)
    found = []
    for run in runs:
        slack = CONSTANTS["rounding"][0] * max(abs(lowest), abs(run.value)) + run.verdict.evidence.get(
            "gap_allowed", 0.0
        )
        best = bool(np.isfinite(run.value) and run.value - lowest <= slack)
        evidence = {**run.verdict.evidence, "best_in_race": best, "lowest_in_race": lowest}
        found.append(replace(run, verdict=replace(run.verdict, evidence=evidence)))
    return found
