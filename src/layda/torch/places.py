"""Where the tensors of a launch lie: asked anew at every step, so nothing that was moved or freed is written to."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from layda.torch.finding import FITS, GONE, Finder, available
from layda.torch.tensors import alike, local

if TYPE_CHECKING:
    from layda.torch.fused import Entry

__all__ = ["Places"]

_place = torch.Tensor.data_ptr
_contiguous = torch.Tensor.is_contiguous
_stride = torch.Tensor.stride
_dtype = torch.Tensor.dtype.__get__  # type: ignore[attr-defined]
_local = attrgetter("_local_tensor")


class Places:
    """Parameters, slots and gradients of some entries.

    Args:
        entries: at least one; alike in dtype, and all sharded or none.

    Attributes:
        counts: real numbers in each parameter.
        table: rows of addresses of all entries: parameters, gradients (from :meth:`find`), then a row for each slot.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._parameters = [entry.parameter for entry in entries]
        self._states = [entry.state for entry in entries]
        self._names = entries[0].program.arrays[2:]
        self._sharded = entries[0].sharded
        here = [local(parameter) for parameter in self._parameters]
        self._complex = here[0].is_complex()
        self._dtypes = [tensor.dtype for tensor in here]
        self._dense = all(map(_contiguous, here))
        self._strides = [] if self._dense else list(map(_stride, here))
        self._ones = [index for index, tensor in enumerate(here) if tensor.numel() == 1]
        self.counts = [tensor.numel() * (2 if self._complex else 1) for tensor in here]
        self._written = [list(map(_place, here)), *(list(map(_place, self._slot(name))) for name in self._names)]
        self.table = np.array([self._written[0], [0] * len(here), *self._written[1:]], np.int64)
        self._held: Any = None
        askable = self._dense and not self._sharded and not self._complex and available()
        self._finder = Finder(self._parameters, self._states, self._names, self.table) if askable else None

    def _slot(self, name: str) -> list[torch.Tensor]:
        found = [state[name] for state in self._states]
        return list(map(_local, found)) if self._sharded else found

    def find(self) -> bool:
        """Look where the gradients lie, or lay out copies as the parameters are; False: something was moved."""
        if self._finder is not None:
            answer = self._finder.ask()
            if answer == GONE:
                return False
            if answer == FITS and not self._ones:
                self._held = None
                return True
        return self._find_readably()

    def _find_readably(self) -> bool:
        """The same in Python."""
        parameters = list(map(_local, self._parameters)) if self._sharded else self._parameters
        gradients: list[Any] = [parameter.grad for parameter in self._parameters]
        try:
            if self._sharded:
                gradients = list(map(_local, gradients))
            if list(map(_place, parameters)) != self._written[0]:
                return False
            for name, places in zip(self._names, self._written[1:], strict=True):
                if list(map(_place, self._slot(name))) != places:
                    return False
            found = list(map(_place, gradients))
            fits = self._fits(gradients)
        except (AttributeError, KeyError, RuntimeError, TypeError):
            return False  # a gradient or slot is missing, or of another kind: whoever looks next finds out
        self._held = None
        if not fits:
            self._held = [alike(gradient, tensor) for gradient, tensor in zip(gradients, parameters, strict=True)]
            found = list(map(_place, self._held))
        self.table[1] = found
        return True

    def _fits(self, gradients: list[torch.Tensor]) -> bool:
        """Whether the gradients lie in memory as the parameters do, in the same numbers."""
        if list(map(_dtype, gradients)) != self._dtypes or self._complex:
            return False
        if self._ones and any(gradients[index].is_neg() for index in self._ones):
            return False
        return all(map(_contiguous, gradients)) if self._dense else list(map(_stride, gradients)) == self._strides

    def forget(self) -> None:
        """The step was taken: copies of gradients are needed no more."""
        self._held = None
