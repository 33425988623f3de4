"""The minimum of the basin that a start lies in: a short safe descent into it, then a polish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layda.objective import Objective

__all__ = ["Bottom", "bottom"]

Array = NDArray[np.float64]
_SAFE_STEPS = 40
_TURN = 0.5  # of the slope: how much it may change in a safe step
_POLISHING = 2000  # evaluations
_FLAT = 1e-5  # of the start's slope: what counts as none


@dataclass(frozen=True)
class Bottom:
    """Where the start's basin is deepest.

    Attributes:
        position: the place, shape (dimension,). value: f there.
        found: whether the slope has vanished there; without it f may fall without end, or not be smooth.
        path: the points of the safe descent, (points, dimension), the start first.
        gradients: evaluated on the way.
    """

    position: Array
    value: float
    found: bool
    path: Array
    gradients: int


def bottom(objective: Objective, start: Array, curvature: float) -> Bottom:
    """Follow the slope in steps on each of which it changes by half at most, and polish by L-BFGS-B from there.

    So every step is below 1/λ for the curvature λ that it meets, and stays in the valley that it is in.

    Args:
        objective: f.
        start: shape (dimension,).
        curvature: |λ|, the largest in size at the start; NaN or 0 where nobody knows.

    >>> from layda.objectives import get
    >>> found = bottom(get("tilted_double_well"), np.array([2.0]), 11.0)
    >>> round(float(found.position[0]), 6), found.found
    (0.945649, True)
    """
    with np.errstate(all="ignore"):
        return _bottom(objective, np.asarray(start, np.float64), curvature)


def _bottom(objective: Objective, start: Array, curvature: float) -> Bottom:
    place = start
    value, slope = objective.value_and_gradient(place)
    steepness = float(np.max(np.abs(slope)))
    if not np.isfinite(value) or not np.isfinite(steepness) or steepness == 0.0:
        return Bottom(start, value, steepness == 0.0, start[None], 1)
    rate = _TURN / curvature if curvature > 0.0 and np.isfinite(curvature) else 1e-3 / steepness
    path, count = [start], 1
    while len(path) <= _SAFE_STEPS and count < 3 * _SAFE_STEPS:
        ahead = place - rate * slope
        found, leaning = objective.value_and_gradient(ahead)
        count += 1
        change = float(np.linalg.norm(leaning - slope) / np.linalg.norm(slope))
        if found <= value and change <= _TURN and objective.is_defined(ahead):
            moved, place, value, slope = float(np.linalg.norm(ahead - place)), ahead, found, leaning
            path.append(place)
            if not np.any(slope):
                break
            rate *= min(2.0, max(1.0, 0.8 * _TURN / max(change, 1e-300)))
        else:
            rate *= min(0.5, max(0.05, 0.8 * _TURN / change)) if np.isfinite(change) else 0.1
    reach = moved if len(path) > 1 else rate * float(np.linalg.norm(slope))
    polished, evaluations = _polished(objective, place, value, reach)
    count += evaluations + 1
    lowest, slope = objective.value_and_gradient(polished)
    if not lowest <= value:
        polished, lowest, slope = place, value, np.full(len(place), np.inf)
    flat = float(np.max(np.abs(slope))) <= _FLAT * steepness
    return Bottom(polished, lowest, bool(np.isfinite(lowest) and flat), np.array(path), count)


def _polished(objective: Objective, place: Array, height: float, reach: float) -> tuple[Array, int]:
    """L-BFGS-B in units of the last safe step, in which its first step, of length 1, cannot leave the valley."""
    from scipy.optimize import minimize

    steepness = float(np.linalg.norm(objective.value_and_gradient(place)[1])) * reach
    if not steepness > 0.0:
        return place, 1

    def relative(z: Array) -> tuple[float, Array]:
        x = place + reach * z
        value, slope = objective.value_and_gradient(x)
        if not np.isfinite(value) or not np.all(np.isfinite(slope)) or not objective.is_defined(x):
            return 1e300, np.zeros(len(x))
        return (value - height) / steepness, slope * (reach / steepness)

    options = {"maxiter": _POLISHING, "maxfun": _POLISHING, "ftol": 0.0, "gtol": 1e-10, "maxcor": 30}
    found = minimize(relative, np.zeros(len(place)), jac=True, method="L-BFGS-B", options=options)
    return place + reach * np.asarray(found.x, np.float64), int(found.nfev) + 1
