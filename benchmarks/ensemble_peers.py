"""The peers of ``ensemble.py``: gradients for NumPy and JAX, loops for Numba, hand-written C."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["GRADIENTS", "Native", "fma_peak", "jax_early", "jax_fixed", "jax_optax", "numba_loop"]

_CURVATURES = np.logspace(0, 1, 10)
_CHUNKS = (1024, 4096, 16384, 0)  # lanes per chunk; 0 for all at once


def _double_well(m: Any, x: Any) -> Any:
    return (4.0 * x * (x * x - 1.0),)


def _himmelblau(m: Any, x: Any, y: Any) -> Any:
    p, q = x * x + y - 11.0, x + y * y - 7.0
    return 4.0 * x * p + 2.0 * q, 2.0 * p + 4.0 * y * q


def _rastrigin(m: Any, x: Any, y: Any) -> Any:
    tau = 6.283185307179586
    return 2.0 * x + 10.0 * tau * m.sin(tau * x), 2.0 * y + 10.0 * tau * m.sin(tau * y)


def _ackley(m: Any, x: Any, y: Any) -> Any:
    tau = 6.283185307179586
    r = m.sqrt(0.5 * (x * x + y * y))
    a = 2.0 * m.exp(-0.2 * r) / r
    b = 0.5 * tau * m.exp(0.5 * (m.cos(tau * x) + m.cos(tau * y)))
    return a * x + b * m.sin(tau * x), a * y + b * m.sin(tau * y)


def _quadratic(m: Any, *x: Any) -> Any:
    return tuple(float(c) * a for c, a in zip(_CURVATURES, x, strict=True))


GRADIENTS: dict[str, Callable[..., Any]] = {
    "double_well": _double_well,
    "himmelblau": _himmelblau,
    "rastrigin": _rastrigin,
    "ackley": _ackley,
    "quadratic_10d": _quadratic,
}
"""Objective -> gradient of its coordinates, for a module with ``sin``, ``exp`` and so on."""

# --- C --------------------------------------------------------------------------------------------------------------

_BODIES = {
    "double_well": "g0 = a*4*x0*(x0*x0 - 1);",
    "himmelblau": "V p = x0*x0 + x1 - 11, q = x0 + x1*x1 - 7; g0 = a*(4*x0*p + 2*q); g1 = a*(2*p + 4*x1*q);",
    "rastrigin": "LANES { g0[k] = a[k]*(2*x0[k] + (R)62.83185307179586*SIN((R)6.283185307179586*x0[k])); "
    "g1[k] = a[k]*(2*x1[k] + (R)62.83185307179586*SIN((R)6.283185307179586*x1[k])); }",
    "ackley": "LANES { R X = x0[k], Y = x1[k], T = (R)6.283185307179586; R r = SQRT((R)0.5*(X*X + Y*Y)); "
    "R A = 2*EXP((R)-0.2*r)/r, B = (R)0.5*T*EXP((R)0.5*(COS(T*X) + COS(T*Y))); "
    "g0[k] = a[k]*(A*X + B*SIN(T*X)); g1[k] = a[k]*(A*Y + B*SIN(T*Y)); }",
    "quadratic_10d": "".join(f"g{i} = a*(R){c!r}*x{i};" for i, c in enumerate(_CURVATURES.tolist())),
}
_SIZES = {"double_well": 1, "himmelblau": 2, "rastrigin": 2, "ackley": 2, "quadratic_10d": 10}


def _source(name: str) -> str:
    """One kernel: U vectors of lanes stay in registers over all steps."""
    each = range(_SIZES[name])
    load = "".join(f"X{i}[u] = *(U_V*)(x + {i}*n + j + u*W); Z{i}[u] = (V){{0}};" for i in each)
    names = "".join(f"V x{i} = X{i}[u], g{i};" for i in each)
    move = "".join(f"Z{i}[u] = b*Z{i}[u] + g{i}; X{i}[u] = x{i} - Z{i}[u];" for i in each)
    store = "".join(f"*(U_V*)(x + {i}*n + j + u*W) = X{i}[u];" for i in each)
    return f"""
