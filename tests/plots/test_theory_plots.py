"""Pictures of theory: rates, energies, weights, barriers; drawn, in two languages, and true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layda
from layda.measures.weights import past_weights
from layda.rules import GradientDescent, HeavyBall
from layda.schedules import ExponentialDecay
from layda.theory import barrier, linear_system


def _energy(rate: Any = 0.05) -> Any:
    return layda.energy(layda.descend("lecture", HeavyBall(rate, 0.9), start=2.0, steps=100))


def _barrier() -> Any:
    return barrier(layda.objectives.get("himmelblau"), (3.0, 2.0), (-2.805118, 3.131313))


DRAWN = {
    "rates": lambda: linear_system("heavy-ball"),
    "rates of plain descent": lambda: linear_system("gradient-descent"),
    "energy": _energy,
    "weights": lambda: past_weights(HeavyBall(0.1, 0.9), 40),
    "weights in the whole way": lambda: past_weights(HeavyBall(0.1, 0.9), 40, of="position"),
    "barrier": _barrier,
}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_in_both_languages(name: str, tmp_path: Path) -> None:
    texts = []
    for language in ("en", "vi"):
        figure = layda.plot(DRAWN[name](), tmp_path / f"{language}.png", language=language)
        assert (tmp_path / f"{language}.png").read_bytes().startswith(b"\x89PNG")
        axes = figure.axes[0]
        assert axes.get_xlabel() or figure.axes[-1].get_xlabel()
        texts.append(
            [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel(), axes.get_title())]
        )
    assert texts[0] != texts[1]


def test_the_map_is_black_exactly_where_the_ball_is_thrown_away() -> None:
    figure = layda.plot(linear_system("heavy-ball"))
    mesh = figure.axes[0].collections[0]
    shown = np.ma.masked_invalid(mesh.get_array())
    products = figure.axes[0].get_xlim()[1]
    momenta = np.linspace(0.0, 0.995, shown.shape[0])
    for row in (0, 120, 300):
        black = np.mean(np.ma.getmaskarray(shown)[row])
        assert 1.0 - black == pytest.approx(2 * (1 + momenta[row]) / products, abs=0.01)


def test_the_schedule_is_shown_where_there_is_one() -> None:
    constant, damped = layda.plot(_energy()), layda.plot(_energy(ExponentialDecay(0.05, 0.98)))
    assert len(damped.axes[1].lines) == len(constant.axes[1].lines) + 1


def test_the_last_points_of_what_was_taken_add_up() -> None:
    figure = layda.plot(_energy(ExponentialDecay(0.05, 0.98)))
    ends = {line.get_label(): float(np.asarray(line.get_ydata())[-1]) for line in figure.axes[1].lines}
    total = ends.pop("total, since the start")
    parts = sum(value for name, value in ends.items() if not name.startswith("_"))
    assert parts == pytest.approx(total, abs=1e-12)


def test_a_barrier_in_more_dimensions_says_that_it_is_a_bound() -> None:
    figure = layda.plot(_barrier())
    assert any("at most" in text.get_text() for text in figure.axes[0].texts)


def test_plain_descent_has_a_curve() -> None:
    assert layda.plot(linear_system(GradientDescent())).axes[0].get_ylabel() == "factor per step"
