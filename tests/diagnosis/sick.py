"""Sick runs and healthy ones, drawn at random, and what the best of a grid of settings would have reached.

A draw picks an objective, a rule that has a momentum, a start in the box, a budget, and α, β and δ over wide ranges.
What becomes of the run is its verdict; draws are repeated until every class has its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import layda
from layda.diagnosis.settings import momentum_name, steady
from layda.measures import VERDICTS
from layda.objective import Objective, from_function
from layda.objectives import classic
from layda.rule import Rule
from layda.rules import HeavyBall, Nesterov, QuasiHyperbolic
from layda.run.ensemble import prepared, run_balls
from layda.schedules import ExponentialDecay
from layda.settings import numbers_of

__all__ = ["SICK", "Best", "best_of_grid", "draws", "objectives", "patients"]

SICK = ("diverged", "crawling", "frozen", "trapped", "cycling")
_SETTLED = (VERDICTS.index("converged"), VERDICTS.index("trapped"))
_NAMES = (
    "sphere", "booth", "rosenbrock", "himmelblau", "beale", "six_hump_camel", "styblinski_tang", "rastrigin",
    "goldstein_price", "double_well", "tilted_double_well", "quartic", "period_three", "plateau", "mccormick",
    "lecture", "ackley",
)  # fmt: skip
_SIDE = 20


def _bowl(dimension: int, condition: float) -> Objective:
    curvatures = [float(condition ** (i / max(dimension - 1, 1))) for i in range(dimension)]

    def function(*x: Any) -> Any:
        total = curvatures[0] * (x[0] * x[0])
        for curvature, coordinate in zip(curvatures[1:], x[1:], strict=True):
            total = total + curvature * (coordinate * coordinate)
        return total / 2.0

    return from_function(
        function, dimension=dimension, box=(-2, 2), name=f"bowl {dimension} {condition:g}", convex=True
    )


@cache
def objectives(tables: bool = True) -> tuple[tuple[Objective, float], ...]:
    """The objectives, each with its largest curvature at its best minimum (or usual start)."""
    found: list[Objective] = [classic(name) for name in _NAMES]
    found += [classic("rastrigin", 1), classic("styblinski_tang", 3), _bowl(2, 30.0), _bowl(5, 1e3), _bowl(8, 100.0)]
    if tables:
        found += [layda.objectives.data_objective(name) for name in ("breast_cancer", "wine", "diabetes")]
    return tuple((objective, _steepness(objective)) for objective in found)


def _steepness(objective: Objective) -> float:
    places = [objective.start] + ([objective.minima[0].position] if objective.minima else [])
    found = []
    for place in places:
        matrix = objective.hessian(np.array(place))
        if np.all(np.isfinite(matrix)):
            found.append(float(np.max(np.abs(np.linalg.eigvalsh(matrix)))))
    return max(found[-1], 1e-3 * max(found)) or 1.0


def draws(seed: int, tables: bool = True) -> Iterator[tuple[Objective, Rule, tuple[float, ...], int]]:
    """Objective, rule, start and budget, without end."""
    random = np.random.default_rng(seed)
    pool = objectives(tables)
    while True:
        objective, steep = pool[random.integers(len(pool))]
        rate = float(np.exp(random.uniform(np.log(1e-5), np.log(30.0))) / steep)
        momentum = float(1.0 - np.exp(random.uniform(np.log(3e-3), 0.0))) if random.random() < 0.95 else 1.0
        alpha: Any = rate
        if random.random() < 0.3:
            alpha = ExponentialDecay(rate, float(1.0 - np.exp(random.uniform(np.log(1e-3), np.log(0.9)))))
        kind = random.integers(5)
        rule: Rule
        if kind < 3:
            rule = HeavyBall(alpha, momentum, form=("velocity", "step", "average")[kind])
        elif kind == 3:
            rule = Nesterov(alpha, momentum)
        else:
            rule = QuasiHyperbolic(alpha, momentum, 0.7)
        low, high = np.array(objective.box).T
        start = tuple(float(x) for x in random.uniform(low, high))
        yield objective, rule, start, int(random.choice([300, 1000, 2000]))


def patients(
    seed: int, per_class: int, kinds: tuple[str, ...] = SICK, tables: bool = True, most: int = 100_000
) -> dict[str, list[layda.Trajectory]]:
    """So many runs of every class (fewer where ``most`` draws give no more)."""
    found: dict[str, list[layda.Trajectory]] = {kind: [] for kind in kinds}
    for count, (objective, rule, start, steps) in enumerate(draws(seed, tables)):
        if count >= most or all(len(runs) >= per_class for runs in found.values()):
            break
        run = layda.descend(objective, rule, start=start, steps=steps)
        runs = found.get(run.verdict.kind)
        if runs is not None and len(runs) < per_class:
            runs.append(run)
    return found


@dataclass(frozen=True)
class Best:
    """What a grid of 20 × 20 settings reaches.

    Attributes:
        value: the lowest f where any of them settles; infinite when none does.
        slack: by how much more a run counts as being there, too.
        share: of the settings that reach it. gradients: what the grid cost.
    """

    value: float
    slack: float
    share: float
    gradients: float

    def healthy(self, run: layda.Trajectory) -> bool:
        """Whether the run settled there, or lower."""
        return run.verdict.kind in ("converged", "trapped") and run.value <= self.value + self.slack


def best_of_grid(run: layda.Trajectory) -> Best:
    """The best that constant α and β of a grid reach from the run's start, within its budget.

    α from 1e-3/L to 4/L in equal ratios, L the largest curvature at the best minimum; β from 0 to .997, evenly in
    log(1 − β).
    """
    rule = steady(run.rule)
    steep = {id(objective): value for objective, value in objectives(True)}.get(id(run.objective), 1.0)
    rates, momenta = np.geomspace(1e-3, 4.0, _SIDE) / steep, 1.0 - np.geomspace(1.0, 3e-3, _SIDE)
    grid = np.meshgrid(rates, momenta, indexing="ij")
    name = momentum_name(rule)
    assert name is not None
    numbers: dict[str, Any] = dict(numbers_of(rule)) | {"learning_rate": grid[0].ravel(), name: grid[1].ravel()}
    options = prepared(
        run.objective,
        {"steps": run.budget, "tolerance": run.settings["tolerance"], "check_every": run.settings["check_every"],
         "keep": ("verdict", "value", "steps"), "radius": None, "fast": False, "dtype": "float64"},
    )  # fmt: skip
    starts = np.repeat(np.array(run.settings["start"])[None, :], grid[0].size, axis=0)
    found = run_balls(run.objective, rule, starts, numbers, options)
    values = np.where(np.isin(found["verdict"], _SETTLED), found["value"], np.inf)
    lowest = float(np.min(values))
    first = run.objective.value(np.array(run.settings["start"]))
    slack = 1e-6 * abs(first - lowest) + 1e-9 * abs(lowest) if np.isfinite(lowest) else 0.0
    return Best(lowest, slack, float(np.mean(values <= lowest + slack)), float(np.sum(found["steps"] + 1)))
