"""Chapters 1 to 4: gradient descent, the learning rate, damping it, and the velocity."""

from __future__ import annotations

from typing import Any

import numpy as np

from layda.lecture.chapter import Chapter, number
from layda.lecture.pictures import DAMPED, MOMENTUM, PLAIN, WHOLE, curve_axes, line, path
from layda.objective import Minimum, TracedObjective, from_function
from layda.objectives import data_objective
from layda.objectives.lecture_curve import lecture_curve
from layda.plots.style import look
from layda.rules import GradientDescent, HeavyBall
from layda.run import descend
from layda.schedules import ExponentialDecay
from layda.words import Say

__all__ = ["chapter_1", "chapter_2", "chapter_3", "chapter_4"]

RATE = 0.5
TOLERANCE = 1e-4


def steep_bowl() -> TracedObjective:
    """5x²/2: a valley so steep that α = .5 is above its limit 2/5."""
    return from_function(lambda x: 5 * x * x / 2, box=(-2, 2), start=(1.0,), name="5x²/2", equation="5x²/2", convex=True,
                         minima=[Minimum((0.0,), 0.0)])  # fmt: skip


def chapter_1(say: Say) -> Chapter:
    """Gradient descent from random starts."""
    curve = {
        say("seed {seed}", seed=seed): descend(
            "lecture", GradientDescent(RATE), start="random", seed=seed, tolerance=TOLERANCE
        )
        for seed in range(6)
    }
    table = data_objective("diabetes", l2=0.1)
    models = {
        say("table, seed {seed}", seed=seed): descend(
            table, GradientDescent(0.4), start="random", seed=seed, steps=3000, tolerance=TOLERANCE
        )
        for seed in range(2)
    }
    better = sum(bool(run.position[0] < 0) for run in curve.values())
    rows = []
    for label, run in (curve | models).items():
        one = run.objective.dimension == 1
        start = number(run.positions[0, 0]) if one else say("{count} numbers", count=run.objective.dimension)
        end = number(run.position[0]) if one else say("loss {value}", value=number(run.value, 4))
        rows.append((label, start, end, str(run.steps), say(run.verdict.kind)))

    def draw(figure: Any) -> None:
        axes = figure.add_subplot(1, 2, 1)
        curve_axes(axes, "θ", say("loss J(θ)"))
        for run in curve.values():
            path(axes, run.positions, PLAIN)
        losses = figure.add_subplot(1, 2, 2)
        for label, run in models.items():
            shown = PLAIN if run is next(iter(models.values())) else DAMPED
            line(losses, run.values, shown, label)
        losses.set_xscale("symlog")
        losses.set_xlabel(say("step"))
        losses.set_ylabel(say("loss of a model with {count} numbers", count=table.dimension))
        losses.legend()

    return Chapter(
        1,
        say("Gradient descent"),
        "0:51–1:56",
        (
            say(
                "θ starts at random. The derivative of the loss says, for each component of θ, which way is up; so the step goes "
                "the other way: θ ← θ − α∇J(θ), again and again, until it goes down no further."
            ),
            say(
                "Here {count} balls start at random on one curve: {better} end in the better valley at θ = −2, {poor} in the poor "
                "one at θ = 1. Where a ball starts decides where it ends.",
                count=len(curve), better=better, poor=len(curve) - better,
            ),
            say(
                "The same rule fits a model to a real table, where θ has {count} components. That loss is convex: wherever it "
                "starts, it ends at the same {value}.",
                count=table.dimension, value=number(next(iter(models.values())).value, 4),
            ),
        ),
        (say("run"), say("start"), say("end"), say("steps"), say("verdict")),
        tuple(rows),
        say("Which starts end in the better valley?"),
        say("Those to the left of the barrier at θ = 0: plain descent never climbs, so it stays in the valley that it starts in."),
        say("Left: the curve with the paths of six balls from random starts. Right: the loss of a model on a table over the steps."),
        curve | models,
        {"better": better, "poor": len(curve) - better, "components": table.dimension},
        draw,
    )  # fmt: skip


