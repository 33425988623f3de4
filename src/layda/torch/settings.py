"""Param groups: the settings of a rule as torch keeps them, a plain dict that schedulers and users change at will.

A group holds every field of the rule by its name, but the learning rate as ``lr`` and the pair (beta1, beta2) as
``betas``, because torch's schedulers know them so (:func:`layda.torch.names.keys_of`). A setting that follows one of
layda's schedules is a plain number there, too (that of the step that comes next), and the schedule stands beside it,
under ``schedules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from layda.errors import SettingError
from layda.rule import Rule, Stepper
from layda.schedules import Schedule
from layda.torch.names import keys_of, pair, unified

__all__ = ["GroupPlan", "begin_schedules", "number_in", "read_group", "settings_of", "split_schedules", "taken"]


def settings_of(rule: Rule) -> dict[str, Any]:
    """The fields of a rule as a group's settings.

    >>> from layda.rules import HeavyBall
    >>> settings_of(HeavyBall(0.1))
    {'weight_decay': 0.0, 'decoupled': False, 'lr': 0.1, 'momentum': 0.9, 'form': 'velocity'}
    """
    found: dict[str, Any] = {}
    for key, names in keys_of(type(rule)).items():
        values = tuple(getattr(rule, name) for name in names)
        found[key] = values if len(names) > 1 else values[0]
    return found


def taken(rule: Rule, given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """A new group's settings as a group holds them: beta1 and beta2 become ``betas``, each as usual where not given."""
    keys = keys_of(type(rule))
    found = unified(given, [name for names in keys.values() for name in names])
    for key, names in keys.items():
        if len(names) > 1 and any(name in found for name in names):
            values = zip(names, usual[key], strict=True)
            found[key] = tuple(found.pop(name, value) for name, value in values)
    return dict(usual) | found


def _fields_in(rule: Rule, group: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's fields as the group has them.

    Raises:
        SettingError: one is missing.
    """
    found: dict[str, Any] = {}
    for key, names in keys_of(type(rule)).items():
        if key not in group:
            raise SettingError(f"a param group has lost its setting {key!r}; put it back: group[{key!r}] = …")
        found |= dict(zip(names, pair(group[key]) if len(names) > 1 else (group[key],), strict=True))
    return found


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
    found = _fields_in(rule, group)
    tensors = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    for key in schedules:
        _check_untouched(key, group[key], group)
    if schedules:
        found = _fields_in(rule, {**group, **schedules})
    values = {name: number_in(value) for name, value in found.items()}
    if not isinstance(group["maximize"], bool):
        raise SettingError(f"maximize is {group['maximize']!r}; allowed are True and False")
    stepper = Stepper(replace(rule, **values))
    numbers = stepper.numbers | {name: tensor for name, tensor in tensors.items() if name in stepper.numbers}
    return GroupPlan(watched(rule, group), stepper, numbers, group["maximize"])


def watched(rule: Rule, group: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values that decide what a step does."""
    values = (group.get(name) for name in (*keys_of(type(rule)), "maximize", "differentiable"))
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
    for name in keys_of(type(rule)):
        value = group.get(name)
        if isinstance(value, Schedule) or (isinstance(value, tuple) and any(isinstance(v, Schedule) for v in value)):
            found[name] = value
    group.setdefault("steps", 0)
    if not found:
        return
    group["schedules"] = found
    group["scheduled"] = {}
    values = {name: number_in(value) for name, value in _fields_in(rule, group).items()}
    begin_schedules(Stepper(replace(rule, **values)), group)


def begin_schedules(stepper: Stepper, group: dict[str, Any]) -> None:
    """Write into the group where its schedules begin."""
    group["schedule_state"] = list(stepper.start(stepper.numbers, 0.0).schedules)
    show_scheduled(stepper, group)


def show_scheduled(stepper: Stepper, group: dict[str, Any]) -> None:
    """Write into the group what its scheduled settings are at the step that comes next."""
    now = stepper.resolved(stepper.numbers, float(group["steps"]), tuple(group["schedule_state"]))
    for name, value in settings_of(now).items():
        if name in group["schedules"]:
            group[name] = group["scheduled"][name] = value
