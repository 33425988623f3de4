"""What a transformation carries, and what is refused about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from layda.errors import SettingError, nearest
from layda.jax.given import Called
from layda.rule import Rule, Stepper
from layda.schedules import Schedule
from layda.settings import replaced

__all__ = ["State", "check", "described", "is_made_by", "precision", "scalar"]


class State(NamedTuple):
    """What a rule carries from step to step: a tree of arrays like any other optax state.

    Attributes:
        count: the step t that comes next.
        hyperparams: the rule's numbers by dotted path ("learning_rate", "momenta.1", "learning_rate.decay"), to be
            changed at will: ``state.hyperparams["learning_rate"] = 0.05``. A Python float or ``jnp.asarray(0.05)``
            compiles nothing anew; a number of fixed dtype (``np.float32(0.05)``) or an int does once. They keep their
            own precision (float32, or float64 with ``jax_enable_x64``) whatever the parameters' is. Names that are no
            hyperparameters are refused at the next update, values out of range too where they are known, which inside
            ``jax.jit`` they are not: :func:`layda.jax.with_hyperparams` checks them before. What a schedule gives is
            not among them (its own numbers are); :func:`layda.jax.settings` shows it.
        schedules: what the schedules carry.
        shared: the slots that are one number for all parameters.
        slots: name -> a tree like the parameters.
        rule: the rule's name, as the one key of a dictionary that holds no array.
    """

    count: jax.Array  # type: ignore[assignment]  # optax's name for it, though every tuple has a method count
    hyperparams: dict[str, Any]
    schedules: dict[str, jax.Array]
    shared: dict[str, jax.Array]
    slots: dict[str, Any]
    rule: dict[str, tuple[()]]


def precision() -> Any:
    """The precision of hyperparameters: float64 where JAX has it switched on, else float32."""
    return jax.dtypes.canonicalize_dtype(np.float64)


def scalar(value: Any) -> Any:
    """A hyperparameter as an array, never in less than its own precision; Python numbers keep their weak type."""
    if not isinstance(value, jax.Array):
        value = jnp.asarray(float(value) if isinstance(value, int) else value)
    return value if value.dtype == precision() else value.astype(precision())


def described(state: Any) -> str:
    """What a state is, for messages."""
    if not isinstance(state, State):
        return f"a {type(state).__name__}"
    return f"a state of {'/'.join(state.rule)} with {', '.join((*state.slots, *state.hyperparams, *state.schedules))}"


def is_made_by(state: Any, stepper: Stepper) -> bool:
    """Whether it is a state with the entries that this rule with these schedules gives it."""
    return (
        isinstance(state, State)
        and set(state.rule) == {stepper.rule.name}
        and set(state.slots) == {slot.name for slot in stepper.slots}
        and set(state.shared) == {slot.name for slot in stepper.shared}
        and set(state.schedules) == set(stepper.schedule_names)
    )


def check(state: State, stepper: Stepper, names: tuple[str, ...]) -> None:
    """Refuse another rule's state, hyperparameters that nothing would read, and values that are out of range.

    Names, shapes and dtypes are known while a step is compiled, too; values only outside.

    Args:
        state: the state.
        stepper: the rule.
        names: the hyperparameters that its states have.

    Raises:
        SettingError: as above.
    """
    if not is_made_by(state, stepper):
        raise SettingError(
            f"the state is {described(state)}; allowed is one that the init of this transformation made, "
            f"{stepper.rule}; call init(params), or update with the transformation that made the state"
        )
    for name in state.hyperparams:
        if name not in names:
            raise SettingError(f"the state's hyperparams hold {name!r}, {_why_not(name, stepper.rule, names)}")
    for name in names:
        if name not in state.hyperparams:
            raise SettingError(
                f"the state's hyperparams hold no {name!r}; allowed are all of {', '.join(names)}; change a number in "
                "place and leave the others there"
            )
    _check_values(state.hyperparams, stepper)


def _why_not(name: str, rule: Rule, names: tuple[str, ...]) -> str:
    """Why nothing would read this name, and what to do."""
    allowed = f"allowed are {', '.join(names)}"
    value = getattr(rule, name, None) if name in rule.__dataclass_fields__ else None
    if isinstance(value, Called):
        return f"which a function of the step count gives; {allowed}; make the transformation with a number instead"
    if isinstance(value, Schedule):
        return f"which follows {value}; {allowed}; change the schedule's own numbers"
    if name == "weight_decay":
        return f"but it was made without weight decay; {allowed}; make the transformation with weight_decay=0.01"
    if value is not None:
        return f"for which the step is compiled; {allowed}; make another transformation"
    return f"which is no hyperparameter of {rule.name} ({nearest(name, names)}); {allowed}"


def _check_values(values: Mapping[str, Any], stepper: Stepper) -> None:
    changed: dict[str, float] = {}
    for name, value in values.items():
        array = isinstance(value, jax.Array | np.ndarray | np.generic)
        shape, dtype = (value.shape, value.dtype) if array else ((), np.result_type(type(value)))
        if shape != () or not (jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)):
            shown = f"an array of shape {shape} and dtype {dtype}" if array else repr(value)
            raise SettingError(f"the state's hyperparams hold {shown} as {name!r}; allowed is one real number")
        if isinstance(value, jax.core.Tracer):
            continue
        if isinstance(value, jax.Array) and not value.is_fully_addressable:  # it lies on other hosts, too
            continue
        number, usual = float(value), stepper.numbers[name]
        if number not in (usual, float(np.float32(usual))):  # rounding may lead over a limit
            changed[name] = number
    if changed:
        try:
            _made_again(replaced(stepper.rule, changed))
        except SettingError as fault:
            raise SettingError(f"in the state's hyperparams: {fault}") from None


def _made_again(owner: Any) -> Any:
    """The same rule with every check that making it runs, those of its schedules first."""
    if isinstance(owner, tuple):
        return tuple(_made_again(one) for one in owner)
    if not isinstance(owner, Rule | Schedule):
        return owner
    return dataclasses.replace(
        owner, **{item.name: _made_again(getattr(owner, item.name)) for item in dataclasses.fields(owner)}
    )
