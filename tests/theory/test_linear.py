"""Linear systems from the rules' own steps: closed forms, simulation, and the reasons of those that have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda.errors import ComputationError, NotLinearError, SettingError
from layda.rule import Rule, State, Stepper
from layda.rules import ALL, AggregatedMomentum, GradientDescent, HeavyBall, Nesterov, QuasiHyperbolic
from layda.schedules import ExponentialDecay
from layda.theory import (
    best_settings,
    curvature_limit,
    linear_system,
    regime,
    stability_limit,
    steps_to,
    worst_rate,
)
from layda.theory.tuning import _searched
from tests.cases import RULES

LINEAR = tuple(rule for rule in RULES if rule.name not in ("adam", "adamw", "nadam", "lion", "sign-momentum",
               "schedule-free") and not Stepper(rule).schedule_names)  # fmt: skip
MORE = (
    *LINEAR, HeavyBall(0.1, 0.0), HeavyBall(0.1, 1.0), Nesterov(0.1, 0.5), QuasiHyperbolic(0.1, 0.9, 0.0),
    QuasiHyperbolic(0.1, 0.9, 1.0), AggregatedMomentum(0.1, (0.5, 0.8)), HeavyBall(0.1, 0.9, weight_decay=0.3),
    Nesterov(0.1, 0.7, weight_decay=0.2, decoupled=True), GradientDescent(0.1, weight_decay=0.5),
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_is_a_system_or_says_why_not(rule: Rule) -> None:
    if rule in LINEAR:
        assert linear_system(rule).state[0] == "position"
        return
    with pytest.raises(NotLinearError, match=r"is not linear: its step takes|change with the step") as told:
        linear_system(rule)
    assert rule.name in str(told.value)


def test_the_reasons() -> None:
    for rule, why in (("adam", "a product of"), ("lion", "a comparison of"), ("schedule-free", "weight_sum")):
        with pytest.raises(NotLinearError, match=why):
            linear_system(rule)
    with pytest.raises(NotLinearError, match="learning_rate follows Exponential"):
        linear_system(HeavyBall(ExponentialDecay(0.5, 0.9)))


def test_lessard_recht_packard() -> None:
    """Their state is (x_k, x_(k−1)); ours (x_k, v_k) with v_k = x_(k−1) − x_k: the same up to a change of basis."""
    change = np.array([[1.0, 0.0], [1.0, 1.0]])  # (x, v) -> (x_k, x_(k−1) = x_k + v_k)
    system = linear_system(HeavyBall(0.1, 0.6))
    theirs_a, theirs_b = np.array([[1.6, -0.6], [1.0, 0.0]]), np.array([[-0.1], [0.0]])
    assert np.allclose(change @ system.A @ np.linalg.inv(change), theirs_a)
    assert np.allclose(change @ system.B, theirs_b)
    nesterov = linear_system(Nesterov(0.1, 0.6))
    theirs = theirs_a + 2.0 * theirs_b @ np.array([[1.6, -0.6]])
    ours, known = np.linalg.eigvals(nesterov.matrix(2.0)), np.linalg.eigvals(theirs)
    assert np.allclose(np.sort_complex(ours), np.sort_complex(known))


@given(h=st.floats(1e-3, 6.0), beta=st.floats(0.0, 0.999))
def test_heavy_ball_closed_forms(h: float, beta: float) -> None:
    root = np.sqrt(beta)
    inside = (1 + beta - h) ** 2 - 4 * beta
    known = root if (1 - root) ** 2 <= h <= (1 + root) ** 2 else 0.5 * (abs(1 + beta - h) + np.sqrt(max(inside, 0.0)))
    for rule in (HeavyBall(h, beta), HeavyBall(h, beta, form="step"), HeavyBall(h / (1 - beta), beta, form="average")):
        assert linear_system(rule).spectral_radius(1.0) == pytest.approx(known, abs=1e-7)
    assert (regime(HeavyBall(h, beta), 1.0) == "divergent") == (known > 1.0 + 1e-9)


@given(beta=st.floats(0.0, 1.0), curvature=st.floats(1e-6, 1e6))
def test_limits_have_their_closed_forms(beta: float, curvature: float) -> None:
    heavy = 2 * (1 + beta) / curvature
    assert stability_limit(HeavyBall(0.1, beta), curvature) == pytest.approx(heavy, rel=1e-7)
    assert stability_limit(HeavyBall(0.1, beta, form="step"), curvature) == pytest.approx(heavy, rel=1e-7)
    assert stability_limit(GradientDescent(), curvature) == pytest.approx(2.0 / curvature, rel=1e-7)
    nesterov = (2 + 2 * beta) / (1 + 2 * beta) / curvature
    assert stability_limit(Nesterov(0.1, beta), curvature) == pytest.approx(nesterov, rel=1e-7)
    if beta < 0.999:
        average = heavy / (1 - beta)
        assert stability_limit(HeavyBall(0.1, beta, form="average"), curvature) == pytest.approx(average, rel=1e-7)
    assert curvature_limit(HeavyBall(0.25, beta)) == pytest.approx((2 + 2 * beta) / 0.25, rel=1e-7)


def test_critical_damping_from_rest() -> None:
    """h = (1 ∓ r)², r = √β: x_k = (±r)^k (1 + k(1 ∓ r))."""
    for root, sign in ((0.6, 1.0), (0.6, -1.0)):
        h = (1 - sign * root) ** 2
        system = linear_system(HeavyBall(h, root**2))
        assert regime(system.rule, 1.0) == "critical"
        state = system.start
        for k in range(20):
            assert state[0] == pytest.approx((sign * root) ** k * (1 + k * (1 - sign * root)), abs=1e-12)
            state = system.matrix(1.0) @ state


TUNED = [
    (GradientDescent(), 0.9801980198, {"learning_rate": 2 / 101}),
    (HeavyBall(), 0.8181818182, {"learning_rate": (2 / 11) ** 2, "momentum": (9 / 11) ** 2}),
    (HeavyBall(form="step"), 0.8181818182, {"learning_rate": (2 / 11) ** 2}),
    (HeavyBall(form="average"), 0.8181818182, {"momentum": (9 / 11) ** 2}),
    (Nesterov(), 0.8847219165, {"learning_rate": 4 / 301}),
    (QuasiHyperbolic(), 0.8181818182, {"nu": 1.0}),
    (AggregatedMomentum(), 0.8181818182, {"momenta.1": (9 / 11) ** 2}),
]


_WITH_FORMULAS = [kind() for kind in ALL if kind().tuned(1.0, 2.0) is not None]


@pytest.mark.parametrize("rule", _WITH_FORMULAS, ids=str)
@given(mu=st.floats(1e-6, 1e6), spacings=st.integers(0, 3))
def test_where_all_curvatures_are_alike_the_settings_are_allowed(rule: Rule, mu: float, spacings: int) -> None:
    found = best_settings(rule, mu, mu + spacings * float(np.spacing(mu)))
    assert found.rate < 1e-3


@pytest.mark.parametrize(("rule", "rate", "settings"), TUNED, ids=str)
def test_best_settings_at_a_hundred(rule: Rule, rate: float, settings: dict[str, float]) -> None:
    found = best_settings(rule, 1.0, 100.0)
    assert found.closed_form
    assert found.rate == pytest.approx(rate, abs=1e-7)
    for name, value in settings.items():
        assert found.settings[name] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("rule", [GradientDescent(), HeavyBall(), HeavyBall(form="average"), Nesterov()], ids=str)
@pytest.mark.parametrize("condition", [3.0, 100.0, 3000.0])
def test_the_search_finds_what_the_formulas_say(rule: Rule, condition: float) -> None:
    searched, known = _searched(rule, 1.0, condition), best_settings(rule, 1.0, condition)
    assert not searched.closed_form
    assert searched.rate == pytest.approx(known.rate, abs=1e-4)


def test_with_weight_decay_the_search_knows_the_shifted_curvatures() -> None:
    found = best_settings(HeavyBall(weight_decay=1.0), 1.0, 99.0)
    assert found.rate == pytest.approx(best_settings(HeavyBall(), 2.0, 100.0).rate, abs=1e-4)


def test_standard_nesterov_and_the_steps_of_all() -> None:
    """The table: 691, 93, 155 and 133 steps to 1e-6 on diag(1, 100) from (1, 1)."""
    standard = Nesterov(0.01, 9 / 11)
    assert worst_rate(standard, 1.0, 100.0) == pytest.approx(0.9, abs=1e-7)
    rules = [best_settings("gradient-descent", 1, 100).rule, best_settings("heavy-ball", 1, 100).rule, standard,
             best_settings("nesterov", 1, 100).rule]  # fmt: skip
    assert [steps_to(rule, [1.0, 100.0], 1e-6) for rule in rules] == [691, 93, 155, 133]


def _grows(rule: Rule, rates: np.ndarray, curvature: float, steps: int) -> np.ndarray:
    """By the rule's own step: whether the last tenth of the way is larger than the tenth before the middle."""
    stepper = Stepper(rule)
    numbers = {**stepper.numbers, "learning_rate": rates}
    position = np.ones_like(rates)
    state: State = stepper.start(numbers, position)
    early, late = np.zeros_like(rates), np.zeros_like(rates)
    with np.errstate(all="ignore"):
        for t in range(steps):
            position, state = stepper.step(numbers, float(t), position, curvature * position, state)
            size = np.abs(position)
            if 4 * steps <= 10 * t < 5 * steps:
                early = np.fmax(early, size)
            if 9 * steps <= 10 * t:
                late = np.fmax(late, np.where(np.isfinite(size), size, np.inf))
    return ~(late <= 3.0 * early) | ~np.isfinite(
        late
    )  # with β = 1 it swings for ever below the limit, and a beat is no growth


