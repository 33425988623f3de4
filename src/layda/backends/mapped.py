"""A program on whole arrays, compiled: every lane is one evaluation. The twin is ``program.lowered.evaluate``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.native import load, vector_width
from layda.backends.vector import Writer
from layda.program import Program, arithmetic

__all__ = ["evaluate"]

Array = NDArray[np.float64]
_WORK: dict[tuple[Program, tuple[str, ...]], float] = {}
_WORTH_COMPILING = 1e5  # evaluations times operations, all calls for this program together
_REMEMBERED = 1000  # programs whose work is counted
_LARGEST = 30_000  # operations; longer texts take LLVM seconds


def evaluate(program: Program, inputs: Mapping[str, Any], count: int) -> dict[str, Array]:
    """The outputs (numbers, no conditions) for every element of the inputs.

    Args:
        program: what to evaluate.
        inputs: input name -> one number, or an array of ``count``.
        count: how many evaluations.
    """
    lowered = program.lowered
    known = all(name in inputs for name in program.inputs)
    assert known, f"missing inputs: {set(program.inputs) - set(inputs)}"
    arrays = tuple(name for name in program.inputs if getattr(inputs[name], "ndim", 0))
    if len(_WORK) > _REMEMBERED:
        _WORK.clear()
    work = _WORK[program, arrays] = _WORK.get((program, arrays), 0.0) + lowered.operation_count * float(count)
    if work < _WORTH_COMPILING or lowered.operation_count > _LARGEST:
        known_numbers = {name: inputs[name] for name in program.inputs}
        with np.errstate(all="ignore"):
            found = lowered.evaluate(known_numbers, arithmetic("numpy" if arrays else "float"))
        return {name: np.broadcast_to(np.asarray(value, np.float64), (count,)) for name, value in found.items()}
    function, width = _function(program, arrays)
    room = -(-count // width) * width
    columns = [np.ascontiguousarray(inputs[name], np.float64) for name in arrays]
    places = np.array([column.ctypes.data for column in columns] or [0], np.uintp)
    scalars = np.array([float(inputs[name]) for name in program.inputs if name not in arrays] or [0.0])
    out = np.empty((len(program.outputs), room))
    function(places.ctypes.data, count, room, scalars.ctypes.data, out.ctypes.data)
    return {name: out[row, :count] for row, name in enumerate(program.output_names)}


@lru_cache(maxsize=256)
def _function(program: Program, arrays: tuple[str, ...]) -> tuple[Any, int]:
    """The kernel: a pointer for every array, read where it lies; the last vector reads only what is there."""
    w = Writer(vector_width())
    w.line("define void @mapped(ptr %places, i64 %count, i64 %room, ptr %scalars, ptr %out) {")
    w.label("entry")
    place = w.do("alloca i64")
    w.line(f"  store i64 0, ptr {place}")
    known: dict[str, str] = {}
    for index, name in enumerate(name for name in program.inputs if name not in arrays):
        address = w.do(f"getelementptr double, ptr %scalars, i64 {index}")
        known[name] = w.splat(w.do(f"load double, ptr {address}"))
    bases = []
    for row in range(len(arrays)):
        address = w.do(f"getelementptr ptr, ptr %places, i64 {row}")
        bases.append(w.do(f"load ptr, ptr {address}"))
    count = w.splat("%count", "i64")
    counting = f"<{', '.join(f'i64 {index}' for index in range(w.width))}>"
    w.line("  br label %next")
    w.label("next")
    lane = w.do(f"load i64, ptr {place}")
    w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %room')}, label %work, label %done")
    w.label("work")
    ints = f"<{w.width} x i64>"
    numbered = w.do(f"add {ints} {w.splat(lane, 'i64')}, {counting}")
    there = w.do(f"icmp slt {ints} {numbered}, {count}")
    w.declared.add(f"declare {w.vector} @llvm.masked.load.v{w.width}f64.p0(ptr, i32, {w.mask}, {w.vector})")
    for base, name in zip(bases, arrays, strict=True):
        address = w.do(f"getelementptr double, ptr {base}, i64 {lane}")
        known[name] = w.do(
            f"call {w.vector} @llvm.masked.load.v{w.width}f64.p0(ptr {address}, i32 8, {w.mask} {there}, "
            f"{w.vector} zeroinitializer)"
        )
    found = w.program(program.lowered, known)
    for row, name in enumerate(program.output_names):
        w.line(f"  store {w.vector} {found[name]}, ptr {_address(w, '%out', row, lane)}, align 8")
    w.line(f"  store i64 {w.do(f'add i64 {lane}, {w.width}')}, ptr {place}")
    w.line("  br label %next")
    w.label("done")
    w.line("  ret void\n}")
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    text = "\n".join([*sorted(w.declared), *w.lines]) + "\n"
    types = (None, pointer, number, number, pointer, pointer)
    return load(text, {"mapped": types})["mapped"], w.width


def _address(w: Writer, base: str, row: int, lane: str) -> str:
    place = w.do(f"add i64 {w.do(f'mul i64 %room, {row}')}, {lane}")
    return w.do(f"getelementptr double, ptr {base}, i64 {place}")
