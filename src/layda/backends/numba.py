"""The fast path for long runs: the very source of the plain path, compiled by Numba. Same text, same bits.

No fast-math flags: LLVM may then neither reorder nor contract. ``error_model="numpy"`` makes
1/0 infinite, as IEEE says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np

from layda.backends.source import loop_source
from layda.program.loop import Loop, LoopEnd, first_check

__all__ = ["compiled", "run"]


def _fused() -> Any:
    """a·b + c, rounded once: the processor's instruction, or the C library's function where it has none."""
    from numba.core import types
    from numba.extending import intrinsic

    def _fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fma(*arguments)

        return types.float64(types.float64, types.float64, types.float64), write

    return intrinsic(_fma)


@cache
def _helpers() -> dict[str, Any]:
    import numba

    inline = numba.njit(error_model="numpy", nogil=True, inline="always")

    @inline
    def _power_of_two(k: Any) -> Any:
        # By its bits: ldexp would be a call, and no loop around it vectorises.
        return np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)

    @inline
    def _scale(a: Any, k: Any) -> Any:
        if -2044.0 <= k <= 2044.0:
            half = np.floor(k * 0.5)
            return (a * _power_of_two(half)) * _power_of_two(k - half)
        return math.nan

    @inline
    def _bit(a: float, place: float) -> bool:
        return -(2.0**51) < a < 2.0**51 and (np.int64(a) >> np.int64(place)) & 1 != 0

    @inline
    def _exponent(x: Any) -> Any:
        return float((np.float64(x).view(np.int64) >> np.int64(52) & np.int64(0x7FF)) - np.int64(1023))

    return {
        "_sqrt": np.sqrt,
        "_floor": np.floor,
        "_scale": _scale,
        "_bit": _bit,
        "_exponent": _exponent,
        "_fma": _fused(),
        "_inf": math.inf,
        "_nan": math.nan,
    }


@lru_cache(maxsize=256)
def compiled(loop: Loop, keep: bool) -> Callable[..., Any]:
    """The loop as one native function of arrays (see :func:`layda.backends.source.loop_source`)."""
    import numba

    room = dict(_helpers())
    source = loop_source(loop, arrays=True, keep=keep)
    exec(compile(source, "<layda: printed loop>", "exec"), room)  # noqa: S102 - our own text, from a checked program
    signature = "UniTuple(int64, 2)(float64[::1], float64[::1], int64, int64, int64, int64, float64, float64[:, ::1])"
    function: Callable[..., Any] = numba.njit(signature, error_model="numpy", nogil=True)(room["run"])
    return function


def run(
    loop: Loop,
    state: Mapping[str, float],
    numbers: Mapping[str, float],
    *,
    first: int = 0,
    last: int,
    every: int = 0,
    tolerance: float = 0.0,
    keep: bool = True,
) -> LoopEnd:
    """Run a stretch of a loop; arguments as in :func:`layda.program.loop.run_readably`."""
    count, seen = len(loop.state), len(loop.observed)
    start = np.array([float(state[name]) for name in loop.state] + [0.0] * seen)
    fixed = np.array([float(numbers[name]) for name in loop.numbers])
    out = np.empty((last - first + 1 if keep else 0, len(loop.record)))
    code, step = compiled(loop, keep)(start, fixed, first, last, every, first_check(first, every), tolerance, out)
    return LoopEnd(
        int(code),
        int(step),
        dict(zip(loop.state, start[:count].tolist(), strict=True)),
        dict(zip(loop.observed, start[count:].tolist(), strict=True)),
        out[: step - first + 1] if keep else out,
    )
