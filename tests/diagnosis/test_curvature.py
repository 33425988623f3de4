"""Curvature: Lanczos' method against the whole Hessian, what it costs, and what it says when it has not converged."""

from __future__ import annotations

import numpy as np
import pytest

import layda
from layda.diagnosis.curvature import Curvature, curvature_along, curvature_at
from layda.errors import SettingError
from layda.objective import BlackBox
from layda.objectives import black_box, classic, from_function
from layda.objectives.data import data_objective
from layda.program import hessian_product
from layda.run.lanczos import curvature_products, lanczos
from tests.cases import SMALL_CLASSICS, needs_tables

ALLOWED = 3e-4  # of the largest eigenvalue


def turned(dimension: int, condition: float, generator: np.random.Generator) -> tuple[BlackBox, np.ndarray]:
    """½ xᵀAx with eigenvalues spread evenly in their logarithm, in a random orthonormal basis."""
    basis = np.linalg.qr(generator.normal(size=(dimension, dimension)))[0]
    matrix = (basis * np.geomspace(1.0, condition, dimension)) @ basis.T
    matrix = 0.5 * (matrix + matrix.T)
    return black_box(lambda x: 0.5 * x @ matrix @ x, lambda x: matrix @ x, dimension=dimension), matrix


def assert_near(found: Curvature, matrix: np.ndarray) -> None:
    """Eigenvalues as near as promised, and vectors that belong to them."""
    exact = np.linalg.eigvalsh(matrix)
    size = np.max(np.abs(exact))
    assert found.converged
    assert abs(found.largest - exact[-1]) <= ALLOWED * size
    assert found.residual < 1e-2
    for value, vector, residual in (
        (found.largest, found.steepest, found.residual),
        (found.smallest, found.flattest, found.smallest_residual),
    ):
        assert np.linalg.norm(vector) == pytest.approx(1.0)
        assert np.linalg.norm(matrix @ vector - value * vector) <= (residual + 1e-5) * size


@pytest.mark.parametrize("dimension", [40, 100, 200])
@pytest.mark.parametrize("condition", [10.0, 1e3, 1e5])
def test_random_quadratics(dimension: int, condition: float, runs: int) -> None:
    generator = np.random.default_rng([dimension, int(condition)])
    for _ in range(runs if dimension > 100 else 3 * runs):
        objective, matrix = turned(dimension, condition, generator)
        found = curvature_at(objective, generator.normal(size=dimension))
        assert_near(found, matrix)
        assert found.method == "lanczos on differences of gradients"
        assert found.gradients == 2.0 * found.products
        assert found.products <= min(dimension, 40)


def test_six_to_nine_products_where_the_top_stands_out() -> None:
    generator = np.random.default_rng(1)
    for _ in range(10):
        pushes = generator.normal(size=(100, 3))
        matrix = np.eye(100) + pushes @ pushes.T
        found = curvature_at(
            black_box(lambda x, a=matrix: 0.5 * x @ a @ x, lambda x, a=matrix: a @ x, dimension=100), np.ones(100)
        )
        assert_near(found, matrix)
        assert found.products <= 9


@pytest.mark.parametrize("name", [name for name in SMALL_CLASSICS if name != "monkey_saddle"])
def test_products_of_the_program_are_those_of_its_hessian(name: str) -> None:
    objective = classic(name)
    generator = np.random.default_rng(3)
    place = np.array(objective.start) + 0.01
    product, cost, method = curvature_products(objective, place)
    assert method == "lanczos on Hessian-vector products of the program"
    assert cost <= 4.0
    for _ in range(3):
        direction = generator.normal(size=objective.dimension)
        np.testing.assert_allclose(product(direction), objective.hessian(place) @ direction, rtol=1e-9, atol=1e-9)


def test_a_product_reads_no_branch_that_was_not_taken() -> None:
    program = hessian_product(from_function(lambda x: layda.functions.where(x > 0.0, x**3, 0.0 * x)).program)
    assert program(2.0, 1.0) == 12.0
    assert program(-2.0, 1.0) == 0.0


@pytest.mark.parametrize("dimension", [40, 60])
def test_traced_valleys(dimension: int) -> None:
    objective = classic("rosenbrock", dimension)
    place = np.random.default_rng(dimension).uniform(-1.0, 1.0, dimension)
    found = curvature_at(objective, place)
    assert_near(found, objective.hessian(place))
    assert found.smallest < 0.0
    assert found.gradients < 2.5 * found.products


