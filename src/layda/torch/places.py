"""Where the tensors of a launch lie: asked anew at every step, so nothing that was moved or freed is written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from layda.torch.finding import FITS, GONE, Finder, available
from layda.torch.tensors import alike, is_wrapper, local

if TYPE_CHECKING:
    from layda.torch.fused import Entry
    from layda.torch.shared import Cohort
    from layda.torch.watching import Watch

__all__ = ["Places"]

_place = torch.Tensor.data_ptr
_contiguous = torch.Tensor.is_contiguous
_stride = torch.Tensor.stride
_shape = torch.Tensor.shape.__get__  # type: ignore[attr-defined]
_dtype = torch.Tensor.dtype.__get__  # type: ignore[attr-defined]
_local = attrgetter("_local_tensor")


class Places:
    """Parameters, slots and gradients of some entries.

    Args:
        entries: at least one; alike in dtype, and all sharded or none.
        cohorts: the cohort of each.
        extra: rows of the table that the caller fills.

    Attributes:
        counts: real numbers in each parameter.
        copies: of gradients that lie in memory unlike their parameters.
        native: whether the last question was answered natively.
        table: rows of addresses of all entries: parameters, gradients (from :meth:`find`), then a row for each slot.
    """

    def __init__(self, entries: Sequence[Entry], cohorts: Sequence[Cohort], extra: int = 0) -> None:
        self.parameters = [entry.parameter for entry in entries]
        self._states = [entry.state for entry in entries]
        self._cohorts = list(cohorts)
        self._names = entries[0].program.arrays[2:]
        self._sharded = entries[0].sharded
        here = [local(parameter) for parameter in self.parameters]
        self._complex = here[0].is_complex()
        self._dtypes = list(map(_dtype, here))
        self._shapes = list(map(_shape, here))
        self._dense = all(map(_contiguous, here))
        self._strides = [] if self._dense else list(map(_stride, here))
        self._ones = [index for index, tensor in enumerate(here) if tensor.numel() == 1]
        self.counts = [tensor.numel() * (2 if self._complex else 1) for tensor in here]
        self._parameters_at = list(map(_place, here))
        self._slots_at = [list(map(_place, self._slot(name))) for name in self._names]
        self._slot_dtypes = [self._slot(name)[0].dtype for name in self._names]
        self.table = np.zeros((2 + len(self._names) + extra, len(here)), np.int64)
        self.table[0] = self._parameters_at
        for row, places in enumerate(self._slots_at, 2):
            self.table[row] = places
        self.copies: list[torch.Tensor] = []
        self.native = False
        self._gradients: list[torch.Tensor] = []
        askable = self._dense and not self._sharded and not self._complex and available()
        shared = cohorts[0].names
        self._finder = Finder(self.parameters, self._states, self._names, self.table, shared) if askable else None

    def _slot(self, name: str) -> list[torch.Tensor]:
        found = [state[name] for state in self._states]
        return list(map(_local, found)) if self._sharded else found

    def watch(self, watched: Watch) -> bool:
        """Have :meth:`find` ask that, too, where it asks natively; whether it does."""
        if self._finder is not None:
            self._finder.watch(watched)
        return self._finder is not None

    def find(self, parts: Mapping[int, torch.Tensor]) -> bool:
        """Look where everything lies; whether it is still what this was made for; False: it is not.

        Args:
            parts: gradients that stand for those of the parameters with this ``id``.
        """
        if self._finder is not None:
            answer = self._finder.ask()
            if answer == GONE:
                return False
            if answer == FITS and not self._ones:
                self.native = True
                return True
            self._finder.finish()
        self.native = False
        return self._find_readably(parts)

    def _find_readably(self, parts: Mapping[int, torch.Tensor]) -> bool:
        """The same in Python."""
        parameters = list(map(_local, self.parameters)) if self._sharded else self.parameters
        gradients: list[Any] = [parameter.grad for parameter in self.parameters]
        try:
            if self._sharded:
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
            if list(map(_shape, gradients)) != self._shapes or any(map(is_wrapper, gradients)):
                return False
            places = list(map(_place, gradients))
            fits = self._fits(gradients)
        except (AttributeError, KeyError, RuntimeError, TypeError):
            return False  # a gradient or slot is missing, or of another kind: whoever looks next finds out
        self.copies, self._gradients = [], gradients  # held until the step is over, whoever lets them go meanwhile
        if not fits:
            self.copies = [alike(gradient, tensor) for gradient, tensor in zip(gradients, parameters, strict=True)]
            places = list(map(_place, self.copies))
        self.table[1] = places
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

    def finish(self, kernel: int, job: int) -> None:
        """Run a kernel on what was found natively, and let the gradients go."""
        assert self._finder is not None
        self._finder.finish(kernel, job)

    def forget(self) -> None:
        """The step is over: gradients and copies of them are needed no more."""
        if self._finder is not None:
            self._finder.finish()
        self.copies, self._gradients = [], []
