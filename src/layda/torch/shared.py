"""The slots of a rule that are one number for all elements of a tensor, such as Adam's β₁ᵗ.

Each lives in ``optimizer.state[parameter]`` as a tensor of one float64, and parameters that have taken the same steps
refer to the same one: they make a *cohort*, for which the uniform part of the step is reckoned once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from layda.backends import python
from layda.program import Program
from layda.program.parting import Parted
from layda.rule import Slot

__all__ = ["Cohort", "cohorts", "gather"]


def gather(slots: Sequence[Slot], state: dict[str, Any]) -> tuple[float, ...]:
    """The shared numbers of a parameter, as they are before its first step where there are none yet."""
    return tuple(float(state[slot.name]) if slot.name in state else float(slot.start) for slot in slots)


class Cohort:
    """Parameters of one group whose shared numbers are the same.

    Attributes:
        group: the group's index.
        values: the shared numbers, in the memory of the tensors that ``state`` holds.
        scalars: what the kernel reads of them: the uniform part's numbers, in the dtype that is computed in.
        constant: whether they stay as they are while the settings do.
        on_device: what the uniform part takes, where a GPU is to reckon it because some of it is there; or ``None``.
    """

    def __init__(self, group: int, slots: Sequence[Slot], values: Sequence[float], parts: Parted, dtype: str) -> None:
        self.group = group
        self.names = tuple(slot.name for slot in slots)
        self.values = np.array(values, np.float64)
        tensors = torch.from_numpy(self.values)
        self.tensors = {name: tensors[index] for index, name in enumerate(self.names)}
        self.scalars = np.zeros(max(1, len(parts.scalars)), dtype)
        self._at = [tensor.data_ptr() for tensor in self.tensors.values()]
        self._wanted = parts.scalars
        self._program: Program = parts.uniform.select((*parts.scalars, *self.names))
        self._inputs = {str(node.value) for node in self._program.nodes if node.op == "input"}
        self.constant = not self.names and "t" not in self._inputs
        self.on_device: Mapping[str, Any] | None = None
        self._after: list[float] = []

    def prepare(self, values: Mapping[str, Any]) -> None:
        """Reckon this step's numbers; nothing is kept of them until :meth:`advance`.

        Args:
            values: the settings, ``t``, the schedules' numbers and the gradient's scale.
        """
        known = {**values, **dict(zip(self.names, self.values.tolist(), strict=True))}
        found = python.evaluate(self._program, known)
        self.scalars[: len(self._wanted)] = [found[name] for name in self._wanted]
        self._after = [found[name] for name in self.names]

    def held_by(self, state: dict[str, Any]) -> bool:
        """Whether a parameter's state still refers to these very numbers: they may be replaced between steps."""
        return all(state.get(name) is tensor for name, tensor in self.tensors.items())

    def still(self) -> bool:
        """Whether the tensors' numbers are still these in memory."""
        return [tensor.data_ptr() for tensor in self.tensors.values()] == self._at

    def advance(self) -> None:
        """The step has been taken."""
        if self.names:
            self.values[:] = self._after


def cohorts(
    group: int,
    slots: Sequence[Slot],
    states: Sequence[dict[str, Any]],
    parts: Parted,
    dtype: str,
) -> list[Cohort]:
    """The cohort of every parameter, whose ``state`` refers to its tensors from now on."""
    known: dict[tuple[float, ...], Cohort] = {}
    found = []
    for state in states:
        values = gather(slots, state)
        if values not in known:
            known[values] = Cohort(group, slots, values, parts, dtype)
        state.update(known[values].tensors)
        found.append(known[values])
    return found
