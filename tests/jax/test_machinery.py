"""What JAX and optax do with a transformation: compile, map, scan, donate, shard, chain, mask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra [jax] is not installed")
optax = pytest.importorskip("optax", reason="the extra [jax] is not installed")

import jax.numpy as jnp  # noqa: E402

import layda  # noqa: E402
from layda.rules import Adam, AdamW, HeavyBall, ScheduleFreeSGD  # noqa: E402
from layda.schedules import ExponentialDecay  # noqa: E402
from tests.cases import RULES  # noqa: E402
from tests.jax.problems import every_rule, identity, in_64_bits, together  # noqa: E402


def tree() -> dict[str, Any]:
    """0-dimensional, empty, missing and nested leaves."""
    return {
        "scalar": jnp.asarray(2.0),
        "empty": jnp.zeros((0, 3)),
        "none": None,
        "nested": [jnp.arange(1.0, 7.0).reshape(2, 3), (jnp.array([-1.0]),)],
    }


def stepped(transform: Any, params: Any, state: Any) -> Any:
    """One step on half the sum of squares, whose gradient is the parameters."""
    updates, state = transform.update(params, state, params)
    return optax.apply_updates(params, updates), state


def assert_close(found: Any, expected: Any, tolerance: float = 1e-6) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), found, expected)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_every_kind_of_leaf(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    params, state = tree(), transform.init(tree())
    for _ in range(3):
        params, state = stepped(transform, params, state)
    assert jax.tree.structure(params) == jax.tree.structure(tree())
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [leaf.shape for leaf in jax.tree.leaves(tree())]
    assert float(params["scalar"]) < 2.0
    assert params["nested"][1][0][0] > -1.0
    assert int(state.count) == 3
    answer = layda.jax.estimates(transform, params, state)
    assert jax.tree.structure(answer) == jax.tree.structure(params)


@pytest.mark.parametrize("nothing", [{}, [], (), None])
@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_empty_trees(rule: Any, nothing: Any) -> None:
    transform = layda.jax.optimizer(rule)
    updates, state = transform.update(nothing, transform.init(nothing), nothing)
    assert jax.tree.leaves(updates) == []
    assert int(state.count) == 1


def test_a_missing_gradient_leaves_its_slots_alone() -> None:
    transform = layda.jax.heavy_ball(0.1)
    params = {"a": jnp.ones(2), "b": jnp.ones(2)}
    _, before = transform.update(params, transform.init(params), params)
    updates, state = transform.update({"a": jnp.ones(2), "b": None}, before, params)
    assert updates["b"] is None
    np.testing.assert_array_equal(state.slots["velocity"]["b"], before.slots["velocity"]["b"])
    assert jnp.all(state.slots["velocity"]["a"] != before.slots["velocity"]["a"])


@pytest.fixture(scope="module")
def scanned() -> list[Any]:
    """For every rule five steps in ``lax.scan``."""
    transforms = [layda.jax.optimizer(rule) for rule in RULES]
    start = [(tree(), one.init(tree())) for one in transforms]

    def step(carry: Any, _: Any) -> Any:
        return [stepped(one, *own) for one, own in zip(transforms, carry, strict=True)], None

    return jax.lax.scan(step, start, None, length=5)[0]


@every_rule
def test_scan_and_jit_are_the_eager_steps(index: int, scanned: Any) -> None:
    transform = layda.jax.optimizer(RULES[index])
    eager = (tree(), transform.init(tree()))
    for _ in range(5):
        eager = stepped(transform, *eager)
    assert_close(scanned[index], eager)


def rated(rule: Any, rate: Any, params: Any) -> Any:
    """Three steps at a rate that is put into the state."""
    transform = layda.jax.optimizer(rule)
    state = transform.init(params)
    state.hyperparams[next(name for name in state.hyperparams if name.startswith("learning_rate"))] = rate
    for _ in range(3):
        params, state = stepped(transform, params, state)
    return params


RATES, STARTS = np.array([0.01, 0.05], np.float32), np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


@pytest.fixture(scope="module")
def mapped() -> list[Any]:
    """For every rule the ends of ``vmap`` over rates and starts."""
    return jax.jit(jax.vmap(lambda rate, start: [rated(rule, rate, start) for rule in RULES]))(RATES, STARTS)


@every_rule
def test_vmap_over_parameters_and_rates(index: int, mapped: Any) -> None:
    for lane in range(2):
        alone = rated(RULES[index], jnp.asarray(RATES[lane]), jnp.asarray(STARTS[lane]))
        np.testing.assert_allclose(mapped[index][lane], alone, rtol=1e-6)


@pytest.fixture(scope="module")
def donated() -> dict[str, list[Any]]:
    """For every rule, with states made eagerly and under jit, three steps that take their arguments' memory."""
    transforms = [layda.jax.optimizer(rule) for rule in RULES]

    def init(starts: list[Any]) -> list[Any]:
        return [(start, one.init(start)) for one, start in zip(transforms, starts, strict=True)]

    def step(carried: list[Any]) -> list[Any]:
        return [stepped(one, *own) for one, own in zip(transforms, carried, strict=True)]

    found, compiled = {}, jax.jit(step, donate_argnums=0)
    for made, how in {"eager": init, "jit": jax.jit(init)}.items():
        carried = how([jax.tree.map(jnp.array, FOUR) for _ in transforms])
        places = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(carried)]
        assert len(set(places)) == len(places)  # no buffer belongs to two leaves
        for _ in range(3):
            old = [params for params, _ in carried]
            carried = compiled(carried)
            assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old))
        found[made] = carried
    return found


