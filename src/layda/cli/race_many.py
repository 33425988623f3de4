"""``layda race … --starts N``: what becomes of every contestant from many starts, as shares with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from layda.cli.console import Waiting, console, print_json
from layda.cli.race_setup import Wishes, contestants_of
from layda.errors import SettingError
from layda.lecture import STEPS, TOLERANCE
from layda.measures import CONSTANTS, VERDICTS
from layda.run.files import whole_file
from layda.run.fractions import fractions
from layda.run.many import race_many

__all__ = ["run_many"]


def run_many(wishes: Wishes, starts: int, files: list[Path], as_json: bool) -> None:
    """Race, show, save."""
    for path in files:
        if path.suffix not in (".nc", ".csv"):
            raise SettingError(f"--save is {path}; a race from many starts is saved as .nc or .csv")
    if wishes.start:
        raise SettingError("--start and --starts exclude each other: the starts are drawn from the objective's box")
    objective, contestants, lecture = contestants_of(wishes)
    steps = wishes.steps if wishes.steps is not None else STEPS
    tolerance = wishes.tolerance
    if tolerance is None:
        tolerance = TOLERANCE if lecture else CONSTANTS["tolerance"][0]
    done = 0
    with Waiting(len(contestants), "racing", not as_json) as bar:

        def begin(label: str) -> None:
            nonlocal done
            bar.at(done, label)
            done += 1

        found = race_many(
            objective, contestants, starts=starts, seed=wishes.seed, steps=steps, tolerance=tolerance, progress=begin
        )
    for path in files:
        with whole_file(path) as draft:
            if path.suffix == ".nc":
                found.to_netcdf(draft, engine="h5netcdf")
            else:
                frame = found.to_dataframe().reset_index()
                frame["verdict"] = [VERDICTS[code] for code in frame["verdict"]]
                frame.to_csv(draft, index=False)
    if as_json:
        print_json(_data(found) | {"saved": [str(path) for path in files]})
    else:
        tried = isinstance(contestants, list) and wishes.learning_rate is None and not wishes.rules
        rates = {rule.name: float(rule.learning_rate) for rule in contestants} if tried else {}
        _show(found, starts, steps, wishes.seed, files, rates)


def _rows(found: Any) -> list[dict[str, Any]]:
    """For each contestant its shares, the commonest first, and the middle of the steps of those that arrived."""
    table = fractions(found, "verdict", over=["ball"])
    rows = []
    for index, label in enumerate(found["contestant"].values):
        part = table.isel(contestant=index)
        shares = [
            {
                "verdict": kind,
                "count": int(part["count"].sel(verdict=kind)),
                "share": float(part["share"].sel(verdict=kind)),
                "low": float(part["low"].sel(verdict=kind)),
                "high": float(part["high"].sel(verdict=kind)),
            }
            for kind in VERDICTS
        ]
        arrived = found["verdict"].isel(contestant=index).values == VERDICTS.index("converged")
        steps = found["steps"].isel(contestant=index).values[arrived]
        rows.append(
            {
                "label": str(label),
                "rule": str(found["rule"].values[index]),
                "shares": sorted((one for one in shares if one["count"]), key=lambda one: -float(str(one["share"]))),
                "median_steps": float(np.median(steps)) if len(steps) else None,
            }
        )
    return rows


def _data(found: Any) -> dict[str, Any]:
    return {
        "objective": found.attrs["objective"],
        "starts": int(found.sizes["ball"]),
        "seed": int(found.attrs["seed"]),
        "steps": int(found.attrs["budget"]),
        "contestants": _rows(found),
    }


def _show(found: Any, starts: int, steps: int, seed: int, files: list[Path], rates: Mapping[str, float]) -> None:
    from rich import box
    from rich.table import Table

    screen = console()
    screen.print(str(found.attrs["objective"]), style="bold")
    word = "start" if starts == 1 else "starts"
    screen.print(f"{starts} {word} drawn from the box (seed {seed}); {steps} steps at most")
    if rates:
        chosen = ", ".join(f"{label} {rate:.3g}" for label, rate in rates.items())
        screen.print(f"Each rule has its best learning rate of nine from the usual start: {chosen}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("contestant")
    table.add_column("outcome")
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("95% interval", justify="right", no_wrap=True)
    table.add_column("median steps", justify="right", no_wrap=True)
    for row in _rows(found):
        label, middle = row["label"], row["median_steps"]
        for one in row["shares"]:
            told = f"{middle:.0f}" if one["verdict"] == "converged" and middle is not None else ""
            interval = f"{one['low']:.1%} … {one['high']:.1%}"
            table.add_row(label, one["verdict"], f"{one['share']:.1%}", interval, told)
            label = ""
        table.add_section()
    screen.print(table)
    for path in files:
        screen.print(f"wrote {path}")
