"""Keras' documented updates in NumPy, for machines without it: what the printed scripts use, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

__all__ = ["stand_in"]


class Variable:
    """A value that optimizers change in place."""

    __array_priority__ = 100.0

    def __init__(self, value: Any, dtype: str = "float64") -> None:
        self.value = np.array(value, dtype)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.value, dtype)

    def __mul__(self, other: Any) -> Any:
        return self.value * other

    def __sub__(self, other: Any) -> Any:
        return self.value - np.asarray(other)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    __rmul__ = __mul__


class Optimizer:
    """Decoupled weight decay, the learning rate of the step, then the update of the subclass."""

    def __init__(self, learning_rate: Any, weight_decay: float | None = None) -> None:
        self.learning_rate, self.weight_decay, self.iterations = learning_rate, weight_decay, 0

    def apply(self, gradients: list[Any], variables: list[Variable]) -> None:
        rate = self.learning_rate(self.iterations) if callable(self.learning_rate) else self.learning_rate
        ((gradient,), (variable,)) = gradients, variables
        if self.iterations == 0:
            self.build(np.zeros_like(variable.value))
        if self.weight_decay is not None:
            variable.value = variable.value - variable.value * self.weight_decay * rate
        variable.value = variable.value + self.update(np.asarray(gradient), rate, self.iterations + 1)
        self.iterations += 1

    def build(self, zeros: Any) -> None:
        self.m, self.v = zeros, zeros

    def update(self, g: Any, rate: float, t: int) -> Any:
        raise NotImplementedError


class SGD(Optimizer):
    """velocity = momentum * velocity - learning_rate * g; w = w + velocity, or + momentum * velocity - rate * g."""

    def __init__(self, learning_rate: Any, momentum: float = 0.0, nesterov: bool = False, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        assert isinstance(momentum, float)
        assert 0.0 <= momentum <= 1.0
        self.momentum, self.nesterov = momentum, nesterov
        self.momentums: list[Variable] = []

    def update(self, g: Any, rate: float, t: int) -> Any:
        if self.momentum == 0.0:
            return -g * rate
        self.m = self.m * self.momentum - g * rate
        self.momentums = [Variable(self.m)]
        return self.m * self.momentum - g * rate if self.nesterov else self.m


class Adam(Optimizer):
    """alpha = rate * sqrt(1 - beta_2^t) / (1 - beta_1^t); w = w - alpha * m / (sqrt(v) + epsilon)."""

    def __init__(self, learning_rate: Any, beta_1: float, beta_2: float, epsilon: float, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update(self, g: Any, rate: float, t: int) -> Any:
        self.m = self.m + (g - self.m) * (1 - self.beta_1)
        self.v = self.v + (g * g - self.v) * (1 - self.beta_2)
        return -self.moved(g, rate, t)

    def moved(self, g: Any, rate: float, t: int) -> Any:
        alpha = rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return self.m * alpha / (np.sqrt(self.v) + self.epsilon)


class AdamW(Adam):
    """Adam; the decay is every optimizer's."""


class Nadam(Adam):
    """u_t = beta_1 * (1 - 0.5 * 0.96^t)."""

    def build(self, zeros: Any) -> None:
        super().build(zeros)
        self.product = 1.0

    def moved(self, g: Any, rate: float, t: int) -> Any:
        now, ahead = (self.beta_1 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
        self.product *= now
        mean = ahead * self.m / (1 - self.product * ahead) + (1 - now) * g / (1 - self.product)
        return mean * rate / (np.sqrt(self.v / (1 - self.beta_2**t)) + self.epsilon)


class Lion(Optimizer):
    """w = w - rate * sign(m * beta_1 + g * (1 - beta_1)); m = m * beta_2 + g * (1 - beta_2)."""

    def __init__(self, learning_rate: Any, beta_1: float, beta_2: float, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        assert 0.0 < beta_1 <= 1.0
        self.beta_1, self.beta_2 = beta_1, beta_2

    def update(self, g: Any, rate: float, t: int) -> Any:
        moved = rate * np.sign(self.m * self.beta_1 + g * (1 - self.beta_1))
        self.m = self.m * self.beta_2 + g * (1 - self.beta_2)
        return -moved


def exponential(initial: float, decay_steps: int, decay_rate: float, staircase: bool = False) -> Callable[[int], float]:
    return lambda k: initial * decay_rate ** (k // decay_steps if staircase else k / decay_steps)


def inverse_time(initial: float, decay_steps: int, decay_rate: float) -> Callable[[int], float]:
    return lambda k: initial / (1 + decay_rate * k / decay_steps)


def cosine(initial: float, decay_steps: int, alpha: float = 0.0) -> Callable[[int], float]:
    def rate(k: int) -> float:
        wave = 0.5 * (1 + np.cos(np.pi * min(k, decay_steps) / decay_steps))
        return float(initial * ((1 - alpha) * wave + alpha))

    return rate


def _unstack(x: Any) -> list[Any]:
    if isinstance(x, Variable):  # Keras hands its Variable to the backend as it is, where it has no parts
        raise TypeError("'Variable' object has no attribute 'unbind'")
    return list(np.asarray(x))


def _ops() -> types.SimpleNamespace:
    arrays = ("sqrt", "floor", "sign", "sin", "cos", "tan", "exp", "log", "sinh", "cosh", "tanh", "arctan", "abs",
              "minimum", "maximum", "where", "zeros_like", "stack")  # fmt: skip
    found = {name: getattr(np, name) for name in arrays}
    return types.SimpleNamespace(
        **found,
        unstack=_unstack,
        convert_to_tensor=lambda x, dtype="float64": np.array(x, dtype),
        convert_to_numpy=np.asarray,
    )


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in where Keras would be, unless it is installed."""
    if importlib.util.find_spec("keras") is not None:
        return
    module: Any = types.ModuleType("keras")
    module.Variable, module.ops = Variable, _ops()
    module.config = types.SimpleNamespace(set_floatx=lambda kind: None)
    schedules = types.SimpleNamespace(ExponentialDecay=exponential, InverseTimeDecay=inverse_time, CosineDecay=cosine)
    module.optimizers = types.SimpleNamespace(
        SGD=SGD, Adam=Adam, AdamW=AdamW, Nadam=Nadam, Lion=Lion, schedules=schedules
    )
    monkeypatch.setitem(sys.modules, "keras", module)
