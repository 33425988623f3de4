"""The minima of an objective that lists none: one seeded search, remembered by the objective's identity."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from layda.backends.cache import cache_folder, keep_file, kept_file
from layda.backends.mapped import evaluate
from layda.objective import Minimum, Objective, TracedObjective

__all__ = ["KnownMinima", "known_minima"]

Array = NDArray[np.float64]

_GRID = 4001  # points of the grid on which a 1-D objective's slope is looked at for changes of sign
_STARTS_PER_COORDINATE = 16
_MOST_STARTS = 64
_SEED = 20130617
_FARTHEST = 1e6  # sides of the box: a search that goes beyond is on its way down for ever
_SEARCH = "2"  # of the kept minima: how they were searched for, the numbers above included
_REMEMBERED: OrderedDict[str, KnownMinima] = OrderedDict()
_MOST_REMEMBERED = 128
_SEARCHING = Lock()


@dataclass(frozen=True)
class KnownMinima:
    """The local minima that are known, the best first, and how they came to be known.

    Attributes:
        minima: positions and values.
        searched: how many starts the search took; 0 for minima that the objective lists itself.
        seed: of the search.
    """

    minima: tuple[Minimum, ...]
    searched: int = 0
    seed: int = _SEED

    @property
    def best(self) -> Minimum | None:
        """The lowest one; ``None`` when nothing was found."""
        return self.minima[0] if self.minima else None

    def __str__(self) -> str:
        if not self.searched:
            return f"{len(self.minima)} listed"
        return f"{len(self.minima)} found by a search from {self.searched} starts (seed {self.seed})"


def known_minima(objective: Objective) -> KnownMinima:
    """The listed minima, else those of the search (the same for the same objective, searched once).

    >>> import layda
    >>> known_minima(layda.objectives.get("x^4 - 2x^2 + x/4")).minima[0].position[0].__round__(6)
    -1.029896
    """
    if objective.minima is not None:
        return KnownMinima(tuple(sorted(objective.minima, key=lambda minimum: minimum.value)))
    key = f"{objective.identity} {objective.box} {objective.start} {objective.convex}"
    with _SEARCHING:  # the threads of an ensemble ask all at once
        if key not in _REMEMBERED:
            while len(_REMEMBERED) >= _MOST_REMEMBERED:
                _REMEMBERED.popitem(last=False)
            _REMEMBERED[key] = _search(objective, key)
        return _REMEMBERED[key]


def _search(objective: Objective, key: str) -> KnownMinima:
    if not isinstance(objective, TracedObjective):
        return _search_box(objective)
    if objective.dimension == 1:
        return _search_line(objective)
    # The identity is that of the program, so that what another process has found holds here as well.
    search = (_SEARCH, key, version("scipy"), version("numpy"))
    path = cache_folder() / (hashlib.sha256("\0".join(search).encode()).hexdigest() + ".minima")
    kept = kept_file(path)
    if kept is not None:
        rows = json.loads(kept)
        return KnownMinima(
            tuple(Minimum(tuple(row["position"]), row["value"]) for row in rows["minima"]), rows["starts"]
        )
    found = _search_box(objective)
    rows = [{"position": list(minimum.position), "value": minimum.value} for minimum in found.minima]
    keep_file(path, json.dumps({"starts": found.searched, "minima": rows}).encode())
    return found


def _search_box(objective: Objective) -> KnownMinima:
    starts = _starts(objective)
    found = [minimum for start in starts if (minimum := _polished(objective, start)) is not None]
    return KnownMinima(_distinct(found, objective), len(starts))


def _search_line(objective: TracedObjective) -> KnownMinima:
    """Every place on a fine grid where the slope turns from down to up, narrowed by bisection."""
    low, high = objective.box[0]
    grid = np.linspace(low - (high - low), high + (high - low), 3 * _GRID)
    slopes = objective.gradients(grid[:, None])[:, 0]
    with np.errstate(invalid="ignore"):
        turning = np.flatnonzero((slopes[:-1] < 0.0) & (slopes[1:] >= 0.0))
    left, right = grid[turning], grid[turning + 1]
    for _ in range(80 if len(left) else 0):
        middle = 0.5 * (left + right)
        downhill = objective.gradients(middle[:, None])[:, 0] < 0.0
        left, right = np.where(downhill, middle, left), np.where(downhill, right, middle)
    places = 0.5 * (left + right)
    values = objective.values(places[:, None]) if len(places) else places
    minima = [Minimum((float(x),), float(f)) for x, f in zip(places, values, strict=True) if np.isfinite(f)]
    return KnownMinima(tuple(sorted(minima, key=lambda minimum: minimum.value)), 3 * _GRID)


def _starts(objective: Objective) -> Array:
    """The usual start first, then seeded draws from the box."""
    count = 1 if objective.convex else min(_MOST_STARTS, _STARTS_PER_COORDINATE * objective.dimension)
    if not isinstance(objective, TracedObjective):
        count = min(count, 8)
    generator = np.random.default_rng(_SEED)
    low, high = np.array(objective.box).T
    drawn = generator.uniform(low, high, size=(max(count - 1, 0), objective.dimension))
    return np.vstack([np.array(objective.start), drawn])


def _value_and_gradient(objective: Objective) -> Callable[[Array], tuple[float, Array]]:
    """``objective.value_and_gradient``, by compiled code once it has been asked for often; the same bits."""
    if not isinstance(objective, TracedObjective):
        return objective.value_and_gradient
    program, names = objective.gradient_program, objective.coordinates

    def at(x: Array) -> tuple[float, Array]:
        found = [column[0] for column in evaluate(program, dict(zip(names, x.tolist(), strict=True)), 1).values()]
        return float(found[0]), np.array(found[1:])

    return at


class _Gone(Exception):  # noqa: N818 - no error: it ends a search from within
    """The search has left for infinity."""


def _polished(objective: Objective, start: Array) -> Minimum | None:
    from scipy.optimize import minimize

    slope_of = _value_and_gradient(objective)
    low, high = np.array(objective.box).T

    def safe(x: Array) -> tuple[float, Array]:
        if not np.all(np.abs(x - low) <= _FARTHEST * (high - low)):
            raise _Gone
        value, slope = slope_of(x)
        if not np.isfinite(value) or not np.all(np.isfinite(slope)) or not objective.is_defined(x):
            return 1e300, np.zeros(len(x))
        return value, slope

    with np.errstate(all="ignore"):
        try:
            result = minimize(
                safe, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 0.0, "gtol": 1e-10}
            )
        except _Gone:
            return None
    slope = safe(result.x)[1]
    scale = abs(float(result.fun)) + float(np.max(np.abs(safe(start)[1])))
    if result.fun >= 1e299 or not np.max(np.abs(slope)) <= 1e-5 * max(scale, 1e-300):
        return None
    return Minimum(tuple(float(number) for number in result.x), float(result.fun))


def _distinct(minima: list[Minimum], objective: Objective) -> tuple[Minimum, ...]:
    """One of each group of minima that lie within a thousandth of the box of each other, the lowest first."""
    sides = np.array([high - low for low, high in objective.box])
    kept: list[Minimum] = []
    for minimum in sorted(minima, key=lambda found: found.value):
        place = np.array(minimum.position)
        if all(np.max(np.abs(place - np.array(other.position)) / sides) > 1e-3 for other in kept):
            kept.append(minimum)
    return tuple(kept)
