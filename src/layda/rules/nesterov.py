"""Nesterov's accelerated gradient, stated at the look-ahead point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Self

from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter

__all__ = ["Nesterov"]


@dataclass(frozen=True)
class Nesterov(Rule):
    """A heavy ball that looks at the slope where its velocity is about to carry it.

    v ← βv + αg(y);  y ← y − (β₊v + αg)

    y = x − βv is the look-ahead point, where the gradient is taken; x, the estimate, is the ball itself:
    x ← x − v. β₊ is the momentum of the *next* step, so that the look-ahead is right under a momentum schedule.
    With constant α and β these are the positions of PyTorch's ``SGD(nesterov=True)``.

    Args:
        learning_rate: α ≥ 0. On a quadratic with curvature λ stable for αλ < (2 + 2β)/(1 + 2β).
        momentum: β from 0 to 1.

    Source: Nesterov 1983; in this form Sutskever et al. 2013, eq. 3–4.

    >>> import layda
    >>> run = layda.descend("x^2", Nesterov(0.25, 0.5), start=1.0, steps=2, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.25, -0.0625]
    """

    name: ClassVar[str] = "nesterov"
    equation: ClassVar[str] = "v ← βv + αg(y);  y ← y − (β₊v + αg);  x = y + βv"
    source: ClassVar[str] = "Nesterov 1983; Sutskever et al. 2013"

    learning_rate: Hyperparameter = hyperparameter(0.01, 0.0)
    momentum: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The velocity, at rest before the first step."""
        return (Slot("velocity"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """From one look-ahead point to the next."""
        (velocity,) = state
        push = self.learning_rate * gradient
        velocity = self.momentum * velocity + push
        return position - (ahead.momentum * velocity + push), (velocity,)

    def estimate(self, position: Any, state: tuple[Any, ...]) -> Any:
        """x = y + βv, the ball behind its look-ahead point."""
        (velocity,) = state
        return position + self.momentum * velocity

    def direction(self, gradient: Any) -> Any:
        """g/(1 − β): what the velocity has gathered when the gradient does not change."""
        return gradient / (1.0 - self.momentum)

    def continuing_sgd(self, group: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]] | None:
        """v = αb, where torch's SGD looks ahead, too."""
        if not group["nesterov"]:
            return None
        rate, momentum = float(group["lr"]), float(group["momentum"])
        return {"lr": rate, "momentum": momentum}, {"velocity": rate}

    def tuned(self, mu: float, steepest: float) -> tuple[dict[str, float], str] | None:
        """α = 4/(3L + μ), β = (q − 2)/(q + 2) with q = √(3L/μ + 1), with the factor 1 − 2/q per step.

        β is written without the difference q − 2, which rounding makes negative where all curvatures are alike.
        """
        q = sqrt(3.0 * steepest / mu + 1.0)
        return (
            {"learning_rate": 4.0 / (3.0 * steepest + mu), "momentum": 3.0 * (steepest / mu - 1.0) / (q + 2.0) ** 2},
            "Lessard, Recht and Packard 2016, arXiv:1408.3595, Proposition 1",
        )
