"""``--save`` and ``--json``: a race as files and as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layda.cli.race_setup import Outcome
from layda.diagnosis import describe
from layda.errors import FileError, MissingExtraError, SettingError
from layda.run import save
from layda.run.files import whole_file
from layda.run.records import plain
from layda.run.result import Trajectory
from layda.schedules import Schedule

__all__ = ["as_data", "check_targets", "film_settings", "save_all"]

_PICTURES = ("png", "svg", "pdf")
_ANIMATIONS = ("gif", "mp4", "webm")
_FORMATS = (*_PICTURES, *_ANIMATIONS, "csv", "nc", "json", "layda")


def film_settings(size: str, fps: float | None, hold: float | None, once: bool) -> dict[str, Any]:
    """The settings of :func:`layda.animate` that were given on the command line.

    Raises:
        SettingError: a size that is not two numbers.

    >>> film_settings("800x450", None, 1.0, once=True)
    {'size': (800, 450), 'hold': 1.0, 'loop': False}
    """
    given: dict[str, Any] = {"fps": fps, "hold": hold, "loop": False if once else None}
    sides = size.lower().replace("×", "x").split("x")
    if size and not (len(sides) == 2 and all(side.strip().isdecimal() and len(side) <= 9 for side in sides)):
        raise SettingError(f"--size is {size!r}; allowed are width and height in pixels, such as 800x450")
    if size:
        given = {"size": (int(sides[0]), int(sides[1]))} | given
    return {name: value for name, value in given.items() if value is not None}


def check_targets(paths: Sequence[Path], film: Mapping[str, Any] | None = None) -> None:
    """Refuse files that could not be written, before anything is computed.

    Args:
        paths: the files.
        film: from :func:`film_settings`.
    """
    animations = [path for path in paths if path.suffix.lower().lstrip(".") in _ANIMATIONS]
    if film and not animations:
        named = ", ".join("--once" if name == "loop" else f"--{name}" for name in film)
        raise SettingError(f"{named} is for animations, and none is saved; add --save race.gif, .mp4 or .webm")
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
    if animations:
        from layda.plots import Film

        for path in animations:
            Film(path, **(film or {}))


def save_all(outcome: Outcome, paths: Sequence[Path], film: Mapping[str, Any]) -> None:
    """Write every file, each whole or not at all.

    Args:
        outcome: the race.
        paths: the files.
        film: from :func:`film_settings`.
    """
    for path in paths:
        suffix = path.suffix.lower().lstrip(".")
        if suffix in _PICTURES:
            from layda.plots import plot

            plot(outcome.race, path)
        elif suffix in _ANIMATIONS:
            from layda.plots import animate

            animate(outcome.race, path, **film)
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
