"""The classics: named landscapes with known minima. Plain functions of the coordinates, and one table of what is known.

To add one: write the function with operators and ``layda.functions``, and add an entry to ``_TABLE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from layda.errors import SettingError
from layda.functions import cos, exp, log, pi, sin, sqrt, tanh, where
from layda.objective import Minimum, TracedObjective, from_function
from layda.objectives.lecture_curve import DESCRIPTION, lecture_curve

__all__ = ["CLASSICS", "Classic", "classic"]


@dataclass(frozen=True)
class Classic:
    """One entry of the table.

    Attributes:
        function: f of its coordinates. dimension: that of the usual form. free: whether any dimension is allowed.
        box, start: for the usual form; a free dimension repeats the first interval and start.
        minima: dimension -> the known local minima, the best first; ``None`` where a search has to find them.
        equation: for people. about: one sentence. source: where it comes from.
        defined: the condition under which f exists. convex: whether every minimum is a global one.
    """

    function: Callable[..., Any]
    dimension: int
    box: tuple[tuple[float, float], ...]
    start: tuple[float, ...]
    equation: str
    about: str
    source: str
    minima: Callable[[int], tuple[Minimum, ...] | None]
    free: bool = False
    defined: Callable[..., Any] | None = None
    convex: bool = False


def _sphere(*x: Any) -> Any:
    total = x[0] * x[0]
    for coordinate in x[1:]:
        total = total + coordinate * coordinate
    return total / 2.0


def _quadratic(*x: Any) -> Any:
    """Curvatures from 1 to 100, evenly spaced in their logarithm."""
    total = x[0] * x[0]
    for index, coordinate in enumerate(x[1:], start=1):
        total = total + float(100.0 ** (index / (len(x) - 1))) * (coordinate * coordinate)
    return total / 2.0


def _double_well(x: Any) -> Any:
    return (x**2 - 1) ** 2 / 4


def _tilted_double_well(x: Any) -> Any:
    return (x**2 - 1) ** 2 / 4 + 0.1 * x


def _quartic(x: Any) -> Any:
    return x**4 / 4


def _counterexample(x: Any) -> Any:
    middle = x * x / 2.0 + 24.0 * x - 12.0
    outer = 25.0 * (x * x) / 2.0 - 24.0 * x + 36.0
    return where(x < 1.0, 25.0 * (x * x) / 2.0, where(x < 2.0, middle, outer))


def _logarithm(x: Any) -> Any:
    return x - log(x)


def _saturating(x: Any) -> Any:
    return tanh(x) ** 2


def _booth(x: Any, y: Any) -> Any:
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


def _rosenbrock(*x: Any) -> Any:
    total = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    for a, b in pairwise(x[1:]):
        total = total + ((1 - a) ** 2 + 100 * (b - a**2) ** 2)
    return total


def _himmelblau(x: Any, y: Any) -> Any:
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _beale(x: Any, y: Any) -> Any:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _mccormick(x: Any, y: Any) -> Any:
    return sin(x + y) + (x - y) ** 2 - 1.5 * x + 2.5 * y + 1


def _six_hump_camel(x: Any, y: Any) -> Any:
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


def _styblinski_tang(*x: Any) -> Any:
    total = x[0] ** 4 - 16 * x[0] ** 2 + 5 * x[0]
    for coordinate in x[1:]:
        total = total + (coordinate**4 - 16 * coordinate**2 + 5 * coordinate)
    return total / 2


def _rastrigin(*x: Any) -> Any:
    total = x[0] ** 2 - 10 * cos(2 * pi * x[0]) + 10
    for coordinate in x[1:]:
        total = total + (coordinate**2 - 10 * cos(2 * pi * coordinate) + 10)
    return total


def _ackley(*x: Any) -> Any:
    squares, waves = x[0] * x[0], cos(2 * pi * x[0])
    for coordinate in x[1:]:
        squares = squares + coordinate * coordinate
        waves = waves + cos(2 * pi * coordinate)
    count = len(x)
    return 20.0 - 20.0 * exp(-0.2 * sqrt(squares / count)) + (exp(1.0) - exp(waves / count))


def _goldstein_price(x: Any, y: Any) -> Any:
    first = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)
    second = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    return first * second


def _monkey_saddle(x: Any, y: Any) -> Any:
    return x**3 - 3 * x * y**2


def _at(*pairs: tuple[tuple[float, ...], float]) -> Callable[[int], tuple[Minimum, ...]]:
    minima = tuple(Minimum(place, value) for place, value in pairs)
    return lambda dimension: minima


def _alike(coordinate: float, value: float, per_dimension: bool = False) -> Callable[[int], tuple[Minimum, ...]]:
    return lambda dimension: (Minimum((coordinate,) * dimension, value * dimension if per_dimension else value),)


def _usual_only(count: int, minimum: Minimum) -> Callable[[int], tuple[Minimum, ...] | None]:
    """Known in the usual dimension; in others further local minima exist that nobody listed."""
    return lambda dimension: (minimum,) if dimension <= count else None


def _unknown(dimension: int) -> tuple[Minimum, ...] | None:
    return None


_TABLE: dict[str, Classic] = {
    "sphere": Classic(
        _sphere, 2, ((-5, 5),), (3.0, 2.0), "½ Σ xᵢ²", "The round bowl.", "—",
        _alike(0.0, 0.0), free=True, convex=True,
    ),
    "quadratic": Classic(
        _quadratic, 2, ((-2, 2),), (1.0, 1.0), "½ Σ λᵢxᵢ², λ from 1 to 100",
        "A long valley: condition number 100.", "facts on optimal tuning: Polyak 1964", _alike(0.0, 0.0),
        free=True, convex=True,
    ),
    "quartic": Classic(
        _quartic, 1, ((-2, 2),), (1.5,), "x⁴/4", "Flat at the bottom: no rule is linear here.", "—",
        _alike(0.0, 0.0), convex=True,
    ),
    "double_well": Classic(
        _double_well, 1, ((-2, 2),), (0.25,), "(x² − 1)²/4", "Two equal wells.", "—",
        _at(((-1.0,), 0.0), ((1.0,), 0.0)),
    ),
    "tilted_double_well": Classic(
        _tilted_double_well, 1, ((-2, 2),), (2.0,), "(x² − 1)²/4 + x/10",
        "A poor minimum at .9456, a barrier at .1010, a better minimum at −1.0467.", "—",
        _at(((-1.0466805317,), -0.1023860738), ((0.9456492740,), 0.0973605582)),
    ),
    "period_three": Classic(
        _counterexample, 1, ((-4, 4),), (3.07,), "f′ = 25x (x < 1), x + 24 (1 ≤ x < 2), 25x − 24 (x ≥ 2)",
        "Convex; heavy ball with α = 1/9, β = 4/9 cycles with period 3.", "Lessard, Recht, Packard 2016, §4.6",
        _alike(0.0, 0.0), convex=True,
    ),
    "logarithm": Classic(
        _logarithm, 1, ((0.1, 4),), (3.0,), "x − log x", "Exists for x > 0 only.", "—",
        _at(((1.0,), 1.0)), defined=lambda x: x > 0.0, convex=True,
    ),
    "plateau": Classic(
        _saturating, 1, ((-4, 4),), (2.0,), "tanh² x", "Flat far out: the gradient fades away from the minimum.", "—",
        _at(((0.0,), 0.0)),
    ),
    "booth": Classic(
        _booth, 2, ((-10, 10),) * 2, (-5.0, -5.0), "(x + 2y − 7)² + (2x + y − 5)²", "A quadratic bowl.", "Booth",
        _at(((1.0, 3.0), 0.0)), convex=True,
    ),
    "rosenbrock": Classic(
        _rosenbrock, 2, ((-2, 2),), (-1.2, 1.0), "Σ (1 − xᵢ)² + 100(xᵢ₊₁ − xᵢ²)²",
        "A bent, flat valley.", "Rosenbrock 1960", _usual_only(3, Minimum((1.0, 1.0), 0.0)), free=True,
    ),
    "himmelblau": Classic(
        _himmelblau, 2, ((-5, 5),) * 2, (0.0, 0.0), "(x² + y − 11)² + (x + y² − 7)²",
        "Four minima of equal height around a hill.", "Himmelblau 1972",
        _at(
            ((3.0, 2.0), 0.0),
            ((-2.805118087, 3.131312518), 0.0),
            ((-3.779310253, -3.283185991), 0.0),
            ((3.584428340, -1.848126527), 0.0),
        ),
    ),
    "beale": Classic(
        _beale, 2, ((-4.5, 4.5),) * 2, (1.0, 1.0), "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
        "Flat valleys and sharp corners; a saddle at (0, 1).", "Beale 1958", _at(((3.0, 0.5), 0.0)),
    ),
    "mccormick": Classic(
        _mccormick, 2, ((-1.5, 4), (-3, 4)), (2.0, 2.0), "sin(x + y) + (x − y)² − 1.5x + 2.5y + 1",
        "A wavy valley.", "McCormick 1976", _unknown,
    ),
    "six_hump_camel": Classic(
        _six_hump_camel, 2, ((-3, 3), (-2, 2)), (2.0, 1.0), "(4 − 2.1x² + x⁴/3)x² + xy + (4y² − 4)y²",
        "Six minima in pairs.", "Dixon and Szegő 1978",
        _at(
            ((0.0898420131, -0.7126564030), -1.03162845348988),
            ((-0.0898420131, 0.7126564030), -1.03162845348988),
            ((-1.7036067, 0.7960836), -0.2154638),
            ((1.7036067, -0.7960836), -0.2154638),
            ((1.6071048, 0.5686514), 2.1042503),
            ((-1.6071048, -0.5686514), 2.1042503),
        ),
    ),
    "styblinski_tang": Classic(
        _styblinski_tang, 2, ((-5, 5),), (0.5, 0.5), "½ Σ xᵢ⁴ − 16xᵢ² + 5xᵢ",
        "Two wells in every coordinate.", "Styblinski and Tang 1990",
        _alike(-2.9035340277711770, -39.16616570377142, per_dimension=True), free=True,
    ),
    "rastrigin": Classic(
        _rastrigin, 2, ((-5.12, 5.12),), (2.2, 1.4), "Σ xᵢ² − 10 cos 2πxᵢ + 10",
        "A bowl full of dents.", "Rastrigin 1974", _alike(0.0, 0.0), free=True,
    ),
    "ackley": Classic(
        _ackley, 2, ((-5, 5),), (2.5, 1.5), "20 − 20 exp(−0.2 √(Σxᵢ²/n)) + e − exp(Σ cos 2πxᵢ/n)",
        "A funnel with dents; not differentiable at its minimum.", "Ackley 1987", _alike(0.0, 0.0), free=True,
    ),
    "goldstein_price": Classic(
        _goldstein_price, 2, ((-2, 2),) * 2, (-1.5, 0.5), "(1 + (x + y + 1)²(19 − 14x + …))·(30 + (2x − 3y)²(18 − …))",
        "Four minima; heights from 3 to a million.", "Goldstein and Price 1971",
        _at(((0.0, -1.0), 3.0), ((-0.6, -0.4), 30.0), ((1.8, 0.2), 84.0), ((1.2, 0.8), 840.0)),
    ),
    "monkey_saddle": Classic(
        _monkey_saddle, 2, ((-2, 2),) * 2, (1.0, 0.0), "x³ − 3xy²",
        "A degenerate saddle at 0; no minimum, unbounded below.", "—", lambda dimension: (),
    ),
}  # fmt: skip

CLASSICS: Mapping[str, str] = {"lecture": DESCRIPTION} | {n: c.about for n, c in _TABLE.items()}
"""The names of the classics, with one sentence on each."""


@lru_cache(maxsize=256)
def classic(name: str, dimension: int | None = None) -> TracedObjective:
    """The classic of that name.

    Args:
        name: one of :data:`CLASSICS`.
        dimension: for those that are stated for any dimension.

    Raises:
        SettingError: a dimension that the classic does not have.

    >>> classic("booth").minima
    (Minimum(position=(1.0, 3.0), value=0.0),)
    """
    if name == "lecture":
        if dimension not in (None, 1):
            raise SettingError(f"the lecture's curve has 1 coordinate, not {dimension}")
        return lecture_curve()
    entry = _TABLE[name]
    count = entry.dimension if dimension is None else dimension
    least = 2 if name in ("rosenbrock", "quadratic") else 1
    if count != entry.dimension and not (entry.free and count >= least):
        allowed = f"{least} or more" if entry.free else f"{entry.dimension}"
        raise SettingError(f"{name} has dimension {allowed}; received {count}")
    minima = entry.minima(count)
    if minima and len(minima[0].position) != count:
        minima = tuple(Minimum((minimum.position[0],) * count, minimum.value) for minimum in minima)
    box = entry.box if len(entry.box) == count else (entry.box[0],) * count
    start = entry.start if len(entry.start) == count else tuple(entry.start[i % len(entry.start)] for i in range(count))
    found = from_function(
        entry.function, dimension=count, box=box, start=start, minima=minima, defined=entry.defined, name=name,
        description=entry.about, equation=entry.equation, source=entry.source, convex=entry.convex,
    )  # fmt: skip
    return found if dimension in (None, entry.dimension) else replace(found, name=f"{name}:dimension={count}")
