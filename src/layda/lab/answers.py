"""What the page cannot work out itself: a typed formula as an objective, and the advice on a run.

A question is a JSON object, the answer is another. The same function answers the served page and the widget. Nothing
that is asked is evaluated, and no text names a file: objectives are classics and formulas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from layda.diagnosis import Diagnosis, Remedy, diagnose
from layda.diagnosis.report import as_data
from layda.errors import FormulaError, LaydaError, SettingError, SpecError, UnknownNameError, nearest
from layda.lab.scene import objective_data
from layda.lab.settings import expressed, made, rule_named
from layda.objective import TracedObjective
from layda.objectives import CLASSICS, classic, formula
from layda.run import Trajectory, descend
from layda.specs.text import plain_name
from layda.words import LANGUAGES

__all__ = ["LONGEST_TEXT", "MOST_STEPS", "answer", "error", "read_objective"]

LONGEST_TEXT = 1000
"""Characters of a typed formula."""

MOST_STEPS = 100_000
"""Steps of a run that advice is asked for."""

_MOST_NUMBERS = 50
_FILE = re.compile(r"\.py\b|\\|\.(csv|tsv|txt|parquet|pq|json|layda|npz?)\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([ _-][A-Za-z0-9]+)*")


def answer(message: Any, own: Sequence[TracedObjective] = ()) -> dict[str, Any]:
    """The answer to one question of the page.

    ``{"ask": "objective", "text": …}`` is answered by ``{"objective": …}`` as in a scene. ``{"ask": "advice",
    "objective": …, "rule": …, "word": …, "numbers": {path: number}, "start": […], "steps": …, "tolerance": …,
    "language": …}`` is answered by ``{"advice": …}``: the diagnosis as data, and for each remedy, as "apply", the
    settings of the page that follow it (``None`` where the page cannot express them).

    Args:
        message: the question, as JSON gives it. Whatever else it is, the answer says what is wrong with it.
        own: objectives of the host's own, known by their names.

    Returns:
        The answer, or ``{"error": {"message": …, "position": …, "length": …}}``. The place of a mistake in a typed
        text is counted in JavaScript's units; where nothing is to be marked, the length is 0.

    >>> answer({"ask": "objective", "text": "x^2 + "})["error"]
    {'message': "Nothing follows '+'. Write a number, a name or a parenthesis after it.", 'position': 4, 'length': 1}
    >>> answer({"ask": "objective", "text": "x^2 + 3y^2"})["objective"]["coordinates"]
    ['x', 'y']
    """
    try:
        if not isinstance(message, dict):
            raise SpecError(f"a question is {_kind(message)}; allowed is an object such as {{ask, text}}")
        asked = message.get("ask")
        if not isinstance(asked, str) or asked not in _ANSWERS:
            raise UnknownNameError(f"asked is {_shown(asked)}; known: {', '.join(_ANSWERS)}")
        return _ANSWERS[asked](message, own)
    except LaydaError as fault:
        return error(fault)


def error(fault: LaydaError | str) -> dict[str, Any]:
    """An answer that says what went wrong.

    >>> error("the server is busy")
    {'error': {'message': 'the server is busy', 'position': 0, 'length': 0}}
    """
    position = length = 0
    if isinstance(fault, FormulaError) and fault.text.strip():
        start = max(0, min(fault.position, len(fault.text)))
        position = _units(fault.text[:start])
        length = max(1, _units(fault.text[start : start + max(fault.length, 1)]))
    sentence = str(fault).split("\n")[0]
    # What was typed may hold half of a character, which no answer could carry.
    sentence = sentence.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"error": {"message": sentence, "position": position, "length": length}}


def _units(text: str) -> int:
    """How long JavaScript takes a text to be."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def read_objective(text: str, own: Sequence[TracedObjective] = ()) -> TracedObjective:
    """The classic of that name, one of the host's own objectives, or the formula that the text is. Opens no file.

    Args:
        text: what was typed.
        own: objectives that are known by their names.

    Raises:
        SpecError: a text too long or empty, a file, a table, more than two coordinates. FormulaError: no formula.

    >>> read_objective("Six-hump camel").name, read_objective("x^4 - 3x^2").dimension
    ('six_hump_camel', 1)
    """
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"the text has {len(text)} characters; allowed are at most {LONGEST_TEXT}; shorten it")
    for objective in own:
        if objective.name == text:
            return objective
    if not text.strip():
        raise SpecError("the objective is an empty text; write a classic's name, or a formula such as x^4 - 3x^2")
    return _typed(text)


