"""Names of settings: the rule's own, torch's where they mean the same, and those that nothing would read.

A constructor and a new param group take ``betas`` and ``eps`` besides the rule's ``beta1``, ``beta2`` and ``epsilon``.
A group may hold what a user or a scheduler keeps there (``name``, ``lr_scale``, ``max_lr``), so only what is meant for
a setting and is none of this rule's is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from layda.errors import SettingError
from layda.rule import Rule

__all__ = ["BETAS", "FOR_ALL", "advice", "keys_of", "refuse_names", "unified"]

BETAS = ("beta1", "beta2")
FOR_ALL = ("rule", "nonfinite", "state_dtype", "rounding", "seed", "fused")
"""What belongs to the optimizer, not to a group."""

_NOT_HERE = ("restart",)  # what one coordinate's step alone cannot do

_MEANT: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate", "learningrate", "step_size", "eta", "alpha"),
    "weight_decay": ("wd", "decay", "weightdecay", "l2"),
    "momentum": ("mu", "beta", "betas", "beta1"),
    "momenta": ("betas", "momentum"),
    "epsilon": ("eps",),
    "betas": ("beta1", "beta2", "beta_1", "beta_2", "b1", "b2", "momentum", "beta"),
    "decoupled": ("decoupled_weight_decay",),
    "maximize": ("maximise",),
}
"""Setting -> what it is called elsewhere, in any case of letters."""

_ELSEWHERE = {
    "nesterov": "take layda.torch.Nesterov, or layda.torch.SGD",
    "dampening": "take layda.torch.SGD, or form='average' of HeavyBall for 1 − β",
    "amsgrad": "no rule here has it; leave it out",
    "foreach": "leave it out: all tensors are stepped at once here",
    "capturable": "leave it out: a step on a GPU can be captured as it is",
}


@cache
def keys_of(rule: type[Rule]) -> dict[str, tuple[str, ...]]:
    """What a group holds for a rule: key -> the fields that it stands for.

    The learning rate is ``lr`` and the pair (beta1, beta2) is ``betas``, because torch's schedulers know them so:
    ``OneCycleLR`` and ``CyclicLR`` write ``momentum``, or the first of ``betas``.

    >>> from layda.rules import Adam
    >>> list(keys_of(Adam).items())[2:]
    [('lr', ('learning_rate',)), ('betas', ('beta1', 'beta2')), ('epsilon', ('epsilon',))]
    """
    names = [field.name for field in fields(rule) if field.name not in _NOT_HERE]
    paired = all(name in names for name in BETAS)
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        if paired and name in BETAS:
            found["betas"] = BETAS
        else:
            found["lr" if name == "learning_rate" else name] = (name,)
    return found


def unified(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Settings by the rule's own names, where torch's were given: ``betas`` and ``eps``.

    Args:
        given: settings by name.
        known: the rule's fields.

    Raises:
        SettingError: a setting under both names; ``betas`` that are no pair.

    >>> unified({"betas": (0.8, 0.99), "lr": 0.1}, ["beta1", "beta2"])
    {'lr': 0.1, 'beta1': 0.8, 'beta2': 0.99}
    """
    found, known = dict(given), tuple(known)
    if "betas" in found and all(name in known for name in BETAS):
        _refuse_both("betas", BETAS, given)
        found |= dict(zip(BETAS, pair(found.pop("betas")), strict=True))
    if "eps" in found and "epsilon" in known and "eps" not in known:
        _refuse_both("eps", ("epsilon",), given)
        found["epsilon"] = found.pop("eps")
    return found


def pair(betas: Any) -> tuple[Any, Any]:
    """``betas`` as they should be.

    Raises:
        SettingError: they are no pair.
    """
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise SettingError(f"betas is {betas!r}; allowed is a pair (β₁, β₂); write betas=(0.9, 0.999), for example")
    return betas[0], betas[1]


def _refuse_both(name: str, others: tuple[str, ...], given: Mapping[str, Any]) -> None:
    for other in others:
        if other in given:
            raise SettingError(
                f"{name} and {other} are both given ({given[name]!r}, {given[other]!r}), and mean the same; allowed is "
                f"one of them; leave {other} out"
            )


def advice(name: str, known: Iterable[str]) -> str | None:
    """What to do instead of giving a name that is not known; ``None`` where it is not meant for a setting.

    >>> advice("LR", ["lr", "momentum"]), advice("momentun", ["lr", "momentum"]), advice("lr_scale", ["lr"])
    ('write lr', 'did you mean momentum?', None)
    """
    from difflib import get_close_matches

    plain, known = name.casefold().replace("-", "_"), tuple(known)
    for right in known:
        if plain == right.casefold() or plain in _MEANT.get(right, ()):
            return f"write {right}"
    if plain in _ELSEWHERE:
        return _ELSEWHERE[plain]
    if plain in FOR_ALL:
        return "give it to the optimizer, for all groups"
    if plain in _settings_of_any_rule():
        return f"this rule has no such setting; it has {', '.join(known)}"
    close = get_close_matches(plain, known, 1, 0.85)
    return f"did you mean {close[0]}?" if close else None


@cache
def _settings_of_any_rule() -> frozenset[str]:
    from layda.rules import ALL

    found = {name for rule in ALL for key, names in keys_of(rule).items() for name in (key, *names)}
    return frozenset(found.union(*_MEANT.values()))


def refuse_names(rule: Rule, group: Mapping[str, Any]) -> None:
    """Refuse a name in a group that is meant for a setting and read by nothing.

    Raises:
        SettingError: saying what to write instead.
    """
    for name in group:
        told = _told(type(rule), name)
        if told is not None:
            raise SettingError(f"a param group has {name!r} ({group[name]!r}), which no step reads; {told}")


_KEPT = (
    "params",
    "param_names",
    "steps",
    "rule",
    "run",
    "schedules",
    "scheduled",
    "schedule_state",
    "foreach",
    "capturable",
)


@cache
def _told(rule: type[Rule], name: Any) -> str | None:
    known = (*keys_of(rule), "maximize", "differentiable")
    return None if name in known or name in _KEPT else advice(str(name), known)
