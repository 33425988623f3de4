"""Weights of past gradients: published numbers, closed forms, and the derivative against differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda.errors import SettingError
from layda.measures.weights import half_life, past_weights, weights_of_past
from layda.rule import Rule, Stepper
from layda.rules import Adam, AdamW, HeavyBall, Lion, Nesterov, SignMomentum
from layda.schedules import ExponentialDecay
from tests.cases import RULES


def test_published_numbers() -> None:
    assert past_weights(HeavyBall(1.0, 0.9), 4).values.round(9).tolist() == [1.0, 0.9, 0.81, 0.729]
    assert past_weights(Nesterov(1.0, 0.9), 4).values.round(9).tolist() == [1.9, 0.81, 0.729, 0.6561]
    adam = past_weights(Adam(), 3, of="mean").values / (1 - 0.9**3)
    assert adam.round(6).tolist() == [0.369004, 0.332103, 0.298893]
    lion = past_weights(Lion(), 3, of="mean").values
    assert lion.round(9).tolist() == [0.01, 0.0099, 0.009801]


def test_a_decaying_rate_turns_the_weights_round() -> None:
    """δ = .1, β = .9: newest first as 1 : 9 : 81 : 729."""
    values = past_weights(HeavyBall(ExponentialDecay(0.5, 0.1), 0.9), 4).values
    assert (values / values[0]).round(9).tolist() == [1.0, 9.0, 81.0, 729.0]


@pytest.mark.parametrize(("momentum", "half"), [(0.9, 6.58), (0.99, 69.0)])
def test_half_life_and_mean_age(momentum: float, half: float) -> None:
    found = past_weights(HeavyBall(0.1, momentum), 4000)
    assert found.half_life == pytest.approx(half, abs=0.05)
    assert found.half_life == pytest.approx(half_life(momentum))
    assert found.mean_age == pytest.approx(momentum / (1 - momentum))
    assert found.effective_learning_rate == pytest.approx(0.1 / (1 - momentum))
    assert np.isnan(past_weights(HeavyBall(0.1, momentum), 9, of="velocity").effective_learning_rate)


def test_the_whole_way() -> None:
    """With α and β constant a gradient of age j has moved the ball by α(1 − β^(j+1))/(1 − β)."""
    found = past_weights(HeavyBall(0.1, 0.8), 12, of="position")
    ages = np.arange(12)
    assert np.allclose(found.values, 0.1 * (1 - 0.8 ** (ages + 1)) / (1 - 0.8))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_linear_rules_answer_single_gradients_so(rule: Rule) -> None:
    found = past_weights(rule, 9)
    if found.linear:
        assert np.allclose(found.values, weights_of_past(rule, 9), rtol=1e-12, atol=1e-15)
    sensitive = Stepper(rule).program().operation_count > 0
    assert sensitive


SMOOTH = [rule for rule in RULES if not isinstance(rule, Lion | SignMomentum)]


@given(index=st.integers(0, len(SMOOTH) - 1), seed=st.integers(0, 2**32), count=st.integers(1, 7),
       of=st.sampled_from(["displacement", "position", "slot"]))  # fmt: skip
def test_the_derivative_is_that_of_differences(index: int, seed: int, count: int, of: str) -> None:
    rule = SMOOTH[index]
    random = np.random.default_rng(seed)
    slopes = random.uniform(0.5, 2.0, count) * random.choice([-1.0, 1.0], count)
    stepper = Stepper(rule)
    asked = of if of != "slot" else stepper.slots[-1].name if stepper.slots else "position"

    def told(gradients: np.ndarray) -> float:
        position, before = 0.0, 0.0
        state = stepper.start(stepper.numbers, 0.0)
        for t, slope in enumerate(gradients.tolist()):
            before = position
            position, state = stepper.step(stepper.numbers, float(t), position, slope, state)
        if asked == "displacement":
            return before - position
        return -position if asked == "position" else float(state.slots[[s.name for s in stepper.slots].index(asked)])

    found = past_weights(rule, count, slopes, of=asked)
    scale = max(float(np.max(np.abs(found.values))), 1e-12)
    for j in range(count):
        step = 1e-5
        up, down = slopes.copy(), slopes.copy()
        up[count - 1 - j] += step
        down[count - 1 - j] -= step
        assert found.values[j] == pytest.approx(
            (told(up) - told(down)) / (2 * step), rel=1e-4, abs=1e-5 * scale + 1e-10
        )


def test_what_cannot_be_felt() -> None:
    assert np.all(past_weights(SignMomentum(), 5).values == 0.0)
    assert not past_weights(SignMomentum(), 5).linear
    assert not past_weights(AdamW(), 5).linear
    assert np.isnan(past_weights(Adam(), 5).mean_age)
    assert past_weights(HeavyBall(0.1, 1.0), 5).half_life == np.inf


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match="count is 0; allowed is a whole number"):
        past_weights(HeavyBall(), 0)
    with pytest.raises(SettingError, match="no slot 'velocty'; did you mean velocity"):
        past_weights(HeavyBall(), 3, of="velocty")
    with pytest.raises(SettingError, match="allowed are 3 finite numbers"):
        past_weights(HeavyBall(), 3, [1.0, 2.0])
