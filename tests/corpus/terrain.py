"""Landscapes whose minima, saddles and curvatures are known: quadratics, wells, the classics, tables; at any scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.objective import Minimum, Objective, TracedObjective, black_box, from_function
from layda.objectives import classic
from tests.corpus.ways import Scale

__all__ = ["Bowl", "Well", "bowl", "noisy_bowl", "scaled", "spectrum", "table", "well"]

Array = NDArray[np.float64]
DIMENSIONS = (1, 2, 3, 5, 8, 10, 30, 100)
_LARGEST_TRACED = 5


def scaled(objective: TracedObjective, height: float, width: float) -> TracedObjective:
    """height·f(x/width); with powers of two exact in every operation."""

    def function(*x: Any) -> Any:
        values = dict(zip(objective.coordinates, [coordinate / width for coordinate in x], strict=True))
        return height * next(iter(objective.program.evaluate(values).values()))

    def defined(*x: Any) -> Any:
        assert objective.defined is not None
        values = dict(zip(objective.coordinates, [coordinate / width for coordinate in x], strict=True))
        return next(iter(objective.defined.evaluate(values).values()))

    found = from_function(
        function, coordinates=objective.coordinates, name="scaled", convex=objective.convex,
        box=[(low * width, high * width) for low, high in objective.box], start=[x * width for x in objective.start],
        defined=None if objective.defined is None else defined,
    )  # fmt: skip
    minima = objective.minima
    if minima is not None:
        moved = [replace(m, position=tuple(x * width for x in m.position), value=m.value * height) for m in minima]
        found = replace(found, minima=tuple(moved))
    return found


@dataclass(frozen=True)
class Bowl:
    """f = ½(x − x*)ᵀQ diag(λ) Qᵀ(x − x*), and a start.

    Attributes:
        objective: the function. curvatures: λ. basis: Q. centre: x*. offset: x₀ − x*.
    """

    objective: Objective
    curvatures: Array
    basis: Array
    centre: Array
    offset: Array

    @property
    def start(self) -> tuple[float, ...]:
        """x₀."""
        return tuple((self.centre + self.offset).tolist())

    @property
    def size(self) -> float:
        """|x₀ − x*|∞."""
        return float(np.max(np.abs(self.offset)))


def spectrum(generator: np.random.Generator, dimension: int, condition: float) -> Array:
    """Curvatures from 1/condition to 1, both of them present from two coordinates on."""
    inner = condition ** -generator.uniform(0.0, 1.0, size=max(dimension - 2, 0))
    return np.concatenate([[1.0], inner, [1.0 / condition]])[:dimension]


def bowl(
    generator: np.random.Generator,
    curvatures: Array,
    scale: Scale,
    *,
    rotated: bool = True,
    centred: bool = False,
    offset: Array | None = None,
) -> Bowl:
    """A quadratic with these curvatures (before scaling), at a random place and orientation."""
    count = len(curvatures)
    basis = np.linalg.qr(generator.normal(size=(count, count)))[0] if rotated and count > 1 else np.eye(count)
    centre = np.zeros(count) if centred else generator.normal(size=count) * generator.choice([0.0, 1.0, 10.0])
    offset = generator.normal(size=count) if offset is None else offset
    centre, offset = centre * scale.width, offset * scale.width
    curvatures = curvatures * (scale.height / scale.width**2)
    matrix = basis * curvatures @ basis.T
    reach = 2.0 * float(np.max(np.abs(offset)))
    box = [(c - reach, c + reach) for c in centre.tolist()]
    convex = bool(np.all(curvatures >= 0.0))
    minima = (Minimum(tuple(centre.tolist()), 0.0),) if convex else ()
    if count <= _LARGEST_TRACED:
        function = _traced_quadratic(matrix, centre)
        objective: Objective = from_function(
            function, dimension=count, box=box, minima=minima, name="quadratic", convex=bool(generator.integers(2))
            and convex,
        )  # fmt: skip
    else:
        objective = black_box(
            lambda x: float(0.5 * (x - centre) @ (matrix @ (x - centre))), lambda x: matrix @ (x - centre),
            dimension=count, box=box, minima=minima, name="quadratic",
        )  # fmt: skip
    return Bowl(objective, curvatures, basis, centre, offset)


def _traced_quadratic(matrix: Array, centre: Array) -> Callable[..., Any]:
    def function(*x: Any) -> Any:
        away = [a - c if c else a for a, c in zip(x, centre.tolist(), strict=True)]
        total: Any = None
        for i, row in enumerate(matrix.tolist()):
            for j, entry in enumerate(row[: i + 1]):
                if entry != 0.0:
                    term = (0.5 * entry if i == j else entry) * (away[i] * away[j])
                    total = term if total is None else total + term
        return total

    return function


@dataclass(frozen=True, kw_only=True)
class NoisyBowl(Objective):
    """½ mean((Xw − y)²), of which a step sees a few rows; X has the singular values that it is made from."""

    rows: Array = field(repr=False)
    targets: Array = field(repr=False)
    batch: int
    seed: int

    def value_and_gradient(self, position: Array) -> tuple[float, Array]:
        """Of all rows."""
        with np.errstate(all="ignore"):
            rest = self.rows @ position - self.targets
            return float(0.5 * np.mean(rest * rest)), self.rows.T @ rest / len(rest)

    def step_gradient(self, position: Array, step: int) -> Array:
        """Of the rows that this step draws."""
        chosen = np.random.default_rng([self.seed, step]).integers(len(self.rows), size=self.batch)
        with np.errstate(all="ignore"):
            rest = self.rows[chosen] @ position - self.targets[chosen]
            return self.rows[chosen].T @ rest / self.batch


def noisy_bowl(
    generator: np.random.Generator, curvatures: Array, scale: Scale, *, noise: float, batch: int
) -> tuple[NoisyBowl, Array, Array]:
    """Least squares with the Hessian's eigenvalues ``curvatures``; noise 0 lets all rows agree on one minimum.

    Returns:
        The objective, its minimum, and the curvatures after scaling.
    """
    count, many = len(curvatures), 40 * len(curvatures)
    left = np.linalg.qr(generator.normal(size=(many, count)))[0]
    right = np.linalg.qr(generator.normal(size=(count, count)))[0]
    rows = np.sqrt(many) * left * np.sqrt(curvatures) @ right.T * (np.sqrt(scale.height) / scale.width)
    best = generator.normal(size=count) * scale.width
    rest = generator.normal(size=many)
    rest -= left @ (left.T @ rest)  # orthogonal to every column: the minimum stays where it is
    targets = rows @ best + noise * np.sqrt(scale.height) * rest
    reach = 4.0 * scale.width
    objective = NoisyBowl(
        name="least squares", coordinates=tuple(f"w{i}" for i in range(count)), box=((-reach, reach),) * count,
        start=(0.0,) * count, stochastic=True, convex=True, rows=rows, targets=targets, batch=batch,
        seed=int(generator.integers(2**31)),
    )  # fmt: skip
    return objective, best, curvatures * (scale.height / scale.width**2)


@dataclass(frozen=True)
class Well:
    """A landscape with a place where balls may come to rest.

    Attributes:
        objective: the function. place: the minimum (or saddle) that is meant. width: a radius around it that lies in
            its own basin for small steps.
    """

    objective: Objective
    place: Array
    width: float


_WELLS: dict[str, tuple[int | None, float, tuple[tuple[tuple[float, ...], bool], ...]]] = {
    # name: dimension, radius, ((place, whether it is the best), …); the places from the literature, see the classics
    "tilted_double_well": (None, 0.6, (((-1.0466805317,), True), ((0.9456492740,), False))),
    "six_hump_camel": (
        None, 0.25,
        (((0.0898420131, -0.7126564030), True), ((-1.7036067, 0.7960836), False), ((1.6071048, 0.5686514), False)),
    ),
    "goldstein_price": (
        None, 0.06, (((0.0, -1.0), True), ((-0.6, -0.4), False), ((1.8, 0.2), False), ((1.2, 0.8), False)),
    ),
    "rastrigin": (2, 0.25, (((0.0, 0.0), True), ((0.994958638, 0.0), False), ((0.994958638, -0.994958638), False))),
    "styblinski_tang": (2, 1.0, (((-2.903534028, -2.903534028), True), ((2.746802774, -2.903534028), False))),
    "himmelblau": (None, 0.5, (((3.0, 2.0), True), ((-3.779310253, -3.283185991), True))),
    "beale": (None, 0.3, (((3.0, 0.5), True),)),
    "booth": (None, 3.0, (((1.0, 3.0), True),)),
    "plateau": (None, 0.8, (((0.0,), True),)),
}  # fmt: skip


def well(generator: np.random.Generator, scale: Scale, best: bool) -> Well:
    """The best minimum of a landscape, or a poor one, to a dozen digits (by Newton's method from the listed place)."""
    names = [name for name, (_, _, places) in _WELLS.items() if any(good is best for _, good in places)]
    pick = int(generator.integers(len(names) + 3))
    if pick == len(names):
        return _polynomial(generator, scale, best)
    if pick > len(names):
        return _many_wells(generator, scale, best)
    dimension, width, places = _WELLS[names[pick]]
    chosen = [place for place, good in places if good is best]
    place = np.array(chosen[generator.integers(len(chosen))])
    objective = classic(names[pick], dimension)
    return Well(
        scaled(objective, scale.height, scale.width), newton(objective, place) * scale.width, width * scale.width
    )


def newton(objective: TracedObjective, place: Array) -> Array:
    """The place where the gradient vanishes, near the one given."""
    for _ in range(6):
        place = place - np.linalg.solve(objective.hessian(place), objective.value_and_gradient(place)[1])
    return place


def _polynomial(generator: np.random.Generator, scale: Scale, best: bool) -> Well:
    """f' = (x − a)(x − b)(x − c), so that a and c are the minima and b is the top between them."""
    while True:
        a, b, c = np.sort(generator.uniform(-3.0, 3.0, size=3))
        if min(b - a, c - b) > 0.5 and abs((c - b) - (b - a)) > 0.3:
            break

    # f = x⁴/4 − (a + b + c)x³/3 + (ab + bc + ca)x²/2 − abc·x
    def function(x: Any) -> Any:
        return x**4 / 4.0 - (a + b + c) * x**3 / 3.0 + (a * b + b * c + c * a) * x**2 / 2.0 - a * b * c * x

    deep, poor = (a, c) if b - a > c - b else (c, a)
    minima = [Minimum((float(x),), float(function(x))) for x in (deep, poor)]
    objective = from_function(function, box=(-5.0, 5.0), minima=minima, name="polynomial")
    place = deep if best else poor
    return Well(
        scaled(objective, scale.height, scale.width),
        np.array([place]) * scale.width,
        0.6 * abs(place - b) * scale.width,
    )


def _many_wells(generator: np.random.Generator, scale: Scale, best: bool) -> Well:
    """Σ (x² − 1)²/4 + x/10: each coordinate has the tilted double well to itself."""
    count = int(generator.choice([5, 10, 30, 100]))
    low, high = np.sort(np.roots([1.0, 0.0, -1.0, 0.1]).real)[[0, 2]]
    place = np.full(count, low)
    if not best:
        place[generator.permutation(count)[: generator.integers(1, count + 1)]] = high
    h, w = scale.height, scale.width

    def value(x: Array) -> float:
        with np.errstate(all="ignore"):
            return float(h * np.sum(((x / w) ** 2 - 1.0) ** 2 / 4.0 + 0.1 * (x / w)))

    def gradient(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return h / w * ((x / w) ** 3 - x / w + 0.1)

    lowest = Minimum((float(low * w),) * count, value(np.full(count, low * w)))
    objective = black_box(value, gradient, dimension=count, box=(-2.0 * w, 2.0 * w), minima=[lowest], name="wells")
    return Well(objective, place * w, 0.5 * w)


@lru_cache(maxsize=32)
def table(name: str, model: str = "auto", l2: float = 1e-3, batch: int | None = None, hidden: int = 2) -> Any:
    """A model on a bundled table."""
    from layda.objectives import data_objective

    return data_objective(name, model=model, l2=l2, batch=batch, hidden=hidden)
