"""Every verdict, none of them false, and none that depends on a scale."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layda
from layda.measures import CONSTANTS, VERDICTS, Evidence
from layda.measures.verdict import verdict_code
from layda.rules import ALL, Adam, GradientDescent, HeavyBall, Nesterov
from layda.schedules import ExponentialDecay
from tests.cases import SMALL_CLASSICS, classic
from tests.corpus.terrain import scaled

EXAMPLES: dict[str, tuple[Any, ...]] = {
    "converged": ("sphere", HeavyBall(0.1, 0.8), (3.0, 2.0), 2000),
    "trapped": ("tilted_double_well", GradientDescent(0.1), 1.5, 2000),
    "saddle": ("x^2 - y^2", GradientDescent(0.1), (1.0, 0.0), 2000),
    "frozen": ("x^2", GradientDescent(ExponentialDecay(0.5, 0.1)), 1.0, 1000),
    "cycling": ("period_three", HeavyBall(1 / 9, 4 / 9), 3.07, 3000),
    "diverged": ("x^2", GradientDescent(1.1), 1.0, 10_000),
    "undefined": ("logarithm", GradientDescent(20.0), 3.0, 100),
    "crawling": ("x^2", GradientDescent(1e-6), 1.0, 1000),
    "unfinished": ("x^2", GradientDescent(0.01), 1.0, 500),
}


@pytest.mark.parametrize("kind", VERDICTS)
def test_an_example_of_each(kind: str) -> None:
    objective, rule, start, steps = EXAMPLES[kind]
    run = layda.descend(objective, rule, start=start, steps=steps)
    assert run.verdict.kind == kind
    assert set(CONSTANTS) <= set(run.verdict.thresholds)
    assert run.verdict.step == run.steps
    assert layda.describe(run)


def test_evidence() -> None:
    def evidence(kind: str) -> Any:
        objective, rule, start, steps = EXAMPLES[kind]
        return layda.descend(objective, rule, start=start, steps=steps).verdict

    assert evidence("cycling").evidence["period"] == 3
    assert evidence("trapped").better.position[0] == pytest.approx(-1.0466805317)
    assert evidence("undefined").evidence["coordinate"] == "x"
    assert evidence("undefined").evidence["coordinate_value"] <= 0.0
    assert evidence("unfinished").evidence["steps_needed"] < 5000 < evidence("crawling").evidence["steps_needed"]
    assert evidence("frozen").evidence["rate"] <= CONSTANTS["vanished"][0] * evidence("frozen").evidence["largest_rate"]
    assert evidence("saddle").evidence["smallest_curvature"] == pytest.approx(-2.0)


def test_how_many_steps_are_needed_is_near_the_truth() -> None:
    run = layda.descend("x^2", GradientDescent(0.01), start=1.0, steps=300)
    whole = layda.descend("x^2", GradientDescent(0.01), start=1.0, steps=100_000)
    assert run.verdict.evidence["steps_needed"] == pytest.approx(whole.steps - 300, rel=0.1)


def test_overflow_after_growth_is_divergence() -> None:
    for objective in ("x^4", "exp(x^2)", "rosenbrock", "himmelblau"):
        run = layda.descend(objective, GradientDescent(10.0), start=None if objective[0] in "rh" else 2.0, steps=1000)
        assert run.verdict.kind == "diverged", objective


def test_a_missing_value_near_by_is_undefined() -> None:
    run = layda.descend("sqrt(x)", GradientDescent(0.3), start=1.0, steps=100)
    assert run.verdict.kind == "undefined"


def test_a_step_below_the_spacing_of_floats_is_an_arrival() -> None:
    run = layda.descend(lambda x: (x - 0.1) ** 2, GradientDescent(0.5), start=3.0, steps=200, tolerance=0)
    assert run.verdict.kind == "converged"
    stuck = layda.descend(lambda x: (x - 0.1) ** 2, GradientDescent(1e-20), start=3.0, steps=200, tolerance=0)
    assert stuck.verdict.kind == "crawling"


SCALABLE = [
    ("lecture", HeavyBall(0.5, 0.9)), ("lecture", GradientDescent(0.001)), ("lecture", GradientDescent(10.0)),
    ("lecture", HeavyBall(ExponentialDecay(0.5, 0.1), 0.9)), ("himmelblau", Nesterov(0.01, 0.9)),
    ("himmelblau", GradientDescent(0.03)), ("rosenbrock", HeavyBall(0.0005, 0.9)),
    ("monkey_saddle", HeavyBall(0.01, 0.9)),
    ("period_three", HeavyBall(1 / 9, 4 / 9)), ("quartic", GradientDescent(0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule"), SCALABLE, ids=lambda value: str(value))
@pytest.mark.parametrize(("height", "width"), [(2.0**20, 1.0), (2.0**-20, 1.0), (1.0, 2.0**20), (1.0, 2.0**-20)])
def test_no_verdict_depends_on_a_scale(name: str, rule: layda.Rule, height: float, width: float) -> None:
    objective = classic(name)
    factor = width * width / height  # so that α∇f moves x by the same share
    rate = rule.learning_rate
    other = replace(rate, initial=rate.initial * factor) if isinstance(rate, ExponentialDecay) else rate * factor
    a = layda.descend(objective, rule, steps=1500)
    b = layda.descend(scaled(objective, height, width), replace(rule, learning_rate=other), steps=1500)
    assert np.array_equal(a.positions * width, b.positions, equal_nan=True)
    assert (a.verdict.kind, a.steps) == (b.verdict.kind, b.steps)


@pytest.mark.parametrize(("height", "width"), [(2.0**20, 1.0), (2.0**-20, 1.0), (1.0, 2.0**20), (1.0, 2.0**-20)])
def test_adam_with_its_epsilon_scaled(height: float, width: float) -> None:
    a = layda.descend("himmelblau", Adam(0.05), steps=2000)
    rule = Adam(0.05 * width, epsilon=1e-8 * height / width)
    b = layda.descend(scaled(classic("himmelblau"), height, width), rule, steps=2000)
    assert np.allclose(a.position * width, b.position, rtol=1e-9)
    assert (a.verdict.kind, a.steps) == (b.verdict.kind, b.steps)


NAMES = [name for name in SMALL_CLASSICS if name not in ("ackley", "period_three")]


@given(
    name=st.sampled_from(NAMES),
    rule=st.sampled_from(ALL),
    rate=st.floats(-4.0, 0.5),
    share=st.tuples(*[st.floats(0.0, 1.0)] * 2),
)
def test_converged_is_never_false(name: str, rule: type[layda.Rule], rate: float, share: tuple[float, float]) -> None:
    """A run that "converged" or was "trapped" stands where a random look around finds nothing lower."""
    objective = classic(name)
    start = [low + s * (high - low) for (low, high), s in zip(objective.box, share, strict=False)]
    run = layda.descend(objective, rule(learning_rate=10.0**rate), start=start, steps=3000)
    if run.verdict.kind not in ("converged", "trapped"):
        return
    place, value = run.position, run.value
    width = max(high - low for low, high in objective.box)
    around = place + 0.002 * width * np.random.default_rng(0).normal(size=(300, objective.dimension))
    lower = objective.values(around) < value
    if np.any(lower):  # then a lower place must be a hair's breadth away, or the valley must be nearly flat
        best = around[lower][np.argmin(objective.values(around[lower]))]
        slope = float(np.max(np.abs(objective.value_and_gradient(place)[1])))
        fall = value - float(np.min(objective.values(around)))
        assert fall <= 1e-3 * width * slope + 1e-5 * max(1.0, abs(value)), (run, best)


LINEAR = [cls for cls in ALL if cls().direction(2.0) == 2.0 * cls().direction(1.0)]
"""Rules that come to rest at a constant rate; Adam's and the sign's steps need not shrink with the gradient."""


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("cls", LINEAR, ids=lambda cls: cls.name)
def test_with_weight_decay_stationarity_is_that_of_the_rules_own_fixed_point(
    cls: type[layda.Rule], decoupled: bool
) -> None:
    """Where the rule stops moving, what the stopping test asks to vanish has vanished."""
    rule = cls(learning_rate=0.02, weight_decay=0.5, decoupled=decoupled)
    run = layda.descend("(x - 1)^2/2", rule, start=0.0, steps=100_000, tolerance=0, record="end")
    assert run.verdict.kind == "converged"
    if not decoupled:
        assert run.position[0] == pytest.approx(1.0 / 1.5, abs=1e-6)
    stopped = layda.descend("(x - 1)^2/2", rule, start=0.0, steps=100_000, record="end")
    assert stopped.verdict.kind == "converged"
    assert stopped.position[0] == pytest.approx(run.position[0], abs=1e-4)


def test_a_noise_floor_is_called_what_it_is() -> None:
    pytest.importorskip("sklearn")
    objective = layda.objectives.data_objective("breast_cancer", batch=32)
    run = layda.descend(objective, HeavyBall(0.6, 0.9), steps=1500)
    assert run.verdict.kind == "cycling"
    assert "noise floor" in layda.describe(run)


def test_mini_batches_that_stop_on_a_rise_are_frozen_and_not_thrown() -> None:
    pytest.importorskip("sklearn")
    objective = layda.objectives.data_objective("diabetes", batch=64)
    thrown = layda.descend(objective, GradientDescent(1.5), start=[1.0] * objective.dimension, steps=100).verdict
    assert thrown.kind == "diverged"
    seen = Evidence(**{field.name: thrown.evidence[field.name] for field in fields(Evidence)})
    assert verdict_code(seen)[0] == "diverged"
    stopped = replace(seen, rate=0.0, displacement_2=0.0, displacement_3=0.0, displacement_4=0.0)
    assert verdict_code(stopped)[0] == "frozen"