@pytest.mark.parametrize("rule", MORE, ids=str)
@pytest.mark.parametrize("curvature", [1.0, 37.0])
def test_limits_are_those_of_a_simulation(rule: Rule, curvature: float) -> None:
    """Bisected to a ten-thousandth; a factor of 1 ± a thousandth in α must tell."""
    limit = stability_limit(rule, curvature)
    assert 0.0 < limit < np.inf
    low, high = 0.5 * limit, 2.0 * limit
    for _ in range(4):
        rates = np.linspace(low, high, 33)
        grows = _grows(rule, rates, curvature, 6000)
        first = int(np.argmax(grows))
        assert grows[-1]
        assert not grows[0]
        low, high = float(rates[first - 1]), float(rates[first])
        if high - low < 1e-4 * limit:
            break
    assert 0.5 * (low + high) == pytest.approx(limit, rel=1e-3)


@given(
    rate=st.floats(1e-3, 3.0), beta=st.floats(0.0, 1.0), nu=st.floats(0.0, 1.0), curvature=st.floats(0.01, 5.0),
    kind=st.integers(0, 3),
)  # fmt: skip
def test_the_matrix_is_the_step(rate: float, beta: float, nu: float, curvature: float, kind: int) -> None:
    rule = (HeavyBall(rate, beta), Nesterov(rate, beta), QuasiHyperbolic(rate, beta, nu),
            AggregatedMomentum(rate, (beta, nu)))[kind]  # fmt: skip
    system, stepper = linear_system(rule), Stepper(rule)
    position: float = 1.0
    state = stepper.start(stepper.numbers, position)
    vector = system.start
    for t in range(6):
        position, state = stepper.step(stepper.numbers, float(t), position, curvature * position, state)
        vector = system.matrix(curvature) @ vector
        assert np.allclose(vector, [position, *state.slots], rtol=1e-9, atol=1e-9)
        answer = stepper.estimate(stepper.numbers, float(t + 1), position, state)
        assert (system.answer @ vector)[0] == pytest.approx(answer, rel=1e-9, abs=1e-9)


