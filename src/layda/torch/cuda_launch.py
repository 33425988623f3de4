"""The fused step on a GPU: one kernel for all tensors of a kind there, started on torch's current stream.

It waits for nothing. Addresses of gradients and the step's numbers are copied to the GPU when they have changed; where
a setting is a tensor on a GPU (``lr``), numbers are reckoned there, by torch: for rules without numbers that change at
every step. For the others it is read at every step, which waits for the GPU. Its range is checked when the step is
prepared. ``nonfinite="skip"`` and ``"raise"`` read one flag at every step, and so wait, too; ``"pass"`` does not.

In a **CUDA graph** the step of rules whose numbers stay (gradient descent, heavy ball, Nesterov, quasi-hyperbolic,
aggregated momentum, Lion, sign momentum) can be captured, with ``nonfinite="pass"`` and after a step outside. What it
was captured with stays: the gradients' addresses, settings that are numbers, the scale of a GradScaler. A setting that
is a tensor on the GPU is read at every replay. Stochastic rounding draws new bits at every replay, from a counter on
the GPU. ``steps`` in the param groups counts calls of ``step()``, not replays. Rules with numbers that change at every
step (Adam's powers of β, schedules, schedule-free's weights) are refused there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from layda.backends.elements import ElementPass
from layda.backends.elements_cuda import CLEAN_ROW, PLACED, finite_source, kernel_source, place_source, round_of
from layda.errors import SettingError
from layda.torch import eager
from layda.torch.fused import Entry
from layda.torch.gpu import Gpu
from layda.torch.places import Places
from layda.torch.shared import Cohort
from layda.torch.tensors import local

__all__ = ["CudaLaunch"]

_BLOCKS = 8  # for each processor: so many run there at the same time
_ROUNDS = 4  # that a block takes of a tensor, at most
_MOST_BLOCKS = 1 << 20

# What captured graphs read that is not their own. A graph may be replayed whenever its owner likes, so it stays.
_CAPTURED: list[Any] = []


class CudaLaunch:
    """Tensors of one kind on one GPU, for which one kernel is started; the twin of ``Launch``.

    Args:
        task: what the kernel does.
        entries: the tensors, at least one.
        cohorts: the cohort of each.
        gpu: where they are.

    Attributes:
        skip: a tensor of one int32 or float32 on the GPU, or ``None``. Where it is not zero when the kernels run, they
            change nothing: what a GradScaler found needs no wait for the GPU.

    Raises:
        SettingError: a CUDA graph is being captured.
        MissingExtraError: cuda-core is not installed.
        ComputationError: the kernel does not compile, or the GPU failed.
    """

    def __init__(
        self, task: ElementPass, entries: Sequence[Entry], cohorts: Sequence[Cohort], gpu: Gpu | None = None
    ) -> None:
        self._gpu = gpu = gpu or Gpu(local(entries[0].parameter).device)
        if gpu.capturing():
            raise SettingError(
                "a CUDA graph is being captured, and the step is not prepared (it is the first, or parameters, their "
                "kinds or settings have changed); take a step before the capture"
            )
        self.entries = tuple(entries)
        self.parameters = [entry.parameter for entry in entries]
        self.sharded = entries[0].sharded
        self.stochastic = any(array.stochastic for array in task.arrays)
        self.skip: torch.Tensor | None = None
        self._capturing = False
        self._places = Places(entries, cohorts)
        self.watch = self._places.watch
        self.elements = sum(self._places.counts)
        self._cohorts = list({id(cohort): cohort for cohort in cohorts}.values())
        parts = entries[0].program.parts
        self._uniform = parts.uniform.select(parts.scalars)
        self._wanted = parts.scalars
        self._changing = entries[0].program.uniform_outputs
        self._kernel = gpu.kernel(kernel_source(task), "take_step")
        self._finite = gpu.kernel(finite_source(task.arrays[1].kept), "look_for")
        self._place = gpu.kernel(place_source(), "place")
        self._lay_out(task, cohorts)

    def _lay_out(self, task: ElementPass, cohorts: Sequence[Cohort]) -> None:
        """The tables, in the GPU's memory and as they were last sent there."""
        gpu, written = self._gpu, task.program.output_names
        places = dict(zip(self.entries[0].program.arrays, self._places.table, strict=True))
        order = {id(cohort): index for index, cohort in enumerate(self._cohorts)}
        size = max(1, len(self._wanted))
        begins = [order[id(cohort)] * size for cohort in cohorts]
        numbers = [entry.number for entry in self.entries]
        kept = [places[array.name] for array in task.arrays if array.name in written]
        moving = [array.name for array in task.arrays if array.name not in written]
        self._columns = gpu.copy(np.array([*kept, begins, numbers], np.int64))
        units = _units(self._places.counts, round_of([array.kept for array in task.arrays]), gpu.processors)
        self._blocks, self._unit_count = min(len(units), _MOST_BLOCKS), np.int64(len(units))
        self._units = gpu.copy(units)
        self._now = np.array([places[name] for name in moving], np.int64)
        self._gradients = moving.index("gradient")
        self._sent = np.zeros_like(self._now)
        self._moving = gpu.copy(self._sent)
        self._numbers_now = np.zeros((len(self._cohorts), size), task.dtype)
        self._numbers_sent = self._numbers_now.copy()
        self._scalars = gpu.copy(self._numbers_now)
        self._flag = gpu.copy(np.array([CLEAN_ROW], np.int32))
        self._counter = gpu.copy(np.zeros(1, np.int32))
        self._streams = {gpu.stream()}
        # CUDA loads a kernel when it is first started, which it must not be within a graph.
        gpu.start(self._place, 1, (self._moving.data_ptr(), np.int64(0), *np.zeros(PLACED, np.uint64)))

    def find(self, parts: Mapping[int, torch.Tensor]) -> bool:
        """Look where everything lies; whether it is still what this launch was made for.

        Args:
            parts: gradients that stand for those of the parameters with this ``id``.

        Raises:
            SettingError: a CUDA graph is being captured, and the rule has numbers that change at every step.
        """
        self._capturing = self._gpu.capturing()
        if self._capturing and (self._changing or not all(cohort.constant for cohort in self._cohorts)):
            names = ", ".join(self._changing) or "t"
            raise SettingError(
                f"a CUDA graph is being captured, and the rule's step has numbers that change every time ({names}), "
                "which a replay would repeat; allowed there are rules without them and settings without schedules; "
                "take the step outside of the graph"
            )
        if not self._places.find(parts):
            return False
        self._now[self._gradients] = self._places.table[1]
        return True

    def forget(self) -> None:
        """The step is not taken."""
        self._places.forget()

    def first_not_finite(self) -> int | None:
        """The index of the first entry whose gradient has a number that is not finite; waits for the GPU.

        Raises:
            SettingError: a CUDA graph is being captured.
        """
        gpu = self._gpu
        if self._capturing:
            raise SettingError(
                "a CUDA graph is being captured, and nonfinite is not 'pass': whether a step is skipped is decided by "
                "the processor, which a replay does not ask; allowed there is nonfinite='pass'; make the optimizer "
                "with it"
            )
        if not self._blocks:
            return None
        self._send()
        self._flag.fill_(CLEAN_ROW)
        rows = len(self.entries)
        gradients = self._moving.data_ptr() + 8 * rows * self._gradients
        given = (gradients, self._units.data_ptr(), self._unit_count, self._flag.data_ptr(), self._skip_at())
        gpu.start(self._finite, self._blocks, given)
        row = int(self._flag.item())
        return None if row == CLEAN_ROW else row

    def run(self, key: int) -> None:
        """Start the step on the current stream.

        Args:
            key: of the random bits of stochastic rounding.
        """
        if self._blocks:
            if self._capturing:
                self._capture(key)
            else:
                self._send()
                self._start(self._moving, self._reckoned(self._scalars), key, 0)
        torch.autograd.graph.increment_version(self.parameters)
        self._places.forget()

    def _start(self, moving: torch.Tensor, scalars: torch.Tensor, key: int, counter: int) -> None:
        tables = (moving, self._columns, scalars, self._units)
        given = (*(table.data_ptr() for table in tables), self._unit_count, np.int64(len(self.entries)), np.int64(key))
        self._gpu.start(self._kernel, self._blocks, (*given, counter, self._skip_at()))

    def _skip_at(self) -> int:
        return 0 if self.skip is None else self.skip.data_ptr()

    def _send(self) -> None:
        """Gradients' addresses and the step's numbers, where they are others than those on the GPU."""
        gpu = self._gpu
        stream = gpu.stream()
        if stream not in self._streams:
            self._streams.add(stream)
            for tensor in (self._moving, self._columns, self._scalars, self._units, self._flag, self._counter):
                gpu.keep_until_done(tensor)
        if not np.array_equal(self._now, self._sent):
            gpu.send(self._now, self._moving)
            self._sent[:] = self._now
        for row, cohort in enumerate(self._cohorts):
            self._numbers_now[row] = cohort.scalars
        if self._numbers_now.tobytes() != self._numbers_sent.tobytes():  # NaN is like NaN, -0.0 unlike 0.0
            gpu.send(self._numbers_now, self._scalars)
            self._numbers_sent[:] = self._numbers_now

    def _reckoned(self, scalars: torch.Tensor) -> torch.Tensor:
        """Where settings are tensors on a GPU: the uniform part of the step, by torch's operations."""
        for row, cohort in enumerate(self._cohorts):
            if cohort.on_device is not None:
                found = eager.evaluate(self._uniform, cohort.on_device, torch.float64)
                for index, name in enumerate(self._wanted):
                    value = found[name]
                    if isinstance(value, torch.Tensor):
                        scalars[row, index].copy_(value)
                    else:
                        scalars[row, index].fill_(value)
        return scalars

    def _capture(self, key: int) -> None:
        """The step with tables of the graph's own, which later steps leave alone.

        Every replay writes these tables before it reads them, so the graph may use their memory again afterwards.
        """
        for row, cohort in enumerate(self._cohorts):
            self._numbers_now[row] = cohort.scalars
        moving, words = self._placed(self._now), self._placed(self._numbers_now)
        numbers = words.view(self._scalars.dtype)[: self._scalars.numel()].view(self._scalars.shape)
        counter = self._counter.data_ptr() if self.stochastic else 0
        self._start(moving, self._reckoned(numbers), key, counter)
        if self.stochastic:
            self._counter.add_(1)
        _CAPTURED.append((self._columns, self._units, self._counter, self.skip))

    def _placed(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        """The words of an array in memory of the graph's own, written by kernels: every replay writes them again."""
        data = array.tobytes()
        words = np.frombuffer(data + bytes(-len(data) % 8), np.uint64)
        room = self._gpu.room(len(words))
        for first in range(0, len(words), PLACED):
            part = words[first : first + PLACED]
            rest = np.zeros(PLACED - len(part), np.uint64)
            self._gpu.start(self._place, 1, (room.data_ptr() + 8 * first, np.int64(len(part)), *part, *rest))
        return room


def _units(counts: Sequence[int], step: int, processors: int) -> np.ndarray[Any, Any]:
    """Units of work (row, first, last + 1): a few rounds of a block each, fewer where there would be too few units."""
    rounds = max(1, min(_ROUNDS, sum(counts) // (processors * _BLOCKS * step)))
    size = rounds * step
    found = [
        (row, first, min(first + size, count)) for row, count in enumerate(counts) for first in range(0, count, size)
    ]
    return np.array(found, np.int64).reshape(-1, 3)
