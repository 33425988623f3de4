"""An ensemble is many single descents: the same bits, the same steps, the same verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layda.errors import SettingError
from layda.measures import VERDICTS
from layda.objectives import classic, from_function
from layda.program.loop import run_readably
from layda.rule import Stepper
from layda.run.descend import descend
from layda.run.ensemble import ensemble
from layda.run.loops import build_loop, contracted_loop, initial_state, layout
from layda.run.minima import known_minima
from layda.schedules import ExponentialDecay
from layda.specs import to_rule
from tests.cases import RULES, SMALL_CLASSICS

pytest.importorskip("xarray")

_RATES = (1e-4, 3.0)


def _case(seed: int):
    """A random (rule, objective, settings, starts)."""
    rng = np.random.default_rng(seed)
    objective = classic(SMALL_CLASSICS[rng.integers(len(SMALL_CLASSICS))])
    rule = RULES[rng.integers(len(RULES))]
    low, high = np.array(objective.box).T
    starts = rng.uniform(low, high, size=(6, objective.dimension)) * rng.choice([1.0, 1.0, 20.0])
    numbers = {}
    if isinstance(rule.learning_rate, float):
        numbers["learning_rate"] = np.exp(rng.uniform(*np.log(_RATES), size=6))
    steps = int(rng.choice([0, 1, 2, 3, 5, 17, 60, 255, 256, 257, 300, 700]))
    tolerance = float(rng.choice([0.0, 1e-6, 1e-6, 1e-3]))
    every = int(rng.choice([2, 3, 10, 10, 64]))
    return objective, rule, starts, numbers, {"steps": steps, "tolerance": tolerance, "check_every": every}


@pytest.fixture(scope="module")
def seeds(runs):
    return range(12 * runs)


def _compare(objective, rule, starts, numbers, options):
    found = ensemble(objective, rule, starts, settings=numbers, threads=1, **options)
    for ball, start in enumerate(starts):
        way = replace(rule, **{name: float(values[ball]) for name, values in numbers.items()})
        one = descend(objective, way, start=start, record="end", backend="readable", **options)
        named = f"{objective.name} {way} {start.tolist()} {options}"
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind, named
        assert int(found.steps[ball]) == one.steps, named
        assert np.array_equal(found.position[ball].values, one.positions[-1], equal_nan=True), named
        assert np.array_equal(found.estimate[ball].values, one.estimates[-1], equal_nan=True), named
        assert np.array_equal(found.value[ball].values, one.value, equal_nan=True), named


def test_equals_single_descents_bit_for_bit(seeds):
    for seed in seeds:
        _compare(*_case(seed))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule(rule):
    objective = classic("himmelblau")
    starts = np.random.default_rng(3).uniform(-6, 6, size=(3, 2))
    _compare(objective, rule, starts, {}, {"steps": 90, "tolerance": 1e-6, "check_every": 10})


@pytest.mark.parametrize("name", SMALL_CLASSICS)
def test_every_classic(name):
    objective = classic(name)
    low, high = np.array(objective.box).T
    starts = np.random.default_rng(4).uniform(low, high, size=(3, objective.dimension))
    numbers = {"learning_rate": np.array([1e-4, 1e-2, 1.0])}
    _compare(objective, to_rule("heavy-ball"), starts, numbers, {"steps": 300, "tolerance": 1e-6, "check_every": 10})


def test_a_high_past_decides_between_diverged_and_unfinished():
    """Growing at the end, but from a start far higher: the largest f before the window is asked for, and only then."""
    objective = from_function(lambda x: 0.5 * x * x, box=(-1.0, 1.0), name="bowl")
    rule = to_rule("heavy-ball:momentum=0.99")
    rates = np.array([3.9, 3.99, 4.0, 4.02, 4.05])
    starts = np.full((5, 1), 1e-3)
    _compare(objective, rule, starts, {"learning_rate": rates}, {"steps": 900, "tolerance": 0.0, "check_every": 10})


def test_what_is_lost_at_the_very_last_step_is_lost():
    """With fewer than four steps there is no window, but the last state is looked at all the same."""
    starts = np.random.default_rng(11).uniform(-3, 3, size=(5, 2)) * 1e60
    for steps in (0, 1, 2, 3):
        options = {"steps": steps, "tolerance": 0.0, "check_every": 10}
        _compare(classic("six_hump_camel"), to_rule("heavy-ball:learning_rate=3"), starts, {}, options)


def test_block_size_threads_and_order_do_not_matter(monkeypatch):
    from layda.run import engine

    rng = np.random.default_rng(5)
    starts, rates = rng.uniform(-5, 5, (700, 2)), np.exp(rng.uniform(-9, 0, 700))
    way = to_rule("heavy-ball")
    whole = ensemble("himmelblau", way, starts, learning_rate=rates, steps=400, threads=1)
    for numbers, threads in ((1 << 10, 1), (1 << 12, 2), (1 << 13, 3)):
        monkeypatch.setattr(engine, "_BLOCK_NUMBERS", numbers)
        again = ensemble("himmelblau", way, starts, learning_rate=rates, steps=400, threads=threads)
        assert whole.identical(again)
    order = rng.permutation(700)
    moved = ensemble("himmelblau", way, starts[order], learning_rate=rates[order], steps=400)
    for name in ("position", "verdict", "steps", "basin"):
        assert np.array_equal(moved[name].values, whole[name].values[order], equal_nan=True)


def test_without_verdicts_the_same_ends():
    starts = np.random.default_rng(6).uniform(-5, 5, (50, 2))
    options = {"learning_rate": np.geomspace(1e-3, 1.0, 50), "steps": 333, "tolerance": 0.0}
    bare = ensemble("himmelblau", "heavy-ball", starts, keep=("position",), **options)
    whole = ensemble("himmelblau", "heavy-ball", starts, **options)
    same = whole.verdict.values != VERDICTS.index("diverged")
    assert set(bare.data_vars) == {"position"}
    assert np.array_equal(bare.position.values, whole.position.values, equal_nan=True)
    assert same.any()


def test_decay_is_an_axis():
    deltas = np.array([0.5, 0.9, 0.99, 1.0])
    found = ensemble("lecture", "heavy-ball", [[2.0]], learning_rate=0.05, decay=deltas, steps=200)
    for ball, delta in enumerate(deltas):
        way = to_rule("heavy-ball")
        way = replace(way, learning_rate=ExponentialDecay(0.05, float(delta)))
        one = descend("lecture", way, start=2.0, steps=200)
        assert found.estimate[ball].item() == one.estimates[-1][0]
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind


def test_arrays_are_broadcast_against_each_other():
    found = ensemble("x^2", "heavy-ball", np.zeros((4, 1, 1)) + 1.0, momentum=[0.0, 0.5, 0.9], steps=50)
    assert dict(found.sizes) == {"axis_0": 4, "axis_1": 3, "coordinate": 1}
    assert found.momentum.shape == (4, 3)


def test_basins_are_those_of_the_listed_minima():
    minima = known_minima(classic("himmelblau")).minima
    starts = np.array([one.position for one in minima]) + 0.05
    found = ensemble("himmelblau", "heavy-ball", starts, learning_rate=0.005, momentum=0.5, steps=2000)
    assert found.basin.values.tolist() == [0, 1, 2, 3]
    assert [VERDICTS[code] for code in found.verdict.values] == ["converged"] * 4


def test_a_saddle_is_not_a_basin():
    found = ensemble("himmelblau", "gradient-descent", [[0.0, 0.0], [-0.270845, -0.923039]], steps=0)
    assert found.basin.values.tolist() == [-1, -1]
    saddle = ensemble("monkey_saddle", "gradient-descent", [[0.0, 0.0]], steps=100)
    assert VERDICTS[int(saddle.verdict[0])] == "saddle"


def test_float32_is_close_and_its_own_kind():
    starts = np.random.default_rng(7).uniform(-4, 4, (64, 2))
    options = {"learning_rate": 0.002, "steps": 60, "tolerance": 0.0, "keep": ("position",)}
    single = ensemble("himmelblau", "heavy-ball", starts, dtype="float32", **options).position.values
    double = ensemble("himmelblau", "heavy-ball", starts, **options).position.values
    assert np.max(np.abs(single - double)) < 1e-2
    assert not np.array_equal(single, double)
    assert np.array_equal(single, single.astype(np.float32))


@pytest.mark.parametrize("name", SMALL_CLASSICS)
@pytest.mark.parametrize("rule", ["heavy-ball:learning_rate=0.003", "adam", "nesterov:weight_decay=0.1"])
def test_fast_is_the_contracted_loop_bit_for_bit(name, rule):
    target, way = classic(name), to_rule(rule)
    stepper = Stepper(way)
    low, high = np.array(target.box).T
    starts = np.random.default_rng(8).uniform(low, high, (3, target.dimension))
    found = ensemble(target, way, starts, steps=40, tolerance=0.0, keep=("position",), fast=True)
    loop = contracted_loop(build_loop(target, stepper))
    for ball, start in enumerate(starts):
        state = initial_state(layout(target.dimension, stepper), stepper, tuple(start.tolist()))
        end = run_readably(loop, state, stepper.numbers, last=40, keep=False)
        position = [end.state[f"x{i}"] for i in range(target.dimension)]
        assert np.array_equal(position, found.position[ball].values, equal_nan=True)


def test_fast_is_another_arithmetic_close_to_the_plain_one():
    starts = np.random.default_rng(8).uniform(-2, 2, (30, 2))
    options = {"steps": 40, "tolerance": 0.0, "keep": ("position",), "learning_rate": 0.003}
    plain = ensemble("himmelblau", "heavy-ball", starts, **options).position.values
    fast = ensemble("himmelblau", "heavy-ball", starts, fast=True, **options).position.values
    assert not np.array_equal(fast, plain)
    assert np.allclose(fast, plain, rtol=1e-10, atol=1e-10)


def test_what_is_kept_does_not_change_the_fused_way():
    """f and its slope share a product, which one of them adds to: it must not be fused or not by who is asked."""
    target = from_function(lambda x, y: (x * y + 1.0) * (x * y) + x * x + (x * y) * y, dimension=2, box=(-2.0, 2.0))
    starts = np.random.default_rng(9).uniform(-2, 2, (200, 2))
    options = {"steps": 300, "tolerance": 0.0, "learning_rate": np.geomspace(1e-3, 1.0, 200), "fast": True}
    bare = ensemble(target, "heavy-ball", starts, keep=("position",), **options)
    whole = ensemble(target, "heavy-ball", starts, **options)
    assert np.array_equal(bare.position.values, whole.position.values, equal_nan=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"starts": [[1.0, 2.0, 3.0]]}, "last side must be 2"),
        ({"starts": [[np.nan, 0.0]]}, "not finite"),
        ({"learning_rate": [-1.0]}, "allowed is"),
        ({"learning_rate": [np.inf]}, "not finite"),
        ({"settings": {"friction": 1.0}}, "friction"),
        ({"keep": ("positions",)}, "position"),
        ({"keep": ()}, "keep is empty"),
        ({"dtype": "float16"}, "float32"),
        ({"steps": -1}, "steps is -1"),
        ({"check_every": 1}, "check_every is 1"),
        ({"tolerance": 2.0}, "tolerance is 2.0"),
        ({"radius": -1.0}, "radius"),
        ({"decay": [1.5]}, "allowed is"),
        ({"starts": np.zeros((3, 2)), "momentum": [0.1, 0.2]}, "broadcast"),
    ],
)
def test_bad_input_says_what_is_allowed(arguments, words):
    with pytest.raises(SettingError, match=words):
        ensemble("himmelblau", "heavy-ball", **arguments)


def test_an_answer_beside_the_last_gradient_is_judged_by_the_slope_where_it_is():
    """Nesterov's look-ahead may stand in the minimum when the ball itself is still a thousandth of a step away."""
    rule = "nesterov:learning_rate=0.01191,momentum=0.9"
    assert descend("himmelblau", rule, start=(3.22807133, -3.20937312)).verdict.kind == "converged"
    found = ensemble("himmelblau", rule, 1000)
    assert not np.any(found.verdict.values == VERDICTS.index("trapped"))