FOUR = {"a": np.arange(1.0, 5.0, dtype=np.float32), "b": np.arange(1.0, 5.0, dtype=np.float32)}


@every_rule
def test_parameters_and_state_can_be_donated(index: int, donated: Any) -> None:
    transform = layda.jax.optimizer(RULES[index])
    expected = (FOUR, transform.init(FOUR))
    for _ in range(3):
        expected = stepped(transform, *expected)
    for carried in donated.values():
        assert_close(carried[index], expected)


def test_a_changed_hyperparameter_compiles_nothing_anew() -> None:
    traced = []
    transform = layda.jax.optimizer(HeavyBall(ExponentialDecay(0.5, 0.9), 0.9))

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        traced.append(1)
        return stepped(transform, params, state)

    params = jnp.ones(3)
    params, state = step(params, transform.init(params))
    for momentum in (0.8, jnp.asarray(0.7), 0.0, 0.5):
        state.hyperparams["momentum"] = momentum
        state.hyperparams["learning_rate.decay"] = 0.5
        params, state = step(params, state)
        assert float(state.hyperparams["momentum"]) == pytest.approx(float(momentum))
    assert len(traced) == 1
    state = optax.tree_utils.tree_set(state, momentum=jnp.float32(0.25))  # an array of strong type: once
    params, state = step(params, state)
    state = optax.tree_utils.tree_set(state, momentum=np.float32(0.75))
    params, state = step(params, state)
    assert len(traced) <= 2


def test_a_changed_hyperparameter_counts() -> None:
    transform = layda.jax.gradient_descent(0.5)
    params = jnp.array([1.0])
    state = transform.init(params)
    state.hyperparams["learning_rate"] = 0.25
    updates, state = transform.update(params, state)
    assert updates.tolist() == [-0.25]
    assert float(optax.tree_utils.tree_get(state, "learning_rate")) == 0.25


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_inside_chain(rule: Any) -> None:
    plain, chained = layda.jax.optimizer(rule), optax.chain(optax.clip(1.0), layda.jax.optimizer(rule))
    params = jnp.array([0.5, -0.25])
    updates, _ = plain.update(params, plain.init(params), params)
    found, state = chained.update(params, chained.init(params), params, value=1.0)
    np.testing.assert_array_equal(found, updates)
    np.testing.assert_array_equal(layda.jax.estimates(rule, params, state), layda.jax.estimates(rule, params, state[1]))


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_inside_multi_transform_and_masked(rule: Any) -> None:
    params = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([3.0])}
    plain = layda.jax.optimizer(rule)
    expected, _ = plain.update({"a": params["a"]}, plain.init({"a": params["a"]}), {"a": params["a"]})

    several = optax.multi_transform({"ours": plain, "still": optax.set_to_zero()}, {"a": "ours", "b": "still"})
    masked = optax.masked(plain, {"a": True, "b": False})
    compiled = jax.jit(lambda params: [one.update(params, one.init(params), params) for one in (several, masked)])
    (updates, _), (masked_updates, state) = compiled(params)
    np.testing.assert_allclose(updates["a"], expected["a"], rtol=1e-6)
    assert updates["b"].tolist() == [0.0]

    updates = masked_updates
    np.testing.assert_allclose(updates["a"], expected["a"], rtol=1e-6)
    np.testing.assert_array_equal(updates["b"], params["b"])
    assert layda.jax.estimates(plain, params, state)["b"].tolist() == [3.0]


