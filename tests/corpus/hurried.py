"""Runs that stop short: the rate has vanished, or the budget is too small by much or by little."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.objective import Minimum, from_function
from layda.objectives import classic
from layda.rules import GradientDescent, HeavyBall, ScheduleFreeSGD
from layda.schedules import ExponentialDecay
from tests.corpus.case import Case, walk
from tests.corpus.terrain import DIMENSIONS, bowl, noisy_bowl, scaled, spectrum, table
from tests.corpus.theory import Modes, longest_step, stability_limit
from tests.corpus.ways import BOUNDED, EVERY, LINEAR, bounded, linear, scale, vanishing

__all__ = ["CRAWLING", "FROZEN", "UNFINISHED"]

Array = NDArray[np.float64]
Random = np.random.Generator
_TOLERANCE = 1e-6
_CRAWLING, _UNFINISHED = 20.0, (1.5, 6.0)  # further budgets; the line between the two is at ten


def _any(name: str, generator: Random) -> Any:
    if name in BOUNDED:
        return bounded(name)
    return linear(name, generator) if name in LINEAR else ScheduleFreeSGD


def _gain(rule: Any) -> float:
    """What the steps add up to for a unit gradient and α = 1: 1/(1 − β) and its like."""
    return float(rule.direction(np.float64(1.0)))


def _frozen(rule: Any, objective: Any, start: Array, steps: int, curvature: float, slack: float) -> bool:
    """By plain arithmetic: twice as many further steps, their rates ever smaller, would not get there."""
    path = walk(objective, rule, start, 3 * steps)
    if len(path) <= 3 * steps or not np.all(np.isfinite(path)):
        return False
    slopes = [objective.value_and_gradient(path[k])[1] for k in (steps, -1)]
    to_go = min(float(np.max(np.abs(slope))) for slope in slopes) / curvature  # |x − x*|₂ ≥ |g|₂/L ≥ |g|∞/L
    moved = float(np.max(np.abs(path[steps:] - path[steps])))
    return moved <= to_go / 10.0 and to_go >= slack


def damped(generator: Random) -> Case | None:
    """Any rule, any vanishing rate on a quadratic."""
    where = scale(generator)
    count = int(generator.choice(DIMENSIONS))
    curvatures = spectrum(generator, count, 10.0 ** generator.uniform(0.0, 1.0))
    target = bowl(generator, curvatures, where)
    steps, name = int(generator.integers(60, 200)), str(generator.choice(EVERY))
    rate = 10.0 ** generator.uniform(-3.0, -0.5) * (target.size / where.width if name in BOUNDED else 1.0)
    if name in LINEAR:
        make = linear(name, generator)
        rate *= stability_limit(make)
    else:
        make = _any(name, generator)
    schedule = vanishing(float(rate), steps, 4.5, generator)
    rates = schedule.values(steps + 1)
    rule = where.rule(make(schedule))
    if rates[-1] > 2.0**-12 * max(rates):
        return None
    start = np.array(target.start)
    if not _frozen(rule, target.objective, start, steps, float(target.curvatures.max()), 1e-3 * target.size):
        return None
    why = "the rate is under 2⁻¹² of its largest, and what it still adds up to is a tenth of the way at most"
    return Case("frozen", target.objective, rule, target.start, steps, why, "vanishing rate")


def wiped_out(generator: Random) -> Case | None:
    """The lecture's damping of .1: the first steps are all there is."""
    where = scale(generator)
    target = bowl(generator, spectrum(generator, int(generator.choice(DIMENSIONS)), 5.0), where)
    decay, name = float(generator.uniform(0.05, 0.6)), str(generator.choice(EVERY))
    make = _any(name, generator)
    rate = 0.3 * (stability_limit(make) if name in LINEAR else target.size / where.width if name in BOUNDED else 1.0)
    rule = where.rule(make(ExponentialDecay(float(rate), decay)))
    steps = int(generator.integers(100, 300))
    start = np.array(target.start)
    if not _frozen(rule, target.objective, start, steps, float(target.curvatures.max()), 1e-3 * target.size):
        return None
    why = (
        f"a decay of {decay:.2g} a step: the rates' sum is a few first steps, and the ball stands far from the minimum"
    )
    return Case("frozen", target.objective, rule, target.start, steps, why, "wiped out")


def no_rate(generator: Random) -> Case | None:
    """A learning rate of 0."""
    target = bowl(generator, spectrum(generator, int(generator.choice(DIMENSIONS)), 5.0), scale(generator))
    rule = _any(str(generator.choice(EVERY)), generator)(0.0)
    why = "with a learning rate of 0 the ball does not move, and the slope is not 0"
    return Case("frozen", target.objective, rule, target.start, int(generator.integers(5, 500)), why, "no rate")


