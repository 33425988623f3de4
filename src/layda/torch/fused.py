"""The fused step: one call of a kernel for all tensors of a kind, over a table of where everything lies.

A :class:`Launch` is made when the optimizer's parameters, settings or gradients have changed their kind, and is used
again at every step after that. It looks anew at every step where parameters, slots and gradients lie, so nothing that
was moved, replaced or freed meanwhile is ever written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from layda.backends.elements import CLEAN, JOB, Array, ElementPass, finite, kernel
from layda.torch.places import Places
from layda.torch.plan import StepProgram
from layda.torch.shared import Cohort
from layda.torch.tensors import KEPT, arithmetic_dtype
from layda.torch.threads import WORTH_THREADS, spread

__all__ = ["Entry", "Launch", "kind_of_launch"]

_LARGEST, _SMALLEST = 1 << 18, 1 << 14  # elements of a unit of work
_COUNTER, _KEY, _FLAG = JOB.index("counter"), JOB.index("key"), JOB.index("flag")

# Autograd must know of it. (torch's public function first asks whether it was given one tensor: 0.15 µs.)
_touched = getattr(torch._C, "_increment_version", torch.autograd.graph.increment_version)


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
    task = ElementPass(program.parts.varying, arrays, program.parts.scalars, dtype)
    return task, entry.parameter.dtype, entry.sharded


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
        self._cohorts = list(cohorts)  # they own the memory that the table points to
        self._kernel, self._finite = kernel(task), finite(task.arrays[1].kept)
        self.stochastic = any(array.stochastic for array in task.arrays)
        self._places = Places(entries, cohorts, extra=2)
        self.elements = sum(self._places.counts)
        self._few = self.elements < WORTH_THREADS
        self.find, self.watch = self._places.find, self._places.watch
        self._lay_out()

    def _lay_out(self) -> None:
        """The table, the units of work and the two jobs (step, and search for numbers that are not finite)."""
        table = self._places.table
        table[-2] = [cohort.scalars.ctypes.data for cohort in self._cohorts]
        table[-1] = [entry.number for entry in self.entries]
        units, bounds = _units(self._places.counts)
        words = {
            "batches": len(bounds) - 1, "bounds": bounds.ctypes.data, "units": units.ctypes.data,
            "count": len(self.entries),
        }  # fmt: skip
        self._owned, self._jobs, self._at = [units, bounds], list[Any](), list[int]()
        for first in (0, 1):  # the search looks at the gradients alone
            job = np.array([(words | {"columns": table[first].ctypes.data}).get(name, 0) for name in JOB], np.int64)
            self._owned.append(job)
            self._jobs.append(memoryview(job))  # type: ignore[arg-type]
            self._at.append(job.ctypes.data)

    def forget(self) -> None:
        """The step is not taken."""
        self._places.forget()

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
        if self._few and self._places.native:
            self._places.finish(self._kernel.address, self._at[0])
        else:
            spread(self._kernel, self._at[0], self.elements)
            self._places.forget()
        _touched(self.parameters)


def _units(counts: Sequence[int]) -> tuple[Any, Any]:
    """Units of work (row, first, last + 1), and where each batch of units begins.

    Threads take batches in turn. So that each walks through a part of the memory of its own, as far from the others' as
    may be, the batches are dealt out: with two threads, first of the one half and first of the other, and so on.
    """
    threads = torch.get_num_threads()
    size = min(_LARGEST, max(_SMALLEST, sum(counts) // (4 * threads) // 32 * 32))
    batches: list[list[tuple[int, int, int]]] = [[]]
    filled = 0
    for row, count in enumerate(counts):
        for first in range(0, count, size):
            last = min(first + size, count)
            batches[-1].append((row, first, last))
            filled += last - first
            if filled >= size:
                batches.append([])
                filled = 0
    dealt = _dealt([batch for batch in batches if batch], threads)
    bounds = np.cumsum([0, *map(len, dealt)])
    units = [unit for batch in dealt for unit in batch]
    return np.array(units, np.int64).reshape(-1, 3), bounds.astype(np.int64)


def _dealt(batches: list[Any], parts: int) -> list[Any]:
    """The first of every part, then the second of every part, …, where parts are as long as one another, or nearly.

    >>> _dealt([0, 1, 2, 3, 4, 5, 6], 2)
    [0, 4, 1, 5, 2, 6, 3]
    """
    long = -(-len(batches) // parts)
    return [batches[at] for offset in range(long) for at in range(offset, len(batches), max(1, long))]