@lru_cache(maxsize=64)
def _typed(text: str) -> TracedObjective:
    if _FILE.search(text):
        raise SpecError(
            "the page opens no files: a text that names one is refused; write a classic's name or a formula, or start "
            "the lab with the file: layda lab file.py:name"
        )
    found = _named(text.strip()) or formula(text)
    if found.dimension > 2:
        raise SpecError(
            f"{_shown(text.strip())} has {found.dimension} coordinates ({', '.join(found.coordinates[:6])}); the page "
            "shows functions of one or two; write a formula of x, or of x and y"
        )
    return found


def _named(text: str) -> TracedObjective | None:
    if not _NAME.fullmatch(text):
        return None
    for name in CLASSICS:
        if plain_name(name) == plain_name(text):
            return classic(name)
    if len(text) > 2:
        from layda.objectives.data import BUNDLED

        for name in BUNDLED:
            if plain_name(name) == plain_name(text):
                raise SpecError(f"{name} is a table; the page shows classics and formulas; write x^4 - 3x^2, say")
        close = nearest(text.lower().replace("-", "_"), CLASSICS)
        if len(text) > 3 and close.startswith("did you mean"):
            raise UnknownNameError(f"unknown objective {_shown(text)}; {close}")
    return None


def _objective(message: Mapping[str, Any], own: Sequence[TracedObjective]) -> dict[str, Any]:
    return {"objective": objective_data(read_objective(_text(message, "text"), own))}


def _advice(message: Mapping[str, Any], own: Sequence[TracedObjective]) -> dict[str, Any]:
    language = _text(message, "language", "en")
    if language not in LANGUAGES:
        raise UnknownNameError(f"language is {_shown(language)}; allowed are {', '.join(LANGUAGES)}")
    numbers = message.get("numbers", {})
    if not isinstance(numbers, dict) or len(numbers) > _MOST_NUMBERS:
        raise SettingError(f"numbers is {_kind(numbers)}; allowed is an object of at most {_MOST_NUMBERS} numbers")
    start = message.get("start")
    if not isinstance(start, list) or not 1 <= len(start) <= 2:
        raise SettingError(f"start is {_kind(start)}; allowed is a list of one number for each coordinate")
    steps = message.get("steps")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 0 <= steps <= MOST_STEPS:
        raise SettingError(f"steps is {_shown(steps)}; allowed is a whole number from 0 to {MOST_STEPS}")
    tolerance = _number("tolerance", message.get("tolerance"))
    if not 0.0 <= tolerance < 1.0:
        raise SettingError(f"tolerance is {tolerance:g}; allowed is a number from 0 (never stop early) up to 1")
    rule = made(
        rule_named(_text(message, "rule")),
        _text(message, "word", ""),
        {path: _number(str(path)[:60], value) for path, value in numbers.items()},
    )
    objective = read_objective(_text(message, "objective"), own)
    if rule.learning_rate.decay == 1.0:  # type: ignore[attr-defined]  # ``made`` gives every rule such a rate
        # The same bits, and no words about a decay that nobody asked for.
        rule = replace(rule, learning_rate=rule.learning_rate.initial)  # type: ignore[attr-defined, call-arg]
    run = descend(
        objective, rule, start=[_number("start", x) for x in start], steps=steps, tolerance=tolerance, label=rule.name
    )
    return {"advice": advice(diagnose(run), language)}


def advice(found: Diagnosis, language: str) -> dict[str, Any]:
    """The diagnosis as data, and what to set on the page to follow each remedy.

    Args:
        found: the diagnosis of a run.
        language: one of :data:`layda.words.LANGUAGES`.
    """
    data = as_data(found, language)
    for finding, told in zip(found.findings, data["findings"], strict=True):
        for remedy, shown in zip(finding.remedies, told["do"], strict=True):
            shown["apply"] = _apply(remedy, found.run)
    return data


def _apply(remedy: Remedy, run: Trajectory) -> dict[str, Any] | None:
    found = expressed(remedy.rule) if type(remedy.rule) is type(run.rule) else None
    if found is None or (remedy.steps or 0) > MOST_STEPS:
        return None
    word, numbers = found
    return {
        "numbers": numbers,
        "start": None if remedy.start is None else [float(x) for x in remedy.start],
        "steps": remedy.steps,
        "word": word or None,
    }


_ANSWERS: dict[str, Callable[[Mapping[str, Any], Sequence[TracedObjective]], dict[str, Any]]] = {
    "objective": _objective,
    "advice": _advice,
}


def _text(message: Mapping[str, Any], name: str, usual: str | None = None) -> str:
    found = message.get(name, usual)
    if not isinstance(found, str):
        raise SpecError(f"{name} is {_kind(found)}; allowed is a text")
    return found


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"{name} is {_kind(value)}; allowed is a finite number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SettingError(f"{name} is not finite; allowed is a finite number")
    return number


def _kind(value: Any) -> str:
    """A value by its kind alone, for it may be large."""
    kinds = {type(None): "missing", bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**15:
        return "a very large number"  # whose digits Python may even refuse to write
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else _kind(value)