@pytest.fixture(scope="module")
def careful() -> list[tuple[Any, ...]]:
    """For every rule: the state before and after a gradient with NaN, its update, and that of the step after it."""
    transforms = [optax.apply_if_finite(layda.jax.optimizer(rule), max_consecutive_errors=5) for rule in RULES]
    update, params = together(transforms), jnp.array([1.0, 2.0])
    _, before = update(params, [one.init(params) for one in transforms], params)
    nothing, after = update(jnp.array([1.0, jnp.nan]), before, params)
    something, _ = update(params, after, params)
    return list(zip(before, after, nothing, something, strict=True))


@every_rule
def test_apply_if_finite_skips_a_step_whole(index: int, careful: Any) -> None:
    before, after, nothing, something = careful[index]
    assert nothing.tolist() == [0.0, 0.0]
    assert_close(after.inner_state, before.inner_state, 0.0)
    assert np.all(np.isfinite(something))
    assert np.all(np.asarray(something) != 0)


def test_complex_parts_are_coordinates_of_their_own() -> None:
    for rule in RULES:
        transform = layda.jax.optimizer(rule)
        apart = jnp.array([[1.0, -2.0], [0.5, 3.0]])
        joint = apart[0] + 1j * apart[1]
        state, other = transform.init(apart), transform.init(joint)
        for _ in range(3):
            apart, state = stepped(transform, apart, state)
            joint, other = stepped(transform, joint, other)
        np.testing.assert_array_equal(joint, apart[0] + 1j * apart[1])


def test_bfloat16_parameters_move_as_float32_ones_rounded_at_the_end() -> None:
    """Five steps from the same gradients: the slots are the float32 run's own."""
    for rule in (HeavyBall(0.1), Adam(0.1), HeavyBall(0.1, 0.9, form="average")):
        transform = layda.jax.optimizer(rule)
        small, large = jnp.ones(3, jnp.bfloat16), jnp.ones(3, jnp.float32)
        state, other = transform.init(small), transform.init(large)
        for step in range(5):
            gradient = jnp.full(3, 0.1 * step - 0.3, jnp.bfloat16)
            updates, state = transform.update(gradient, state, small)
            expected, other = transform.update(gradient.astype(jnp.float32), other, large)
            np.testing.assert_array_equal(updates, expected.astype(jnp.bfloat16))
            assert_close(state.slots, other.slots, 0.0)


SHARDED = """
import jax, jax.numpy as jnp, numpy as np, optax, layda
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tests.cases import RULES

devices = jax.devices()
assert len(devices) == 2, devices
mesh = Mesh(np.array(devices), ("data",))
split = NamedSharding(mesh, PartitionSpec("data"))
transforms = [layda.jax.optimizer(rule) for rule in RULES]
start = np.arange(1.0, 9.0, dtype=np.float32)

def step(params, states):  # of every rule, in one compilation
    found = [one.update(x, state, x) for one, state, x in zip(transforms, states, params)]
    return [optax.apply_updates(x, update) for x, (update, _) in zip(params, found)], [state for _, state in found]

def init(params):
    return [one.init(x) for one, x in zip(transforms, params)]

alone = [jnp.asarray(start) for _ in RULES]
carried, run = init(alone), jax.jit(step)
for _ in range(3):
    alone, carried = run(alone, carried)
run = jax.jit(step, donate_argnums=(0, 1))
for made in (init, jax.jit(init)):
    params = [jax.device_put(start, split) for _ in RULES]
    states = made(params)
    for index in range(4):
        for rule, x, state in zip(RULES, params, states):
            for leaf in (x, *jax.tree.leaves(state.slots)):
                assert leaf.sharding.is_equivalent_to(split, 1), (str(rule), index, leaf.sharding)
        if index < 3:
            params, states = run(params, states)
    for rule, x, state, expected, other in zip(RULES, params, states, alone, carried):
        np.testing.assert_array_equal(x, expected, err_msg=str(rule))
        jax.tree.map(np.testing.assert_array_equal, state, other)
print("equal")
"""


