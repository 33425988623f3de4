"""Settings, schedules, the named functions, rules of one's own, and what is refused."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

jax = pytest.importorskip("jax", reason="the extra [jax] is not installed")
optax = pytest.importorskip("optax", reason="the extra [jax] is not installed")

import jax.numpy as jnp  # noqa: E402

import layda  # noqa: E402
from layda.errors import SettingError  # noqa: E402
from layda.functions import tanh  # noqa: E402
from layda.rule import Hyperparameter, Rule, Slot, State, Stepper  # noqa: E402
from layda.rules import ALL, AggregatedMomentum, HeavyBall, Nesterov  # noqa: E402
from layda.schedules import CosineDecay, ExponentialDecay  # noqa: E402
from layda.settings import hyperparameter  # noqa: E402
from tests.cases import RULES  # noqa: E402
from tests.jax.problems import identity, in_64_bits  # noqa: E402

GRADIENTS = np.sin(np.arange(60.0)).reshape(20, 3)


def function_of(rule: Any) -> Any:
    return getattr(layda.jax, rule.name.replace("-", "_"))


def walk(transform: Any, gradients: Any = GRADIENTS) -> tuple[Any, Any]:
    params = jnp.array([1.0, -2.0, 0.5])
    state = transform.init(params)
    for gradient in gradients:
        updates, state = transform.update(jnp.asarray(gradient, params.dtype), state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def numpy_walk(rule: Rule) -> tuple[Any, Any]:
    """Position and estimate by the rule's own step."""
    stepper, position = Stepper(rule), np.array([1.0, -2.0, 0.5])
    state: State = stepper.start(stepper.numbers, position)
    for t, gradient in enumerate(GRADIENTS):
        position, state = stepper.step(stepper.numbers, float(t), position, gradient, state)
    return position, stepper.estimate(stepper.numbers, float(len(GRADIENTS)), position, state)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_positions_and_answers_are_the_rule_s_own(rule: Any) -> None:
    with in_64_bits():
        transform = layda.jax.optimizer(rule)
        params, state = walk(transform)
        answer = layda.jax.estimates(transform, params, state)
        compiled = jax.jit(lambda params, state: layda.jax.estimates(transform, params, state))(params, state)
    position, estimate = numpy_walk(rule)
    np.testing.assert_allclose(params, position, rtol=1e-13)
    np.testing.assert_allclose(answer, estimate, rtol=1e-13)
    np.testing.assert_allclose(compiled, estimate, rtol=1e-13)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_functions_have_the_rule_s_signature_and_words(rule: type[Rule]) -> None:
    function = function_of(rule)
    signature = inspect.signature(function)
    own = {item.name: item.default for item in fields(rule) if item.name != "restart"}
    assert {name: one.default for name, one in signature.parameters.items()} == own | {"state_dtype": None}
    assert function.__name__ == rule.name.replace("-", "_")
    assert function.__module__ == "layda.jax"
    assert function.__name__ in layda.jax.__all__
    assert function.__doc__.startswith((rule.__doc__ or "").splitlines()[0])
    for name in signature.parameters:
        assert f"{name}: " in function.__doc__ or name == "momentum_decay"
    tests = doctest.DocTestParser().get_doctest(function.__doc__, {}, function.__name__, None, None)
    assert len(tests.examples) >= 6
    assert doctest.DocTestRunner().run(tests) == (0, len(tests.examples))


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_functions_are_the_optimizer_of_their_rule(rule: type[Rule]) -> None:
    found, state = walk(function_of(rule)(0.03, weight_decay=0.1))
    expected, other = walk(layda.jax.optimizer(rule(0.03, weight_decay=0.1)))
    np.testing.assert_array_equal(found, expected)
    assert jax.tree.structure(state) == jax.tree.structure(other)


@dataclass(frozen=True)
class Squashed(Rule):
    """A rule of one's own: slots that start elsewhere, a function, a shared number, a step written as x + w."""

    name: ClassVar[str] = "squashed"
    learning_rate: Hyperparameter = hyperparameter(0.1, 0.0)
    momentum: Hyperparameter = hyperparameter(0.5, 0.0, 1.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (
            Slot("steps", 1.0, shared=True),
            Slot("half", 0.5, shared=True),  # jit hands dictionaries back sorted: this one comes first then
            Slot("origin", "position"),
            Slot("speed", 0.25),
        )

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Any) -> Any:
        steps, half, origin, speed = state
        speed = self.momentum * speed - self.learning_rate * tanh(gradient) / steps
        return position + speed, (steps + 1.0, half, origin, speed)

    def estimate(self, position: Any, state: tuple[Any, ...]) -> Any:
        steps, half, origin, _ = state
        return half * (position + origin) / steps


