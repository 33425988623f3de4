"""Chapter 9: who inherited the idea."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from layda.lecture.chapter import Chapter, number
from layda.lecture.pictures import line
from layda.objectives import data_objective
from layda.plots.style import look
from layda.rules import ALL
from layda.run import race
from layda.run.rates import choose_rate, rate_grid
from layda.words import Say

__all__ = ["chapter_9"]

_STEPS = 300
# On the curve every rule has the lecture's rate; rules that take steps of the length of α itself need a smaller one.
_RATES = {"adam": 0.1, "adamw": 0.1, "nadam": 0.1, "lion": 0.02, "sign-momentum": 0.02}


def _notes(say: Say) -> dict[str, tuple[str, str]]:
    """Rule -> what it took from momentum, and what it added."""
    return {
        "gradient-descent": (say("nothing: the ball without memory"), "—"),
        "heavy-ball": (say("the velocity"), "—"),
        "nesterov": (say("the velocity"), say("it looks ahead to where the velocity will carry it")),
        "quasi-hyperbolic": (say("the velocity, averaged"), say("a share of the fresh gradient beside it")),
        "aggregated-momentum": (say("several velocities at once"), say("short and long memories together")),
        "adam": (say("the averaged gradient"), say("a step length of its own for every coordinate")),
        "adamw": (say("the averaged gradient"), say("weight decay apart from the gradient")),
        "nadam": (say("the averaged gradient"), say("Nesterov's look-ahead")),
        "lion": (say("the averaged gradient"), say("only its sign")),
        "sign-momentum": (say("the averaged gradient"), say("only its sign")),
        "schedule-free": (say("the look-ahead"), say("an average of all positions in place of a schedule")),
    }


def chapter_9(say: Say) -> Chapter:
    """The family, in one notation, and two races."""
    notes = _notes(say)
    rules = {rule.name: cast(Any, rule)(learning_rate=_RATES.get(rule.name, 0.5)) for rule in ALL}
    curve = race("lecture", rules, steps=_STEPS, tolerance=0)
    table = data_objective("diabetes", l2=0.1)
    rates = rate_grid(table)
    tuned = {name: choose_rate(table, rule, rates, steps=100, target=None).rule for name, rule in rules.items()}
    model = race(table, tuned, steps=100, tolerance=0)
    lowest = table.reference_value()
    escaped = [run.label for run in curve if run.position[0] < 0.0]

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 2, 1)
        for index, run in enumerate(curve):
            line(left, run.positions[:101, 0], look(index), run.label)
        left.axhline(0.0, color="#9a9a9a", linewidth=0.8)
        left.set_xlabel(say("step"))
        left.set_ylabel("θ")
        right = figure.add_subplot(1, 2, 2)
        for index, run in enumerate(model):
            line(right, np.maximum(run.values - lowest, 1e-9), look(index))
        right.set_yscale("log")
        right.set_xlabel(say("step"))
        right.set_ylabel(say("loss above the lowest"))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=4, fontsize=8)

    return Chapter(
        9,
        say("Who inherited it"),
        "0:22–0:40",
        (
            say("The idea lives on in most gradient-based optimizers: each keeps some of the past and adds something of its own."),
            say(
                "On the lecture's curve, from the lecture's start, {count} of {all} rules come over the barrier: {names}. Their rates are "
                "0.5, or 0.1 and 0.02 for those whose steps are as long as α itself.",
                count=len(escaped), all=len(ALL), names=", ".join(escaped),
            ),
            say(
                "On a real table, each at its best rate of nine, the lowest loss after {steps} steps is that of {best}.",
                steps=model.budget, best=min(model, key=lambda run: run.value).label,
            ),
        ),
        (say("rule"), say("update"), say("took from momentum"), say("added"), say("ends at θ ="), say("table: loss above the lowest")),
        tuple(
            (rule.name, rule.equation, *notes.get(rule.name, ("", "")), number(curve[rule.name].position[0]),
             number(model[rule.name].value - lowest, 2))
            for rule in ALL
        ),
        say("Does momentum always win on the table?"),
        say("Plain descent ends {plain} above the lowest loss, the heavy ball {heavy}, Nesterov {nesterov}.",
            plain=number(model["gradient-descent"].value - lowest, 2), heavy=number(model["heavy-ball"].value - lowest, 2),
            nesterov=number(model["nesterov"].value - lowest, 2)),
        say("Left: θ over the steps for every rule on the curve. Right: the loss of a model on a table for every rule."),
        {f"{run.label} ({race_name})": run for race_name, runs in (("curve", curve), ("table", model)) for run in runs},
        {"escaped": escaped},
        draw,
        size=(9.5, 5.6),
    )  # fmt: skip
