"""Aggregated momentum: several velocities with their own memories."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Self

from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter

__all__ = ["AggregatedMomentum"]


@dataclass(frozen=True)
class AggregatedMomentum(Rule):
    """The mean of K heavy balls with different memories, so that a long one cannot swing the run alone.

    v_i ← β_i v_i + g  (i = 1 … K);  x ← x − (α/K) Σ v_i

    Args:
        learning_rate: α ≥ 0.
        momenta: β_1 … β_K, each from 0 to 1.

    Source: Lucas, Sun, Zemel, Grosse 2019, arXiv:1804.00325, eq. 3; they recommend 0, .9, .99.

    >>> import layda
    >>> run = layda.descend("x^2", AggregatedMomentum(0.25, (0.0, 0.5)), start=1.0, steps=2, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.5, 0.125]
    """

    name: ClassVar[str] = "aggregated-momentum"
    equation: ClassVar[str] = "vᵢ ← βᵢvᵢ + g;  x ← x − (α/K) Σ vᵢ"
    source: ClassVar[str] = "Lucas et al. 2019"

    learning_rate: Hyperparameter = hyperparameter(0.01, 0.0)
    momenta: tuple[Hyperparameter, ...] = hyperparameter((0.0, 0.9, 0.99), 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """One velocity for each momentum."""
        return tuple(Slot(f"velocity_{index}") for index in range(len(self.momenta)))

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """Every velocity, then their mean."""
        velocities = tuple(beta * v + gradient for beta, v in zip(self.momenta, state, strict=True))
        total = velocities[0]
        for velocity in velocities[1:]:
            total = total + velocity
        return position - self.learning_rate / len(velocities) * total, velocities

    def direction(self, gradient: Any) -> Any:
        """The mean of g/(1 − βᵢ)."""
        total = gradient / (1.0 - self.momenta[0])
        for beta in self.momenta[1:]:
            total = total + gradient / (1.0 - beta)
        return total / len(self.momenta)

    def tuned(self, mu: float, steepest: float) -> tuple[dict[str, float], str] | None:
        """All β_i alike, as the heavy ball has it: no others have a smaller factor, since no first-order method has."""
        both = sqrt(steepest) + sqrt(mu)
        momentum = ((sqrt(steepest) - sqrt(mu)) / both) ** 2
        found = {f"momenta.{index}": momentum for index in range(len(self.momenta))}
        return {"learning_rate": (2.0 / both) ** 2} | found, "Polyak 1964; Nesterov 2004, Theorem 2.1.13"
