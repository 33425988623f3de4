"""Rules at equal budget: the same data, batches and initial weights for each, several seeds, a rate chosen beforehand.

A *training* is any function ``(rule, rate, seed) -> Outcome``; this file knows nothing of PyTorch or JAX.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from layda.plots.style import RC, look

GRID = {
    "gradient descent": (0.1, 0.3, 1.0),
    "heavy ball": (0.01, 0.03, 0.1),
    "Nesterov": (0.01, 0.03, 0.1),
    "Adam": (0.001, 0.003, 0.01),
    "Lion": (0.0003, 0.001, 0.003),
    "sign momentum": (0.0003, 0.001, 0.003),
    "schedule-free": (0.3, 1.0, 3.0),
}
"""Rule -> the rates that are tried: a factor of about three apart, around the usual one."""

SHORT = {f"{rule}, bfloat16 state": rule for rule in GRID if rule != "gradient descent"}
"""A rule whose state is kept in bfloat16 -> the rule that its rate is chosen with."""

_USUAL = ("heavy ball, bfloat16 state", "Adam, bfloat16 state")  # of these; the others where they are asked for

RELATIVES = SHORT | {
    "torch SGD": "heavy ball", "torch Adam": "Adam", "optax.sgd": "heavy ball", "optax.adam": "Adam",
}  # fmt: skip
"""A contestant that takes the steps of another, but for rounding: drawn in its colour."""

_TUNING_SEED = 1000  # the seeds that are compared are 0, 1, 2, …


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        steps: at which the loss was written down.
        losses: the training loss there (the mean of the batches since the last one).
        validation: the loss on data that chooses the rate and nothing else.
        held_out: the figure of merit on data that is used for nothing else.
    """

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    validation: float
    held_out: float

    @property
    def final(self) -> float:
        """The last training loss."""
        return self.losses[-1]


Training = Callable[[str, float, int], Outcome]


@dataclass(frozen=True)
class Comparison:
    """All trainings of one task.

    Attributes:
        task: what was learnt.
        merit: what ``held_out`` is.
        rates: rule -> the rate that was chosen for it.
        outcomes: rule -> one for each seed.
    """

    task: str
    merit: str
    rates: Mapping[str, float]
    outcomes: Mapping[str, Sequence[Outcome]]


def compare(task: str, merit: str, train: Training, rules: Mapping[str, Sequence[float]], seeds: int) -> Comparison:
    """Choose every rule's rate by the validation loss of one seed, then train with the others."""
    rates, outcomes = {}, {}
    for rule, grid in rules.items():
        if rule in SHORT:
            rates[rule] = rates[SHORT[rule]]
        elif len(grid) == 1:
            rates[rule] = grid[0]
        else:
            tried = {rate: train(rule, rate, _TUNING_SEED).validation for rate in grid}
            rates[rule] = min(grid, key=lambda rate: tried[rate] if math.isfinite(tried[rate]) else math.inf)
        outcomes[rule] = [train(rule, rates[rule], seed) for seed in range(seeds)]
    return Comparison(task, merit, rates, outcomes)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the standard deviation over the seeds."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def table(found: Comparison) -> str:
    """One line for each rule, and what a state in bfloat16 changes."""
    seeds = len(next(iter(found.outcomes.values())))
    lines = [f"{found.task}; mean ± standard deviation over {seeds} seeds", ""]
    lines.append(f"{'':28} {'rate':>7}  {'final loss':>17}  {found.merit:>20}")
    for rule, outcomes in found.outcomes.items():
        loss, off = spread([outcome.final for outcome in outcomes])
        merit, around = spread([outcome.held_out for outcome in outcomes])
        lines.append(f"{rule:28} {found.rates[rule]:7g}  {loss:8.4f} ± {off:6.4f}  {merit:11.4f} ± {around:6.4f}")
    shorts = {rule: found.outcomes[short] for short, rule in SHORT.items() if short in found.outcomes}
    if shorts:
        lines += ["", "What a state in bfloat16 changes the final loss by (± standard error), and what a seed does:"]
    for rule, outcomes in shorts.items():
        pairs = zip(outcomes, found.outcomes[rule], strict=True)
        change, off = spread([one.final - other.final for one, other in pairs])
        _, noise = spread([outcome.final for outcome in found.outcomes[rule]])
        lines.append(f"{rule:28} {change:+8.5f} ± {off / math.sqrt(seeds):.5f}  {noise:11.5f}")
    return "\n".join(lines)


