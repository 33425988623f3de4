"""Runs that never come to rest: cycles, divergence, and steps out of the set where f exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.functions import cos, log, sqrt
from layda.objective import Minimum, Objective, black_box, from_function
from layda.objectives import classic
from layda.rules import GradientDescent, HeavyBall, Lion, SignMomentum
from tests.corpus.case import Case, walk
from tests.corpus.terrain import DIMENSIONS, bowl, noisy_bowl, scaled, spectrum, table
from tests.corpus.theory import Modes, rate_of, stability_limit
from tests.corpus.ways import BOUNDED, EVERY, LINEAR, bounded, linear, scale

__all__ = ["CYCLING", "DIVERGED", "UNDEFINED"]

Array = NDArray[np.float64]
Random = np.random.Generator


def _lessard_cycle(alpha: float, beta: float) -> Array:
    """The three points, each where f' has the slope 25: p < 1, q < 1, r ≥ 2, from three linear equations."""
    turn = np.roll(np.eye(3), 1, axis=1)  # x_{k+1} of every k
    system = turn - (1.0 + beta) * np.eye(3) + beta * turn.T + 25.0 * alpha * np.eye(3)
    found: Array = np.linalg.solve(system, alpha * np.array([0.0, 0.0, 24.0]))
    return found


def period_three(generator: Random) -> Case | None:
    """The counterexample of Lessard, Recht and Packard: an attracting cycle on a convex function."""
    where = scale(generator)
    alpha, beta = 1.0 / 9.0, 4.0 / 9.0
    cycle = _lessard_cycle(alpha, beta)
    assert np.sum(cycle < 1.0) == 2
    assert np.max(cycle) >= 2.0
    start, count = generator.uniform(2.9, 3.3), int(generator.choice([1, 1, 2, 4, 20]))
    one = classic("period_three")
    h, w = where.height, where.width
    if count == 1:
        objective: Objective = scaled(one, h, w)
    else:
        objective = from_function(
            lambda *x: sum(h * next(iter(one.program.evaluate({"x": c / w}).values())) for c in x), dimension=count,
            box=(-4 * w, 4 * w), minima=[Minimum((0.0,) * count, 0.0)], name="period three",
        )  # fmt: skip
    form = str(generator.choice(["velocity", "step", "average"]))
    rule = where.rule(HeavyBall(alpha / (1.0 - beta) if form == "average" else alpha, beta, form=form))
    steps = int(generator.integers(400, 1500))
    path = walk(objective, rule, (start * w,) * count, steps)[-60:, 0] / w
    if not np.max(np.abs(np.sort(path[-3:]) - np.sort(cycle))) <= 1e-8:
        return None
    why = "the path has come to the attracting cycle of period 3 that three linear equations give"
    return Case("cycling", objective, rule, (start * w,) * count, steps, why, "period three", period=3)


def at_the_limit(generator: Random) -> Case | None:
    """The steepest curvature sits exactly at the limit, where a root of M is −1: it swings for ever."""
    make = linear(str(generator.choice(LINEAR)), generator)
    limit, where = stability_limit(make), scale(generator)
    roots = np.linalg.eigvals(_matrix(make(limit)))
    if not np.min(np.abs(roots + 1.0)) < 1e-9 or np.sum(np.abs(roots) > 0.995) > 1:
        return None
    curvatures = spectrum(generator, int(generator.choice(DIMENSIONS)), 10.0 ** generator.uniform(0.3, 1.0))
    curvatures[1:] *= 0.9  # only one mode at the limit
    target = bowl(generator, curvatures, where, rotated=False)
    rule = where.rule(make(limit))
    modes = Modes.of(rule, target.curvatures[1:], np.eye(len(curvatures) - 1), target.offset[1:])
    needed = modes.steps_to(1e-6 * target.size) if len(curvatures) > 1 else 10.0
    own = np.abs(roots)[np.abs(roots) < 0.999]
    fade = np.log(1e-6) / np.log(np.max(own)) if len(own) and np.max(own) > 0.0 else 0.0
    if needed > 1000.0 or abs(target.offset[0]) < 0.1 * target.size:
        return None
    steps = int(max(needed, fade)) + 320
    why = "at the limit a root of M is −1: the steepest mode changes its sign for ever, the others have died out"
    return Case("cycling", target.objective, rule, target.start, steps, why, "at the limit", period=2)


