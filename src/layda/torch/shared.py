"""The slots of a rule that are one number for all elements of a tensor, such as Adam's β₁ᵗ.

Each lives in ``optimizer.state[parameter]`` as a tensor of one float64. Parameters that have taken the same steps make
a *cohort*: their tensors lie side by side in one array, and the uniform part of the step is reckoned once for all.
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
        values: (numbers, parameters): the shared numbers, in the memory of the tensors that the states hold, each
            parameter's its own, so that whoever resets one resets that one alone.
        scalars: what the kernel reads of them: the uniform part's numbers, in the dtype that is computed in.
        constant: whether they stay as they are while the settings do.
        on_device: what the uniform part takes, where a GPU is to reckon it because some of it is there; or ``None``.
    """

    def __init__(
        self, group: int, slots: Sequence[Slot], values: Sequence[float], states: Sequence[dict[str, Any]],
        parts: Parted, dtype: str,
    ) -> None:  # fmt: skip
        self.group = group
        self.names = tuple(slot.name for slot in slots)
        self.values = np.repeat(np.array(values, np.float64).reshape(-1, 1), len(states), axis=1)
        self._bytes = self.values.tobytes()
        self._tensors: dict[int, dict[str, torch.Tensor]] = {}
        self._at: dict[int, list[int]] = {}
        for column, state in enumerate(states):
            own = torch.from_numpy(self.values[:, column])
            tensors = {name: own[row] for row, name in enumerate(self.names)}
            state.update(tensors)
            self._tensors[id(state)] = tensors
            self._at[id(state)] = [tensor.data_ptr() for tensor in tensors.values()]
        self.scalars = np.zeros(max(1, len(parts.scalars)), dtype)
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
        found = python.evaluate(self._program, {**values, **self.numbers()})
        self.scalars[: len(self._wanted)] = [found[name] for name in self._wanted]
        self._after = [found[name] for name in self.names]

    def numbers(self) -> dict[str, float]:
        """The shared numbers by name."""
        return dict(zip(self.names, self.values[:, 0].tolist(), strict=True)) if self.names else {}

    def held_by(self, state: dict[str, Any]) -> bool:
        """Whether a parameter's state still refers to these very numbers: they may be replaced between steps."""
        own = self._tensors[id(state)]
        if any(state.get(name) is not tensor for name, tensor in own.items()):
            return False
        return [tensor.data_ptr() for tensor in own.values()] == self._at[id(state)]

    def still(self) -> bool:
        """Whether nobody has written into the numbers."""
        return self.values.tobytes() == self._bytes

    def advance(self) -> None:
        """The step has been taken."""
        if self.names:
            self.values[:] = np.array(self._after)[:, None]
            self._bytes = self.values.tobytes()


def cohorts(
    group: int,
    slots: Sequence[Slot],
    states: Sequence[dict[str, Any]],
    parts: Parted,
    dtype: str,
) -> list[Cohort]:
    """The cohort of every parameter, whose ``state`` refers to its tensors from now on."""
    values = [gather(slots, state) for state in states]
    together: dict[tuple[float, ...], list[dict[str, Any]]] = {}
    for own, state in zip(values, states, strict=True):
        together.setdefault(own, []).append(state)
    known = {own: Cohort(group, slots, own, part, parts, dtype) for own, part in together.items()}
    return [known[own] for own in values]
