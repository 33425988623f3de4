"""What optax promises of its own optimizers (its ``_src/alias_test.py``), for every rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra [jax] is not installed")
optax = pytest.importorskip("optax", reason="the extra [jax] is not installed")

import jax.numpy as jnp  # noqa: E402

import layda  # noqa: E402
from layda.rules import ALL  # noqa: E402
from tests.cases import RULES  # noqa: E402
from tests.jax.problems import TUNED, every_rule, identity, in_64_bits, parabola, rosenbrock, together  # noqa: E402

WAYS = {"eager": lambda function: function, "jit": jax.jit}
DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")


def named(rule: Any) -> Any:
    return getattr(layda.jax, rule.name.replace("-", "_"))


PROBLEMS = {
    f"{problem.__name__} {dtype}": problem(jnp.dtype(dtype))
    for problem in (parabola, rosenbrock)
    for dtype in ("float32", "complex64")
}
"""Both problems, real and complex: four leaves of one tree."""


@pytest.fixture(scope="module")
def minimised() -> list[tuple[Any, Any]]:
    """For every rule the parameters and the state after 40,000 steps on the problems; all in one compilation."""
    transforms = [layda.jax.optimizer(rule) for rule in TUNED]
    start = {name: begin for name, (begin, _, _) in PROBLEMS.items()}

    def total(params: Any) -> Any:
        return sum(function(params[name]) for name, (_, _, function) in PROBLEMS.items())

    def step(carry: Any, _: Any) -> Any:
        after = []
        for transform, (params, state) in zip(transforms, carry, strict=True):
            gradients = jax.tree.map(jnp.conj, jax.grad(total)(params))  # as optax asks for with complex parameters
            updates, moved = transform.update(gradients, state, params)
            after.append((optax.apply_updates(params, updates), moved))
        return after, None

    states = [optax.tree_utils.tree_map_params(one, lambda value: value, one.init(start)) for one in transforms]
    carry = [(start, state) for state in states]
    return jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=40_000)[0])(carry)


@every_rule
def test_optimization_reaches_the_minimum(index: int, minimised: Any) -> None:
    params, state = minimised[index]
    answers = layda.jax.estimates(TUNED[index], params, state)
    for name, (_, final, _) in PROBLEMS.items():
        np.testing.assert_allclose(params[name], final, rtol=3e-2, atol=3e-2, err_msg=name)
        np.testing.assert_allclose(answers[name], final, rtol=3e-2, atol=3e-2, err_msg=name)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_map_params_touches_the_slots_and_nothing_else(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    state = transform.init({"a": jnp.ones(3), "b": jnp.zeros(())})
    marked = optax.tree_utils.tree_map_params(transform, lambda _: "slot", state, transform_non_params=lambda _: "rest")
    assert all(value == "slot" for value in jax.tree.leaves(marked.slots))
    assert all(value == "rest" for value in jax.tree.leaves(marked._replace(slots={})))
    assert jax.tree.structure(marked) == jax.tree.structure(state)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_unexpected_extra_arguments_are_ignored(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    params = jnp.array([1.0, 2.0])
    plain, _ = transform.update(params, transform.init(params), params)
    extra, _ = transform.update(params, transform.init(params), params, value=1.0, unexpected=1)
    np.testing.assert_array_equal(plain, extra)
    assert isinstance(transform, optax.GradientTransformationExtraArgs)


@pytest.fixture(scope="module", params=WAYS)
def injected(request: pytest.FixtureRequest) -> list[Any]:
    """For every rule updates and state of the plain function and of the wrapped one; under jit in one compilation."""
    pairs = []
    for rule in ALL:
        constants = ("momentum_decay",) if rule.name == "nadam" else ()
        pairs.append((named(rule)(), optax.inject_hyperparams(named(rule), static_args=constants)()))

    def all_of_them(gradients: Any, params: Any) -> Any:
        return [[one.update(gradients, one.init(params), params) for one in pair] for pair in pairs]

    params = [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    gradients = [jnp.ones((2, 3)), -jnp.ones((2, 5, 2))]
    return WAYS[request.param](all_of_them)(gradients, params)


@pytest.mark.parametrize("index", range(len(ALL)), ids=lambda index: ALL[index].name)
def test_functions_can_be_wrapped_in_inject_hyperparams(index: int, injected: Any) -> None:
    (updates, state), (updates_inside, state_inside) = injected[index]
    # Inside, a compiled step has a weight decay whose value it does not know; a decoupled one makes the update the
    # difference of two positions, right to the last place of the parameters, which are 1.
    place = float(jnp.finfo(jnp.float32).eps) / 2 if ALL[index]().decoupled else 0.0
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=place), updates_inside, updates)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), state_inside.inner_state, state)


@pytest.mark.parametrize("way", WAYS)
def test_what_inject_hyperparams_holds_is_what_counts(way: str) -> None:
    wrapped = optax.inject_hyperparams(layda.jax.heavy_ball)(learning_rate=0.5, weight_decay=0.0)
    params = jnp.array([1.0])
    state = WAYS[way](wrapped.init)(params)
    state.hyperparams["learning_rate"] = jnp.asarray(0.25)
    state.hyperparams["weight_decay"] = jnp.asarray(1.0)
    updates, state = jax.jit(wrapped.update)(params, state, params)
    assert updates.tolist() == [-0.5]  # −α(g + λx)
    assert float(state.inner_state.hyperparams["learning_rate"]) == 0.25


def of_all_dtypes() -> dict[str, Any]:
    return {dtype: jnp.array([1.0, 2.0], dtype) for dtype in DTYPES}


@pytest.mark.parametrize("state_dtype", ["bfloat16", "float16", "float64", None])
@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_explicit_state_dtype(rule: Any, state_dtype: str | None) -> None:
    with in_64_bits():
        transform, params = layda.jax.optimizer(rule, state_dtype=state_dtype), of_all_dtypes()
        state = transform.init(params)
        _, after = jax.eval_shape(transform.update, params, state, params)
        for tree in (*state.slots.values(), *after.slots.values()):
            for dtype, slot in tree.items():
                expected = jnp.promote_types(dtype, jnp.float32) if state_dtype is None else jnp.dtype(state_dtype)
                if dtype.startswith("complex"):
                    expected = jnp.promote_types(expected, jnp.complex64)
                assert slot.dtype == expected


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_updates_keep_the_gradients_dtype(rule: Any) -> None:
    with in_64_bits():
        transform, params = layda.jax.optimizer(rule), of_all_dtypes()
        eager, _ = transform.update(params, transform.init(params), params)
        compiled, _ = jax.eval_shape(transform.update, params, transform.init(params), params)
        for updates in (eager, compiled):
            assert {name: one.dtype for name, one in updates.items()} == {name: jnp.dtype(name) for name in params}


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_shapes_and_dtypes_of_the_state_are_stable(rule: Any) -> None:
    """``lax.cond`` refuses two states that differ in any shape, dtype or sharding."""
    with in_64_bits():
        transform, params = layda.jax.optimizer(rule), of_all_dtypes()

        def step(params: Any, state: Any) -> Any:
            moved = jax.random.randint(jax.random.key(0), (), 0, 2) == 0
            updates, after = jax.lax.cond(
                moved, lambda: transform.update(params, state, params), lambda: (params, state)
            )
            return optax.apply_updates(params, updates), after

        state = transform.init(params)
        kinds = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves((params, state))]
        for _ in range(2):
            params, state = jax.eval_shape(step, params, state)
            assert [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves((params, state))] == kinds


@pytest.fixture(scope="module")
def accumulated() -> list[tuple[list[Any], Any]]:
    """For every rule the updates of four steps of ``optax.MultiSteps``, and the plain step; all in one compilation."""
    singles = [layda.jax.optimizer(rule) for rule in RULES]
    several = [optax.MultiSteps(single, every_k_schedule=4) for single in singles]
    params = {dtype: jnp.array([1.0, 2.0], dtype) for dtype in ("bfloat16", "float32")}
    # MultiSteps makes weak types strong in its first step; strong ones at once save compiling all of it again.
    states = jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), [one.init(params) for one in several])
    update, updates = together(several), []
    for _ in range(4):
        found, states = update(params, states, params)
        updates.append(found)
    plain, _ = together(singles)(params, [single.init(params) for single in singles], params)
    return [([step[index] for step in updates], plain[index]) for index in range(len(RULES))]


@every_rule
def test_gradient_accumulation(index: int, accumulated: Any) -> None:
    """``optax.MultiSteps``: nothing for three steps, then the step of the mean gradient."""
    (*before, last), expected = accumulated[index]
    assert len(before) == 3
    for updates in before:
        assert all(not np.any(one) and one.dtype == dtype for dtype, one in updates.items())
    for dtype, one in last.items():
        assert one.dtype == jnp.dtype(dtype)
        assert np.all(np.asarray(one) < 0)
        np.testing.assert_allclose(one.astype(float), expected[dtype].astype(float), rtol=1e-2)