def chapter_2(say: Say) -> Chapter:
    """Three learning rates from a start in the better valley."""
    start, steps = -3.0, 1000
    limit = 2.0 / float(lecture_curve().hessian(np.array([-2.0]))[0, 0])
    rates = {"small": 0.0001, "good": 1.0, "large": 10.0}
    names = {"small": say("α too small"), "good": say("α good"), "large": say("α too large")}
    runs = {
        names[key]: descend("lecture", GradientDescent(rate), start=start, steps=steps, tolerance=TOLERANCE)
        for key, rate in rates.items()
    }
    looks = (DAMPED, PLAIN, MOMENTUM)

    def draw(figure: Any) -> None:
        first = None
        for index, (label, run) in enumerate(runs.items()):
            axes = figure.add_subplot(1, 3, index + 1, sharey=first)
            first = first or axes
            curve_axes(axes, "θ", say("loss J(θ)") if index == 0 else "")
            path(axes, run.positions, looks[index])
            rate = list(rates.values())[index]
            sign = "<" if rate < limit else ">"
            axes.set_title(f"{label}: {say(run.verdict.kind)}\nα = {rate:g} {sign} 2/f″ = {limit:.3g}")

    good, small, large = runs[names["good"]], runs[names["small"]], runs[names["large"]]
    return Chapter(
        2,
        say("The learning rate"),
        "2:08–3:14",
        (
            say(
                "α is the length of the steps. Too small, and they are tiny: with α = {rate} the ball has come from {start} only to "
                "{end} after {steps} steps.",
                rate=number(rates["small"]), start=number(start), end=number(small.position[0]), steps=small.steps,
            ),
            say(
                "Too large, and it jumps across the place that it should reach, farther each time: with α = {rate} it is gone after "
                "{steps} steps.",
                rate=number(rates["large"]), steps=large.steps,
            ),
            say(
                "In between it settles: with α = {rate} after {steps} steps. Near the valley's floor the limit is α < 2/f″ = {limit}.",
                rate=number(rates["good"]), steps=good.steps, limit=number(limit),
            ),
        ),
        (say("learning rate"), say("end"), say("steps"), say("verdict")),
        tuple(
            (f"{label}: {rate:g}", number(run.position[0]), str(run.steps), say(run.verdict.kind))
            for (label, run), rate in zip(runs.items(), rates.values(), strict=True)
        ),
        say("Is every α above {limit} thrown away?", limit=number(limit)),
        say(
            "Not at once: the limit holds at the floor of the valley. Above it the ball cannot settle there; whether it is thrown "
            "away depends on how much steeper the walls are than the floor."
        ),
        say("Three panels: the ball creeps, settles, and jumps out of the picture."),
        runs,
        {"limit": limit, "rates": rates},
        draw,
    )  # fmt: skip


def chapter_3(say: Say) -> Chapter:
    """Damping the learning rate."""
    bowl = steep_bowl()
    limit, works, steps = 2.0 / 5.0, 0.95, 400
    deltas = (0.0, 0.1, 0.5, 0.9, 0.99, 1.0)
    runs = {
        f"δ = {delta:g}": descend(
            bowl, GradientDescent(ExponentialDecay(RATE, delta)), steps=steps, tolerance=TOLERANCE
        )
        for delta in (*deltas, works)
    }
    shown = runs[f"δ = {works:g}"]
    below = int(np.flatnonzero(shown.learning_rates < limit)[0])
    best = descend(bowl, GradientDescent(0.2), steps=steps, tolerance=TOLERANCE)
    grid = np.round(np.arange(0.0, 1.0001, 0.01), 2)
    good = [
        float(delta)
        for delta in grid
        if descend(
            bowl, GradientDescent(ExponentialDecay(RATE, float(delta))), steps=steps, tolerance=TOLERANCE
        ).verdict.kind
        == "converged"
    ]
    low, high = _longest(good)
    steepest = {delta: 5.0 * float(np.max(np.abs(runs[f"δ = {delta:g}"].positions))) for delta in deltas}
    reach = {delta: RATE * delta / (1.0 - delta) * steepest[delta] if delta < 1.0 else float("inf") for delta in deltas}

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 2, 1)
        line(left, shown.positions[:41, 0], DAMPED, say("damped, δ = {delta}", delta=works))
        left.axvline(below, color="#505050", linestyle=":", linewidth=1)
        left.text(below, 1.01, say("α falls under 2/f″"), transform=left.get_xaxis_transform(), fontsize=8, ha="center")
        left.axhline(0.0, color="#9a9a9a", linewidth=0.8)
        left.set_xlabel(say("step"))
        left.set_ylabel("θ")
        right = figure.add_subplot(1, 2, 2)
        for delta, look_of in zip(deltas[1:], (WHOLE, MOMENTUM, look(3), DAMPED, PLAIN), strict=True):
            rates = np.array(ExponentialDecay(RATE, delta).values(40))
            line(right, np.maximum(rates, 1e-6), look_of, f"δ = {delta:g}")
        right.axhline(limit, color="#505050", linestyle=":", linewidth=1)
        right.text(41.5, limit, "2/f″", fontsize=8, va="center")
        right.set_yscale("log")
        right.set_ylim(1e-5, 1)
        right.set_xlabel(say("step"))
        right.set_ylabel("α")
        right.legend(fontsize=8, loc="lower right")

    none, forever = runs["δ = 0"], runs["δ = 1"]
    return Chapter(
        3,
        say("Damping the rate"),
        "3:14–5:23",
        (
            say(
                "Start with a large α = {rate}, and in every round first α ← δα. In a valley of curvature 5 this α is above the limit "
                "2/f″ = {limit}: at first the ball jumps out, to {far}; at step {below} α falls under the limit, and it settles after "
                "{steps} steps.",
                rate=RATE, limit=limit, far=number(float(np.max(np.abs(shown.positions)))), below=below, steps=shown.steps,
            ),
            say(
                "It is no free gift: the best constant rate here, α = 1/f″ = 0.2, needs {steps}. And it must not shrink too fast: "
                "all steps together carry the ball at most α₀δ/(1 − δ)·max|g|, which for δ = 0.1 is {reach}, with 1 to go.",
                steps=best.steps, reach=number(reach[0.1]),
            ),
            say(
                "δ = 0 wipes α out before the first step, and θ never moves ({none}). δ = 1 never shrinks it: here that means {forever}. "
                "From this start every δ from {low} to {high} works.",
                none=say(none.verdict.kind), forever=say(forever.verdict.kind), low=low, high=high,
            ),
        ),
        ("δ", say("farthest reach"), say("end"), say("steps"), say("verdict")),
        tuple(
            (f"{delta:g}", number(reach[delta]) if delta < 1 else "∞", number(runs[f'δ = {delta:g}'].position[0]),
             str(runs[f"δ = {delta:g}"].steps), say(runs[f"δ = {delta:g}"].verdict.kind))
            for delta in deltas
        ),
        say("What happens at δ = 0?"),
        say("θ stays at {place} for ever: {steps} rounds, no step. The verdict is “{verdict}”.",
            place=number(none.position[0]), steps=none.steps, verdict=say(none.verdict.kind)),
        say("Left: θ jumps from side to side, farther at first, then settles. Right: α over the steps for six δ."),
        runs,
        {"limit": limit, "below": below, "works": (low, high), "best_steps": best.steps, "reach": reach},
        draw,
    )  # fmt: skip


