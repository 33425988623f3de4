"""The balance of energy: it closes at every step, in float64 and, without the heights, in fifty digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import layda
from layda.diagnosis.energies import Energy, energy
from layda.errors import SettingError
from layda.objective import TracedObjective, from_function
from layda.objectives import classic
from layda.rule import Rule
from layda.rules import ALL, Adam, GradientDescent, HeavyBall, Nesterov, convert
from layda.schedules import CosineDecay, ExponentialDecay, Schedule, StepDecay, SutskeverMomentum, Warmup

NAMES = ("lecture", "tilted_double_well", "himmelblau", "rosenbrock", "booth", "six_hump_camel", "beale", "quartic")


@dataclass(frozen=True)
class _Geometric(Schedule):
    """α_k = initial · factor^k, growing or falling."""

    name: ClassVar[str] = "geometric"
    initial: float
    factor: float

    def initial_state(self) -> tuple[Any, ...]:
        return (self.initial,)

    def value(self, state: tuple[Any, ...], t: Any) -> Any:
        return state[0]

    def advance(self, state: tuple[Any, ...], t: Any) -> tuple[Any, ...]:
        return (state[0] * self.factor,)

    def bounds(self) -> tuple[float, ...]:
        return ()


def _bowl(random: np.random.Generator) -> TracedObjective:
    dimension = int(random.integers(1, 11))
    curvatures, centre = np.exp(random.uniform(-4, 4, dimension)).tolist(), random.normal(size=dimension).tolist()

    def function(*x: Any) -> Any:
        total = curvatures[0] * (x[0] - centre[0]) ** 2
        for c, a, b in zip(curvatures[1:], x[1:], centre[1:], strict=True):
            total = total + c * (a - b) ** 2
        return total

    return from_function(function, dimension=dimension, convex=True)


def _run(seed: int) -> layda.Trajectory:
    random = np.random.default_rng([2026, seed])
    objective = _bowl(random) if random.random() < 0.2 else classic(str(random.choice(NAMES)))
    low, high = np.array(objective.box).T
    start = random.uniform(low, high)
    steep = float(np.max(np.abs(np.linalg.eigvalsh(objective.hessian(start))))) or 1.0
    steps = int(random.integers(20, 300))
    rate = float(np.exp(random.uniform(-9, 0.5)) / steep)
    span = float(random.uniform(-20, 20))  # log(α_k/α_0) at the end
    momentum: Any = float(random.choice([0.0, 0.5, 0.9, 0.99, 1.0, random.random()]))
    alpha: Any = [
        rate, _Geometric(rate * min(1.0, np.exp(-span)), float(np.exp(span / steps))), ExponentialDecay(rate, 0.9),
        Warmup(7, rate), StepDecay(rate, 0.5, 10.0), CosineDecay(rate, 400.0, 1e-3 * rate),
    ][int(random.integers(6))]  # fmt: skip
    if random.random() < 0.2:
        momentum = SutskeverMomentum(0.95, 20.0)
    form = str(random.choice(["velocity", "velocity", "step", "average"]))
    if form == "average" and momentum == 1.0:
        momentum = 0.9
    decay = float(random.choice([0.0, 0.0, 0.1 * steep]))
    rule = HeavyBall(alpha, momentum, form=form, weight_decay=decay)
    return layda.descend(objective, rule, start=start, steps=steps, tolerance=0)


def _finite(found: Energy) -> np.ndarray:
    """The steps before anything comes near to overflow or underflow."""
    return (found.largest < 1e250) & (found.largest > 1e-250)


def test_the_balance_closes(runs: int) -> None:
    """Of 60 runs (1020 with --runs 17) the worst step is off by 1e-12 of its largest term at most."""
    worst = 0.0
    for seed in range(60 * runs):
        found = energy(_run(seed))
        rows = _finite(found)
        if np.any(rows):
            worst = max(worst, float(np.max(np.abs(found.residual[rows]) / found.largest[rows])))
    print(f"worst of {60 * runs} runs: {worst:.2g}")
    assert 0.0 < worst < 1e-12


def test_without_the_heights_in_fifty_digits(runs: int) -> None:
    """f, its bend and the kinetic energies at the recorded float64 numbers: no height f hides what is missing."""
    mpmath = pytest.importorskip("mpmath")
    worst = 0.0
    with mpmath.workdps(50):
        for seed in range(4 * runs):
            run = _run(10_000 + seed)
            found, rows = energy(run), 0
            if run.rule.decays_weights:
                continue
            x, rates, momenta = run.positions, found.learning_rates, found.momenta
            slopes = run.objective.gradients(x)  # type: ignore[attr-defined]
            v = _velocities(run)
            for k in np.flatnonzero(_finite(found))[:: max(1, run.steps // 12)]:
                number = [[mpmath.mpf(float(a)) for a in row] for row in (x[k], x[k + 1], v[k], v[k + 1], slopes[k])]
                here, there, before, after, slope = number
                a, a1, b, b1 = (mpmath.mpf(float(z)) for z in (*rates[k : k + 2], *momenta[k : k + 2]))
                rise = _height(run, there) - _height(run, here)
                moved = [p - q for p, q in zip(there, here, strict=True)]
                bend = rise - sum(g * d for g, d in zip(slope, moved, strict=True))
                square, old = sum(p * p for p in after), sum(p * p for p in before)
                jerk = sum((p - q) ** 2 for p, q in zip(after, before, strict=True))
                kinetic, kinetic1 = b / (2 * a) * old, b1 / (2 * a1) * square
                rounding = sum(g * (d + p) for g, d, p in zip(slope, moved, after, strict=True))
                terms = [-(1 - b) / a * square, -b / (2 * a) * jerk, (b1 / a1 - b / a) / 2 * square, bend, rounding]
                left = rise + kinetic1 - kinetic - sum(terms)
                largest = max(abs(t) for t in (*terms, rise, kinetic, kinetic1))
                if largest > 0:
                    worst, rows = max(worst, float(abs(left) / largest)), rows + 1
    print(f"worst in fifty digits: {worst:.2g}")
    assert 0.0 < worst < 1e-12


def _height(run: layda.Trajectory, place: list[Any]) -> Any:
    values = dict(zip(run.objective.coordinates, place, strict=True))
    return next(iter(run.objective.program.evaluate(values).values()))  # type: ignore[attr-defined]


def _velocities(run: layda.Trajectory) -> np.ndarray:
    """From the slots, by each form's own meaning of its velocity."""
    rule, kept = run.rule, run.states["velocity"]
    assert isinstance(rule, HeavyBall)
    if rule.form == "velocity":
        return kept
    found = kept.copy()
    found[1:] *= run.learning_rates[:-1, None]
    return found