def test_many_at_once() -> None:
    rates, momenta = np.geomspace(1e-3, 10, 30)[:, None], np.linspace(0, 0.99, 20)[None, :]
    whole = linear_system("aggregated-momentum").spectral_radius(2.0, {"momenta.2": momenta}, learning_rate=rates)
    assert whole.shape == (30, 20)
    one = linear_system(AggregatedMomentum(float(rates[7, 0]), (0.0, 0.9, float(momenta[0, 11]))))
    assert whole[7, 11] == pytest.approx(float(one.spectral_radius(2.0)))


@given(trace=st.floats(-3, 3), low=st.floats(-2, 2), up=st.floats(-2, 2), other=st.floats(-3, 3))
def test_two_by_two_as_by_eigenvalues(trace: float, low: float, up: float, other: float) -> None:
    from layda.theory.linear import radius

    matrix = np.array([[trace, up], [low, other]])
    assert float(radius(matrix)) == pytest.approx(float(np.max(np.abs(np.linalg.eigvals(matrix)))), abs=1e-6)


def test_regimes() -> None:
    names = [regime(HeavyBall(h, 0.25), 1.0) for h in (0.1, 0.25, 1.0, 2.25, 2.4, 2.6)]
    assert names == ["overdamped", "critical", "underdamped", "critical", "sign-flipping", "divergent"]
    assert regime(HeavyBall(1.0, 1.0), 1.0) == "marginal"
    assert [regime(GradientDescent(h), 1.0) for h in (0.5, 1.5, 2.5)] == ["overdamped", "sign-flipping", "divergent"]


