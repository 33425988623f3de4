"""``layda tune``: what it prints, its data, and the line to paste."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from layda.cli import main
from layda.specs import to_rule
from layda.specs.rules import short_rule_text
from tests.cases import RULES, needs_tables


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def data(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(printed([*arguments, "--json"], capsys), parse_constant=pytest.fail)


@pytest.mark.parametrize("width", ["80", "200"])
def test_it_says_what_was_measured_what_theory_says_and_what_the_race_said(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed(["tune", "quadratic", "--rule", "heavy-ball"], capsys)
    for head in ("Measured", "Theory", "Race", "Recommended"):
        assert f"\n{head}" in text
    assert "1 to 100" in text
    assert "0.8182" in text
    body = text.rsplit("\n\n", 1)[0]
    assert max(len(line) for line in body.splitlines()) <= int(width)


def test_the_line_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(["tune", "x^4 - 3x^2 + x/2", "--start=-2", "--steps", "300"], capsys)
    words = shlex.split(text.strip().splitlines()[-1])
    assert words[:3] == ["layda", "race", "x^4 - 3x^2 + x/2"]
    found = data(words[1:], capsys)
    assert found["start"] == [-2.0]
    assert found["runs"][0]["verdict"] == "converged"


def test_data(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(["tune", "booth", "--rule", "nesterov"], capsys)
    assert found["measured"]["minimum"]["largest"] == pytest.approx(18.0)
    assert found["recommended"]["steps"] == found["candidates"][0]["steps"]
    assert to_rule(found["recommended"]["rule"]).name == "nesterov"
    assert found["command"].startswith("layda race booth")
    assert set(found["gradients"]) == {"curvature", "bottom", "race", "check"}


@needs_tables
def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(["tune", "iris", "--l2", "0.01", "--steps", "300"], capsys)
    assert "--l2 0.01" in found["command"]
    assert found["recommended"]["stays"]
    assert data(shlex.split(found["command"])[1:], capsys)["objective"] == "iris"


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_short_texts_make_the_rule_again(rule) -> None:
    assert to_rule(short_rule_text(rule)) == rule


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "x"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "f falls on and on" in captured.err
