"""torch.optim.SGD as a rule, with torch's own meaning of every setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from layda.errors import SettingError
from layda.functions import where
from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter

__all__ = ["SGD"]


@dataclass(frozen=True)
class SGD(Rule):
    """Momentum as PyTorch has it: the buffer leaves the learning rate out, so a changed α changes the pace at once.

    b ← μb + (1 − τ)g, at the first step b = g;  x ← x − αb, with Nesterov's look-ahead x ← x − α(g + μb)

    Args:
        learning_rate: α ≥ 0.
        momentum: μ from 0 to 1; with 0 there is no buffer.
        dampening: τ, from 0 to 1; none at the first step.
        nesterov: look ahead, with this step's momentum; needs a momentum and no dampening.

    Source: the documentation of ``torch.optim.SGD``.

    >>> import layda
    >>> run = layda.descend("x^2", SGD(0.25, 0.5), start=1.0, steps=3, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.5, 0.0, -0.25]
    """

    name: ClassVar[str] = "sgd"
    equation: ClassVar[str] = "b ← μb + (1 − τ)g;  x ← x − αb, or x − α(g + μb)"
    source: ClassVar[str] = "torch.optim.SGD"

    learning_rate: Hyperparameter = hyperparameter(0.001, 0.0)
    momentum: Hyperparameter = hyperparameter(0.0, 0.0, 1.0)
    dampening: Hyperparameter = hyperparameter(0.0, 0.0, 1.0)
    nesterov: bool = field(default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and (self.momentum == 0.0 or self.dampening != 0.0):
            raise SettingError(
                f"SGD: nesterov is True with momentum {self.momentum!r} and dampening {self.dampening!r}; allowed are "
                "a momentum above 0 and no dampening, as in torch; write momentum=0.9, for example"
            )

    @property
    def _damped(self) -> bool:
        return bool(self.dampening != 0.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The buffer, and with dampening whether it has begun."""
        if self.momentum == 0.0:
            return ()
        return (Slot("momentum_buffer"), *([Slot("begun", shared=True, late=1.0)] if self._damped else []))

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The buffer, then the step."""
        if not state:
            return position - self.learning_rate * gradient, ()
        buffer, *begun = state
        share = where(begun[0] > 0.0, 1.0 - self.dampening, 1.0) if begun else 1.0
        buffer = self.momentum * buffer + (share * gradient if begun else gradient)
        push = gradient + self.momentum * buffer if self.nesterov else buffer
        return position - self.learning_rate * push, (buffer, *(1.0 for _ in begun))

    def continuing_sgd(self, group: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]] | None:
        """The same rule: everything as it is."""
        found = {name: float(group[name]) for name in ("lr", "momentum", "dampening")}
        multiples = {"momentum_buffer": 1.0} if found["momentum"] else {}
        if multiples and found["dampening"]:
            multiples["begun"] = 1.0  # where there is a buffer, the first step has been taken
        return found | {"nesterov": group["nesterov"]}, multiples

    def direction(self, gradient: Any) -> Any:
        """g(1 − τ)/(1 − μ)."""
        return gradient * (1.0 - self.dampening) / (1.0 - self.momentum)