#include <math.h>
typedef REAL R;
#define W (64/sizeof(R))
typedef R V __attribute__((vector_size(64)));
typedef R U_V __attribute__((vector_size(64), aligned(8)));
#define LANES for (int k = 0; k < (int)W; k++)
void run(R *x, const R *rates, R b, long n, long steps) {{
  for (long j = 0; j + U*W <= n; j += U*W) {{
    V {", ".join(f"X{i}[U], Z{i}[U]" for i in each)}, A[U];
    #pragma GCC unroll 16
    for (int u = 0; u < U; u++) {{ {load} A[u] = *(U_V*)(rates + j + u*W); }}
    for (long t = 0; t < steps; t++) {{
      #pragma GCC unroll 16
      for (int u = 0; u < U; u++) {{ {names} V a = A[u]; {_BODIES[name]} {move} }}
    }}
    #pragma GCC unroll 16
    for (int u = 0; u < U; u++) {{ {store} }}
  }}
}}
"""


_PEAK = """
typedef double V __attribute__((vector_size(64)));
double peak(long rounds) {
  V a[12], m, c; for (int k = 0; k < 8; k++) { m[k] = 0.999999; c[k] = 1e-9; }
  for (int i = 0; i < 12; i++) for (int k = 0; k < 8; k++) a[i][k] = i + k;
  for (long t = 0; t < rounds; t++) {
    #pragma GCC unroll 12
    for (int i = 0; i < 12; i++) a[i] = a[i]*m + c;
  }
  double s = 0; for (int i = 0; i < 12; i++) for (int k = 0; k < 8; k++) s += a[i][k];
  return s;
}
"""


def _built(source: str, *flags: str) -> Any:
    folder = Path(tempfile.mkdtemp(prefix="layda-peers-"))
    (folder / "peer.c").write_text(source)
    command = ["gcc", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", *flags]
    subprocess.run([*command, "-o", str(folder / "peer.so"), str(folder / "peer.c"), "-lm"], check=True)  # noqa: S603
    return ctypes.CDLL(str(folder / "peer.so"))


def fma_peak(threads: int) -> float:
    """Floating-point operations per second of bare multiply-adds, two each."""
    library = _built(_PEAK)
    library.peak.restype, rounds = ctypes.c_double, 10_000_000
    fastest = 0.0
    for _ in range(3):
        workers = [threading.Thread(target=library.peak, args=(ctypes.c_long(rounds),)) for _ in range(threads)]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        fastest = max(fastest, threads * rounds * 12 * 8 * 2 / (time.perf_counter() - begin))
    return fastest


class Native:
    """Hand-written C for one objective, in every unrolling."""

    def __init__(self, name: str, dtype: str) -> None:
        small = dtype == "float32"
        real, suffix = ("float", "f") if small else ("double", "")
        defines = [f"-DREAL={real}", *(f"-D{word.upper()}={word}{suffix}" for word in ("sin", "cos", "exp", "sqrt"))]
        self.dtype = dtype
        self.kernels = {
            unroll: _built(_source(name), f"-DU={unroll}", "-mprefer-vector-width=512", *defines)
            for unroll in ((1, 2, 3, 4, 6, 8, 10) if _SIZES[name] < 10 else (1, 2))
        }

    def best_seconds(self, x: Any, rates: Any, beta: float, steps: int, repeats: int) -> float:
        """The least seconds over all unrollings, per ball that each of them really runs."""
        real = ctypes.c_float if self.dtype == "float32" else ctypes.c_double
        width = 64 // np.dtype(self.dtype).itemsize
        fastest = np.inf
        for unroll, library in self.kernels.items():
            done = x.shape[1] // (unroll * width) * (unroll * width)
            for _ in range(repeats):
                data = x.copy()
                begin = time.perf_counter()
                library.run(
                    ctypes.c_void_p(data.ctypes.data), ctypes.c_void_p(rates.ctypes.data), real(beta),
                    ctypes.c_long(x.shape[1]), ctypes.c_long(steps),
                )  # fmt: skip
                fastest = min(fastest, (time.perf_counter() - begin) * x.shape[1] / done)
        return float(fastest)


# --- Numba ----------------------------------------------------------------------------------------------------------


def numba_loop(name: str, dtype: str) -> Callable[..., Any] | None:
    """One trajectory after the other, with the machine's own sin and exp; ``None`` for the ten-dimensional one."""
    import math

    import numba

    if _SIZES[name] > 2:
        return None
    gradient = numba.njit(_math_gradient(name, math))
    dimension = _SIZES[name]

    @numba.njit
    def run(x: Any, rates: Any, beta: float, steps: int) -> Any:
        out = x.copy()
        for j in range(x.shape[1]):
            a, b = x[0, j], x[dimension - 1, j]
            va, vb = 0.0 * a, 0.0 * a
            for _ in range(steps):
                ga, gb = gradient(a, b)
                va, vb = beta * va + rates[j] * ga, beta * vb + rates[j] * gb
                a, b = a - va, b - vb
            out[0, j], out[dimension - 1, j] = a, b
        return out

    return run  # type: ignore[no-any-return]


def _math_gradient(name: str, math: Any) -> Callable[..., Any]:
    tau = 6.283185307179586
    if name == "double_well":
        return lambda x, y: (4.0 * x * (x * x - 1.0), 0.0)
    if name == "himmelblau":
        return lambda x, y: (
            4.0 * x * (x * x + y - 11.0) + 2.0 * (x + y * y - 7.0),
            2.0 * (x * x + y - 11.0) + 4.0 * y * (x + y * y - 7.0),
        )
    if name == "rastrigin":
        return lambda x, y: (
            2.0 * x + 10.0 * tau * math.sin(tau * x),
            2.0 * y + 10.0 * tau * math.sin(tau * y),
        )

    def ackley(x: float, y: float) -> tuple[float, float]:
        r = math.sqrt(0.5 * (x * x + y * y))
        a = 2.0 * math.exp(-0.2 * r) / r
        b = 0.5 * tau * math.exp(0.5 * (math.cos(tau * x) + math.cos(tau * y)))
        return a * x + b * math.sin(tau * x), a * y + b * math.sin(tau * y)

    return ackley


