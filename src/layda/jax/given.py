"""Settings as optax's users give them: also arrays, traced ones included, and functions of the step count."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from layda.errors import SettingError
from layda.rule import Rule
from layda.schedules import Schedule
from layda.settings import Range

__all__ = ["Called", "Given", "called_of", "understood"]


@dataclass(frozen=True)
class Called(Schedule):
    """A function of the step count, such as optax's schedules, in a rule's setting.

    It carries two numbers, the values for the present step and for the next one; the transformation calls the function
    and fills them in, because a program cannot call it.
    """

    name: ClassVar[str] = "called"
    function: Callable[[Any], Any]

    def __post_init__(self) -> None:  # it has no numbers to check
        pass

    def initial_state(self) -> tuple[Any, ...]:
        """The values at the steps 0 and 1."""
        return (self.function(0), self.function(1))

    def value(self, state: tuple[Any, ...], t: Any) -> Any:
        """The value for the present step."""
        return state[0]

    def advance(self, state: tuple[Any, ...], t: Any) -> tuple[Any, ...]:
        """What was next is now."""
        return (state[1], state[1])

    def bounds(self) -> tuple[float, ...]:
        """Its first value; a function says no more about itself, and inside a compiled step not even that."""
        try:
            with jax.ensure_compile_time_eval():
                return (float(self.function(0)),)
        except jax.errors.ConcretizationTypeError:
            return ()
        except (TypeError, ValueError) as fault:
            raise SettingError(
                f"the schedule {self.function!r} gave no number at the step count 0 ({fault}); allowed is a function "
                "of the step count that returns one number, such as optax.cosine_decay_schedule(0.1, 1000)"
            ) from fault


class Given(NamedTuple):
    """A rule, and the numbers that were given as arrays.

    Attributes:
        rule: with a number in the place of every array.
        arrays: dotted path -> array; these win over what the state holds.
        shown: the settings among ``arrays`` that the state shows.
    """

    rule: Rule
    arrays: dict[str, jax.Array]
    shown: frozenset[str]


def understood(kind: type[Rule] | Rule, settings: Mapping[str, Any]) -> Given:
    """The rule with these settings, checked by the rule's own ranges.

    An array without axes stands for a number that is known only when a step is compiled, as
    ``optax.inject_hyperparams`` hands them over; its value is checked where it is known.

    Args:
        kind: the class of a rule, or a rule whose other settings are kept.
        settings: field name -> number, schedule of layda, function of the step count, array, word or truth value.

    Raises:
        SettingError: out of range, not finite, an array with axes, or an array for a constant of the program.
    """
    cls = kind if isinstance(kind, type) else type(kind)
    known = {item.name: item for item in dataclasses.fields(cls)}
    arrays: dict[str, jax.Array] = {}
    plain: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in known:
            raise SettingError(f"{cls.__name__} has no setting {name!r}; it has {', '.join(known)}")
        plain[name] = _plain(cls, known[name], value, arrays)
    rule = kind(**plain) if isinstance(kind, type) else dataclasses.replace(kind, **plain)
    if rule.restart != "never":
        raise SettingError(
            f"{cls.__name__}: restart is {rule.restart!r}, but whether to begin anew is a question about all "
            "coordinates and the function's value, which a gradient transformation never sees; allowed here is "
            "'never'; use layda.descend for runs with restarts"
        )
    # Whether weight decay takes part decides what the state holds. An array is not known when that is decided, so the
    # state then looks as the default has it: wrapped in inject_hyperparams or not, it has the same entries.
    hidden = {"weight_decay"} if known["weight_decay"].default == 0.0 else set()
    return Given(rule, arrays, frozenset(arrays) - hidden)


def _plain(cls: type[Rule], field: dataclasses.Field[Any], value: Any, arrays: dict[str, jax.Array]) -> Any:
    if isinstance(value, tuple | list):
        return tuple(
            _single(cls, field, f"{field.name}.{index}", one, arrays) if _special(one) else one
            for index, one in enumerate(value)
        )
    if _special(value):
        several = isinstance(field.default, tuple)
        found = _single(cls, field, f"{field.name}.0" if several else field.name, value, arrays)
        return (found,) if several else found
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _special(value: Any) -> bool:
    return isinstance(value, jax.Array) or (callable(value) and not isinstance(value, Schedule))


def _single(cls: type[Rule], field: dataclasses.Field[Any], path: str, value: Any, arrays: dict[str, jax.Array]) -> Any:
    where = f"{cls.__name__}: {path}"
    if not isinstance(value, jax.Array):
        return Called(value)
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.number):
        raise SettingError(
            f"{where} is an array of shape {value.shape} and dtype {value.dtype}; allowed is one number; "
            "use jax.vmap to run many settings side by side"
        )
    traced = isinstance(value, jax.core.Tracer)
    if field.metadata.get("constant") or "allowed" in field.metadata or isinstance(field.default, bool):
        if traced or not field.metadata.get("constant"):
            raise SettingError(
                f"{where} is a traced array, but the step is compiled for its value; allowed is a plain value; "
                f"with optax.inject_hyperparams name it in static_args=({field.name!r},)"
            )
        return float(value)
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise SettingError(f"{where} is complex; allowed is {field.metadata.get('range', Range())}")
    arrays[path] = value
    return _stand_in(field) if traced else float(value)


def _stand_in(field: dataclasses.Field[Any]) -> float:
    """A number within the field's range, for one that is not known yet; not 0, which turns weight decay off."""
    limits: Range = field.metadata.get("range", Range())
    low = limits.low if math.isfinite(limits.low) else min(0.0, limits.high)
    return next(one for one in (1.0, limits.high, low + 1.0, low) if one in limits and one != 0.0)


def called_of(rule: Rule) -> dict[str, Called]:
    """Dotted path -> function of the step count, in the order of the rule's fields."""
    found: dict[str, Called] = {}
    for item in dataclasses.fields(rule):
        value = getattr(rule, item.name)
        several = value if isinstance(value, tuple) else (value,)
        for index, one in enumerate(several):
            if isinstance(one, Called):
                found[f"{item.name}.{index}" if isinstance(value, tuple) else item.name] = one
    return found
