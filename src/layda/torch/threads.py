"""A kernel on all of torch's threads: through the OpenMP library that torch brings, so that both share one pool.

Where torch has no such library (or one without this entry), the kernel runs on threads of Python's, for big tensors.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

from layda.backends.elements import Kernel

__all__ = ["WORTH_THREADS", "spread"]

WORTH_THREADS = 1 << 15
"""Elements below which one thread is faster than waking others."""

_enough = WORTH_THREADS

_WORTH_PYTHON = 1 << 21  # likewise, where waking takes some 50 µs
_NAMES = ("libgomp*", "libomp*", "libiomp5*")


def _alone() -> None:
    """A forked child has none of its parent's threads, and both pools would wait for them for ever."""
    global _enough
    _enough = sys.maxsize


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)


def spread(kernel: Kernel, job: int, elements: int) -> None:
    """Run a kernel on as many threads as torch would.

    Args:
        kernel: from :func:`layda.backends.elements.kernel`; its threads share the work among themselves.
        job: the address of the job.
        elements: how much there is to do.
    """
    if elements < _enough or (threads := torch.get_num_threads()) == 1:
        kernel.run(job)
        return
    start = _openmp()
    if start is not None:
        start(kernel.address, job, threads, 0)
    elif elements < _WORTH_PYTHON:
        kernel.run(job)
    else:
        others = [_pool().submit(kernel.run, job) for _ in range(threads - 1)]
        kernel.run(job)
        for other in others:
            other.result()


@cache
def _openmp() -> Callable[..., None] | None:
    """``GOMP_parallel(function, data, threads, flags)`` of the library that torch has loaded."""
    folder = Path(torch.__file__).parent / "lib"
    for path in (path for name in _NAMES for path in sorted(folder.glob(name))):
        try:
            function = ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):  # no library of this kind; the next may be
            continue
        function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        function.restype = None
        found: Callable[..., None] = function
        return found
    return None


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="layda")