def test_who_took_the_energy() -> None:
    """Friction alone takes it with constant settings; a decaying rate puts it in; the sum is what is gone."""
    run = layda.descend("sphere", HeavyBall(0.05, 0.9), steps=200, tolerance=0)
    found = energy(run)
    assert np.all(found.friction <= 0.0)
    assert np.all(found.jerk <= 0.0)
    assert np.all(found.schedule == 0.0)
    gone = found.total[-1] - found.total[0]
    assert np.sum(found.friction + found.discretisation + found.rounding) == pytest.approx(gone, rel=1e-12)
    assert np.all(np.diff(found.total) <= 0.0), "α ≤ 2(1 − β)/L"
    damped = energy(layda.descend("sphere", HeavyBall(ExponentialDecay(0.05, 0.9), 0.9), steps=50, tolerance=0))
    assert np.all(damped.work_of_rate[1:] > 0.0)


@pytest.mark.parametrize("form", ["step", "average"])
@pytest.mark.parametrize("alpha", [0.01, ExponentialDecay(0.05, 0.95)], ids=str)
def test_forms_have_the_energies_of_the_velocity_form(form: str, alpha: Any) -> None:
    rule = HeavyBall(alpha, 0.8)
    other = convert(rule, form)
    one = energy(layda.descend("himmelblau", rule, steps=80, tolerance=0))
    two = energy(layda.descend("himmelblau", other, steps=80, tolerance=0))
    assert np.allclose(one.total, two.total, rtol=1e-9)
    assert np.allclose(one.momenta[1:], two.momenta[1:])


def test_plain_descent_carries_nothing() -> None:
    found = energy(layda.descend("sphere", GradientDescent(0.1), steps=20, tolerance=0))
    assert np.all(found.kinetic == 0.0)
    assert np.array_equal(found.total, found.potential)


def test_a_penalty_is_a_part_of_the_height() -> None:
    run = layda.descend("sphere", HeavyBall(0.05, 0.9, weight_decay=0.5), steps=50, tolerance=0)
    assert energy(run).potential[0] == pytest.approx(6.5 + 0.25 * 13.0)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)
def test_every_rule_has_energies_or_says_why_not(cls: type[Rule]) -> None:
    run = layda.descend("sphere", cls(), steps=20, tolerance=0)
    if cls().as_heavy_ball(cls()) is not None:
        assert np.max(np.abs(energy(run).residual)) < 1e-12
        return
    with pytest.raises(SettingError, match=r"does not take the steps of a heavy ball|decoupled"):
        energy(run)


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match="record='all'"):
        energy(layda.descend("sphere", steps=20, record="end"))
    with pytest.raises(SettingError, match="decoupled or scheduled weight decay"):
        energy(layda.descend("sphere", HeavyBall(0.1, weight_decay=0.1, decoupled=True), steps=20))
    with pytest.raises(SettingError, match="is 0 at step 0"):
        energy(layda.descend("sphere", HeavyBall(0.0), steps=20))
    for rule in (Nesterov(), Adam()):
        with pytest.raises(SettingError, match="allowed are gradient descent, the heavy ball"):
            energy(layda.descend("sphere", rule, steps=20))
