"""What a rule offers as its answer, as tensors beside the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from layda.program import Graph, Program
from layda.rule import State, Stepper
from layda.torch import eager
from layda.torch.rounding import kept
from layda.torch.settings import number_in, read_group
from layda.torch.tensors import arithmetic_dtype, elements

if TYPE_CHECKING:
    from layda.torch.optimizer import Optimizer

__all__ = ["answers"]


def answers(optimizer: Optimizer) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(view of a parameter's numbers, the answer) for every parameter whose answer is another point.

    A parameter that has taken no step yet is its own answer.
    """
    for group in optimizer.param_groups:
        plan = read_group(optimizer.rule, group)
        program = _program(plan.stepper)
        if program is None:
            continue
        carried = zip(plan.stepper.schedule_names, group.get("schedule_state", ()), strict=True)
        uniform = {name: number_in(value) for name, value in plan.numbers.items()} | dict(carried)
        uniform["t"] = float(group["steps"])
        slots = [slot.name for slot in plan.stepper.slots]
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if not all(name in state for name in slots):
                continue
            dtype = arithmetic_dtype(parameter.dtype)
            own = elements(parameter)
            values = uniform | {slot.name: float(state[slot.name]) for slot in plan.stepper.shared}
            values |= {name: elements(state[name]).to(dtype) for name in slots} | {"position": own.to(dtype)}
            yield own, kept(eager.evaluate(program, values, dtype)["answer"], own.dtype)


def _program(stepper: Stepper) -> Program | None:
    """From position and slots to the answer; ``None`` where the answer is the position."""
    graph = Graph()
    own, shared = ([slot.name for slot in part] for part in (stepper.slots, stepper.shared))
    names = (*stepper.numbers, "t", "position", *own, *shared, *stepper.schedule_names)
    values = {name: graph.input(name) for name in names}
    state = State(*(tuple(values[name] for name in part) for part in (own, shared, stepper.schedule_names)))
    answer = stepper.estimate(values, values["t"], values["position"], state)
    return None if answer is values["position"] else graph.program(names, {"answer": answer})