def frozen_table(generator: Random) -> Case | None:
    """A model on a table, all rows or mini-batches, whose rate has vanished."""
    name = str(generator.choice(["diabetes", "breast_cancer", "iris"]))
    target = table(name, batch=None if generator.integers(2) else 32)
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    steepest = float(np.linalg.eigvalsh(rows.T @ rows / len(rows))[-1]) + 0.001  # bounds all three losses' Hessians
    way = str(generator.choice(EVERY[:-1]))
    make, steps = _any(way, generator), 60
    rate = 0.01 if way in BOUNDED else 0.2 * stability_limit(make) / steepest
    rule = make(ExponentialDecay(float(rate), float(generator.uniform(0.5, 0.85))))
    start = generator.normal(size=target.dimension)
    if not _frozen(rule, target, start, steps, steepest, 1e-3):
        return None
    why = "the slope over the largest curvature is more than ten times what the rates still add up to"
    return Case("frozen", target, rule, tuple(start.tolist()), steps, why, "frozen table")


def slow_quadratic(generator: Random) -> Case | None:
    """A tiny rate or a long valley: the steps needed from the powers of M."""
    make = linear(str(generator.choice(LINEAR)), generator)
    where = scale(generator)
    count = int(generator.choice(DIMENSIONS))
    if count > 1 and generator.integers(2):
        curvatures, share = spectrum(generator, count, 10.0 ** generator.uniform(4.0, 7.0)), generator.uniform(0.1, 0.8)
    else:
        curvatures, share = spectrum(generator, count, 10.0), 10.0 ** generator.uniform(-7.0, -3.0)
    target = bowl(generator, curvatures, where)
    rule = where.rule(make(float(stability_limit(make) * share)))
    steps = int(10.0 ** generator.uniform(1.8, 3.0))
    modes = Modes.of(rule, target.curvatures, target.basis, target.offset)
    needed = modes.steps_to(_TOLERANCE * target.size)
    fade = np.max(np.abs(np.linalg.eigvals(modes.matrix)), axis=1)
    slow = fade ** (_CRAWLING * steps) > 1e-6
    # While fast modes still ring over the slow ones, nothing in the last window could tell that these exist.
    if needed < (1.0 + _CRAWLING) * steps or modes.swings_slowly(steps) or modes.spins_up(steps):
        return None
    if not modes.shows(steps, slow, target.curvatures):
        return None
    why = f"the powers of M need {needed:.3g} steps in all, {needed / steps:.0f} budgets"
    return Case("crawling", target.objective, rule, target.start, steps, why, "slow quadratic")


def short_steps(generator: Random) -> Case | None:
    """Steps of at most c·α cannot cover the way within 21 budgets, c from a theorem for Adam and 1 for signs."""
    where = scale(generator)
    target = bowl(generator, spectrum(generator, int(generator.choice(DIMENSIONS)), 5.0), where)
    name = str(generator.choice(BOUNDED))
    steps = int(generator.integers(40, 1000))
    rate = (
        target.size / where.width / (longest_step(name) * (1.0 + _CRAWLING) * steps) * 10.0 ** generator.uniform(-3, 0)
    )
    rule = where.rule(bounded(name)(float(rate)))
    why = f"no step is longer than {longest_step(name):.3g}·α, so that 21 budgets do not cover the way"
    return Case("crawling", target.objective, rule, target.start, steps, why, "short steps")


def averaged(generator: Random) -> Case | None:
    """Schedule-free's fast point moves by at most α|g|, and the position lies between it and its past."""
    where = scale(generator)
    target = bowl(generator, spectrum(generator, int(generator.choice(DIMENSIONS)), 5.0), where, rotated=False)
    steps = int(generator.integers(40, 800))
    h = 1.0 / ((1.0 + _CRAWLING) * steps) * 10.0 ** generator.uniform(-3.0, -0.3)
    rule = where.rule(ScheduleFreeSGD(float(h), float(generator.choice([0.5, 0.9]))))
    why = f"no coordinate moves by more than the share h = {h:.2g} of its way in a step, 21 budgets are not enough"
    return Case("crawling", target.objective, rule, target.start, steps, why, "averaged")


