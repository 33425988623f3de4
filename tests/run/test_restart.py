"""Adaptive restart: the paper's algorithm, the same bits everywhere, and what it is for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import layda
from layda.measures import VERDICTS
from layda.objectives import black_box, classic, from_function
from layda.rule import Rule, Stepper
from layda.rules import Adam, AggregatedMomentum, HeavyBall, Nesterov, QuasiHyperbolic, ScheduleFreeSGD
from layda.run.loops import build_loop, contracted_loop
from layda.schedules import CosineDecay, ExponentialDecay, ODonoghueCandesMomentum, SutskeverMomentum, Warmup
from tests.backends.test_bits import same_bits
from tests.cases import BACKENDS, RESTARTING

SCHEMES = ("gradient", "function")


def _bowl(curvatures):
    curvatures = [float(one) for one in curvatures]

    def bowl(*x):
        total = 0.5 * curvatures[0] * x[0] * x[0]
        for curvature, one in zip(curvatures[1:], x[1:], strict=True):
            total = total + 0.5 * curvature * one * one
        return total

    return from_function(bowl, dimension=len(curvatures), start=[1.0] * len(curvatures), convex=True)


# --- the readable twin: written from the paper, without a line of layda's -----------------------------------------


def _thetas(q, theta):
    following = np.roots([1.0, theta * theta - q, -theta * theta]).max()
    return following, theta * (1.0 - theta) / (theta * theta + following)


class _Accelerated:
    """x⁺ = y − αg(y); y⁺ = x⁺ + β⁺(x⁺ − x), β constant or O'Donoghue and Candès' (algorithm 1)."""

    def __init__(self, rate, momentum):
        self.rate, self.momentum = rate, momentum

    def begin(self, x):
        self.x, self.theta = x, 1.0
        return x

    def step(self, y, g):
        x = y - self.rate * g
        if isinstance(self.momentum, float):
            beta = self.momentum
        else:
            self.theta, beta = _thetas(self.momentum.q, self.theta)
        before, self.x = self.x, x
        return x + beta * (x - before), x


class _Kept:
    """Rules whose answer is the position: f(velocities, g) -> (velocities, displacement)."""

    def __init__(self, count, step):
        self.count, self.move = count, step

    def begin(self, x):
        self.velocities = [np.zeros_like(x)] * self.count
        return x

    def step(self, y, g):
        self.velocities, displacement = self.move(self.velocities, g)
        return y - displacement, y - displacement


def _heavy(a, b):
    return _Kept(1, lambda v, g: ([b * v[0] + a * g], b * v[0] + a * g))


def _quasi(a, b, nu):
    def move(v, g):
        new = b * v[0] + (1 - b) * g
        return [new], a * ((1 - nu) * g + nu * new)

    return _Kept(1, move)


def _aggregated(a, betas):
    def move(v, g):
        new = [b * one + g for b, one in zip(betas, v, strict=True)]
        return new, a / len(betas) * sum(new)

    return _Kept(len(betas), move)


def _paper(rule, curvatures, start, steps, scheme):
    """Positions, answers and the steps of restarts."""
    f = lambda x: 0.5 * np.sum(curvatures * x * x)  # noqa: E731
    y = x = rule.begin(np.array(start))
    ys, xs, restarts = [y], [x], []
    for k in range(steps):
        g = curvatures * y
        y, now = rule.step(y, g)
        if (g @ (now - x) > 0) if scheme == "gradient" else (f(now) > f(x)):
            y = rule.begin(now)
            restarts.append(k + 1)
        x = now
        ys.append(y)
        xs.append(x)
    return np.array(ys), np.array(xs), restarts


_PAIRS = (
    (HeavyBall(0.05, 0.95), lambda: _heavy(0.05, 0.95)),
    (Nesterov(0.05, 0.98), lambda: _Accelerated(0.05, 0.98)),
    (Nesterov(0.05, ODonoghueCandesMomentum()), lambda: _Accelerated(0.05, ODonoghueCandesMomentum())),
    (Nesterov(0.05, ODonoghueCandesMomentum(0.001)), lambda: _Accelerated(0.05, ODonoghueCandesMomentum(0.001))),
    (QuasiHyperbolic(0.5, 0.97, 0.8), lambda: _quasi(0.5, 0.97, 0.8)),
    (AggregatedMomentum(0.03, (0.0, 0.9, 0.98)), lambda: _aggregated(0.03, (0.0, 0.9, 0.98))),
)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("rule", "twin"), _PAIRS, ids=lambda item: str(item) if isinstance(item, Rule) else "")
def test_is_the_papers_algorithm(rule, twin, scheme):
    rng = np.random.default_rng(7)
    for dimension in range(1, 11):
        curvatures = np.exp(rng.uniform(np.log(0.1), np.log(10.0), dimension))
        start = rng.normal(size=dimension)
        run = layda.descend(_bowl(curvatures), replace(rule, restart=scheme), start=start, steps=150, tolerance=0)
        positions, answers, restarts = _paper(twin(), curvatures, start, 150, scheme)
        assert restarts, dimension
        assert run.restart_steps.tolist() == restarts
        assert run.restarts == len(restarts)
        assert np.max(np.abs(run.positions - positions)) < 1e-12
        assert np.max(np.abs(run.estimates - answers)) < 1e-12


# --- one rule, one path --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RESTARTING, ids=str)
def test_the_same_bits_on_every_backend(rule, runs):
    place = RESTARTING.index(rule)
    for index, name in enumerate(("himmelblau", "rosenbrock", "lecture")):
        # Numba compiles for most of a second, so that it has a share (all of them with --runs 20).
        numba = runs >= 20 or (3 * place + index) % 20 < runs
        options = {"steps": 300, "tolerance": 0}
        wanted = layda.descend(classic(name), rule, backend="readable", **options)
        for backend in BACKENDS[1:] if numba else BACKENDS[1:-1]:
            found = layda.descend(classic(name), rule, backend=backend, **options)
            assert same_bits(wanted.positions, found.positions), (name, backend)
            assert same_bits(wanted.estimates, found.estimates), (name, backend)
            assert found.restart_steps.tolist() == wanted.restart_steps.tolist(), (name, backend)
            assert found.verdict.kind == wanted.verdict.kind, (name, backend)


def test_the_list_does_restart():
    """What the tests over the list promise they promise of restarts, not of runs without one."""
    for rule in RESTARTING:
        names = ("himmelblau", "rosenbrock", "lecture")
        runs = [layda.descend(name, rule, steps=300, tolerance=0, backend="python") for name in names]
        assert any(run.restarts for run in runs), str(rule)


@pytest.mark.parametrize("rule", RESTARTING, ids=str)
def test_arrays_of_coordinates_take_the_path_of_the_program(rule):
    """A black box is run by NumPy, coordinate sums included; the traced twin by the loop."""
    traced = classic("himmelblau")
    whole = black_box(
        traced.value, lambda x: traced.value_and_gradient(x)[1], dimension=2, start=traced.start, box=traced.box
    )
    wanted, found = (layda.descend(one, rule, steps=200, tolerance=0) for one in (traced, whole))
    assert same_bits(wanted.positions, found.positions)
    assert wanted.restart_steps.tolist() == found.restart_steps.tolist()


@pytest.mark.parametrize("rule", RESTARTING, ids=str)
def test_an_ensemble_is_many_single_descents(rule):
    pytest.importorskip("xarray")
    objective = classic("himmelblau")
    starts = np.random.default_rng(3).uniform(-6, 6, size=(3, 2))
    options = {"steps": 200, "tolerance": 1e-6, "check_every": 10}
    found = layda.ensemble(objective, rule, starts, threads=1, **options)
    for ball, start in enumerate(starts):
        one = layda.descend(objective, rule, start=start, record="end", **options)
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind
        assert int(found.steps[ball]) == one.steps
        assert same_bits(found.position[ball].values, one.positions[-1])
        assert same_bits(found.estimate[ball].values, one.estimates[-1])
        assert found.value[ball].item() == one.value or np.isnan(one.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sweep_of_momenta_rolls_every_ball_its_own_way(scheme):
    pytest.importorskip("xarray")
    rule, momenta = Nesterov(0.001, 0.9, restart=scheme), np.array([0.0, 0.5, 0.9, 0.99, 1.0])
    found = layda.ensemble("rosenbrock", rule, momentum=momenta, steps=700)
    for ball, momentum in enumerate(momenta):
        one = layda.descend("rosenbrock", replace(rule, momentum=float(momentum)), steps=700)
        assert same_bits(found.position[ball].values, one.positions[-1])
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind


@pytest.mark.parametrize("scheme", SCHEMES)
def test_fused_and_single_precision_ensembles_restart(scheme):
    pytest.importorskip("xarray")
    rule = Nesterov(0.001, 0.99, restart=scheme)
    starts = np.random.default_rng(5).uniform(-2, 2, size=(40, 2))
    exact = layda.ensemble("rosenbrock", rule, starts, steps=2000)
    settled = exact.verdict.values == VERDICTS.index("converged")
    assert np.mean(settled) > 0.7
    plain = layda.ensemble("rosenbrock", replace(rule, restart="never"), starts, steps=2000)
    assert np.mean(settled) > np.mean(plain.verdict.values == VERDICTS.index("converged"))
    for options in ({"fast": True}, {"dtype": "float32", "tolerance": 1e-3}, {"dtype": "float32", "fast": True}):
        other = layda.ensemble("rosenbrock", rule, starts, **{"steps": 2000, **options})
        # A coarser tolerance stops on the way along the valley, where f is small and x is not there yet.
        assert np.max(other.value.values[settled]) < (0.2 if "tolerance" in options else 1e-3), options


def test_the_fused_ensemble_has_the_bits_of_the_fused_loop():
    pytest.importorskip("xarray")
    from layda.program.loop import run_readably
    from layda.run.loops import initial_state, layout

    for rule in RESTARTING[::5]:
        objective, stepper = classic("himmelblau"), Stepper(rule)
        loop = contracted_loop(build_loop(objective, stepper))
        found = layda.ensemble(objective, rule, [[1.5, -2.5]], steps=60, tolerance=0, fast=True)
        state = initial_state(layout(2, stepper), stepper, (1.5, -2.5))
        end = run_readably(loop, state, stepper.numbers, last=60)
        assert found.position.values[0].tolist() == [end.state["x0"], end.state["x1"]], str(rule)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_many_models_on_a_table_at_once(scheme):
    pytest.importorskip("sklearn")
    pytest.importorskip("xarray")
    rates = np.geomspace(1e-2, 1.0, 5)
    rule = Nesterov(0.1, 0.95, restart=scheme)
    found = layda.ensemble("breast_cancer", rule, learning_rate=rates, steps=60)
    for ball, rate in enumerate(rates):
        one = layda.descend("breast_cancer", replace(rule, learning_rate=float(rate)), steps=60)
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind
        assert np.allclose(found.estimate[ball].values, one.estimates[-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_black_boxes_in_batches_are_the_same_to_the_bit(scheme):
    pytest.importorskip("xarray")
    objective = black_box(lambda x: float((x[0] ** 2 - 1) ** 2 + x[1] ** 2), dimension=2, start=(2.0, 1.0))
    rule, rates = HeavyBall(0.1, 0.95, restart=scheme, weight_decay=0.05), np.array([1e-3, 0.02, 0.1, 5.0])
    found = layda.ensemble(objective, rule, learning_rate=rates, steps=200)
    for ball, rate in enumerate(rates):
        one = layda.descend(objective, replace(rule, learning_rate=float(rate)), steps=200)
        assert found.steps[ball].item() == one.steps
        assert same_bits(found.estimate[ball].values, one.estimates[-1])
        assert VERDICTS[int(found.verdict[ball])] == one.verdict.kind


# --- what begins anew, and what goes on --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_after_a_restart_all_is_as_in_a_new_run(scheme):
    """From the row of a restart on the run is that of a ball that starts there, up to the next restart."""
    for rule in (
        Nesterov(0.002, ODonoghueCandesMomentum()), HeavyBall(0.002, SutskeverMomentum(0.97, 5)), Adam(0.05),
        HeavyBall(0.002, Warmup(7, 0.95)), ScheduleFreeSGD(0.002), AggregatedMomentum(0.001, (0.0, 0.95)),
    ):  # fmt: skip
        rule = replace(rule, restart=scheme)
        run = layda.descend("rosenbrock", rule, steps=400, tolerance=0, backend="python")
        steps = [*run.restart_steps.tolist(), run.steps + 1]
        assert len(steps) > 1, str(rule)
        for begin, end in itertools.pairwise(steps):
            options = {"steps": end - 1 - begin, "tolerance": 0, "backend": "python"}
            again = layda.descend("rosenbrock", rule, start=run.positions[begin], **options)
            assert same_bits(again.positions, run.positions[begin:end]), str(rule)
            assert again.restarts == 0


def test_the_learning_rate_goes_on():
    rule = HeavyBall(ExponentialDecay(0.002, 0.999), ODonoghueCandesMomentum(), restart="gradient")
    run = layda.descend("rosenbrock", rule, steps=1000, tolerance=0)
    assert run.restarts > 0
    plain = layda.descend("rosenbrock", replace(rule, restart="never"), steps=1000, tolerance=0)
    assert run.learning_rates.tolist() == plain.learning_rates.tolist()
    cosine = replace(rule, learning_rate=CosineDecay(0.002, 1000), momentum=SutskeverMomentum(0.99, 10))
    run = layda.descend("rosenbrock", cosine, steps=1000, tolerance=0)
    assert run.restarts > 0
    assert run.learning_rates.tolist() == pytest.approx(CosineDecay(0.002, 1000).values(1001), rel=1e-12)


def test_a_restart_takes_its_own_step_into_account():
    """The row of a restart holds the answer as its position and every slot at its start."""
    run = layda.descend("rosenbrock", Nesterov(0.001, 0.97, restart="gradient"), steps=300, tolerance=0)
    for step in run.restart_steps:
        assert np.all(run.states["velocity"][step] == 0.0)
        assert np.array_equal(run.positions[step], run.estimates[step])
        earlier, answer = run.estimates[step - 1], run.estimates[step]
        assert run.objective.value_and_gradient(run.positions[step - 1])[1] @ (answer - earlier) > 0.0


def test_the_function_scheme_never_keeps_momentum_uphill():
    run = layda.descend("rosenbrock", Nesterov(0.001, 0.97, restart="function"), steps=300, tolerance=0)
    values = run.objective.values(run.estimates)
    assert run.restart_steps.tolist() == (np.flatnonzero(np.diff(values) > 0.0) + 1).tolist()


@pytest.mark.parametrize("weight", [0.3, ExponentialDecay(0.3, 0.9)])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_with_a_coupled_weight_decay_the_penalised_function_is_judged(scheme, weight):
    rule = Nesterov(0.05, 0.97, weight_decay=weight, restart=scheme)
    run = layda.descend(_bowl([0.2, 3.0]), rule, steps=100, tolerance=0)
    weights = [0.3] * 101 if isinstance(weight, float) else weight.values(101)
    expected = []
    for k in range(100):
        value = lambda x, k=k: run.objective.value(x) + 0.5 * weights[k] * float(x @ x)  # noqa: E731
        gradient = run.objective.value_and_gradient(run.positions[k])[1] + weights[k] * run.positions[k]
        before, after = run.estimates[k], run.estimates[k + 1]
        if (gradient @ (after - before) > 0.0) if scheme == "gradient" else (value(after) > value(before)):
            expected.append(k + 1)
    assert expected
    assert run.restart_steps.tolist() == expected


# --- what it is for ------------------------------------------------------------------------------------------------


def _steps_to(run, share):
    values = run.objective.values(run.estimates)
    reached = np.flatnonzero(values <= share * values[0])
    return int(reached[0]) if len(reached) else 10**9


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_knowing_the_condition_number_nearly_the_optimal_rate(scheme):
    """O'Donoghue and Candès' example: q = 0 and restart come near the best constant β, which needs μ and L."""
    largest, smallest = 1.0, 1e-4
    bowl = _bowl(np.geomspace(smallest, largest, 10))
    best = (1.0 - np.sqrt(smallest / largest)) / (1.0 + np.sqrt(smallest / largest))
    found = {}
    for name, rule in {
        "restart": Nesterov(1.0 / largest, ODonoghueCandesMomentum(), restart=scheme),
        "never": Nesterov(1.0 / largest, ODonoghueCandesMomentum()),
        "optimal": Nesterov(1.0 / largest, float(best)),
    }.items():
        run = layda.descend(bowl, rule, steps=20_000, tolerance=0)
        found[name] = _steps_to(run, 1e-12), run
    assert found["restart"][0] < 2.0 * found["optimal"][0]
    assert found["restart"][0] < 0.2 * found["never"][0]
    assert found["restart"][1].restarts > 1
