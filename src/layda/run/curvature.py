"""Minimum or not: the curvature where balls have settled, for one ball or for many at once.

A settled ball lies in a minimum when every curvature is positive and at no minimum when one is negative, each by more
than τ = 1e-6·‖H‖. Both are asked without eigenvalues, by the pivots of an LDLᵀ factorisation::

    H − τI: all pivots > 0                              minimum, in a valley unless H − 100τI has them all > 0, too
    H + τI: the first pivot that is not > 0 is < 0      not a minimum
    otherwise                                           flat: look around

Above 32 coordinates the eigenvalues are computed, above 200 the smallest one by Lanczos' method.

Where it is flat or a valley, the stopping test can have been deceived: its estimate of the way to go is made of largest
values, and while steep directions ring, it does not see a slope thousands of times as flat. :func:`flat_way` does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.functions import abs, both, either, maximum, negate, where
from layda.measures import CONSTANTS
from layda.objective import Objective, TracedObjective
from layda.program import Graph, Program
from layda.run.lanczos import curvature_products

__all__ = ["flat_way", "goes_down", "inertia_program", "signs_of"]

Array = NDArray[np.float64]
_LARGEST_FACTORED = 32
_LARGEST_HESSIAN = 200
_SLOPE_NOISE, _CURVATURE_NOISE = 1e-13, 1e-9  # in units of the largest curvature; by differences it is no better
_MINIMUM, _VALLEY, _FLAT, _NOT = 1.0, 0.5, 0.0, -1.0


@lru_cache(maxsize=64)
def inertia_program(objective: TracedObjective) -> Program:
    """From a position to ``sign``: 1 in a minimum, ½ in one in a valley, −1 where f bends down, 0 too flat to say."""
    graph = Graph()
    place = {name: graph.input(name) for name in objective.coordinates}
    found = objective.hessian_program.evaluate(place)
    names = objective.coordinates
    matrix: list[list[Any]] = [
        [graph.lift(found[f"d_{a}_{b}"]) for b in names[: row + 1]] for row, a in enumerate(names)
    ]
    norm: Any = None
    for row in range(len(names)):
        total: Any = abs(matrix[row][0]) if row else abs(matrix[0][0])
        for column in range(1, len(names)):
            total = total + abs(matrix[max(row, column)][min(row, column)])
        norm = total if norm is None else maximum(norm, total)
    shift = CONSTANTS["negative"][0] * norm
    minimum, round_one = _all_above(matrix, shift), _all_above(matrix, CONSTANTS["valley"][0] * norm)
    below = _pivots(matrix, -shift)
    bends, fine = below[0] < 0.0, below[0] > 0.0
    for pivot in below[1:]:
        bends = either(bends, both(fine, pivot < 0.0))
        fine = both(fine, pivot > 0.0)
    known = norm - norm == 0.0
    settled = where(round_one, _MINIMUM, _VALLEY)
    sign = where(both(known, minimum), settled, where(both(known, both(bends, negate(minimum))), _NOT, _FLAT))
    return graph.program(names, {"sign": sign})


def _all_above(matrix: list[list[Any]], shift: Any) -> Any:
    """Whether every eigenvalue is above ``shift``."""
    first, *others = _pivots(matrix, shift)
    found = first > 0.0
    for pivot in others:
        found = both(found, pivot > 0.0)
    return found


def _pivots(matrix: list[list[Any]], shift: Any) -> list[Any]:
    """The diagonal of D in A − shift·I = LDLᵀ, from the lower triangle of A."""
    work = [[value - shift if i == j else value for j, value in enumerate(row)] for i, row in enumerate(matrix)]
    pivots: list[Any] = []
    for k in range(len(work)):
        pivots.append(work[k][k])
        for i in range(k + 1, len(work)):
            factor = work[i][k] / work[k][k]
            for j in range(k + 1, i + 1):
                work[i][j] = work[i][j] - factor * work[j][k]
    return pivots


def goes_down(objective: Objective, places: Array, signs: Array | None = None) -> NDArray[np.bool_]:
    """Whether f goes down from a place of rest, for each row; the same bits for one row as for many.

    Args:
        objective: the function.
        places: (balls, dimension).
        signs: the results of :func:`inertia_program`, where they are known already.
    """
    if signs is None:
        signs = signs_of(objective, places)
    found = signs < 0.0
    flat = np.flatnonzero(signs == _FLAT)
    if len(flat):
        found[flat] = _looks_down(objective, places[flat])
    return found


def flat_way(objective: Objective, places: Array, extents: Any, signs: Array) -> Array:
    """How far the minimum is along directions that are flat next to the steepest one, for each row.

    The largest |s|/λ over the eigenvectors with λ ≤ 1e-4·‖H‖, s the slope along one; 0 where there is none, and where a
    slope is no more than rounding: below 1e-13·‖H‖·(|x| + extent).

    Args:
        objective: the function.
        places: (balls, dimension), where balls have settled.
        extents: of their paths, one number or one for each.
        signs: of :func:`signs_of`.
    """
    found = np.zeros(len(places))
    flat = np.flatnonzero((signs == _FLAT) | (signs == _VALLEY))
    if not len(flat) or objective.dimension > _LARGEST_HESSIAN:
        return found
    matrices, places = _hessians(objective, places[flat]), places[flat]
    usable = np.all(np.isfinite(matrices), axis=(1, 2))
    curvatures, vectors = np.linalg.eigh(np.where(usable[:, None, None], matrices, np.eye(objective.dimension)))
    slopes = objective.values_and_gradients(places)[1]
    along = np.abs(np.einsum("bij,bi->bj", vectors, slopes))
    size = np.max(np.abs(curvatures), axis=1)[:, None]
    reach = np.max(np.abs(places), axis=1) + np.broadcast_to(np.asarray(extents), (len(found),))[flat]
    counts = (curvatures <= CONSTANTS["valley"][0] * size) & (along > _SLOPE_NOISE * size * reach[:, None])
    with np.errstate(all="ignore"):
        ways = np.where(counts, along / np.maximum(np.abs(curvatures), _CURVATURE_NOISE * size), 0.0)
    found[flat] = np.where(usable & np.all(np.isfinite(ways), axis=1), np.max(ways, axis=1), 0.0)
    return found


def signs_of(objective: Objective, places: Array) -> Array:
    """For each row what :func:`inertia_program` says, or the eigenvalues where there are many coordinates."""
    if isinstance(objective, TracedObjective) and objective.dimension <= _LARGEST_FACTORED:
        columns = {name: places[:, index] for index, name in enumerate(objective.coordinates)}
        with np.errstate(all="ignore"):
            found = inertia_program(objective).evaluate(columns)["sign"]
        return np.broadcast_to(np.asarray(found, np.float64), (len(places),)).copy()
    if objective.dimension > _LARGEST_HESSIAN:
        return np.array([_lanczos(objective, place) for place in places])
    return np.array([_by_eigenvalues(objective.hessian(place)) for place in places])


def _by_eigenvalues(matrix: Array) -> float:
    if not np.all(np.isfinite(matrix)):
        return _FLAT
    eigenvalues = np.linalg.eigvalsh(matrix)
    return _sign_of(float(eigenvalues[0]), float(np.max(np.abs(eigenvalues))))


def _sign_of(smallest: float, largest: float) -> float:
    shift = CONSTANTS["negative"][0] * largest
    if smallest > shift:
        return _MINIMUM if smallest > CONSTANTS["valley"][0] * largest else _VALLEY
    return _NOT if smallest < -shift else _FLAT


def _lanczos(objective: Objective, place: Array) -> float:
    """The sign by the smallest eigenvalue of the Hessian, by ARPACK: restarts find it among many that are near it."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    product = curvature_products(objective, place)[0]
    operator = LinearOperator((len(place), len(place)), matvec=lambda vector: product(vector.ravel()), dtype=np.float64)
    start = np.random.default_rng(20130617).standard_normal(len(place))
    try:
        largest = float(abs(eigsh(operator, k=1, which="LM", v0=start, tol=1e-3, return_eigenvectors=False)[0]))
        smallest = float(eigsh(operator, k=1, which="SA", v0=start, tol=1e-3, return_eigenvectors=False)[0])
    except ArpackNoConvergence:
        return _FLAT
    # Differences of gradients know curvatures to about a millionth of the largest; ten times that is asked.
    return _sign_of(smallest / 10.0, largest) if smallest < 0.0 else _MINIMUM