def _matrix(rule: Any) -> Array:
    from tests.corpus.theory import matrices

    found: Array = matrices(rule, np.ones(1))[0]
    return found


def undamped(generator: Random) -> Case | None:
    """β = 1 forgets nothing: both roots of z² − (2 − h)z + 1 lie on the unit circle while 0 < h < 4."""
    where = scale(generator)
    count = int(generator.choice([1, 1, 2, 6, 30]))
    steepness = 10.0 ** generator.uniform(-1.2, 0.55)
    curvatures = np.full(count, 1.0)
    target = bowl(generator, curvatures, where, rotated=False)
    rule = where.rule(HeavyBall(float(steepness), 1.0, form=str(generator.choice(["velocity", "step"]))))
    why = f"β = 1, h = {steepness:.3g} < 4: no friction, the swing goes on for ever"
    return Case("cycling", target.objective, rule, target.start, int(generator.integers(300, 1500)), why, "undamped")


def signs(generator: Random) -> Case | None:
    """Every displacement is ±α: the ball arrives and then goes to and fro."""
    where = scale(generator)
    count = int(generator.choice([1, 2, 5, 30]))
    target = bowl(generator, spectrum(generator, count, 3.0), where, rotated=False)
    beta = float(generator.choice([0.0, 0.5, 0.9]))
    # The memory of Lion must forget within the window, or one swing takes longer than that.
    rule = SignMomentum(1.0, beta) if generator.integers(2) else Lion(1.0, 0.9, float(generator.choice([0.8, 0.9])))
    rate = target.size * generator.uniform(0.01, 0.05)
    rule = type(rule)(**(rule.settings() | {"learning_rate": float(rate)}))
    why = "steps of constant length α cannot end in rest; the way to the minimum takes at most a hundred"
    return Case("cycling", target.objective, rule, target.start, int(generator.integers(700, 1500)), why, "signs")


def swing(generator: Random) -> Case | None:
    """x ← x − α sin x with 2 < α < π: 0 repels, and ±x with α sin x = 2x attract."""
    where = scale(generator)
    alpha, count = generator.uniform(2.1, 3.0), int(generator.choice([1, 2, 5, 50]))
    low, high = 1e-3, 3.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if alpha * np.sin(middle) > 2.0 * middle else (low, middle)
    multiplier = (1.0 - alpha * np.cos(low)) ** 2
    h, w = where.height, where.width
    steps = int(generator.integers(300, 900))
    if not multiplier ** (0.5 * (steps - 300)) < 1e-10:
        return None
    if count <= 5:
        objective: Objective = from_function(
            lambda *x: sum(-h * cos(c / w) for c in x), dimension=count, box=(-3 * w, 3 * w), name="swing",
            minima=[Minimum((0.0,) * count, -h * count)],
        )  # fmt: skip
    else:
        objective = black_box(
            lambda x: float(-h * np.sum(np.cos(x / w))), lambda x: h / w * np.sin(x / w), dimension=count,
            box=(-3 * w, 3 * w), minima=[Minimum((0.0,) * count, -h * count)], name="swing",
        )  # fmt: skip
    start = generator.uniform(0.2, 1.2, size=count) * generator.choice([-1.0, 1.0], size=count) * w
    rule = where.rule(GradientDescent(float(alpha)))
    path = np.abs(walk(objective, rule, start, steps)[-1] / w)
    if not np.max(np.abs(path - low)) < 1e-7:
        return None
    why = f"the 2-cycle α sin x = 2x has the multiplier {multiplier:.3g} < 1 and the path has come to it"
    return Case("cycling", objective, rule, tuple(start.tolist()), steps, why, "swing", period=2)


def doubling(generator: Random) -> Case | None:
    """x ← x − α(x³ − x) with 1 < α < 2: bounded by |x| ≤ √(1 + 2/α), both minima and the top repel."""
    where = scale(generator)
    alpha = float(generator.uniform(1.06, 1.95))
    objective = scaled(classic("double_well"), where.height, where.width)
    start = generator.uniform(0.2, 1.2) * where.width
    steps = int(generator.integers(400, 1500))
    why = f"1 − 2α = {1 - 2 * alpha:.3g} at the minima, 1 + α at the top: nothing attracts but cycles or chaos, bounded"
    return Case("cycling", objective, where.rule(GradientDescent(alpha)), (start,), steps, why, "period doubling")


