"""Moving lanes from one matrix of columns to another, or within one: what closing ranks is made of."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.native import load

__all__ = ["move_lanes"]

# Column by column, so that each stays in the cache while its lanes are read and written.
_TEXT = """
define void @move(ptr %source, i64 %source_stride, ptr %from, ptr %target, i64 %target_stride, ptr %to, i64 %rows,
                  i64 %count) {
entry:
  br label %column
column:
  %row = phi i64 [ 0, %entry ], [ %row_next, %moved ]
  %some = icmp slt i64 %row, %rows
  br i1 %some, label %begin, label %done
begin:
  %source_first = mul i64 %row, %source_stride
  %source_row = getelementptr REAL, ptr %source, i64 %source_first
  %target_first = mul i64 %row, %target_stride
  %target_row = getelementptr REAL, ptr %target, i64 %target_first
  br label %lane
lane:
  %k = phi i64 [ 0, %begin ], [ %k_next, %move ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %move, label %moved
move:
  %from_at = getelementptr i64, ptr %from, i64 %k
  %source_lane = load i64, ptr %from_at
  %value_at = getelementptr REAL, ptr %source_row, i64 %source_lane
  %value = load REAL, ptr %value_at
  %to_at = getelementptr i64, ptr %to, i64 %k
  %target_lane = load i64, ptr %to_at
  %place = getelementptr REAL, ptr %target_row, i64 %target_lane
  store REAL %value, ptr %place
  %k_next = add i64 %k, 1
  br label %lane
moved:
  %row_next = add i64 %row, 1
  br label %column
done:
  ret void
}
"""


@cache
def _mover(size: int) -> Any:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    types = (None, pointer, number, pointer, pointer, number, pointer, number, number)
    return load(_TEXT.replace("REAL", {4: "float", 8: "double"}[size]), {"move": types})["move"]


def move_lanes(
    source: NDArray[Any], origin: NDArray[np.int64], target: NDArray[Any], goal: NDArray[np.int64], rows: int
) -> None:
    """``target[:rows, goal] = source[:rows, origin]``.

    Args:
        source: a matrix whose rows lie in one piece each, of float64 or float32.
        origin: lanes of it.
        target: likewise; it may be the source, if no lane is both read and written.
        goal: as many lanes of the target.
        rows: how many rows are moved.
    """
    size = source.itemsize
    _mover(size)(
        source.ctypes.data, source.strides[0] // size, origin.ctypes.data, target.ctypes.data,
        target.strides[0] // size, goal.ctypes.data, rows, len(origin),
    )  # fmt: skip
