"""A diagnosis in words, and as JSON data."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from layda.diagnosis.findings import Diagnosis, Finding, Outcome, Remedy, Sentence, shown, tell
from layda.diagnosis.words import describe
from layda.run.records import plain
from layda.schedules import Schedule
from layda.words import Say, later, speaker

__all__ = ["as_data", "lines", "report"]

_CHECKS = {
    "domain": later("domain"), "stability": later("stability"), "reach": later("reach"), "pace": later("pace"),
    "cycle": later("cycle"), "saddle": later("saddle"), "minimum": later("minimum"),
}  # fmt: skip
_SYMBOLS = {"learning_rate": "α", "momentum": "β", "beta1": "β₁", "decay": "δ"}


def report(found: Diagnosis, language: str = "en", width: int = 100) -> str:
    """The diagnosis as text.

    Args:
        found: the diagnosis.
        language: one of :data:`layda.words.LANGUAGES`.
        width: of a line, in characters.
    """
    say = speaker(language)
    head = f"{found.label}: {describe(found.run, notes=False, language=language)}"
    parts = [textwrap.fill(head, max(width, 40), break_long_words=False, break_on_hyphens=False)]
    for head, text in lines(found, say):
        indent = "  " + (f"{head}  " if head else "")
        parts.append(
            textwrap.fill(text, max(width, 40), initial_indent=indent, subsequent_indent=" " * len(indent),
                          break_long_words=False, break_on_hyphens=False)
        )  # fmt: skip
    return "\n".join(parts)


def lines(found: Diagnosis, say: Say) -> list[tuple[str, str]]:
    """What a diagnosis says, line by line: (head, text); the heads are of one width."""
    told: list[tuple[str, str]] = []
    for finding in found.findings:
        told += _finding(found, finding, say)
    if found.healthy:
        names = ", ".join(say(_CHECKS.get(name, name)) for name in found.checks)
        told.append(("", say("No problems found by {count} checks: {names}.", count=len(found.checks), names=names)))
    told += [("", f"{note.spoken(say)}.") for note in found.notes]
    if not found.healthy and found.gradients > 0:
        times = shown(float(f"{found.gradients / max(found.own, 1):.2g}"))
        told.append(("", say("The examination took {times} times the gradients of the run.", times=times)))
    heads = {head for head, _ in told if head}
    widest = max(map(len, heads), default=0)
    return [(head.ljust(widest) if head else "", text) for head, text in told]


def _finding(found: Diagnosis, finding: Finding, say: Say) -> list[tuple[str, str]]:
    told = []
    if finding.seen:
        told.append((say("seen"), _joined(finding.seen, say)))
    if finding.means:
        told.append((say("means"), _joined(finding.means, say)))
    for remedy in finding.remedies:
        told.append((say("do"), _remedy(remedy, say)))
    if not finding.remedies:
        told.append((say("do"), say("nothing that was tried helps from this start")))
    return told


def _joined(sentences: tuple[Sentence, ...], say: Say) -> str:
    return "; ".join(sentence.spoken(say) for sentence in sentences)


def _remedy(remedy: Remedy, say: Say) -> str:
    parts = [f"{_SYMBOLS.get(name, name)} = {_value(value)}" for name, value in remedy.changes.items()]
    if remedy.start is not None:
        parts.append(say("start") + " = " + ", ".join(shown(x) for x in remedy.start[:4]) + (
            ", …" if len(remedy.start) > 4 else ""))  # fmt: skip
    if remedy.steps is not None:
        parts.append(say("{steps} steps", steps=remedy.steps))
    settings = ", ".join(parts) or say("the same settings")
    why = _joined(remedy.reasons, say)
    text = f"{settings} ({why})" if why else settings
    for name, (low, high) in remedy.windows.items():
        window = say("{name} may be {low} to {high}", name=_SYMBOLS.get(name, name), low=shown(low), high=shown(high))
        text += f"; {window}"
    return text + "; " + _outcome(remedy.outcome, say)


def _outcome(outcome: Outcome | None, say: Say) -> str:
    if outcome is None:
        return say("not tried to the end")
    return tell(
        later("tried: {verdict} after {steps} steps, f = {value}"), verdict=say(outcome.kind), steps=outcome.steps,
        value=outcome.value,
    ).spoken(say)  # fmt: skip


def _value(value: Any) -> str:
    return shown(value) if isinstance(value, float) else str(value)


def as_data(found: Diagnosis, language: str = "en") -> dict[str, Any]:
    """The diagnosis as JSON data, sentences in the language asked for."""
    say = speaker(language)
    return {
        "label": found.label,
        "verdict": found.kind,
        "words": describe(found.run, language=language),
        "checks": list(found.checks),
        "healthy": found.healthy,
        "findings": [
            {
                "check": finding.check,
                "seen": [_sentence(one, say) for one in finding.seen],
                "means": [_sentence(one, say) for one in finding.means],
                "do": [_remedy_data(remedy, say) for remedy in finding.remedies],
            }
            for finding in found.findings
        ],
        "notes": [_sentence(one, say) for one in found.notes],
        "gradients": plain(found.gradients),
        "own_gradients": found.own,
    }


def _sentence(sentence: Sentence, say: Say) -> dict[str, Any]:
    numbers = {name: value for name, value in sentence.numbers.items() if not isinstance(value, Sentence)}
    return {"text": sentence.spoken(say), "numbers": plain(numbers)}


def _remedy_data(remedy: Remedy, say: Say) -> dict[str, Any]:
    changed: Mapping[str, Any] = {
        name: str(value) if isinstance(value, Schedule) else plain(value) for name, value in remedy.changes.items()
    }
    outcome = remedy.outcome
    return {
        "text": _remedy(remedy, say),
        "rule": remedy.text,
        "changes": changed,
        "start": None if remedy.start is None else plain(remedy.start),
        "steps": remedy.steps,
        "because": [_sentence(one, say) for one in remedy.reasons],
        "windows": plain(remedy.windows),
        "tried": None if outcome is None else plain(vars(outcome)),
    }
