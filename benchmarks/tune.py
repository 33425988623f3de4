"""Heavy ball tuned by ``layda.tune`` against the best of a grid of 40 learning rates and 40 momenta.

Run: python benchmarks/tune.py [NAME …]. Prints one row for each objective as Markdown.

Both go to the same target: f − f* at most 1e-6 of f(start) − f*, f* being the minimum of the start's basin (the known
lowest loss for tables), at two steps on end. The grid's settings need not stay there; those of ``tune`` must come to
rest there, and are run alone to count their steps.

Grid: α evenly spaced in its logarithm from 1e-3/L to 8/L, where L is the larger of the largest curvatures at the start
and at the minimum for the lower end, and the smaller one for the upper (as long as it is a thousandth of the larger);
1 − β from 1 to 1e-3, likewise. Every run of the grid ends at the target, when it is lost, or after 5000 steps (tables:
500); its cost is the sum of these steps. The cost of ``tune`` is all its gradients: measuring, polishing, racing and
checking.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import layda
from layda.diagnosis.curvature import curvature_at
from layda.diagnosis.lockstep import Heat, lockstep
from layda.objective import Objective
from layda.objectives import classic, from_function
from layda.objectives.data import data_objective
from layda.rules import HeavyBall

SIDE, CAP, CAP_OF_TABLES, SHARE = 40, 5000, 500, 1e-6


def quadratic(dimension: int, condition: float) -> Objective:
    """½ Σ λᵢxᵢ², λ from 1 to ``condition``, evenly spaced in their logarithm; from (1, 1, …)."""
    curvatures = np.geomspace(1.0, condition, dimension).tolist()

    def f(*x: Any) -> Any:
        total = 0.5 * curvatures[0] * x[0] ** 2
        for curvature, coordinate in zip(curvatures[1:], x[1:], strict=True):
            total = total + 0.5 * curvature * coordinate**2
        return total

    name = f"quadratic, {dimension} coordinates, κ = {condition:g}"
    return from_function(f, dimension=dimension, name=name, start=(1.0,) * dimension, box=(-2.0, 2.0), convex=True)


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    **{f"quadratic-{condition:g}": (lambda n=n, condition=condition: quadratic(n, condition))
       for n, condition in ((2, 10.0), (2, 100.0), (10, 1e3), (20, 1e4), (20, 1e5))},
    **{name: (lambda name=name: classic(name)) for name in (
        "rosenbrock", "himmelblau", "beale", "booth", "mccormick", "six_hump_camel", "styblinski_tang", "rastrigin",
        "goldstein_price", "tilted_double_well", "double_well", "quartic", "logarithm", "plateau", "lecture",
    )},
    "rosenbrock-10": lambda: classic("rosenbrock", 10),
    **{name: (lambda name=name: data_objective(name)) for name in ("breast_cancer", "wine", "iris")},
}  # fmt: skip


def grid(objective: Objective, minimum: np.ndarray, target: float, cap: int) -> tuple[np.ndarray, np.ndarray, Heat]:
    """α, β and what became of every run of the grid."""
    place = np.array(objective.start)
    sizes = [float(np.max(np.abs(curvature_at(objective, x).spectrum))) for x in (place, minimum)]
    low, high = 1e-3 / max(sizes), 8.0 / min(size for size in sizes if size >= 1e-3 * max(sizes))
    alphas, betas = np.meshgrid(np.geomspace(low, high, SIDE), 1.0 - np.geomspace(1.0, 1e-3, SIDE), indexing="ij")
    numbers = {"learning_rate": alphas.ravel(), "momentum": betas.ravel()}
    return *numbers.values(), lockstep(objective, HeavyBall(), place, numbers, target=target, steps=cap)


def steps_alone(objective: Objective, rule: Any, target: float, cap: int) -> int | None:
    """The first of two steps on end at the target, in a run of the rule alone."""
    values = layda.descend(objective, rule, steps=cap, tolerance=0.0).values
    at = np.flatnonzero((values[:-1] <= target) & (values[1:] <= target))
    return int(at[0]) if len(at) else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(OBJECTIVES)}; all by default")
    chosen = parser.parse_args().names or list(OBJECTIVES)
    print("| objective | κ at the minimum | grid: α | β | steps | tune: α | β | steps | ratio | share of the grid's "
          "gradients | tune, s | grid, s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    ratios, shares, worse = [], [], []
    for name in chosen:
        objective = OBJECTIVES[name]()
        table = not hasattr(objective, "program")
        cap = CAP_OF_TABLES if table else CAP
        began = time.perf_counter()
        tuned = layda.tune(objective, steps=cap)
        took = time.perf_counter() - began
        minimum = np.array(tuned.minimum)
        floor = objective.reference_value() if table else tuned.floor
        height = objective.value(np.array(objective.start))
        target = floor + SHARE * (height - floor)
        began = time.perf_counter()
        alphas, betas, ended = grid(objective, minimum, target, cap)
        searched = time.perf_counter() - began
        steps = np.where(ended.arrived >= 0, ended.arrived, cap + 1)
        best = int(np.argmin(steps))
        count = steps_alone(objective, tuned.recommended, target, cap)
        ratios.append((count if count is not None else np.inf) / max(int(steps[best]), 1))
        shares.append(tuned.spent / ended.gradients)
        if ratios[-1] > 1.25:
            worse.append(name)
        after = tuned.at_minimum
        condition = f"{after.condition:.3g}" if after is not None and after.condition is not None else "—"
        settings = tuned.recommended.settings()
        print(
            f"| {objective.name} | {condition} | {alphas[best]:.4g} | {betas[best]:.4g} | {steps[best]} | "
            f"{settings['learning_rate']:.4g} | {settings['momentum']:.4g} | {count} | {ratios[-1]:.2f}"
            f"{' (worse)' if ratios[-1] > 1.25 else ''} | {shares[-1]:.2%} | {took:.1f} | {searched:.1f} |",
            flush=True,
        )
    print(
        f"\nMedian ratio {np.median(ratios):.2f} over {len(ratios)} objectives; above 1.25: "
        f"{', '.join(worse) or 'none'}. Largest share of the grid's gradients {max(shares):.2%}."
    )


if __name__ == "__main__":
    main()