def test_a_rule_of_one_s_own_works_the_same() -> None:
    rule = Squashed()
    with in_64_bits():
        transform = layda.jax.optimizer(rule, learning_rate=0.2)
        params, state = walk(transform)
        answer = layda.jax.estimates(transform, params, jax.jit(lambda state: state)(state))
    position, estimate = numpy_walk(Squashed(0.2))
    np.testing.assert_allclose(params, position, rtol=1e-13)
    np.testing.assert_allclose(answer, estimate, rtol=1e-13)
    assert float(state.shared["steps"]) == 21.0


@dataclass(frozen=True)
class Still(Rule):
    """Goes nowhere, whatever the gradient: every output is one number or an input."""

    learning_rate: Hyperparameter = hyperparameter(0.1, 0.0)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot("marker"),)

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Any) -> Any:
        return position, (1.0,)


def test_a_rule_that_ignores_its_inputs_keeps_shapes() -> None:
    params, state = walk(layda.jax.optimizer(Still))
    assert params.tolist() == [1.0, -2.0, 0.5]
    assert state.slots["marker"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("made", ["rule", "text", "class"])
def test_rules_are_given_in_three_ways(made: str) -> None:
    given_as = {"rule": HeavyBall(0.01, 0.9), "text": "heavy-ball:momentum=0.9", "class": HeavyBall}[made]
    found, _ = walk(layda.jax.optimizer(given_as, learning_rate=0.05))
    np.testing.assert_array_equal(found, walk(layda.jax.heavy_ball(0.05))[0])


def test_functions_of_the_count_and_schedules_are_the_same() -> None:
    """For any setting; the look-ahead and the answer use the next step's momentum."""
    with in_64_bits():
        for rule in (Nesterov, HeavyBall):
            function = function_of(rule)
            ours = function(CosineDecay(0.1, 15), ExponentialDecay(0.9, 0.9, before_first_step=False))
            theirs = function(optax.cosine_decay_schedule(0.1, 15), lambda count: 0.9 * 0.9 ** (count * 1.0))
            params, state = walk(ours)
            found, other = walk(theirs)
            np.testing.assert_allclose(found, params, rtol=1e-6)  # optax computes its schedules in float32
            np.testing.assert_allclose(
                layda.jax.estimates(theirs, found, other), layda.jax.estimates(ours, params, state), rtol=1e-6
            )
        found, _ = walk(layda.jax.aggregated_momentum(0.1, (0.0, lambda count: 0.9)))
        np.testing.assert_allclose(found, walk(layda.jax.aggregated_momentum(0.1, (0.0, 0.9)))[0], rtol=1e-12)


def test_settings_of_schedules_are_hyperparameters_too() -> None:
    transform = layda.jax.optimizer(HeavyBall(ExponentialDecay(0.5, 0.5)))
    state = transform.init(jnp.ones(2))
    assert set(state.hyperparams) == {"learning_rate.initial", "learning_rate.decay", "momentum"}
    state.hyperparams["learning_rate.decay"] = 1.0
    _, state = transform.update(jnp.ones(2), state)
    assert float(state.schedules["learning_rate.0"]) == 0.25  # the carried rate, no longer decaying


def test_arrays_as_settings() -> None:
    found, state = walk(layda.jax.aggregated_momentum(jnp.asarray(0.1), (jnp.asarray(0.0), 0.9)))
    np.testing.assert_allclose(found, walk(layda.jax.aggregated_momentum(0.1, (0.0, 0.9)))[0], rtol=1e-6)
    assert set(state.hyperparams) == {"learning_rate", "momenta.0", "momenta.1"}

    @jax.jit
    def rated(rate: Any) -> Any:
        return walk(layda.jax.heavy_ball(rate))[0]

    @jax.jit
    def scheduled(rate: Any) -> Any:  # its values are known only in the compiled step: nothing to check before
        return walk(layda.jax.heavy_ball(lambda count: rate))[0]

    expected = walk(layda.jax.heavy_ball(0.2))[0]
    np.testing.assert_allclose(rated(0.2), expected, rtol=1e-5)
    np.testing.assert_allclose(scheduled(0.2), expected, rtol=1e-5)


@given(
    index=st.integers(0, len(RULES) - 1),
    rate=st.floats(0.0, 1.0),
    rows=st.lists(st.tuples(*[st.floats(-100.0, 100.0)] * 3), min_size=1, max_size=3),
)
def test_any_rate_and_gradient_as_numpy_has_it(index: int, rate: float, rows: list[tuple[float, ...]]) -> None:
    from dataclasses import replace

    rule = replace(RULES[index], learning_rate=rate)
    stepper, position = Stepper(rule), np.array([1.0, -2.0, 0.5])
    state = stepper.start(stepper.numbers, position)
    for t, row in enumerate(rows):
        position, state = stepper.step(stepper.numbers, float(t), position, np.array(row), state)
    with in_64_bits():
        found, _ = walk(layda.jax.optimizer(rule), rows)
    np.testing.assert_allclose(found, position, rtol=1e-12, atol=1e-12 * float(np.max(np.abs(position))))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.1, "fast", jnp.asarray(-1.0), jnp.asarray(jnp.nan)])
