"""The heavy ball as a body: both maps, there and back, and their order of accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layda
from layda.errors import SettingError
from layda.rules import HeavyBall
from layda.theory import Body, as_body, settings_of


@given(rate=st.floats(1e-9, 1e3), momentum=st.floats(0.0, 1.0), step=st.floats(1e-6, 1e3))
def test_there_and_back(rate: float, momentum: float, step: float) -> None:
    back = settings_of(as_body(rate, momentum))
    assert back["learning_rate"] == pytest.approx(rate, rel=1e-12)
    assert back["momentum"] == pytest.approx(momentum, abs=1e-12)
    qian = settings_of(as_body(rate, momentum, time_step=step), order=1)
    assert qian["learning_rate"] == pytest.approx(rate, rel=1e-12)
    assert qian["momentum"] == pytest.approx(momentum, abs=1e-12)


def test_the_closed_forms() -> None:
    body = as_body(0.02, 0.8)
    assert body.time_step == pytest.approx(np.sqrt(2 * 0.02 / 1.8))
    assert body.friction == pytest.approx(0.2 * np.sqrt(2 / (0.02 * 1.8)))
    assert as_body(0.02, 1.0).memory == np.inf


@pytest.mark.parametrize(("order", "factor"), [(2, 4.0), (1, 2.0)])
def test_the_error_falls_with_the_order(order: int, factor: float) -> None:
    """x'' + x' = −x from rest at 1: half the time step, a quarter (a half) of the error at time 4."""
    errors = []
    for step in (0.02, 0.01):
        rule = HeavyBall(**settings_of(Body(1.0, 1.0, step), order=order))
        count = round(4.0 / step)
        # A ball at rest has x_(−1) = x_0, half a step away from the body's: so compare from the second point on.
        run = layda.descend("x^2/2", rule, start=1.0, steps=count, tolerance=0)
        root = np.sqrt(0.75)
        times = np.arange(count + 1) * step

        def exact(t: np.ndarray, position: float, speed: float) -> np.ndarray:
            return np.exp(-t / 2) * (
                position * np.cos(root * t) + (speed + position / 2) / root * np.sin(root * t)  # noqa: B023
            )

        first = (run.positions[2, 0] - run.positions[0, 0]) / (2 * step)
        known = exact(times[1:] - step, run.positions[1, 0], first)
        errors.append(float(np.max(np.abs(run.positions[1:, 0] - known))))
    assert errors[0] / errors[1] == pytest.approx(factor, rel=0.1)


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match="learning_rate is 0"):
        as_body(0.0, 0.5)
    with pytest.raises(SettingError, match=r"momentum is 1.5; allowed is a finite number from 0 to 1"):
        as_body(0.1, 1.5)
    with pytest.raises(SettingError, match="order is 3"):
        settings_of(Body(1.0, 1.0, 0.1), order=3)
    with pytest.raises(SettingError, match="mass and friction are both 0"):
        settings_of(Body(0.0, 0.0, 0.1))
