"""A rule's settings as the page turns them: one word and numbers by path <-> the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from layda.errors import SettingError, UnknownNameError, nearest
from layda.rule import Rule, Stepper
from layda.rules import ALL
from layda.schedules import ExponentialDecay, Schedule
from layda.settings import name_here, replaced

__all__ = ["choice_of", "expressed", "made", "rule_named"]


def rule_named(name: str) -> type[Rule]:
    """The rule of that name.

    Raises:
        UnknownNameError: there is none; no file is looked into.

    >>> rule_named("heavy-ball").__name__
    'HeavyBall'
    """
    for rule in ALL:
        if rule.name == name:
            return rule
    raise UnknownNameError(f"unknown rule {name[:60]!r}; {nearest(name[:60], [rule.name for rule in ALL])}")


def choice_of(rule: type[Rule]) -> tuple[str, tuple[str, ...]]:
    """The setting that is one of several words, and those words; ("", ("",)) where there is none.

    Args:
        rule: a rule's class.

    Raises:
        SettingError: it has more than one such setting.

    >>> choice_of(rule_named("heavy-ball"))
    ('form', ('velocity', 'step', 'average'))
    """
    shared = ("weight_decay", "decoupled", "restart")
    choices = {
        item.name: item.metadata["allowed"]
        for item in fields(rule)
        if item.name not in shared and item.metadata.get("allowed")
    }
    if len(choices) > 1:
        raise SettingError(f"{rule.name} has the choices {', '.join(choices)}; the page shows rules with at most one")
    return next(iter(choices.items()), ("", ("",)))


def made(rule: type[Rule], word: str = "", numbers: Mapping[str, float] | None = None) -> Rule:
    """The rule as the page runs it: with an exponentially decaying learning rate, whose δ = 1 damps nothing.

    Args:
        rule: a rule's class.
        word: one of its choice's words; "" for the first.
        numbers: path -> number, such as "learning_rate.decay"; those left out are the usual ones.

    Raises:
        SettingError: a word or a number that is not allowed. UnknownNameError: a path that the rule does not have.

    >>> made(rule_named("heavy-ball"), "step", {"learning_rate.initial": 0.5, "momentum": 0.8})
    HeavyBall(learning_rate=ExponentialDecay(initial=0.5, decay=1.0, before_first_step=True), momentum=0.8, form='step')
    """
    name, words = choice_of(rule)
    if word and word not in words:
        wanted = f"allowed are {', '.join(words)}" if name else "it has no choice of words; leave it empty"
        raise SettingError(f"{rule.name}: the word is {word[:60]!r}; {wanted}")
    plain: Any = rule
    usual = float(plain().learning_rate)
    first: Rule = plain(learning_rate=ExponentialDecay(usual, 1.0), **({name: word or words[0]} if name else {}))
    if not numbers:
        return first
    known = Stepper(first).numbers
    for path in numbers:
        if path not in known:
            raise UnknownNameError(f"{rule.name} has no setting {path[:60]!r}; {name_here(path[:60], known)}")
    turned = replaced(first, {path: float(value) for path, value in numbers.items()})
    # Made anew from the inside out, so that every number is checked against its range.
    checked: Rule = replace(turned, learning_rate=replace(turned.learning_rate))
    return checked


def expressed(rule: Rule) -> tuple[str, dict[str, float]] | None:
    """The word and the numbers with which :func:`made` gives this rule's path, bit for bit; ``None`` if none do.

    >>> from layda.rules import HeavyBall, Nesterov
    >>> expressed(HeavyBall(0.5, 0.8))
    ('velocity', {'learning_rate.initial': 0.5, 'learning_rate.decay': 1.0, 'momentum': 0.8})
    >>> expressed(HeavyBall(0.5, ExponentialDecay(0.9, 0.9))) is None
    True
    """
    if type(rule) not in ALL:
        return None
    name, _ = choice_of(type(rule))
    word = str(getattr(rule, name)) if name else ""
    rate = rule.learning_rate  # type: ignore[attr-defined]  # every rule has one
    plain: Any = rule
    # α·1 is α, so a rate that is never damped has the same bits.
    twin: Rule = rule if isinstance(rate, Schedule) else replace(plain, learning_rate=ExponentialDecay(rate, 1.0))
    numbers = {path: float(value) for path, value in Stepper(twin).numbers.items()}
    try:
        again = made(type(rule), word, numbers)
    except (SettingError, UnknownNameError):
        return None
    return (word, numbers) if again == twin else None
