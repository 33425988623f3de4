"""Does the advice help? Sick runs are drawn, diagnosed, and run again as told, twice at most.

A run counts as healed when it settles, within the same budget, as low as the best of a 20 × 20 grid of learning rates
and momenta does from its start. Runs that no setting of the grid heals, or that are as low as the best of it already,
are counted apart. Costs are gradients of the examination over gradients of the run. ``--seed`` draws others.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import layda
from layda.diagnosis import diagnose, follow
from tests.diagnosis.sick import SICK, best_of_grid, patients


@dataclass
class Count:
    """What became of the runs of one verdict."""

    healed: int = 0
    apart: int = 0
    failed: list[str] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def treat(run: layda.Trajectory, count: Count) -> None:
    """Diagnose and follow, twice at most."""
    best = best_of_grid(run)
    if not np.isfinite(best.value) or best.healthy(run):
        count.apart += 1
        return
    now, way = run, [run.verdict.kind]
    for turn in range(2):
        found = diagnose(now)
        if turn == 0:
            count.costs.append(found.gradients / found.own)
        if found.remedy is None:
            way.append("no remedy")
            break
        now = follow(now, found)
        way.append(f"{now.verdict.kind} f = {now.value:.4g}")
        if best.healthy(now):
            count.healed += 1
            return
    count.failed.append(
        f"{run.objective.name}, {run.rule}, start {np.round(run.settings['start'], 3).tolist()}, {run.budget} steps: "
        f"{' -> '.join(way)}; {best.share:.1%} of the grid reach {best.value:.4g}"
    )


def main() -> None:
    """Print one line for each verdict, then what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=60, help="runs of each verdict")
    parser.add_argument("--healthy", type=int, default=100, help="healthy runs")
    parser.add_argument("--no-tables", action="store_true", help="traced objectives alone")
    options = parser.parse_args()
    tables = not options.no_tables
    print(f"seed {options.seed}, {options.count} runs of each verdict")
    print(f"{'verdict':<10}{'healed':>8}{'of':>5}{'share':>8}{'apart':>7}{'median cost':>13}{'largest':>9}", flush=True)
    total = [0, 0]
    failed: list[str] = []
    for kind, runs in patients(options.seed, options.count, SICK, tables).items():
        count = Count()
        for run in runs:
            treat(run, count)
        number = count.healed + len(count.failed)
        total[0], total[1] = total[0] + count.healed, total[1] + number
        print(
            f"{kind:<10}{count.healed:>8}{number:>5}{count.healed / max(number, 1):>8.1%}{count.apart:>7}"
            f"{np.median(count.costs):>13.3g}{max(count.costs):>9.3g}",
            flush=True,
        )
        failed += count.failed
    print(f"{'all':<10}{total[0]:>8}{total[1]:>5}{total[0] / max(total[1], 1):>8.1%}", flush=True)
    healthy = patients(options.seed, options.healthy, ("converged",), tables)["converged"]
    clean = sum(diagnose(run).healthy for run in healthy)
    print(f"healthy runs in which no problem was found: {clean} of {len(healthy)}")
    for line in failed:
        print("  failed:", line)


if __name__ == "__main__":
    main()
