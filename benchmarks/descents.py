"""Steps per second of one heavy-ball descent: layda's paths, a hand-written loop, and the peers, in one run.

Run: python benchmarks/descents.py [--steps 1000000].
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import layda
from layda.rules import HeavyBall

OBJECTIVES = {"quartic": 0.01, "himmelblau": 0.001, "rastrigin": 0.0005, "ackley": 0.005}


def best_of(action: Callable[[], Any], repeats: int = 5) -> float:
    """The shortest of several runs, in seconds: what the machine can do when it is not busy."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)


def by_hand(steps: int) -> float:
    """The quartic written out in plain Python, positions recorded."""
    x, v, seen = 1.5, 0.0, []
    for _ in range(steps):
        v = 0.9 * v + 0.01 * (x * x * x)
        seen.append(x)
        x -= v
    return x


def by_torch(steps: int) -> Callable[[], Any] | None:
    """torch.optim.SGD on the quartic, as its users write it."""
    try:
        import torch
    except ImportError:
        return None

    def action() -> None:
        x = torch.tensor([1.5], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([x], 0.01, momentum=0.9)
        for _ in range(steps):
            optimizer.zero_grad()
            (x**4 / 4).sum().backward()
            optimizer.step()

    return action


def by_optax(steps: int) -> Callable[[], Any] | None:
    """optax.sgd on the quartic inside one compiled lax.scan, positions recorded."""
    try:
        import jax
        import optax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    transformation = optax.sgd(0.01, 0.9)
    slope = jax.grad(lambda x: x**4 / 4)

    def body(carry: Any, _: Any) -> Any:
        x, state = carry
        change, state = transformation.update(slope(x), state)
        return (x + change, state), x

    @jax.jit
    def walk(x: Any) -> Any:
        return jax.lax.scan(body, (x, transformation.init(x)), None, length=steps)

    def action() -> None:
        jax.block_until_ready(walk(np.float64(1.5)))

    action()  # compilation does not count
    return action


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    steps = parser.parse_args().steps
    short = min(steps, 100_000)
    print(f"{'':<44}{'M steps/s':>12}{'seconds for 1e6':>18}")

    def row(name: str, count: int, seconds: float) -> None:
        print(f"{name:<44}{count / seconds / 1e6:12.3f}{seconds / count * 1e6:18.4f}")

    row("quartic, written by hand, recorded", short, best_of(lambda: by_hand(short)))
    for name, rate in OBJECTIVES.items():
        rule = HeavyBall(rate, 0.9)
        for backend, record in (("python", "all"), ("numba", "all"), ("numba", "end")):
            count = short if backend == "python" else steps

            def action(
                name: str = name, rule: HeavyBall = rule, backend: str = backend, record: Any = record, n: int = count
            ) -> None:
                layda.descend(name, rule, steps=n, tolerance=0, backend=backend, record=record)

            action()  # tracing and compilation do not count
            row(
                f"{name}, layda, {backend}, {'recorded' if record == 'all' else 'the end alone'}",
                count,
                best_of(action),
            )
    torch_run, optax_run = by_torch(2000), by_optax(short)
    if torch_run:
        row("quartic, torch.optim.SGD", 2000, best_of(torch_run, 2))
    if optax_run:
        row("quartic, optax in lax.scan, recorded", short, best_of(optax_run))


if __name__ == "__main__":
    main()
