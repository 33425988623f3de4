"""Text <-> rules and schedules: what is read, what is refused with which words, and that nothing typed is ever run."""

from __future__ import annotations

import dataclasses
import inspect
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layda import rules, schedules
from layda.errors import FileError, LaydaError, SettingError, SpecError, UnknownNameError
from layda.rules import (
    Adam, AdamW, AggregatedMomentum, GradientDescent, HeavyBall, NAdam, Nesterov, Rule, ScheduleFreeSGD,
)  # fmt: skip
from layda.rules.convert import convert
from layda.schedules import (
    Constant, CosineDecay, ExponentialDecay, InverseTimeDecay, ODonoghueCandesMomentum, Schedule, StepDecay, Warmup,
)  # fmt: skip
from layda.specs import rule_text, to_rule

every_rule = pytest.mark.parametrize("cls", rules.ALL, ids=lambda cls: cls.name)
every_schedule = pytest.mark.parametrize("schedule", schedules.ALL, ids=lambda cls: cls.name)

MY_RULE = """
from dataclasses import dataclass
from layda.rules import HeavyBall, Rule
from layda.settings import hyperparameter

@dataclass(frozen=True)
class MyRule(Rule):
    learning_rate: float = hyperparameter(0.01, 0.0)
    share: float = hyperparameter(0.5, 0.0, 1.0)

    def step(self, position, gradient, state, ahead):
        return position - self.share * self.learning_rate * gradient, ()

@dataclass(frozen=True)
class Needy(MyRule):
    length: float = hyperparameter(kw_only=True)

class Bare(MyRule):
    pass

@dataclass(frozen=True)
class Stepless(Rule):
    learning_rate: float = 0.1

class Stranger:
    pass

ready = HeavyBall(0.25, 0.5)
number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "my rules.py"
    path.write_text(MY_RULE, encoding="utf-8")
    return str(path)


def refused(text: Any, kind: type[LaydaError], **options: Any) -> str:
    """The message, after the checks that every message must pass."""
    with pytest.raises(kind) as caught:
        to_rule(text, **options)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message
    assert len(message) < 500
    return message


# --- reading ------------------------------------------------------------------------------------------------------


@every_rule
def test_a_rule_is_read_by_every_spelling_of_its_name(cls: type[Rule]) -> None:
    kebab = cls.name
    for text in (kebab, kebab.upper(), kebab.replace("-", "_"), cls.__name__, cls.__name__.lower(), f" {kebab} ",
                 f"{cls.__name__}()", f"{kebab}()", f"layda.{cls.__name__}()", f"layda.rules.{cls.__name__}"):  # fmt: skip
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
        assert to_rule(str(rule)) == rule or not rule.decays_weights  # str leaves out what takes no part


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
        rule = HeavyBall(ExponentialDecay(-a * 0.0 + a, b, bool(random.integers(2))), c, weight_decay=a)
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


# --- torch.optim --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SGD(lr=0.1)", GradientDescent(0.1)),
        ("SGD()", GradientDescent(0.001)),
        ("sgd", GradientDescent(0.001)),
        ("sgd:lr=0.1,momentum=0.9", HeavyBall(0.1, 0.9, form="step")),
        ("SGD(0.1, momentum=0.9)", HeavyBall(0.1, 0.9, form="step")),
        ("SGD(params, lr=0.1)", GradientDescent(0.1)),
        ("torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)",
         HeavyBall(0.1, 0.9, form="step", weight_decay=1e-4)),
        ("SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)", Nesterov(0.1, 0.9, weight_decay=1e-4)),
        ("SGD(lr=0.1, dampening=0, maximize=False, foreach=None, fused=None, differentiable=False)",
         GradientDescent(0.1)),
        ("SGD(lr=ExponentialDecay(0.5, 0.9), momentum=0.9)", HeavyBall(ExponentialDecay(0.5, 0.9), 0.9, form="step")),
        ("optim.Adam()", Adam(0.001)),
        ("Adam(lr=0.1, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)", Adam(0.1, 0.8, 0.99, 1e-6, weight_decay=0.1)),
        ("adam(lr=0.1, amsgrad=False, capturable=False)", Adam(0.1)),
        ("Adam(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)", Adam(0.1, weight_decay=0.1, decoupled=True)),
        ("AdamW(lr=0.1)", AdamW(0.1, weight_decay=0.01)),
        ("torch.optim.AdamW(weight_decay=0)", AdamW(weight_decay=0.0)),
        ("NAdam(betas=(0.8, 0.9))", NAdam(0.002, 0.8, 0.9, momentum_decay=0.004)),
        ("torch.optim.NAdam(momentum_decay=0.01)", NAdam(0.002, momentum_decay=0.01)),
        ("Adam(0.1, beta1=0.5)", Adam(0.1, 0.5)),
    ],
)  # fmt: skip
def test_torch_style(text: str, rule: Rule) -> None:
    assert to_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "SGD(lr=0.1)",
        "SGD()",
        "SGD(lr=0.1, weight_decay=0.2)",
        "SGD(lr=0.1, momentum=0.9)",
        "SGD(lr=0.1, momentum=0.9, weight_decay=0.2)",
        "SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.2)",
        "Adam(lr=0.1)",
        "torch.optim.Adam()",
        "Adam(lr=0.1, betas=(0.5, 0.9), eps=0.01, weight_decay=0.2)",
        "Adam(lr=0.1, weight_decay=0.2, decoupled_weight_decay=True)",
        "torch.optim.AdamW()",
        "AdamW(lr=0.1, weight_decay=0.2)",
        "torch.optim.NAdam()",
        "NAdam(lr=0.1, betas=(0.5, 0.9), momentum_decay=0.1, weight_decay=0.2)",
        "NAdam(lr=0.1, weight_decay=0.2, decoupled_weight_decay=True)",
    ],
)
def test_torch_style_takes_torchs_steps(text: str) -> None:
    """The same gradients, twenty steps, in double precision."""
    torch = pytest.importorskip("torch")
    from layda.rule import Stepper

    call = text.split("(", 1)[1].removesuffix(")")
    name = text.split("(", 1)[0].removeprefix("torch.optim.")
    weight = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    keywords = eval(f"dict({call})", {"__builtins__": {}, "dict": dict})  # noqa: S307  # the list above
    optimizer = getattr(torch.optim, name)([weight], **keywords)
    stepper = Stepper(to_rule(text))
    position: Any = 1.0
    state = stepper.start(stepper.numbers, position)
    for t in range(20):
        gradient = float(np.cos(3.0 * t) + position)
        position, state = stepper.step(stepper.numbers, float(t), position, gradient, state)
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        assert position == pytest.approx(weight.item(), rel=1e-12, abs=1e-14)


def test_torchs_defaults_are_those_of_the_installed_torch() -> None:
    torch = pytest.importorskip("torch")
    from layda.specs.torch_style import _DEFAULTS, _IGNORED

    for name, ours in _DEFAULTS.items():
        parameters = inspect.signature(getattr(torch.optim, name)).parameters
        theirs = {key: value.default for key, value in parameters.items() if key != "params"}
        assert {key: theirs[key] for key in ours} == ours, name
        assert set(theirs) == set(ours) | (_IGNORED & set(theirs)), name


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("SGD(lr=0.1, dampening=0.5)", SpecError,
         "SGD: dampening=0.5 has no counterpart here; allowed is dampening=0.0; leave it out"),
        ("Adam(lr=0.1, amsgrad=True)", SpecError,
         "Adam: amsgrad=True has no counterpart here; allowed is amsgrad=False; leave it out"),
        ("SGD(lr=0.1, maximize=True)", SpecError,
         "SGD: maximize=True has no counterpart here; allowed is maximize=False; leave it out"),
        ("SGD(lr=0.1, nesterov=1)", SpecError, "SGD: nesterov is 1; allowed are True and False"),
        ("SGD(lr=0.1, nesterov=True)", SpecError,
         "SGD: nesterov=True with momentum=0 is refused by torch too; write momentum=0.9, for example"),
        ("SGD(lr=ExponentialDecay(), momentum=0.9, nesterov=True)", SpecError,
         "SGD: nesterov=True takes the same steps as a rule here only while lr and momentum are numbers; received a "
         "schedule; write nesterov:learning_rate=… for Nesterov's rule under a schedule"),
        ("SGD(lr=0.1, momentums=0.9)", UnknownNameError,
         "torch.optim.SGD has no option 'momentums'; did you mean momentum?"),
        ("SGD(0.1, 0.9)", SpecError,
         "SGD has 2 values without a name; allowed is one, the learning rate; write key=value"),
        ("SGD(0.1, lr=0.1)", SpecError, "SGD: lr is given twice; give it once"),
        ("Adam(betas=0.9)", SpecError, "Adam: betas is 0.9; allowed are two numbers; write betas=(0.9, 0.999)"),
        ("Adam(lr=0.1, beta1=0.9)", UnknownNameError, "torch.optim.Adam has no option 'beta1'; did you mean betas?"),
        ("torch.optim.Adamm()", UnknownNameError,
         "torch.optim's 'Adamm' is not known here; did you mean Adam or NAdam or AdamW?"),
        ("SGD(lr=-0.1)", SettingError, "GradientDescent: learning_rate is -0.1; allowed is a finite number, 0 or more"),
    ],
)  # fmt: skip
def test_torch_style_refused(text: str, kind: type[LaydaError], message: str) -> None:
    assert refused(text, kind) == message


# --- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("hevy", UnknownNameError, "unknown rule 'hevy'; did you mean heavy-ball?"),
        ("HevyBall(0.1)", UnknownNameError, "unknown rule 'HevyBall'; did you mean heavy-ball?"),
        ("heavy-ball:momentun=0.9", UnknownNameError, "HeavyBall has no setting 'momentun'; did you mean momentum?"),
        ("HeavyBall(momentun=0.9)", UnknownNameError, "HeavyBall has no setting 'momentun'; did you mean momentum?"),
        ("heavy-ball:learning_rate=exponentail(1)", UnknownNameError,
         "unknown schedule 'exponentail'; did you mean exponential?"),
        ("heavy-ball:learning_rate=exponential(1, 0.9, dekay=1)", UnknownNameError,
         "ExponentialDecay has no setting 'dekay'; did you mean decay?"),
        ("heavy-ball:momentum=0.9,momentum=0.8", SpecError, "heavy-ball: momentum is given twice; give it once"),
        ("HeavyBall(0.1, learning_rate=0.2)", SpecError, "HeavyBall: learning_rate is given twice; give it once"),
        ("HeavyBall(momentum=0.1, momentum=0.2)", SpecError,
         "'HeavyBall(momentum=0.1, momentum=0.2)' cannot be read; write a number, a word, (1, 2) or Name(key=value)"),
        ("heavy-ball:momentum", SpecError,
         "heavy-ball: 'momentum' is no setting; write key=value, several with commas between them"),
        ("heavy-ball:momentum=0.9,", SpecError,
         "heavy-ball: '' is no setting; write key=value, several with commas between them"),
        ("heavy-ball:momentum=", SpecError,
         "heavy-ball: 'momentum=' is no setting; write key=value, several with commas between them"),
        ("heavy-ball:", SpecError, "'heavy-ball:' ends with a colon; write key=value after it, or leave it out"),
        ("heavy-ball momentum=0.9", SpecError,
         "'heavy-ball momentum=0.9' is no rule; write a name such as heavy-ball, name:key=value or Name(key=value)"),
        ("HeavyBall(0.1", SpecError,
         "'HeavyBall(0.1' cannot be read; write a number, a word, (1, 2) or Name(key=value)"),
        ("HeavyBall(1, 2, step, 4)", SpecError,
         "HeavyBall has 4 values without a name; allowed are 3 (learning_rate, momentum, form); write key=value"),
        ("heavy-ball:momentum=(0.1", SpecError,
         "'(0.1' cannot be read; write a number, a word, (1, 2) or Name(key=value)"),
        ("heavy-ball:momentum=1+1", SpecError,
         "'1+1': '1+1' is not allowed; allowed are numbers, words, (1, 2) and Name(key=value); write out the value "
         "itself"),
        ("heavy-ball:decoupled=1", SpecError, "HeavyBall: decoupled is 1; allowed are true and false"),
        ("heavy-ball:learning_rate=exponential(constant(1))", SpecError,
         "ExponentialDecay: initial is a schedule; allowed is a number; write one"),
        ("heavy-ball:learning_rate=1e999", SpecError,
         "'1e999': the number '1e999' is too large; allowed is up to 1e300"),
        ("heavy-ball:momentum=1.5", SettingError,
         "HeavyBall: momentum is 1.5; allowed is a finite number from 0 to 1"),
        ("heavy-ball:momentum=-.5", SettingError,
         "HeavyBall: momentum is -0.5; allowed is a finite number from 0 to 1"),
        ("heavy-ball:momentum=nan", SettingError,
         "HeavyBall: momentum is nan; allowed is a finite number from 0 to 1"),
        ("heavy-ball:form=stop", SettingError,
         "HeavyBall: form is 'stop'; allowed are 'velocity', 'step', 'average' (did you mean step?)"),
        ("heavy-ball:momentum=high", SettingError,
         "HeavyBall: momentum is 'high' (str); allowed is a finite number from 0 to 1 or a schedule"),
        ("heavy-ball:momentum=(0.1, 0.2)", SettingError,
         "HeavyBall: momentum is (0.1, 0.2); allowed is one number or one schedule, not several"),
    ],
)  # fmt: skip
def test_refused(text: str, kind: type[LaydaError], message: str) -> None:
    assert refused(text, kind) == message


def test_empty_text_and_other_types_are_refused() -> None:
    assert refused(" ", SpecError).startswith("the rule is an empty text; known: gradient-descent, heavy-ball")
    assert refused(3, SpecError) == (
        "a rule is given as int; allowed are a rule, its class, or text; write heavy-ball:momentum=0.9, for example"
    )
    assert refused(None, SpecError).startswith("a rule is given as NoneType")
    assert refused(Rule, SpecError) == "Rule is a rule without step; every rule has one; write def step(…) in it"


HOSTILE = [
    "__import__('os').system('touch {mark}')",
    "__import__('os')",
    "heavy-ball:momentum=__import__('os').system('touch {mark}')",
    "heavy-ball:momentum=open('{mark}', 'w')",
    "HeavyBall(open('{mark}', 'w'))",
    "HeavyBall(0.1).__class__.__mro__",
    "HeavyBall.__subclasses__()",
    "heavy-ball:momentum=().__class__.__bases__[0]",
    "HeavyBall(lambda: 0)",
    "(lambda: open('{mark}', 'w'))()",
    "HeavyBall([open('{mark}', 'w') for x in (1,)])",
    "HeavyBall((x for x in (1,)))",
    "HeavyBall({{1: 2}})",
    "HeavyBall(x := 1)",
    "HeavyBall(*(0.1, 0.2))",
    "HeavyBall(**dict(momentum=1))",
    "HeavyBall(f'{{open(0)}}')",
    "HeavyBall(1 if open('{mark}', 'w') else 2)",
    "HeavyBall(9**9**9**9)",
    "heavy-ball:momentum=9**9**9**9",
    "heavy-ball:momentum=" + "9" * 1900,
    "heavy-ball:momentum=0x" + "f" * 1900,
    "heavy-ball:momentum=1e" + "9" * 1900,
    "HeavyBall(" + "(" * 900 + ")" * 900 + ")",
    "HeavyBall(" + "Warmup(1," * 150 + "1" + ")" * 150 + ")",
    "heavy-ball:momentum=" + "-" * 1900 + "1",
    "heavy-ball:momentum=" + "not " * 400 + "1",
    "heavy-ball:momentum=" + "1+" * 900 + "1",
    "heavy-ball:momentum=" + "a." * 900 + "a",
    "heavy-ball:momentum=" + "a-" * 900 + "1",
    "aggregated-momentum:momenta=(" + "0," * 950 + ")",
    "x" * 100_000,
    "x(" * 50_000,
    "heavy-ball:" + "a=1," * 25_000,
    "HeavyBall('" + "\\\\N{{DASH}}" * 3 + "')",
    "HeavyBall(b'1')",
    "HeavyBall(1j)",
    "HeavyBall(...)",
    "HeavyBall(os.environ)",
    "HeavyBall(getattr(1, 'real'))",
    "HeavyBall(exec('open({mark!r})'))",
    "heavy-ball\0:momentum=1",
    "heavy-ball:momentum=1\0",
    "heavy-ball:momentum=\ud800",
    "\ud800",
    "HeavyBall(0.1)\nimport os",
    "HeavyBall(0.1); import os",
    "heavy-ball:__class__=1",
    "\0.py:MyRule",
    "a" * 1900 + ".py:MyRule",
    "~nobody-of-that-name/x.py:MyRule",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:40]))
def test_hostile_texts_are_refused_quickly_and_do_nothing(text: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    filled = (
        text.replace("{mark!r}", repr(str(mark))).replace("{mark}", str(mark)).replace("{{", "{").replace("}}", "}")
    )
    environment = dict(os.environ)
    before = time.perf_counter()
    with pytest.raises(LaydaError) as caught:
        to_rule(filled)
    assert time.perf_counter() - before < 1.0
    assert not mark.exists()
    assert dict(os.environ) == environment
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2500


def test_random_texts_raise_nothing_but_errors_of_ours(runs: int) -> None:
    random = np.random.default_rng(7)
    pieces = ["heavy-ball", "HeavyBall", "SGD", "adam", ":", "=", ",", "(", ")", "[", "]", "momentum", "lr", "0.9", "-", "_",
              "1e5", "'", '"', " ", "\\", "form", "step", "warmup", "exponential", "true", "None", "*", "lambda", "\n", "µ",
              "²", ".", "#", "{", "}", "in", "learning_rate", "betas", "params"]  # fmt: skip
    for _ in range(3000 * runs):
        text = "".join(random.choice(pieces, int(random.integers(1, 14))))
        try:
            assert isinstance(to_rule(text, files=False), Rule)
        except LaydaError as error:
            assert "\n" not in str(error), text


# --- files --------------------------------------------------------------------------------------------------------


def test_a_rule_of_ones_own(file: str) -> None:
    rule = to_rule(f"{file}:MyRule")
    assert isinstance(rule, Rule)
    assert rule.name == "my-rule"
    assert to_rule(f" {file}:MyRule : share=0.25, learning_rate=exponential(0.5)") == dataclasses.replace(
        rule,
        share=0.25,
        learning_rate=ExponentialDecay(0.5),  # type: ignore[call-arg]
    )
    assert to_rule(f"{file}:ready") == HeavyBall(0.25, 0.5)
    assert to_rule(f"{file}:ready:form=step") == HeavyBall(0.25, 0.5, form="step")
    assert to_rule(f"{file}:HeavyBall") == HeavyBall()
    assert sorted(path.name for path in Path(file).parent.iterdir()) == ["my rules.py"]  # nothing is left behind


def test_a_rule_of_ones_own_comes_back(file: str) -> None:
    rule = to_rule(f"{file}:MyRule:share=0.25,learning_rate=exponential(0.5)")
    assert rule_text(rule).endswith(
        "my rules.py:MyRule:learning_rate=ExponentialDecay(initial=0.5, decay=0.99, before_first_step=True),share=0.25"
    )
    assert to_rule(rule_text(rule)) == rule


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "changing.py"
    for momentum in (0.25, 0.75):  # texts of one length within one second: a cached compilation would be stale
        path.write_text(f"from layda.rules import HeavyBall\nready = HeavyBall(0.1, {momentum})\n", encoding="utf-8")
        assert to_rule(f"{path}:ready") == HeavyBall(0.1, momentum)


def test_a_drives_letter_is_part_of_the_path() -> None:
    message = refused(r"C:\my rules\rules.py:MyRule:share=0.5", FileError)
    assert message == r"the Python file 'C:\\my rules\\rules.py' does not exist; check its name and folder"


@pytest.mark.parametrize(
    ("rest", "kind", "message"),
    [
        (":MyRul", UnknownNameError, "{file} has no 'MyRul'; did you mean MyRule?; write file.py:Name"),
        (":Stranger", SpecError,
         "{file}: Stranger is the class Stranger, which is no rule; allowed is a class that derives from "
         "layda.rules.Rule; derive it"),
        (":number", SpecError,
         "{file}: number is of type int, which is no rule; allowed is a class that derives from layda.rules.Rule; "
         "derive it"),
        (":Stepless", SpecError, "{file}: Stepless is a rule without step; every rule has one; write def step(…) in it"),
        (":Bare", SpecError, "{file}: Bare is no dataclass; every rule is one; write @dataclass(frozen=True) above it"),
        (":Needy", SpecError, "Needy needs length, which has no default; write length=…"),
        (":MyRule:shar=1", UnknownNameError, "MyRule has no setting 'shar'; did you mean share?"),
        (":ready:shar=1", UnknownNameError,
         "HeavyBall has no setting 'shar'; known: weight_decay, decoupled, learning_rate, momentum, form"),
        (":MyRule:share=2", SettingError, "MyRule: share is 2; allowed is a finite number from 0 to 1"),
    ],
)  # fmt: skip
def test_what_a_file_may_lack(file: str, rest: str, kind: type[LaydaError], message: str) -> None:
    assert refused(file + rest, kind) == message.format(file=repr(file))


def test_a_file_without_a_name_and_no_file(file: str, tmp_path: Path) -> None:
    for text in (file, file + ":", file + ": "):
        assert refused(text, SpecError).endswith("names a Python file but nothing in it; write file.py:Name")
    assert refused(file + ":MyRule:", SpecError).endswith(
        "ends with a colon; write key=value after it, or leave it out"
    )
    missing = str(tmp_path / "missing.py")
    assert refused(f"{missing}:MyRule", FileError) == (
        f"the Python file '{missing}' does not exist; check its name and folder"
    )
    assert refused(f"{tmp_path}.py:MyRule", FileError).endswith("does not exist; check its name and folder")
    assert refused(f"{file}:MyRule", SpecError, files=False).endswith(
        "names a Python file, which is not allowed here; name one of the rules"
    )


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("x = 1\ny = 1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("x = 1\n\ndef f(:\n", 3, "SyntaxError: "),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError: "),
        ("raise ValueError('two\\nlines')\n", 1, "ValueError: two lines"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("import no_module_of_that_name\n", 1, "ModuleNotFoundError: No module named 'no_module_of_that_name'"),
    ],
)
def test_a_file_that_fails(tmp_path: Path, content: str, line: int, words: str) -> None:
    path = tmp_path / "failing.py"
    path.write_text(content, encoding="utf-8")
    for _ in range(2):  # a failure leaves nothing behind
        message = refused(f"{path}:MyRule", SpecError)
        assert message.startswith(f"the Python file {path} fails at line {line} when it is run: {words}")
        assert message.endswith("; mend the file")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "binary.py"
    path.write_bytes(b"\x00\xff\xfe")
    assert "fails at line" in refused(f"{path}:MyRule", SpecError)
