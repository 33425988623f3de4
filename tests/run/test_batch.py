"""Many models on one table at once: the ends of single descents, up to the order of a matrix product's sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layda.measures import VERDICTS
from layda.objectives import black_box
from layda.run.descend import descend
from layda.run.ensemble import ensemble
from layda.specs import to_objective, to_rule

pytest.importorskip("xarray")


def _compare(objective, rule, rates, tolerance, **options):
    found = ensemble(objective, rule, learning_rate=rates, **options)
    for ball, rate in enumerate(rates):
        one = descend(objective, replace(rule, learning_rate=float(rate)), record="end", **options)
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind, (str(rule), rate)
        if one.verdict.kind == "diverged":
            continue
        assert abs(int(found.steps[ball]) - one.steps) <= 10
        if found.steps[ball] == one.steps:
            scale = np.max(np.abs(one.estimates[-1]))
            assert np.max(np.abs(found.estimate[ball].values - one.estimates[-1])) <= tolerance * scale
            assert found.value[ball].item() == pytest.approx(one.value, rel=tolerance)


@pytest.mark.parametrize("table", ["breast_cancer", "diabetes", "wine"])
@pytest.mark.parametrize("rule", ["heavy-ball", "nesterov", "aggregated-momentum", "schedule-free"])
def test_equals_single_descents(table, rule):
    pytest.importorskip("sklearn")
    _compare(to_objective(table), to_rule(rule), np.geomspace(1e-3, 30.0, 7), 1e-12, steps=60)


def test_black_boxes_are_the_same_to_the_bit():
    objective = black_box(lambda x: float((x[0] ** 2 - 1) ** 2 + x[1] ** 2), dimension=2, start=(2.0, 1.0))
    _compare(objective, to_rule("heavy-ball"), np.array([1e-3, 0.02, 0.1, 5.0]), 0.0, steps=300)


def test_mini_batches_run_one_after_the_other():
    pytest.importorskip("sklearn")
    from layda.objectives.data import data_objective

    objective = data_objective("breast_cancer", batch=64)
    rates = np.array([0.01, 0.1])
    found = ensemble(objective, "heavy-ball", learning_rate=rates, steps=40)
    for ball, rate in enumerate(rates):
        one = descend(objective, to_rule(f"heavy-ball:learning_rate={rate}"), steps=40)
        assert found.estimate[ball].values.tolist() == one.estimates[-1].tolist()


def test_many_models_at_once_are_each_alone():
    pytest.importorskip("sklearn")
    for table in ("breast_cancer", "diabetes", "wine"):
        objective = to_objective(table)
        places = np.random.default_rng(1).normal(size=(9, objective.dimension))
        values, slopes = objective.values_and_gradients(places)
        for place, value, slope in zip(places, values, slopes, strict=True):
            alone = objective.value_and_gradient(place)
            assert value == pytest.approx(alone[0], rel=1e-13)
            assert np.allclose(slope, alone[1], rtol=1e-12, atol=1e-14)