def noise_floor(generator: Random) -> Case | None:
    """Mini-batches at a constant rate, when the start is long forgotten: the noise keeps the ball moving."""
    where = scale(generator)
    curvatures = spectrum(generator, int(generator.choice([1, 2, 5, 20])), generator.uniform(1.0, 2.0))
    target, _, _ = noisy_bowl(generator, curvatures, where, noise=float(generator.uniform(0.3, 2.0)), batch=4)
    beta, h = float(generator.choice([0.0, 0.5, 0.9])), float(generator.uniform(0.05, 0.2))
    rule = HeavyBall(h * (1.0 - beta), beta)
    steps = int(np.log(1e-3) / np.log(rate_of(rule, curvatures))) + 300
    why = "the start has faded to a thousandth and every batch pushes elsewhere: a constant rate keeps it wandering"
    return Case("cycling", target, where.rule(rule), target.start, steps, why, "noise floor")


def table_floor(generator: Random) -> Case | None:
    """The same on a table: linear regression with a penalty of .5, so that no direction is slow."""
    target = table("diabetes", l2=0.5, batch=16)
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    curvatures = np.linalg.eigvalsh(rows.T @ rows / len(rows) + np.diag([0.5] * (rows.shape[1] - 1) + [0.0]))
    rule = HeavyBall(float(generator.uniform(0.02, 0.1)), float(generator.choice([0.0, 0.5])))
    steps = int(np.log(1e-3) / np.log(rate_of(rule, curvatures))) + 300
    start = tuple((0.3 * generator.normal(size=len(curvatures))).tolist())
    why = "the slowest mode has faded to a thousandth, and the rows do not agree on one minimum"
    return Case("cycling", target, rule, start, steps, why, "noise floor of a table")


def above_the_limit(generator: Random) -> Case | None:
    """h above the limit: the growth at the end of the budget is known from the powers of M."""
    make = linear(str(generator.choice(LINEAR)), generator)
    where = scale(generator)
    curvatures = spectrum(generator, int(generator.choice(DIMENSIONS)), 10.0 ** generator.uniform(0.0, 2.0))
    excess = 10.0 ** generator.uniform(-2.3, 0.6)
    rule = make(float(stability_limit(make) * (1.0 + excess)))
    growth = rate_of(rule, curvatures)
    orders = generator.choice([4.0, 8.0, 30.0, 400.0])
    steps = int(orders * np.log(10.0) / np.log(growth)) + 5
    if not 12 <= steps <= 2000:
        return None
    target = bowl(generator, curvatures, where)
    rule = where.rule(rule)
    modes = Modes.of(rule, target.curvatures, target.basis, target.offset)
    if not modes.distance(steps) > 1e3 * target.size and orders < 300.0:
        return None
    why = (
        f"{excess:.2g} above the limit the largest root is {growth:.5g}: {orders:.0f} orders of magnitude in the budget"
    )
    return Case("diverged", target.objective, rule, target.start, steps, why, "above the limit")


def falling(generator: Random) -> Case | None:
    """A quadratic with a negative curvature has no minimum: the ball falls faster and faster."""
    make = linear(str(generator.choice(LINEAR)), generator)
    where = scale(generator)
    curvatures = spectrum(generator, int(generator.choice(DIMENSIONS)), 10.0)
    curvatures[0] = -generator.uniform(0.2, 2.0)
    rate = float(stability_limit(make) * generator.uniform(0.02, 0.7))
    growth = rate_of(make(rate), curvatures)
    steps = int(generator.choice([5.0, 20.0, 400.0]) * np.log(10.0) / np.log(growth))
    if not 12 <= steps <= 2000:
        return None
    target = bowl(generator, curvatures, where)
    rule = where.rule(make(rate))
    if not Modes.of(rule, target.curvatures, target.basis, target.offset).distance(steps) > 1e3 * target.size:
        return None
    why = f"f falls without end along a negative curvature; the root {growth:.4g} takes the ball a thousand starts away"
    return Case("diverged", target.objective, rule, target.start, steps, why, "falling")