def test_the_polynomial_and_latex() -> None:
    import sympy

    found = linear_system("nesterov").characteristic_polynomial().as_expr()
    z, h, beta = sympy.Symbol("z"), sympy.Symbol("h", positive=True), sympy.Symbol("beta", nonnegative=True)
    assert sympy.expand(found - (z**2 - (1 + beta) * (1 - h) * z + beta * (1 - h))) == 0
    assert r"\beta" in linear_system("heavy-ball").latex()["A"]


def test_a_rule_from_a_file(tmp_path: Path) -> None:
    text = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    code = next(block for block in text.split("```python\n") if "class MyRule" in block).split("```")[0]
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    assert stability_limit(f"{path}:MyRule") == pytest.approx(3.8, rel=1e-9)


def test_a_slot_that_nothing_needs_does_not_count() -> None:
    class Counting(HeavyBall):
        @property
        def slots(self):  # type: ignore[no-untyped-def]
            return (*super().slots, replace(super().slots[0], name="sum"))

        def step(self, position, gradient, state, ahead):  # type: ignore[no-untyped-def]
            moved, kept = super().step(position, gradient, state[:1], ahead)
            return moved, (*kept, state[1] + gradient)

    assert linear_system(Counting(0.1, 0.9)).state == ("position", "velocity")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_refused(value: float) -> None:
    with pytest.raises(SettingError, match=r"curvature is .*; allowed is a finite number above 0"):
        stability_limit("heavy-ball", value)
    with pytest.raises(SettingError, match="mu is"):
        worst_rate("heavy-ball", value, 1.0)


def test_what_is_refused_of_ranges_and_names() -> None:
    with pytest.raises(SettingError, match="must not be above L"):
        best_settings("heavy-ball", 2.0, 1.0)
    with pytest.raises(SettingError, match="did you mean momentum"):
        linear_system("heavy-ball").spectral_radius(1.0, momentun=0.5)
    with pytest.raises(ComputationError, match="never comes to"):
        steps_to("gradient-descent:learning_rate=3", [1.0], 0.1)
    with pytest.raises(SettingError, match="epsilon is"):
        steps_to("heavy-ball", [1.0], 2.0)
