"""Tuning: near the best of a grid at a small share of its cost, for every rule, and what is said where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

import layda
from layda.diagnosis.lockstep import lockstep
from layda.diagnosis.search import moved, tidy
from layda.errors import SettingError
from layda.objectives import black_box, classic, from_function
from layda.objectives.data import data_objective
from layda.rules import Adam, GradientDescent, HeavyBall
from layda.schedules import ExponentialDecay, SutskeverMomentum
from tests.cases import RULES


def valley(dimension: int, condition: float):
    curvatures = np.geomspace(1.0, condition, dimension).tolist()
    return from_function(
        lambda *x: sum(0.5 * a * b * b for a, b in zip(curvatures, x, strict=True)),
        dimension=dimension, start=(1.0,) * dimension, box=(-2.0, 2.0), convex=True,
    )  # fmt: skip


GRIDDED = {
    "valley of 100": lambda: valley(2, 100.0),
    "valley of 1000": lambda: valley(8, 1000.0),
    "rosenbrock": lambda: classic("rosenbrock"),
    "beale": lambda: classic("beale"),
    "booth": lambda: classic("booth"),
    "plateau": lambda: classic("plateau"),
    "iris": lambda: data_objective("iris"),
}


def test_near_the_best_of_a_grid_at_a_fiftieth_of_its_gradients() -> None:
    ratios = []
    for make in GRIDDED.values():
        objective = make()
        cap = 300 if objective.dimension == 15 else 2000
        tuned = layda.tune(objective, steps=cap)
        top = max(tuned.at_start.largest, tuned.at_minimum.largest)
        alphas, betas = np.meshgrid(np.geomspace(1e-3 / top, 8.0 / tuned.at_minimum.largest, 16),
                                    1.0 - np.geomspace(1.0, 1e-3, 16))  # fmt: skip
        numbers = {"learning_rate": alphas.ravel(), "momentum": betas.ravel()}
        found = lockstep(objective, HeavyBall(), np.array(objective.start), numbers, target=tuned.target, steps=cap)
        best = int(np.min(found.arrived[found.arrived >= 0]))
        ratios.append(tuned.steps / best)
        # The grid of the promise has 40 x 40 runs, this one 16 x 16.
        assert tuned.spent <= 0.02 * found.gradients * (40 / 16) ** 2
        assert tuned.stays
    assert np.median(ratios) <= 1.25
    assert max(ratios) <= 1.5


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_settles_on_a_quadratic_with_what_is_recommended(rule) -> None:
    objective = from_function(lambda x, y: 0.5 * x * x + 10.0 * y * y, start=(2.0, 1.3), box=(-4.0, 4.0), convex=True)
    tuned = layda.tune(objective, rule, steps=600)
    assert type(tuned.recommended) is type(rule)
    assert tuned.steps is not None
    assert tuned.stays
    values = layda.descend(objective, tuned.recommended, steps=600, tolerance=0.0).values
    at = (values[:-1] <= tuned.target) & (values[1:] <= tuned.target)
    assert int(np.argmax(at)) == tuned.steps
    assert tuned.spent == sum(tuned.gradients.values())
    run = layda.descend(objective, tuned.recommended, steps=4000)
    assert run.verdict.kind == "converged"
    kept = {
        name: value for name, value in rule.settings().items() if name not in ("learning_rate", "momentum", "beta1")
    }
    assert {name: tuned.recommended.settings()[name] for name in kept} == kept


def test_the_target_is_a_share_of_the_gap_to_the_bottom_of_the_starts_basin() -> None:
    tuned = layda.tune("tilted_double_well", start=2.0)
    poor = 0.0973605582
    assert tuned.minimum == pytest.approx((0.945649,), abs=1e-5)
    assert tuned.floor == pytest.approx(poor)
    height = classic("tilted_double_well").value(np.array([2.0]))
    assert tuned.target == pytest.approx(poor + 1e-6 * (height - poor), abs=1e-9)
    assert tuned.tolerance == pytest.approx(1e-6)
    given = layda.tune("booth", target=1.0)
    assert given.target == 1.0
    assert given.steps is not None


def test_theory_is_exact_on_a_quadratic_and_says_so() -> None:
    tuned = layda.tune(classic("quadratic"))
    (one,) = tuned.theory
    assert tuned.quadratic
    assert one.settings["learning_rate"] == pytest.approx((2 / 11) ** 2)
    assert one.settings["momentum"] == pytest.approx((9 / 11) ** 2)
    assert one.rate == pytest.approx(9 / 11)
    assert any(candidate.origin == "theory" for candidate in tuned.candidates)
    assert not layda.tune("rosenbrock").quadratic


def test_theory_is_found_from_how_a_rule_moves() -> None:
    best = {"learning_rate": (2 / 11) ** 2, "momentum": (9 / 11) ** 2}
    for form, gain in (("velocity", 1.0), ("step", 1.0), ("average", 1.0 - (9 / 11) ** 2)):
        (one,) = layda.tune(classic("quadratic"), HeavyBall(form=form)).theory
        assert one.settings["learning_rate"] == pytest.approx(best["learning_rate"] / gain, rel=1e-6)
        assert one.settings["momentum"] == pytest.approx(best["momentum"])
    (plain,) = layda.tune(classic("quadratic"), GradientDescent()).theory
    assert plain.settings == {"learning_rate": pytest.approx(2 / 101)}
    assert plain.rate == pytest.approx(99 / 101)
    assert plain.steps(1e-12) == pytest.approx(691, abs=1)


def test_theory_of_other_linear_rules() -> None:
    (nesterov,) = layda.tune(classic("quadratic"), "nesterov").theory
    assert nesterov.rate == pytest.approx(0.8847219165)
    assert layda.tune(classic("quadratic"), "quasi-hyperbolic").theory[0].settings["nu"] == 1.0


def test_what_theory_cannot_say_is_said() -> None:
    tuned = layda.tune("quadratic", "adam")
    assert tuned.theory == ()
    assert layda.tune("sphere", "sign-momentum", steps=200).theory == ()
    assert any("no theory" in note for note in tuned.notes)


def test_signs_need_a_decay() -> None:
    tuned = layda.tune("sphere", "sign-momentum")
    assert isinstance(tuned.recommended.learning_rate, ExponentialDecay)
    assert tuned.stays
    assert layda.descend("sphere", tuned.recommended, steps=1000).verdict.kind == "converged"


def test_a_ball_that_leaves_for_another_basin_is_not_recommended() -> None:
    tuned = layda.tune("lecture", steps=2000)
    run = layda.descend("lecture", tuned.recommended, steps=2000)
    assert run.verdict.kind in ("converged", "trapped")


def test_mini_batches_race_for_the_lowest_loss_of_all_rows() -> None:
    objective = data_objective("iris", batch=20)
    tuned = layda.tune(objective, steps=90)
    assert tuned.steps is None
    assert not tuned.stays
    usual = layda.descend(objective, HeavyBall(0.01, 0.9), steps=90, tolerance=0.0)
    assert tuned.value < usual.value
    assert any("mini-batches" in note for note in tuned.notes)


def test_black_boxes() -> None:
    box = black_box(lambda x: float(x[0] ** 2 + 9 * x[1] ** 2), dimension=2, start=(1.0, 1.0))
    tuned = layda.tune(box, steps=200)
    assert tuned.stays
    assert tuned.at_minimum.largest == pytest.approx(18.0, rel=1e-3)


def test_weight_decay_is_part_of_f_when_it_is_coupled() -> None:
    tuned = layda.tune("quadratic", HeavyBall(weight_decay=1.0))
    assert tuned.at_minimum.largest == pytest.approx(101.0)
    assert tuned.recommended.weight_decay == 1.0


def test_schedules_are_kept() -> None:
    tuned = layda.tune("quadratic", HeavyBall(ExponentialDecay(0.5, 0.999), SutskeverMomentum(0.9, 25)))
    assert tuned.recommended.learning_rate.decay == 0.999
    assert tuned.recommended.momentum == SutskeverMomentum(0.9, 25)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scales_of_f_and_of_its_coordinates_change_nothing_but_the_rate(scale: float) -> None:
    def valley(x, y):
        return (1.0 - x) ** 2 + 100.0 * (y - x**2) ** 2

    usual = layda.tune(from_function(valley, start=(-1.2, 1.0)))
    higher = layda.tune(from_function(lambda x, y: scale * valley(x, y), start=(-1.2, 1.0)))
    wider = layda.tune(
        from_function(
            lambda x, y: valley(x / scale, y / scale), start=(-1.2 * scale, scale), box=(-2.0 * scale, 2.0 * scale)
        )
    )
    assert usual.steps == higher.steps == wider.steps
    assert higher.recommended.learning_rate == pytest.approx(usual.recommended.learning_rate / scale, rel=1e-3)
    assert wider.recommended.learning_rate == pytest.approx(usual.recommended.learning_rate * scale**2, rel=1e-3)


def test_the_same_twice() -> None:
    one, two = layda.tune("beale"), layda.tune("beale")
    assert one.recommended == two.recommended
    assert one.gradients == two.gradients


def test_progress_and_candidates() -> None:
    told: list[int] = []
    tuned = layda.tune("booth", progress=told.append)
    assert told == sorted(told)
    assert told[-1] <= tuned.gradients["race"]
    ranks = [one.rank for one in tuned.candidates]
    assert ranks == sorted(ranks)
    assert tuned.candidates[0].steps == tuned.steps


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"objective": "x"}, "f falls on and on"),
        ({"objective": "monkey_saddle"}, "it ends at a saddle"),
        ({"objective": "booth", "start": (1.0, 3.0)}, "a place of rest already"),
        ({"objective": "log(x)", "start": -1.0}, "it must be finite"),
        ({"objective": "booth", "tolerance": 1.0}, "tolerance is 1.0; allowed is a number between 0 and 1"),
        ({"objective": "booth", "target": float("inf")}, "target is inf; allowed is a finite number"),
        ({"objective": "booth", "steps": 0}, "steps is 0"),
    ],
)
def test_refused(arguments, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        layda.tune(**arguments)


def test_balls_side_by_side_end_as_each_alone(runs: int) -> None:
    generator = np.random.default_rng(5)
    for _ in range(runs):
        for rule in (HeavyBall(), Adam(), GradientDescent()):
            objective = classic("beale")
            rates = generator.uniform(1e-3, 0.05, 6)
            target = 1e-3
            found = lockstep(
                objective, rule, np.array(objective.start), {"learning_rate": rates}, target=target, steps=400
            )
            for ball, rate in enumerate(rates):
                one = type(rule)(float(rate))
                values = layda.descend(objective, one, steps=400, tolerance=0.0).values
                at = np.flatnonzero((values[:-1] <= target) & (values[1:] <= target))
                assert found.arrived[ball] == (at[0] if len(at) else -1)
                assert found.steps[ball] == (at[0] + 1 if len(at) else len(values) - 1)


def test_the_first_arrival_ends_the_race_and_a_flight_over_the_minimum_is_none() -> None:
    objective = from_function(lambda x: x * x, start=1.0)
    rates = {"learning_rate": np.array([0.01, 0.25, 0.5])}
    found = lockstep(objective, GradientDescent(), np.array([1.0]), rates, target=1e-6, steps=999, first_only=True)
    assert found.arrived.tolist() == [-1, -1, 1]
    assert found.steps.tolist() == [2, 2, 2]
    flying = {"learning_rate": np.array([0.5]), "momentum": np.array([0.9])}
    passing = lockstep(objective, HeavyBall(), np.array([1.0]), flying, target=1e-6, steps=1)
    assert passing.arrived.tolist() == [-1]
    assert passing.best.tolist() == [0.0]


def test_settings_are_raced_as_they_are_shown() -> None:
    assert tidy("learning_rate", 0.0123456) == 0.01235
    assert tidy("momentum", 0.98765432) == 0.9877
    assert tidy("learning_rate.initial", 1.23456e-7) == 1.235e-07
    assert moved("momentum", 0.9, 2.0) == pytest.approx(0.8)
    assert moved("momentum", 0.6, 4.0) == 0.0
    assert moved("learning_rate", 0.5, 2.0) == 1.0