def picture(found: Sequence[Comparison], path: Path) -> None:
    """The loss over the steps with a band of one standard deviation, and the figure of merit with error bars."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(RC):
        figure = Figure(figsize=(10.0, 3.6 * len(found)))
        pairs = figure.subplots(len(found), 2, squeeze=False, width_ratios=(3, 2))
        for (curves, ends), one in zip(pairs, found, strict=True):
            _curves(curves, one)
            _ends(ends, one)
        figure.savefig(path, dpi=130)


def _curves(axes: Any, found: Comparison) -> None:
    for rule, outcomes in found.outcomes.items():
        if rule in RELATIVES and RELATIVES[rule] in found.outcomes:
            continue
        losses = np.array([outcome.losses for outcome in outcomes])
        middle, off, style = losses.mean(0), losses.std(0), _look(rule)
        marks = {"marker": style.marker, "markevery": [-1], "ms": 5, "label": rule}
        axes.plot(outcomes[0].steps, middle, color=style.colour, linestyle=style.dash, lw=1.4, **marks)
        low = np.maximum(middle - off, 0.5 * middle)  # the axis is logarithmic
        axes.fill_between(outcomes[0].steps, low, middle + off, color=style.colour, alpha=0.12, lw=0)
    axes.set(xlabel="steps", ylabel="training loss", yscale="log", title=found.task)
    axes.legend(fontsize=7, ncols=2, loc="lower left")


def _look(rule: str) -> Any:
    return look(list(GRID).index(RELATIVES.get(rule, rule)))


def _ends(axes: Any, found: Comparison) -> None:
    names = list(found.outcomes)
    for place, rule in enumerate(names):
        middle, off = spread([outcome.held_out for outcome in found.outcomes[rule]])
        style = _look(rule)
        inside = "white" if rule in RELATIVES else style.colour
        axes.errorbar(
            middle, place, xerr=off, color=style.colour, marker=style.marker, mfc=inside, ms=5, capsize=3, lw=1.2
        )
    axes.set_yticks(range(len(names)), [f"{rule}, α = {found.rates[rule]:g}" for rule in names], fontsize=8)
    axes.set(xlabel=f"held out: {found.merit}; mean ± standard deviation")
    axes.xaxis.label.set_size(8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)


def options(about: str | None, steps: int) -> argparse.ArgumentParser:
    """The arguments that all examples take."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of every rule")
    parser.add_argument("--steps", type=int, default=steps, help="gradients of every training")
    parser.add_argument("--rules", nargs="*", default=None, help="only these, by name")
    parser.add_argument("--bfloat16", action="store_true", help="every rule beside itself with a state in bfloat16")
    parser.add_argument("--save", type=Path, default=None, help="write the picture there")
    parser.add_argument("--quick", action="store_true", help="one seed, few steps, one rate: to see whether it runs")
    return parser


def chosen(given: argparse.Namespace, rules: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """The rules that are asked for; with ``--quick`` one rate each. Changes the budget of a quick run, too."""
    if given.quick:
        given.seeds, given.steps = 1, min(given.steps, 20)
        rules = {rule: grid[1:2] for rule, grid in rules.items()}
    unknown = set(given.rules or ()) - set(rules)
    if unknown:
        raise SystemExit(f"--rules: no rule is called {', '.join(sorted(unknown))}; known are {', '.join(rules)}")
    usual = [rule for rule in rules if rule not in SHORT or rule in _USUAL]
    wanted = set(given.rules or ([] if given.bfloat16 else usual)) | (set(SHORT) if given.bfloat16 else set())
    wanted |= {SHORT[rule] for rule in wanted if rule in SHORT}
    return {rule: grid for rule, grid in rules.items() if rule in wanted}


def carry_out(
    about: str | None,
    arguments: Sequence[str] | None,
    tasks: Sequence[str],
    merit: str,
    train: Callable[[str, int, str, float, int], Outcome],
    rules: Mapping[str, Sequence[float]],
    steps: int,
) -> None:
    """A whole example: read the arguments, compare the rules on every task, tell.

    Args:
        about: the example's description, for ``--help``.
        arguments: of the command line; ``None`` for those of the process.
        tasks: what is learnt, by name.
        merit: what ``held_out`` is.
        train: (task, steps, rule, rate, seed) -> what the training came to.
        rules: rule -> the rates that are tried.
        steps: the usual budget.
    """
    given = options(about, steps).parse_args(arguments)
    wanted = chosen(given, rules)
    found = [compare(task, merit, partial(train, task, given.steps), wanted, given.seeds) for task in tasks]
    report(found, given.save)


def report(found: Sequence[Comparison], save: Path | None) -> None:
    """Print the tables, write the picture."""
    print("\n\n".join(table(one) for one in found))
    if save is not None:
        picture(found, save)
        print(f"\nwrote {save}")
