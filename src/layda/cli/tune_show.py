"""A tuning on the terminal: what was measured, what theory says, what the race said, and a line to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from layda.cli.console import console
from layda.diagnosis import Tuned
from layda.errors import SpecError
from layda.run.records import plain
from layda.specs.rules import rule_text, short_rule_text

if TYPE_CHECKING:
    from rich.table import Table

    from layda.diagnosis.curvature import Curvature
    from layda.diagnosis.search import Candidate

__all__ = ["as_data", "race_line", "show"]

_SHOWN = 8  # candidates
_NARROW = 100
_SYMBOLS = {
    "learning_rate": "α", "learning_rate.initial": "α₀", "learning_rate.decay": "δ", "momentum": "β", "beta1": "β₁",
}  # fmt: skip
_ORIGINS = {"theory": "theory", "field": "the field", "refinement": "near the best", "decay": "decaying rates"}
_VERDICTS = {
    "arrived": "at the target", "later": "slower", "short": "not there",
    "passed": "flew past it", "lost": "diverged",
}  # fmt: skip


def show(tuned: Tuned, asked: Mapping[str, Any]) -> None:
    """Print the tuning.

    Args:
        tuned: the result.
        asked: the command line's objective, start, steps, seed and options of tables, for the line to paste.
    """
    screen = console()
    objective = tuned.objective
    equation = f" = {objective.equation}" if objective.equation not in ("", objective.name) else ""
    screen.print(f"{objective.name}{equation}", style="bold")
    screen.print(f"start {_place(tuned.start)}; {tuned.rule.name}; {tuned.budget} steps at most")
    screen.print("\nMeasured", style="bold")
    screen.print(_measured(tuned, screen.width))
    screen.print("Theory", style="bold")
    if tuned.theory:
        screen.print(_theory(tuned, screen.width))
        screen.print(
            "f is quadratic as far as was looked: theory's rate is exact."
            if tuned.quadratic
            else f"The curvature changes, up to {tuned.steepest:.4g} on the way: theory holds near the minimum only."
        )
    for note in tuned.notes:
        screen.print(f"{note[:1].upper()}{note[1:]}.")
    screen.print("\nRace", style="bold")
    screen.print(f"{len(tuned.candidates)} candidates to f ≤ {tuned.target:.6g}, at two steps on end")
    screen.print(_race(tuned))
    screen.print("Recommended", style="bold")
    screen.print(_verdict(tuned))
    spent = ", ".join(f"{name} {count}" for name, count in tuned.gradients.items())
    screen.print(f"Spent {tuned.spent} gradients: {spent}.\n")
    screen.print(race_line(tuned, asked), soft_wrap=True)


def _table(heads: Iterable[tuple[str, bool]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head, number in heads:
        table.add_column(head, justify="right" if number else "left", no_wrap=number)
    return table


def _place(numbers: Iterable[float]) -> str:
    listed = list(numbers)
    shown = ", ".join(f"{number:.6g}" for number in listed[:3])
    return f"({shown}, … {len(listed)} coordinates)" if len(listed) > 3 else f"({shown})" if len(listed) > 1 else shown


def _measured(tuned: Tuned, width: int) -> Table:
    wide = width >= _NARROW
    table = _table(
        [("", False), ("f", True), ("largest λ", True), ("smallest λ", True), ("κ", True)]
        + ([("how", False)] if wide else [])
    )
    rows: list[tuple[str, float | None, Curvature]] = [("start", None, tuned.at_start)]
    if tuned.at_minimum is not None and tuned.minimum is not None:
        rows.append((f"minimum {_place(tuned.minimum)}", tuned.floor, tuned.at_minimum))
    for name, value, found in rows:
        height = tuned.objective.value(_array(tuned.start)) if value is None else value
        condition = found.condition if found.smallest > 0.0 else None
        how = found.method if found.products == 0 else f"{found.method}: {found.products} products, residual "
        how += "" if found.products == 0 else f"{found.residual:.1g}" + ("" if found.converged else ", not converged")
        cells = [name, f"{height:.5g}", f"{found.largest:.4g}", f"{found.smallest:.4g}",
                 "—" if condition is None else f"{condition:.4g}"]  # fmt: skip
        table.add_row(*cells, *([how] if wide else []))
    return table


def _array(numbers: Iterable[float]) -> Any:
    import numpy as np

    return np.array(list(numbers))


def _order(name: str) -> tuple[int, str]:
    """The rate first, then the momentum; what has no symbol last."""
    known = list(_SYMBOLS)
    return (known.index(name) if name in known else len(known), name)


def _theory(tuned: Tuned, width: int) -> Table:
    names = sorted({name for one in tuned.theory for name in one.settings}, key=_order)
    wide = width >= _NARROW
    table = _table(
        [
            ("curvatures seen", False),
            *((_SYMBOLS.get(name, name), True) for name in names),
            ("ρ", True),
            ("steps", True),
        ]
        + [("in the race", True)]
        + ([("source", False)] if wide else [])
    )
    raced = {tuple(sorted(one.settings.items())): one for one in tuned.candidates}
    for one in tuned.theory:
        steps = one.steps(tuned.tolerance)
        candidate = raced.get(one.raced_as)
        cells = [
            f"{one.seen}: {one.smallest:.4g} to {one.largest:.4g}",
            *(f"{one.settings[name]:.4g}" for name in names), f"{one.rate:.4f}", f"{steps:.0f}",
            "—" if candidate is None else _steps(candidate),
        ]  # fmt: skip
        source = one.source if one.closed_form else f"{one.source} (numerically)"
        table.add_row(*cells, *([source] if wide else []))
    return table


def _steps(candidate: Candidate) -> str:
    if candidate.steps is not None:
        return str(candidate.steps)
    return {"lost": "diverged", "passed": "flew past"}.get(candidate.verdict, f"> {max(candidate.rolled - 1, 0)}")


def _race(tuned: Tuned) -> Table:
    names = sorted({name for one in tuned.candidates for name in one.settings}, key=_order)
    numbers = [*(_SYMBOLS.get(name, name) for name in names), "steps", "f"]
    table = _table([*((head, True) for head in numbers), ("what became of it", False), ("put forward by", False)])
    shown = list(tuned.candidates[:_SHOWN])
    shown += [one for one in tuned.candidates[_SHOWN:] if one.origin == "theory"]
    for one in shown:
        settings = [f"{one.settings[name]:.4g}" if name in one.settings else "" for name in names]
        table.add_row(*settings, _steps(one), f"{one.value:.4g}", _VERDICTS[one.verdict], _ORIGINS[one.origin])
    if len(tuned.candidates) > len(shown):
        table.add_row(*("…" for _ in names), "", "", f"and {len(tuned.candidates) - len(shown)} more", "")
    return table


def _verdict(tuned: Tuned) -> str:
    words = tuned.recommended
    if tuned.steps is None:
        return f"{words}: the lowest f, {tuned.value:.5g}, after {tuned.budget} steps; no candidate was at the target."
    kind = f", and settles after {tuned.settled} steps" if tuned.settled is not None else ""
    stays = f"; it stays there{kind}" if tuned.stays else "; it does not stay there"
    return f"{words}: {tuned.steps} steps to the target{stays}."


def race_line(tuned: Tuned, asked: Mapping[str, Any]) -> str:
    """A command that runs the recommended settings."""
    words = ["layda", "race", shlex.quote(str(asked["objective"]))]
    for name in ("target", "model", "l2", "batch"):
        if asked.get(name) is not None:
            words.append(f"--{name} {shlex.quote(str(asked[name]))}")
    if asked["start"]:
        words.append(f"--start={shlex.quote(asked['start'])}")
    if asked["seed"]:
        words.append(f"--seed {asked['seed']}")
    needed = max(tuned.budget, tuned.settled or 0)
    if needed != 1000:
        words.append(f"--steps {needed}")
    return " ".join([*words, f'--rule "{_rule_words(tuned)}"'])


def _rule_words(tuned: Tuned) -> str:
    try:
        return short_rule_text(tuned.recommended)
    except SpecError:
        return str(tuned.recommended)


def as_data(tuned: Tuned, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The tuning as JSON data."""
    return {
        "objective": tuned.objective.name,
        "start": plain(tuned.start),
        "budget": tuned.budget,
        "rule": tuned.rule.name,
        "target": plain(tuned.target),
        "floor": plain(tuned.floor),
        "tolerance": tuned.tolerance,
        "minimum": plain(tuned.minimum),
        "measured": {"start": _curvature(tuned.at_start), "minimum": _curvature(tuned.at_minimum)},
        "steepest": plain(tuned.steepest),
        "quadratic": tuned.quadratic,
        "theory": [
            {
                "seen": one.seen, "smallest": plain(one.smallest), "largest": plain(one.largest),
                "settings": plain(one.settings), "rate": plain(one.rate), "closed_form": one.closed_form,
                "source": one.source,
            }
            for one in tuned.theory
        ],
        "candidates": [
            {
                "settings": plain(one.settings), "origin": one.origin, "steps": one.steps, "rolled": one.rolled,
                "verdict": one.verdict, "value": plain(one.value),
            }
            for one in tuned.candidates
        ],
        "recommended": {
            "rule": _text(tuned), "steps": tuned.steps, "stays": tuned.stays, "verdict": tuned.verdict,
            "settled": tuned.settled, "value": plain(tuned.value),
        },
        "gradients": dict(tuned.gradients),
        "notes": list(tuned.notes),
        "command": race_line(tuned, asked),
    }  # fmt: skip


def _text(tuned: Tuned) -> str:
    try:
        return rule_text(tuned.recommended)
    except SpecError:
        return str(tuned.recommended)


def _curvature(found: Curvature | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "largest": plain(found.largest), "smallest": plain(found.smallest), "method": found.method,
        "smallest_positive": plain(found.smallest_positive), "residual": plain(found.residual),
        "converged": found.converged, "products": found.products, "gradients": plain(found.gradients),
    }  # fmt: skip
