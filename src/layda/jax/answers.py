"""Questions about a state, also deep inside another one: the rule's answer, present settings, the state with others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from layda.errors import SettingError
from layda.jax.leaves import computing_dtype, parts, whole
from layda.jax.state import State, check, described, is_made_by, precision, scalar
from layda.jax.transformation import Transformation
from layda.rule import Rule, Stepper
from layda.rule import State as Carried
from layda.specs import to_rule

__all__ = ["estimates", "settings", "with_hyperparams"]


def estimates(rule: Any, params: Any, state: Any) -> Any:
    """The answer at the present parameters: Nesterov's x, schedule-free's average, else the parameters themselves.

    Parameters are where gradients are taken. Evaluate and save a model at these estimates; train on from the
    parameters. (For schedule-free the counterpart of ``optax.contrib.schedule_free_eval_params``.)

    Args:
        rule: the transformation that :func:`layda.jax.optimizer` or a named function returned (not the chain around
            it), or its rule.
        params: the parameters, as ``optax.apply_updates`` left them.
        state: the transformation's state, also somewhere inside the state of ``optax.chain`` and the like, where it
            is the only one that this rule made.

    Returns:
        A tree like ``params``. Leaves that the state holds nothing of (``optax.masked``) stay as they are.

    Raises:
        SettingError: another library's transformation as the rule; no state of this rule inside ``state``, or several.

    >>> import jax.numpy as jnp, optax
    >>> from layda.jax import optimizer
    >>> from layda.rules import ScheduleFreeSGD
    >>> transform = optimizer(ScheduleFreeSGD(0.25, 0.5))
    >>> chain = optax.chain(optax.clip(10.0), transform)
    >>> params = jnp.array([1.0])
    >>> state = chain.init(params)
    >>> for _ in range(2):
    ...     updates, state = chain.update(2 * params, state, params)
    ...     params = optax.apply_updates(params, updates)
    >>> params.tolist(), estimates(transform, params, state).tolist()
    ([0.3125], [0.375])
    """
    own, stepper = _own(rule, state)

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


def settings(rule: Any, state: Any) -> dict[str, Any]:
    """The settings of the step that comes next, with the present value of every schedule. Works inside ``jax.jit``.

    (What ``optax.inject_hyperparams`` shows of a schedule is the value of the step that was taken last.)

    Args:
        rule: the transformation, or its rule, as for :func:`estimates`.
        state: its state, also inside another one.

    Returns:
        Name -> number as an array, or a tuple of them.

    Raises:
        SettingError: as for :func:`estimates`.

    >>> import jax.numpy as jnp, layda, optax
    >>> transform = layda.jax.heavy_ball(optax.linear_schedule(0.5, 0.0, 4))
    >>> state = transform.init(jnp.ones(2))
    >>> _, state = transform.update(jnp.ones(2), state)
    >>> float(settings(transform, state)["learning_rate"])
    0.375
    """
    own, stepper = _own(rule, state)
    numbers = {name: scalar(value) for name, value in (stepper.numbers | own.hyperparams).items()}
    carried = tuple(own.schedules[name] for name in stepper.schedule_names)
    now = stepper.resolved(numbers, own.count.astype(precision()), carried)
    left_out = () if stepper.rule.decays_weights else ("weight_decay",)
    found = {}
    for item in dataclasses.fields(stepper.rule):
        if not isinstance(item.default, str | bool) and item.name not in left_out:
            found[item.name] = jax.tree.map(scalar, getattr(now, item.name))
    return found


def with_hyperparams(rule: Any, state: Any, values: Mapping[str, Any]) -> Any:
    """The state with other hyperparameters, checked at once; compiles nothing anew.

    Args:
        rule: the transformation, or its rule, as for :func:`estimates`.
        state: its state, also inside another one.
        values: dotted path ("learning_rate", "momenta.1", "learning_rate.decay") -> number.

    Returns:
        A state like ``state``, which is left as it was.

    Raises:
        SettingError: a name that is no hyperparameter; a value that is no number, out of range or not finite (an array
            inside ``jax.jit`` has no value yet); otherwise as for :func:`estimates`.

    >>> import jax.numpy as jnp, layda, optax
    >>> transform = layda.jax.heavy_ball(0.1)
    >>> state = optax.chain(optax.clip(1.0), transform).init(jnp.ones(2))
    >>> state = with_hyperparams(transform, state, {"learning_rate": 0.25})
    >>> float(settings(transform, state)["learning_rate"])
    0.25
    >>> with_hyperparams(transform, state, {"momentum": 1.5})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    layda.errors.SettingError: in the state's hyperparams: HeavyBall: momentum is 1.5; allowed is a finite number...
    """
    own, stepper = _own(rule, state)
    changed = own._replace(hyperparams=own.hyperparams | dict(values))
    check(changed, stepper, tuple(own.hyperparams))
    changed = changed._replace(hyperparams={name: scalar(value) for name, value in changed.hyperparams.items()})
    return jax.tree.map(lambda leaf: changed if leaf is own else leaf, state, is_leaf=_is_state)


def _is_state(value: Any) -> bool:
    return isinstance(value, State)


def _own(rule: Any, state: Any) -> tuple[State, Stepper]:
    """The one state inside another that the rule made, and the rule ready for its numbers."""
    if isinstance(rule, optax.GradientTransformation) and not isinstance(rule, Transformation):
        raise SettingError(
            f"the first argument is a {type(rule).__name__} of optax, which does not say what its rule is; allowed is "
            "a transformation of layda's, or its rule; keep the one that went into the chain (transform = "
            "layda.jax.nesterov(); chain = optax.chain(optax.clip(1.0), transform)) and hand it over with the "
            "chain's state"
        )
    chosen: Rule = rule.rule if isinstance(rule, Transformation) else to_rule(rule)
    stepper = Stepper(chosen)
    states = [leaf for leaf in jax.tree.leaves(state, is_leaf=_is_state) if _is_state(leaf)]
    found = [one for one in states if is_made_by(one, stepper)]
    if len(found) == 1:
        check(found[0], stepper, tuple(name for name in stepper.numbers if name in found[0].hyperparams))
        return found[0], stepper
    if found:
        raise SettingError(
            f"{len(found)} states of {chosen.name} were found inside a {type(state).__name__}; allowed is one; hand "
            "over the part of the state that belongs to the transformation"
        )
    others = ", ".join(described(one) for one in states) or "no state of layda's"
    raise SettingError(
        f"inside a {type(state).__name__} was found: {others}; allowed is a state that {chosen} made; hand over the "
        "transformation that made the state"
    )
