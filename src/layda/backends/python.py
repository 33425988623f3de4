"""The plain path: the printed Python source, run as it is. It starts at once, so short runs take it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from layda.backends.source import loop_source, program_source
from layda.program import Program
from layda.program.arithmetic import arithmetic, lowered_form
from layda.program.loop import Loop, LoopEnd, first_check

__all__ = ["evaluate", "run"]

_SAFE = arithmetic("float").elementary


def _raw_floor(x: float) -> float:
    return float(math.floor(x)) if x != 0.0 else x


_RAW = {
    "_sqrt": math.sqrt,
    "_floor": _raw_floor,
    "_scale": _SAFE["scale"],
    "_bit": _SAFE["bit"],
    "_exponent": _SAFE["exponent"],
    "_fma": _SAFE["fma"],
    "_inf": math.inf,
    "_nan": math.nan,
}
_CAREFUL = _RAW | {"_sqrt": _SAFE["sqrt"], "_floor": _SAFE["floor"], "_div": _SAFE["div"]}


@lru_cache(maxsize=256)
def _function(loop: Loop, keep: bool, safe: bool) -> Callable[..., Any]:
    source = loop_source(loop, arrays=False, keep=keep, safe=safe)
    room: dict[str, Any] = dict(_CAREFUL if safe else _RAW)
    exec(compile(source, "<layda: printed loop>", "exec"), room)  # noqa: S102 - our own text, from a checked program
    function: Callable[..., Any] = room["run"]
    return function


def evaluate(program: Program, values: Mapping[str, float]) -> dict[str, Any]:
    """What ``program.evaluate(values)`` gives for floats, to the bit, from printed text: for what is asked often.

    Args:
        program: any.
        values: input name -> number.
    """
    found = _straight(program)(*[values[name] for name in program.inputs])
    return dict(zip(program.output_names, found, strict=True))


@lru_cache(maxsize=256)
def _straight(program: Program) -> Callable[..., tuple[Any, ...]]:
    room: dict[str, Any] = dict(_CAREFUL)
    for op in {node.op for node in program.nodes} - _SAFE.keys() - {"input", "const"}:
        room[f"_{op}"] = _alone(op)
    exec(compile(program_source(program), "<layda: printed program>", "exec"), room)  # noqa: S102 - as above
    function: Callable[..., tuple[Any, ...]] = room["run"]
    return function


def _alone(op: str) -> Callable[..., Any]:
    """One named function as a Python function."""
    function = _straight(lowered_form(op))
    return lambda *arguments: function(*arguments)[0]


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
    """Run a stretch of a loop; arguments as in :func:`layda.program.loop.run_readably`.

    Python raises where IEEE arithmetic gives inf or NaN (1/0, √−1, ⌊inf⌋). The fast text ignores that; when it happens
    the stretch is run again with text that asks helpers.
    """
    start = [float(state[name]) for name in loop.state]
    fixed = [float(numbers[name]) for name in loop.numbers]
    due = first_check(first, every)
    columns: list[list[float]] = []
    for safe in (False, True):
        columns = [[] for _ in loop.record] if keep else []
        function = _function(loop, keep, safe)
        try:
            code, step, end, observed = function(
                start, fixed, first, last, every, due, tolerance, [column.append for column in columns]
            )
            break
        except (ZeroDivisionError, ValueError, OverflowError):
            if safe:
                raise
    records = np.array(columns, dtype=np.float64).T if columns else np.empty((0, len(loop.record)))
    return LoopEnd(
        code,
        step,
        dict(zip(loop.state, end, strict=True)),
        dict(zip(loop.observed, observed, strict=True)),
        records,
    )