def test_slots_lie_where_the_parameters_lie() -> None:
    """Two devices: slots are split as the parameters are, and nothing else about the run changes."""
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")]),
    }
    done = subprocess.run(  # noqa: S603  # our own text above
        [sys.executable, "-c", SHARDED], env=environment, cwd=root, capture_output=True, text=True
    )
    assert done.stdout.strip() == "equal", done.stderr


def test_what_needs_params_says_so() -> None:
    gradient = jnp.ones(2)
    for rule, words in (
        (HeavyBall(weight_decay=0.1), "depends on x"),
        (AdamW(), "no x ← x − w"),
        (ScheduleFreeSGD(), "no x ← x − w"),
    ):
        transform = layda.jax.optimizer(rule)
        with pytest.raises(layda.errors.SettingError, match=words):
            transform.update(gradient, transform.init(gradient))
    for rule in (HeavyBall(), Adam(), *(rule for rule in RULES if rule.name == "nesterov")):
        transform = layda.jax.optimizer(rule)
        without, _ = transform.update(gradient, transform.init(gradient))
        having, _ = transform.update(gradient, transform.init(gradient), gradient)
        np.testing.assert_array_equal(without, having)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, Any]]:
    """For every rule three steps, then three more: straight on, and from a file."""
    transforms = [layda.jax.optimizer(rule) for rule in RULES]
    path = tmp_path_factory.mktemp("saved") / "kept.npz"

    @jax.jit
    def step(carried: Any) -> Any:
        return [stepped(one, params, state) for one, (params, state) in zip(transforms, carried, strict=True)]

    start = jnp.array([1.0, -2.0])
    carried = [(start, one.init(start)) for one in transforms]
    for _ in range(3):
        carried = step(carried)
    leaves, structure = jax.tree.flatten(carried)
    np.savez(path, *leaves)
    with np.load(path) as kept:
        again = jax.tree.unflatten(structure, [kept[f"arr_{index}"] for index in range(len(leaves))])
    for _ in range(3):
        carried, again = step(carried), step(again)
    return list(zip(again, carried, strict=True))


@every_rule
def test_a_saved_state_continues_bit_for_bit(index: int, saved: Any) -> None:
    again, straight = saved[index]
    assert int(straight[1].count) == 6
    assert_close(again, straight, 0.0)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_steps_are_differentiable_by_start_and_rate(rule: Any) -> None:
    """As meta-learning needs it; compared with differences, which a sign's jumps do not disturb."""
    with in_64_bits():
        transform = layda.jax.optimizer(rule)
        name = next(name for name in transform.init(jnp.zeros(2)).hyperparams if name.startswith("learning_rate"))

        def end(start: Any, rate: Any) -> Any:
            params, state = start, transform.init(start)
            state.hyperparams[name] = rate
            for _ in range(2):
                params, state = stepped(transform, params, state)
            return jnp.sum(params**2)

        start, rate, small = jnp.array([1.0, -2.0]), 0.01, 1e-6
        by_start, by_rate = jax.jit(jax.grad(end, argnums=(0, 1)))(start, rate)
        first = jnp.array([small, 0.0])
        expected = (end(start + first, rate) - end(start - first, rate)) / (2 * small)
        assert float(by_start[0]) == pytest.approx(float(expected), rel=1e-5)
        expected = (end(start, rate + small) - end(start, rate - small)) / (2 * small)
        assert float(by_rate) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_the_state_s_shape_is_known_without_computing(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    outline = jax.eval_shape(transform.init, {"a": jax.ShapeDtypeStruct((2, 3), jnp.bfloat16)})
    state = transform.init({"a": jnp.zeros((2, 3), jnp.bfloat16)})
    assert jax.tree.structure(outline) == jax.tree.structure(state)
    assert [(one.shape, one.dtype) for one in jax.tree.leaves(outline)] == [
        (one.shape, one.dtype) for one in jax.tree.leaves(state)
    ]
