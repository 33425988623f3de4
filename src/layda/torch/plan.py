"""What a group's step is made of: the rule's program, whole for the readable twin and in two parts for the kernel."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

from layda.program import Graph, Program
from layda.program.parting import Parted, parted
from layda.rule import Stepper

__all__ = ["SCALE", "StepProgram", "step_program", "structure"]

SCALE = "inverse_scale"
"""The input by which gradients are multiplied, where a GradScaler has scaled them."""


class StepProgram:
    """A rule's step as a program, and in its two parts.

    Attributes:
        whole: from settings, t, position, gradient, slots, shared slots and schedules to the next ones.
        parts: the same as uniform and varying part.
        arrays: position, gradient and the slots: one number for each element.
    """

    def __init__(self, whole: Program, arrays: tuple[str, ...]) -> None:
        self.whole = whole
        self.arrays = arrays
        wanted = [name for name in whole.output_names if name not in arrays]
        self.parts: Parted = parted(whole, arrays)
        self.uniform_outputs = tuple(wanted)


def structure(stepper: Stepper, maximize: bool, scaled: bool) -> tuple[Any, ...]:
    """What decides the program: everything about a rule but the values of its numbers."""
    rule = stepper.rule
    rest = tuple(
        getattr(rule, field.name)
        for field in fields(rule)
        if field.metadata.get("constant") or isinstance(getattr(rule, field.name), str | bool)
    )
    return (type(rule), rule.slots, rest, tuple(stepper.numbers), stepper.schedule_names, maximize, scaled)


def step_program(stepper: Stepper, maximize: bool, scaled: bool) -> StepProgram:
    """The program of a group's step.

    Args:
        stepper: the rule.
        maximize: turn the gradient round first.
        scaled: multiply the gradient by the input :data:`SCALE` first.
    """
    return _step_program(stepper.program(), tuple(slot.name for slot in stepper.slots), maximize, scaled)


@lru_cache(maxsize=256)
def _step_program(program: Program, slots: tuple[str, ...], maximize: bool, scaled: bool) -> StepProgram:
    graph = Graph()
    lines: list[Any] = []
    for node in program.nodes:
        line = graph.repeat(node, lines)
        if node.op == "input" and node.value == "gradient":
            line = line * graph.input(SCALE) if scaled else line
            line = -line if maximize else line
        lines.append(line)
    inputs = (*program.inputs, SCALE) if scaled else program.inputs
    whole = graph.program(inputs, {name: lines[index] for name, index in program.outputs})
    return StepProgram(whole, ("position", "gradient", *slots))
