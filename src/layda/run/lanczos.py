"""The ends of a Hessian's spectrum from its products with vectors: Lanczos' method with full re-orthogonalisation.

From a seeded direction the method spans {u, Hu, H²u, …} with an orthonormal basis in which H is tridiagonal. The
eigenvalues θ of that small matrix (the Ritz values) tend to those of H, the outer ones first, and ‖Hy − θy‖, the
residual of a Ritz pair, is known without a further product: |β_k s_k|, s_k the last entry of its small eigenvector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from layda.backends.mapped import evaluate
from layda.objective import Objective, TracedObjective

__all__ = ["Ritz", "curvature_products", "lanczos"]

Array = NDArray[np.float64]
Product = Callable[[Array], Array]
_SEED = 20130617
_INVARIANT = 1e-13  # what remains of a product is rounding: the basis spans all that the start reaches
_ERROR = 3e-2  # of the largest eigenvalue, as a share of the tolerance


@dataclass(frozen=True)
class Ritz:
    """What Lanczos' method has found.

    Attributes:
        values: the Ritz values, in rising order.
        vectors: unit vectors of the smallest and of the largest, (2, dimension).
        residuals: ‖Hy − θy‖/max |θ| of the smallest and of the largest.
        products: how many products of the Hessian with a vector it took.
        converged: whether they are as small as was asked.
    """

    values: Array
    vectors: Array
    residuals: tuple[float, float]
    products: int
    converged: bool


def lanczos(
    product: Product,
    dimension: int,
    *,
    tolerance: float = 1e-2,
    most: int = 60,
    both_ends: bool = True,
    first: Array | None = None,
) -> Ritz | None:
    """The largest and the smallest eigenvalue of a symmetric matrix.

    Args:
        product: v -> Hv.
        dimension: of v.
        tolerance: the largest relative residual r. That of the largest eigenvalue goes down until its error, about
            r²/gap to the next Ritz value, is below three hundredths of the tolerance as well.
        most: products at most; the basis is exact after ``dimension`` of them.
        both_ends: whether the smallest is to come as near as the largest.
        first: a direction that is near one of the largest; a seeded one by default.

    Returns:
        What was found, converged or not; ``None`` where a product is not finite.

    >>> found = lanczos(lambda v: np.array([1.0, 2.0, 50.0]) * v, 3)
    >>> found.values.round(9).tolist(), found.products
    ([1.0, 2.0, 50.0], 3)
    """
    start = np.random.default_rng(_SEED).standard_normal(dimension) if first is None else np.asarray(first, np.float64)
    basis = [start / np.linalg.norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        found = product(basis[-1])
        if not np.all(np.isfinite(found)):
            return None
        diagonal.append(float(basis[-1] @ found))
        span = np.array(basis)
        for _ in range(2):  # twice is enough (Parlett 1980, §6.9)
            found = found - span.T @ (span @ found)
        rest = float(np.linalg.norm(found))
        values, small = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        size = max(float(np.max(np.abs(values))), 1e-300)
        over = len(basis) >= dimension or rest <= _INVARIANT * size
        residuals = [0.0 if over else abs(rest * float(small[-1, end])) / size for end in (0, -1)]
        gap = float(values[-1] - values[-2]) / size if len(values) > 1 else 0.0
        error = residuals[1] * min(1.0, residuals[1] / gap if gap > 0.0 else 1.0)
        near = residuals[1] < tolerance and error < _ERROR * tolerance and (not both_ends or residuals[0] < tolerance)
        if over or near or len(basis) >= most:
            vectors = (span.T @ small[:, [0, -1]]).T
            return Ritz(values, vectors, (residuals[0], residuals[1]), len(basis), over or near)
        beside.append(rest)
        basis.append(found / rest)


def curvature_products(objective: Objective, place: Array) -> tuple[Product, float, str]:
    """v -> ∇²f(place)·v, what one product costs in gradients of f, and where it comes from.

    A traced objective's product is a program of its own; its cost is the ratio of the numbers of operations. Otherwise
    it is a central difference of two gradients of the whole (mini-batches have no part in it)::

        Hv ≈ (∇f(x + hv) − ∇f(x − hv))/2h,   |v| = 1,   h = ε^⅓·max(|x|∞, a tenth of the box's largest side)

    whose error is of the order h²; together with rounding about a millionth of the largest eigenvalue.
    """
    if isinstance(objective, TracedObjective):
        program = objective.product_program
        cost = program.operation_count / max(objective.gradient_program.operation_count, 1)
        return partial(_by_program, objective, place), cost, "lanczos on Hessian-vector products of the program"
    widest = max(high - low for low, high in objective.box)
    size = float(np.cbrt(np.finfo(float).eps) * max(float(np.max(np.abs(place))), 0.1 * widest))
    return partial(_by_differences, objective, place, size), 2.0, "lanczos on differences of gradients"


def _by_program(objective: TracedObjective, place: Array, vector: Array) -> Array:
    names = objective.coordinates
    inputs = dict(zip(names, place.tolist(), strict=True))
    inputs |= {f"along_{name}": number for name, number in zip(names, vector.tolist(), strict=True)}
    return np.array([column[0] for column in evaluate(objective.product_program, inputs, 1).values()])


def _by_differences(objective: Objective, place: Array, size: float, vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    with np.errstate(all="ignore"):
        ahead = objective.value_and_gradient(place + (size / length) * vector)[1]
        behind = objective.value_and_gradient(place - (size / length) * vector)[1]
        found: Array = (ahead - behind) * (length / (2.0 * size))
    return found
