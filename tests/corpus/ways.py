"""Rules with random settings, and the same rule on a scaled landscape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layda.rule import Rule
from layda.rules import (
    ALL,
    AdamW,
    AggregatedMomentum,
    GradientDescent,
    HeavyBall,
    Nesterov,
    QuasiHyperbolic,
    ScheduleFreeSGD,
)
from layda.schedules import CosineDecay, ExponentialDecay, Schedule, StepDecay, Warmup

__all__ = ["BOUNDED", "EVERY", "LINEAR", "Scale", "bounded", "linear", "scale", "vanishing"]

Make = Callable[[Any], Rule]
LINEAR = ("gradient-descent", "heavy-ball", "step", "average", "nesterov", "quasi-hyperbolic", "aggregated-momentum")
"""Linear with constant coefficients; "step" and "average" are forms of the heavy ball."""

BOUNDED = tuple(rule.name for rule in ALL if rule().direction(2.0) != 2.0 * rule().direction(1.0))
"""Those whose step does not grow with the gradient: Adam's kin and the signs."""

EVERY = (*LINEAR, *BOUNDED, ScheduleFreeSGD.name)


def linear(name: str, generator: np.random.Generator) -> Make:
    """α -> the rule, with a momentum from 0 to .99, more often a large one."""
    beta = round(1.0 - 10.0 ** generator.uniform(-2.0, -0.02), 4)
    makes: dict[str, Make] = {
        "gradient-descent": GradientDescent,
        "heavy-ball": lambda rate: HeavyBall(rate, beta),
        "step": lambda rate: HeavyBall(rate, beta, form="step"),
        "average": lambda rate: HeavyBall(rate, beta, form="average"),
        "nesterov": lambda rate: Nesterov(rate, beta),
        "quasi-hyperbolic": lambda rate: QuasiHyperbolic(rate, beta, 0.7),
        "aggregated-momentum": lambda rate: AggregatedMomentum(rate, (0.0, beta)),
    }
    return makes[name]


def bounded(name: str) -> Make:
    """α -> Adam, AdamW without decay, NAdam, Lion or sign momentum at their usual settings."""
    cls = next(rule for rule in ALL if rule.name == name)
    if cls is AdamW:
        return lambda rate: AdamW(rate, weight_decay=0.0)
    return lambda rate: cls(learning_rate=rate)


def vanishing(rate: float, steps: int, orders: float, generator: np.random.Generator) -> Schedule:
    """A learning rate that falls by so many factors of ten over the steps, or is 0 after two thirds of them."""
    kind = generator.integers(4)
    decay = float(10.0 ** (-orders / steps))
    if kind == 0:
        return StepDecay(rate, 0.1, every=float(max(1, int(steps / (orders + 1)))))
    if kind == 1:
        return CosineDecay(rate, steps=float(max(2, 2 * steps // 3)))
    if kind == 2:
        return Warmup(float(steps // 10), then=ExponentialDecay(rate, float(decay ** (1 / 0.9))))
    return ExponentialDecay(rate, decay)


@dataclass(frozen=True)
class Scale:
    """f becomes height·f(x/width); a rule that is scaled with it walks the same way, width times as wide."""

    height: float
    width: float

    def rule(self, rule: Rule) -> Rule:
        """α, ε and λ so scaled that every Δx is ``width`` times what it was."""
        with np.errstate(divide="ignore"):  # β = 1
            linear = bool(rule.direction(np.float64(2.0)) == 2.0 * rule.direction(np.float64(1.0)))
        factor = self.width * self.width / self.height if linear else self.width
        changes: dict[str, Any] = {"learning_rate": _scaled(getattr(rule, "learning_rate"), factor)}  # noqa: B009
        if hasattr(rule, "epsilon"):
            changes["epsilon"] = rule.epsilon * self.height / self.width
        if rule.decays_weights:
            pull = 1.0 / factor if rule.decoupled else self.height / (self.width * self.width)
            changes["weight_decay"] = rule.weight_decay * pull
        return replace(rule, **changes)


def _scaled(rate: Any, factor: float) -> Any:
    if not isinstance(rate, Schedule):
        return rate * factor
    if isinstance(rate, Warmup):
        return replace(rate, then=_scaled(rate.then, factor))
    return replace(rate, initial=rate.initial * factor)  # type: ignore[call-arg]


def scale(generator: np.random.Generator) -> Scale:
    """None, of f, of x, or of both, from a millionth to a million."""
    height, width = 10.0 ** generator.uniform(-6.0, 6.0, size=2)
    kind = generator.integers(4)
    return Scale(float(height) if kind & 1 else 1.0, float(width) if kind & 2 else 1.0)
