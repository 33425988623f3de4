"""Rules in a user's own Python file, ``file.py:MyRule``: read, read back, and what such a file may lack."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from layda.errors import FileError, LaydaError, SettingError, SpecError, UnknownNameError
from layda.rules import (
    HeavyBall,
    Rule,
)
from layda.schedules import (
    ExponentialDecay,
)
from layda.specs import rule_text, to_rule

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
        (":Stepless", SpecError,
         "{file}: Stepless is a rule without step; every rule has one; write def step(…) in it"),
        (":Bare", SpecError, "{file}: Bare is no dataclass; every rule is one; write @dataclass(frozen=True) above it"),
        (":Needy", SpecError, "Needy needs length, which has no default; write length=…"),
        (":MyRule:shar=1", UnknownNameError, "MyRule has no setting 'shar'; did you mean share or restart?"),
        (":ready:zzz=1", UnknownNameError,
         "HeavyBall has no setting 'zzz'; known: weight_decay, decoupled, restart, learning_rate, momentum, form"),
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
