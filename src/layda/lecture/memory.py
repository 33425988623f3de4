"""Chapters 7 and 8: how much the past counts, and why the ball does not climb for ever."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.lecture.chapter import Chapter, number
from layda.lecture.momentum import BETA, DECAY, RATE, energies
from layda.lecture.pictures import DAMPED, MOMENTUM, PLAIN, WHOLE, curve_axes, line, path
from layda.lecture.race import TOLERANCE, WORKING_DECAY
from layda.measures.weights import half_life, weights_of_past
from layda.plots.style import look
from layda.rule import Rule
from layda.rules import Adam, AggregatedMomentum, HeavyBall, Lion, Nesterov, QuasiHyperbolic
from layda.run import Trajectory, descend
from layda.schedules import ExponentialDecay
from layda.words import Say, later

__all__ = ["chapter_7", "chapter_8", "turning_points"]

Array = NDArray[np.float64]
_COUNT = 8
_WALL = later("up the far wall, θ < −2")


def chapter_7(say: Say) -> Chapter:
    """The weights of past gradients."""
    plain = weights_of_past(HeavyBall(1.0, 0.9), _COUNT)
    long = weights_of_past(HeavyBall(1.0, 0.99), _COUNT)
    working = _shares(HeavyBall(ExponentialDecay(RATE, WORKING_DECAY), BETA))
    lecture = _shares(HeavyBall(ExponentialDecay(RATE, DECAY), BETA))
    ratios = weights_of_past(HeavyBall(ExponentialDecay(RATE, DECAY), BETA), 4)
    ratios = ratios / ratios[0]
    columns: tuple[tuple[str, Array], ...] = (
        ("β = 0.9", plain), ("β = 0.99", long), (f"β = 0.9, δ = {WORKING_DECAY:g}", working), ("β = 0.9, δ = 0.1", lecture),
    )  # fmt: skip
    others: tuple[tuple[str, Rule, str | None], ...] = (
        ("heavy-ball", HeavyBall(1.0, 0.9), None), ("nesterov", Nesterov(1.0, 0.9), None),
        ("quasi-hyperbolic", QuasiHyperbolic(1.0, 0.9, 0.7), None), ("aggregated-momentum", AggregatedMomentum(1.0), None),
        (say("adam, its average"), Adam(), "mean"), (say("lion, its average"), Lion(), "mean"),
    )  # fmt: skip

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 2, 1)
        for index, ((label, weights), shown) in enumerate(zip(columns, (MOMENTUM, WHOLE, PLAIN, DAMPED), strict=True)):
            places = np.arange(_COUNT) + 0.2 * index - 0.3
            left.bar(places, weights / np.max(weights), 0.19, color=shown.colour, edgecolor="black", linewidth=0.4, label=label,
                     hatch=("", "//", "..", "xx")[index])  # fmt: skip
        left.set_xlabel(say("how many steps ago"))
        left.set_ylabel(say("weight, the largest = 1"))
        left.legend(fontsize=8, loc="upper center", ncols=2)
        left.set_ylim(0, 1.35)
        right = figure.add_subplot(1, 2, 2)
        for (label, rule, of), shown in zip(
            others, (look(1), look(2), look(3), look(4), look(5), look(6)), strict=True
        ):
            weights = weights_of_past(rule, 30, of)
            line(right, weights / np.sum(weights), shown, label)
        right.set_yscale("log")
        right.set_xlabel(say("how many steps ago"))
        right.set_ylabel(say("share of the whole weight"))
        right.legend(fontsize=7.5)

    return Chapter(
        7,
        say("Weights of the past"),
        "14:24–17:36",
        (
            say(
                "Written out, v₁ = g₁, v₂ = 0.9 v₁ + g₂, v₃ = 0.81 g₁ + 0.9 g₂ + g₃, and so on: the nearer a gradient, the more it counts. "
                "The rule's own step gives {first}, {second}, {third}, {fourth}; after {half} steps a gradient counts half.",
                first=number(plain[0]), second=number(plain[1]), third=number(plain[2]), fourth=number(plain[3]),
                half=number(half_life(0.9)),
            ),
            say(
                "Damping changes that, because a gradient also counts with the α of its own step: weights go as β/δ from step to step. "
                "The nearer counts more only where δ > β. With the lecture's δ = 0.1 and β = 0.9 it is the other way round: {ratios}.",
                ratios=" : ".join(number(ratio) for ratio in ratios),
            ),
        ),
        (say("steps ago"), *(label for label, _ in columns)),
        tuple((str(index), *(number(weights[index]) for _, weights in columns)) for index in range(_COUNT)),
        say("After how many steps does a gradient count half when β = 0.99?"),
        say("After {steps}: ln ½ / ln β.", steps=number(half_life(0.99))),
        say("Left: bars of the weights of the last eight gradients for four settings. Right: the same for the rules that inherited "
            "momentum, on a logarithmic scale."),
        {},
        {"beta_0.9": plain.tolist(), "beta_0.99": long.tolist(), "working": working.tolist(), "ratios": ratios.tolist()},
        draw,
        footnotes=(say("The lecture says 0.99 once where 0.9·0.9 = 0.81 is meant; it also leaves α out here, as the first two columns do."),),
    )  # fmt: skip


def _shares(rule: Rule) -> Array:
    """Weights with the newest gradient's own taken as 1."""
    weights = weights_of_past(rule, _COUNT)
    shares: Array = weights / weights[0]
    return shares


