"""Trajectory-steps per second: layda's lanes beside NumPy, Numba, JAX and hand-written C, in one run on one machine.

    python benchmarks/ensemble.py [--quick] [--json FILE]

Heavy ball (v ← βv + αg, x ← x − v) from many starts, the learning rate differing from ball to ball. Every peer at its
best: JAX with the fastest of four chunk sizes, C with its lanes in registers over all steps and the fastest of seven
unrollings. One thread unless said; the ratios are what counts, since machines are noisy. Everyone runs in three rounds,
one after the other, and has the fastest of them: a noisy neighbour slows down all, or nobody.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np
from ensemble_peers import GRADIENTS, Native, fma_peak, jax_early, jax_fixed, jax_optax, numba_loop

from layda.objectives import from_function
from layda.rule import Stepper
from layda.rules import HeavyBall
from layda.run.engine import Engine
from layda.run.loops import build_loop, contracted_loop
from layda.specs import to_objective

OBJECTIVES = ("double_well", "himmelblau", "rastrigin", "ackley", "quadratic_10d")
_BETA = 0.9
_BOX = {"double_well": 1.5, "himmelblau": 4.0, "rastrigin": 5.0, "ackley": 5.0, "quadratic_10d": 3.0}
_RATE = {"double_well": 0.01, "himmelblau": 0.002, "rastrigin": 0.0005, "ackley": 0.005, "quadratic_10d": 0.01}
_BALLS = {"double_well": 1 << 16, "himmelblau": 1 << 16}
_STEPS = {"double_well": 5000, "himmelblau": 3000, "rastrigin": 1000, "ackley": 1000, "quadratic_10d": 1000}


def objective_of(name: str) -> Any:
    """The objective, written for layda as for the peers."""
    if name == "quadratic_10d":
        curvatures = np.logspace(0, 1, 10)
        return from_function(lambda *x: sum(0.5 * c * (a * a) for c, a in zip(curvatures, x, strict=True)),
                             dimension=10, box=(-3.0, 3.0), name=name)  # fmt: skip
    if name == "double_well":
        return from_function(lambda x: (x * x - 1.0) ** 2, box=(-1.5, 1.5), name=name)
    return to_objective(name)


@contextmanager
def one_core() -> Iterator[None]:
    """Everything on one core, as far as the system lets."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def best(function: Callable[[], Any], repeats: int) -> float:
    """The least seconds of several runs, after one that compiles."""
    function()
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        found.append(time.perf_counter() - begin)
    return min(found)


def starts_of(name: str, dtype: str = "float64", balls: int | None = None) -> tuple[Any, Any]:
    """(dimension, balls) starts and one learning rate per ball."""
    balls = balls or _BALLS.get(name, 1 << 14)
    dimension = 10 if name == "quadratic_10d" else 1 if name == "double_well" else 2
    rng = np.random.default_rng(1)
    x = rng.uniform(-_BOX[name], _BOX[name], (dimension, balls)).astype(dtype)
    return x, (_RATE[name] * rng.uniform(0.5, 1.0, balls)).astype(dtype)


def layda_engine(name: str, steps: int, **options: Any) -> Engine:
    """Our engine."""
    settings = {"tolerance": 0.0, "check_every": 10, "keep": ("position",), "radius": 1e-3} | options
    return Engine(objective_of(name), Stepper(HeavyBall(0.01, _BETA)), ("learning_rate",), steps=steps, **settings)


def run_layda(engine: Engine, x: Any, rates: Any, threads: int) -> Callable[[], Any]:
    """A call of our engine on these balls."""
    numbers = {"learning_rate": rates.astype(np.float64), "momentum": _BETA}
    starts = np.ascontiguousarray(x.T.astype(np.float64))
    return lambda: engine.run(starts, numbers, threads)


def flops(name: str) -> int:
    """Floating-point operations in one step of the fused form: a fused multiply-add is two."""
    way = contracted_loop(build_loop(objective_of(name), Stepper(HeavyBall(0.01, _BETA)))).way
    hoisted = {index for index, node in enumerate(way.nodes) if _is_fixed(way, index)}
    counted = [node.op for index, node in enumerate(way.nodes) if index not in hoisted]
    return sum(2 * (op == "fma") + (op in ("add", "sub", "mul", "div", "sqrt")) for op in counted)


def _is_fixed(program: Any, index: int) -> bool:
    """Whether a line is the same at every step."""
    node = program.nodes[index]
    if node.op == "input":
        return node.value in ("learning_rate", "momentum")
    return all(_is_fixed(program, arg) for arg in node.args)


def fastest(measure: Callable[..., dict[str, float]], rounds: int, *arguments: Any) -> dict[str, float]:
    """The best figure of everyone in several rounds."""
    found = [measure(*arguments) for _ in range(rounds)]
    return {label: max(one[label] for one in found) for label in found[0]}


