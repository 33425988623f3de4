"""The lab in a notebook: what it shows is in its traits, and it answers what the page asks."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

import layda
from layda.errors import MissingExtraError, SettingError, SpecError
from layda.lab import widget
from layda.lab.page import minified, style
from tests.lab.pages import small_page


@pytest.fixture
def shown(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The widget's maker, with the small page."""
    pytest.importorskip("anywidget", reason="the extra [lab] is not installed")
    folder = small_page(tmp_path_factory.mktemp("page"))
    widget._class.cache_clear()
    monkeypatch.setattr(widget, "minified", lambda: minified(folder))
    monkeypatch.setattr(widget, "style", lambda: style(folder))
    yield layda.lab.Widget
    widget._class.cache_clear()


def test_what_it_shows_is_in_its_traits(shown: Any) -> None:
    made = shown("himmelblau", ["nesterov", "heavy-ball:form=step,momentum=0.5"], start=(1, -1), steps=50)
    state = made.get_state()
    assert state["state"] == made.state
    assert made.state["objective"] == made.scene["objectives"][0]["name"] == "himmelblau"
    assert (made.state["start"], made.state["steps"]) == ([1.0, -1.0], 50)
    assert [(one["rule"], one["word"]) for one in made.state["balls"]] == [("nesterov", ""), ("heavy-ball", "step")]
    assert made.state["balls"][1]["numbers"]["momentum"] == 0.5
    assert "export default{render}" in state["_esm"]
    assert "#lab" in state["_css"]
    json.dumps({name: state[name] for name in ("scene", "state", "result")}, allow_nan=False)


def test_what_the_page_sets_arrives(shown: Any) -> None:
    made = shown("x^2")
    heard: list[Any] = []
    made.observe(lambda change: heard.append(change["new"]), "result")
    result = {"balls": [{"verdict": "converged", "steps": 3, "position": [0.0], "value": 0.0}]}
    made.set_state({"result": result, "state": {**made.state, "steps": 7}})
    assert heard == [result]
    assert made.state["steps"] == 7


def test_questions_are_answered_by_their_number(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shown("x^2")
    sent: list[Any] = []
    monkeypatch.setattr(made, "send", lambda content, buffers=None: sent.append(content))
    try:
        for number in (7, "a"):
            made._handle_custom_msg({"id": number, "ask": "objective", "text": "x^^"}, [])
        for number in (None, True, [1], {}):
            made._handle_custom_msg({"id": number, "ask": "objective", "text": "x^^"}, [])
        made._handle_custom_msg("no message", [])
    finally:
        made.close()
    assert [one["id"] for one in sent] == [7, "a"]
    assert {one["error"]["position"] for one in sent} == {2}


def test_a_mistake_of_ours_is_a_sentence(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(message: Any) -> Any:
        raise widget.AnswerError("a sentence")

    made = shown("x^2")
    sent: list[Any] = []
    monkeypatch.setattr(made, "send", lambda content, buffers=None: sent.append(content))
    monkeypatch.setattr(made._worker, "ask", broken)
    made._handle_custom_msg({"id": 1}, [])
    assert sent == [{"id": 1, "error": {"message": "a sentence", "position": 0, "length": 0}}]


def test_what_cannot_be_shown_is_refused(shown: Any) -> None:
    with pytest.raises(SpecError, match="3 coordinates"):
        shown("sphere:dimension=3")
    with pytest.raises(SpecError, match="cannot be set on the page"):
        shown("x^2", [layda.rules.HeavyBall(restart="gradient")])
    with pytest.raises(SettingError, match="steps is -1"):
        shown("x^2", steps=-1)
    with pytest.raises(SettingError, match="1 coordinate"):
        shown("x^2", start=(1.0, 2.0))


def test_without_its_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    widget._class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtraError, match=r'"layda\[lab\]"'):
        layda.lab.Widget("x^2")
