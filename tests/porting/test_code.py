"""The printed code, run: it ends where layda's run ends."""

from __future__ import annotations

import ast
import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import layda
from layda.errors import SettingError, UnknownNameError
from layda.lecture import CONTESTANTS
from layda.rules import (
    Adam,
    AdamW,
    AggregatedMomentum,
    GradientDescent,
    HeavyBall,
    Lion,
    NAdam,
    Nesterov,
    QuasiHyperbolic,
    ScheduleFreeSGD,
    SignMomentum,
)
from layda.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    ODonoghueCandesMomentum,
    StepDecay,
    SutskeverMomentum,
    Warmup,
)
from tests.cases import RULES, needs_tables
from tests.porting import tiny_keras

STEPS = 60
OBJECTIVES = ("lecture", "himmelblau", "sqrt(1 + x^2) + (y - cos(x))^2/4 + 0.1|x - y|")
RATES = (
    ExponentialDecay(0.05, 0.97),
    ExponentialDecay(0.05, 0.97, before_first_step=False),
    InverseTimeDecay(0.05, 0.1),
    StepDecay(0.05, 0.5, every=7),
    CosineDecay(0.05, steps=40, final=0.01),
    CosineDecay(0.05, steps=50),
    Warmup(5, 0.05),
    Warmup(5, ExponentialDecay(0.05, 0.97)),
    Constant(0.05),
)


@pytest.fixture(autouse=True)
def settings_of_the_libraries_stay() -> Iterator[None]:
    """The scripts switch their library to float64; XLA compiles hundreds of steps here, and polishes none."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            import torch

            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        with contextlib.suppress(ImportError):
            import jax

            stack.callback(jax.config.update, "jax_enable_x64", jax.config.jax_enable_x64)
            polished = jax.config.read("jax_disable_most_optimizations")
            stack.callback(jax.config.update, "jax_disable_most_optimizations", polished)
            jax.config.update("jax_disable_most_optimizations", True)
        yield


@pytest.fixture(params=["torch", "optax", "keras"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each library; in place of Keras its documented updates in NumPy, unless it is installed."""
    name: str = request.param
    if name == "keras":
        tiny_keras.stand_in(monkeypatch)
    else:
        pytest.importorskip(name, reason=f"{name} is not installed")
    return name


def printed_by(text: str) -> tuple[list[tuple[list[float], float]], dict[str, Any]]:
    """Run a text that layda printed, in a namespace of its own: what it shows, and its variables."""
    shown = io.StringIO()
    space: dict[str, Any] = {}
    with contextlib.redirect_stdout(shown):
        exec(compile(text, "printed by layda", "exec"), space)  # noqa: S102 - our own text, printed a moment ago
    found = []
    for line in shown.getvalue().splitlines():
        place, end = line.index("["), line.index("]") + 1
        found.append((ast.literal_eval(line[place:end].replace("nan", "None")), float(line[end:])))
    return found, space


def assert_the_same(run: layda.Trajectory, found: tuple[list[float], float], bound: float = 1e-12) -> None:
    place, value = found
    scale = max(1.0, float(np.max(np.abs(run.positions))))
    assert np.max(np.abs(np.array(place) - run.position)) <= bound * scale
    assert abs(value - run.value) <= 10 * bound * max(1.0, float(np.max(np.abs(run.values))))


def is_the_same(objective: Any, rule: layda.Rule, library: str, bound: float = 1e-12, **options: Any) -> str:
    run = layda.descend(objective, rule, steps=STEPS, tolerance=0, **options)
    text = layda.code(run, library)
    (found,), _ = printed_by(text)
    assert_the_same(run, found, bound)
    return text


def quick(rule: layda.Rule) -> layda.Rule:
    """The rule with a rate at which sixty steps go somewhere."""
    return replace(rule, learning_rate=0.02) if isinstance(rule.learning_rate, float) else rule


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule(rule: layda.Rule, objective: str, library: str) -> None:
    rule = quick(rule) if objective != "himmelblau" else rule
    rule = replace(rule, learning_rate=0.001) if isinstance(rule.learning_rate, ExponentialDecay) else rule
    text = is_the_same(objective, rule, library)
    assert "NOT THE SAME" not in text
    assert "FILL IN" not in text


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("form", ["velocity", "step", "average"])
def test_every_schedule_in_every_form(form: str, rate: Any, library: str) -> None:
    is_the_same("lecture", HeavyBall(rate, 0.9, form=form), library)


OTHERS = (
    GradientDescent(), Nesterov(), Adam(), Adam(epsilon=0.0), NAdam(momentum_decay=1.0), NAdam(momentum_decay=1e4),
    Lion(), QuasiHyperbolic(), SignMomentum(), ScheduleFreeSGD(),
)  # fmt: skip
PAIRS = [(rule, rate) for i, rule in enumerate(OTHERS) for j, rate in enumerate(RATES) if (i + j) % 3 == 0]
"""Every rule with a third of the schedules, every schedule with a third of the rules."""


