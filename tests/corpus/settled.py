"""Runs that come to rest: in the best minimum, in a poor one, on a saddle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.functions import cos
from layda.objective import Minimum, Objective, black_box, from_function
from layda.rules import HeavyBall
from layda.schedules import ExponentialDecay
from tests.corpus.case import Case, walk
from tests.corpus.terrain import DIMENSIONS, Well, bowl, noisy_bowl, scaled, spectrum, table, well
from tests.corpus.theory import Modes, stability_limit
from tests.corpus.ways import BOUNDED, LINEAR, Scale, bounded, linear, scale

__all__ = ["CONVERGED", "SADDLE", "TRAPPED"]

Array = NDArray[np.float64]
Random = np.random.Generator
_NEAR = 1e-8  # of the distance from start to minimum; the stopping test asks for 1e-6 of the path's extent


def quadratic(generator: Random) -> Case | None:
    """Any rule with constant coefficients on a quadratic, its number of steps from the powers of M."""
    make = linear(str(generator.choice(LINEAR)), generator)
    dimension = int(generator.choice(DIMENSIONS))
    curvatures = spectrum(generator, dimension, 10.0 ** generator.uniform(0.0, 2.5))
    rate = stability_limit(make) * generator.uniform(0.05, 0.9)
    where = scale(generator)
    target = bowl(generator, curvatures, where)
    rule = where.rule(make(float(rate)))
    needed = Modes.of(rule, target.curvatures, target.basis, target.offset).steps_to(_NEAR * target.size)
    if not 8.0 <= needed <= 1500.0:
        return None
    why = f"the spectral radius of M is below 1: {needed:.0f} steps to 1e-8 of the start's distance"
    return Case("converged", target.objective, rule, target.start, int(1.5 * needed) + 30, why, "quadratic")


def decayed_weights(generator: Random) -> Case | None:
    """Weight decay of both kinds pulls to the same minimum at 0; it changes the rates of the modes."""
    make = linear(str(generator.choice(LINEAR)), generator)
    curvatures = spectrum(generator, int(generator.choice(DIMENSIONS)), 10.0 ** generator.uniform(0.0, 2.0))
    rate = float(stability_limit(make) * generator.uniform(0.05, 0.6))
    where = scale(generator)
    target = bowl(generator, curvatures, where, centred=True)
    if generator.integers(2):
        settings: dict[str, Any] = {"weight_decay": 0.3, "decoupled": False}
    else:
        settings = {"weight_decay": 0.02 / rate, "decoupled": True}
    rule = make(rate)
    rule = where.rule(type(rule)(**(rule.settings() | settings)))
    needed = Modes.of(rule, target.curvatures, target.basis, target.offset).steps_to(_NEAR * target.size)
    if not 8.0 <= needed <= 1500.0:
        return None
    why = f"the spectral radius of M, weight decay included, is below 1: {needed:.0f} steps to 1e-8"
    return Case("converged", target.objective, rule, target.start, int(1.5 * needed) + 30, why, "weight decay")


def _arrives(rule_steps: tuple[Any, int], where: Well, start: Array) -> bool:
    """From two thirds of the steps on within 1e-8 of the known place, and still."""
    rule, steps = rule_steps
    path = walk(where.objective, rule, start, steps)
    if len(path) <= steps:  # lost on the way
        return False
    path = path[2 * steps // 3 :]
    away = np.max(np.abs(path - where.place))
    return bool(away <= _NEAR * np.max(np.abs(start - where.place)))


def _in_a_well(generator: Random, best: bool) -> Case | None:
    where = scale(generator)
    place = well(generator, where, best)
    count = len(place.place)
    direction = generator.uniform(-1.0, 1.0, size=count)
    start = place.place + place.width * generator.uniform(0.2, 1.0) * direction / np.max(np.abs(direction))
    steps = int(generator.choice([300, 600, 1500] if count <= 2 else [300, 600]))
    size = float(np.max(np.abs(start - place.place)))
    if generator.random() < 0.35:
        name = str(generator.choice(BOUNDED))
        decay = 10.0 ** (-9.5 * 1.5 / steps)
        way = bounded(name)(ExponentialDecay(generator.uniform(0.02, 0.2) * size, decay))
        if hasattr(way, "epsilon"):
            way = type(way)(**(way.settings() | {"epsilon": 1e-8 * where.height / where.width}))
    else:
        steepest = float(np.linalg.eigvalsh(place.objective.hessian(place.place))[-1])
        make = linear(str(generator.choice(LINEAR)), generator)
        rate = stability_limit(make) / steepest * generator.uniform(0.03, 0.35)
        way = make(rate if generator.random() < 0.7 else ExponentialDecay(rate, 10.0 ** (-1.0 / steps)))
    if not _arrives((way, steps), place, start):
        return None
    label = "converged" if best else "trapped"
    named = "best" if best else "poor"
    why = f"the path ends within 1e-8 of a {named} minimum that is known beforehand, and rests there"
    return Case(label, place.objective, way, tuple(start.tolist()), steps, why, f"{named} well")


def best_well(generator: Random) -> Case | None:
    """From the basin of the best minimum."""
    return _in_a_well(generator, True)


def poor_well(generator: Random) -> Case | None:
    """From the basin of a poor minimum, too slow to leave it."""
    return _in_a_well(generator, False)


def regression(generator: Random) -> Case | None:
    """Linear regression on a table: a quadratic whose spectrum is that of the rows."""
    target = table("diabetes", l2=0.1)
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    curvatures, basis = np.linalg.eigh(rows.T @ rows / len(rows) + np.diag([0.1] * (rows.shape[1] - 1) + [0.0]))
    make = linear(str(generator.choice(LINEAR)), generator)
    rule = make(float(stability_limit(make) / curvatures[-1] * generator.uniform(0.2, 0.9)))
    start = generator.normal(size=len(curvatures))
    best = np.linalg.solve(basis * curvatures @ basis.T, rows.T @ target.targets / len(rows))
    needed = Modes.of(rule, curvatures, basis, start - best).steps_to(_NEAR * float(np.max(np.abs(start - best))))
    if not 8.0 <= needed <= 600.0:
        return None
    why = f"a quadratic with the spectrum of the table: {needed:.0f} steps to 1e-8"
    return Case("converged", target, rule, tuple(start.tolist()), int(1.5 * needed) + 30, why, "linear regression")


def classification(generator: Random) -> Case | None:
    """Logistic and softmax regression are convex: where the gradient has all but vanished is the minimum."""
    name = str(generator.choice(["breast_cancer", "iris", "wine"]))
    target = table(name, l2=0.1)
    rows = np.column_stack([target.rows, np.ones(len(target.rows))])
    steepest = 0.5 * float(np.linalg.eigvalsh(rows.T @ rows / len(rows))[-1]) + 0.1
    make = linear(str(generator.choice(LINEAR)), generator)
    steps = 300
    rule = make(float(stability_limit(make) / steepest * generator.uniform(0.3, 0.9)))
    start = generator.normal(size=target.dimension)
    path = walk(target, rule, start, steps)
    # Strongly convex but for the intercepts: |x − x*| ≤ |g|/μ, μ from the Hessian at the end, which is all but x*.
    slope = max(float(np.max(np.abs(target.value_and_gradient(path[k])[1]))) for k in (-100, -60, -30, -1))
    smallest = np.linalg.eigvalsh(target.hessian(path[-1]))
    flattest = float(smallest[smallest > 1e-6][0])  # softmax's intercepts move freely together
    if not slope / flattest <= _NEAR * float(np.max(np.abs(path[-1] - start))):
        return None
    why = "convex, and the slope over the least curvature says that the minimum is within 1e-8"
    return Case("converged", target, rule, tuple(start.tolist()), steps, why, "classification")


def agreeing_batches(generator: Random) -> Case | None:
    """Mini-batches whose rows all agree on one minimum leave no noise there."""
    where = scale(generator)
    curvatures = spectrum(generator, int(generator.choice([1, 3, 8])), generator.uniform(1.0, 2.0))
    target, best, _ = noisy_bowl(generator, curvatures, where, noise=0.0, batch=16)
    rule = where.rule(HeavyBall(0.1, float(generator.choice([0.0, 0.5]))))
    path = walk(target, rule, target.start, 300)
    if not np.max(np.abs(path[200:] - best)) <= _NEAR * np.max(np.abs(best)):
        return None
    why = "every row has the same minimum, so no batch disturbs; the path ends within 1e-8 of it"
    return Case("converged", target, rule, target.start, 300, why, "agreeing batches")


def _saddle_rule(generator: Random, steps: int, size: float, steepest: float, where: Scale) -> Any:
    if generator.random() < 0.4:
        way = bounded(str(generator.choice(BOUNDED)))(
            ExponentialDecay(generator.uniform(0.02, 0.2) * size, 10.0 ** (-9.5 * 1.5 / steps))
        )
        if hasattr(way, "epsilon"):
            way = type(way)(**(way.settings() | {"epsilon": 1e-8 * where.height / where.width}))
        return way
    make = linear(str(generator.choice(LINEAR)), generator)
    return make(float(stability_limit(make) / steepest * generator.uniform(0.05, 0.6)))


def stable_manifold(generator: Random) -> Case | None:
    """Σ ½λᵢxᵢ² with some λᵢ < 0 from a start whose coordinates there are exactly 0: they stay 0."""
    where = scale(generator)
    dimension = int(generator.choice(DIMENSIONS[1:]))
    curvatures = spectrum(generator, dimension, 10.0 ** generator.uniform(0.0, 1.5))
    down = generator.permutation(dimension)[: generator.integers(1, dimension)]
    offset = generator.normal(size=dimension)
    curvatures[down] *= -1.0
    offset[down] = 0.0
    target = bowl(generator, curvatures, where, rotated=False, centred=True, offset=offset)
    steps = int(generator.choice([200, 400]))
    rule = _saddle_rule(generator, steps, target.size, float(np.max(target.curvatures)), where)
    if not _arrives((rule, steps), Well(target.objective, np.zeros(dimension), 0.0), np.array(target.start)):
        return None
    why = "the coordinates along which f falls are exactly 0, where their slope is exactly 0"
    return Case("saddle", target.objective, rule, target.start, steps, why, "stable manifold")


def mirror(generator: Random) -> Case | None:
    """f is even in one coordinate, which has a top at 0, and the ball starts on the mirror."""
    where = scale(generator)
    kind = int(generator.integers(3))
    a, b = float(generator.uniform(0.5, 2.0)), float(generator.uniform(0.5, 4.0))
    functions = [
        lambda x, y: (x**2 - 1.0) ** 2 * a + b * y**2 / 2.0,
        lambda x, y: a * cos(x) + b * y**2 / 2.0 + y**4 / 8.0,
        lambda x, y: (x + y) ** 2 * b - a * (x - y) ** 2 + (x - y) ** 4,
    ]
    plain = from_function(functions[kind], box=(-2.0, 2.0), name="mirror")
    # In the last the mirror is x = y: both slopes are the same number.
    start = np.array([1.0 if kind == 2 else 0.0, 1.0]) * generator.uniform(0.5, 1.5)
    objective = scaled(plain, where.height, where.width)
    steepest = float(np.linalg.eigvalsh(plain.hessian(np.zeros(2)))[-1]) * 2.0
    steps = int(generator.choice([400, 900]))
    rule = _saddle_rule(generator, steps, where.width, steepest * where.height / where.width**2, where)
    if not _arrives((rule, steps), Well(objective, np.zeros(2), 0.0), start * where.width):
        return None
    why = "by symmetry the slope across the mirror is exactly 0, and f falls away from it"
    return Case("saddle", objective, rule, tuple((start * where.width).tolist()), steps, why, "mirror")


def on_top(generator: Random) -> Case | None:
    """A start where the gradient is exactly 0 and f bends down."""
    where = scale(generator)
    kind, count = int(generator.integers(3)), int(generator.choice([1, 2, 7, 40]))
    h, w = where.height, where.width
    if kind == 0:
        objective: Objective = scaled(
            from_function(lambda x: (x**2 - 1.0) ** 2, box=(-2.0, 2.0), minima=[Minimum((1.0,), 0.0)]), h, w
        )
        count = 1
    elif kind == 1:
        objective = scaled(from_function(lambda *x: sum(cos(c) for c in x), dimension=count, minima=()), h, w)
    else:
        objective = black_box(
            lambda x: float(h * np.sum(((x / w) ** 2 - 1.0) ** 2)), lambda x: h / w * 4 * ((x / w) ** 3 - x / w),
            dimension=count, box=(-2 * w, 2 * w), minima=[Minimum((w,) * count, 0.0)],
        )  # fmt: skip
    name = str(generator.choice([*LINEAR, *BOUNDED]))
    rule = bounded(name)(0.1 * w) if name in BOUNDED else linear(name, generator)(0.1 * w * w / h)
    why = "the ball starts at rest on a top, where the gradient is exactly 0"
    return Case("saddle", objective, rule, (0.0,) * count, int(generator.integers(20, 500)), why, "on top")


def silent_network(generator: Random) -> Case | None:
    """A tanh network with all weights 0 learns its outputs' intercepts alone: a saddle, where weights would help."""
    target = table(str(generator.choice(["diabetes", "iris", "wine"])), "network")
    start = np.array([generator.normal() if name.startswith("b") else 0.0 for name in target.coordinates])
    make = linear(str(generator.choice(LINEAR)), generator)
    rule = make(float(stability_limit(make) * generator.uniform(0.1, 0.5)))
    path = walk(target, rule, start, 300)
    still = np.array([name.startswith("b") for name in target.coordinates])
    moved = path[:, still]
    if np.any(path[:, ~still] != 0.0) or not np.ptp(moved[200:], axis=0).max() <= _NEAR * np.ptp(moved, axis=0).max():
        return None
    curvatures = np.linalg.eigvalsh(target.hessian(path[-1]))
    if not curvatures[0] < -1e-2:
        return None
    why = "with weights of 0 every slope of a weight is exactly 0; the Hessian there has a clearly negative eigenvalue"
    return Case("saddle", target, rule, tuple(start.tolist()), 300, why, "silent network")


CONVERGED = (quadratic, best_well, decayed_weights, regression, classification, agreeing_batches)
TRAPPED = (poor_well,)
SADDLE = (stable_manifold, mirror, on_top, silent_network)