# --- JAX ------------------------------------------------------------------------------------------------------------


def _jax(dtype: str) -> Any:
    import jax

    jax.config.update("jax_enable_x64", dtype == "float64")
    return jax


def _fastest_chunk(run: Callable[[int], Callable[[], Any]], lanes: int, best: Any, repeats: int) -> float:
    sizes = [chunk for chunk in _CHUNKS if chunk < lanes]
    return min(best(run(chunk), 1 if len(sizes) > 1 and repeats == 1 else repeats) for chunk in sizes)


def _chunked(jax: Any, kernel: Any, chunk: int, arrays: tuple[Any, ...]) -> Callable[[], Any]:
    """The kernel over (lanes,) last axes, all at once or chunk by chunk, compiled."""
    if not chunk:
        whole = jax.jit(kernel)
        return lambda: jax.block_until_ready(whole(*arrays))
    parts = tuple(jax.numpy.moveaxis(a.reshape(*a.shape[:-1], -1, chunk), -2, 0) for a in arrays)
    mapped = jax.jit(lambda *a: jax.lax.map(lambda part: kernel(*part), a))
    return lambda: jax.block_until_ready(mapped(*parts))


def jax_optax(name: str, x: Any, rate: float, beta: float, steps: int, dtype: str, best: Any, repeats: int) -> float:
    """jit(vmap(scan(optax.sgd))) with one rate for all."""
    import optax

    jax = _jax(dtype)
    opt = optax.sgd(rate, momentum=beta)
    gradient = GRADIENTS[name]

    def one(place: Any) -> Any:
        def step(carry: Any, _: None) -> Any:
            here, state = carry
            slope = jax.numpy.stack(gradient(jax.numpy, *here))
            moves, state = opt.update(slope, state)
            return (optax.apply_updates(here, moves), state), None

        return jax.lax.scan(step, (place, opt.init(place)), None, length=steps)[0][0]

    kernel = jax.vmap(one, in_axes=-1, out_axes=-1)
    data = jax.numpy.asarray(x)
    return _fastest_chunk(lambda chunk: _chunked(jax, kernel, chunk, (data,)), x.shape[1], best, repeats)


def jax_fixed(name: str, x: Any, rates: Any, beta: float, steps: int, dtype: str, best: Any, repeats: int) -> float:
    """fori_loop over whole chunks of lanes, every lane with its own rate."""
    jax = _jax(dtype)
    gradient = GRADIENTS[name]

    def kernel(place: Any, rate: Any) -> Any:
        def step(_: int, carry: Any) -> Any:
            here, v = carry
            v = beta * v + rate * jax.numpy.stack(gradient(jax.numpy, *here))
            return here - v, v

        return jax.lax.fori_loop(0, steps, step, (place, jax.numpy.zeros_like(place)))[0]

    data, own = jax.numpy.asarray(x), jax.numpy.asarray(rates)
    return _fastest_chunk(lambda chunk: _chunked(jax, kernel, chunk, (data, own)), x.shape[1], best, repeats)


def jax_early(name: str, x: Any, rates: Any, beta: float, cap: int, best: Any, repeats: int) -> tuple[float, float]:
    """vmap(while_loop): stops when two displacements running are at most 1e-6; seconds all at once, and at best.

    A chunk is done when its last ball is, so small chunks wait less.
    """
    jax = _jax("float64")
    gradient = GRADIENTS[name]

    def one(place: Any, rate: Any) -> Any:
        def going(carry: Any) -> Any:
            _, v, before, t = carry
            small = jax.numpy.max(jax.numpy.abs(v)) + jax.numpy.max(jax.numpy.abs(before)) < 2e-6
            return (t < cap) & ~((t > 2) & small)

        def step(carry: Any) -> Any:
            here, v, _, t = carry
            new = beta * v + rate * jax.numpy.stack(gradient(jax.numpy, *here))
            return here - new, new, v, t + 1

        still = jax.numpy.zeros_like(place)
        return jax.lax.while_loop(going, step, (place, still, still, 0))[3]

    kernel = jax.vmap(one, in_axes=(-1, 0))
    data, own = jax.numpy.asarray(x), jax.numpy.asarray(rates)
    found = {chunk: float(best(_chunked(jax, kernel, chunk, (data, own)), repeats)) for chunk in (256, 1024, 4096, 0)}
    return found[0], min(found.values())
