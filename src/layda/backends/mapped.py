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
_WORTH_COMPILING = 2e6  # evaluations times operations; compiling takes some 30 ms, NumPy does about 1e9 a second
_LARGEST = 30_000  # operations; longer texts take LLVM seconds


def evaluate(program: Program, inputs: Mapping[str, Any], count: int) -> dict[str, Array]:
    """The outputs (numbers, no conditions) for every element of the inputs.

    Args:
        program: what to evaluate.
        inputs: input name -> one number, or an array of ``count``.
        count: how many evaluations.
    """
    lowered = program.lowered
    work = lowered.operation_count * count
    known = all(name in inputs for name in program.inputs)
    assert known, f"missing inputs: {set(program.inputs) - set(inputs)}"
    if work < _WORTH_COMPILING or lowered.operation_count > _LARGEST:
        with np.errstate(all="ignore"):
            found = lowered.evaluate({name: inputs[name] for name in program.inputs}, arithmetic("numpy"))
        return {name: np.broadcast_to(np.asarray(value, np.float64), (count,)) for name, value in found.items()}
    arrays = tuple(name for name in program.inputs if np.ndim(inputs[name]))
    function, width = _function(program, arrays)
    room = -(-count // width) * width
    table = np.zeros((max(len(arrays), 1), room))
    for row, name in enumerate(arrays):
        table[row, :count] = inputs[name]
    scalars = np.array([float(inputs[name]) for name in program.inputs if name not in arrays] or [0.0])
    out = np.empty((len(program.outputs), room))
    function(table.ctypes.data, room, scalars.ctypes.data, out.ctypes.data)
    return {name: out[row, :count] for row, name in enumerate(program.output_names)}


@lru_cache(maxsize=256)
def _function(program: Program, arrays: tuple[str, ...]) -> tuple[Any, int]:
    w = Writer(vector_width())
    w.line("define void @mapped(ptr %table, i64 %room, ptr %scalars, ptr %out) {")
    w.label("entry")
    place = w.do("alloca i64")
    w.line(f"  store i64 0, ptr {place}")
    known: dict[str, str] = {}
    for index, name in enumerate(name for name in program.inputs if name not in arrays):
        address = w.do(f"getelementptr double, ptr %scalars, i64 {index}")
        known[name] = w.splat(w.do(f"load double, ptr {address}"))
    w.line("  br label %next")
    w.label("next")
    lane = w.do(f"load i64, ptr {place}")
    w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %room')}, label %work, label %done")
    w.label("work")
    for row, name in enumerate(arrays):
        known[name] = w.do(f"load {w.vector}, ptr {_address(w, '%table', row, lane)}, align 8")
    found = w.program(program.lowered, known)
    for row, name in enumerate(program.output_names):
        w.line(f"  store {w.vector} {found[name]}, ptr {_address(w, '%out', row, lane)}, align 8")
    w.line(f"  store i64 {w.do(f'add i64 {lane}, {w.width}')}, ptr {place}")
    w.line("  br label %next")
    w.label("done")
    w.line("  ret void\n}")
    pointer = ctypes.c_void_p
    text = "\n".join([*sorted(w.declared), *w.lines]) + "\n"
    return load(text, {"mapped": (None, pointer, ctypes.c_int64, pointer, pointer)})["mapped"], w.width


def _address(w: Writer, base: str, row: int, lane: str) -> str:
    place = w.do(f"add i64 {w.do(f'mul i64 %room, {row}')}, {lane}")
    return w.do(f"getelementptr double, ptr {base}, i64 {place}")
