"""The lecture's curve and contestants: what each shows, and that it does not hang on a hair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import layda
from layda.lecture import CONTESTANTS, STEPS, TOLERANCE, WORKING_DECAY, lecture_race
from layda.objectives.lecture_curve import lecture_curve
from layda.rules import HeavyBall
from layda.schedules import ExponentialDecay

VERDICTS = ["crawling", "trapped", "diverged", "frozen", "trapped", "converged", "frozen", "converged"]
SHARES = (0.9, 0.95, 1.0, 1.05, 1.1)


def scaled(rule: layda.Rule, share: float) -> layda.Rule:
    rate = rule.learning_rate
    scaled_rate = replace(rate, initial=rate.initial * share) if isinstance(rate, ExponentialDecay) else rate * share
    return replace(rule, learning_rate=scaled_rate)


def test_verdicts() -> None:
    assert [run.verdict.kind for run in lecture_race()] == VERDICTS


@pytest.mark.parametrize("label", CONTESTANTS)
def test_a_verdict_does_not_change_with_a_tenth_of_start_or_rate(label: str) -> None:
    wanted = VERDICTS[list(CONTESTANTS).index(label)]
    for start in SHARES:
        for rate in SHARES:
            rule = scaled(CONTESTANTS[label], rate)
            run = layda.descend("lecture", rule, start=2.0 * start, steps=STEPS, tolerance=TOLERANCE)
            assert run.verdict.kind == wanted, (start, rate)


def test_the_working_decay_lies_in_an_interval_of_working_decays() -> None:
    """δ from .97 to 1, whatever start and rate within a tenth: .03 wide."""
    assert 0.97 < WORKING_DECAY < 1.0
    for decay in np.linspace(0.97, 1.0, 13):
        for start in (0.9, 1.0, 1.1):
            for rate in (0.9, 1.0, 1.1):
                rule = HeavyBall(ExponentialDecay(0.5 * rate, float(decay)), 0.9)
                run = layda.descend("lecture", rule, start=2.0 * start, steps=STEPS, tolerance=TOLERANCE)
                assert run.verdict.kind == "converged", (decay, start, rate)
                assert abs(run.position[0] + 2.0) < 0.01


def test_the_curve_is_what_its_docstring_says() -> None:
    curve = lecture_curve()
    for place, value, curvature in ((1.0, -1 / 16, 9 / 20), (0.0, 0.0, -3 / 10), (-2.0, -2 / 5, 9 / 10)):
        found, slope = curve.value_and_gradient(np.array([place]))
        assert found == pytest.approx(value, abs=1e-15)
        assert slope[0] == pytest.approx(0.0, abs=1e-15)
        assert curve.hessian(np.array([place]))[0, 0] == pytest.approx(curvature, abs=1e-15)
    assert curve.value(np.array([2.0])) == 0.4


@pytest.mark.parametrize(
    ("momentum", "place", "limit"), [(0.0, 1.0, 40 / 9), (0.0, -2.0, 20 / 9), (0.9, 1.0, 76 / 9), (0.9, -2.0, 38 / 9)]
)
def test_stability_limits(momentum: float, place: float, limit: float) -> None:
    for share, settles in ((0.99, True), (1.01, False)):
        run = layda.descend("lecture", HeavyBall(limit * share, momentum), start=place + 1e-6, steps=400, tolerance=0)
        assert (abs(run.positions[-1, 0] - place) < 1e-6) == settles


def test_the_ball_escapes_swings_back_and_settles() -> None:
    x = lecture_race()["momentum, δ = .98"].positions[:, 0]
    assert x[0] == 2.0
    crossed = int(np.flatnonzero(x < 0.0)[0])
    lowest = crossed + int(np.argmin(x[crossed:]))
    assert np.max(x[lowest:]) > x[lowest] + 0.5, "it swings back"
    assert np.all(x[crossed:] < 0.0), "but not over the barrier"
    assert abs(x[-1] + 2.0) < 1e-3


def test_damping_alone_does_not_escape() -> None:
    assert lecture_race()["damped, δ = .98"].position[0] == pytest.approx(1.0, abs=1e-3)