def slope(generator: Random) -> Case | None:
    """A plane has no minimum: any rule leaves the box and does not slow down."""
    where = scale(generator)
    count = int(generator.choice([1, 2, 10]))
    tilt = generator.uniform(0.5, 2.0, size=count) * where.height / where.width
    box, name = (-where.width, where.width), str(generator.choice(EVERY[:-1]))
    objective = from_function(
        lambda *x: sum(float(a) * c for a, c in zip(tilt, x, strict=True)), dimension=count, box=box, minima=(),
        name="plane",
    )  # fmt: skip
    make = bounded(name) if name in BOUNDED else linear(name, generator)
    rule = where.rule(make(float(generator.uniform(0.3, 2.0))))
    steps = int(generator.integers(300, 900))
    path = walk(objective, rule, (0.0,) * count, steps)
    if not np.max(np.abs(path[-1])) > 60.0 * where.width:
        return None
    why = "a plane has no minimum, its slope is the same everywhere, and the ball is thirty boxes away"
    return Case("diverged", objective, rule, (0.0,) * count, steps, why, "plane")


_STEEP: tuple[tuple[str, Callable[..., Any], int], ...] = (
    ("quartic", lambda x: x**4 / 4.0, 1),
    ("cubic", lambda x: x**3 / 3.0 - x, 1),
    ("himmelblau", lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2, 2),
    ("rosenbrock", lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, 2),
    ("monkey saddle", lambda x, y: x**3 - 3 * x * y**2, 2),
    ("sum of quartics", lambda *x: sum(c**4 / 4.0 for c in x), 12),
)


def steep(generator: Random) -> Case | None:
    """f grows faster than any quadratic: beyond some distance every step is larger than the one before, to overflow."""
    where = scale(generator)
    name, function, count = _STEEP[generator.integers(len(_STEEP))]
    plain = from_function(function, dimension=count, box=(-2.0, 2.0), minima=(), name=name)
    objective = scaled(plain, where.height, where.width)
    way = str(generator.choice(LINEAR))
    rule = where.rule(linear(way, generator)(float(10.0 ** generator.uniform(-0.5, 1.5))))
    start = generator.uniform(-2.0, 2.0, size=count) * where.width
    steps = int(generator.integers(60, 900))
    path = walk(objective, rule, start, steps)
    size = np.max(np.abs(path), axis=1) / where.width
    grown = size[np.isfinite(size)]
    if len(path) > steps or not np.max(grown, initial=0.0) > 1e40 or not np.all(np.diff(grown[grown > 10.0]) > 0.0):
        return None
    why = f"from a distance of 10 on every step of plain arithmetic is farther out, to overflow after {len(path) - 1}"
    return Case("diverged", objective, rule, tuple(start.tolist()), steps, why, "steeper than a quadratic")


def table_above(generator: Random) -> Case | None:
    """Linear regression above the limit of the table's largest curvature, all rows or a part."""
    batch = None if generator.integers(2) else 64
    target = table("diabetes", batch=batch)
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    curvatures = np.linalg.eigvalsh(rows.T @ rows / len(rows))
    make = linear(str(generator.choice(LINEAR[:5])), generator)
    excess = generator.uniform(0.05, 1.0) if batch is None else generator.uniform(1.0, 3.0)
    rule = make(float(stability_limit(make) / curvatures[-1] * (1.0 + excess)))
    growth = rate_of(rule, curvatures)
    steps = int(generator.choice([5.0, 20.0]) * np.log(10.0) / np.log(growth)) + 5
    if not 12 <= steps <= 600:
        return None
    start = tuple(generator.normal(size=len(curvatures)).tolist())
    why = f"the mean path grows by {growth:.4g} a step: the rate is above the limit of the table's largest curvature"
    return Case("diverged", target, rule, start, steps, why, "table above the limit")


