"""Rules that take only the sign of a velocity: Lion and sign momentum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from layda.functions import sign
from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter

__all__ = ["Lion", "SignMomentum"]


@dataclass(frozen=True)
class Lion(Rule):
    """Every coordinate moves by ±α, in the direction of a blend of momentum and gradient.

    x ← x − αλx;  x ← x − α sign(β₁m + (1 − β₁)g);  m ← β₂m + (1 − β₂)g

    Args:
        learning_rate: α ≥ 0, the length of every step: with a constant α the ball never comes to rest.
        beta1: β₁ from 0 to 1, the blend that is taken the sign of.
        beta2: β₂ from 0 to 1, the memory.
        weight_decay: λ ≥ 0, by default 0; that of optax.lion is 0.001.
        decoupled: as above and in the paper; with ``False`` λx is added to the gradient, where the sign swallows its
            size.

    Source: Chen et al. 2023, arXiv:2302.06675, Algorithm 2.

    >>> import layda
    >>> run = layda.descend("x^2", Lion(0.25), start=1.0, steps=2, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.75, 0.5]
    >>> run = layda.descend("x^2", Lion(0.25, weight_decay=1.0), start=1.0, steps=2, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.5, 0.125]
    """

    name: ClassVar[str] = "lion"
    equation: ClassVar[str] = "x ← x − α sign(β₁m + (1 − β₁)g);  m ← β₂m + (1 − β₂)g"
    source: ClassVar[str] = "Chen et al. 2023"

    learning_rate: Hyperparameter = hyperparameter(0.0001, 0.0)
    beta1: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)
    beta2: Hyperparameter = hyperparameter(0.99, 0.0, 1.0)
    decoupled: bool = field(default=True, kw_only=True)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The running average of the gradient."""
        return (Slot("mean"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The sign of the blend, then the memory."""
        (mean,) = state
        blend = self.beta1 * mean + (1.0 - self.beta1) * gradient
        mean = self.beta2 * mean + (1.0 - self.beta2) * gradient
        return position - self.learning_rate * sign(blend), (mean,)

    def direction(self, gradient: Any) -> Any:
        """sign(g)."""
        return sign(gradient)


@dataclass(frozen=True)
class SignMomentum(Rule):
    """The sign of a heavy ball's velocity.

    v ← βv + (1 − β)g;  x ← x − α sign(v)

    Args:
        learning_rate: α ≥ 0, the length of every step.
        momentum: β from 0 to 1.

    Source: Bernstein et al. 2018, arXiv:1802.04434, Algorithm 1 (Signum).

    >>> import layda
    >>> run = layda.descend("x^2", SignMomentum(0.25), start=1.0, steps=2, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.75, 0.5]
    """

    name: ClassVar[str] = "sign-momentum"
    equation: ClassVar[str] = "v ← βv + (1 − β)g;  x ← x − α sign(v)"
    source: ClassVar[str] = "Bernstein et al. 2018"

    learning_rate: Hyperparameter = hyperparameter(0.001, 0.0)
    momentum: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The running average of the gradient."""
        return (Slot("velocity"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The average, then a step of fixed length."""
        (velocity,) = state
        velocity = self.momentum * velocity + (1.0 - self.momentum) * gradient
        return position - self.learning_rate * sign(velocity), (velocity,)

    def direction(self, gradient: Any) -> Any:
        """sign(g)."""
        return sign(gradient)
