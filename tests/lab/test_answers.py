"""What the page asks is answered with data or with a sentence, whatever it asks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda.diagnosis.settings import changed
from layda.errors import SettingError, UnknownNameError
from layda.lab.answers import LONGEST_TEXT, answer
from layda.lab.scene import dumps, objective_data
from layda.lab.settings import choice_of, expressed, made, rule_named
from layda.lab.tour import tour
from layda.objective import from_function
from layda.objectives import classic, formula
from layda.rules import ALL, AdamW, AggregatedMomentum, HeavyBall
from layda.run import descend
from layda.schedules import ExponentialDecay, SutskeverMomentum
from layda.specs import to_objective

ADVICE: dict[str, Any] = {
    "ask": "advice", "objective": "rosenbrock", "rule": "heavy-ball", "word": "step",
    "numbers": {"learning_rate.initial": 0.1, "momentum": 0.8}, "start": [-1, 2], "steps": 300, "tolerance": 1e-6,
    "language": "en",
}  # fmt: skip


def sentence(reply: dict[str, Any]) -> str:
    assert set(reply) == {"error"}
    assert set(reply["error"]) == {"message", "position", "length"}
    text: str = reply["error"]["message"]
    assert text
    assert "\n" not in text
    return text


def asked(text: Any) -> dict[str, Any]:
    return answer({"ask": "objective", "text": text})


def test_a_formula_becomes_the_objective_of_a_scene() -> None:
    assert asked(" x^4 - 3x^2 + x/2")["objective"] == objective_data(formula("x^4 - 3x^2 + x/2"))
    assert asked("Six-hump camel")["objective"]["name"] == "six_hump_camel"


@pytest.mark.parametrize(
    ("text", "marked"), [("x^2 + foo(x)", "foo"), ("x +* 2", "*"), ("  x^2 + ", "+"), ("a𝑥", "𝑥"), ("x $ y", "$")]
)
def test_mistakes_are_marked_where_javascript_counts_them(text: str, marked: str) -> None:
    found = asked(text)["error"]
    units = text.encode("utf-16-le")[2 * found["position"] : 2 * (found["position"] + found["length"])]
    assert units.decode("utf-16-le").strip() == marked


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("evil.py:f", "opens no files"),
        ("C:\\evil.py:f", "opens no files"),
        ("my.csv", "opens no files"),
        ("../data/my.parquet:target=a", "opens no files"),
        ("wine", "is a table"),
        ("breast-cancer", "is a table"),
        ("x + y + z", "3 coordinates"),
        ("rosenbrok", "did you mean rosenbrock?"),
        ("", "empty"),
        ("  ", "empty"),
        ("x" * (LONGEST_TEXT + 1), "1001 characters"),
        ("7", "no coordinate"),
        ("/etc/passwd", "nothing before it"),
        ("\ud800", "U+D800"),
        (5, "a number"),
        (None, "missing"),
    ],
)
def test_what_is_no_formula_is_refused(text: Any, part: str) -> None:
    assert part in sentence(asked(text))


def test_no_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('run')\ndef f(x):\n    return x\n", encoding="utf-8")
    (tmp_path / "x").write_text("a,b\n1,2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    monkeypatch.setattr(Path, "is_file", lambda *_: pytest.fail("a file was looked for"))
    for text in ("evil.py:f", f"{tmp_path}/evil.py:f", "evil.py", "~/x.csv"):
        assert "opens no files" in sentence(asked(text))
    assert asked("x")["objective"]["coordinates"] == ["x"]


def test_objectives_of_the_host_are_known_by_name() -> None:
    def bowl(x: Any) -> Any:
        return x * x

    own = from_function(bowl)
    assert answer({"ask": "objective", "text": own.name}, [own])["objective"]["name"] == own.name
    assert "bowl" in sentence(asked("bowl"))


def test_advice_is_a_diagnosis_with_settings_to_apply() -> None:
    found = answer(ADVICE)["advice"]
    assert found["verdict"] == "diverged"
    remedy = found["findings"][0]["do"][0]
    applied = remedy["apply"]
    assert applied["word"] == "step"
    assert set(applied["numbers"]) == {"learning_rate.initial", "learning_rate.decay", "momentum"}
    again = answer({**ADVICE, "numbers": applied["numbers"], "start": applied["start"] or ADVICE["start"]})["advice"]
    assert again["verdict"] != "diverged"
    assert json.loads(dumps(found))


def test_advice_speaks_vietnamese() -> None:
    assert answer({**ADVICE, "language": "vi"})["advice"]["words"].startswith("bị văng")


def test_advice_is_about_the_very_run_of_the_page() -> None:
    found = answer({**ADVICE, "numbers": {"learning_rate.decay": 0.9}})["advice"]
    run = descend("rosenbrock", made(HeavyBall, "step", {"learning_rate.decay": 0.9}), start=[-1, 2], steps=300)
    assert (found["verdict"], found["own_gradients"]) == (run.verdict.kind, run.evaluations)


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"rule": "evil.py:Rule"}, "unknown rule"),
        ({"rule": "heavy ball"}, "did you mean heavy-ball?"),
        ({"rule": 3}, "a number"),
        ({"word": "sideways"}, "velocity, step, average"),
        ({"rule": "nesterov", "word": "step"}, "no choice"),
        ({"numbers": [1]}, "a list"),
        ({"numbers": {"learning_rate": 1.0}}, "learning_rate.initial"),
        ({"numbers": {"momentum": "0.9"}}, "a text"),
        ({"numbers": {"momentum": True}}, "true or false"),
        ({"numbers": {"momentum": 1.5}}, "from 0 to 1"),
        ({"numbers": {"momentum": math.nan}}, "not finite"),
        ({"numbers": {"learning_rate.initial": 10**400}}, "not finite"),
        ({"numbers": {"learning_rate.initial": -1}}, "learning_rate"),
        ({"numbers": {"learning_rate.decay": 2}}, "from 0 to 1"),
        ({"numbers": {str(number): 1 for number in range(51)}}, "at most 50"),
        ({"start": 1.0}, "a list"),
        ({"start": []}, "one number for each coordinate"),
        ({"start": [1.0]}, "2 coordinates"),
        ({"start": [1.0, math.inf]}, "not finite"),
        ({"start": [1.0, "2"]}, "a text"),
        ({"steps": 100_001}, "100000"),
        ({"steps": -1}, "whole number"),
        ({"steps": 1.5}, "whole number"),
        ({"steps": True}, "whole number"),
        ({"steps": 10**5000}, "very large"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"tolerance": None}, "missing"),
        ({"language": "tlh"}, "en, vi"),
        ({"objective": "evil.py:f"}, "opens no files"),
        ({"objective": "x+y+z"}, "3 coordinates"),
        ({"ask": "eval"}, "known: objective, advice"),
        ({"ask": ["objective"]}, "known: objective, advice"),
    ],
)
def test_every_part_of_a_question_is_checked(wrong: dict[str, Any], part: str) -> None:
    assert part in sentence(answer({**ADVICE, **wrong}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NEAR = st.fixed_dictionaries(
    {"ask": st.sampled_from(["objective", "advice"]) | JSON},
    optional={
        "text": st.text(alphabet="xyt+-*/^().,:0123456789 sincoepa", max_size=12) | JSON,
        "objective": st.sampled_from(["lecture", "x^2"]) | JSON,
        "rule": st.sampled_from([rule.name for rule in ALL]) | JSON,
        "word": st.just("") | JSON,
        "numbers": st.dictionaries(st.sampled_from(["momentum", "learning_rate.initial"]), JSON, max_size=2) | JSON,
        "start": st.lists(st.floats(), max_size=3) | JSON,
        "steps": st.integers(-1, 30) | JSON,
        "tolerance": st.floats() | JSON,
        "language": st.sampled_from(["en", "vi"]) | JSON,
    },
)


@given(JSON | NEAR)
def test_whatever_is_asked_gets_an_answer_that_json_can_carry(message: Any) -> None:
    found = answer(message)
    assert isinstance(found, dict)
    assert len(found) == 1
    json.loads(dumps(found).encode())


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_and_its_settings_on_the_page_are_the_same_run(rule: Any) -> None:
    for word in choice_of(rule)[1]:
        default = made(rule, word)
        found = expressed(default)
        assert found is not None
        assert made(rule, *found) == default
        plain = changed(default, rate=0.01) if word else rule()
        given = expressed(plain)
        assert given is not None
        one = descend("himmelblau", plain, steps=50)
        other = descend("himmelblau", made(rule, *given), steps=50)
        assert np.array_equal(one.positions, other.positions)
        assert one.verdict.kind == other.verdict.kind


@pytest.mark.parametrize(
    "rule",
    [
        HeavyBall(0.1, SutskeverMomentum()),
        HeavyBall(ExponentialDecay(0.1, 0.9, before_first_step=False)),
        HeavyBall(weight_decay=0.1),
        HeavyBall(restart="gradient"),
        AggregatedMomentum(0.1, (0.0, 0.9)),
        AdamW(decoupled=False),
    ],
)
def test_what_the_page_cannot_set_is_not_expressed(rule: Any) -> None:
    assert expressed(rule) is None


def test_rules_of_the_page_are_named_to_the_letter() -> None:
    with pytest.raises(UnknownNameError, match="did you mean adam"):
        rule_named("adm")
    with pytest.raises(SettingError, match="allowed are velocity, step, average"):
        made(HeavyBall, "x")
    assert classic("himmelblau").dimension == 2


def test_the_tour_calls_good_what_arrives() -> None:
    """✓ ends in the best minimum, ✗ does not; chapter 7 is about the weights alone, and its budget is short."""
    for number, chapter in enumerate(tour()["en"], 1):
        for setting in chapter["settings"]:
            state = setting["state"]
            ends = [
                descend(
                    state["objective"], made(rule_named(ball["rule"]), ball["word"], ball["numbers"]),
                    start=state["start"], steps=state["steps"],
                ).verdict.kind
                for ball in state["balls"]
            ]  # fmt: skip
            if number != 7:
                assert ("converged" in ends) is setting["good"], (number, setting["name"], ends)


def test_a_function_of_ones_own_has_no_text_that_stands_for_it() -> None:
    assert objective_data(to_objective("himmelblau"))["spec"] == "himmelblau"
    assert objective_data(to_objective("x^2 + y"))["spec"] == "x^2 + y"
    assert objective_data(from_function(lambda x: x * x / 5, box=(-1, 1), start=(0.5,), name="g"))["spec"] is None
