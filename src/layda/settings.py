"""Settings: the numbers that rules and schedules are made of, their ranges, and how they are replaced by other numbers.

A rule or schedule is a frozen dataclass. Its *numbers* (also those inside schedules and tuples) have dotted paths such
as ``learning_rate.initial`` or ``momenta.1``; a program takes them as inputs, so changing one needs no new one.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layda.errors import SettingError, nearest

__all__ = [
    "Range", "choice", "constant", "hyperparameter", "name_here", "numbers_of", "replaced", "validate",
]  # fmt: skip

_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate", "initial"), "alpha": ("learning_rate",), "eta": ("learning_rate",),
    "rate": ("learning_rate",), "learningrate": ("learning_rate",), "stepsize": ("learning_rate", "every"),
    "initlr": ("initial",), "initiallr": ("initial",), "initiallearningrate": ("initial",), "initvalue": ("initial",),
    "value": ("constant",), "b": ("momentum", "beta1"), "beta": ("momentum", "beta1"), "mu": ("momentum", "beta1"),
    "rho": ("momentum", "beta2"), "m": ("momentum", "beta1"), "momentum": ("beta1", "momenta"),
    "b1": ("beta1", "momentum"), "beta1": ("momentum",), "b2": ("beta2",),
    "betas": ("beta1+beta2", "momenta", "momentum"),
    "momentums": ("momenta",), "eps": ("epsilon",), "epsroot": ("epsilon",), "wd": ("weight_decay",),
    "l2": ("weight_decay",), "lambda": ("weight_decay",), "lam": ("weight_decay",),
    "weightdecayrate": ("weight_decay",),
    "decoupledweightdecay": ("decoupled",), "gamma": ("decay", "factor"), "delta": ("decay",),
    "decayrate": ("decay", "factor"), "decaysteps": ("every", "steps"), "transitionsteps": ("every", "steps"),
    "warmupsteps": ("steps",), "tmax": ("steps",), "etamin": ("final",), "drop": ("factor",),
}  # fmt: skip
"""What torch.optim, optax, Keras and papers call a setting -> what it is called here, the likeliest first."""


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may have: from ``low`` to ``high``, the ends allowed unless said otherwise."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        if not math.isfinite(value) or (self.whole and value != math.floor(value)):
            return False
        return (self.low < value if self.low_open else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a finite number"
        if self.low > -math.inf and self.high < math.inf:
            return f"{kind} {'above' if self.low_open else 'from'} {self.low:g} to {self.high:g}"
        if self.low > -math.inf:
            return f"{kind} above {self.low:g}" if self.low_open else f"{kind}, {self.low:g} or more"
        return kind


def hyperparameter(
    default: Any = dataclasses.MISSING,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    low_open: bool = False,
    whole: bool = False,
    kw_only: bool = False,
) -> Any:
    """A dataclass field for a setting that takes a number (or, in a rule, a schedule or a tuple) within a range."""
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"range": Range(low, high, low_open, whole)})


def constant(default: float, low: float = -math.inf, high: float = math.inf) -> Any:
    """A dataclass field for a number that becomes part of the program itself and takes no schedule."""
    return dataclasses.field(default=default, metadata={"range": Range(low, high), "constant": True})


def choice(*allowed: str) -> Any:
    """A dataclass field for one of several words; the first is the default."""
    return dataclasses.field(default=allowed[0], metadata={"allowed": allowed})


def name_here(name: str, known: Collection[str]) -> str:
    """Say how a setting that is known by another name elsewhere is called here, or which names come near it.

    >>> name_here("lr", ["learning_rate", "momentum"]), name_here("betas", ["learning_rate", "beta1", "beta2"])
    ('here it is called learning_rate', 'here it is called beta1 and beta2')
    >>> name_here("momentun", ["learning_rate", "momentum"])
    'did you mean momentum?'
    """
    plain = name.lower().replace("_", "").replace("-", "").rpartition(".")[2]
    for candidate in _ELSEWHERE.get(plain, ()):
        for path in (candidate, f"{candidate}.initial"):
            if set(path.split("+")) <= set(known):
                return f"here it is called {' and '.join(path.split('+'))}"
    return nearest(name, known)


def validate(owner: Any, scheduled: bool) -> None:
    """Check every field of a rule or schedule and turn its numbers into plain floats.

    Args:
        owner: a frozen dataclass instance, from its ``__post_init__``.
        scheduled: whether its numbers may be schedules or tuples.

    Raises:
        SettingError: a value outside its range, not finite, or of the wrong kind.
    """
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name)
        where = f"{type(owner).__name__}: {field.name}"
        allowed = field.metadata.get("allowed")
        if allowed is not None:
            if value not in allowed:
                hint = nearest(str(value), allowed)
                raise SettingError(f"{where} is {value!r}; allowed are {', '.join(map(repr, allowed))} ({hint})")
            continue
        limits = field.metadata.get("range", Range())
        object.__setattr__(owner, field.name, _checked(where, value, limits, field, scheduled))


def _single() -> Any:
    """The field of one number within a tuple."""
    return dataclasses.field(default=0.0)


def _checked(where: str, value: Any, limits: Range, field: dataclasses.Field[Any], scheduled: bool) -> Any:
    if isinstance(value, bool) and isinstance(field.default, bool):
        return value
    if isinstance(value, tuple | list) and scheduled and not field.metadata.get("constant"):
        if not isinstance(field.default, tuple):
            raise SettingError(f"{where} is {value!r}; allowed is one number or one schedule, not several")
        if not value:
            raise SettingError(f"{where} is empty; give at least one number")
        return tuple(
            _checked(f"{where}[{index}]", item, limits, _single(), scheduled) for index, item in enumerate(value)
        )
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        number = float(value)
        if isinstance(field.default, tuple) and scheduled:
            return (_checked(where, number, limits, _single(), scheduled),)
        if number not in limits:
            raise SettingError(f"{where} is {value!r}; allowed is {limits}")
        return number
    if _is_schedule(value) and not field.metadata.get("constant"):
        for end in value.bounds():
            if end not in limits:
                raise SettingError(f"{where} follows {value}, which reaches {end:g}; allowed is {limits}")
        return value
    if isinstance(field.default, str | bool) and isinstance(value, type(field.default)):
        return value
    or_schedule = " or a schedule" if scheduled and not field.metadata.get("constant") else ""
    raise SettingError(f"{where} is {value!r} ({type(value).__name__}); allowed is {limits}{or_schedule}")


def _is_schedule(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and callable(getattr(value, "advance", None))


def numbers_of(owner: Any, prefix: str = "") -> dict[str, float]:
    """The numbers of a rule or schedule by dotted path; constants, words and yes/no settings are left out.

    >>> from layda.rules import AggregatedMomentum
    >>> numbers_of(AggregatedMomentum(0.1, (0.0, 0.9)))
    {'weight_decay': 0.0, 'learning_rate': 0.1, 'momenta.0': 0.0, 'momenta.1': 0.9}
    """
    found: dict[str, float] = {}
    for field in dataclasses.fields(owner):
        if not field.metadata.get("constant"):
            _collect(found, prefix + field.name, getattr(owner, field.name))
    return found


def _collect(found: dict[str, float], path: str, value: Any) -> None:
    if isinstance(value, bool | str):
        return
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            _collect(found, f"{path}.{index}", item)
    elif isinstance(value, float):
        found[path] = value
    elif _is_schedule(value):
        found.update(numbers_of(value, path + "."))


def replaced(owner: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    """A copy whose numbers are those of ``values`` (traced, arrays, …), without checks: for runners, not for users."""
    twin = copy.copy(owner)
    for field in dataclasses.fields(owner):
        if not field.metadata.get("constant"):
            value = _substituted(prefix + field.name, getattr(owner, field.name), values)
            object.__setattr__(twin, field.name, value)
    return twin


def _substituted(path: str, value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, tuple):
        return tuple(_substituted(f"{path}.{index}", item, values) for index, item in enumerate(value))
    if isinstance(value, float):
        return values.get(path, value)
    if _is_schedule(value):
        return replaced(value, values, path + ".")
    return value
