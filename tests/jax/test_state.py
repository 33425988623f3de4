"""What a state holds: hyperparameters changed by hand, what is refused about them, and whose state it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra [jax] is not installed")
optax = pytest.importorskip("optax", reason="the extra [jax] is not installed")

import jax.numpy as jnp  # noqa: E402

import layda  # noqa: E402
from layda.errors import SettingError  # noqa: E402
from layda.rules import HeavyBall, NAdam, Nesterov, ScheduleFreeSGD  # noqa: E402
from layda.schedules import ExponentialDecay  # noqa: E402
from tests.cases import RULES  # noqa: E402
from tests.jax.problems import every_rule, identity, in_64_bits  # noqa: E402

ONES = jnp.ones(2)


def both_ways(transform: Any, state: Any) -> Any:
    """Eager and while a step is compiled: what is known without values is refused in both."""
    yield lambda: transform.update(ONES, state, ONES)
    yield lambda: jax.jit(transform.update)(ONES, state, ONES)


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (
            lambda: layda.jax.heavy_ball(),
            "learning_rte",
            r"did you mean learning_rate\?.*allowed are learning_rate, mom",
        ),
        (lambda: layda.jax.heavy_ball(), "zzz", "known: learning_rate, momentum"),
        (lambda: layda.jax.heavy_ball(), "weight_decay", "made without weight decay"),
        (lambda: layda.jax.heavy_ball(), "form", "for which the step is compiled"),
        (lambda: layda.jax.nadam(), "momentum_decay", "for which the step is compiled"),
        (lambda: layda.jax.heavy_ball(lambda count: 0.1), "learning_rate", "a function of the step count gives"),
        (lambda: layda.jax.heavy_ball(ExponentialDecay(0.5, 0.9)), "learning_rate", "follows Exp.*learning_rate.decay"),
    ],
)
def test_a_name_that_nothing_would_read_is_refused(make: Any, name: str, words: str) -> None:
    transform = make()
    state = transform.init(ONES)
    state.hyperparams[name] = 0.1
    for way in both_ways(transform, state):
        with pytest.raises(SettingError, match=words):
            way()
    with pytest.raises(SettingError, match=words):
        layda.jax.with_hyperparams(transform, transform.init(ONES), {name: 0.1})
    with pytest.raises(SettingError, match=words):
        layda.jax.estimates(transform, ONES, state)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_a_missing_hyperparameter_is_named(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    state = transform.init(ONES)
    name = next(iter(state.hyperparams))
    del state.hyperparams[name]
    for way in both_ways(transform, state):
        with pytest.raises(SettingError, match=f"hold no '{name}'; allowed are all of"):
            way()


@pytest.mark.parametrize("wrong", [-5.0, float("nan"), float("inf"), jnp.asarray(-5.0), np.float32(np.nan)])
@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_wrong_values_are_refused_where_they_are_known(rule: Any, wrong: Any) -> None:
    transform = layda.jax.optimizer(rule)
    for name in transform.init(ONES).hyperparams:
        state = transform.init(ONES)
        state.hyperparams[name] = wrong
        with pytest.raises(SettingError, match=r"in the state's hyperparams: .* allowed is"):
            transform.update(ONES, state, ONES)
        with pytest.raises(SettingError, match=r"in the state's hyperparams: .* allowed is"):
            layda.jax.with_hyperparams(transform, transform.init(ONES), {name: wrong})


@pytest.mark.parametrize("wrong", ["fast", None, True, jnp.ones(2), np.ones(1), jnp.asarray(1j)])
def test_what_is_no_number_is_refused(wrong: Any) -> None:
    transform = layda.jax.heavy_ball()
    state = transform.init(ONES)
    state.hyperparams["momentum"] = wrong
    with pytest.raises(SettingError, match="as 'momentum'; allowed is one real number"):
        transform.update(ONES, state, ONES)


def test_shapes_are_refused_inside_jit_too_and_values_are_not_known_there() -> None:
    transform = layda.jax.heavy_ball()
    state = transform.init(ONES)
    state.hyperparams["momentum"] = jnp.ones(2)
    with pytest.raises(SettingError, match=r"an array of shape \(2,\)"):
        jax.jit(transform.update)(ONES, state, ONES)
    state.hyperparams["momentum"] = jnp.asarray(1.5)
    updates, _ = jax.jit(transform.update)(ONES, state, ONES)  # documented: with_hyperparams is there to ask first
    assert bool(jnp.all(jnp.isfinite(updates)))


@pytest.fixture(scope="module")
def changed() -> list[tuple[Any, Any, Any]]:
    """For every rule in a chain: its state before, and updates and states after a change by function and by hand."""
    transforms = [layda.jax.optimizer(rule) for rule in RULES]
    chains, traced = [optax.chain(optax.identity(), one) for one in transforms], []

    @jax.jit
    def update(states: Any) -> Any:
        traced.append(1)
        return [one.update(ONES, state, ONES) for one, state in zip(chains, states, strict=True)]

    before, by_function, by_hand = ([one.init(ONES) for one in chains] for _ in range(3))
    update(before)
    for index, (_, state) in enumerate(by_hand):
        values = {name: float(value) / 2 for name, value in state.hyperparams.items() if not name.endswith("every")}
        by_function[index] = layda.jax.with_hyperparams(transforms[index], by_function[index], values)
        state.hyperparams.update(values)
    found = list(zip(before, update(by_function), update(by_hand), strict=True))
    assert len(traced) == 1  # nothing is compiled anew, by hand or by the function
    return found


@every_rule
def test_hyperparameters_set_through_the_function_are_those_set_by_hand(index: int, changed: Any) -> None:
    (_, before), by_function, by_hand = changed[index]
    jax.tree.map(np.testing.assert_array_equal, by_function, by_hand)
    for name, value in before.hyperparams.items():
        share = 1.0 if name.endswith("every") else 0.5
        assert float(by_function[1][1].hyperparams[name]) == share * float(value)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_the_state_handed_over_stays_as_it_was(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    state = transform.init(ONES)
    name, value = next(iter(state.hyperparams.items()))
    layda.jax.with_hyperparams(transform, state, {name: 0.5 * float(value)})
    assert state.hyperparams[name] is value


def test_settings_show_what_the_next_step_takes() -> None:
    """By layda's schedules, by optax's (as inject_hyperparams shows them one step later), and under jit."""
    with in_64_bits():
        schedule = optax.piecewise_constant_schedule(0.5, {2: 0.1, 3: 0.5})
        ours = layda.jax.heavy_ball(schedule, ExponentialDecay(0.9, 0.5, before_first_step=False))
        theirs = optax.inject_hyperparams(optax.sgd)(schedule)
        state, other = ours.init(ONES), theirs.init(ONES)
        for step in range(5):
            found = layda.jax.settings(ours, state)
            assert set(found) == {"learning_rate", "momentum"}
            compiled = jax.jit(lambda state: layda.jax.settings(ours, state))(state)
            jax.tree.map(np.testing.assert_array_equal, compiled, found)
            assert float(found["momentum"]) == pytest.approx(0.9 * 0.5**step)
            _, state = ours.update(ONES, state, ONES)
            _, other = theirs.update(ONES, other, ONES)
            assert float(found["learning_rate"]) == pytest.approx(float(other.hyperparams["learning_rate"]))


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_settings_of_every_rule(rule: Any) -> None:
    transform = layda.jax.optimizer(rule)
    found = layda.jax.settings(transform, (transform.init(ONES), optax.EmptyState()))
    assert ("weight_decay" in found) == rule.decays_weights
    for name, value in found.items():
        own = getattr(rule, name)
        if isinstance(own, float | tuple):
            np.testing.assert_allclose(value, own, rtol=1e-6)


def test_a_state_of_another_rule_is_refused() -> None:
    """Nesterov's and the heavy ball's have the same entries, so their names must tell them apart."""
    ball, nesterov = layda.jax.heavy_ball(), layda.jax.nesterov()
    state = ball.init(ONES)
    for ask in (
        lambda: layda.jax.estimates(nesterov, ONES, state),
        lambda: layda.jax.estimates(Nesterov(), ONES, (optax.EmptyState(), state)),
        lambda: layda.jax.estimates(NAdam(), ONES, state),
        lambda: layda.jax.settings(nesterov, state),
        lambda: layda.jax.with_hyperparams(nesterov, state, {}),
        lambda: nesterov.update(ONES, state, ONES),
        lambda: jax.jit(nesterov.update)(ONES, state, ONES),
        lambda: layda.jax.heavy_ball(ExponentialDecay(0.5, 0.9)).update(ONES, state, ONES),
    ):
        with pytest.raises(SettingError, match=r"a state of heavy-ball with velocity, .*; allowed is .*; (hand|call)"):
            ask()
    with pytest.raises(SettingError, match="a tuple; allowed is one that the init"):
        nesterov.update(ONES, (), ONES)
    with pytest.raises(SettingError, match="inside a tuple was found: no state of layda's; allowed is"):
        layda.jax.estimates(HeavyBall(), ONES, ())


def test_the_chain_itself_is_not_the_rule() -> None:
    chain = optax.chain(optax.clip(1.0), layda.jax.nesterov())
    with pytest.raises(SettingError, match=r"of optax, which does not say what its rule is; .* keep the one"):
        layda.jax.estimates(chain, ONES, chain.init(ONES))


def test_the_state_is_found_wherever_it_lies() -> None:
    transform = layda.jax.optimizer(ScheduleFreeSGD(0.1, 0.5))
    plain_updates, plain = transform.update(ONES, transform.init(ONES), ONES)
    params = optax.apply_updates(ONES, plain_updates)
    expected = layda.jax.estimates(transform, params, plain)
    for outer in (
        optax.chain(optax.clip(9.0), optax.chain(optax.identity(), transform)),
        optax.apply_if_finite(transform, 3),
        optax.MultiSteps(transform, 1),
        optax.named_chain(("clip", optax.clip(9.0)), ("ours", transform)),
    ):
        _, state = outer.update(ONES, outer.init(ONES), ONES)
        np.testing.assert_allclose(layda.jax.estimates(transform, params, state), expected, rtol=1e-6)


def test_several_states_are_told_apart_by_their_rules_or_refused() -> None:
    averaging, ball = layda.jax.schedule_free(0.1), layda.jax.heavy_ball(0.1)
    params = {"a": jnp.ones(2), "b": jnp.ones(1)}
    labels = {"a": "averaging", "b": "ball"}
    several = optax.multi_transform({"averaging": averaging, "ball": ball}, labels)
    _, state = several.update(params, several.init(params), params)
    moved = {"a": jnp.full(2, 0.5), "b": jnp.full(1, 0.25)}
    answer = layda.jax.estimates(averaging, moved, state)
    assert answer["b"].tolist() == [0.25]
    assert answer["a"].tolist() != [0.5, 0.5]
    twins = optax.multi_transform({"averaging": averaging, "ball": layda.jax.schedule_free(0.2)}, labels)
    with pytest.raises(SettingError, match=r"2 states of schedule-free were found inside a .*; allowed is one; hand"):
        layda.jax.estimates(averaging, params, twins.init(params))