def _looks_down(objective: Objective, places: Array) -> NDArray[np.bool_]:
    """Whether f falls at a thousandth of the box to either side along a flat direction."""
    if objective.dimension > _LARGEST_HESSIAN:
        return np.zeros(len(places), dtype=bool)
    matrices = _hessians(objective, places)
    usable = np.all(np.isfinite(matrices), axis=(1, 2))
    eigenvalues, vectors = np.linalg.eigh(np.where(usable[:, None, None], matrices, np.eye(objective.dimension)))
    size = np.max(np.abs(eigenvalues), axis=1)
    flat = np.where(usable[:, None], eigenvalues <= CONSTANTS["negative"][0] * size[:, None], True)
    here = objective.values(places)
    reach = 1e-3 * max(high - low for low, high in objective.box)
    found = np.zeros(len(places), dtype=bool)
    with np.errstate(all="ignore"):
        for k in range(objective.dimension):
            direction = vectors[:, :, k]
            ahead = objective.values(places + reach * direction) - here
            behind = objective.values(places - reach * direction) - here
            change = np.fmax(np.abs(ahead), np.abs(behind))
            falls = np.fmin(ahead, behind) < -np.fmax(1e-3 * change, 1e-12 * np.abs(here))
            found |= flat[:, k] & falls
    return found


def _hessians(objective: Objective, places: Array) -> Array:
    if not isinstance(objective, TracedObjective):
        return np.array([objective.hessian(place) for place in places])
    n = objective.dimension
    columns = {name: places[:, index] for index, name in enumerate(objective.coordinates)}
    with np.errstate(all="ignore"):
        found = objective.hessian_program.evaluate(columns)
    matrices = np.empty((len(places), n, n))
    for row, a in enumerate(objective.coordinates):
        for column, b in enumerate(objective.coordinates[: row + 1]):
            matrices[:, row, column] = matrices[:, column, row] = found[f"d_{a}_{b}"]
    return matrices
