"""Bounds hold: no value leaves the interval that was promised for it."""

from __future__ import annotations

import numpy as np
import pytest

from layda import functions
from layda.backends.lanes import proven_steps
from layda.objectives import classic
from layda.program import arithmetic, trace
from layda.program.backward import bounds_before
from layda.program.intervals import bounds, folded
from layda.rule import Stepper
from layda.rules import HeavyBall
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


def _steps(loop, state, numbers, count):
    """So many steps by the readable twin; whether all were alive, and the last state."""
    floats, alive = arithmetic("float"), True
    for t in range(count):
        known = {**numbers, **state, "t": float(t)}
        seen = loop.observe.lowered.evaluate(known, floats)
        alive = alive and bool(seen.pop("alive"))
        state = loop.advance.lowered.evaluate(known | seen, floats)
    return alive, state


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_proven_steps_are_alive(rule):
    """Between two states within the limit every one of so many steps is alive."""
    objective = classic("himmelblau")
    stepper = Stepper(rule)
    loop = build_loop(objective, stepper)
    ranges = {name: (value, value) for name, value in stepper.numbers.items()}
    limit = 64.0
    proof = proven_steps(loop, limit, ranges, 1000)
    assert proof.steps >= 1
    rng = np.random.default_rng(2)
    met = 0
    for _ in range(60):
        size = limit * 10.0 ** rng.uniform(-2, 0)
        state = {name: float(rng.uniform(-size, size)) for name in loop.state}
        for name in loop.carried:
            if not name.startswith("x"):
                state[name] = abs(state[name])
        for count in range(proof.steps, 0, -1):
            alive, end = _steps(loop, state, stepper.numbers, count)
            if all(abs(end[name]) <= limit for name in loop.carried):
                met += 1
                assert alive
                break
    assert met > 10


def test_the_heavy_ball_needs_no_test_for_some_steps():
    loop = build_loop(classic("himmelblau"), Stepper(RULES[1]))
    numbers = {"learning_rate": (1e-4, 0.1), "momentum": (0.5, 0.99), "weight_decay": (0.0, 0.0)}
    assert proven_steps(loop, 32.0, numbers, 1000).steps >= 6
    assert proven_steps(loop, 1e60, numbers, 1000).steps <= 3
    assert proven_steps(loop, 32.0, numbers, 1000, "float32").steps < proven_steps(loop, 32.0, numbers, 1000).steps


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_came_before_lies_in_the_bounds_against_time(rule, runs):
    """Any state whatever: if the next one is known, this one is where the bounds say."""
    stepper = Stepper(rule)
    way = build_loop(classic("himmelblau"), stepper).way
    fixed = {name: (value, value) for name, value in stepper.numbers.items()}
    rng, floats = np.random.default_rng(5), arithmetic("float")
    bounded = 0
    for _ in range(30 * runs):
        t = float(rng.integers(0, 50))
        known = {name: float(rng.normal() * 10.0 ** rng.uniform(-3, 3)) for name in way.inputs}
        known |= {name: abs(value) for name, value in known.items() if name[0] in "ch"} | stepper.numbers | {"t": t}
        after = way.lowered.evaluate(known, floats)
        if not all(np.isfinite(value) for value in after.values()):
            continue
        found = bounds_before(way, {name: (value, value) for name, value in after.items()}, fixed | {"t": (t, t)})
        for name, interval in found.items():
            if interval is not None:
                bounded += name in way.output_names
                assert interval[0] <= known[name] <= interval[1], name
    # The heavy ball says where it came from: x + v. Plain descent does not.
    assert bounded > 0 or not isinstance(rule, HeavyBall)


def test_decided_choices_are_left_out_and_the_bits_stay():
    program = trace(lambda x: functions.sin(x) + functions.exp(-x * x) + functions.maximum(x, -100.0))
    near = folded(program.lowered, {"x": (-4.0, 4.0)})
    assert near.operation_count <= program.lowered.operation_count - 10
    assert {node.op for node in near.nodes} & {"lt", "le", "eq"} == set()
    x = np.random.default_rng(6).uniform(-4, 4, 500)
    numbers = arithmetic("numpy")
    assert np.array_equal(near.evaluate({"x": x}, numbers)["value"], program.evaluate({"x": x}, numbers)["value"])
    far = folded(program.lowered, {"x": (-1e9, 1e9)})
    assert "le" in {node.op for node in far.nodes}  # whether the sine is defined is not decided


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
