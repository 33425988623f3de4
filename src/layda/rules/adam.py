"""Adam and its kin: momentum on the gradient, divided by a running size of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from layda.functions import abs, sqrt
from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import Range, constant, hyperparameter

__all__ = ["Adam", "AdamW", "NAdam"]


def _moments(rule: Any, gradient: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """m ← β₁m + (1 − β₁)g;  s ← β₂s + (1 − β₂)g²."""
    first = rule.beta1 * first + (1.0 - rule.beta1) * gradient
    second = rule.beta2 * second + (1.0 - rule.beta2) * (gradient * gradient)
    return first, second


def _adam_step(rule: Any, position: Any, gradient: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    first, second, power1, power2 = state
    first, second = _moments(rule, gradient, first, second)
    power1, power2 = rule.beta1 * power1, rule.beta2 * power2
    scale = sqrt(second) / sqrt(1.0 - power2) + rule.epsilon
    position = position - rule.learning_rate / (1.0 - power1) * (first / scale)
    return position, (first, second, power1, power2)


def _continuing(group: Mapping[str, Any], steps: float) -> dict[str, str | float] | None:
    """The averages as they are; the powers β^t, which PyTorch reckons from t."""
    if group.get("amsgrad") or "momentum_decay" in group:
        return None
    powers = {f"beta{index}_power": float(beta) ** steps for index, beta in enumerate(group["betas"], 1)}
    return {"mean": "exp_avg", "square": "exp_avg_sq", **powers}


_SLOTS = (Slot("mean"), Slot("square"), Slot("beta1_power", 1.0, shared=True), Slot("beta2_power", 1.0, shared=True))


@dataclass(frozen=True)
class Adam(Rule):
    """Momentum in units of the gradient's own size.

    m ← β₁m + (1 − β₁)g;  s ← β₂s + (1 − β₂)g²;  x ← x − α m̂/(√ŝ + ε),  m̂ = m/(1 − β₁ᵗ),  ŝ = s/(1 − β₂ᵗ)

    Args:
        learning_rate: α ≥ 0, about the length of a step.
        beta1: β₁ from 0 up to, not including, 1 (a bias correction divides by 1 − β₁ᵗ); β₁ = 1 leaves NaN.
        beta2: β₂, likewise.
        epsilon: ε ≥ 0 keeps the division finite where the gradient vanishes.

    The defaults are those of PyTorch and optax (whose adam has none for α).

    Source: Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1.

    >>> import layda
    >>> run = layda.descend("x^2", Adam(0.5, epsilon=0.0), start=1.0, steps=1, tolerance=0)
    >>> run.positions[:, 0].tolist()
    [1.0, 0.5]
    """

    name: ClassVar[str] = "adam"
    equation: ClassVar[str] = "m ← β₁m + (1 − β₁)g;  s ← β₂s + (1 − β₂)g²;  x ← x − α m̂/(√ŝ + ε)"
    source: ClassVar[str] = "Kingma and Ba 2015"

    learning_rate: Hyperparameter = hyperparameter(0.001, 0.0)
    beta1: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)
    beta2: Hyperparameter = hyperparameter(0.999, 0.0, 1.0)
    epsilon: Hyperparameter = hyperparameter(1e-8, 0.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The two running averages, and the powers of β₁ and β₂ as recurrences."""
        return _SLOTS

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The equations above."""
        return _adam_step(self, position, gradient, state)

    def direction(self, gradient: Any) -> Any:
        """g/(|g| + ε)."""
        return gradient / (abs(gradient) + self.epsilon)

    def continuing_adam(self, group: Mapping[str, Any], steps: float) -> dict[str, str | float] | None:
        """torch.optim.Adam's and AdamW's, without amsgrad."""
        return _continuing(group, steps)


@dataclass(frozen=True)
class AdamW(Rule):
    """Adam whose weight decay is decoupled from the gradient unless told otherwise.

    x ← x − αλx;  then Adam's step with the gradient of the old x

    Args:
        learning_rate: α ≥ 0.
        beta1: β₁ from 0 to 1.
        beta2: β₂ from 0 to 1.
        epsilon: ε ≥ 0.
        weight_decay: λ ≥ 0, by default 0.01 as in PyTorch; that of optax.adamw is 0.0001.

    Source: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 2; order of operations as in PyTorch.

    >>> import layda
    >>> run = layda.descend("x^2", AdamW(0.5, epsilon=0.0, weight_decay=0.1), start=1.0, steps=1, tolerance=0)
    >>> run.positions[:, 0].round(12).tolist()
    [1.0, 0.45]
    """

    name: ClassVar[str] = "adamw"
    equation: ClassVar[str] = "x ← x − αλx;  m ← β₁m + (1 − β₁)g;  s ← β₂s + (1 − β₂)g²;  x ← x − α m̂/(√ŝ + ε)"
    source: ClassVar[str] = "Loshchilov and Hutter 2019"

    learning_rate: Hyperparameter = hyperparameter(0.001, 0.0)
    beta1: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)
    beta2: Hyperparameter = hyperparameter(0.999, 0.0, 1.0)
    epsilon: Hyperparameter = hyperparameter(1e-8, 0.0)
    weight_decay: Hyperparameter = field(default=0.01, kw_only=True, metadata={"range": Range(0.0)})
    decoupled: bool = field(default=True, kw_only=True)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Adam's."""
        return _SLOTS

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """Adam's step; the decay comes before it."""
        return _adam_step(self, position, gradient, state)

    def direction(self, gradient: Any) -> Any:
        """g/(|g| + ε)."""
        return gradient / (abs(gradient) + self.epsilon)

    def continuing_adam(self, group: Mapping[str, Any], steps: float) -> dict[str, str | float] | None:
        """torch.optim.Adam's and AdamW's, without amsgrad."""
        return _continuing(group, steps)


