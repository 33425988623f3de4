"""Plain gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from layda.rule import Hyperparameter, Rule
from layda.settings import hyperparameter

__all__ = ["GradientDescent"]


@dataclass(frozen=True)
class GradientDescent(Rule):
    """Walk against the slope.

    x ← x − αg

    Args:
        learning_rate: α ≥ 0. On a quadratic with curvature λ the walk is stable for αλ < 2.

    Source: Cauchy 1847; optimal constant rate 2/(L + μ): Polyak 1987, §1.4.

    >>> import layda
    >>> run = layda.descend("x^2", GradientDescent(0.25), start=1.0, steps=3, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.5, 0.25, 0.125]
    """

    name: ClassVar[str] = "gradient-descent"
    equation: ClassVar[str] = "x ← x − αg"
    source: ClassVar[str] = "Cauchy 1847"

    learning_rate: Hyperparameter = hyperparameter(0.01, 0.0)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """x ← x − αg."""
        return position - self.learning_rate * gradient, ()

    def as_heavy_ball(self, before: Self) -> tuple[Any, Any] | None:
        """α, and no momentum."""
        return self.learning_rate, 0.0

    def continuing_sgd(self, group: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]] | None:
        """Where torch's SGD has no momentum."""
        return ({"lr": float(group["lr"])}, {}) if group["momentum"] == 0 else None

    def tuned(self, mu: float, steepest: float) -> tuple[dict[str, float], str] | None:
        """α = 2/(L + μ), with the factor (κ − 1)/(κ + 1) per step."""
        return {"learning_rate": 2.0 / (steepest + mu)}, "Polyak 1987, §1.4"
