"""What theory says about a run, in linear algebra of its own: nothing here asks a verdict, a stopping test or a window.

A rule that is linear in position, gradient and slots has on f = ½λx² the iteration matrix M(λ) = A + λ·b·e₀ᵀ, whose
columns are found by probing the rule's own ``step`` with unit vectors. A quadratic in any dimension is then a set of
modes: x_k − x* = Q·z(k), z_i(k) = (M(λ_i)^k)₀₀·w_i.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from layda.rule import Rule, State, Stepper

__all__ = ["Modes", "longest_step", "matrices", "rate_of", "stability_limit"]

Array = NDArray[np.float64]
Make = Callable[[float], Rule]


def matrices(rule: Rule, curvatures: Array) -> Array:
    """M(λ) for each curvature, (curvatures, 1 + slots, 1 + slots)."""
    stepper = Stepper(rule)
    count = len(stepper.slots)
    probes = np.eye(count + 2)  # position, slots, gradient: one unit vector each
    position, after = stepper.step(stepper.numbers, 0.0, probes[0], probes[-1], State(tuple(probes[1:-1]), (), ()))
    rows = np.array([np.broadcast_to(row, (count + 2,)) for row in (position, *after.slots)])
    found = np.repeat(rows[None, :, :-1], len(curvatures), axis=0)
    found[:, :, 0] += np.asarray(curvatures)[:, None] * rows[:, -1]
    return found


def rate_of(rule: Rule, curvatures: Array) -> float:
    """The largest spectral radius over the curvatures."""
    return float(np.max(np.abs(np.linalg.eigvals(matrices(rule, curvatures)))))


_LIMITS: dict[str, float] = {}


def stability_limit(make: Make) -> float:
    """The smallest α at which the rule stops being stable on f = ½x², bisected to the last digits."""
    key = str(make(1.0))
    if key not in _LIMITS:
        one = np.ones(1)
        grid = np.geomspace(1e-2, 1e3, 500)
        unstable = next(k for k, rate in enumerate(grid) if rate_of(make(float(rate)), one) > 1.0)
        low, high = float(grid[unstable - 1]), float(grid[unstable])
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if rate_of(make(middle), one) > 1.0 else (middle, high)
        _LIMITS[key] = low
    return _LIMITS[key]


@dataclass(frozen=True)
class Modes:
    """A run of a linear rule on a quadratic, known at every step without running it.

    Attributes:
        matrix: M(λ) of every mode. basis: Q. weights: Qᵀ(x₀ − x*).
    """

    matrix: Array
    basis: Array
    weights: Array

    @classmethod
    def of(cls, rule: Rule, curvatures: Array, basis: Array, offset: Array) -> Modes:
        """For f = ½(x − x*)ᵀQ diag(λ) Qᵀ(x − x*) from x₀ = x* + offset, at rest."""
        return cls(matrices(rule, curvatures), basis, basis.T @ offset)

    def distance(self, step: int) -> float:
        """The largest |x − x*|∞ of the steps from this one to the sixteenth after it."""
        with np.errstate(all="ignore"):
            return self._distance(np.linalg.matrix_power(self.matrix, step))

    def _distance(self, power: Array) -> float:
        state = power[:, :, 0] * self.weights[:, None]
        top = 0.0
        for _ in range(16):
            top = max(top, float(np.max(np.abs(self.basis @ state[:, 0]))))
            state = np.einsum("dij,dj->di", self.matrix, state)
        return top

    def swings_slowly(self, steps: int) -> bool:
        """Whether a mode swings more slowly than twice in the last window (256 steps at most), and still does."""
        roots = np.linalg.eigvals(self.matrix)
        slow = (np.abs(np.angle(roots)) < 4.0 * np.pi / min(256, steps)) & (np.abs(np.imag(roots)) > 0.0)
        return bool(np.any(slow & (np.abs(roots) ** steps > 1e-4)))

    def spins_up(self, steps: int) -> bool:
        """Whether the velocity is still gathering in the last half: the lesser roots have not faded to a twentieth."""
        sizes = np.sort(np.abs(np.linalg.eigvals(self.matrix)), axis=1)
        return bool(sizes.shape[1] > 1 and np.max(sizes[:, -2]) ** (steps / 2) > 0.05)

    def shows(self, step: int, slow: NDArray[np.bool_], curvatures: Array) -> bool:
        """Whether the slow modes make up the gradient at that step, and its change from the step before."""
        now, before = (np.linalg.matrix_power(self.matrix, k)[:, 0, 0] * self.weights for k in (step, step - 1))
        slope, change = curvatures * now, curvatures * (now - before)
        share, changing = (np.sum(part[slow] ** 2) / np.sum(part**2) for part in (slope, change))
        return bool(share > 0.94 and changing > 0.64)

    def steps_to(self, distance: float) -> float:
        """How many steps until the distance is so small (infinite beyond 2⁴⁰)."""
        powers = [self.matrix]
        while self._distance(powers[-1]) > distance:
            if len(powers) > 40:
                return np.inf
            powers.append(powers[-1] @ powers[-1])
        reached, step = np.broadcast_to(np.eye(self.matrix.shape[1]), self.matrix.shape), 0
        for exponent in range(len(powers) - 1, -1, -1):
            trial = reached @ powers[exponent]
            if self._distance(trial) > distance:
                reached, step = trial, step + 2**exponent
        return float(step + 1)


@cache
def longest_step(rule: str) -> float:
    """A bound on |Δx|/α of the rules whose steps do not grow with the gradient, whatever gradients come.

    The signs move by exactly α. For Adam m²/s ≤ (1 − β₁)²/((1 − β₂)(1 − β₁²/β₂)) by Cauchy and Schwarz, 7.27² at the
    usual settings; NAdam adds |g|/√s ≤ (1 − β₂)^−½ times (1 − μ)/(1 − Πμ) ≤ 1.
    """
    adam = 0.1 / np.sqrt(0.001 * (1.0 - 0.81 / 0.999))
    bounds = {"lion": 1.0, "sign-momentum": 1.0, "adam": adam, "adamw": adam}
    return float(bounds.get(rule, 2.0 * adam + 1.0 / np.sqrt(0.001)))
