"""Polyak's heavy ball: momentum in its three forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Self

from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import choice, hyperparameter

__all__ = ["HeavyBall"]


@dataclass(frozen=True)
class HeavyBall(Rule):
    """A ball that keeps the share β of its velocity.

    ========  ============================  ==========  =========================================
    form      velocity                      position    used by
    ========  ============================  ==========  =========================================
    velocity  v ← βv + αg                   x ← x − v   the lecture, Polyak, Sutskever 2013, Keras
    step      v ← βv + g                    x ← x − αv  PyTorch, optax
    average   v ← βv + (1 − β)g             x ← x − αv  running average of the gradient
    ========  ============================  ==========  =========================================

    The forms give the same path while α is constant ("average" with α/(1 − β)) and differ as soon as it changes:
    :func:`layda.rules.convert` goes between them exactly.

    Args:
        learning_rate: α ≥ 0. On a quadratic with curvature λ stable for αλ < 2(1 + β) (velocity and step).
        momentum: β from 0 (gradient descent) to 1 (nothing is ever forgotten).
        form: where α enters.

    Source: Polyak 1964, USSR Comput. Math. Math. Phys. 4(5); Sutskever et al. 2013, eq. 1–2.

    >>> import layda
    >>> run = layda.descend("x^2", HeavyBall(0.25, 0.5), start=1.0, steps=3, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.5, 0.0, -0.25]
    """

    name: ClassVar[str] = "heavy-ball"
    equation: ClassVar[str] = "v ← βv + αg;  x ← x − v"
    source: ClassVar[str] = "Polyak 1964"

    learning_rate: Hyperparameter = hyperparameter(0.01, 0.0)
    momentum: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)
    form: str = choice("velocity", "step", "average")

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The velocity, at rest before the first step."""
        return (Slot("velocity"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The form's two equations, in this order."""
        (velocity,) = state
        if self.form == "velocity":
            velocity = self.momentum * velocity + self.learning_rate * gradient
            return position - velocity, (velocity,)
        if self.form == "step":
            velocity = self.momentum * velocity + gradient
        else:
            velocity = self.momentum * velocity + (1.0 - self.momentum) * gradient
        return position - self.learning_rate * velocity, (velocity,)

    def direction(self, gradient: Any) -> Any:
        """g/(1 − β), what the velocity has gathered when the gradient does not change; g for the average."""
        return gradient if self.form == "average" else gradient / (1.0 - self.momentum)

    def as_heavy_ball(self, before: Self) -> tuple[Any, Any] | None:
        """α_k and β_k; of "step" β_k α_k/α_(k−1), its velocity not being scaled yet; of "average" also α_k(1 − β_k)."""
        if self.form == "velocity":
            return self.learning_rate, self.momentum
        carried = self.momentum * self.learning_rate / before.learning_rate
        if self.form == "step":
            return self.learning_rate, carried
        return self.learning_rate * (1.0 - self.momentum), carried

    def continuing_sgd(self, group: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]] | None:
        """b in units of this form. With dampening τ, b/(1 − τ) is the buffer of the rate α(1 − τ) without one."""
        left = 1.0 - float(group["dampening"])
        if group["nesterov"] or left == 0.0:
            return None
        rate, momentum = float(group["lr"]) * left, float(group["momentum"])
        multiple = {"velocity": rate, "step": 1.0, "average": 1.0 - momentum}[self.form] / left
        if self.form == "average":
            if momentum == 1.0:
                return None
            rate = rate / (1.0 - momentum)
        return {"lr": rate, "momentum": momentum, "form": self.form}, {"velocity": multiple}

    def tuned(self, mu: float, steepest: float) -> tuple[dict[str, float], str] | None:
        """α = (2/(√L + √μ))², β = ((√L − √μ)/(√L + √μ))², with the factor √β; the average takes α/(1 − β)."""
        both = sqrt(steepest) + sqrt(mu)
        momentum = ((sqrt(steepest) - sqrt(mu)) / both) ** 2
        rate = (2.0 / both) ** 2
        if self.form == "average":
            rate = rate / (1.0 - momentum)
        return {"learning_rate": rate, "momentum": momentum}, "Polyak 1964"
