"""The lowered functions: operations, error, and speed beside the library's own; python benchmarks/functions.py.

The lowered form is compiled by Numba as a loop over blocks of lanes, as the fast backend would;
"libm" is the same loop around Numba's math function, "NumPy" the ufunc. All run in this process, in turn, and the best
of several rounds counts. Numba's results are compared with NumPy's too: they must agree bit for bit.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from layda import functions
from layda.backends.numba import _helpers
from layda.backends.source import program_lines
from layda.functions.lowering import MAX_ULP
from layda.program import Program, trace
from tests.functions.test_lowering import bits, points, worst_error

LANES = 256
BLOCKS = 64
ROUNDS = 30
LIBM = {"arctan": "atan", "power": "pow"}


def _compiled(lines: list[str], value: str, names: list[str]) -> Callable[..., None]:
    """A loop over arrays of shape (blocks, lanes) that stores ``value`` for every lane."""
    body = [f"{name} = a_{name}[block, lane]" for name in names] + [*lines, f"out[block, lane] = {value}"]
    source = f"def loop({', '.join('a_' + name for name in names)}, out):\n"
    source += f"    for block in range(out.shape[0]):\n        for lane in range({LANES}):\n"
    room = {**_helpers(), "math": math}
    exec(source + "".join(f"            {line}\n" for line in body), room)  # noqa: S102 - our own text
    shapes = ", ".join(["float64[:, ::1]"] * (len(names) + 1))
    function: Callable[..., None] = numba.njit(f"void({shapes})", error_model="numpy")(room["loop"])
    return function


def _lowered(program: Program) -> Callable[..., None]:
    names = list(program.inputs)
    lines, found = program_lines(program, {name: name for name in names}, "v", safe=False)
    return _compiled(lines, found["value"], names)


def _rates(jobs: list[Callable[[], Any]], count: int) -> list[float]:
    """Evaluations per second of each job: the best of the rounds, the jobs in turn within each round."""
    best = [math.inf] * len(jobs)
    for _ in range(ROUNDS):
        for index, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            best[index] = min(best[index], time.perf_counter() - start)
    return [count / seconds for seconds in best]


def _ordinary(name: str) -> tuple[np.ndarray, ...]:
    """Arguments of everyday size, where a library takes none of its short cuts."""
    random = np.random.default_rng(0)
    shape = (BLOCKS, LANES)
    if name == "power":
        return random.uniform(0.1, 10.0, shape), random.uniform(-5.0, 5.0, shape)
    return (random.uniform(0.1, 10.0, shape) * (1.0 if name == "log" else random.choice([-1.0, 1.0], shape)),)


def main() -> None:
    """Print one line per function."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000, help="points for the error, per function")
    given = parser.parse_args()
    print(f"{'':8}{'':6}{'max ulp':>10}{'':>9}{'million evaluations per second':>34}")
    print(f"{'function':8}{'ops':>6}{'measured':>10}{'stated':>9}{'lowered':>12}{'libm':>10}{'NumPy':>12}")
    for name in sorted(MAX_ULP):
        names = ["x", "y"] if name == "power" else ["x"]
        program = trace(getattr(functions, name), names).lowered
        worst, _, count = worst_error(name, given.points)
        loop = _lowered(program)
        library = _compiled([], f"math.{LIBM.get(name, name)}({', '.join(names)})", names)

        sample = [column[: len(column) // LANES * LANES].reshape(-1, LANES) for column in points(name, given.points)]
        out = np.empty_like(sample[0])
        loop(*sample, out)
        same = np.array_equal(bits(out), bits(program(*sample)))

        at, out = _ordinary(name), np.empty((BLOCKS, LANES))
        jobs = [lambda: loop(*at, out), lambda: library(*at, out), lambda: getattr(np, name)(*at, out=out)]  # noqa: B023
        lowered, libm, numpy = (rate / 1e6 for rate in _rates(jobs, BLOCKS * LANES))
        speeds = f"{lowered:12.1f}{libm:10.1f}{numpy:12.1f}"
        text = f"{name:8}{program.operation_count:6}{worst:10.3f}{MAX_ULP[name]:9.2f}{speeds}"
        print(text + (f"   ({count} points)" if same else "   DIFFERENT BITS from NumPy"), flush=True)
        if worst > MAX_ULP[name] or not same:
            sys.exit(1)


if __name__ == "__main__":
    main()
