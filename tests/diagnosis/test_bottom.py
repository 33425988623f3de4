"""The bottom of the start's basin: where the flow along the slope ends, and what is said where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from layda.diagnosis.bottom import bottom
from layda.diagnosis.curvature import curvature_at
from layda.objectives import black_box, classic, from_function
from tests.cases import SMALL_CLASSICS

NO_MINIMUM = ("monkey_saddle",)  # the flow from its start ends at a saddle
NOT_SMOOTH = ("ackley",)


def size(objective, place):
    return float(np.max(np.abs(curvature_at(objective, place).spectrum), initial=0.0))


@pytest.mark.parametrize("name", [name for name in SMALL_CLASSICS if name not in (*NO_MINIMUM, *NOT_SMOOTH)])
def test_it_is_where_the_flow_along_the_slope_ends(name: str, runs: int) -> None:
    from scipy.integrate import solve_ivp

    objective = classic(name)
    generator = np.random.default_rng(len(name))
    low, high = np.array(objective.box).T
    starts = [np.array(objective.start), *generator.uniform(low, high, size=(2 * runs, objective.dimension))]
    for start in starts:
        if not objective.is_defined(start):
            continue
        found = bottom(objective, start, size(objective, start))
        assert found.found
        height, floor = objective.value(start), found.value
        after = curvature_at(objective, found.position).smallest_positive
        span = 200.0 / max(1.0, (after or 0.0) / 10.0)
        flow = solve_ivp(
            lambda t, x: -objective.value_and_gradient(x)[1], (0.0, span), start, method="LSODA", rtol=1e-6, atol=1e-8
        )
        assert objective.value(flow.y[:, -1]) - floor <= 1e-2 * (height - floor)
        assert objective.value(flow.y[:, -1]) - floor >= -1e-9 * (height - floor)
        assert found.gradients <= 400


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scales_of_f_and_of_its_coordinates_do_not_matter(scale: float) -> None:
    for f in (
        lambda x, y: scale * ((x - 1) ** 2 + 30 * y * y),
        lambda x, y: (x / scale - 1) ** 2 + 30 * (y / scale) ** 2,
    ):
        stretched = 1.0 if f(1.0, 0.0) == 0.0 else scale
        start = np.array([3.0, 1.0]) * stretched
        found = bottom(from_function(f), start, 0.0)
        assert found.found
        np.testing.assert_allclose(found.position, [stretched, 0.0], atol=1e-5 * stretched)


def test_the_path_goes_down_from_the_start() -> None:
    objective = classic("rosenbrock")
    found = bottom(objective, np.array(objective.start), 1506.0)
    heights = objective.values(found.path)
    assert np.all(np.diff(heights) <= 0.0)
    assert found.path[0].tolist() == list(objective.start)


def test_no_bottom_is_claimed_where_there_is_none() -> None:
    assert not bottom(from_function(lambda x: x), np.array([1.0]), 0.0).found
    assert not bottom(black_box(lambda x: float(np.nan)), np.array([1.0]), 1.0).found
    rest = bottom(from_function(lambda x: x * x), np.array([0.0]), 2.0)
    assert (rest.found, rest.gradients) == (True, 1)
