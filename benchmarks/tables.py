"""Steps to within 1% of the lowest loss on real tables: plain descent and momentum, each at its best rate of nine.

Run: python benchmarks/tables.py [--wide]. The nine rates are 2^k/L for k = −7 … 1, L being the largest curvature at the
start: 2/L is where plain descent stops being stable on a quadratic with that curvature. With --wide further rates, up
to 64/L, show what happens where nothing vouches for stability any more.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import layda
from layda.objectives import data_objective
from layda.rules import GradientDescent, HeavyBall, Nesterov
from layda.run.rates import rate_grid, steps_to

WINE = str(Path(__file__).parents[1] / "examples" / "wine.csv")
TABLES = {
    "breast_cancer": ("breast_cancer", None, 2000),
    "wine.csv": (WINE, "cultivar", 2000),
    "digits": ("digits", None, 600),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wide", action="store_true", help="rates up to 64/L as well")
    wide = parser.parse_args().wide
    for name, (source, target, budget) in TABLES.items():
        objective = data_objective(source, target=target)
        goal = 1.01 * objective.reference_value()
        rates = rate_grid(objective)
        if wide:
            rates = (*rates, *(rates[-1] * 2.0**power for power in range(1, 6)))
        print(f"{name}: f* = {goal / 1.01:.6f}, rates {rates[0]:.4g} … {rates[-1]:.4g}, {budget} steps at most")
        found = {}
        plain = replace(objective, convex=True)
        for rule in (GradientDescent(), HeavyBall(), Nesterov()):
            counts = []
            for rate in rates:
                run = layda.descend(plain, replace(rule, learning_rate=rate), steps=budget, tolerance=0)
                counts.append(steps_to(run.values, goal))
            reached = [(count, rate) for count, rate in zip(counts, rates, strict=True) if count is not None]
            found[rule.name] = min(reached) if reached else (None, float("nan"))
            shown = " ".join("—" if count is None else str(count) for count in counts)
            print(f"  {rule.name:<18} best {found[rule.name][0]} at α = {found[rule.name][1]:.4g}   ({shown})")
        first = found["gradient-descent"][0]
        momentum = min(count for name, (count, _) in found.items() if name != "gradient-descent" and count)
        if first:
            print(f"  plain descent / momentum: {first / momentum:.2f}")


if __name__ == "__main__":
    main()
