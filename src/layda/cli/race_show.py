"""A race on the terminal: a table, a picture of a curve with the balls where they ended, and what else matters."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layda.cli.console import console
from layda.cli.race_setup import Outcome
from layda.cli.text_picture import text_picture
from layda.diagnosis import describe
from layda.run import Trajectory
from layda.run.rates import steps_to
from layda.run.result import sparkline
from layda.schedules import Schedule

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["show"]

_COLOURS = {
    "converged": "green", "trapped": "yellow", "saddle": "yellow", "frozen": "yellow", "cycling": "yellow",
    "diverged": "red", "undefined": "red", "crawling": "blue", "unfinished": "blue",
}  # fmt: skip
_NARROW = 100


def show(outcome: Outcome, files: Sequence[Path]) -> None:
    """Print the race."""
    screen = console()
    race = outcome.race
    objective = race.objective
    equation = f" = {objective.equation}" if objective.equation not in ("", objective.name) else ""
    screen.print(f"{objective.name}{equation}", style="bold")
    screen.print(f"{objective.description}" if objective.description else "", end="\n" if objective.description else "")
    screen.print(f"start {_place(outcome.start)}; {race.budget} steps at most")
    letters = string.ascii_lowercase
    screen.print(_table(outcome, screen.width))
    if objective.dimension == 1:
        balls = [(letters[index % 26], float(run.position[0])) for index, run in enumerate(race.runs)]
        for line in text_picture(objective, balls, min(screen.width, 90)):
            screen.print(line, no_wrap=True, overflow="crop")
    for index, run in enumerate(race.runs):
        _say(screen, f"{letters[index % 26]}  {describe(run, notes=False)}", _COLOURS[run.verdict.kind])
    _notes(screen, outcome)
    for path in files:
        screen.print(f"wrote {path}")


def _say(screen: Console, text: str, style: str) -> None:
    from rich.text import Text

    line = Text(text)
    line.stylize(style, 0, 1)
    screen.print(line)


def _place(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:.6g}" for number in numbers[:4])
    return (
        f"({shown}, … {len(numbers)} coordinates)" if len(numbers) > 4 else shown if len(numbers) == 1 else f"({shown})"
    )


def _settings(run: Trajectory) -> str:
    shown = []
    for name, value in run.rule.settings().items():
        if value == "velocity":  # the usual form of the heavy ball
            continue
        text = _short(value)
        shown.append(
            text if isinstance(value, str) and name not in _SYMBOLS else f"{_SYMBOLS.get(name, name)}\u00a0{text}"
        )
    return ", ".join(shown)


_SYMBOLS = {"learning_rate": "α", "momentum": "β", "beta1": "β₁", "beta2": "β₂", "nu": "ν", "epsilon": "ε",
            "momenta": "β", "weight_decay": "λ", "restart": "restart"}  # fmt: skip


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return "/".join(_short(item) for item in value)
    if isinstance(value, Schedule):
        decay, initial = getattr(value, "decay", None), getattr(value, "initial", None)
        if value.name == "exponential":
            return f"{_short(initial)}, δ {_short(decay)}"
        return str(value)
    return str(value)


def _table(outcome: Outcome, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    race = outcome.race
    labelled = outcome.lecture
    with_goal = outcome.goal is not None
    held_out = held_out_name(outcome)
    reports = [run.report() for run in race.runs] if held_out else []
    epochs = getattr(race.objective, "steps_per_epoch", 1) if race.objective.stochastic else 0
    wide = width >= _NARROW
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("contestant" if labelled else "rule", no_wrap=True)
    table.add_column("settings", min_width=11)
    table.add_column("steps", justify="right", no_wrap=True)
    if epochs:
        table.add_column("epochs", justify="right", no_wrap=True, min_width=6)
    if with_goal:
        table.add_column("to 1%", justify="right", no_wrap=True)
    table.add_column("f", justify="right", no_wrap=True)
    if held_out:
        table.add_column("held out", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True, min_width=10)
    drawn = wide or not (with_goal or held_out or epochs)
    if drawn:
        table.add_column("loss", no_wrap=True)
    for index, run in enumerate(race.runs):
        kind = run.verdict.kind
        cells: list[Any] = [
            Text(string.ascii_lowercase[index % 26], style="bold"),
            run.label if labelled else run.rule.name,
            _settings(run),
            str(run.steps),
        ]
        if epochs:
            cells.append(f"{run.steps / epochs:.1f}")
        if with_goal:
            assert outcome.goal is not None
            reached = steps_to(run.values, outcome.goal)
            cells.append("—" if reached is None else str(reached))
        cells.append(f"{run.value:.5g}")
        if held_out:
            cells.append(f"{reports[index][f'held-out {held_out}']:.3f}")
        cells.append(Text(kind, style=_COLOURS[kind]))
        if drawn:
            cells.append(sparkline(_heights(run), 12 if wide else 8))
        table.add_row(*cells)
    return table


def held_out_name(outcome: Outcome) -> str | None:
    """What is measured on the held-out rows of a table: accuracy or R²."""
    names = outcome.race.runs[0].report()
    found = [name for name in names if name.startswith("held-out") and "loss" not in name]
    return found[0].removeprefix("held-out ") if found else None


def _heights(run: Trajectory) -> Any:
    """The loss on a scale on which its whole way can be seen: logarithmic above the lowest value."""
    values = run.values
    finite = values[np.isfinite(values)]
    if len(finite) < 2 or np.ptp(finite) == 0.0:
        return values
    low, high = float(np.min(finite)), float(np.max(finite))
    floor = low - 1e-3 * (high / 2 - low / 2)
    with np.errstate(all="ignore"):
        return np.log(values - floor)


def _notes(screen: Console, outcome: Outcome) -> None:
    race = outcome.race
    notes = dict.fromkeys(note for run in race.runs for note in run.verdict.notes)
    for note in notes:
        screen.print(f"{note[:1].upper()}{note[1:]}.")
    if held_out_name(outcome):
        screen.print(f"Held out: {held_out_name(outcome)} on rows that took no part in the descent.")
    if outcome.rates:
        screen.print(
            f"Each rule has its best learning rate of nine from {outcome.rates[0]:.3g} to {outcome.rates[-1]:.3g}; "
            "--learning-rate sets it."
        )
    if outcome.goal is not None:
        counts = [steps_to(run.values, outcome.goal) for run in race.runs]
        first, rest = counts[0], [count for count in counts[1:] if count]
        if first and rest and race.runs[0].rule.name == "gradient-descent":
            ratio = first / min(rest)
            fewer = f": {ratio:.1f} times fewer" if ratio > 1.05 else ""
            screen.print(
                f"To 1% above the lowest loss: {first} steps of plain descent, {min(rest)} with momentum{fewer}."
            )
    searched = [run.verdict.evidence.get("minima_known", "") for run in race.runs]
    found = next((text for text in searched if "search" in str(text)), None)
    if found:
        screen.print(f"Minima: {found}.")
