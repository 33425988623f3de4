"""torch's own ``OptimizerInfo`` for every class of :mod:`layda.torch`, and for one made from a rule of one's own.

They are built with ``torch/testing/_internal/common_optimizers.py``, which is part of torch's wheel. Importing it needs
``expecttest``, of which nothing here is used: where that is not installed, an empty stand-in takes its place meanwhile.
"""

from __future__ import annotations

import inspect
import sys
import types
import unittest
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pytest
from hypothesis import settings

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")

from layda.functions import abs, maximum  # noqa: E402 - torch must be there first
from layda.rule import Hyperparameter, Rule, Slot  # noqa: E402
from layda.settings import hyperparameter  # noqa: E402
from layda.torch import NAMED  # noqa: E402
from layda.torch.named import named  # noqa: E402

__all__ = ["BY_NAME", "INFOS", "Clipped", "all_inputs", "chosen", "tools"]


def _tools() -> Any:
    """torch's module, without what importing it does to this process."""
    given, profile = sys.argv, settings.get_current_profile_name()
    absent = "expecttest" not in sys.modules
    if absent:
        try:
            import expecttest  # noqa: F401
        except ImportError:
            stand_in = types.ModuleType("expecttest")
            stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
            sys.modules["expecttest"] = stand_in
        else:
            absent = False
    try:
        sys.argv = given[:1]  # it reads the command line
        from torch.testing._internal import common_optimizers
    finally:
        sys.argv = given
        settings.load_profile(profile)  # it sets a profile of torch's
        torch.backends.__dict__["__allow_nonbracketed_mutation_flag"] = True
        if absent:
            del sys.modules["expecttest"]
    return common_optimizers


tools = _tools()


@dataclass(frozen=True)
class Clipped(Rule):
    """A rule of one's own: a heavy ball that no slope pushes by more than α.

    v ← βv + αg/max(1, |g|);  x ← x − v
    """

    name: ClassVar[str] = "clipped"
    equation: ClassVar[str] = "v ← βv + αg/max(1, |g|);  x ← x − v"

    learning_rate: Hyperparameter = hyperparameter(0.01, 0.0)
    momentum: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The velocity."""
        return (Slot("velocity"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """The equations above."""
        velocity = self.momentum * state[0] + self.learning_rate * gradient / maximum(1.0, abs(gradient))
        return position - velocity, (velocity,)


_OWN: dict[str, list[dict[str, Any]]] = {
    "HeavyBall": [{"form": "step", "momentum": 0.95}, {"form": "average", "lr": 0.1}, {"momentum": 0.0}],
    "Nesterov": [{"momentum": 0.5}, {"momentum": 0.0}],
    "QuasiHyperbolic": [{"momentum": 0.99, "nu": 0.5}],
    "AggregatedMomentum": [{"momenta": (0.0, 0.5, 0.9)}],
    "Adam": [{"beta1": 0.8, "beta2": 0.99}, {"epsilon": 1e-4}],
    "AdamW": [{"beta1": 0.8, "weight_decay": 0.0}],
    "NAdam": [{"momentum_decay": 0.01}],
    "Lion": [{"beta1": 0.8}],
    "SignMomentum": [{"momentum": 0.5}],
    "ScheduleFreeSGD": [{"momentum": 0.5, "lr": 0.01}],
    "SGD": [
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.5},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"foreach": True},
    ],
    "Clipped": [{"momentum": 0.5}],
}
"""What a class has besides lr, weight decay and maximize."""


def _inputs_func(optimizer: Any) -> Any:
    name = optimizer.__name__

    def inputs(device: Any = "cpu", dtype: Any = None) -> list[Any]:
        rate = {"ScheduleFreeSGD": 0.05, "SGD": 0.01}.get(name, 0.002)
        shared: list[dict[str, Any]] = [
            {},
            {"lr": rate},
            {"lr": torch.tensor(0.001)},
            {"weight_decay": 0.5},
            {"weight_decay": 0.1, "maximize": True},
        ]
        if name != "SGD":  # torch's has no such setting
            usual = inspect.signature(optimizer).parameters["decoupled"].default
            shared.append({"weight_decay": 0.1, "decoupled": not usual})
        return [
            tools.OptimizerInput(params=None, kwargs=dict(kwargs), desc=" ".join(kwargs) or "default")
            for kwargs in (*shared, *_OWN.get(name, []))
        ]

    return inputs


def _errors(device: Any, dtype: Any) -> list[Any]:
    """torch's list, with our words about a tensor of two rates, and settings out of their ranges."""
    found = [error for error in tools.get_error_inputs_for_all_optims(device, dtype) if "1-element" not in
             error.error_regex]  # fmt: skip
    settings_ = {
        "lr is a tensor of shape": {"lr": torch.tensor([0.001, 0.001])},
        "learning_rate is -0.1; allowed is": {"lr": -0.1},
        "learning_rate is nan; allowed is": {"lr": float("nan")},
        "learning_rate is inf; allowed is": {"lr": float("inf")},
        "lr is '0.1'; allowed is": {"lr": "0.1"},
        "weight_decay is -0.5; allowed is": {"weight_decay": -0.5},
        "nonfinite is 'ignore'; allowed are": {"nonfinite": "ignore"},
        "rounding is 'up'; allowed are": {"rounding": "up"},
        "state_dtype is torch.int8; allowed are": {"state_dtype": torch.int8},
        "seed is -1; allowed is": {"seed": -1},
        "fused is 'yes'; allowed are": {"fused": "yes"},
        "fused and differentiable are both True": {"fused": True, "differentiable": True},
    }
    for text, kwargs in settings_.items():
        told = tools.OptimizerInput(params=None, kwargs=kwargs, desc=text)
        found.append(tools.ErrorOptimizerInput(told, error_type=ValueError, error_regex=text))
    return found


def _scheduler_inputs() -> Any:
    """torch's own for its SGD, the longest list that it has."""
    (sgd,) = (info for info in tools.optim_db if info.optim_cls is torch.optim.SGD)
    return sgd.scheduler_inputs


INFOS: list[Any] = [
    tools.OptimizerInfo(
        optimizer,
        optim_inputs_func=_inputs_func(optimizer),
        optim_error_inputs_func=_errors,
        scheduler_inputs=_scheduler_inputs(),
        supported_impls=("fused", "differentiable"),
        not_og_supported_flags=("differentiable", "maximize", "decoupled"),
        supports_fused_on=("cpu",),
    )
    for optimizer in (*NAMED.values(), named(Clipped))
]
"""One for each class."""

BY_NAME = {info.name: info for info in INFOS}


def all_inputs(info: Any, *, skip: tuple[str, ...] = ()) -> list[Any]:
    """Every setting, on the readable path, on the fused one and with a derivative, but for what is skipped."""
    found: list[Any] = tools._get_optim_inputs_including_global_cliquey_kwargs("cpu", None, info, skip=skip)
    return found


def chosen(inputs: list[Any], scenario: str, runs: int, count: int = 3) -> list[Any]:
    """So many of the inputs, others for every scenario; all of them in a campaign."""
    if runs > 1 or len(inputs) <= count:
        return inputs
    first = zlib.crc32(scenario.encode())
    return [inputs[(first + index * (len(inputs) // count)) % len(inputs)] for index in range(count)]
