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
from tests.jax.problems import TUNED, identity, in_64_bits, parabola, rosenbrock  # noqa: E402

WAYS = {"eager": lambda function: function, "jit": jax.jit}
DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")


def named(rule: Any) -> Any:
    return getattr(layda.jax, rule.name.replace("-", "_"))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("problem", [parabola, rosenbrock])
@pytest.mark.parametrize("rule", TUNED, ids=identity)
def test_optimization_reaches_the_minimum(rule: Any, problem: Any, dtype: str) -> None:
    transform = layda.jax.optimizer(rule)
    params, final, function = problem(jnp.dtype(dtype))

    def step(carry: Any, _: Any) -> Any:
        params, state = carry
        gradients = jax.grad(function)(params).conj()  # as optax asks for with complex parameters
        updates, state = transform.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), None

    state = optax.tree_utils.tree_map_params(transform, lambda value: value, transform.init(params))
    params, state = jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=40_000)[0])((params, state))
    np.testing.assert_allclose(params, final, rtol=3e-2, atol=3e-2)
    np.testing.assert_allclose(layda.jax.estimates(transform, params, state), final, rtol=3e-2, atol=3e-2)


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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_functions_can_be_wrapped_in_inject_hyperparams(rule: Any, way: str) -> None:
    make = named(rule)
    constants = ("momentum_decay",) if rule.name == "nadam" else ()
    plain, wrapped = make(), optax.inject_hyperparams(make, static_args=constants)()
    params = [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    gradients = [jnp.ones((2, 3)), -jnp.ones((2, 5, 2))]
    run = WAYS[way]
    updates, state = run(plain.update)(gradients, run(plain.init)(params), params)
    updates_inside, state_inside = run(wrapped.update)(gradients, run(wrapped.init)(params), params)
    # Inside, a compiled step has a weight decay whose value it does not know; a decoupled one makes the update the
    # difference of two positions, right to the last place of the parameters, which are 1.
    place = float(jnp.finfo(jnp.float32).eps) / 2 if rule().decoupled else 0.0
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


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_gradient_accumulation(rule: Any) -> None:
    """``optax.MultiSteps``: nothing for three steps, then the step of the mean gradient."""
    several = optax.MultiSteps(layda.jax.optimizer(rule), every_k_schedule=4)
    params = {dtype: jnp.array([1.0, 2.0], dtype) for dtype in ("bfloat16", "float32")}
    state, update = several.init(params), jax.jit(several.update)
    for _ in range(3):
        updates, state = update(params, state, params)
        assert all(not jnp.any(one) and one.dtype == dtype for dtype, one in updates.items())
    updates, state = update(params, state, params)
    single = layda.jax.optimizer(rule)
    expected, _ = jax.jit(single.update)(params, single.init(params), params)
    for dtype, one in updates.items():
        assert one.dtype == jnp.dtype(dtype)
        assert bool(jnp.all(one < 0))
        np.testing.assert_allclose(one.astype(float), expected[dtype].astype(float), rtol=1e-2)
