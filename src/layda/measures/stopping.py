"""The stopping test "it goes down no further", one formula for every runner.

A ball has settled when two displacements running are small *and* little way is left::

    max(|Δx_k|, |Δx_(k−1)|) ≤ ε·E     and     |g|·|Δx|/|Δg| ≤ ε·E

in max-norms, E being the extent of the path so far. |g|·|Δx|/|Δg| is the secant's estimate of the distance to where g
vanishes: a ball at a turning point moves little but has far to go, one that crosses a valley floor has a small gradient
but moves fast; neither is stopped. The largest gradient of the path is no part of it: a start far up a quartic would
make any gradient look small.
"""

from __future__ import annotations

from typing import Any

from layda.functions import both, maximum, where

__all__ = ["distance_to_go", "settled"]

_INFINITE = float("inf")


def distance_to_go(gradient: Any, displacement: Any, gradient_change: Any) -> Any:
    """|g|·|Δx|/|Δg|: 0 where g is 0, infinite where the gradient did not change.

    Args:
        gradient: |g| at the last point.
        displacement: |Δx| of the last step.
        gradient_change: |Δg| over the last step.

    >>> distance_to_go(2.0, 0.5, 1.0)
    1.0
    """
    estimate = where(
        gradient_change > 0.0, gradient * (displacement / where(gradient_change > 0.0, gradient_change, 1.0)), _INFINITE
    )
    return where(gradient == 0.0, 0.0, estimate)


def settled(
    displacement: Any, displacement_before: Any, gradient: Any, gradient_change: Any, extent: Any, tolerance: Any
) -> Any:
    """The stopping test.

    Args:
        displacement: |Δx_k| of the last step.
        displacement_before: |Δx_(k−1)| of the one before.
        gradient: |g_k|.
        gradient_change: |g_k − g_(k−1)|.
        extent: the largest side of the smallest box around the path so far.
        tolerance: ε, as a share of the extent.

    >>> settled(1e-9, 1e-9, 1e-9, 1e-9, 1.0, 1e-6)
    True
    """
    near = tolerance * extent
    still = maximum(displacement, displacement_before) <= near
    return both(still, distance_to_go(gradient, displacement, gradient_change) <= near)
