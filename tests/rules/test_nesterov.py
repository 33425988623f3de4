"""Nesterov's rule against its look-ahead form under Sutskever's momentum schedule."""

from __future__ import annotations

import numpy as np
import pytest

import layda
from layda.rules import Nesterov
from layda.schedules import ODonoghueCandesMomentum, Schedule, SutskeverMomentum


@pytest.mark.parametrize(
    "schedule", [SutskeverMomentum(0.99, 50), ODonoghueCandesMomentum(0.01)], ids=["sutskever", "odc"]
)
def test_the_estimate_is_the_ball_of_the_look_ahead_form(schedule: Schedule) -> None:
    rate, steps = 0.0002, 1000
    objective = layda.objectives.get("rosenbrock")
    run = layda.descend(objective, Nesterov(rate, schedule), steps=steps, tolerance=0)
    betas = schedule.values(steps + 1)
    x, v = np.array(objective.start), np.zeros(2)
    for k in range(steps):
        ahead = x - betas[k] * v
        assert np.allclose(run.positions[k], ahead, rtol=0, atol=1e-12), k
        v = betas[k] * v + rate * objective.value_and_gradient(ahead)[1]
        x = x - v
    assert np.allclose(run.estimates[steps], x, rtol=0, atol=1e-12)


def test_the_momentum_of_the_present_step_would_be_wrong() -> None:
    """The look-ahead belongs to the next step: with a schedule the two differ at once."""
    schedule = SutskeverMomentum(0.99, 2)
    run = layda.descend("x^2/2", Nesterov(0.1, schedule), start=1.0, steps=4, tolerance=0)
    betas = schedule.values(5)
    assert betas[1] != betas[2]
    y, v = 1.0, 0.0
    for k in range(4):
        v = betas[k] * v + 0.1 * y
        y = y - (betas[k] * v + 0.1 * y)
    assert abs(run.positions[4, 0] - y) > 1e-3
