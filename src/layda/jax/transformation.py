"""Any rule as an optax gradient transformation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.experimental.shard_alike import shard_alike

from layda.errors import SettingError
from layda.jax.given import Given, called_of, understood
from layda.jax.leaves import LeafStep, computing_dtype, kept_dtype, parts, whole
from layda.jax.state import State, check, precision, scalar
from layda.rule import Rule, Slot, Stepper
from layda.specs import to_rule

__all__ = ["Transformation", "optimizer", "transformation"]


class Transformation(optax.GradientTransformationExtraArgs):  # type: ignore[misc]  # optax ships no types
    """An ``optax.GradientTransformationExtraArgs`` that remembers its rule.

    Attributes:
        rule: the rule that it steps with.
    """

    rule: Rule


def optimizer(
    rule: str | Rule | type[Rule], learning_rate: Any = None, *, state_dtype: Any = None
) -> optax.GradientTransformationExtraArgs:
    """A rule as an optax transformation: ``init(params)``, then ``update(gradients, state, params)``.

    The update is what ``optax.apply_updates`` adds: −w where the rule is written x ← x − w, so that the parameters are
    the rule's own to the last bit, and the difference of two positions elsewhere (decoupled weight decay, NAdam,
    schedule-free). Then x + (x′ − x) is x′ itself unless a step is about as long as x or longer, and differs in the
    last place of the larger of the two otherwise.

    Arithmetic is in float32 for float16 and bfloat16 parameters, and their slots are kept so. Updates have the
    gradients' dtype. The real and the imaginary part of complex parameters are coordinates of their own (hand over
    the conjugate of ``jax.grad``, as optax asks for). A gradient that is ``None`` leaves its slots as they are.

    Args:
        rule: a rule, its class, or text such as "heavy-ball:momentum=0.95"; rules of your own work the same.
        learning_rate: takes the place of the rule's: a number, a schedule of layda, or a function of the step count
            such as optax's schedules. ``None`` keeps the rule's. A JAX array is taken from here at every update, so
            that ``optax.inject_hyperparams`` works; to change a rate by hand, give a number and change the state.
        state_dtype: the dtype of the slots; by default the parameters', float32 at least.

    Returns:
        The transformation. Extra arguments to ``update`` are ignored. ``update`` refuses (SettingError) another rule's
        state, names in ``state.hyperparams`` that are none, and, outside ``jax.jit``, values out of range.

    Raises:
        SettingError: a setting out of range or not finite; a rule that restarts; a ``state_dtype`` that is no float.

    >>> import jax.numpy as jnp, optax
    >>> from layda.rules import HeavyBall
    >>> transform = optimizer(HeavyBall(0.25, 0.5))
    >>> params = jnp.array([1.0, -2.0])
    >>> state = transform.init(params)
    >>> for _ in range(3):
    ...     updates, state = transform.update(2 * params, state, params)
    ...     params = optax.apply_updates(params, updates)
    >>> params.tolist()
    [-0.25, 0.5]
    >>> state.hyperparams["learning_rate"] = 0.125
    """
    chosen = to_rule(rule)
    settings = {} if learning_rate is None else {"learning_rate": learning_rate}
    return transformation(understood(chosen, settings), state_dtype)


def transformation(given: Given, state_dtype: Any = None) -> Transformation:
    """The transformation of a rule whose settings are understood; see :func:`optimizer`."""
    if state_dtype is not None and not jnp.issubdtype(state_dtype, jnp.floating):
        raise SettingError(f"state_dtype is {state_dtype!r}; allowed is a dtype of real floats, such as jnp.bfloat16")
    step = LeafStep(Stepper(given.rule))
    found = Transformation(_init(given, step, state_dtype), _update(given, step))
    found.rule = given.rule
    return found


def _hyperparams(given: Given, stepper: Stepper) -> tuple[str, ...]:
    """The names of the numbers that states hold."""
    return tuple(name for name in stepper.numbers if name not in given.arrays or name in given.shown)


def _init(given: Given, step: LeafStep, state_dtype: Any) -> Callable[[Any], State]:
    stepper = step.stepper
    names = _hyperparams(given, stepper)

    def start(slot: Slot, leaf: Any) -> jax.Array:
        leaf = jnp.asarray(leaf)
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise SettingError(
                f"a parameter has dtype {leaf.dtype}; allowed are floats and complex numbers; keep others out of the "
                "parameters or away from the optimizer with optax.masked"
            )
        dtype = kept_dtype(leaf.dtype, state_dtype)
        if slot.start == "position":  # a copy, so that parameters and state can both be donated
            return jnp.array(leaf, dtype=dtype, copy=True)
        made = jnp.full_like(leaf, float(slot.start), dtype=dtype)
        # Inside jit a constant array knows no device; it shall lie where the parameters lie.
        if isinstance(leaf, jax.core.Tracer):
            made = shard_alike(leaf, made)[1]  # type: ignore[no-untyped-call]
        return made

    def init(params: Any) -> State:
        numbers = stepper.numbers | given.arrays
        carried = stepper.start(numbers, 0.0).schedules
        return State(
            count=jnp.zeros((), jnp.int32),
            # Of weak type, as jnp.asarray(0.1) is: putting a Python number in their place compiles nothing anew.
            hyperparams={name: scalar(given.arrays.get(name, stepper.numbers[name])) for name in names},
            schedules={name: _kept(value) for name, value in zip(stepper.schedule_names, carried, strict=True)},
            shared={slot.name: _kept(slot.start) for slot in stepper.shared},
            slots={
                slot.name: jax.tree.map(lambda leaf, slot=slot: start(slot, leaf), params) for slot in stepper.slots
            },
            rule={given.rule.name: ()},
        )

    return init


def _update(given: Given, step: LeafStep) -> Callable[..., tuple[Any, State]]:
    stepper, called = step.stepper, called_of(given.rule)
    shared = tuple(slot.name for slot in stepper.shared)
    names = _hyperparams(given, stepper)

    def update(updates: Any, state: State, params: Any = None, **extra: Any) -> tuple[Any, State]:
        check(state, stepper, names)
        numbers = {**state.hyperparams, **given.arrays}
        schedules = dict(state.schedules)
        for path, one in called.items():
            schedules[f"{path}.0"] = one.function(state.count)
            schedules[f"{path}.1"] = one.function(state.count + 1)
        values = {name: scalar(value) for name, value in (numbers | schedules | state.shared).items()}
        lines = step.common(values | {"t": state.count.astype(precision())})
        after = step.common_outputs(lines, (*shared, *stepper.schedule_names))

        gradients, tree = jax.tree.flatten(updates, is_leaf=lambda value: value is None)
        structure: Any = tree  # JAX's stubs know no methods of it
        if params is None and step.reads_position and any(one is not None for one in gradients):
            raise SettingError(
                f"{given.rule} was updated without params, but {step.reads_position}; "
                "call update(gradients, state, params)"
            )
        positions = [None] * len(gradients) if params is None else structure.flatten_up_to(params)
        columns = [structure.flatten_up_to(state.slots[slot.name]) for slot in stepper.slots]
        moved = [
            _leaf(step, lines, gradient, position, tuple(slots))
            for gradient, position, *slots in zip(gradients, positions, *columns, strict=True)
        ]
        return structure.unflatten([one for one, _ in moved]), State(
            count=optax.safe_increment(state.count),
            hyperparams={name: scalar(numbers[name]) for name in state.hyperparams},
            schedules={name: _like(after[name], old) for name, old in state.schedules.items()},
            shared={name: _like(after[name], old) for name, old in state.shared.items()},
            slots={
                slot.name: structure.unflatten([slots[index] for _, slots in moved])
                for index, slot in enumerate(stepper.slots)
            },
            rule=state.rule,
        )

    return update


def _leaf(
    step: LeafStep, lines: list[Any], gradient: Any, position: Any, slots: tuple[Any, ...]
) -> tuple[Any, tuple[Any, ...]]:
    """The update of one leaf in its gradient's dtype, and its slots in theirs."""
    if gradient is None:
        return None, slots
    gradient = jnp.asarray(gradient)
    result = gradient.dtype
    if position is not None:
        position = jnp.asarray(position)
        gradient = gradient.astype(jnp.promote_types(gradient.dtype, position.dtype))
        position = position.astype(gradient.dtype)
    if jnp.iscomplexobj(gradient) and not jnp.issubdtype(result, jnp.complexfloating):
        result = gradient.dtype
    dtype = gradient.dtype
    for slot in (gradient, *slots):
        dtype = computing_dtype(dtype, slot.dtype)
    pieces = [parts(value) for value in (gradient, position, *slots)]
    results = []
    for index in range(len(pieces[0])):
        mine, where, *own = (piece[index] for piece in pieces)
        results.append(step.leaf(lines, mine, where, tuple(own), dtype))
    update = whole(tuple(one for one, _ in results), result)
    return update, tuple(
        whole(tuple(slots_[index] for _, slots_ in results), slot.dtype) for index, slot in enumerate(slots)
    )


def _kept(value: Any) -> jax.Array:
    """A number that the step itself changes, of strong type."""
    return jnp.asarray(value, dtype=precision())


def _like(value: Any, old: jax.Array) -> jax.Array:
    return jnp.asarray(value).astype(old.dtype)
