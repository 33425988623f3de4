"""How a function bends at a place: the ends of its Hessian's spectrum, and along a run the largest curvature.

Where the whole Hessian costs at most 64 gradients (up to 32 coordinates; models on tables that are linear in their
parameters: up to 128) it is taken; above that Lanczos' method on products of the Hessian with vectors,
from the objective's program where it is one, else from differences of gradients of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.objective import Objective, TracedObjective
from layda.run.lanczos import curvature_products, lanczos
from layda.run.result import Trajectory

__all__ = ["Along", "Curvature", "curvature_along", "curvature_at"]

Array = NDArray[np.float64]
_MOST_FOR_WHOLE = 64.0  # gradients
_MOST_PRODUCTS = 60
_RESIDUAL = 1e-2
_EXACT, _DIFFERENCES = 1e-12, 1e-7  # below this share of the largest, an eigenvalue is rounding


@dataclass(frozen=True)
class Curvature:
    """The ends of the Hessian's spectrum at a place.

    Attributes:
        largest, smallest: eigenvalues, algebraically (the smallest may be negative); NaN where the Hessian is not
            finite.
        smallest_positive: the smallest eigenvalue above 1e-12 of the largest (1e-7 where it comes from differences,
            which know no better); ``None`` where there is none. Without the whole Hessian the smallest positive Ritz
            value: an upper bound.
        spectrum: all eigenvalues in rising order when the whole Hessian was taken, else the Ritz values.
        method: "hessian", "lanczos on Hessian-vector products of the program" or "lanczos on differences of gradients".
        residual: ‖Hy − λy‖/max |λ| of the largest; 0 for the whole Hessian. smallest_residual: of the smallest.
        converged: whether both residuals are below the tolerance (that of the largest alone where it alone was asked).
        products: how many products with vectors were taken; 0 for the whole Hessian.
        gradients: what the measurement cost, in gradients of f. Of a traced objective: its program's operations over
            those of the gradient's; otherwise 2 for each product, and 2 for each row of the whole Hessian.
        steepest, flattest: unit eigenvectors of the largest and of the smallest eigenvalue, shape (dimension,).
    """

    largest: float
    smallest: float
    smallest_positive: float | None
    spectrum: Array
    method: str
    residual: float
    smallest_residual: float
    converged: bool
    products: int
    gradients: float
    steepest: Array
    flattest: Array

    @property
    def condition(self) -> float | None:
        """κ = largest/smallest_positive; ``None`` where there is no positive curvature."""
        return None if self.smallest_positive is None else self.largest / self.smallest_positive


def curvature_at(
    objective: Objective,
    position: Sequence[float] | Array,
    *,
    tolerance: float = _RESIDUAL,
    most_products: int = _MOST_PRODUCTS,
    only_largest: bool = False,
    toward: Array | None = None,
) -> Curvature:
    """Measure how f bends at a position.

    Args:
        objective: f; with mini-batches the whole table is looked at.
        position: one number per coordinate.
        tolerance: of the relative Ritz residual; the largest eigenvalue comes to three hundredths of it.
        most_products: the budget of Lanczos' method, in products.
        only_largest: do not wait for the smallest eigenvalue to converge (fewer products of Lanczos' method).
        toward: where the steepest direction is likely to be, such as the one found nearby.

    Raises:
        SettingError: a position of the wrong dimension, or not finite; a budget below 1.

    >>> import layda
    >>> found = curvature_at(layda.objectives.get("rosenbrock"), (1.0, 1.0))
    >>> round(found.largest, 3), round(found.smallest, 4), found.method
    (1001.601, 0.3994, 'hessian')
    """
    place = np.atleast_1d(np.asarray(position, dtype=np.float64))
    if place.shape != (objective.dimension,) or not np.all(np.isfinite(place)):
        raise SettingError(
            f"position is {position!r}; allowed are {objective.dimension} finite numbers, one for each coordinate of "
            f"{objective.name}"
        )
    if most_products < 1:
        raise SettingError(f"most_products is {most_products!r}; allowed is a whole number, 1 or more")
    if objective.hessian_cost <= _MOST_FOR_WHOLE:
        return _whole(objective, place)
    product, cost, method = curvature_products(objective, place)
    found = lanczos(
        product, objective.dimension, tolerance=tolerance, most=most_products, both_ends=not only_largest, first=toward
    )
    if found is None:
        return _unknown(objective, method, cost)
    return Curvature(
        largest=float(found.values[-1]),
        smallest=float(found.values[0]),
        smallest_positive=_smallest_positive(found.values, objective),
        spectrum=found.values,
        method=method,
        residual=found.residuals[1],
        smallest_residual=found.residuals[0],
        converged=found.converged,
        products=found.products,
        gradients=cost * found.products,
        steepest=found.vectors[1],
        flattest=found.vectors[0],
    )


def _whole(objective: Objective, place: Array) -> Curvature:
    with np.errstate(all="ignore"):
        matrix = objective.hessian(place)
    cost = objective.hessian_cost
    if isinstance(objective, TracedObjective):
        cost = objective.hessian_program.operation_count / max(objective.gradient_program.operation_count, 1)
    if not np.all(np.isfinite(matrix)):
        return _unknown(objective, "hessian", cost)
    values, vectors = np.linalg.eigh(matrix)
    return Curvature(
        largest=float(values[-1]),
        smallest=float(values[0]),
        smallest_positive=_smallest_positive(values, objective),
        spectrum=values,
        method="hessian",
        residual=0.0,
        smallest_residual=0.0,
        converged=True,
        products=0,
        gradients=cost,
        steepest=vectors[:, -1],
        flattest=vectors[:, 0],
    )


def _smallest_positive(values: Array, objective: Objective) -> float | None:
    floor = _EXACT if isinstance(objective, TracedObjective) else _DIFFERENCES
    above = values[values > floor * max(float(values[-1]), 0.0)]
    return float(above[0]) if len(above) else None


def _unknown(objective: Objective, method: str, cost: float) -> Curvature:
    nowhere = np.full(objective.dimension, np.nan)
    return Curvature(
        largest=np.nan, smallest=np.nan, smallest_positive=None, spectrum=np.array([]), method=method, residual=np.inf,
        smallest_residual=np.inf, converged=False, products=0, gradients=cost, steepest=nowhere, flattest=nowhere,
    )  # fmt: skip


@dataclass(frozen=True)
class Along:
    """The curvature at several points of a run.

    Attributes:
        steps: the steps of the run at which it was measured, shape (points,).
        largest, smallest: eigenvalues of the Hessian there, likewise; NaN where it is not finite.
        gradients: what all measurements cost together, in gradients of f.
        converged: whether every measurement converged.
    """

    steps: NDArray[np.int64]
    largest: Array
    smallest: Array
    gradients: float
    converged: bool


def curvature_along(run: Trajectory, points: int | Sequence[int] = 8) -> Along:
    """The largest curvature along the path of a run: what limits its learning rate.

    Args:
        run: a trajectory; with ``record="end"`` only its last point is there.
        points: how many, evenly spread over the steps with finite positions, first and last included; or the rows of
            ``run.positions`` themselves.

    Raises:
        SettingError: no point, or a row that the run does not have.

    >>> import layda
    >>> run = layda.descend("x^4", "gradient-descent:learning_rate=0.01", start=1.0, steps=100)
    >>> along = curvature_along(run, 3)
    >>> along.steps.tolist(), along.largest.round(2).tolist()
    ([0, 50, 100], [12.0, 2.35, 1.31])
    """
    rows = _rows(run, points)
    toward: Array | None = None
    found: list[Curvature] = []
    for row in rows:
        found.append(curvature_at(run.objective, run.positions[row], only_largest=True, toward=toward))
        toward = found[-1].steepest if np.isfinite(found[-1].largest) else None
    return Along(
        steps=rows + (run.steps + 1 - len(run.positions)),
        largest=np.array([one.largest for one in found]),
        smallest=np.array([one.smallest for one in found]),
        gradients=float(sum(one.gradients for one in found)),
        converged=all(one.converged for one in found),
    )


def _rows(run: Trajectory, points: int | Sequence[int]) -> NDArray[np.int64]:
    finite = np.flatnonzero(np.all(np.isfinite(run.positions), axis=1))
    if isinstance(points, int | np.integer):
        if isinstance(points, bool) or points < 1:
            raise SettingError(f"points is {points!r}; allowed is a whole number, 1 or more, or rows of the run")
        chosen = np.unique(np.linspace(0, len(finite) - 1, points).round().astype(np.int64))
        return finite[chosen]
    rows = np.unique(np.asarray(points, dtype=np.int64))
    if not len(rows) or rows[0] < 0 or rows[-1] >= len(run.positions):
        raise SettingError(f"points is {points!r}; allowed are rows of the run, from 0 to {len(run.positions) - 1}")
    return rows[np.isin(rows, finite)]
