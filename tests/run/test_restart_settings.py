"""Adaptive restart as a setting: in text and files, in words, refused where it makes no sense; other objectives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import layda
from layda.errors import SettingError
from layda.functions import log
from layda.objectives import from_function
from layda.rule import Rule, Slot
from layda.rules import GradientDescent, HeavyBall, Nesterov
from layda.rules.convert import convert
from layda.schedules import ExponentialDecay
from tests.backends.test_bits import same_bits
from tests.cases import RESTARTING, RULES

SCHEMES = ("gradient", "function")


def test_never_is_what_was_before():
    for rule in RULES:
        assert "restart" not in repr(rule)
        assert "restart" not in rule.settings()
        assert layda.specs.to_rule(layda.specs.rule_text(rule)) == rule
        run = layda.descend("himmelblau", rule, steps=3)
        assert "restarts" not in run.states
        assert (run.restarts, run.restart_steps.tolist()) == (0, [])


@pytest.mark.parametrize("rule", RESTARTING, ids=str)
def test_text_and_files_bring_it_back(rule, tmp_path: Path):
    assert rule.settings()["restart"] == rule.restart
    assert f"restart={rule.restart!r}" in repr(rule)
    assert layda.specs.to_rule(layda.specs.rule_text(rule)) == rule
    run = layda.descend("himmelblau", rule, steps=50)
    layda.save(run, tmp_path / "run.layda")
    loaded = layda.load(tmp_path / "run.layda")
    assert loaded.rule == rule
    assert loaded.restarts == run.restarts
    assert loaded.restart_steps.tolist() == run.restart_steps.tolist()


def test_only_the_end_recorded_still_tells_how_often():
    whole, end = (
        layda.descend("rosenbrock", "nesterov:learning_rate=0.001,momentum=0.97,restart=gradient", record=record)
        for record in ("all", "end")
    )
    assert whole.restarts == end.restarts > 1
    for run in (whole, end):
        assert f"began anew, without momentum, {run.restarts} times" in layda.describe(run)
        assert f"bắt đầu lại {run.restarts} lần" in layda.describe(run, language="vi")
    assert end.restart_steps.tolist() == []


@dataclass(frozen=True)
class _Counting(Rule):
    learning_rate: float = 0.1

    @property
    def slots(self):
        return (Slot("restarts"),)

    def step(self, position, gradient, state, ahead):
        return position - self.learning_rate * gradient, (state[0] + 1.0,)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GradientDescent(restart="gradient"), "carries nothing from step to step .*'never'"),
        (lambda: HeavyBall(restart="sometimes"), "restart is 'sometimes'; allowed are 'never', 'function', 'gradient'"),
        (lambda: HeavyBall(weight_decay=0.1, decoupled=True, restart="function"), "decoupled weight decay.*decoupled="),
        (lambda: layda.rules.AdamW(restart="gradient"), "write decoupled=False or weight_decay=0"),
        (lambda: _Counting(restart="gradient"), "a slot is called 'restarts'.*rename"),
        (lambda: layda.specs.to_rule("SGD(lr=0.1, momentum=0.9, restart=gradient)"), "no option 'restart'"),
        (lambda: convert(HeavyBall(ExponentialDecay(0.1, 0.9), restart="gradient"), "step"), "cannot be converted"),
    ],
)
def test_what_cannot_restart_says_why(make, said):
    with pytest.raises(layda.errors.LaydaError, match=said):
        make()


def test_forms_of_the_heavy_ball_restart_alike():
    rule = HeavyBall(0.001, 0.97, restart="gradient")
    run = layda.descend("rosenbrock", rule, steps=200, tolerance=0)
    other = layda.descend("rosenbrock", convert(rule, "average"), steps=200, tolerance=0)
    assert run.restart_steps.tolist() == other.restart_steps.tolist() != []
    assert np.allclose(run.positions, other.positions, rtol=1e-9)


def test_mini_batches_restart_on_the_gradient_that_the_step_sees():
    pytest.importorskip("sklearn")
    from layda.objectives.data import data_objective

    objective = data_objective("breast_cancer", batch=64)
    with pytest.raises(SettingError, match=r"seen in mini-batches.*write restart=gradient"):
        layda.descend(objective, "nesterov:restart=function", steps=5)
    run = layda.descend(objective, "heavy-ball:learning_rate=0.5,restart=gradient", steps=60, tolerance=0)
    expected = [
        k + 1
        for k in range(60)
        if objective.step_gradient(run.positions[k], k) @ (run.estimates[k + 1] - run.estimates[k]) > 0.0
    ]
    assert run.restart_steps.tolist() == expected != []


def test_where_f_does_not_exist_nothing_begins_anew():
    """ln²: an answer left of zero has no value, which is not a higher one; the run is lost as it would be without."""
    objective = from_function(lambda x: log(x) ** 2, defined=lambda x: x > 0.0, start=3.0, box=(0.1, 4.0))
    for momentum in (0.0, 0.9):
        rule = Nesterov(5.0, momentum, restart="function")
        one, other = (layda.descend(objective, way, steps=50) for way in (rule, replace(rule, restart="never")))
        assert one.verdict.kind == other.verdict.kind == "undefined"
        assert same_bits(one.positions, other.positions)
        assert one.restarts == 0