def fixed(name: str, dtype: str, repeats: int) -> dict[str, float]:
    """Steps per second of everyone, a fixed number of steps, one thread."""
    x, rates = starts_of(name, dtype)
    steps = _STEPS[name]
    work = x.shape[1] * steps
    found: dict[str, float] = {}
    for label, fast in (("layda fast", True), ("layda strict", False)):
        engine = layda_engine(name, steps, fast=fast, dtype=dtype)
        found[label] = work / best(run_layda(engine, x, rates, 1), 2 * repeats)
    native = Native(name, dtype)
    found["C"] = work / native.best_seconds(x, rates, _BETA, steps, repeats)
    few = max(1, steps // 10)
    numpy_work = x.shape[1] * few
    found["NumPy"] = numpy_work / best(lambda: _numpy(name, x, rates, few), 1)
    loop = numba_loop(name, dtype)
    if loop is not None:
        found["Numba one by one"] = numpy_work / best(lambda: loop(x, rates, _BETA, few), 1)
    found["JAX optax"] = work / jax_optax(name, x, float(rates[0]), _BETA, steps, dtype, best, repeats)
    found["JAX per-lane rates"] = work / jax_fixed(name, x, rates, _BETA, steps, dtype, best, repeats)
    return found


def _numpy(name: str, x: Any, rates: Any, steps: int) -> Any:
    x, v = x.copy(), np.zeros_like(x)
    gradient = GRADIENTS[name]
    for _ in range(steps):
        v = _BETA * v + rates * np.stack(gradient(np, *x))
        x = x - v
    return x


def early(name: str, repeats: int) -> dict[str, float]:
    """Balls per second with early stopping and log-spread rates, at most 5000 steps; verdicts included for layda."""
    balls, cap = 65536, 5000
    x, _ = starts_of(name, balls=balls)
    low, high = (1e-4, 0.1) if name == "double_well" else (1e-5, 0.01)
    rates = np.exp(np.random.default_rng(2).uniform(np.log(low), np.log(high), balls))
    found: dict[str, float] = {}
    for label, fast in (("layda early", False), ("layda early, fused", True)):
        whole = layda_engine(name, cap, tolerance=1e-6, keep=("steps", "verdict"), fast=fast)
        found[label] = balls / best(run_layda(whole, x, rates, 1), 4 * repeats)
        found["mean steps"] = float(np.mean(run_layda(whole, x, rates, 1)()["steps"]))
    plain = layda_engine(name, cap)
    found["layda fixed"] = balls / best(run_layda(plain, x, rates, 1), 1)
    found["JAX fixed"] = balls / jax_fixed(name, x, rates, _BETA, cap, "float64", best, 1)
    whole_at_once, chunked = jax_early(name, x, rates, _BETA, cap, best, 1)
    found["JAX while_loop"] = balls / whole_at_once
    found["JAX while_loop, best chunk"] = balls / chunked
    return found


def two_threads(name: str) -> tuple[float, float]:
    """What two threads gain for layda, and for a loop of bare multiply-adds."""
    x, rates = starts_of(name, balls=1 << 17)
    engine = layda_engine(name, _STEPS[name], fast=True)
    one, two = (best(run_layda(engine, x, rates, threads), 5) for threads in (1, 2))
    return one / two, fma_peak(2) / fma_peak(1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round, two objectives")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    repeats, rounds = 2, 1 if options.quick else 3
    names = OBJECTIVES[:2] if options.quick else OBJECTIVES
    report: dict[str, Any] = {"fixed": {}, "early": {}}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAYDA_CACHE_DIR"] = folder
        with one_core():
            report["fma_peak_flops"] = peak = fma_peak(1)
            print(f"peak of fused multiply-adds, one core: {peak / 1e9:.1f} GFLOP/s\n")
            for name in names:
                for dtype in ("float64",) if options.quick else ("float64", "float32"):
                    report["fixed"][f"{name} {dtype}"] = found = fastest(fixed, rounds, name, dtype, repeats)
                    balls = _BALLS.get(name, 1 << 14)
                    _print(f"{name}, {dtype}, {_STEPS[name]} steps of {balls} balls", found, "steps/s", "layda fast")
                    if dtype == "float64":
                        share = found["layda fast"] * flops(name) / peak
                        report["fixed"][f"{name} {dtype}"]["fraction of FMA peak"] = share
                        print(f"  layda fast: {flops(name)} flops a step, {share:.0%} of the FMA peak\n", flush=True)
            for name in names[:2]:
                report["early"][name] = found = fastest(early, rounds, name, repeats)
                mean = found.pop("mean steps")
                _print(f"{name}, stops early: 65536 balls, at most 5000 steps, mean {mean:.0f}", found, "balls/s",
                       "layda early")  # fmt: skip
        if len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)) > 1:
            report["two threads"] = {}
            for name in names[:2]:
                gain, bare = report["two threads"][name] = two_threads(name)
                print(f"{name}: two threads gain {gain:.2f}, a bare FMA loop {bare:.2f}; ratio {gain / bare:.2f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _print(title: str, found: dict[str, float], unit: str, ours: str) -> None:
    print(title)
    width = max(map(len, found))
    for label, value in found.items():
        print(f"  {label:{width}} {value:10.3g} {unit}   {ours} is {found[ours] / value:7.2f} ×")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