@pytest.mark.parametrize(("rule", "rate"), PAIRS, ids=str)
def test_every_schedule_with_other_rules(rule: layda.Rule, rate: Any, library: str) -> None:
    is_the_same("lecture", replace(rule, learning_rate=rate), library)


DECAYING = (
    GradientDescent(0.02), HeavyBall(0.02), HeavyBall(0.02, form="step"), HeavyBall(0.02, form="average"),
    Nesterov(0.02, 0.9), Adam(0.02), AdamW(0.02), NAdam(0.02), Lion(0.02), SignMomentum(0.02), ScheduleFreeSGD(0.02),
    QuasiHyperbolic(0.02, 0.9), HeavyBall(ExponentialDecay(0.05, 0.97), 0.9), Nesterov(InverseTimeDecay(0.05), 0.9),
    Adam(0.02, epsilon=0.0), NAdam(0.02, momentum_decay=1.0), NAdam(0.02, momentum_decay=1e4), HeavyBall(0.02, 0.0),
    Nesterov(0.02, 0.0), HeavyBall(StepDecay(0.05, 0.5, every=9), SutskeverMomentum(0.9, 10)),
)  # fmt: skip


DECAYS = [(rule, 0.1) for rule in DECAYING] + [(rule, ExponentialDecay(0.1, 0.9)) for rule in DECAYING[::2]]


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize(("rule", "decay"), DECAYS, ids=str)
def test_both_kinds_of_weight_decay(rule: layda.Rule, decay: Any, decoupled: bool, library: str) -> None:
    is_the_same("lecture", replace(rule, weight_decay=decay, decoupled=decoupled), library)


MOMENTA = (SutskeverMomentum(0.9, 10), ODonoghueCandesMomentum(0.01), ExponentialDecay(0.9, 0.99), Warmup(20, 0.9))


@pytest.mark.parametrize("momentum", MOMENTA, ids=str)
@pytest.mark.parametrize(
    "rule",
    [HeavyBall(0.02), HeavyBall(0.02, form="step"), HeavyBall(0.02, form="average"), Nesterov(0.02),
     SignMomentum(0.02), ScheduleFreeSGD(0.02), HeavyBall(InverseTimeDecay(0.05))],
    ids=str,
)  # fmt: skip
def test_schedules_of_the_momentum(rule: layda.Rule, momentum: Any, library: str) -> None:
    is_the_same("lecture", replace(rule, momentum=momentum), library)


def test_converted_forms_and_momenta_with_schedules(library: str) -> None:
    rule = layda.rules.convert(HeavyBall(ExponentialDecay(0.05, 0.97), 0.9), "average")
    is_the_same("lecture", rule, library)
    is_the_same("lecture", AggregatedMomentum(0.01, (0.0, SutskeverMomentum(0.9, 10), 0.99)), library)
    is_the_same("lecture", Adam(0.02, beta1=ExponentialDecay(0.9, 0.99)), library)


@pytest.mark.parametrize("name", [name for name in layda.objectives.CLASSICS if name != "lecture"])
def test_every_classic(name: str, library: str) -> None:
    is_the_same(name, Adam(0.01), library, bound=1e-10 if name == "ackley" else 1e-12)


def test_many_coordinates(library: str) -> None:
    is_the_same("sphere:dimension=30", HeavyBall(0.02), library)


def test_a_race_is_one_script(library: str) -> None:
    race = layda.race("booth", ["gradient-descent:learning_rate=0.01", Nesterov(0.01), QuasiHyperbolic(0.01)], steps=40)
    found, _ = printed_by(layda.code(race, library))
    assert len(found) == 3
    for run, one in zip(race, found, strict=True):
        assert_the_same(run, one)


def test_the_lectures_race(library: str) -> None:
    contestants = {label: rule for label, rule in CONTESTANTS.items() if "too large" not in label}
    race = layda.race("lecture", contestants, steps=120)
    found, _ = printed_by(layda.code(race, library))
    for run, one in zip(race, found, strict=True):
        assert_the_same(run, one)


@needs_tables
@pytest.mark.parametrize("model", ["linear", "logistic", "softmax", "network"])
@pytest.mark.parametrize("batch", [None, 50])
def test_models_on_tables(model: str, batch: int | None, library: str) -> None:
    source = "diabetes" if model == "linear" else "breast_cancer" if model == "logistic" else "wine"
    target = layda.objectives.data_objective(source, model=model, batch=batch, hidden=4)
    is_the_same(target, HeavyBall(0.02), library, bound=1e-11)
    is_the_same(target, QuasiHyperbolic(0.02), library, bound=1e-11)


def test_no_steps_at_all(library: str) -> None:
    for rule in (Nesterov(0.1), HeavyBall(0.1), Adam(0.1), QuasiHyperbolic(0.1)):
        run = layda.descend("lecture", rule, steps=0)
        (found,), _ = printed_by(layda.code(run, library))
        assert_the_same(run, found)


