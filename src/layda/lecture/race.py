"""The lecture's race: eight ways of rolling down the lecture's curve from one start, with the settings people try."""

from __future__ import annotations

from layda.rule import Rule
from layda.rules import GradientDescent, HeavyBall
from layda.run import Race, race
from layda.schedules import ExponentialDecay

__all__ = ["CONTESTANTS", "STEPS", "TOLERANCE", "WORKING_DECAY", "lecture_race"]

STEPS = 1000
TOLERANCE = 1e-4
"""Settled to within a ten-thousandth of the path: what an eye sees on the curve, and more."""

WORKING_DECAY = 0.98
"""δ with which the whole method ends in the better minimum; so does every δ from .97 to 1 (where nothing is damped)."""

_LECTURE_DECAY = 0.1
_RATE = 0.5

CONTESTANTS: dict[str, Rule] = {
    "descent, α small": GradientDescent(0.001),
    "descent, α good": GradientDescent(_RATE),
    "descent, α too large": GradientDescent(10.0),
    "damped, δ = .1": GradientDescent(ExponentialDecay(_RATE, _LECTURE_DECAY)),
    "damped, δ = .98": GradientDescent(ExponentialDecay(_RATE, WORKING_DECAY)),
    "momentum, α constant": HeavyBall(_RATE, 0.9),
    "momentum, δ = .1": HeavyBall(ExponentialDecay(_RATE, _LECTURE_DECAY), 0.9),
    "momentum, δ = .98": HeavyBall(ExponentialDecay(_RATE, WORKING_DECAY), 0.9),
}
"""Label -> rule. α = .5, β = .9, v = 0 and δ = .1, taken before the first step, are the lecture's own constants."""


def lecture_race() -> Race:
    """Run the lecture's contestants on the lecture's curve.

    >>> [run.verdict.kind for run in lecture_race()][:4]
    ['crawling', 'trapped', 'diverged', 'frozen']
    >>> [run.verdict.kind for run in lecture_race()][4:]
    ['trapped', 'converged', 'frozen', 'converged']
    """
    return race("lecture", CONTESTANTS, steps=STEPS, tolerance=TOLERANCE)
