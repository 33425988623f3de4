"""The fused step: one call of a kernel for all tensors of a kind, over a table of where everything lies.

A :class:`Launch` is made when the optimizer's parameters, settings or gradients have changed their kind, and is used
again at every step after that. It looks anew at every step where parameters, slots and gradients lie, so nothing that
was moved, replaced or freed meanwhile is ever written to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch

from layda.backends.elements import CLEAN, JOB, Array, ElementPass, finite, kernel
from layda.torch.finding import FITS, GONE, Finder, available
from layda.torch.plan import StepProgram
from layda.torch.shared import Cohort
from layda.torch.tensors import KEPT, alike, arithmetic_dtype, local
from layda.torch.threads import spread

__all__ = ["Entry", "Launch", "kind_of_launch"]

_LARGEST, _SMALLEST = 1 << 18, 1 << 14  # elements of a unit of work
_COUNTER, _KEY, _FLAG = JOB.index("counter"), JOB.index("key"), JOB.index("flag")

_touched = torch.autograd.graph.increment_version  # as autograd must know of it
_place = torch.Tensor.data_ptr
_contiguous = torch.Tensor.is_contiguous
_stride = torch.Tensor.stride
_shape = torch.Tensor.shape.__get__  # type: ignore[attr-defined]
_dtype = torch.Tensor.dtype.__get__  # type: ignore[attr-defined]
_local = attrgetter("_local_tensor")


@dataclass(frozen=True)
class Entry:
    """A parameter that takes part in the step.

    Attributes:
        parameter: the tensor.
        number: its number among all of the optimizer's.
        state: its slots by name.
        group: the index of its group.
        program: the group's step.
        sharded: whether this process holds a part of it.
    """

    parameter: torch.Tensor
    number: int
    state: dict[str, Any]
    group: int
    program: StepProgram
    sharded: bool


def kind_of_launch(entry: Entry, stochastic: bool) -> tuple[ElementPass, torch.dtype, bool]:
    """The kernel that an entry needs, its dtype, and whether it is sharded: entries alike in all share a launch."""
    kinds = {"position": entry.parameter.dtype, "gradient": entry.parameter.dtype}
    program = entry.program
    kinds |= {name: entry.state[name].dtype for name in program.arrays[2:]}
    arrays = tuple(
        Array(name, KEPT[kinds[name]], stochastic and name != "gradient" and kinds[name] is torch.bfloat16)
        for name in program.arrays
    )
    dtype = "float64" if arithmetic_dtype(entry.parameter.dtype) is torch.float64 else "float32"
    return (
        ElementPass(program.parts.varying, arrays, program.parts.scalars, dtype),
        entry.parameter.dtype,
        entry.sharded,
    )


class Launch:
    """Tensors of one kind, for which one kernel is called.

    Args:
        task: what the kernel does.
        entries: the tensors, at least one.
        cohorts: the cohort of each.
    """

    def __init__(self, task: ElementPass, entries: Sequence[Entry], cohorts: Sequence[Cohort]) -> None:
        self.entries = tuple(entries)
        self.parameters = [entry.parameter for entry in entries]
        self.sharded = entries[0].sharded
        self._states = [entry.state for entry in entries]
        self._cohorts = list(cohorts)  # they own the memory that the table points to
        self._kernel, self._finite = kernel(task), finite(task.arrays[1].kept)
        self._names = entries[0].program.arrays[2:]
        locals_ = [local(parameter) for parameter in self.parameters]
        self._dtypes = [parameter.dtype for parameter in locals_]
        self._shapes = list(map(_shape, locals_))
        self._dense = all(map(_contiguous, locals_))
        self._strides = [] if self._dense else list(map(_stride, locals_))
        self._ones = [index for index, tensor in enumerate(locals_) if tensor.numel() == 1]
        self._complex = locals_[0].is_complex()
        self._counts = [tensor.numel() * (2 if self._complex else 1) for tensor in locals_]
        self.elements = sum(self._counts)
        self._parameters_at = list(map(_place, locals_))
        self._slots_at = [list(map(_place, self._slot(name))) for name in self._names]
        self._slot_dtypes = [self._slot(name)[0].dtype for name in self._names]
        self._held: Any = None
        self.stochastic = any(array.stochastic for array in task.arrays)
        self._lay_out(task)
        askable = self._dense and not self.sharded and not self._complex and available()
        self._finder = (
            Finder(self.parameters, self._states, self._names, self._table, cohorts[0].names) if askable else None
        )

    def _slot(self, name: str) -> list[torch.Tensor]:
        found = [state[name] for state in self._states]
        return list(map(_local, found)) if self.sharded else found

    def _lay_out(self, task: ElementPass) -> None:
        """The table, the units of work and the two jobs (step, and search for numbers that are not finite)."""
        rows = len(self.entries)
        table = np.zeros((len(task.arrays) + 2, rows), np.int64)
        table[0] = self._parameters_at
        for column, places in enumerate(self._slots_at, 2):
            table[column] = places
        table[-2] = [cohort.scalars.ctypes.data for cohort in self._cohorts]
        table[-1] = [entry.number for entry in self.entries]
        units, bounds = _units(self._counts)
        words = {"batches": len(bounds) - 1, "bounds": bounds.ctypes.data, "units": units.ctypes.data, "count": rows}
        self._table, self._owned = table, [units, bounds]
        self._jobs, self._at = [], []
        for first in (0, 1):  # the search looks at the gradients alone
            job = np.array([(words | {"columns": table[first].ctypes.data}).get(name, 0) for name in JOB], np.int64)
            self._owned.append(job)
            self._jobs.append(memoryview(job))  # type: ignore[arg-type]
            self._at.append(job.ctypes.data)
        self._gradients_at = table[1]

    def find(self, parts: Mapping[int, torch.Tensor]) -> bool:
        """Look where everything lies; whether it is still what this launch was made for.

        Args:
            parts: gradients that stand for those of the parameters with this ``id``.
        """
        if self._finder is not None:
            answer = self._finder.ask()
            if answer == GONE:
                return False
            if answer == FITS and not self._ones:
                self._held = None
                return True
        return self._find_readably(parts)

    def _find_readably(self, parts: Mapping[int, torch.Tensor]) -> bool:
        """The same in Python."""
        parameters = list(map(_local, self.parameters)) if self.sharded else self.parameters
        gradients: list[Any] = [parameter.grad for parameter in self.parameters]
        try:
            if self.sharded:
                known = zip(self.parameters, gradients, strict=True)
                gradients = [parts[id(parameter)] if id(parameter) in parts else _local(g) for parameter, g in known]
            if list(map(_place, parameters)) != self._parameters_at or not self._alike(parameters):
                return False
            for name, places, kind in zip(self._names, self._slots_at, self._slot_dtypes, strict=True):
                slots = self._slot(name)
                if list(map(_place, slots)) != places or list(map(_shape, slots)) != self._shapes:
                    return False
                if any(slot.dtype is not kind for slot in slots):
                    return False
            if not all(cohort.held_by(state) for cohort, state in zip(self._cohorts, self._states, strict=True)):
                return False
            if list(map(_shape, gradients)) != self._shapes:
                return False
            places = list(map(_place, gradients))
            fits = self._fits(gradients)
        except (AttributeError, KeyError, RuntimeError, TypeError):
            return False  # a gradient or slot is missing, or of another kind: whoever makes the next launch finds out
        self._held = None
        if not fits:
            self._held = [alike(gradient, tensor) for gradient, tensor in zip(gradients, parameters, strict=True)]
            places = list(map(_place, self._held))
        self._gradients_at[:] = places
        return True

    def _alike(self, parameters: list[torch.Tensor]) -> bool:
        """Whether tensors lie in memory as the parameters did when the launch was made."""
        if list(map(_shape, parameters)) != self._shapes or list(map(_dtype, parameters)) != self._dtypes:
            return False
        return all(map(_contiguous, parameters)) if self._dense else list(map(_stride, parameters)) == self._strides

    def _fits(self, gradients: list[torch.Tensor]) -> bool:
        """Whether the gradients lie in memory as the parameters do, in the same numbers."""
        if list(map(_dtype, gradients)) != self._dtypes or self._complex:
            return False
        if self._ones and any(gradients[index].is_neg() for index in self._ones):
            return False
        return all(map(_contiguous, gradients)) if self._dense else list(map(_stride, gradients)) == self._strides

    def first_not_finite(self) -> int | None:
        """The index of the first entry whose gradient has a number that is not finite."""
        job = self._jobs[1]
        job[_COUNTER], job[_FLAG] = 0, CLEAN
        spread(self._finite, self._at[1], self.elements)
        row = job[_FLAG]
        return None if row == CLEAN else int(row)

    def run(self, key: int) -> None:
        """Take the step.

        Args:
            key: of the random bits of stochastic rounding.
        """
        job = self._jobs[0]
        job[_COUNTER] = 0
        if self.stochastic:
            job[_KEY] = key
        spread(self._kernel, self._at[0], self.elements)
        _touched(self.parameters)
        self._held = None


def _units(counts: Sequence[int]) -> tuple[Any, Any]:
    """Units of work (row, first, last + 1), and where each batch of units begins."""
    total = sum(counts)
    size = min(_LARGEST, max(_SMALLEST, total // (4 * torch.get_num_threads()) // 32 * 32))
    units: list[tuple[int, int, int]] = []
    bounds, filled = [0], 0
    for row, count in enumerate(counts):
        for first in range(0, count, size):
            last = min(first + size, count)
            units.append((row, first, last))
            filled += last - first
            if filled >= size:
                bounds.append(len(units))
                filled = 0
    if bounds[-1] != len(units):
        bounds.append(len(units))
    return np.array(units, np.int64).reshape(-1, 3), np.array(bounds, np.int64)
