"""What a rule offers as its answer, from parameters and state."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from layda.errors import SettingError
from layda.jax.leaves import computing_dtype, parts, whole
from layda.jax.transformation import State, Transformation
from layda.rule import Rule, Stepper
from layda.rule import State as Carried
from layda.specs import to_rule

__all__ = ["estimates"]


def estimates(rule: Any, params: Any, state: Any) -> Any:
    """The answer at the present parameters: Nesterov's x, schedule-free's average, else the parameters themselves.

    Parameters are where gradients are taken. Evaluate and save a model at these estimates; train on from the
    parameters. (For schedule-free the counterpart of ``optax.contrib.schedule_free_eval_params``.)

    Args:
        rule: the transformation that :func:`layda.jax.optimizer` or a named function returned, or its rule.
        params: the parameters, as ``optax.apply_updates`` left them.
        state: the transformation's state, also somewhere inside the state of ``optax.chain`` and the like.

    Returns:
        A tree like ``params``. Leaves that the state holds nothing of (``optax.masked``) stay as they are.

    Raises:
        SettingError: no state of layda's inside ``state``, several of them, or one of another rule.

    >>> import jax.numpy as jnp, optax
    >>> from layda.jax import optimizer
    >>> from layda.rules import ScheduleFreeSGD
    >>> transform = optimizer(ScheduleFreeSGD(0.25, 0.5))
    >>> params = jnp.array([1.0])
    >>> state = transform.init(params)
    >>> for _ in range(2):
    ...     updates, state = transform.update(2 * params, state, params)
    ...     params = optax.apply_updates(params, updates)
    >>> params.tolist(), estimates(transform, params, state).tolist()
    ([0.3125], [0.375])
    """
    chosen: Rule = rule.rule if isinstance(rule, Transformation) else to_rule(rule)
    own, stepper = _own(state), Stepper(chosen)
    names = ({slot.name for slot in stepper.slots}, set(stepper.schedule_names))
    if names != (set(own.slots), set(own.schedules)) or not set(own.hyperparams) <= set(stepper.numbers):
        raise SettingError(
            f"the state holds the slots {', '.join(own.slots) or 'none'} and the numbers "
            f"{', '.join(own.hyperparams) or 'none'}, which are not those of {chosen}; "
            "hand over the transformation that made the state"
        )

    def answer(position: Any, *slots: Any) -> Any:
        position = jnp.asarray(position)
        if any(not isinstance(slot, jax.Array) for slot in slots):
            return position
        dtype = position.dtype
        for slot in (position, *slots):
            dtype = computing_dtype(dtype, slot.dtype)

        def cast(values: dict[str, Any]) -> dict[str, Any]:
            return {name: jnp.asarray(value).astype(dtype) for name, value in values.items()}

        numbers = stepper.numbers | cast(own.hyperparams)
        shared, carried = (
            tuple(cast(values)[name] for name in names)  # by name: jit hands dictionaries back in another order
            for values, names in (
                (own.shared, tuple(slot.name for slot in stepper.shared)),
                (own.schedules, stepper.schedule_names),
            )
        )
        time = own.count.astype(dtype)
        pieces = [tuple(part.astype(dtype) for part in parts(value)) for value in (position, *slots)]
        found = tuple(
            stepper.estimate(numbers, time, where, Carried(tuple(rest), shared, carried))
            for where, *rest in zip(*pieces, strict=True)
        )
        return whole(found, position.dtype)

    trees = [own.slots[slot.name] for slot in stepper.slots]
    return jax.tree.map(answer, params, *trees)


def _own(state: Any) -> State:
    """The one state of layda's inside another state."""
    leaves = jax.tree.leaves(state, is_leaf=lambda value: isinstance(value, State))
    found = [leaf for leaf in leaves if isinstance(leaf, State)]
    if len(found) != 1:
        raise SettingError(
            f"{len(found)} states of layda's transformations were found inside a {type(state).__name__}; allowed is "
            "exactly one; hand over the part of the state that belongs to the transformation"
        )
    return found[0]
