"""Where a rule is stable on a quadratic, how it moves there, and how fast it arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from layda.errors import ComputationError, SettingError
from layda.rule import Rule
from layda.theory.linear import LinearSystem, linear_system, radius

__all__ = ["REGIMES", "curvature_limit", "rate_at", "regime", "regimes", "stability_limit", "steps_to", "worst_rate"]

Array = NDArray[np.float64]
_SLACK = 1e-9
"""ρ above 1 by no more is rounding: eigenvalues near a double root are known to about 1e-8 below the circle only."""

_DOUBLE = 1e-6
REGIMES = ("overdamped", "critical", "underdamped", "sign-flipping", "marginal", "divergent")
"""How a ball moves on a bowl; see :func:`regime`."""

_MOST_STEPS = 10**7


def rate_at(rule: str | Rule, curvature: float) -> float:
    """ρ(M(λ)): the factor per step in the long run on a bowl of curvature λ.

    >>> rate_at("gradient-descent:learning_rate=0.25", 1.0)
    0.75
    """
    return float(linear_system(rule).spectral_radius(curvature))


def stability_limit(rule: str | Rule, curvature: float = 1.0) -> float:
    """The largest stable α for a curvature λ, the rule's other settings kept: up to it ρ ≤ 1.

    Found where an eigenvalue of M(λ) leaves the unit circle. 2/λ for gradient descent, (2 + 2β)/λ for the heavy ball,
    (2 + 2β)/((1 + 2β)λ) for Nesterov. With β = 1 the ball swings without end below the limit (ρ = 1), and is thrown
    away above it.

    Args:
        rule: a linear rule.
        curvature: λ > 0.

    Returns:
        The limit; infinite when there is none up to 1e12/λ, 0 when no α is stable.

    Raises:
        NotLinearError: theory has no limit for this rule. SettingError: a curvature that is not above 0.

    >>> round(stability_limit("heavy-ball:momentum=0.9", 2.0), 9)
    1.9
    """
    _check(curvature=curvature)
    system = linear_system(rule)
    return _limit(lambda rates: system.matrix(curvature, learning_rate=rates), 1.0 / curvature)


def curvature_limit(rule: str | Rule) -> float:
    """The largest curvature λ that is stable at the rule's own α: (2 + 2β)/α for the heavy ball.

    Raises:
        NotLinearError: theory has no limit for this rule.

    >>> round(curvature_limit("heavy-ball:learning_rate=0.5,momentum=0.9"), 9)
    7.6
    """
    system = linear_system(rule)
    rate = float(system.rule.learning_rate)  # type: ignore[attr-defined]  # every rule has one
    return _limit(system.matrix, 1.0 / rate) if rate > 0.0 else float("inf")


def _limit(matrix: Callable[[Array], Array], scale: float) -> float:
    """The first place where an eigenvalue leaves the unit circle."""
    grid = scale * np.geomspace(1e-8, 1e12, 4001)
    outside = np.flatnonzero(radius(matrix(grid)) > 1.0 + _SLACK)
    if not len(outside):
        return float("inf")
    if outside[0] == 0:
        return 0.0
    low, high = float(grid[outside[0] - 1]), float(grid[outside[0]])
    leaving = np.linalg.eigvals(matrix(np.array([high]))[0])
    far = leaving[np.argmax(np.abs(leaving))]
    if abs(far.imag) < 1e-9 * abs(far):
        # A real eigenvalue leaves through ±1: there det(±I − M) is 0, a simple root.
        sign = float(np.sign(far.real))
        return _root(lambda x: _determinant(matrix(np.array([x]))[0], sign), low, high)
    return _root(lambda x: float(radius(matrix(np.array([x])))[0]) - 1.0 - _SLACK, low, high)


def _determinant(matrix: Array, at: float) -> float:
    return float(np.linalg.det(at * np.eye(len(matrix)) - matrix))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    first, last = function(low), function(high)
    if first == 0.0 or first * last > 0.0:  # touched, not crossed: the grid's own precision
        return low
    return float(brentq(function, low, high, xtol=1e-15 * high, rtol=1e-14))


def regime(rule: str | Rule, curvature: float) -> str:
    """How a ball moves on a bowl of curvature λ, by the eigenvalues of M(λ) that are largest in size.

    ==============  =============================================================================
    divergent       ρ > 1: every swing is longer than the last
    marginal        ρ = 1: it swings for ever, or does not move at all
    critical        the largest eigenvalue is double: the fastest return without a swing
    underdamped     a complex pair: it swings through the minimum, each time less far
    sign-flipping   real and negative: every step ends on the other side
    overdamped      real and positive: it comes from one side
    ==============  =============================================================================

    Raises:
        NotLinearError: the rule is no linear system. SettingError: a curvature that is not above 0.

    >>> [regime("heavy-ball:learning_rate=1,momentum=0.25", h) for h in (0.1, 0.25, 1.0, 2.4, 3.0)]
    ['overdamped', 'critical', 'underdamped', 'sign-flipping', 'divergent']
    """
    _check(curvature=curvature)
    return REGIMES[int(regimes(linear_system(rule).matrix(curvature)))]


def regimes(matrices: Array) -> NDArray[np.int64]:
    """The regime of each matrix M(λ), shape (…, n, n), as its place in :data:`REGIMES`."""
    finite = np.all(np.isfinite(matrices), axis=(-2, -1))
    safe = np.where(finite[..., None, None], matrices, 0.0)
    size = np.where(finite, radius(safe), np.inf)
    eigenvalues = np.linalg.eigvals(safe).astype(complex)
    far = np.take_along_axis(eigenvalues, np.argmax(np.abs(eigenvalues), axis=-1)[..., None], axis=-1)
    twins = np.sum(np.abs(eigenvalues - far) <= _DOUBLE, axis=-1)
    # A double real root comes out of the computation as a pair, some 1e-8 off the real line.
    real = np.abs(far[..., 0].imag) <= _DOUBLE
    found = np.where(real, np.where(far[..., 0].real < 0.0, 3, 0), 2)
    found = np.where((twins > 1) & real, 1, found)
    found = np.where(size >= 1.0 - _SLACK, 4, found)
    return np.asarray(np.where(size <= 1.0 + _SLACK, found, 5))


def worst_rate(rule: str | Rule, mu: float, L: float) -> float:  # noqa: N803 - the field's names
    """The largest ρ over curvatures from μ to L: the guaranteed factor per step on such quadratics.

    Args:
        rule: a linear rule.
        mu: μ > 0.
        L: L ≥ μ.

    >>> round(worst_rate("gradient-descent:learning_rate=0.1", 1.0, 10.0), 9)
    0.9
    """
    _check_range(mu, L)
    return _worst(linear_system(rule), mu, L)


def _worst(system: LinearSystem, mu: float, steepest: float) -> float:
    """On a grid with both ends, refined where it is largest."""
    low, high = np.log(mu), np.log(steepest)
    top = 0.0
    for _ in range(3):
        grid = np.exp(np.linspace(low, high, 129))
        grid[0], grid[-1] = max(grid[0], mu), min(grid[-1], steepest)
        rates = system.spectral_radius(grid)
        place = int(np.argmax(rates))
        top = max(top, float(rates[place]))
        low, high = np.log(grid[max(place - 1, 0)]), np.log(grid[min(place + 1, 128)])
    return top


def steps_to(
    rule: str | Rule, spectrum: Sequence[float] | Array, epsilon: float, start: Sequence[float] | Array | None = None
) -> int:
    """How many steps until ‖x_k‖ ≤ ε‖x_0‖ for the first time, on a quadratic with these curvatures, exactly.

    x is the rule's answer, which for Nesterov's rule is not the look-ahead point.

    Args:
        rule: a linear rule.
        spectrum: the curvatures, each above 0.
        epsilon: ε, between 0 and 1.
        start: x_0 in the directions of the curvatures; all 1 by default.

    Raises:
        NotLinearError: the rule is no linear system.
        SettingError: numbers out of range, a start of another length than the spectrum.
        ComputationError: it is never reached, because the rule is not stable there.

    >>> steps_to("gradient-descent:learning_rate=0.5", [1.0], 0.25)
    2
    """
    curvatures = np.atleast_1d(np.asarray(spectrum, dtype=np.float64))
    for value in curvatures:
        _check(curvature=float(value))
    if not 0.0 < epsilon < 1.0:
        raise SettingError(f"epsilon is {epsilon!r}; allowed is a number between 0 and 1")
    first = np.ones(len(curvatures)) if start is None else np.atleast_1d(np.asarray(start, dtype=np.float64))
    if first.shape != curvatures.shape or not np.all(np.isfinite(first)) or not np.any(first):
        raise SettingError(f"start is {start!r}; allowed are {len(curvatures)} finite numbers, not all of them 0")
    system = linear_system(rule)
    matrices = system.matrix(curvatures)
    if float(np.max(radius(matrices)[first != 0.0])) >= 1.0 - 1e-12:
        raise ComputationError(
            f"{system.rule} never comes to {epsilon:g} of its start: on these curvatures its factor per step is "
            f"{float(np.max(radius(matrices))):.6g}; below 1 it arrives, with a smaller learning rate or momentum"
        )
    state = first[:, None] * system.start[None, :]
    target = epsilon * float(np.linalg.norm(first))
    for step in range(1, _MOST_STEPS + 1):
        state = np.einsum("kij,kj->ki", matrices, state)
        if np.linalg.norm(state @ system.answer[0]) <= target:
            return step
    raise ComputationError(
        f"{system.rule} is not there after {_MOST_STEPS} steps; allowed is a faster rule or a larger epsilon"
    )


def _check(curvature: float) -> None:
    if not 0.0 < curvature < np.inf:
        raise SettingError(f"curvature is {curvature!r}; allowed is a finite number above 0")


def _check_range(mu: float, steepest: float) -> None:
    for name, value in (("mu", mu), ("L", steepest)):
        if not 0.0 < value < np.inf:
            raise SettingError(f"{name} is {value!r}; allowed is a finite number above 0")
    if mu > steepest:
        raise SettingError(f"mu is {mu!r} and L is {steepest!r}; mu, the smallest curvature, must not be above L")
