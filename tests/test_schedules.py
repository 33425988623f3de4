"""Schedules: closed forms, exact recurrences, ranges."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from layda.errors import SettingError
from layda.rule import Stepper
from layda.rules import HeavyBall
from layda.schedules import (
    ALL,
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    ODonoghueCandesMomentum,
    Schedule,
    StepDecay,
    SutskeverMomentum,
    Warmup,
)


@pytest.mark.parametrize("before", [True, False])
def test_a_decayed_rate_is_exactly_decay_times_the_one_before(before: bool) -> None:
    rates = ExponentialDecay(0.5, 0.37, before_first_step=before).values(200)
    assert rates[0] == (0.5 * 0.37 if before else 0.5)
    assert all(later == earlier * 0.37 for earlier, later in pairwise(rates))


def test_closed_forms() -> None:
    assert Constant(0.3).values(3) == [0.3] * 3
    assert InverseTimeDecay(0.1, 0.5).values(3) == pytest.approx([0.1 / (1 + 0.5 * t) for t in range(3)])
    assert StepDecay(1.0, 0.1, 3).values(7) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    cosine = CosineDecay(1.0, 10, 0.2).values(15)
    assert cosine == pytest.approx([0.2 + 0.4 * (1 + math.cos(math.pi * min(t, 10) / 10)) for t in range(15)])
    warm = Warmup(4, 0.8).values(6)
    assert warm[4:] == [0.8, 0.8]
    assert all(a < b for a, b in pairwise(warm[:5]))


def test_published_momentum_schedules() -> None:
    found = SutskeverMomentum(0.99, 250).values(2000)
    for t in (0, 249, 250, 999, 1999):
        assert found[t] == pytest.approx(min(1 - 2 ** (-1 - math.log2(t // 250 + 1)), 0.99), abs=1e-15)
    theta, wanted = 1.0, []
    for _ in range(20):
        after = (-(theta**2) + math.sqrt(theta**4 + 4 * theta**2)) / 2
        wanted.append(theta * (1 - theta) / (theta**2 + after))
        theta = after
    assert ODonoghueCandesMomentum(0.0).values(21)[1:] == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("schedule", [cls() for cls in ALL], ids=lambda schedule: schedule.name)
def test_traced_and_plain_are_the_same_bits(schedule: Schedule) -> None:
    """The rule's program carries the schedule; its learning rates are those of the plain schedule."""
    rule = HeavyBall(schedule, 0.5, form="step") if min(schedule.bounds(), default=0.0) >= 0.0 else HeavyBall()
    stepper = Stepper(rule)
    program = stepper.program()
    state = dict(zip(stepper.schedule_names, stepper.start(stepper.numbers, 0.0).schedules, strict=True))
    for t, wanted in enumerate(schedule.values(60)):
        found = program.evaluate(
            {**stepper.numbers, "t": float(t), "position": 0.0, "gradient": -1.0, "velocity": 0.0, **state}
        )
        assert found["position"] == wanted, t
        state = {name: found[name] for name in stepper.schedule_names}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ExponentialDecay(0.5, 1.5), "decay is 1.5; allowed is a finite number from 0 to 1"),
        (lambda: ExponentialDecay(float("nan"), 0.5), "initial is nan"),
        (lambda: StepDecay(0.5, 0.1, 0), "every is 0"),
        (lambda: CosineDecay(0.5, 2.5), "steps is 2.5; allowed is a whole number"),
        (lambda: HeavyBall(0.1, ExponentialDecay(2.0, 0.5)), "momentum follows"),
        (lambda: HeavyBall(ExponentialDecay(-1.0, 0.5)), "learning_rate follows"),
    ],
)
def test_ranges(make: object, words: str) -> None:
    with pytest.raises(SettingError) as caught:
        make()
    assert words in str(caught.value)