def turning_points(run: Trajectory) -> NDArray[np.int64]:
    """The steps at which a ball with one coordinate turns back."""
    moves = run.velocities[1:, 0]
    found: NDArray[np.int64] = np.flatnonzero(moves[1:] * moves[:-1] < 0.0) + 1
    return found


def chapter_8(say: Say) -> Chapter:
    """Past the barrier: the ball swings and settles."""
    run = descend("lecture", HeavyBall(ExponentialDecay(RATE, WORKING_DECAY), BETA), steps=1000, tolerance=TOLERANCE)
    potential, motion = energies(run)
    total = potential + motion
    turns = turning_points(run)[:8]
    first = int(turns[0])
    slope = run.objective.gradients(run.positions)[:, 0]  # type: ignore[attr-defined]  # the curve is traced
    # v right after the turn is what every slope so far has given, each faded by β for every step since.
    parts = BETA ** np.arange(first, -1, -1.0) * run.learning_rates[: first + 1] * slope[: first + 1]
    stretches = _stretches(run.positions[: first + 1, 0])
    shares = {say(name): float(np.sum(parts[mask])) for name, mask in stretches.items()}
    counts = {level: int(np.ceil(np.log(level) / np.log(BETA))) for level in (0.2, 0.1)}
    falling = bool(np.all(np.diff(total[turns]) < 0.0))

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 3, 1)
        curve_axes(left, "θ", say("loss J(θ)"))
        path(left, run.positions, WHOLE)
        for index, step in enumerate(turns[:3]):
            left.annotate(str(index + 1), (run.positions[step, 0], run.values[step]), xytext=(-10, 4), textcoords="offset points",
                          fontsize=8)  # fmt: skip
        middle = figure.add_subplot(1, 3, 2)
        line(middle, total[: turns[-1] + 5], WHOLE, say("total energy"))
        middle.plot(turns, total[turns], "o", color="black", markersize=5, label=say("turning points"))
        middle.set_xlabel(say("step"))
        middle.set_ylabel(say("energy"))
        middle.legend(fontsize=8)
        right = figure.add_subplot(1, 3, 3)
        for index, ((label, value), shown) in enumerate(
            zip(shares.items(), (PLAIN, DAMPED, MOMENTUM, WHOLE), strict=False)
        ):
            right.barh(index, value, 0.5, color=shown.colour, edgecolor="black", hatch=("", "//", "..", "xx")[index])
            right.text(0.02, index + 0.28, label, fontsize=8, va="bottom", transform=right.get_yaxis_transform())
        right.set_yticks([])
        right.set_ylim(-0.6, len(shares))
        right.axvline(0.0, color="black", linewidth=0.8)
        right.set_xlabel(say("part of v at the first turn"))

    return Chapter(
        8,
        say("Does it climb for ever?"),
        "18:01–19:28",
        (
            say(
                "No. Past the hill the ball meets slopes that pull it back. It turns for the first time at θ = {place}, after {steps} steps: "
                "there the recent slopes outweigh the old ones.",
                place=number(run.positions[first, 0]), steps=first,
            ),
            say(
                "The recent gradients count most; the old, large ones fade: with β = 0.9 a gradient counts less than 0.2 after {fifth} steps "
                "and less than 0.1 after {tenth}.",
                fifth=counts[0.2], tenth=counts[0.1],
            ),
            say(
                "So it swings to and fro, each turning point lower in energy than the one before ({falling}), and settles at θ = {end}. This "
                "needs δ > β, here {delta} > 0.9.",
                falling=say("yes") if falling else say("no"), end=number(run.position[0]), delta=WORKING_DECAY,
            ),
        ),
        (say("turning point"), say("step"), "θ", say("energy")),
        tuple((str(index + 1), str(step), number(run.positions[step, 0]), number(total[step], 4)) for index, step in enumerate(turns)),
        say("What pulls the ball back at the far wall?"),
        say("The slope there: it adds {value} to v, against {rest} that the way before has left.",
            value=number(float(parts[stretches[_WALL]].sum())), rest=number(float(parts[~stretches[_WALL]].sum()))),
        say("Left: the path with its first turning points. Middle: the energy over the steps, lower at each turn. Right: what each "
            "stretch of the way adds to the velocity at the first turn."),
        {say("whole method"): run},
        {"turns": turns.tolist(), "energies": total[turns].tolist(), "parts": shares, "counts": {str(k): v for k, v in counts.items()}},
        draw,
        size=(10.5, 4.0),
    )  # fmt: skip


def _stretches(x: Array) -> dict[str, NDArray[np.bool_]]:
    """The stretches of the way, from right to left."""
    return {
        later("first slope, θ > 1"): x > 1.0,
        later("up the barrier, 0 to 1"): (x <= 1.0) & (x > 0.0),
        later("down the far side, −2 to 0"): (x <= 0.0) & (x > -2.0),
        _WALL: x <= -2.0,
    }
