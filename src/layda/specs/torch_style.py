"""Optimizers written as torch.optim writes them: ``SGD(lr=0.1, momentum=0.9, nesterov=True)``."""

from __future__ import annotations

from typing import Any

from layda.errors import SpecError, UnknownNameError, nearest
from layda.rule import Rule
from layda.rules import Adam, AdamW, GradientDescent, HeavyBall, NAdam, Nesterov
from layda.specs.text import Call

__all__ = ["from_torch", "is_torch_style"]

_PREFIXES = ("torch.optim.", "optim.")
_OWN = ("lr", "betas", "eps", "amsgrad", "maximize", "dampening", "nesterov", "foreach", "fused", "params")
_IGNORED = {"foreach", "fused", "capturable", "differentiable"}  # how torch computes, not what
_DEFAULTS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False},
    "Adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False,
             "decoupled_weight_decay": False},
    "AdamW": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False, "maximize": False},
    "NAdam": {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "momentum_decay": 4e-3,
              "decoupled_weight_decay": False, "maximize": False},
}  # fmt: skip
_UNSUPPORTED = {"dampening": 0.0, "amsgrad": False, "maximize": False}


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def is_torch_style(call: Call) -> bool:
    """Whether a call is meant as torch.optim's: by a prefix, the name SGD, or torch's own keywords."""
    if call.name != _bare(call.name) or call.name == "SGD":
        return True
    return call.name in _DEFAULTS and any(key in _OWN for key in call.keywords)


def from_torch(call: Call) -> Rule:
    """The rule that takes the same steps; torch's defaults hold for what is left out.

    Raises:
        UnknownNameError: an optimizer or option that is not known. SpecError: an option that no rule here has.
    """
    name = _bare(call.name)
    if name not in _DEFAULTS:
        raise UnknownNameError(f"torch.optim's {name!r} is not known here; {nearest(name, _DEFAULTS)}")
    known = _DEFAULTS[name]
    if len(call.args) > 1:
        raise SpecError(f"{name}: give the learning rate as lr=… and every option by its name")
    given = ({"lr": call.args[0]} if call.args else {}) | call.keywords
    for key in given:
        if key not in known and key not in _IGNORED:
            raise UnknownNameError(f"torch.optim.{name} has no option {key!r}; {nearest(key, known)}")
    options = known | given
    for key, allowed in _UNSUPPORTED.items():
        if key in options and options[key] != allowed:
            raise SpecError(f"{name}: {key}={options[key]!r} has no counterpart here; allowed is {key}={allowed!r}")
    return _rule(name, options)


def _rule(name: str, options: dict[str, Any]) -> Rule:
    decay = options["weight_decay"]
    if name == "SGD":
        if options["nesterov"]:
            if not options["momentum"]:
                raise SpecError("SGD: nesterov=True needs a momentum above 0, as in torch")
            return Nesterov(options["lr"], options["momentum"], weight_decay=decay)
        if not options["momentum"]:
            return GradientDescent(options["lr"], weight_decay=decay)
        return HeavyBall(options["lr"], options["momentum"], form="step", weight_decay=decay)
    betas = options["betas"]
    if not (isinstance(betas, tuple) and len(betas) == 2):
        raise SpecError(f"{name}: betas is {betas!r}; allowed are two numbers such as (0.9, 0.999)")
    numbers = (options["lr"], *betas, options["eps"])
    decoupled = bool(options.get("decoupled_weight_decay", False))
    if name == "AdamW":
        return AdamW(*numbers, weight_decay=decay)
    if name == "Adam":
        return Adam(*numbers, weight_decay=decay, decoupled=decoupled)
    return NAdam(*numbers, options["momentum_decay"], weight_decay=decay, decoupled=decoupled)