@dataclass(frozen=True)
class NAdam(Rule):
    """Adam with Nesterov's look-ahead, and PyTorch's momentum schedule.

    μₜ = β₁(1 − ½·0.96^(tψ));  x ← x − α(μₜ₊₁ m/(1 − ∏μ₁…ₜ₊₁) + (1 − μₜ) g/(1 − ∏μ₁…ₜ))/(√ŝ + ε)

    Args:
        learning_rate: α ≥ 0.
        beta1: β₁ from 0 to 1.
        beta2: β₂ from 0 to 1.
        epsilon: ε ≥ 0.
        momentum_decay: ψ ≥ 0, a constant of the rule, by default as in PyTorch. optax.nadam has no schedule, μₜ = β₁:
            momentum_decay=1e4 is the same, since 0.96^ψ is then lost beside 1.

    Source: Dozat 2016; the schedule μ as in ``torch.optim.NAdam``.

    >>> import layda
    >>> run = layda.descend("x^2", NAdam(0.1), start=1.0, steps=1, tolerance=0)
    >>> bool(0.8 < run.positions[1, 0] < 0.9)
    True
    """

    name: ClassVar[str] = "nadam"
    equation: ClassVar[str] = "m, s as Adam;  x ← x − α(μ₊m/(1 − Πμ₊) + (1 − μ)g/(1 − Πμ))/(√ŝ + ε)"
    source: ClassVar[str] = "Dozat 2016"

    learning_rate: Hyperparameter = hyperparameter(0.002, 0.0)
    beta1: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)
    beta2: Hyperparameter = hyperparameter(0.999, 0.0, 1.0)
    epsilon: Hyperparameter = hyperparameter(1e-8, 0.0)
    momentum_decay: float = constant(0.004, 0.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Adam's averages; β₂ᵗ, 0.96^(tψ) and the product of the μ as recurrences."""
        factor = 0.96**self.momentum_decay
        return (
            Slot("mean"),
            Slot("square"),
            Slot("beta2_power", 1.0, shared=True),
            Slot("decay_power", factor, shared=True),
            Slot("mu_product", 1.0, shared=True),
        )

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The equations above."""
        first, second, power2, decay, product = state
        first, second = _moments(self, gradient, first, second)
        power2 = self.beta2 * power2
        next_decay = decay * 0.96**self.momentum_decay
        mu = self.beta1 * (1.0 - 0.5 * decay)
        next_mu = self.beta1 * (1.0 - 0.5 * next_decay)
        product = product * mu
        scale = sqrt(second / (1.0 - power2)) + self.epsilon
        push = self.learning_rate * (1.0 - mu) / (1.0 - product) * (gradient / scale)
        coast = self.learning_rate * next_mu / (1.0 - product * next_mu) * (first / scale)
        return position - push - coast, (first, second, power2, next_decay, product)

    def direction(self, gradient: Any) -> Any:
        """g/(|g| + ε)."""
        return gradient / (abs(gradient) + self.epsilon)

    def continuing_adam(self, group: Mapping[str, Any], steps: float) -> dict[str, str | float] | None:
        """torch.optim.NAdam's: the product of the μ as it is, the powers from t."""
        if "momentum_decay" not in group:
            return None
        powers = {
            "beta2_power": float(group["betas"][1]) ** steps,
            "decay_power": 0.96 ** ((steps + 1.0) * group["momentum_decay"]),
        }
        return {"mean": "exp_avg", "square": "exp_avg_sq", "mu_product": "mu_product", **powers}
