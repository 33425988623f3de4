"""Text <-> rules and schedules: every spelling that is read, and round trips over all of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from layda import rules, schedules
from layda.errors import SpecError
from layda.rules import (
    AdamW,
    AggregatedMomentum,
    GradientDescent,
    HeavyBall,
    Nesterov,
    Rule,
    ScheduleFreeSGD,
)
from layda.rules.convert import convert
from layda.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    ODonoghueCandesMomentum,
    Schedule,
    StepDecay,
    Warmup,
)
from layda.specs import rule_text, to_rule

every_rule = pytest.mark.parametrize("cls", rules.ALL, ids=lambda cls: cls.name)
every_schedule = pytest.mark.parametrize("schedule", schedules.ALL, ids=lambda cls: cls.name)

# --- reading ------------------------------------------------------------------------------------------------------


@every_rule
def test_a_rule_is_read_by_every_spelling_of_its_name(cls: type[Rule]) -> None:
    kebab = cls.name
    spellings = (kebab, kebab.upper(), kebab.replace("-", "_"), cls.__name__, cls.__name__.lower(), f" {kebab} ")
    for text in (*spellings, f"{kebab}()", f"layda.{cls.__name__}()", f"layda.rules.{cls.__name__}"):
        assert to_rule(text) == cls(), text
    assert to_rule(cls) == cls()
    assert to_rule(rule := cls()) is rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("heavy-ball:momentum=0.5,form=step", HeavyBall(momentum=0.5, form="step")),
        ("heavy-ball: momentum = 0.5 , learning-rate = 1e-3 ", HeavyBall(0.001, 0.5)),
        ("heavy-ball:learning_rate=.5", HeavyBall(0.5)),
        ("heavy-ball:form='step'", HeavyBall(form="step")),
        ("HeavyBall(0.1, momentum=0.8)", HeavyBall(0.1, 0.8)),
        ("heavy-ball(0.1, 0.8, form=step)", HeavyBall(0.1, 0.8, "step")),
        ("gradient-descent:weight_decay=0.1,decoupled=true", GradientDescent(weight_decay=0.1, decoupled=True)),
        ("adamw:decoupled=False", AdamW(decoupled=False)),
        ("aggregated-momentum:momenta=(0, 0.9, 0.99)", AggregatedMomentum(momenta=(0.0, 0.9, 0.99))),
        ("aggregated-momentum:momenta=[0,0.5]", AggregatedMomentum(momenta=(0.0, 0.5))),
        ("aggregated-momentum:momenta=0.5", AggregatedMomentum(momenta=(0.5,))),
        (
            "aggregated-momentum:momenta=(0, constant(0.5)),learning_rate=1",
            AggregatedMomentum(1.0, (0.0, Constant(0.5))),
        ),
        ("heavy-ball:learning_rate=ExponentialDecay(0.5, 0.9)", HeavyBall(ExponentialDecay(0.5, 0.9))),
        (
            "heavy-ball:learning_rate=ExponentialDecay(initial=0.5, decay=0.9, before_first_step=false),momentum=0.5",
            HeavyBall(ExponentialDecay(0.5, 0.9, False), 0.5),
        ),
        ("heavy-ball:learning_rate=exponential-decay(0.5,0.9)", HeavyBall(ExponentialDecay(0.5, 0.9))),
        ("heavy-ball(exponential(0.5), momentum=odonoghue-candes(0.1))",
         HeavyBall(ExponentialDecay(0.5), ODonoghueCandesMomentum(0.1))),
        ("nesterov:learning_rate=warmup(5, then=inverse-time-decay(0.1, 0.2))",
         Nesterov(Warmup(5, InverseTimeDecay(0.1, 0.2)))),
        ("schedule-free:learning_rate=Warmup(5, then=Warmup(2, step(0.1)))",
         ScheduleFreeSGD(Warmup(5, Warmup(2, StepDecay(0.1))))),
        ("heavy-ball:learning_rate=layda.schedules.CosineDecay(0.1)", HeavyBall(CosineDecay(0.1))),
    ],
)  # fmt: skip
def test_settings_are_read(text: str, rule: Rule) -> None:
    assert to_rule(text) == rule


# --- round trips --------------------------------------------------------------------------------------------------


def test_text_is_call_text() -> None:
    assert rule_text(HeavyBall(0.1)) == "HeavyBall(learning_rate=0.1, momentum=0.9, form=velocity)"
    rate = Warmup(3, ExponentialDecay(1e-7))
    assert rule_text(GradientDescent(rate)) == (
        "GradientDescent(learning_rate=Warmup(steps=3.0, then=ExponentialDecay(initial=1e-07, decay=0.99, "
        "before_first_step=True)))"
    )


@every_rule
def test_every_rule_comes_back(cls: type[Rule]) -> None:
    for rule in (
        cls(),
        cls(learning_rate=0.1 + 0.2, weight_decay=1e-5),  # type: ignore[call-arg]
        cls(weight_decay=0.0),
        cls(weight_decay=0.25, decoupled=not cls().decoupled),
        cls(decoupled=not cls().decoupled),
    ):
        assert to_rule(rule_text(rule)) == rule
        assert to_rule(rule_text(rule), files=False) == rule


@every_rule
@every_schedule
def test_every_schedule_comes_back_in_every_rule(cls: type[Rule], schedule: type[Schedule]) -> None:
    for made in (schedule(), Warmup(7, schedule())):
        rule = cls(learning_rate=made, weight_decay=made)  # type: ignore[call-arg]
        back = to_rule(rule_text(rule))
        assert back == rule
        assert rule_text(back) == rule_text(rule)


def test_random_numbers_come_back_to_the_bit(runs: int) -> None:
    random = np.random.default_rng(5)
    for _ in range(200 * runs):
        a, b, c = random.random(3) * 10.0 ** random.integers(-300, 1, 3)
        rule = HeavyBall(ExponentialDecay(a, b, bool(random.integers(2))), c, weight_decay=a)
        assert to_rule(rule_text(rule)) == rule
        momenta = AggregatedMomentum(a, tuple(random.random(int(random.integers(1, 30)))))
        assert to_rule(rule_text(momenta)) == momenta


@pytest.mark.parametrize("form", ["velocity", "average"])
def test_what_convert_makes_comes_back(form: str) -> None:
    rule = convert(HeavyBall(ExponentialDecay(0.5, 0.9), 0.5, form="step"), form)
    assert to_rule(rule_text(rule)) == rule


def test_a_rule_of_nowhere_has_no_text() -> None:
    @dataclasses.dataclass(frozen=True)
    class Local(HeavyBall):
        pass

    @dataclasses.dataclass(frozen=True)
    class Mine(Constant):
        pass

    with pytest.raises(SpecError, match=r"the rule Local has no text: .* keep it in a file and name it file\.py:Local"):
        rule_text(Local())
    with pytest.raises(
        SpecError, match=r"the schedule Mine has no text: it is not one of layda's; allowed are constant"
    ):
        rule_text(HeavyBall(Mine(0.1)))


def test_a_rule_whose_text_would_be_too_long_has_none() -> None:
    rule = AggregatedMomentum(momenta=(0.5,) * 600)
    with pytest.raises(SpecError, match=r"the text has \d+ characters; allowed are at most 2000"):
        rule_text(rule)
