"""Bounds hold: no value leaves the interval that was promised for it."""

from __future__ import annotations

import numpy as np
import pytest

from layda import functions
from layda.backends.lanes import proven_steps
from layda.objectives import classic
from layda.program import arithmetic, trace
from layda.program.intervals import bounds
from layda.rule import Stepper
from layda.run.loops import build_loop
from tests.cases import RULES, SMALL_CLASSICS


@pytest.mark.parametrize("name", SMALL_CLASSICS)
def test_values_and_slopes_stay_within_their_bounds(name):
    objective = classic(name)
    rng = np.random.default_rng(1)
    for _ in range(20):
        middle, reach = rng.normal(size=objective.dimension) * 3.0, 10.0 ** rng.uniform(-3, 1)
        box = {c: (m - reach, m + reach) for c, m in zip(objective.coordinates, middle, strict=True)}
        promised = bounds(objective.gradient_program, box)
        points = {c: rng.uniform(*side, 200) for c, side in box.items()}
        found = objective.gradient_program.evaluate(points, arithmetic("numpy"))
        for output, interval in promised.items():
            if interval is not None:
                assert np.all(found[output] >= interval[0])
                assert np.all(found[output] <= interval[1])


def test_what_may_overflow_is_not_promised():
    assert bounds(trace(lambda x: x**4), {"x": (-1e80, 1e80)})["value"] is None
    assert bounds(trace(lambda x: 1.0 / x), {"x": (-1.0, 1.0)})["value"] is None
    assert bounds(trace(lambda x: functions.sqrt(x)), {"x": (-1.0, 1.0)})["value"] is None
    assert bounds(trace(lambda x: functions.sin(x)), {"x": (-1e9, 1e9)})["value"] is None
    assert bounds(trace(lambda x: functions.log(x)), {"x": (0.0, 1.0)})["value"] is None


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_proven_steps_are_alive(rule):
    """From random states within the limit, so many steps really stay finite."""
    objective = classic("himmelblau")
    stepper = Stepper(rule)
    loop = build_loop(objective, stepper)
    ranges = {name: (value, value) for name, value in stepper.numbers.items()}
    limit = 64.0
    proven = proven_steps(loop, limit, ranges, 1000)
    rng = np.random.default_rng(2)
    floats = arithmetic("float")
    for _ in range(10):
        state = {name: float(rng.uniform(-limit, limit)) for name in loop.state}
        for name in loop.carried:
            if not name.startswith("x"):
                state[name] = abs(state[name])
        for t in range(proven):
            known = {**stepper.numbers, **state, "t": float(t)}
            seen = loop.observe.lowered.evaluate(known, floats)
            assert seen["alive"]
            state = loop.advance.lowered.evaluate(known | seen, floats)


def test_the_heavy_ball_needs_no_test_for_some_steps():
    loop = build_loop(classic("himmelblau"), Stepper(RULES[1]))
    numbers = {"learning_rate": (1e-4, 0.1), "momentum": (0.0, 0.99), "weight_decay": (0.0, 0.0)}
    assert proven_steps(loop, 32.0, numbers, 1000) >= 3
    assert proven_steps(loop, 1e60, numbers, 1000) <= 2


def test_the_slope_of_a_norm_is_bounded_though_it_divides():
    objective = classic("ackley")
    promised = bounds(objective.gradient_program, {"x": (-4.0, 4.0), "y": (-4.0, 4.0)})
    assert all(interval is not None for interval in promised.values())
    for x in (0.0, 5e-324, -5e-324, 1e-200, 1e-160):
        for y in (0.0, 5e-324, 1e-170):
            for value, interval in zip(
                objective.gradient_program.evaluate({"x": x, "y": y}).values(), promised.values(), strict=True
            ):
                assert interval is not None
                assert interval[0] <= value <= interval[1]
