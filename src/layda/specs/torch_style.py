"""Optimizers written as torch.optim writes them: ``SGD(lr=0.1, momentum=0.9, nesterov=True)``.

The defaults are those of PyTorch 2 (``torch.optim``); ``tests/specs/test_rules.py`` compares steps with torch's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from layda.errors import SpecError, UnknownNameError, nearest
from layda.rule import Rule
from layda.rules import Adam, AdamW, GradientDescent, HeavyBall, NAdam, Nesterov
from layda.schedules import Schedule
from layda.specs.text import Call

__all__ = ["from_torch", "is_torch_style"]

_PREFIX = re.compile(r"(torch\.)?optim\.|torch\.")
_OWN = {"lr", "betas", "eps", "amsgrad", "maximize", "foreach", "fused", "capturable", "differentiable", "params",
        "decoupled_weight_decay"}  # fmt: skip
_ELSEWHERE = {
    "lr": ("learning_rate", "alpha", "eta", "step_size"), "betas": ("beta1", "beta2", "b1", "b2", "beta_1", "beta_2"),
    "eps": ("epsilon", "eps_root"), "momentum": ("mu", "beta", "b"), "weight_decay": ("wd", "l2", "lam"),
}  # fmt: skip
"""torch's name -> how layda, optax and Keras call it."""
_IGNORED = {"foreach", "fused", "capturable", "differentiable"}
"""How torch computes, not what."""
_MOMENTS: dict[str, Any] = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False},
    "Adam": _MOMENTS | {"amsgrad": False, "maximize": False, "decoupled_weight_decay": False},
    "AdamW": _MOMENTS | {"weight_decay": 1e-2, "amsgrad": False, "maximize": False},
    "NAdam": _MOMENTS | {"lr": 2e-3, "momentum_decay": 4e-3, "decoupled_weight_decay": False, "maximize": False},
}
_UNSUPPORTED: dict[str, Any] = {"dampening": 0.0, "amsgrad": False, "maximize": False}
_YES_OR_NO = ("nesterov", "decoupled_weight_decay", "amsgrad", "maximize", "capturable", "differentiable")


def _known(name: str) -> str | None:
    return {known.lower(): known for known in _DEFAULTS}.get(name.lower())


def is_torch_style(call: Call) -> bool:
    """Whether a call is meant as torch.optim's: by a prefix, the name SGD, or torch's own keywords.

    >>> is_torch_style(Call("Adam", (0.1,), {})), is_torch_style(Call("Adam", (), {"lr": 0.1}))
    (False, True)
    """
    if _PREFIX.match(call.name) or call.name.lower() == "sgd":
        return True
    return _known(call.name) is not None and not _OWN.isdisjoint(call.keywords)


def from_torch(call: Call) -> Rule:
    """The rule that takes the same steps; torch's defaults hold for what is left out.

    Raises:
        UnknownNameError: an optimizer or option that is not known. SpecError: an option that no rule here has.
    """
    bare = _PREFIX.sub("", call.name, count=1)
    name = _known(bare)
    if name is None:
        raise UnknownNameError(f"torch.optim's {bare!r} is not known here; {nearest(bare, _DEFAULTS)}")
    options = _DEFAULTS[name] | _given(name, call)
    for key in _YES_OR_NO:
        if not isinstance(options.get(key, False), bool):
            raise SpecError(f"{name}: {key} is {options[key]!r}; allowed are True and False")
    for key, allowed in _UNSUPPORTED.items():
        if options.get(key, allowed) != allowed:
            raise SpecError(
                f"{name}: {key}={options[key]!r} has no counterpart here; allowed is {key}={allowed!r}; leave it out"
            )
    return _sgd(options) if name == "SGD" else _adam(name, options)


def _given(name: str, call: Call) -> dict[str, Any]:
    """The options of the call; what torch calls params (the first value, when it is a word) has no counterpart."""
    rest = call.args[1:] if call.args and isinstance(call.args[0], str) else call.args
    if len(rest) > 1:
        raise SpecError(
            f"{name} has {len(rest)} values without a name; allowed is one, the learning rate; write key=value"
        )
    if rest and "lr" in call.keywords:
        raise SpecError(f"{name}: lr is given twice; give it once")
    known = _DEFAULTS[name]
    for key in call.keywords:
        if key not in known and key not in _IGNORED and key != "params":
            raise UnknownNameError(f"torch.optim.{name} has no option {key!r}; {_told(key, name, known)}")
    return ({"lr": rest[0]} if rest else {}) | {key: v for key, v in call.keywords.items() if key != "params"}


def _told(key: str, name: str, known: Mapping[str, Any]) -> str:
    """What torch calls an option of another library; failing that, what comes near."""
    torchs = next((one for one, others in _ELSEWHERE.items() if key in others and one in known), None)
    if torchs is None:
        return nearest(key, known)
    ours = (
        "heavy-ball:learning_rate=0.1,momentum=0.9" if name == "SGD" else f"{name.lower()}:learning_rate=0.1,beta1=0.9"
    )
    return f"torch calls it {torchs}; write torch's names throughout, or layda's, such as {ours}"


def _sgd(options: dict[str, Any]) -> Rule:
    rate, momentum, decay = options["lr"], options["momentum"], options["weight_decay"]
    if not options["nesterov"]:
        if momentum == 0:
            return GradientDescent(learning_rate=rate, weight_decay=decay)
        return HeavyBall(learning_rate=rate, momentum=momentum, form="step", weight_decay=decay)
    if momentum == 0:
        raise SpecError("SGD: nesterov=True with momentum=0 is refused by torch too; write momentum=0.9, for example")
    if isinstance(rate, Schedule) or isinstance(momentum, Schedule):
        # Torch's buffer leaves the rate out and looks ahead with this step's momentum; ours does neither.
        raise SpecError(
            "SGD: nesterov=True takes the same steps as a rule here only while lr and momentum are numbers; received a "
            "schedule; write nesterov:learning_rate=… for Nesterov's rule under a schedule"
        )
    return Nesterov(learning_rate=rate, momentum=momentum, weight_decay=decay)


def _adam(name: str, options: dict[str, Any]) -> Rule:
    betas = options["betas"]
    if not (isinstance(betas, tuple) and len(betas) == 2):
        raise SpecError(f"{name}: betas is {betas!r}; allowed are two numbers; write betas=(0.9, 0.999)")
    common = {
        "learning_rate": options["lr"],
        "beta1": betas[0],
        "beta2": betas[1],
        "epsilon": options["eps"],
        "weight_decay": options["weight_decay"],
    }
    if name == "AdamW":
        return AdamW(**common)
    decoupled = options["decoupled_weight_decay"]
    if name == "Adam":
        return Adam(**common, decoupled=decoupled)
    return NAdam(**common, momentum_decay=options["momentum_decay"], decoupled=decoupled)
