"""An optimizer's state as plain data, and back: also from the states in :mod:`layda.torch.foreign`."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from layda.errors import SettingError
from layda.rule import Stepper
from layda.torch.common import check_run, gathered
from layda.torch.foreign import KNOWN, translation
from layda.torch.names import BETAS
from layda.torch.settings import begin_schedules, read_group
from layda.torch.tensors import new_slot

if TYPE_CHECKING:
    from layda.torch.optimizer import Optimizer

__all__ = ["make_slots", "only_slots_are_wanted", "saved", "settle", "translated"]


@dataclass(frozen=True)
class _Whole:
    """A parameter's slots on their way past torch's loading, which would cast them to the parameter's dtype."""

    slots: dict[str, Any]


def saved(optimizer: Optimizer, packed: Mapping[str, Any]) -> dict[str, Any]:
    """torch's state dict as plain data with tensors of its own."""
    groups = []
    for group in packed["param_groups"]:
        kept = {name: _own(value) for name, value in group.items()}
        if "schedules" in kept:  # to read only: they belong to the code that makes the optimizer
            kept["schedules"] = {name: repr(schedule) for name, schedule in kept["schedules"].items()}
        kept["run"] = dict(optimizer.defaults["run"])  # what is in force, whatever was written into the group
        groups.append(kept)
    state = {key: _own(slots) for key, slots in packed["state"].items()}
    return {**packed, "state": state, "param_groups": groups}


def _own(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: _own(item) for name, item in value.items()}
    return list(value) if isinstance(value, list) else value


def translated(optimizer: Optimizer, state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """A saved state as torch's loading takes it, with this optimizer's schedules; all that can be wrong is found here.

    Raises:
        SettingError: the state is another rule's, or of a run that this rule cannot continue.
    """
    groups, state = list(state_dict["param_groups"]), dict(state_dict["state"])
    sizes = [[len(group["params"]) for group in some] for some in (groups, optimizer.param_groups)]
    if sizes[0] != sizes[1]:
        return dict(state_dict)  # torch says what is wrong
    foreign = translation(optimizer, groups, state)
    if foreign is not None:
        groups, state = foreign
    found, ready = [], dict(state)
    for index, (group, present) in enumerate(zip(groups, optimizer.param_groups, strict=True)):
        if group.get("rule") != optimizer.rule.name:
            raise SettingError(
                f"the state is of {group.get('rule', 'an optimizer that is not layda’s')!r} (settings "
                f"{', '.join(sorted(str(key) for key in group if key != 'params'))}); allowed are states of "
                f"{optimizer.rule.name!r} and of {KNOWN}; load it into an optimizer of its own kind"
            )
        carried = len(group.get("schedule_state", ())), len(present.get("schedule_state", ()))
        if foreign is None and carried[0] != carried[1]:
            raise SettingError(
                f"group {index} carries {carried[0]} numbers of schedules in the state, and {carried[1]} here; allowed "
                "is the same number; make the optimizer with the schedules that it was saved with"
            )
        kept = dict(group)
        if "betas" in present and all(name in kept for name in BETAS):  # of versions that had them one by one
            kept["betas"] = tuple(kept.pop(name) for name in BETAS)
        for name in present:  # of versions that had a setting less
            if name not in kept and name not in ("params", "param_names"):
                kept[name] = present[name]
        check_run(kept["run"])
        if "schedules" in present:
            scheduled = present["schedules"]
            if foreign is not None:
                kept |= {name: present[name] for name in scheduled}
            kept |= {"schedules": scheduled, "scheduled": {name: kept[name] for name in scheduled}}
        else:
            kept = {name: value for name, value in kept.items() if name not in ("schedules", "scheduled")}
        stepper = read_group(optimizer.rule, kept).stepper
        if foreign is not None and "schedules" in kept:  # it knows nothing of them: they begin
            begin_schedules(stepper, kept)
        found.append(kept)
        for key, parameter in zip(group["params"], present["params"], strict=True):
            if isinstance(state.get(key), dict):  # else a hook's own, or nothing yet
                slots = {
                    name: _settled(optimizer, stepper, parameter, name, value) for name, value in state[key].items()
                }
                ready[key] = _Whole(slots)
    return {**state_dict, "state": ready, "param_groups": found}


def settle(optimizer: Optimizer) -> None:
    """After loading: every slot as it was made ready."""
    state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
    for key, slots in optimizer.state.items():
        state[key] = slots.slots if isinstance(slots, _Whole) else slots
    optimizer.state = state
    gathered(optimizer)


def _settled(optimizer: Optimizer, stepper: Stepper, parameter: torch.Tensor, name: str, value: Any) -> Any:
    """A slot in the dtype that this optimizer keeps it in, on the parameter's device; what is no slot as it is."""
    if not isinstance(value, torch.Tensor):
        return _own(value)
    for slot in stepper.slots:
        if slot.name == name:
            with torch.no_grad():
                fresh = new_slot(slot, parameter, optimizer.state_dtype)
                if fresh.shape != value.shape:
                    raise SettingError(
                        f"the slot {name!r} has shape {tuple(value.shape)} in the state, and its parameter "
                        f"{tuple(fresh.shape)}; allowed is the same shape; load the state of this very model"
                    )
                return fresh.copy_(value)
    if any(slot.name == name for slot in stepper.shared):
        return value.detach().to("cpu", torch.float64, copy=True)
    return value.detach().to(parameter.device if value.shape == parameter.shape else value.device, copy=True)


def only_slots_are_wanted(optimizer: Optimizer) -> bool:
    """Whether torch.distributed.checkpoint asks for the step, of which it wants nothing but that slots come to be.

    It takes that step with gradients of zeros at a learning rate of zero, before it saves or loads a state that has not
    begun. Of a step, time goes on, a schedule would be set aside, and y = (1 − β)z + βx may be rounded.
    """
    if any(not isinstance(group["lr"], float | torch.Tensor) or group["lr"] != 0.0 for group in optimizer.param_groups):
        return False
    frame = sys._getframe(2)  # whoever called step(), through torch's own wrapper
    for _ in range(4):
        if frame.f_code.co_name == "_init_optim_state":
            return bool(frame.f_globals.get("__name__") == "torch.distributed.checkpoint.state_dict")
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


def make_slots(optimizer: Optimizer) -> None:
    """The state as it is before the first step, for every parameter that has a gradient."""
    for group in optimizer.param_groups:
        stepper = read_group(optimizer.rule, group | group.get("scheduled", {})).stepper
        for parameter in group["params"]:
            if parameter.grad is not None:
                state = optimizer.state[parameter]
                with torch.no_grad():
                    state |= {slot.name: new_slot(slot, parameter, optimizer.state_dtype) for slot in stepper.slots}
                state |= {slot.name: torch.tensor(float(slot.start), dtype=torch.float64) for slot in stepper.shared}
