"""What a launch asks of torch and of CUDA on one GPU: memory that both see, torch's current stream, kernels."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import torch

from layda.backends.elements_cuda import THREADS
from layda.errors import ComputationError, MissingExtraError

__all__ = ["Gpu", "available"]


class Gpu:
    """One GPU of torch's.

    Args:
        device: a CUDA device with its number, as tensors tell it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._index: int = device.index

    @property
    def processors(self) -> int:
        """How many blocks of threads run at the same time, at least."""
        return int(torch.cuda.get_device_properties(self._index).multi_processor_count)

    def capturing(self) -> bool:
        """Whether what is asked of the current stream goes into a CUDA graph."""
        with torch.cuda.device(self._index):
            return torch.cuda.is_current_stream_capturing()

    def stream(self) -> int:
        """The handle of torch's current stream."""
        return int(torch.cuda.current_stream(self._index).cuda_stream)

    def keep_until_done(self, tensor: torch.Tensor) -> None:
        """The current stream uses memory that was taken for another: it is free when both are done."""
        tensor.record_stream(torch.cuda.current_stream(self._index))

    def room(self, words: int) -> torch.Tensor:
        """So many words of 64 bits; of a graph's own memory while one is captured."""
        return torch.empty(words, dtype=torch.int64, device=self.device)

    def copy(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        """An array in the GPU's memory, there when this returns."""
        return torch.from_numpy(array).to(self.device)

    def send(self, array: np.ndarray[Any, Any], to: torch.Tensor) -> None:
        """Copy on the current stream, without waiting: the staging memory is torch's, used again when it is free."""
        with torch.cuda.device(self._index):
            to.copy_(torch.from_numpy(array).pin_memory(), non_blocking=True)

    def kernel(self, source: str, name: str) -> Any:
        """A kernel of a text."""
        from layda.backends.cuda import loaded

        with torch.cuda.device(self._index):
            return loaded(source, name, self._index)

    def start(self, kernel: Any, blocks: int, arguments: tuple[Any, ...]) -> None:
        """Start a kernel on the current stream, without waiting."""
        from layda.backends.cuda import start

        with torch.cuda.device(self._index):  # gives back torch's current device afterwards
            start(kernel, blocks, THREADS, self.stream(), self._index, arguments)


@cache
def available() -> bool:
    """Whether kernels for GPUs can be made; if not, it is said once."""
    from layda.backends.cuda import compiler_version

    if torch.version.hip is not None:
        reason = "this torch is made for AMD's GPUs, and kernels are made for NVIDIA's"
    else:
        try:
            compiler_version()
            return True
        except (MissingExtraError, ComputationError) as error:
            reason = str(error)
    warnings.warn(
        f"no kernels for GPUs: {reason}; steps of parameters there take the slower readable path",
        RuntimeWarning,
        stacklevel=2,
    )
    return False
