"""One descent: arguments, results as data, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import layda
from layda.errors import LaydaError, SettingError
from layda.rules import ALL, HeavyBall
from tests.cases import RULES


def test_an_objective_is_a_name_a_formula_a_function_or_an_objective() -> None:
    runs = [
        layda.descend(given, "heavy-ball", start=(1.0, 1.0), steps=10, tolerance=0)
        for given in (
            "booth",
            "(x + 2y - 7)^2 + (2x + y - 5)^2",
            lambda x, y: (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2,
            layda.objectives.get("booth"),
        )
    ]
    for run in runs[1:]:
        assert np.array_equal(run.positions, runs[0].positions)


def test_shapes_and_meanings() -> None:
    run = layda.descend("himmelblau", HeavyBall(0.01, 0.9), steps=25, tolerance=0)
    assert run.positions.shape == run.estimates.shape == (26, 2)
    assert run.values.shape == run.learning_rates.shape == (26,)
    assert run.states["velocity"].shape == (26, 2)
    assert np.array_equal(run.velocities[1:], run.positions[:-1] - run.positions[1:])
    assert run.values[-1] == run.value == run.objective.value(run.position)
    assert run.steps == run.budget == 25


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_start_is_the_first_position(rule: layda.Rule) -> None:
    run = layda.descend("booth", rule, start=(0.25, -3.0), steps=3, tolerance=0)
    assert run.positions[0].tolist() == [0.25, -3.0]
    assert run.estimates[0].tolist() == [0.25, -3.0], "a rule begins at rest"


def test_a_random_start_is_drawn_from_the_box_and_by_the_seed() -> None:
    starts = {
        tuple(layda.descend("himmelblau", "heavy-ball", start="random", seed=s, steps=0).positions[0])
        for s in range(20)
    }
    assert len(starts) == 20
    assert all(-5 <= x <= 5 for start in starts for x in start)
    again = layda.descend("himmelblau", "heavy-ball", start="random", seed=3, steps=0).positions[0]
    assert tuple(again) in starts


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": (1.0, 2.0, 3.0)}, "start has 3 numbers; booth has 2 coordinates (x, y)"),
        ({"start": (1.0, float("nan"))}, "must be a finite number"),
        ({"start": "somewhere"}, "allowed are numbers, one for each coordinate, and 'random'"),
        ({"steps": -1}, "steps is -1; allowed is a whole number from 0"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"tolerance": 2}, "tolerance is 2"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"check_every": 0}, "check_every is 0"),
        ({"record": "some"}, "allowed are 'all' and 'end'"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError) as caught:
        layda.descend("booth", "heavy-ball", **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_no_rule_takes_a_nonsensical_setting(rule: type[layda.Rule]) -> None:
    for value in (float("nan"), float("inf"), -0.1, "fast", None, 1j):
        with pytest.raises(LaydaError, match="learning_rate"):
            rule(learning_rate=value)


def test_the_ends_of_the_ranges_are_allowed_and_say_what_they_did() -> None:
    for rule, words in (
        ("heavy-ball:momentum=1", "β = 1"),
        ("gradient-descent:learning_rate=ExponentialDecay(0.5, 0)", "δ = 0"),
        ("heavy-ball:learning_rate=ExponentialDecay(0.05, 1)", "δ = 1"),
    ):
        assert words in layda.describe(layda.descend("lecture", rule, steps=100))


def test_data_frames_and_datasets() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("xarray")
    race = layda.race("himmelblau", ["gradient-descent", "nesterov"], steps=12, tolerance=0)
    frame = race["nesterov"].to_dataframe()
    assert list(frame.columns[:3]) == ["step", "x", "y"]
    assert len(frame) == 13
    data = race["nesterov"].to_xarray()
    assert data["position"].dims == ("step", "coordinate")
    assert data.attrs["verdict"] == race["nesterov"].verdict.kind
    assert race.to_xarray()["value"].shape == (2, 13)
    assert set(race.to_dataframe()["label"]) == {"gradient-descent", "nesterov"}


def test_notebooks_show_kind_numbers_and_a_sparkline() -> None:
    shown = layda.descend("x^2", "heavy-ball", start=1.0, label="<b>")._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "converged" in shown
    assert "▁" in shown


def test_black_boxes_say_that_their_gradient_is_a_difference() -> None:
    box = layda.objectives.black_box(lambda x: float(abs(x[0]) + x[1] ** 2), dimension=2)
    run = layda.descend(box, "gradient-descent", start=(1.0, 1.0), steps=20)
    assert any("central differences" in note for note in run.verdict.notes)


def test_a_search_for_minima_is_reported_and_remembered() -> None:
    first = layda.descend("x^4 - 2x^2 + x/4", "heavy-ball", start=1.5, steps=3000)
    assert first.verdict.kind in ("trapped", "converged")
    assert "found by a search from" in first.verdict.evidence["minima_known"]
    second = layda.descend("x^4 - 2x^2 + x/4", "gradient-descent", start=1.5, steps=3000)
    assert second.verdict.kind == "trapped"
    assert second.verdict.better.position[0] == pytest.approx(-1.0298962, abs=1e-6)


def test_too_few_steps_say_nothing_about_the_pace() -> None:
    for steps in range(4):
        run = layda.descend("x^2", HeavyBall(1e-6), start=1.0, steps=steps)
        assert run.verdict.kind == "unfinished"
        assert "too few to tell" in layda.describe(run)
    assert layda.descend("x^2", HeavyBall(1e-6), start=1.0, steps=4).verdict.kind == "crawling"


def test_a_rate_of_zero_never_moves() -> None:
    run = layda.descend("x^2", "gradient-descent:learning_rate=0", start=1.0, steps=100)
    assert run.verdict.kind == "frozen"
    assert "never moved" in layda.describe(run)


@pytest.mark.parametrize("returned", ["one", None, [1.0, 2.0], {}])
def test_a_black_box_that_returns_no_number(returned: object) -> None:
    with pytest.raises(layda.errors.ComputationError, match="it must return one number"):
        layda.descend(layda.objectives.black_box(lambda x: returned), "heavy-ball", start=1.0)


def test_a_users_own_exception_is_theirs() -> None:
    with pytest.raises(ZeroDivisionError):
        layda.descend(layda.objectives.black_box(lambda x: 1 / 0), "heavy-ball", start=1.0)
