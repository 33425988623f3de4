"""The forms of the heavy ball, converted into each other, take the same path, also across changes of the rate."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import layda
from layda.rules import HeavyBall, convert
from layda.schedules import CosineDecay, ExponentialDecay, StepDecay, Warmup

FORMS = ("velocity", "step", "average")
RATES = [
    0.002,
    ExponentialDecay(0.002, 0.99),
    StepDecay(0.002, 0.5, 50),
    CosineDecay(0.002, 500, 1e-4),
]


@pytest.mark.parametrize(("old", "new"), list(permutations(FORMS, 2)))
@pytest.mark.parametrize("rate", RATES, ids=lambda rate: type(rate).__name__)
def test_same_path(old: str, new: str, rate: object) -> None:
    rule = HeavyBall(rate, 0.9, form=old)
    other = convert(rule, new)
    assert other.form == new
    a = layda.descend("himmelblau", rule, start=(0.5, 0.5), steps=300, tolerance=0)
    b = layda.descend("himmelblau", other, start=(0.5, 0.5), steps=300, tolerance=0)
    assert np.max(np.abs(a.positions - b.positions)) <= 1e-10


def test_a_rate_of_zero_has_no_counterpart() -> None:
    with pytest.raises(layda.errors.SettingError, match="learning rate that is zero"):
        convert(HeavyBall(Warmup(20, 0.02), 0.9), "step")


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back(form: str) -> None:
    rule = HeavyBall(ExponentialDecay(0.02, 0.99), 0.9, form="velocity")
    back = convert(convert(rule, form), "velocity")
    a = layda.descend("x^4/4 + x^2", rule, start=1.0, steps=200, tolerance=0)
    b = layda.descend("x^4/4 + x^2", back, start=1.0, steps=200, tolerance=0)
    assert np.max(np.abs(a.positions - b.positions)) <= 1e-13


def test_the_forms_differ_without_conversion() -> None:
    """50 steps under a decayed rate with g = 1: −9.69 inside, −5.21 outside (measured)."""
    rate = ExponentialDecay(0.1, 0.9, before_first_step=False)
    inside = layda.descend("x", HeavyBall(rate, 0.9), start=0.0, steps=50, tolerance=0)
    outside = layda.descend("x", HeavyBall(rate, 0.9, form="step"), start=0.0, steps=50, tolerance=0)
    assert round(inside.position[0], 2) == -9.69
    assert round(outside.position[0], 2) == -5.21
