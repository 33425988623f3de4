"""The learning rate and the momentum of any rule: read, and replaced by others, schedules included."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from layda.rule import Rule
from layda.schedules import ExponentialDecay, Schedule

__all__ = ["base_momentum", "base_rate", "changed", "decay_of", "momentum_name", "steady"]


def momentum_name(rule: Rule) -> str | None:
    """The setting that says how much of the past a rule keeps: its ``momentum``, or Adam's ``beta1``.

    >>> from layda.rules import Adam, GradientDescent
    >>> momentum_name(Adam()), momentum_name(GradientDescent())
    ('beta1', None)
    """
    names = {field.name for field in fields(rule)}
    return next((name for name in ("momentum", "beta1") if name in names), None)


def _base(value: Any) -> float:
    """The number itself; of a schedule the one that it starts from, or the largest that it reaches."""
    if not isinstance(value, Schedule):
        return float(value)
    initial = getattr(value, "initial", None)
    if isinstance(initial, float):
        return initial
    return max((float(end) for end in value.bounds()), default=float(value.values(1)[0]))


def base_rate(rule: Rule) -> float:
    """α, or the rate that its schedule starts from."""
    return _base(rule.learning_rate)  # type: ignore[attr-defined]  # every rule has one


def base_momentum(rule: Rule) -> float | None:
    """β, or what its schedule reaches; ``None`` for a rule without one."""
    name = momentum_name(rule)
    return None if name is None else _base(getattr(rule, name))


def decay_of(rule: Rule) -> float | None:
    """δ of an exponentially decaying rate; ``None`` for other rates."""
    rate = rule.learning_rate  # type: ignore[attr-defined]
    return rate.decay if isinstance(rate, ExponentialDecay) else None


def changed(rule: Rule, rate: float | None = None, momentum: float | None = None, decay: float | None = None) -> Rule:
    """The rule with another α, β or δ; a schedule of the rate stays and starts from the new α.

    >>> from layda.rules import HeavyBall
    >>> changed(HeavyBall(ExponentialDecay(0.5, 0.9), 0.9), rate=0.1, momentum=0.5)
    HeavyBall(learning_rate=ExponentialDecay(initial=0.1, decay=0.9, before_first_step=True), momentum=0.5,
    form='velocity')
    """
    values: dict[str, Any] = {}
    own = rule.learning_rate  # type: ignore[attr-defined]
    if decay is not None:
        before = own.before_first_step if isinstance(own, ExponentialDecay) else True
        start = base_rate(rule) if rate is None else rate
        values["learning_rate"] = ExponentialDecay(start, decay, before)
    elif rate is not None:
        values["learning_rate"] = replace(own, initial=rate) if hasattr(own, "initial") else rate
    name = momentum_name(rule)
    if momentum is not None and name is not None:
        values[name] = momentum
    return replace(rule, **values)


def steady(rule: Rule) -> Rule:
    """The rule with constant α and β in place of schedules."""
    values: dict[str, Any] = {}
    if isinstance(rule.learning_rate, Schedule):  # type: ignore[attr-defined]
        values["learning_rate"] = base_rate(rule)
    name = momentum_name(rule)
    if name is not None and isinstance(getattr(rule, name), Schedule):
        values[name] = base_momentum(rule)
    return replace(rule, **values) if values else rule
