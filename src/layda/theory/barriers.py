"""How high the ground rises between two places, and when a ball cannot get over it.

In one dimension the barrier is exact: between the two places f is largest where its slope turns from up to down. In
more, a path is pulled tight between them by the string method (E, Ren and Vanden-Eijnden 2007, J. Chem. Phys. 126,
164103): the highest point of any path is an *upper bound* of the barrier, and the relaxed path's is a good one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.objective import Objective, TracedObjective

__all__ = ["Barrier", "barrier"]

Array = NDArray[np.float64]
_GRID = 4097
_IMAGES, _SWEEPS = 33, 400
_FINE, _FINE_SLOW = 2001, 161


@dataclass(frozen=True)
class Barrier:
    """The way from one place to another.

    Attributes:
        height: f at its highest point. above_a, above_b: how much higher that is than either end.
        position: the highest point, shape (dimension,).
        exact: whether every way is at least so high (one dimension); otherwise ``height`` is an upper bound.
        path: points along the way, shape (points, dimension). values: f there.
    """

    height: float
    above_a: float
    above_b: float
    position: tuple[float, ...]
    exact: bool
    path: Array = field(repr=False)
    values: Array = field(repr=False)


def barrier(objective: Objective, a: Sequence[float] | Array, b: Sequence[float] | Array) -> Barrier:
    """The barrier between two places, usually two minima.

    Args:
        objective: f.
        a: one place, one number per coordinate.
        b: the other.

    Raises:
        SettingError: a place of the wrong dimension, or not finite.

    >>> import layda
    >>> found = barrier(layda.objectives.get("tilted_double_well"), [0.945649274], [-1.0466805318])
    >>> round(found.height, 9), round(found.position[0], 9), found.exact
    (0.255025516, 0.101031258, True)
    """
    first, last = _place(objective, "a", a), _place(objective, "b", b)
    with np.errstate(all="ignore"):
        path = _line(objective, first, last) if objective.dimension == 1 else _string(objective, first, last)
        values = objective.values(path)
    values = np.where(np.isnan(values), np.inf, values)
    top = int(np.argmax(values))
    height = float(values[top])
    return Barrier(
        height, height - float(values[0]), height - float(values[-1]), tuple(path[top].tolist()),
        objective.dimension == 1, path, values,
    )  # fmt: skip


def _place(objective: Objective, name: str, given: Sequence[float] | Array) -> Array:
    place = np.atleast_1d(np.asarray(given, dtype=np.float64))
    if place.shape != (objective.dimension,) or not np.all(np.isfinite(place)):
        raise SettingError(
            f"{name} is {given!r}; allowed are {objective.dimension} finite numbers, one for each coordinate of "
            f"{objective.name}"
        )
    return place


def _gradients(objective: Objective, places: Array) -> Array:
    if isinstance(objective, TracedObjective):
        return objective.gradients(places)
    return objective.values_and_gradients(places)[1]


def _line(objective: Objective, first: Array, last: Array) -> Array:
    """A fine grid, and on it every place where the slope turns from up to down, narrowed by bisection."""
    grid = np.linspace(float(first[0]), float(last[0]), _GRID)
    direction = 1.0 if last[0] >= first[0] else -1.0

    def rising(x: Array) -> NDArray[np.bool_]:
        return np.asarray(direction * _gradients(objective, x[:, None])[:, 0] > 0.0)

    up = rising(grid)
    turns = np.flatnonzero(up[:-1] & ~up[1:])
    left, right = grid[turns], grid[turns + 1]
    for _ in range(60 if len(turns) else 0):
        middle = 0.5 * (left + right)
        still = rising(middle)
        left, right = np.where(still, middle, left), np.where(still, right, middle)
    tops = 0.5 * (left + right)
    whole = np.concatenate([grid, tops])
    return np.asarray(whole[np.argsort(direction * whole, kind="stable")][:, None])


def _string(objective: Objective, first: Array, last: Array) -> Array:
    """The string method: images slide down across the path and are spread evenly along it, again and again."""
    share, count = np.linspace(0.0, 1.0, _IMAGES), _FINE if isinstance(objective, TracedObjective) else _FINE_SLOW
    path = first + share[:, None] * (last - first)
    length = float(np.linalg.norm(last - first))
    if length == 0.0:
        return path
    best, lowest = path, float(np.max(objective.values(_fine(path, count))))
    step = 0.1 * length / _IMAGES
    for sweep in range(_SWEEPS):
        slope = _gradients(objective, path[1:-1])
        if not np.all(np.isfinite(slope)):
            break
        along = path[2:] - path[:-2]
        along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-300)
        across = slope - np.sum(slope * along, axis=1, keepdims=True) * along
        size = np.linalg.norm(across, axis=1, keepdims=True)
        # Each image moves across the path, no farther than a share of the images' distance.
        moved = path.copy()
        moved[1:-1] -= step * across / np.maximum(np.max(size), 1e-300)
        path = _evenly(moved)
        if sweep % 10 == 9:
            height = float(np.max(objective.values(_fine(path, count))))
            if height < lowest:
                best, lowest = path, height
            else:
                step *= 0.5
    return _with_tops(objective, _fine(best, count))


def _with_tops(objective: Objective, path: Array) -> Array:
    """The points, and the highest places between them: a sample of a path lies below its top."""
    values = objective.values(path)
    near = values >= np.max(values) - 0.01 * (np.max(values) - min(values[0], values[-1]))
    inner = np.flatnonzero(near[1:-1] & (values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])) + 1
    rows, places = list(path), np.arange(len(path), dtype=np.float64).tolist()
    for index in inner:
        for low, high in ((index - 1, index), (index, index + 1)):
            first, last = 0.0, 1.0
            for _ in range(4):  # each time between the neighbours of the highest of 65 places
                shares = np.linspace(first, last, 65)
                between = path[low] + shares[:, None] * (path[high] - path[low])
                top = int(np.argmax(objective.values(between)))
                first, last = float(shares[max(top - 1, 0)]), float(shares[min(top + 1, 64)])
            rows.append(between[top])
            places.append(low + float(shares[top]))
    return np.array(rows)[np.argsort(places, kind="stable")]


def _evenly(path: Array) -> Array:
    """As many points, at equal distances along the path."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = np.linspace(0.0, gone[-1], len(path))
    return np.stack([np.interp(wanted, gone, column) for column in path.T], axis=1)


def _fine(path: Array, count: int) -> Array:
    """Many points along the same broken line."""
    share, wanted = np.linspace(0.0, 1.0, len(path)), np.linspace(0.0, 1.0, count)
    return np.stack([np.interp(wanted, share, column) for column in path.T], axis=1)
