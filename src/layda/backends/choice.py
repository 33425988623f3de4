"""Which backend runs a loop: by name, or by the work that there is to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from layda.backends import numba as _numba
from layda.backends import numpy as _numpy
from layda.backends import python as _python
from layda.errors import SettingError, nearest
from layda.program.loop import Loop, LoopEnd, run_readably

__all__ = ["BACKENDS", "run_loop"]

BACKENDS: dict[str, Callable[..., LoopEnd]] = {
    "python": _python.run,
    "numba": _numba.run,
    "numpy": _numpy.run,
    "readable": run_readably,
}
"""The backends by name; all give the same bits."""

# Plain Python does about 3e7 elementary operations a second; importing Numba and compiling takes about a second.
_WORTH_COMPILING = 4e7


def run_loop(
    loop: Loop,
    state: Mapping[str, float],
    numbers: Mapping[str, float],
    *,
    backend: str = "auto",
    first: int = 0,
    last: int,
    every: int = 0,
    tolerance: float = 0.0,
    keep: bool = True,
) -> LoopEnd:
    """Run a stretch of a loop on a backend; "auto" compiles when the work is worth it.

    Raises:
        SettingError: no backend of that name.
    """
    if backend == "auto":
        backend = "numba" if (last - first) * loop.operation_count > _WORTH_COMPILING else "python"
    if backend not in BACKENDS:
        raise SettingError(
            f"backend is {backend!r}; allowed are 'auto', {', '.join(map(repr, BACKENDS))} "
            f"({nearest(backend, BACKENDS)})"
        )
    return BACKENDS[backend](loop, state, numbers, first=first, last=last, every=every, tolerance=tolerance, keep=keep)
