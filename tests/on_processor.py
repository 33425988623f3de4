"""The text of the multi-tensor CUDA kernels, run by a processor: every thread of every block, one after the other."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Built", "needs_compiler"]

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to run the kernel's text with")

_SHIM = """
#include <cmath>
#include <cstdint>
#include <cstring>
#define __device__ static
#define __global__
#define __forceinline__ inline
#define __builtin_assume(...)
#define __launch_bounds__(...)
struct Index { unsigned x; };
static Index threadIdx, blockIdx, blockDim, gridDim;
static long long misaligned = 0;
template <int BYTES> static void look(const void *at) { misaligned += (uintptr_t)at % BYTES != 0; }
struct alignas(16) uint4 {
    unsigned x, y, z, w;
    uint4() = default;
    uint4(const uint4 &o) : x(o.x), y(o.y), z(o.z), w(o.w) { look<16>(&o); }
    uint4 &operator=(const uint4 &o) { look<16>(this); x = o.x, y = o.y, z = o.z, w = o.w; return *this; }
};
struct alignas(8) uint2 {
    unsigned x, y;
    uint2() = default;
    uint2(const uint2 &o) : x(o.x), y(o.y) { look<8>(&o); }
    uint2 &operator=(const uint2 &o) { look<8>(this); x = o.x, y = o.y; return *this; }
};
template <class A, class B> static A as(B b) {
    A a;
    static_assert(sizeof a == sizeof b);
    memcpy(&a, &b, sizeof a);
    return a;
}
static double __longlong_as_double(long long v) { return as<double>(v); }
static long long __double_as_longlong(double v) { return as<long long>(v); }
static float __uint_as_float(unsigned v) { return as<float>(v); }
static unsigned __float_as_uint(float v) { return as<unsigned>(v); }
static int atomicMin(int *p, int v) { const int was = *p; if (v < was) *p = v; return was; }
"""

_GRID = """
extern "C" long long all_threads(unsigned blocks, unsigned threads, const long long *given) {
    gridDim.x = blocks, blockDim.x = threads, misaligned = 0;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) CALL;
    return misaligned;
}
"""

_TABLE, _UNITS = "(const unsigned long long *)given[%d]", "(const long long *)given[%d]"
_SKIP = "(const unsigned *)given[%d]"
_CALLS = {
    "take_step": f"take_step({_TABLE % 0}, {_TABLE % 1}, (const REAL *)given[2], {_UNITS % 3}, given[4], given[5], "
    f"given[6], (const int *)given[7], {_SKIP % 8})",
    "look_for": f"look_for({_TABLE % 0}, {_UNITS % 1}, given[2], (int *)given[3], {_SKIP % 4})",
    "place": "place((unsigned long long *)given[0], given[1], " + ", ".join(f"given[{2 + w}]" for w in range(64)) + ")",
}


class Built:
    """A kernel's text as a function.

    Args:
        folder: where it is built.
        source: the text.
        name: of the kernel: "take_step", "look_for" or "place".
    """

    def __init__(self, folder: Path, source: str, name: str) -> None:
        path = folder / f"{name}{len(list(folder.iterdir()))}.cpp"
        call = _CALLS[name].replace("REAL", "double" if "const double *__restrict__ scalars" in source else "float")
        path.write_text(_SHIM + source + _GRID.replace("CALL", call))
        flags = ["-O1", "-std=c++17", "-ffp-contract=off", "-fno-strict-aliasing", "-shared", "-fPIC", "-w"]
        subprocess.run(["g++", *flags, str(path), "-o", str(path.with_suffix(".so"))], check=True)  # noqa: S603, S607
        self._function: Any = ctypes.CDLL(str(path.with_suffix(".so"))).all_threads
        self._function.restype = ctypes.c_longlong

    def __call__(self, blocks: int, threads: int, *given: int) -> None:
        """Run it; vectors that do not lie at a multiple of their bytes would be a fault on a GPU."""
        words = (ctypes.c_longlong * len(given))(*given)
        assert self._function(blocks, threads, words) == 0, "misaligned vectors"
