"""Quasi-hyperbolic momentum."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Self

from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter

__all__ = ["QuasiHyperbolic"]


@dataclass(frozen=True)
class QuasiHyperbolic(Rule):
    """A weighted mean of a plain gradient step and a step of averaged momentum.

    v ← βv + (1 − β)g;  x ← x − α((1 − ν)g + νv)

    ν = 0 is gradient descent, ν = 1 heavy ball in the form "average", ν = β Nesterov's rule with the rate α(1 − β).

    Args:
        learning_rate: α ≥ 0.
        momentum: β from 0 to 1.
        nu: ν from 0 to 1, the share of momentum in the step.

    Source: Ma and Yarats 2019, arXiv:1810.06801, eq. 3–4; they recommend β = .999, ν = .7.

    >>> import layda
    >>> run = layda.descend("x^2", QuasiHyperbolic(0.25, 0.5, 0.5), start=1.0, steps=1, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.625]
    """

    name: ClassVar[str] = "quasi-hyperbolic"
    equation: ClassVar[str] = "v ← βv + (1 − β)g;  x ← x − α((1 − ν)g + νv)"
    source: ClassVar[str] = "Ma and Yarats 2019"

    learning_rate: Hyperparameter = hyperparameter(0.1, 0.0)
    momentum: Hyperparameter = hyperparameter(0.999, 0.0, 1.0)
    nu: Hyperparameter = hyperparameter(0.7, 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The running average of the gradient."""
        return (Slot("velocity"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The average, then the weighted step."""
        (velocity,) = state
        velocity = self.momentum * velocity + (1.0 - self.momentum) * gradient
        mixed = (1.0 - self.nu) * gradient + self.nu * velocity
        return position - self.learning_rate * mixed, (velocity,)

    def tuned(self, mu: float, steepest: float) -> tuple[dict[str, float], str] | None:
        """ν = 1 and the heavy ball's α and β: no other ν has a smaller factor, since no first-order method has."""
        both = sqrt(steepest) + sqrt(mu)
        momentum = ((sqrt(steepest) - sqrt(mu)) / both) ** 2
        rate = (2.0 / both) ** 2 / (1.0 - momentum)
        return {"learning_rate": rate, "momentum": momentum, "nu": 1.0}, "Polyak 1964; Nesterov 2004, Theorem 2.1.13"