@needs_tables
@pytest.mark.parametrize(("name", "model"), [("digits", "auto"), ("wine", "network")])
def test_models_on_tables(name: str, model: str) -> None:
    objective = data_objective(name, model=model)
    place = np.random.default_rng(0).normal(size=objective.dimension) / 10.0
    assert_near(curvature_at(objective, place), objective.hessian(place))
    batches = data_objective(name, model=model, batch=16)
    assert batches.stochastic
    np.testing.assert_array_equal(curvature_at(batches, place).spectrum, curvature_at(objective, place).spectrum)


def test_linear_models_know_their_hessian() -> None:
    objective = data_objective("wine")
    found = curvature_at(objective, objective.start)
    assert (found.method, found.gradients) == ("hessian", 21.0)
    # The intercepts may all grow alike: one curvature is 0, and is not the smallest positive one.
    assert abs(found.smallest) < 1e-12
    assert found.smallest_positive == pytest.approx(1e-3, rel=1e-6)


def test_the_whole_hessian_in_few_dimensions() -> None:
    found = curvature_at(classic("quadratic"), (1.0, 1.0))
    assert (found.largest, found.smallest, found.smallest_positive, found.condition) == (100.0, 1.0, 1.0, 100.0)
    assert (found.method, found.residual, found.converged) == ("hessian", 0.0, True)
    valley = curvature_at(classic("rosenbrock"), (0.0, 1.0))
    assert (valley.smallest, valley.largest, valley.smallest_positive) == (-398.0, 200.0, 200.0)
    assert np.abs(valley.flattest).tolist() == [1.0, 0.0]
    assert curvature_at(from_function(lambda x: -x * x), 1.0).smallest_positive is None


def test_an_unconverged_measurement_says_so() -> None:
    objective, matrix = turned(100, 1e3, np.random.default_rng(0))
    found = curvature_at(objective, np.ones(100), most_products=3)
    assert not found.converged
    assert found.products == 3
    assert found.residual > 1e-2
    assert found.largest < np.linalg.eigvalsh(matrix)[-1]


def test_where_f_is_not_defined_nothing_is_claimed() -> None:
    found = curvature_at(classic("logarithm"), 0.0)
    assert np.isnan(found.largest)
    assert not found.converged
    wide = black_box(lambda x: np.nan, lambda x: np.full(40, np.nan), dimension=40)
    assert np.isnan(curvature_at(wide, np.ones(40)).smallest)


def test_lanczos_ends_when_the_start_reaches_no_further() -> None:
    found = lanczos(lambda v: 3.0 * v, 50)
    assert found is not None
    assert (found.products, found.converged) == (1, True)
    assert found.values == pytest.approx([3.0])


def test_along_a_run() -> None:
    run = layda.descend("rosenbrock", "heavy-ball:learning_rate=0.001,momentum=0.9", steps=200)
    along = curvature_along(run, 5)
    assert along.steps.tolist() == [0, 50, 100, 150, 200]
    for step, largest in zip(along.steps, along.largest, strict=True):
        assert largest == curvature_at(run.objective, run.positions[step]).largest
    assert curvature_along(run, [3, 7]).steps.tolist() == [3, 7]
    wide = layda.descend(classic("rosenbrock", 40), "gradient-descent:learning_rate=0.001", steps=50)
    along = curvature_along(wide, 4)
    exact = [np.linalg.eigvalsh(wide.objective.hessian(wide.positions[step]))[-1] for step in along.steps]
    np.testing.assert_allclose(along.largest, exact, rtol=2 * ALLOWED)
    assert along.converged
    diverged = layda.descend("x^4", "gradient-descent:learning_rate=10", start=2.0)
    assert np.all(np.isfinite(curvature_along(diverged).steps))


def test_refused() -> None:
    with pytest.raises(SettingError, match=r"position is .*; allowed are 2 finite numbers"):
        curvature_at(classic("booth"), (1.0,))
    with pytest.raises(SettingError, match="most_products is 0"):
        curvature_at(classic("booth"), (1.0, 1.0), most_products=0)
    run = layda.descend("x^2", start=1.0, steps=5)
    with pytest.raises(SettingError, match="points is 0"):
        curvature_along(run, 0)
    with pytest.raises(SettingError, match="rows of the run, from 0 to 5"):
        curvature_along(run, [9])
