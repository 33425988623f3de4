"""Schedule-free SGD: an average of the path in place of a decaying rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from layda.functions import maximum, where
from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter

__all__ = ["ScheduleFreeSGD"]


@dataclass(frozen=True)
class ScheduleFreeSGD(Rule):
    """Gradients are taken between a fast point z and the average x of its path; the average is the answer.

    y = (1 − β)z + βx;  z ← z − αg(y);  x ← (1 − c)x + cz,  c = w/Σw,  w = (largest α so far)²

    With a constant α the weights are equal: c = 1/t. y is the position, x the estimate.

    Args:
        learning_rate: α ≥ 0; a rise at the start (:class:`layda.schedules.Warmup`) is all the schedule that it needs.
        momentum: β from 0 to 1, the share of the average in y.

    Source: Defazio et al. 2024, arXiv:2405.15682, eq. 3–5, and the weights of its reference code. Weight decay is taken
    at y, as there; decoupled weight decay pulls on z. optax.contrib.schedule_free puts the average round any optimizer;
    this is the one round optax.sgd.

    >>> import layda
    >>> run = layda.descend("x^2", ScheduleFreeSGD(0.25, 0.5), start=1.0, steps=2, tolerance=0)
    >>> run.positions[:, 0].tolist(), run.estimates[:, 0].tolist()
    ([1.0, 0.5, 0.3125], [1.0, 0.5, 0.375])
    """

    name: ClassVar[str] = "schedule-free"
    equation: ClassVar[str] = "y = (1 − β)z + βx;  z ← z − αg(y);  x ← (1 − c)x + cz"
    source: ClassVar[str] = "Defazio et al. 2024"
    decay_target: ClassVar[str] = "fast"

    learning_rate: Hyperparameter = hyperparameter(0.1, 0.0)
    momentum: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """z, x, the largest rate so far and the sum of the weights."""
        return (
            Slot("fast", "position"),
            Slot("average", "position"),
            Slot("largest_rate", 0.0, shared=True),
            Slot("weight_sum", 0.0, shared=True),
        )

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """z, then x, then the next y with the next step's momentum."""
        fast, average, largest, total = state
        largest = maximum(self.learning_rate, largest)
        weight = largest * largest
        total = total + weight
        share = where(total > 0.0, weight / where(total > 0.0, total, 1.0), 0.0)  # numbers divide at once, even by 0
        fast = fast - self.learning_rate * gradient
        average = (1.0 - share) * average + share * fast
        position = (1.0 - ahead.momentum) * fast + ahead.momentum * average
        return position, (fast, average, largest, total)

    def estimate(self, position: Any, state: tuple[Any, ...]) -> Any:
        """x, the average of the fast point's path."""
        return state[1]