def plateau(generator: Random) -> Case | None:
    """tanh² x far out: the slope is at most 8e^(−2x) on the way in to x₀ − 1, which bounds every pace."""
    where = scale(generator)
    name = str(generator.choice(LINEAR))
    make, start = linear(name, generator), float(generator.uniform(4.0, 9.0))
    rule = make(float(generator.uniform(0.05, 0.5)))
    steps = int(generator.integers(50, 1000))
    pace = rule.learning_rate * _gain(rule) * 8.0 * np.exp(-2.0 * (start - 1.0))  # type: ignore[attr-defined]
    if not (1.0 + _CRAWLING) * steps * pace < 1.0:
        return None
    objective = scaled(classic("plateau"), where.height, where.width)
    why = f"the slope allows {pace:.2g} a step at most for the first of the {start:.2g} units to go"
    return Case("crawling", objective, where.rule(rule), (start * where.width,), steps, why, "plateau")


def flat_bottom(generator: Random) -> Case | None:
    """x⁴/4: 1/x² grows by about 2α a step, so that a millionth takes 10¹² of the first steps."""
    where = scale(generator)
    rate, start = float(generator.uniform(0.02, 0.3)), float(generator.uniform(0.5, 1.5))
    objective = scaled(classic("quartic"), where.height, where.width)
    steps = int(generator.integers(100, 1500))
    # 1/x₊² = 1/x²·(1 − αx²)⁻² ≤ 1/x² + 2α/(1 − αx₀²)³, hence at least so many steps to 1e-6·x₀
    needed = 1e12 * (1.0 - rate * start**2) ** 3 / (2.0 * rate * start**2)
    if needed < (1.0 + _CRAWLING) * steps or rate * start**2 > 0.5:
        return None
    rule = where.rule(GradientDescent(rate))
    why = f"x falls as 1/√(2αk): {needed:.2g} steps to a millionth"
    return Case("crawling", objective, rule, (start * where.width,), steps, why, "flat bottom")


def slow_table(generator: Random) -> Case | None:
    """A model on a table at a tiny rate: |x − x*| ≥ |g|/L, and the slope can only fall by L for every unit moved."""
    name = str(generator.choice(["diabetes", "breast_cancer", "iris", "wine"]))
    target = table(name, batch=None if generator.integers(2) else 32)
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    steepest = float(np.linalg.eigvalsh(rows.T @ rows / len(rows))[-1]) + 0.001
    way = str(generator.choice(LINEAR[:5]))
    make, steps = linear(way, generator), int(generator.integers(50, 350))
    # Within 21 budgets gradient flow at h = α·gain·L·steps·21 < 1/2 has fallen by less than half in every direction.
    unit = make(1.0)
    h = 10.0 ** generator.uniform(-3.0, -0.4) / ((1.0 + _CRAWLING) * steps)
    rule = make(float(h / steepest / _gain(unit)))
    start = generator.normal(size=target.dimension)
    why = "α·L·gain summed over 21 budgets is below a half: no direction has come down by more than that share"
    return Case("crawling", target, rule, tuple(start.tolist()), steps, why, "slow table")


def on_its_way(generator: Random) -> Case | None:
    """The powers of M say how many steps it takes in all; the budget is cut to leave 1.5 to 6 further ones."""
    make = linear(str(generator.choice(LINEAR)), generator)
    where = scale(generator)
    curvatures = spectrum(generator, int(generator.choice(DIMENSIONS)), 10.0 ** generator.uniform(0.0, 3.0))
    target = bowl(generator, curvatures, where)
    rule = where.rule(make(float(stability_limit(make) * 10.0 ** generator.uniform(-3.0, -0.1))))
    modes = Modes.of(rule, target.curvatures, target.basis, target.offset)
    needed = modes.steps_to(_TOLERANCE * target.size)
    steps = int(needed / (1.0 + generator.uniform(*_UNFINISHED))) if needed < 1e6 else 0
    if not 40 <= steps <= 1200 or modes.swings_slowly(steps):
        return None
    why = f"the powers of M need {needed:.0f} steps in all, {needed / steps - 1.0:.1f} further budgets"
    return Case("unfinished", target.objective, rule, target.start, steps, why, "on its way")


def walking(generator: Random) -> Case | None:
    """Steps of constant length on a slope that is still long: the way over the pace is known."""
    where = scale(generator)
    name = str(generator.choice(BOUNDED))
    count = int(generator.choice([1, 2, 6, 40]))
    # All coordinates alike: every one of them is as far away as the others.
    offset = np.full(count, 1.0) * generator.choice([-1.0, 1.0], size=count)
    target = bowl(generator, np.ones(count), where, rotated=False, offset=offset)
    steps = int(generator.integers(60, 900))
    ahead = generator.uniform(*_UNFINISHED)
    rule = where.rule(bounded(name)(float(1.0 / ((1.0 + ahead) * steps))))
    if not name.startswith(("lion", "sign")):
        path = np.max(np.abs(walk(target.objective, rule, target.start, 9 * steps) - target.centre), axis=1)
        arrived = np.flatnonzero(path <= 1e-2 * target.size)
        if len(arrived) == 0 or not _UNFINISHED[0] <= arrived[0] / steps - 1.0 <= _UNFINISHED[1]:
            return None
    why = f"at its pace the ball has {ahead:.1f} further budgets to walk"
    return Case("unfinished", target.objective, rule, target.start, steps, why, "walking")


