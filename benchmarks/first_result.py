"""How long the first result of an ensemble takes, imports done: python benchmarks/first_result.py [--repeats 3].

Every figure is the median of processes of their own, a thousand balls with a learning rate each: "new" with an empty
cache of kernels, "known" with the one that "new" has left, "again" the second call in the same process. JAX stands
beside it with the heavy ball on Himmelblau's function: vmap of a scan over 1000 steps, no verdicts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile

OBJECTIVES = (
    "lecture", "himmelblau", "rastrigin", "ackley", "(x-1)^2 + 100(y-x^2)^2 + sin(3x)cos(y) + exp(-x^2)",
    "rastrigin:dimension=10", "ackley:dimension=10", "rosenbrock:dimension=10", "rosenbrock:dimension=32",
)  # fmt: skip

_LAYDA = """
import sys, time
import numpy as np, xarray, dask.array, scipy.optimize, llvmlite.binding, layda.run
rates = np.geomspace(1e-4, 1e-2, 1000)
for _ in range(2):
    begin = time.perf_counter()
    layda.ensemble(sys.argv[1], "heavy-ball", 1000, learning_rate=rates).verdict.values
    print(time.perf_counter() - begin)
"""

_JAX = """
import time
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
gradient = jax.grad(lambda p: (p[0] ** 2 + p[1] - 11.0) ** 2 + (p[0] + p[1] ** 2 - 7.0) ** 2)
def roll(start, rate):
    def step(state, _):
        place, speed = state
        speed = 0.9 * speed + rate * gradient(place)
        return (place - speed, speed), None
    return jax.lax.scan(step, (start, 0.0 * start), length=1000)[0][0]
starts, rates = np.random.default_rng(0).uniform(-5, 5, (1000, 2)), np.geomspace(1e-4, 1e-2, 1000)
run = jax.jit(jax.vmap(roll))
jax.numpy.zeros(3).block_until_ready()
for _ in range(2):
    begin = time.perf_counter()
    run(starts, rates).block_until_ready()
    print(time.perf_counter() - begin)
"""


def seconds_of(script: str, argument: str, cache: str) -> list[float]:
    """What the script prints; where it fails, what it says goes to stderr."""
    environment = dict(os.environ) | {"LAYDA_CACHE_DIR": cache}
    command = [sys.executable, "-c", script, argument]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)  # noqa: S603 - ours
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{'seconds':<54} {'new':>6} {'known':>6} {'again':>6}")
    for name in OBJECTIVES:
        rows = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as cache:
                new = seconds_of(_LAYDA, name, cache)
                known = seconds_of(_LAYDA, name, cache)
            rows.append((new[0], known[0], known[1]))
        print(f"{name:<54}", *(f"{statistics.median(column):6.2f}" for column in zip(*rows, strict=True)), flush=True)
    if importlib.util.find_spec("jax") is None:
        print("JAX is not installed")
        return
    first, again = zip(*(seconds_of(_JAX, "", "") for _ in range(repeats)), strict=True)
    print(f"{'JAX, himmelblau':<54} {statistics.median(first):6.2f} {'':>6} {statistics.median(again):6.2f}")


if __name__ == "__main__":
    main()
