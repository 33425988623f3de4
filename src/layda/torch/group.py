"""A param group as a step's plan knows it: its settings, read anew where they have changed, and its program."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import torch

from layda.torch.names import keys_of, refuse_names
from layda.torch.plan import SCALE, StepProgram, step_program, structure
from layda.torch.settings import GroupPlan, number_in, read_group, show_scheduled, watched
from layda.torch.tensors import is_on_gpu

if TYPE_CHECKING:
    from layda.torch.optimizer import Optimizer

__all__ = ["Group"]


class Group:
    """A param group as the plan knows it."""

    def __init__(self, optimizer: Optimizer, index: int, scaled: bool) -> None:
        self.group: dict[str, Any] = optimizer.param_groups[index]
        self.rule = optimizer.rule
        self.parameters = self.group["params"]
        self.count = len(self.parameters)
        refuse_names(self.rule, self.group)
        self._entries = len(self.group)  # another number of them: something was written that may be misspelt
        self.plan: GroupPlan = read_group(self.rule, self.group)
        self.scaled = scaled
        self.structure = structure(self.plan.stepper, self.plan.maximize, scaled)
        self.program: StepProgram = step_program(self.plan.stepper, self.plan.maximize, scaled)
        self._pick = itemgetter(*keys_of(type(self.rule)), "maximize", "differentiable")
        self._differentiable = self.group["differentiable"]
        self._scheduled_rate = "lr" in self.group.get("schedules", ())
        self._look_at_tensors()
        self.changed = False
        self.active = False

    def _look_at_tensors(self) -> None:
        """Tensors here are read at every step; one on a GPU is another setting only where it is another tensor."""
        seen = self.plan.seen
        inside = [item for value in seen for item in (value if isinstance(value, tuple) else (value,))]
        self._with_tensors = any(isinstance(value, torch.Tensor) and not is_on_gpu(value) for value in inside)
        self.on_gpu = any(map(is_on_gpu, inside))

    def fits(self, scaled: bool) -> bool:
        """Whether the list and the program are still these; new numbers are read. What the list holds others watch."""
        group = self.group
        if group["params"] is not self.parameters or scaled != self.scaled:
            return False
        if len(group) != self._entries:
            refuse_names(self.rule, group)
            self._entries = len(group)
        contested = self._scheduled_rate and "initial_lr" in group  # a scheduler of torch's has come: read_group tells
        if not self._with_tensors and not contested:
            try:
                if self._pick(group) == self.plan.seen:
                    return True
            except (KeyError, RuntimeError):  # a setting is missing, or a tensor of several numbers: read_group tells
                pass
        plan = read_group(self.rule, group)
        if structure(plan.stepper, plan.maximize, scaled) != self.structure:
            return False
        if group["differentiable"] is not self._differentiable:
            return False
        self.plan = plan
        self._look_at_tensors()
        self.changed = True
        return True

    def numbers(self, scale: float | None, on_gpu: bool = False) -> dict[str, Any]:
        """What the uniform part takes besides the shared slots; ``on_gpu``: what is on a GPU is left there."""
        stepper = self.plan.stepper
        found: dict[str, Any] = {
            name: value.to(torch.float64).reshape(()) if on_gpu and is_on_gpu(value) else number_in(value)
            for name, value in self.plan.numbers.items()
        }
        found["t"] = float(self.group["steps"])
        found |= dict(zip(stepper.schedule_names, self.group.get("schedule_state", ()), strict=True))
        if scale is not None:
            found[SCALE] = scale
        return found

    def advance(self) -> None:
        """The step has been taken."""
        group = self.group
        if "schedules" not in group:
            group["steps"] += 1
            return
        stepper, state = self.plan.stepper, tuple(group["schedule_state"])
        group["schedule_state"] = list(stepper.advance_schedules(stepper.numbers, float(group["steps"]), state))
        group["steps"] += 1
        show_scheduled(stepper, group)
        self.plan.seen = watched(self.rule, group)
        self.changed = True
