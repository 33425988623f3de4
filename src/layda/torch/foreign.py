"""States of ``torch.optim.SGD``, ``Adam``, ``AdamW`` and ``NAdam`` as states of a rule that goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from layda.errors import SettingError
from layda.torch.settings import number_in, read_group, settings_of

if TYPE_CHECKING:
    from layda.torch.optimizer import Optimizer

__all__ = ["KNOWN", "translation"]

KNOWN = "torch.optim.SGD, Adam, AdamW and NAdam"

_OF_SGD = ("momentum", "dampening", "nesterov")
_OF_ADAM = ("betas", "eps")
_HOW = ("amsgrad", "foreach", "fused", "capturable")  # how torch computes; what else a group holds is the user's own


def translation(optimizer: Optimizer, groups: list[dict[str, Any]], state: Mapping[Any, Any]) -> Any:
    """(groups, state) in the rule's form; ``None`` where the state is of none of torch's optimizers that are known.

    Raises:
        SettingError: the rule cannot continue it.
    """
    if not groups or any("rule" in one for one in groups):
        return None
    if all(name in one for one in groups for name in _OF_SGD):
        return _from_sgd(optimizer, groups, state)
    if all(name in one for one in groups for name in _OF_ADAM) and all(_adams(one) for one in groups):
        return _from_adam(optimizer, groups, state)
    return None


def _adams(group: Mapping[str, Any]) -> bool:
    """Adam's and AdamW's have amsgrad and NAdam's momentum_decay, which Adamax' and RAdam's have not."""
    return "amsgrad" in group or "momentum_decay" in group


def _settings(optimizer: Optimizer, group: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(own)
    # states of old versions of torch have neither
    settings |= {name: bool(group.get(name)) for name in ("maximize", "differentiable")}
    theirs = (*_OF_SGD, *_OF_ADAM, "lr", "weight_decay", "decoupled_weight_decay", "momentum_decay", *_HOW)
    settings |= {name: value for name, value in group.items() if name not in theirs and name not in settings}
    return settings | {"steps": 0, "rule": optimizer.rule.name}


def _from_sgd(
    optimizer: Optimizer, groups: list[dict[str, Any]], state: Mapping[Any, Any]
) -> tuple[list[dict[str, Any]], dict[Any, Any]]:
    """SGD's settings and buffers in the rule's form."""
    found, slots = [], {}
    for group in groups:
        continued = optimizer.rule.continuing_sgd(group)
        told = ", ".join(f"{name}={group[name]!r}" for name in ("lr", *_OF_SGD))
        if continued is None:
            raise SettingError(
                f"the state is of torch.optim.SGD ({told}), which {optimizer.rule.name!r} cannot continue; allowed are "
                "heavy-ball (nesterov=False), nesterov (nesterov=True) and gradient-descent (momentum=0); "
                "layda.torch.SGD takes any"
            )
        decay = {"weight_decay": float(group["weight_decay"]), "decoupled": False}
        settings = _settings(optimizer, group, settings_of(optimizer.rule) | decay | continued[0])
        shared = {slot.name for slot in read_group(optimizer.rule, settings).stepper.shared}
        found.append(settings)
        for key in group["params"]:
            buffer = state.get(key, {}).get("momentum_buffer")
            if buffer is None:
                continue
            if 0.0 in continued[1].values() and bool((buffer != 0).any()):
                raise SettingError(
                    f"the state is of torch.optim.SGD ({told}), whose buffer holds a motion that this form would "
                    "forget: it keeps the velocity in units of the learning rate, which is 0; allowed is a rate above "
                    "0, or a rule that keeps the buffer as it is; take form='step' or layda.torch.SGD, or save the "
                    "state at another rate"
                )
            slots[key] = {
                name: torch.tensor(multiple, dtype=torch.float64) if name in shared else buffer * multiple
                for name, multiple in continued[1].items()
            }
    return found, slots


def _from_adam(
    optimizer: Optimizer, groups: list[dict[str, Any]], state: Mapping[Any, Any]
) -> tuple[list[dict[str, Any]], dict[Any, Any]]:
    """Adam's, AdamW's or NAdam's settings and averages."""
    found, slots = [], {}
    for group in groups:
        rule = optimizer.rule
        if rule.continuing_adam(group, 0.0) is None:
            told = ", ".join(f"{name}={group[name]!r}" for name in ("amsgrad", "momentum_decay") if name in group)
            raise SettingError(
                f"the state is of one of torch's Adams ({told}), which {rule.name!r} cannot continue; allowed are adam "
                "and adamw for torch.optim.Adam and AdamW with amsgrad=False, and nadam for torch.optim.NAdam"
            )
        beta1, beta2 = number_in(group["betas"])
        numbers = {"learning_rate": group["lr"], "epsilon": group["eps"], "weight_decay": group["weight_decay"]}
        own: dict[str, Any] = {name: number_in(value) for name, value in numbers.items()}
        # states of old versions do not say which way they decay: as this optimizer does
        own |= {"beta1": beta1, "beta2": beta2, "decoupled": group.get("decoupled_weight_decay", rule.decoupled)}
        own |= {"momentum_decay": group["momentum_decay"]} if "momentum_decay" in group else {}
        found.append(_settings(optimizer, group, settings_of(replace(rule, **own))))
        for key in group["params"]:
            kept = state.get(key, {})
            if "exp_avg" not in kept:
                continue
            names = rule.continuing_adam(group, float(kept["step"])) or {}
            slots[key] = {
                name: kept[place] if isinstance(place, str) else torch.tensor(place, dtype=torch.float64)
                for name, place in names.items()
            }
    return found, slots
