"""Texts that are no rule: which words say so, and that nothing typed is ever run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layda.errors import LaydaError, SettingError, SpecError, UnknownNameError
from layda.rules import (
    Rule,
)
from layda.specs import to_rule


def refused(text: Any, kind: type[LaydaError], **options: Any) -> str:
    """The message, after the checks that every message must pass."""
    with pytest.raises(kind) as caught:
        to_rule(text, **options)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("hevy", UnknownNameError, "unknown rule 'hevy'; did you mean heavy-ball?"),
        ("HevyBall(0.1)", UnknownNameError, "unknown rule 'HevyBall'; did you mean heavy-ball?"),
        ("heavy-ball:momentun=0.9", UnknownNameError, "HeavyBall has no setting 'momentun'; did you mean momentum?"),
        ("heavy-ball:lr=0.1", UnknownNameError, "HeavyBall has no setting 'lr'; here it is called learning_rate"),
        ("heavy-ball:mu=0.9", UnknownNameError, "HeavyBall has no setting 'mu'; here it is called momentum"),
        ("heavy-ball:beta=0.9", UnknownNameError, "HeavyBall has no setting 'beta'; here it is called momentum"),
        ("heavy-ball:beta1=0.9", UnknownNameError, "HeavyBall has no setting 'beta1'; here it is called momentum"),
        ("heavy-ball:wd=0.1", UnknownNameError, "HeavyBall has no setting 'wd'; here it is called weight_decay"),
        ("adam:step-size=0.1", UnknownNameError, "Adam has no setting 'step_size'; here it is called learning_rate"),
        ("adam:momentum=0.9", UnknownNameError, "Adam has no setting 'momentum'; here it is called beta1"),
        ("adam:b1=0.9", UnknownNameError, "Adam has no setting 'b1'; here it is called beta1"),
        ("lion:betas=(0.9, 0.99)", UnknownNameError, "Lion has no setting 'betas'; here it is called beta1 and beta2"),
        ("aggregated-momentum:betas=(0, 0.9)", UnknownNameError,
         "AggregatedMomentum has no setting 'betas'; here it is called momenta"),
        ("heavy-ball:learning_rate=exponential(1, gamma=0.9)", UnknownNameError,
         "ExponentialDecay has no setting 'gamma'; here it is called decay"),
        ("heavy-ball:learning_rate=StepLR(1)", UnknownNameError, "unknown schedule 'StepLR'; here it is called step"),
        ("momentum", UnknownNameError, "unknown rule 'momentum'; here it is called heavy-ball"),
        ("NAG(0.1)", UnknownNameError, "unknown rule 'NAG'; here it is called nesterov"),
        ("HeavyBall(momentun=0.9)", UnknownNameError, "HeavyBall has no setting 'momentun'; did you mean momentum?"),
        ("heavy-ball:learning_rate=exponentail(1)", UnknownNameError,
         "unknown schedule 'exponentail'; did you mean exponential?"),
        ("heavy-ball:learning_rate=exponential(1, 0.9, dekay=1)", UnknownNameError,
         "ExponentialDecay has no setting 'dekay'; did you mean decay?"),
        ("heavy-ball:momentum=0.9,momentum=0.8", SpecError, "heavy-ball: momentum is given twice; give it once"),
        ("HeavyBall(0.1, learning_rate=0.2)", SpecError, "HeavyBall: learning_rate is given twice; give it once"),
        ("HeavyBall(momentum=0.1, momentum=0.2)", SpecError,
         "'HeavyBall(momentum=0.1, momentum=0.2)': momentum is given twice; give it once"),
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
    words = "heavy-ball HeavyBall SGD adam momentum lr 0.9 1e5 form step warmup exponential true None lambda in params"
    pieces = [*words.split(), *":=,()[]-_'\" \\*.#{}\nµ²", "learning_rate", "betas"]
    messages: list[str] = []
    for _ in range(3000 * runs):
        text = "".join(random.choice(pieces, int(random.integers(1, 14))))
        try:
            assert isinstance(to_rule(text, files=False), Rule)
        except LaydaError as error:
            messages.append(str(error))
    assert not [message for message in messages if "\n" in message]


def test_every_name_of_elsewhere_leads_to_one_that_exists() -> None:
    """A setting that was renamed here must not be advised any more."""
    from dataclasses import fields

    from layda.rules import ALL
    from layda.schedules import ALL as SCHEDULES
    from layda.settings import _ELSEWHERE as SETTINGS
    from layda.specs.rules import _ELSEWHERE as NAMES

    known = {field.name for cls in (*ALL, *SCHEDULES) for field in fields(cls)}
    advised = {part for names in SETTINGS.values() for name in names for part in name.split("+")}
    assert advised <= known
    assert set(NAMES.values()) <= {cls.name for cls in (*ALL, *SCHEDULES)}