def convex_on_its_way(generator: Random) -> Case | None:
    """x² + x⁴ in every coordinate: when the path really comes to 1e-6, in budgets, by going on with the arithmetic."""
    where = scale(generator)
    count = int(generator.choice([1, 3, 12]))
    h, w = where.height, where.width
    objective = from_function(
        lambda *x: sum(h * ((c / w) ** 2 / 2 + (c / w) ** 4 / 4) for c in x), dimension=count, box=(-2 * w, 2 * w),
        minima=[Minimum((0.0,) * count, 0.0)], name="sharpening",
    )  # fmt: skip
    make = linear(str(generator.choice(LINEAR)), generator)
    rule = where.rule(make(float(stability_limit(make) * 10.0 ** generator.uniform(-2.3, -0.8))))
    start = generator.uniform(-1.0, 1.0, size=count) * w
    path = np.max(np.abs(walk(objective, rule, start, 1500)), axis=1)
    far = np.flatnonzero(path > _TOLERANCE * path[0])
    needed = int(far[-1]) + 1
    steps = int(needed / (1.0 + generator.uniform(*_UNFINISHED)))
    if needed > 1450 or steps < 40:
        return None
    why = f"going on with plain arithmetic takes {needed} steps in all, {needed / steps - 1.0:.1f} further budgets"
    return Case("unfinished", objective, rule, tuple(start.tolist()), steps, why, "sharpening")


def regression_on_its_way(generator: Random) -> Case | None:
    """Linear regression on a table, its steps from the table's spectrum."""
    target = table("diabetes", l2=float(generator.choice([0.01, 0.1])))
    penalty = dict(target.options)["l2"]
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    curvatures, basis = np.linalg.eigh(rows.T @ rows / len(rows) + np.diag([penalty] * (rows.shape[1] - 1) + [0.0]))
    make = linear(str(generator.choice(LINEAR)), generator)
    rule = make(float(stability_limit(make) / curvatures[-1] * 10.0 ** generator.uniform(-1.5, -0.1)))
    start = generator.normal(size=len(curvatures))
    best = np.linalg.solve(basis * curvatures @ basis.T, rows.T @ target.targets / len(rows))
    size = float(np.max(np.abs(start - best)))
    modes = Modes.of(rule, curvatures, basis, start - best)
    needed = modes.steps_to(_TOLERANCE * size)
    steps = int(needed / (1.0 + generator.uniform(*_UNFINISHED))) if needed < 1e6 else 0
    if not 40 <= steps <= 500 or modes.swings_slowly(steps):
        return None
    why = f"the table's spectrum asks for {needed:.0f} steps in all, {needed / steps - 1:.1f} further budgets"
    return Case("unfinished", target, rule, tuple(start.tolist()), steps, why, "regression")


def agreeing_on_its_way(generator: Random) -> Case | None:
    """Mini-batches whose rows agree: the path itself, gone on with, says when it arrives."""
    where = scale(generator)
    curvatures = spectrum(generator, int(generator.choice([1, 3, 8])), generator.uniform(1.0, 2.0))
    target, best, _ = noisy_bowl(generator, curvatures, where, noise=0.0, batch=32)
    beta = float(generator.choice([0.0, 0.5]))
    rule = where.rule(HeavyBall(float(10.0 ** generator.uniform(-1.6, -1.0)) * (1.0 - beta), beta))
    path = np.max(np.abs(walk(target, rule, target.start, 800) - best), axis=1)
    needed = int(np.flatnonzero(path > _TOLERANCE * path[0])[-1]) + 1
    steps = int(needed / (1.0 + generator.uniform(*_UNFINISHED)))
    if needed > 780 or steps < 40:
        return None
    why = f"all rows have one minimum; the path takes {needed} steps in all, {needed / steps - 1:.1f} further budgets"
    return Case("unfinished", target, rule, target.start, steps, why, "agreeing batches")


FROZEN = (damped, wiped_out, no_rate, damped, frozen_table)
CRAWLING = (slow_quadratic, short_steps, averaged, plateau, flat_bottom, slow_table, slow_quadratic)
UNFINISHED = (on_its_way, walking, convex_on_its_way, regression_on_its_way, agreeing_on_its_way, on_its_way)