@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_wrong_rates_are_refused_at_once(rule: type[Rule], wrong: Any) -> None:
    for make in (lambda: function_of(rule)(learning_rate=wrong), lambda: layda.jax.optimizer(rule, wrong)):
        with pytest.raises(SettingError, match=f"{rule.__name__}: learning_rate"):
            make()


def test_optax_takes_the_wrong_rate() -> None:
    """What the test above is for: there the fault shows only in the parameters."""
    transform = optax.sgd(float("nan"), momentum=1.5)
    updates, _ = transform.update(jnp.ones(2), transform.init(jnp.ones(2)))
    assert bool(jnp.all(jnp.isnan(updates)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layda.jax.heavy_ball(momentum=1.5), "momentum is 1.5; allowed is a finite number from 0 to 1"),
        (lambda: layda.jax.heavy_ball(form="torch"), "form is 'torch'; allowed are 'velocity', 'step', 'average'"),
        (lambda: layda.jax.heavy_ball(jnp.ones(3)), r"an array of shape \(3,\)"),
        (lambda: layda.jax.heavy_ball(jnp.asarray(1j)), "complex"),
        (lambda: layda.jax.heavy_ball(lambda count: "soon"), "gave no number at the step count 0"),
        (lambda: layda.jax.heavy_ball(lambda count: -1.0), "which reaches -1"),
        (lambda: layda.jax.heavy_ball(state_dtype=jnp.int8), "state_dtype is"),
        (lambda: layda.jax.optimizer(HeavyBall(restart="gradient")), "restart is 'gradient'"),
        (lambda: layda.jax.optimizer(HeavyBall()).init(jnp.arange(3)), "a parameter has dtype int32"),
        (lambda: jax.jit(lambda psi: layda.jax.nadam(momentum_decay=psi))(0.1), "static_args=.'momentum_decay'"),
    ],
)
def test_what_is_refused_and_why(make: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make()


def test_unknown_names_are_answered_with_known_ones() -> None:
    with pytest.raises(AttributeError, match="did you mean heavy_ball"):
        _ = layda.jax.hevy_ball
    with pytest.raises(TypeError, match=r"heavy_ball: .*momentun.*its arguments are learning_rate=0.01, momentum=0.9"):
        layda.jax.heavy_ball(momentun=0.9)
    with pytest.raises(TypeError, match=r"adam: .*'b1'.*its arguments are .* beta1=0.9"):  # optax's name for it
        layda.jax.adam(b1=0.9)


def test_the_whole_list_of_momenta_may_be_one_number() -> None:
    found, _ = walk(layda.jax.aggregated_momentum(0.1, 0.9))
    np.testing.assert_array_equal(found, walk(layda.jax.optimizer(AggregatedMomentum(0.1, (0.9,))))[0])


def test_layda_alone_imports_neither_jax_nor_optax() -> None:
    code = "import layda, sys; assert 'jax' not in sys.modules and 'optax' not in sys.modules; print('light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # noqa: S603  # our own text
    assert done.stdout.strip() == "light", done.stderr


@pytest.mark.parametrize("missing", ["jax", "optax"])
def test_a_missing_library_is_named_with_its_extra(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import layda\n"
        "try:\n    layda.jax\n"
        "except layda.errors.MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # noqa: S603  # our own text
    assert 'pip install "layda[jax]"' in done.stdout, done.stderr
