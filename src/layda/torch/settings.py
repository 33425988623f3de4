"""Param groups: the settings of a rule as torch keeps them, a plain dict that schedulers and users change at will.

A group holds every field of the rule by its name, the learning rate as ``lr`` because torch's schedulers know it so. A
setting that follows one of layda's schedules is a plain number there, too (that of the step that comes next), and the
schedule stands beside it, under ``schedules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from layda.errors import SettingError
from layda.rule import Rule, Stepper
from layda.schedules import Schedule

__all__ = ["GroupPlan", "group_name", "number_in", "read_group", "settings_of", "split_schedules"]

_NOT_HERE = ("restart",)  # what one coordinate's step alone cannot do


def group_name(field: str) -> str:
    """How a group calls a field of the rule."""
    return "lr" if field == "learning_rate" else field


def settings_of(rule: Rule) -> dict[str, Any]:
    """The fields of a rule as a group's settings.

    >>> from layda.rules import HeavyBall
    >>> settings_of(HeavyBall(0.1))
    {'weight_decay': 0.0, 'decoupled': False, 'lr': 0.1, 'momentum': 0.9, 'form': 'velocity'}
    """
    return {group_name(field.name): getattr(rule, field.name) for field in fields(rule) if field.name not in _NOT_HERE}


def number_in(value: Any) -> Any:
    """A setting as a rule's own checks take it: a tensor of one element as a number."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise SettingError(
                f"a setting is a tensor of shape {tuple(value.shape)}; allowed is a tensor of one element, or a number"
            )
        return float(value.detach())
    if isinstance(value, tuple | list):
        return tuple(number_in(item) for item in value)
    return value


@dataclass
class GroupPlan:
    """A group's settings, checked and ready for the step.

    Attributes:
        seen: the values that were read, to know whether any has changed.
        stepper: the rule with its schedules.
        numbers: path -> number, or a tensor of one element.
        maximize: whether the gradient is turned round.
    """

    seen: tuple[Any, ...]
    stepper: Stepper
    numbers: dict[str, Any]
    maximize: bool


def read_group(rule: Rule, group: Mapping[str, Any]) -> GroupPlan:
    """The rule with the group's settings.

    Raises:
        SettingError: a setting out of its range, not finite, or missing; one that follows a schedule of layda's and was
            changed by somebody else.
    """
    schedules: Mapping[str, Any] = group.get("schedules", {})
    values: dict[str, Any] = {}
    tensors: dict[str, torch.Tensor] = {}
    for field in fields(rule):
        if field.name in _NOT_HERE:
            continue
        name = group_name(field.name)
        if name not in group:
            raise SettingError(f"a param group has lost its setting {name!r}; put it back: group[{name!r}] = …")
        value = group[name]
        if name in schedules:
            _check_untouched(name, value, group)
            value = schedules[name]
        elif isinstance(value, torch.Tensor):
            tensors[field.name] = value
        values[field.name] = number_in(value)
    if not isinstance(group["maximize"], bool):
        raise SettingError(f"maximize is {group['maximize']!r}; allowed are True and False")
    stepper = Stepper(replace(rule, **values))
    numbers = stepper.numbers | {name: tensor for name, tensor in tensors.items() if name in stepper.numbers}
    return GroupPlan(watched(rule, group), stepper, numbers, group["maximize"])


def watched(rule: Rule, group: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values that decide what a step does."""
    names = [group_name(field.name) for field in fields(rule) if field.name not in _NOT_HERE]
    values = (group.get(name) for name in (*names, "maximize", "differentiable"))
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _check_untouched(name: str, value: Any, group: Mapping[str, Any]) -> None:
    """A schedule of layda's and one of torch's cannot both say what a setting is."""
    if value != group["scheduled"][name] or (name == "lr" and "initial_lr" in group):
        raise SettingError(
            f"{name} follows {group['schedules'][name]}, and something else sets it, too (received {value!r}): a "
            f"scheduler of torch's, or code that writes group[{name!r}]; allowed is one of the two; give {name} as a "
            "number and keep torch's scheduler, or leave that scheduler out"
        )


def split_schedules(rule: Rule, group: dict[str, Any]) -> None:
    """Put the schedules of a new group beside their settings, which become numbers.

    Raises:
        SettingError: a setting out of its range.
    """
    found: dict[str, Any] = {}
    for field in fields(rule):
        name = group_name(field.name)
        value = group.get(name)
        if isinstance(value, Schedule) or (isinstance(value, tuple) and any(isinstance(v, Schedule) for v in value)):
            found[name] = value
    group.setdefault("steps", 0)
    if not found:
        return
    group["schedules"] = found
    group["scheduled"] = {}
    values = {
        field.name: number_in(group[group_name(field.name)]) for field in fields(rule) if field.name not in _NOT_HERE
    }
    stepper = Stepper(replace(rule, **values))
    group["schedule_state"] = list(_initial(stepper))
    show_scheduled(stepper, group)


def _initial(stepper: Stepper) -> tuple[float, ...]:
    return stepper.start(stepper.numbers, 0.0).schedules


def show_scheduled(stepper: Stepper, group: dict[str, Any]) -> None:
    """Write into the group what its scheduled settings are at the step that comes next."""
    now = stepper.resolved(stepper.numbers, float(group["steps"]), tuple(group["schedule_state"]))
    for field in fields(now):
        name = group_name(field.name)
        if name in group["schedules"]:
            group[name] = getattr(now, field.name)
            group["scheduled"][name] = group[name]