_PARTIAL: tuple[tuple[str, Callable[..., Any], Callable[..., Any], int, float, float, bool], ...] = (
    # name, f, where it exists, dimension, the starts from … to, whether f is NaN (not merely undeclared) elsewhere
    ("x - log x", lambda x: x - log(x), lambda x: x > 0.0, 1, 1.5, 4.0, True),
    ("sqrt x", lambda x: sqrt(x), lambda x: x > 0.0, 1, 0.3, 3.0, True),
    ("x log x", lambda x: x * log(x), lambda x: x > 0.0, 1, 0.8, 3.0, True),
    ("1/x + x", lambda x: 1.0 / x + x, lambda x: x > 0.0, 1, 1.5, 4.0, False),
    ("barrier", lambda x, y: x - log(1.0 - x**2 - y**2), lambda x, y: x**2 + y**2 < 1.0, 2, -0.6, 0.6, True),
    ("logs", lambda *x: sum(c - log(c) for c in x), lambda *x: _all_positive(x), 6, 1.5, 4.0, True),
)


def _all_positive(x: Any) -> Any:
    from layda.functions import minimum

    least = x[0]
    for c in x[1:]:
        least = minimum(least, c)
    return least > 0.0


def outside(generator: Random) -> Case | None:
    """The first step that leaves the set where f exists, found by plain arithmetic."""
    where = scale(generator)
    name, function, defined, count, low, high, missing = _PARTIAL[generator.integers(len(_PARTIAL))]
    declared = not missing or bool(generator.integers(2))
    plain = from_function(
        function, dimension=count, box=(-4.0, 4.0), minima=(), defined=defined if declared else None, name=name
    )
    objective = scaled(plain, where.height, where.width)
    way = str(generator.choice(EVERY))
    if way in BOUNDED:
        make: Any = bounded(way)
    elif way in LINEAR:
        make = linear(way, generator)
    else:
        from layda.rules import ScheduleFreeSGD as make  # noqa: N813
    rule = where.rule(make(float(10.0 ** generator.uniform(-1.5, 0.8))))
    start = generator.uniform(low, high, size=count)
    steps = int(generator.integers(20, 400))
    path = walk(objective, rule, start * where.width, steps) / where.width
    inside = np.array([bool(defined(*row)) for row in path])
    if len(inside) < 2 or inside[-1] or not np.all(inside[:-1]) or np.max(np.abs(path)) > 50.0:
        return None
    if np.any(np.max(np.abs(np.diff(path, axis=0)), axis=1) <= 1e-6 * np.ptp(path, axis=0).max()):
        return None  # it may have been said to rest before it left
    why = f"plain arithmetic leaves the set where {name} exists at step {len(path) - 1}, a moderate distance away"
    return Case("undefined", objective, rule, tuple((start * where.width).tolist()), steps, why, "stepped outside")


def hole(generator: Random) -> Case | None:
    """Any Python function that has no value within a ring around its minimum, which the way in has to cross."""
    where = scale(generator)
    count = int(generator.choice([1, 3, 20, 100]))
    h, w = where.height, where.width

    def value(x: Array) -> float:
        distance = float(np.sqrt(np.sum((x / w) ** 2)))
        return h * 0.5 * distance**2 if distance > 1.0 else float("nan")

    objective = black_box(value, lambda x: h / w**2 * x, dimension=count, box=(-4 * w, 4 * w), minima=(), name="hole")
    direction = generator.normal(size=count)
    start = 3.0 * w * direction / np.sqrt(np.sum(direction**2))
    rate = float(generator.uniform(0.02, 0.3))
    rule = where.rule(GradientDescent(rate))
    crossing = int(np.ceil(np.log(1.0 / 3.0) / np.log(1.0 - rate)))
    why = f"(1 − α)^k·3 falls below the hole's radius 1 at step {crossing}"
    return Case("undefined", objective, rule, tuple(start.tolist()), crossing + 20, why, "hole")


def never_a_number(generator: Random) -> Case | None:
    """No value anywhere, the start included."""
    count, name = int(generator.choice([1, 2, 30])), str(generator.choice(EVERY[:-1]))
    rule = (bounded(name) if name in BOUNDED else linear(name, generator))(0.1)
    objective = black_box(
        lambda x: float("nan"), lambda x: np.full(len(x), np.nan), dimension=count, minima=(), name="nothing"
    )
    start = tuple(generator.normal(size=count).tolist())
    return Case("undefined", objective, rule, start, 100, "f is NaN everywhere", "never a number")


CYCLING = (period_three, at_the_limit, undamped, signs, swing, doubling, noise_floor, table_floor)
DIVERGED = (above_the_limit, falling, slope, steep, table_above)
UNDEFINED = (outside, hole, outside, never_a_number, outside)