def test_a_rule_alone_gets_a_place_for_the_loss(library: str) -> None:
    text = layda.code("heavy-ball:learning_rate=0.1", library)
    assert "Put your own loss here" in text
    (found,), _ = printed_by(text)
    assert_the_same(layda.descend("x^2/2", HeavyBall(0.1), start=1.0, steps=100, tolerance=0), found)


def test_what_cannot_be_had_is_said(library: str) -> None:
    run = layda.descend("lecture", HeavyBall(0.1, restart="gradient"), steps=50)
    assert "# NOT THE SAME: restart='gradient'" in layda.code(run, library)
    own = layda.objectives.black_box(lambda x: float(x[0] ** 2), dimension=1)
    text = layda.code(layda.descend(own, HeavyBall(0.1), steps=5), library)
    assert "# FILL IN:" in text
    with pytest.raises(NotImplementedError):
        printed_by(text)


def test_labels_and_names_of_others_stay_in_comments(library: str) -> None:
    nasty = 'x"""\nraise SystemExit\n# \\'
    race = layda.race("x^2", {nasty: HeavyBall(0.1)}, start=1.0, steps=5)
    race = replace(race, objective=replace(race.objective, name=nasty, equation=nasty + " "))
    (found,), _ = printed_by(layda.code(race, library))
    assert_the_same(race.runs[0], found)


def test_coordinates_that_python_has_already(library: str) -> None:
    is_the_same("f(torch, rows, jnp) = torch^2 + rows^2 + torch*jnp + jnp^2", HeavyBall(0.01), library, start=[1, 2, 3])


def test_a_rule_of_the_users_own(library: str) -> None:
    from dataclasses import dataclass

    from layda.functions import exp, maximum, minimum, tanh
    from layda.rules import Slot

    @dataclass(frozen=True)
    class Odd(layda.Rule):
        learning_rate: Any = 0.1

        @property
        def slots(self) -> tuple[Slot, ...]:
            return (Slot("position_before", "position"), Slot("k"), Slot("count", 1.0, shared=True))

        def step(self, position: Any, gradient: Any, state: Any, ahead: Any) -> Any:
            before, k, count = state
            k = maximum(minimum(0.5 * k + gradient, 2.0), -2.0)
            push = self.learning_rate / (1.0 + exp(-count)) * tanh(k)
            return position - push + 0.1 * (position - before), (position, k, minimum(count + ahead.learning_rate, 3.0))

    is_the_same("lecture", Odd(), library)
    is_the_same("lecture", Odd(InverseTimeDecay(0.1, 0.1)), library)


def test_what_is_said_of_a_rule_is_used() -> None:
    text = layda.code(Adam, "torch", objective="himmelblau", start=[1.5, 2.5], steps=7)
    assert "range(7)" in text
    assert "[1.5, 2.5]" in text
    assert "range(100)" in layda.code("adam", "torch")


def test_the_form_is_said_where_it_matters() -> None:
    run = layda.descend("lecture", HeavyBall(ExponentialDecay(0.5, 0.9), 0.5), steps=5)
    assert "momentum=0.5 / 0.9" in layda.code(run, "torch")
    assert "optax.chain(" in layda.code(run, "optax")
    assert "optax.nadam has no" in layda.code(NAdam(), "optax")
    assert "optax.nadam(0.002, b1=0.9" in layda.code(NAdam(momentum_decay=1e4), "optax")
    assert "torch.optim has no lion: the step is written out" in layda.code(Lion(), "torch")
    decayed = layda.code(Lion(0.01, weight_decay=0.1), "optax")
    assert "optax.lion(0.01, b1=0.9, b2=0.99, weight_decay=0.1)" in decayed  # decoupled there, too


def test_refusals() -> None:
    run = layda.descend("lecture", HeavyBall(0.1), steps=5)
    with pytest.raises(UnknownNameError, match="torch, optax, keras, not for 'tensorflow'"):
        layda.code(run, "tensorflow")
    with pytest.raises(UnknownNameError, match=r"not for \['torch'\]"):
        layda.code(run, ["torch"])  # type: ignore[arg-type]
    for more in ({"start": 1.0}, {"objective": "x^2"}, {"steps": 5}, {"steps": 0}):
        with pytest.raises(
            SettingError, match=f"^{next(iter(more))} .* which has its own; leave them out, or give its rule"
        ):
            layda.code(run, "torch", **more)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"^start and steps were given with a run"):
        layda.code(layda.race("x^2", ["adam"], start=1.0, steps=3), "torch", start=1.0, steps=3)
    for wrong in (-1, 2.5, True, "many"):
        with pytest.raises(SettingError, match=r"steps is .*; allowed is a whole number from 0"):
            layda.code("adam", "torch", steps=wrong)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="start has 3 numbers; himmelblau has 2"):
        layda.code("adam", "torch", objective="himmelblau", start=[1, 2, 3])
    with pytest.raises(SettingError, match="allowed are a run, a race, a rule"):
        layda.code(3, "torch")  # type: ignore[arg-type]
