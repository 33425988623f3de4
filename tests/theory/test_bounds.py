"""Where the bound holds, no ball leaves its valley."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layda
from layda.errors import SettingError
from layda.objectives import classic
from layda.rules import HeavyBall, Nesterov
from layda.theory import no_escape

CURVE = classic("tilted_double_well")
GOOD, POOR = -1.0466805317, 0.9456492740


@given(rate=st.floats(-4.0, 1.0), momentum=st.floats(0.0, 0.999), start=st.floats(0.11, 1.9))
def test_no_ball_leaves(rate: float, momentum: float, start: float) -> None:
    rule = HeavyBall(10.0**rate, momentum)
    bound = no_escape(CURVE, rule, start, GOOD)
    if not bound.holds:
        return
    run = layda.descend(CURVE, rule, start=start, steps=1500, tolerance=0)
    assert np.min(run.positions) >= bound.low - 1e-9
    assert np.max(run.positions) <= bound.high + 1e-9
    assert np.min(run.positions) > 0.1010312579


def test_each_condition_can_fail() -> None:
    high = no_escape(CURVE, HeavyBall(1e-3, 0.9), 1.9, GOOD)
    assert [condition.holds for condition in high.conditions] == [False, True]
    fast = no_escape(CURVE, HeavyBall(0.5, 0.9), 0.5, GOOD)
    assert [condition.holds for condition in fast.conditions] == [True, False]
    limit = fast.conditions[1].limit
    assert no_escape(CURVE, HeavyBall(0.999 * limit, 0.9), 0.5, GOOD).holds
    assert not no_escape(CURVE, HeavyBall(1.001 * limit, 0.9), 0.5, GOOD).holds
    average = no_escape(CURVE, HeavyBall(9.99 * limit, 0.9, form="average"), 0.5, GOOD)
    assert average.holds


def test_above_the_barrier_a_ball_may_leave_however_small_the_rate() -> None:
    """The tilted well from 2 with α = 1e-4, β = .999 ends in the other one."""
    rule = HeavyBall(1e-4, 0.999)
    assert not no_escape(CURVE, rule, 2.0, GOOD).holds
    run = layda.descend(CURVE, rule, start=2.0, steps=40_000)
    assert run.position[0] == pytest.approx(GOOD, abs=1e-2)


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match="has 2 coordinates; the bound is stated for one"):
        no_escape(classic("himmelblau"), HeavyBall(), 0.0, 1.0)
    with pytest.raises(SettingError, match="is no heavy ball with constant settings"):
        no_escape(CURVE, Nesterov(), 0.5, GOOD)
