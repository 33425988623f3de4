"""Chapters 5 and 6: momentum and its energies, and the lecture's whole method."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.lecture.chapter import Chapter, number
from layda.lecture.pictures import DAMPED, MOMENTUM, PLAIN, WHOLE, curve_axes, line, path
from layda.lecture.race import TOLERANCE, WORKING_DECAY
from layda.measures.energies import kinetic, mass
from layda.objectives.lecture_curve import lecture_curve
from layda.rule import Rule
from layda.rules import GradientDescent, HeavyBall
from layda.run import Trajectory, descend
from layda.schedules import ExponentialDecay
from layda.words import Say

__all__ = ["chapter_5", "chapter_6", "energies"]

Array = NDArray[np.float64]
RATE, BETA, DECAY = 0.5, 0.9, 0.1
_STARTS = 1000
_SAME_BASIN = 0.5  # two answers this near lie in one valley of the curve


def energies(run: Trajectory) -> tuple[Array, Array]:
    """Potential and kinetic energy at every step, with the fixed mass β/α₀.

    >>> from layda.run import descend
    >>> potential, motion = energies(descend("lecture", HeavyBall(0.5, 0.9), steps=5))
    >>> bool(potential[0] == 0.4), bool(motion[0] == 0.0)
    (True, True)
    """
    rule = run.rule
    weight = mass(rule.momentum, run.learning_rates[0])  # type: ignore[attr-defined]  # the heavy ball has one
    return run.values, np.sum(kinetic(weight, run.velocities), axis=1)


def chapter_5(say: Say) -> Chapter:
    """A ball with kinetic energy."""
    betas = (0.0, 0.5, 0.9, 0.99, 1.0)
    runs = {
        f"β = {beta:g}": descend("lecture", HeavyBall(RATE, beta), steps=3000, tolerance=TOLERANCE) for beta in betas
    }
    plain = descend("lecture", GradientDescent(RATE), steps=3000, tolerance=TOLERANCE)
    same = bool(np.array_equal(plain.positions, runs["β = 0"].positions))
    shown = descend("lecture", HeavyBall(RATE, BETA), steps=60, tolerance=0)
    potential, motion = energies(shown)
    slope = shown.objective.gradients(shown.positions)[:, 0]  # type: ignore[attr-defined]  # the curve is traced
    bowl = descend("x^2/2", HeavyBall(RATE, 1.0), start=1.0, steps=3000, tolerance=TOLERANCE)
    slide = descend("x", HeavyBall(RATE, 1.0), start=0.0, steps=1000, tolerance=TOLERANCE)
    last_swing = float(np.max(np.abs(bowl.positions[-100:])))

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 2, 1)
        line(left, potential, PLAIN, say("potential: the height J"))
        line(left, motion, MOMENTUM, say("kinetic: β/(2α₀)·v²"))
        line(left, potential + motion, WHOLE, say("total"))
        line(left, slope, DAMPED, say("slope J′"))
        left.axhline(0.0, color="#9a9a9a", linewidth=0.8)
        left.set_xlabel(say("step"))
        left.set_ylabel(say("energy (and slope)"))
        left.legend(fontsize=8)
        right = figure.add_subplot(1, 2, 2)
        for label, shown_as in zip(
            ("β = 0", "β = 0.5", "β = 0.9", "β = 0.99"), (PLAIN, DAMPED, MOMENTUM, WHOLE), strict=True
        ):
            line(right, runs[label].positions[:200, 0], shown_as, label)
        right.axhline(0.0, color="#9a9a9a", linewidth=0.8)
        right.set_xlabel(say("step"))
        right.set_ylabel("θ")
        right.legend(fontsize=8, loc="upper right")

    return Chapter(
        5,
        say("Momentum"),
        "8:11–11:43",
        (
            say(
                "Think of a ball. Where it stands it has potential energy; the lecture lets the derivative stand for it, the slope that "
                "pushes. What it carries is kinetic energy. So the velocity keeps a share of its past: v ← βv + α∇J, θ ← θ − v."
            ),
            say(
                "β = 0 leaves no kinetic part: the positions are those of plain descent, bit for bit: {same}. β = 0.9 keeps 90% of the "
                "past: the ball brings {first} of height with it, passes the barrier with a kinetic energy of {carried}, and settles at "
                "θ = {end}.",
                same=say("yes") if same else say("no"), first=number(potential[0]),
                carried=number(float(motion[int(np.flatnonzero(shown.positions[:, 0] < 0)[0])])),
                end=number(runs["β = 0.9"].position[0]),
            ),
            say(
                "β = 1 forgets nothing. In a bowl the ball still swings as far as {swing} after {steps} steps and never settles; on a "
                "slope without end it grows without end: {near} after 100 steps, {far} after 1000.",
                swing=number(last_swing), steps=bowl.steps, near=number(-slide.positions[100, 0]), far=number(-slide.positions[1000, 0]),
            ),
        ),
        ("β", say("end"), say("steps"), say("verdict")),
        tuple(
            (label.removeprefix("β = "), number(run.position[0]), str(run.steps), say(run.verdict.kind)) for label, run in runs.items()
        ),
        say("What happens at β = 1?"),
        say(
            "On the curve the verdict is “{verdict}”: no friction takes the energy away, so the ball does not come to rest.",
            verdict=say(runs["β = 1"].verdict.kind),
        ),
        say("Left: potential energy turns into kinetic energy and back, while the total falls. Right: θ over the steps for four β."),
        runs | {say("β = 1 in a bowl"): bowl, say("β = 1 on a slope"): slide},
        {"same": same, "swing": last_swing, "potential": potential.tolist(), "kinetic": motion.tolist()},
        draw,
        footnotes=(
            say("Kinetic energy is drawn with the fixed mass β/α₀. With constant α and β the total obeys an exact balance: it falls by "
                "friction, (1 − β)/α·v², and changes a little because the steps are finite."),
        ),
    )  # fmt: skip


def chapter_6(say: Say) -> Chapter:
    """The whole method, with the lecture's constants and with a δ that works."""
    lecture = HeavyBall(ExponentialDecay(RATE, DECAY), BETA)
    working = HeavyBall(ExponentialDecay(RATE, WORKING_DECAY), BETA)
    stopped = descend("lecture", lecture, steps=1000, tolerance=TOLERANCE)
    escaped = descend("lecture", working, steps=1000, tolerance=TOLERANCE)
    thrown = descend("lecture", HeavyBall(ExponentialDecay(2.0, DECAY), BETA), steps=1000, tolerance=TOLERANCE)
    slide = descend("x", lecture, start=0.0, steps=1000, tolerance=0)
    coast = -float(slide.position[0])
    total = RATE * DECAY / (1.0 - DECAY)
    ends = _ends(working)
    against_plain = _compared(ends, _ends(GradientDescent(RATE)))
    against_damped = _compared(ends, _ends(GradientDescent(ExponentialDecay(RATE, WORKING_DECAY))))
    rows = []
    for k in (1, 2, 3, 4, 5, 6, 8, 10):
        before, v, x = escaped.velocities[k - 1, 0], escaped.velocities[k, 0], escaped.positions[k, 0]
        rows.append((str(k), number(escaped.learning_rates[k - 1]), f"0.9·{number(before)} + α·{number((v - BETA * before) / escaped.learning_rates[k - 1])}",
                     number(v), number(x)))  # fmt: skip

    def draw(figure: Any) -> None:
        left = figure.add_subplot(1, 3, 1)
        curve_axes(left, "θ", say("loss J(θ)"))
        path(left, stopped.positions, MOMENTUM)
        left.set_title(f"δ = {DECAY:g}\n{say(stopped.verdict.kind)}")
        middle = figure.add_subplot(1, 3, 2)
        curve_axes(middle, "θ", "")
        path(middle, escaped.positions, WHOLE)
        middle.set_title(f"δ = {WORKING_DECAY:g}\n{say(escaped.verdict.kind)}")
        right = figure.add_subplot(1, 3, 3)
        names = [say("better"), say("same"), say("worse"), say("not settled")]
        for index, (shares, shown) in enumerate(((against_plain, PLAIN), (against_damped, DAMPED))):
            label = say("against plain descent") if index == 0 else say("against damped descent")
            places = np.arange(4) + 0.4 * index - 0.2
            right.bar(
                places,
                shares,
                0.38,
                color=shown.colour,
                label=label,
                hatch="" if index == 0 else "//",
                edgecolor="black",
            )
        right.set_xticks(range(4), names, rotation=20)
        right.set_ylabel(say("share of {count} starts", count=_STARTS))
        right.set_ylim(0, 1.15)
        right.legend(fontsize=8, loc="upper right")

    return Chapter(
        6,
        say("The whole method"),
        "11:45–14:17",
        (
            say(
                "α = 0.5, δ = 0.1, v = 0, β = 0.9; then α ← δα; v ← βv + α∇J; θ ← θ − v. At the local minimum 90% of the velocity remains, "
                "enough to leave, in the hope of a better one. With δ = {delta} the ball does just that: it settles at θ = {end} after "
                "{steps} steps.",
                delta=WORKING_DECAY, end=number(escaped.position[0]), steps=escaped.steps,
            ),
            say(
                "Honestly: with δ = 0.1 it does not. The rates sum to {total}, the ball coasts on its first gradients for {coast}·g, "
                "whatever the terrain, and stops at θ = {end}: {verdict}.",
                total=number(total), coast=number(coast), end=number(stopped.position[0]), verdict=say(stopped.verdict.kind),
            ),
            say(
                "And the hope, measured over {count} starts in the box: against plain descent the whole method ends better in {better}, in "
                "the same valley in {same}, worse in {worse}; {rest} have not settled.",
                count=_STARTS, better=_percent(against_plain[0]), same=_percent(against_plain[1]), worse=_percent(against_plain[2]),
                rest=_percent(against_plain[3]),
            ),
        ),
        (say("step"), "α", say("v = βv + α·slope"), "v", "θ"),
        tuple(rows),
        say("Could a larger α rescue δ = 0.1?"),
        say(
            "With α = 2 it stops at θ = {end}: {verdict}. A larger α throws the ball farther, but still on its first two or three slopes "
            "alone, blind to all that comes after: a throw, not a descent.",
            end=number(thrown.position[0]), verdict=say(thrown.verdict.kind),
        ),
        say("Left: with δ = 0.1 the ball stops on the slope. Middle: with the δ that works it crosses the barrier and settles. Right: "
            "how often the whole method ends better, the same or worse."),
        {say("δ = 0.1"): stopped, say("δ that works"): escaped, say("α = 2, δ = 0.1"): thrown},
        {"total": total, "coast": coast, "against_plain": against_plain, "against_damped": against_damped, "starts": _STARTS},
        draw,
        size=(10.5, 4.0),
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


@cache  # the other language, and the document, ask again
def _ends(rule: Rule) -> list[float | None]:
    """Where the rule settles from each of the seeded starts; ``None`` where it does not."""
    low, high = lecture_curve().box[0]
    starts = np.random.default_rng(1).uniform(low, high, _STARTS)
    runs = (
        descend("lecture", rule, start=float(start), steps=1000, tolerance=TOLERANCE, record="end") for start in starts
    )
    return [float(run.position[0]) if run.verdict.kind in ("converged", "trapped") else None for run in runs]


def _compared(ends: list[float | None], others: list[float | None]) -> tuple[float, float, float, float]:
    """Shares of starts where the first ends better, in the same valley, worse, or one of the two has not settled."""
    counts = [0, 0, 0, 0]
    for one, other in zip(ends, others, strict=True):
        if one is None or other is None:
            counts[3] += 1
        elif abs(one - other) < _SAME_BASIN:
            counts[1] += 1
        else:
            counts[0 if one < other else 2] += 1  # the valley to the left is the better one
    better, same, worse, rest = (count / len(ends) for count in counts)
    return better, same, worse, rest
