"""``--save`` and ``--json``: a race as files and as data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layda.cli.race_setup import Outcome
from layda.diagnosis import describe
from layda.errors import FileError, MissingExtraError
from layda.run import save
from layda.run.files import whole_file
from layda.run.records import plain
from layda.run.result import Trajectory
from layda.schedules import Schedule

__all__ = ["as_data", "check_targets", "save_all"]

_PICTURES = ("png", "svg", "pdf")
_FORMATS = (*_PICTURES, "csv", "nc", "json", "layda")


def check_targets(paths: Sequence[Path]) -> None:
    """Refuse files that could not be written, before anything is computed."""
    for path in paths:
        suffix = path.suffix.lower().lstrip(".")
        if suffix not in _FORMATS:
            raise FileError(f"--save {path}: the ending says what to write; allowed are {', '.join(_FORMATS)}")
        if path.is_dir():
            raise FileError(f"--save {path} is a folder; give the name of a file in it")
        if not path.parent.is_dir():
            raise FileError(
                f"--save {path}: the folder {path.parent} does not exist; make it first or name another one"
            )


def save_all(outcome: Outcome, paths: Sequence[Path]) -> None:
    """Write every file, each whole or not at all."""
    for path in paths:
        suffix = path.suffix.lower().lstrip(".")
        if suffix in _PICTURES:
            from layda.plots import plot

            plot(outcome.race, path)
        elif suffix == "layda":
            save(outcome.race, path)
        elif suffix == "csv":
            frame = outcome.race.to_dataframe()
            with whole_file(path) as draft:
                frame.to_csv(draft, index=False)
        elif suffix == "nc":
            data = outcome.race.to_xarray()
            with whole_file(path) as draft:
                try:
                    data.to_netcdf(draft, engine="h5netcdf")
                except ImportError:
                    raise MissingExtraError("h5netcdf with h5py", "data", f"--save {path}") from None
        else:
            with whole_file(path) as draft:
                draft.write_text(json.dumps(as_data(outcome), allow_nan=False, indent=2) + "\n", encoding="utf-8")


def as_data(outcome: Outcome) -> dict[str, Any]:
    """The race as JSON data: what was descended, from where, and every run."""
    race = outcome.race
    return {
        "objective": race.objective.name,
        "equation": race.objective.equation,
        "coordinates": list(race.objective.coordinates),
        "start": plain(outcome.start),
        "seed": outcome.seed,
        "budget": race.budget,
        "learning_rates_tried": plain(outcome.rates),
        "goal": plain(outcome.goal),
        "runs": [_run(run, outcome) for run in race.runs],
    }


def _run(run: Trajectory, outcome: Outcome) -> dict[str, Any]:
    settings = {
        name: str(value) if isinstance(value, Schedule) else plain(value) for name, value in run.rule.settings().items()
    }
    found = {
        "label": run.label,
        "rule": getattr(run.rule, "stored_name", run.rule.name),
        "settings": settings,
        "steps": run.steps,
        "position": plain(run.position),
        "value": plain(run.value),
        "verdict": run.verdict.kind,
        "words": describe(run),
        "evidence": plain(run.verdict.evidence),
        "thresholds": plain(run.verdict.thresholds),
        "evaluations": run.evaluations,
    }
    report = run.report()
    if report:
        found["report"] = plain(report)
    return found
