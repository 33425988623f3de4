"""Every rule that optax has too, in float64, to 1e-12 over 1000 steps; and the faults of peers.

NAdam with a momentum schedule, as torch and layda have it by default and optax has not, is held against torch in
tests/rules. Not compared: quasi-hyperbolic and aggregated momentum (optax has neither).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra [jax] is not installed")
optax = pytest.importorskip("optax", reason="the extra [jax] is not installed")

import jax.numpy as jnp  # noqa: E402
import optax.contrib  # noqa: E402, F811

import layda  # noqa: E402
from layda.rules import (  # noqa: E402
    ALL,
    Adam,
    AdamW,
    GradientDescent,
    HeavyBall,
    Lion,
    NAdam,
    Nesterov,
    ScheduleFreeSGD,
    SignMomentum,
)
from layda.schedules import CosineDecay, ExponentialDecay  # noqa: E402
from tests.jax.problems import in_64_bits  # noqa: E402
from tests.same_names import differences, listed  # noqa: E402

STEPS = 1000


def bowl(x: Any) -> Any:
    """Smooth, convex and without chaos, so that rounding does not grow."""
    return (x[0] * x[0] + 10 * x[1] * x[1] + x[0] * x[1]) / 2 + x[0] ** 4 / 8


def paths(*walks: Any) -> list[np.ndarray]:
    """Positions under jit, or what a function makes of state and parameters: all in one compilation.

    Args:
        walks: transformations, or pairs of one and a function of its state and the parameters.
    """
    pairs = [one if isinstance(one, list) else [one, lambda state, params: params] for one in walks]
    begin = jnp.array([1.5, -0.75])

    def step(carry: Any, _: Any) -> Any:
        after, seen = [], []
        for (transform, evaluate), (params, state) in zip(pairs, carry, strict=True):
            updates, moved = transform.update(jax.grad(bowl)(params), state, params)
            params = optax.apply_updates(params, updates)
            after.append((params, moved))
            seen.append(evaluate(moved, params))
        return after, seen

    start = [(begin, transform.init(begin)) for transform, _ in pairs]
    return [np.asarray(one) for one in jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=STEPS)[1])(start)]


PAIRS: dict[str, tuple[Any, Any]] = {
    "sgd": (lambda: GradientDescent(0.05), lambda: optax.sgd(0.05)),
    "momentum": (lambda: HeavyBall(0.02, 0.9, form="step"), lambda: optax.sgd(0.02, momentum=0.9)),
    "nesterov": (lambda: Nesterov(0.02, 0.9), lambda: optax.sgd(0.02, momentum=0.9, nesterov=True)),
    "momentum, decayed rate": (
        lambda: HeavyBall(ExponentialDecay(0.02, 0.999, before_first_step=False), 0.9, form="step"),
        # optax.exponential_decay itself is in float32, whatever jax_enable_x64 says
        lambda: optax.sgd(lambda count: 0.02 * 0.999 ** count.astype(float), momentum=0.9),
    ),
    "average": (
        lambda: HeavyBall(0.2, 0.9, form="average"),
        lambda: optax.chain(optax.ema(0.9, debias=False), optax.scale(-0.2)),
    ),
    "coupled weight decay": (
        lambda: HeavyBall(0.02, 0.9, form="step", weight_decay=0.1),
        lambda: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.02, momentum=0.9)),
    ),
    "adam": (lambda: Adam(0.01), lambda: optax.adam(0.01)),
    "adam, cosine": (
        lambda: Adam(CosineDecay(0.01, 500)),
        lambda: optax.adam(optax.cosine_decay_schedule(0.01, 500)),
    ),
    "adamw": (lambda: AdamW(0.01, weight_decay=0.1), lambda: optax.adamw(0.01, weight_decay=0.1)),
    "lion": (lambda: Lion(0.001), lambda: optax.lion(0.001, weight_decay=0.0)),
    "lion, decayed weights": (
        lambda: Lion(0.001, weight_decay=0.1),
        lambda: optax.lion(0.001, weight_decay=0.1),
    ),
    "nadam": (lambda: NAdam(0.01, momentum_decay=1e4), lambda: optax.nadam(0.01)),
    "sign": (lambda: SignMomentum(0.001, 0.0), lambda: optax.sign_sgd(0.001)),
    "signum": (
        lambda: SignMomentum(0.001, 0.9),
        lambda: optax.chain(optax.ema(0.9, debias=False), optax.scale_by_sign(), optax.scale(-0.001)),
    ),
    "schedule-free": (
        lambda: ScheduleFreeSGD(0.05, 0.9),
        lambda: optax.contrib.schedule_free(optax.sgd(0.05), 0.05, b1=0.9),
    ),
}


@pytest.fixture(scope="module")
def trajectories() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    with in_64_bits():
        ours = paths(*(layda.jax.optimizer(rule()) for rule, _ in PAIRS.values()))
        theirs = paths(*(peer() for _, peer in PAIRS.values()))
    return dict(zip(PAIRS, zip(ours, theirs, strict=True), strict=True))


@pytest.mark.parametrize("pair", PAIRS)
def test_trajectory_is_optax_s(pair: str, trajectories: Any) -> None:
    found, expected = trajectories[pair]
    assert found.dtype == np.float64
    assert np.ptp(found[:, 0]) > 0.1  # they went somewhere
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))


def test_schedule_free_s_answer_is_optax_s() -> None:
    with in_64_bits():
        ours = layda.jax.schedule_free(0.05)
        theirs = optax.contrib.schedule_free(optax.sgd(0.05), 0.05, b1=0.9)
        found, expected = paths(
            [ours, lambda state, params: layda.jax.estimates(ours, params, state)],
            [theirs, optax.contrib.schedule_free_eval_params],
        )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))


def test_optax_s_schedules_are_taken_as_they_are() -> None:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.02, 100, 800)
    with in_64_bits():
        ours = layda.jax.optimizer(HeavyBall(momentum=0.9, form="step"), learning_rate=schedule)
        found, expected = paths(ours, optax.sgd(schedule, momentum=0.9))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.max(np.abs(expected)))


def test_the_table_of_what_differs_from_optax_is_true() -> None:
    """Over every shared name: a new rule with a difference that is not listed fails here."""
    others = {"b1": "beta1", "b2": "beta2", "eps": "epsilon"}
    found = set()
    for rule in ALL:
        name = rule.name.replace("-", "_")
        peer = getattr(optax, name, None) or getattr(optax.contrib, name, None)
        if peer is not None:
            found |= differences(name, getattr(layda.jax, name), peer, others | _CALLED_OTHERWISE.get(name, {}))
    assert {"adam", "adamw", "nadam", "lion", "schedule_free"} <= {row[0] for row in found}
    assert listed(layda.jax.__doc__) == found


_CALLED_OTHERWISE = {"schedule_free": {"b1": "momentum"}}


def test_functions_say_where_optax_has_another_default() -> None:
    for name, argument, here, there in listed(layda.jax.__doc__):
        other, _, default = there.partition("=")
        if "-" not in (here, there) and default not in (here, "required"):
            assert f"optax.{name} is {default}" in " ".join(getattr(layda.jax, name).__doc__.split()), (argument, other)
    assert "optax.nadam has no schedule" in layda.jax.nadam.__doc__
    assert "optax.contrib.schedule_free puts" in layda.jax.schedule_free.__doc__


def test_complex_and_small_parameters_differ_from_optax_as_the_docstring_says() -> None:
    params = jnp.array([3.0 + 4.0j])
    ours, theirs = layda.jax.adam(1.0, epsilon=0.0), optax.adam(1.0, eps=0.0)
    found, _ = ours.update(params, ours.init(params), params)
    expected, _ = theirs.update(params, theirs.init(params), params)
    np.testing.assert_allclose(found, [-1.0 - 1.0j], rtol=1e-5)  # each part divided by its own size
    np.testing.assert_allclose(expected, [-0.6 - 0.8j], rtol=1e-5)
    small = jnp.ones(2, jnp.bfloat16)
    assert ours.init(small).slots["mean"].dtype == jnp.float32
    assert theirs.init(small)[0].mu.dtype == jnp.bfloat16


def test_hyperparameters_keep_their_precision_beside_bfloat16() -> None:
    params = jnp.ones(3, jnp.bfloat16)
    transform = layda.jax.heavy_ball(0.0, momentum=0.9)
    state = transform.init(params)
    state = state._replace(slots={"velocity": jnp.full(3, 1.0, jnp.float32)})
    _, state = jax.jit(transform.update)(jnp.zeros_like(params), state, params)
    assert state.hyperparams["momentum"].dtype == jnp.float32
    assert float(state.hyperparams["momentum"]) == float(np.float32(0.9))
    assert state.slots["velocity"].tolist() == [float(np.float32(0.9))] * 3

    peer = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9).init(params)
    assert float(peer.hyperparams["momentum"]) == 0.8984375  # optax#1414; once this fails, optax has mended it


def test_hyperparameters_are_float64_where_jax_has_it() -> None:
    with in_64_bits():
        params = jnp.ones(3, jnp.float32)
        transform = layda.jax.adam(1e-3)
        _, state = jax.jit(transform.update)(params, transform.init(params), params)
        assert float(state.hyperparams["beta2"]) == 0.999
        assert float(state.shared["beta2_power"]) == 0.999
        assert state.slots["mean"].dtype == jnp.float32
