"""Barriers: exact in one dimension, an upper bound near the saddle in more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layda
from layda.errors import SettingError
from layda.objective import from_function
from layda.objectives import classic
from layda.run.minima import known_minima
from layda.theory import barrier


def test_the_tilted_double_well() -> None:
    objective = classic("tilted_double_well")
    good, poor = (minimum.position for minimum in objective.minima or ())
    found = barrier(objective, poor, good)
    assert found.exact
    assert found.position[0] == pytest.approx(0.1010312579, abs=1e-9)
    assert found.height == pytest.approx(0.2550255156, abs=1e-10)
    assert found.above_a == pytest.approx(0.2550255156 - 0.0973605582, abs=1e-9)
    back = barrier(objective, good, poor)
    assert back.height == found.height
    assert back.above_a == pytest.approx(found.above_b)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3), roots=st.lists(st.floats(-2, 2), min_size=3, max_size=5))
def test_no_place_between_is_higher(a: float, b: float, roots: list[float]) -> None:
    def function(x: object) -> object:
        total = x - roots[0]  # type: ignore[operator]
        for root in roots[1:]:
            total = total * (x - root)  # type: ignore[operator]
        return total

    objective = from_function(function)
    found = barrier(objective, [a], [b])
    between = objective.values(np.linspace(a, b, 5000)[:, None])
    assert np.max(between) <= found.height + 1e-12 * max(1.0, abs(found.height))
    assert found.height <= np.max(between) + 1e-4 * max(1.0, float(np.ptp(between)))
    assert min(a, b) <= found.position[0] <= max(a, b)


SADDLES = {
    "himmelblau": (67.719150087526, 104.015162917558, 13.311926270406),
    "six_hump_camel": (0.0, 0.543718600978, 0.543718600978),
    "goldstein_price": (35.0, 99.0),
}
"""f at the saddle between the best minimum and the next ones: roots of the gradient, by SciPy 1.15."""


@pytest.mark.parametrize("name", SADDLES)
def test_an_upper_bound_close_to_the_saddle(name: str) -> None:
    objective = classic(name)
    minima = known_minima(objective).minima
    for other, height in zip(minima[1:], SADDLES[name], strict=False):
        found = barrier(objective, minima[0].position, other.position)
        assert not found.exact
        assert found.height >= height - 1e-9
        assert found.height <= height + 1e-3 * max(1.0, abs(height))
        assert np.all(found.values <= found.height)
        assert found.path[0].tolist() == list(minima[0].position)


def test_a_table_has_barriers_too() -> None:
    pytest.importorskip("sklearn")
    objective = layda.objectives.data_objective("diabetes")
    a, b = np.zeros(objective.dimension), np.ones(objective.dimension)
    found = barrier(objective, a, b)
    assert found.height == max(objective.value(a), objective.value(b)), "a convex loss has no barrier"


def test_what_is_refused() -> None:
    with pytest.raises(SettingError, match="allowed are 2 finite numbers, one for each coordinate of himmelblau"):
        barrier(classic("himmelblau"), [0.0], [1.0, 2.0])
    with pytest.raises(SettingError, match="b is"):
        barrier(classic("himmelblau"), [0.0, 0.0], [1.0, float("nan")])