def _longest(values: list[float]) -> tuple[float, float]:
    """The ends of the longest run of hundredths without a gap."""
    best = start = values[0], values[0]
    for value in values[1:]:
        start = (start[0], value) if value - start[1] < 0.015 else (value, value)
        best = max(best, start, key=lambda ends: ends[1] - ends[0])
    return best


def chapter_4(say: Say) -> Chapter:
    """The velocity, still without memory."""
    plain = descend("lecture", GradientDescent(RATE), steps=200, tolerance=TOLERANCE)
    velocity = descend("lecture", HeavyBall(RATE, 0.0), steps=200, tolerance=TOLERANCE)
    same = bool(np.array_equal(plain.positions, velocity.positions))
    speed = np.abs(velocity.velocities[1:, 0])
    better = velocity.verdict.better
    assert better is not None

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 2, 1)
        curve_axes(left, "θ", say("loss J(θ)"))
        path(left, velocity.positions, PLAIN)
        right = figure.add_subplot(1, 2, 2)
        line(right, speed, PLAIN, first=1)
        right.set_yscale("log")
        right.set_xlabel(say("step"))
        right.set_ylabel("|v|")

    return Chapter(
        4,
        say("The velocity"),
        "5:34–8:11",
        (
            say(
                "Give the step a name: v = α∇J, θ ← θ − v. Nothing has changed, and the positions are those of plain descent, bit for "
                "bit: {same}.",
                same=say("yes") if same else say("no"),
            ),
            say(
                "But now one sees why it gets stuck. Near the local minimum the derivative is almost 0, so v is almost 0: it falls from "
                "{first} to {last} within {steps} steps, and the ball rests at θ = {end}, where J is {gap} above the better minimum at "
                "θ = {better}.",
                first=number(speed[0]), last=number(speed[-1], 2), steps=velocity.steps, end=number(velocity.position[0]),
                gap=number(velocity.value - better.value), better=number(better.position[0]),
            ),
        ),
        (say("step"), "θ", "v", "J"),
        tuple(
            (str(k), number(velocity.positions[k, 0], 4), number(velocity.velocities[k, 0], 3), number(velocity.values[k], 4))
            for k in (0, 1, 2, 3, 5, 10, 20, velocity.steps)
        ),
        say("Would a larger number of steps help?"),
        say("No: the verdict is “{verdict}”. v is proportional to the slope, and there is none.", verdict=say(velocity.verdict.kind)),
        say("Left: the ball rolls into the poor valley and stays. Right: its velocity falls to nothing."),
        {say("plain"): plain, say("velocity"): velocity},
        {"same": same, "speed": speed.tolist()},
        draw,
    )  # fmt: skip
