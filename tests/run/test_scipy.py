"""Rules as methods of scipy.optimize.minimize."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import OptimizeWarning, minimize, rosen, rosen_der

import layda
from layda.errors import SettingError
from layda.rules import ALL
from tests.cases import RULES


def bowl(x: np.ndarray) -> float:
    return float(x @ x)


def bowl_gradient(x: np.ndarray) -> np.ndarray:
    return 2.0 * x


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_success_means_converged(rule: layda.Rule) -> None:
    found = minimize(bowl, [3.0, -4.0], jac=bowl_gradient, method=layda.scipy_method(rule), options={"maxiter": 300})
    assert found.success == (found.verdict.kind == "converged")
    assert found.x.shape == (2,)
    assert found.fun == pytest.approx(bowl(found.x))
    assert found.nit <= 300
    if found.success:
        assert np.max(np.abs(found.x)) < 1e-3


def test_rosenbrock() -> None:
    method = layda.scipy_method("nesterov:learning_rate=0.001,momentum=0.95")
    found = minimize(rosen, [-1.2, 1.0], jac=rosen_der, method=method, options={"maxiter": 20_000})
    assert found.success
    assert np.allclose(found.x, 1.0, atol=1e-3)
    assert found.nfev >= found.nit
    assert found.status == 0


@pytest.mark.parametrize(
    ("function", "gradient", "start"),
    [
        (lambda x: float("nan"), lambda x: np.full(1, np.nan), [1.0]),
        (lambda x: -float(x[0] ** 2), lambda x: -2.0 * x, [1.0]),
        (lambda x: float(x[0] ** 3), lambda x: 3.0 * x**2, [1.0]),
        (lambda x: float(x[0]), lambda x: np.ones(1), [0.0]),
        (lambda x: float(x[0] ** 2 - x[1] ** 2), lambda x: np.array([2 * x[0], -2 * x[1]]), [1.0, 0.0]),
    ],
    ids=["nan", "unbounded", "inflection", "slope", "saddle"],
)
def test_no_false_success(function: object, gradient: object, start: list[float]) -> None:
    """SciPy's own methods report success on some of these (scipy#6264)."""
    for rule in ("gradient-descent:learning_rate=0.1", "heavy-ball:learning_rate=0.1", "nesterov:learning_rate=0.1"):
        found = minimize(function, start, jac=gradient, method=layda.scipy_method(rule), options={"maxiter": 2000})
        assert not found.success, rule


def test_without_a_gradient_and_with_arguments() -> None:
    method = layda.scipy_method("heavy-ball:learning_rate=0.05")
    found = minimize(lambda x, a: float(np.sum((x - a) ** 2)), [0.0, 0.0], args=(3.0,), method=method)
    assert found.success
    assert np.allclose(found.x, 3.0, atol=1e-4)


def test_value_and_gradient_together() -> None:
    method = layda.scipy_method("heavy-ball:learning_rate=0.05")
    found = minimize(lambda x: (bowl(x), bowl_gradient(x)), [1.0, 2.0], jac=True, method=method)
    assert found.success


def test_callbacks_see_every_step_and_can_stop() -> None:
    seen: list[np.ndarray] = []

    def watch(x: np.ndarray) -> None:
        seen.append(x)
        if len(seen) == 7:
            raise StopIteration

    method = layda.scipy_method("heavy-ball:learning_rate=0.001")
    found = minimize(bowl, [1.0, 2.0], jac=bowl_gradient, method=method, callback=watch)
    assert len(seen) == 7
    assert found.nit == 7
    assert not found.success


def test_what_it_cannot_do_is_refused() -> None:
    method = layda.scipy_method("heavy-ball")
    with pytest.raises(SettingError, match="bounds were given"):
        minimize(bowl, [1.0], jac=bowl_gradient, method=method, bounds=[(0, 1)])
    with pytest.warns(OptimizeWarning, match="unknown to layda: speed"):
        minimize(bowl, [1.0], jac=bowl_gradient, method=method, options={"speed": 3, "maxiter": 1})


def nowhere(x: np.ndarray) -> float:
    return float("nan")


def endless(x: np.ndarray) -> float:
    return float(x[0] ** 3)


def test_scipy_succeeds_where_there_is_no_number() -> None:
    """COBYLA calls 1e30 the minimum of a function that is NaN everywhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = minimize(nowhere, [1.0], method="COBYLA")
    if not found.success:
        pytest.skip("this SciPy no longer calls it a success")
    assert not np.isnan(found.fun)


def test_scipy_succeeds_at_the_start_of_an_unbounded_function() -> None:
    """Newton-CG stays where the slope of x³ is 0 and calls it a minimum (scipy#6264)."""
    found = minimize(
        endless, [0.0], jac=lambda x: 3.0 * x**2, hess=lambda x: np.array([[6.0 * x[0]]]), method="Newton-CG"
    )
    if not found.success:
        pytest.skip("this SciPy no longer calls it a success")
    assert found.x[0] == 0.0


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)
def test_no_rule_succeeds_where_scipy_does(cls: type[layda.Rule]) -> None:
    """Neither where f is NaN nor where it falls without end, from a flat start or beside it."""
    method = layda.scipy_method(cls(learning_rate=0.05))
    for gradient in (None, lambda x: np.full(1, np.nan)):
        found = minimize(nowhere, [1.0], jac=gradient, method=method, options={"maxiter": 100})
        assert not found.success
        assert found.verdict.kind == "undefined"
    for start in (0.0, 0.7, -0.7):
        found = minimize(endless, [start], jac=lambda x: 3.0 * x**2, method=method, options={"maxiter": 500})
        assert not found.success, (start, found.verdict.kind, found.x)
    for start in (0.0, 1.0):
        hill = minimize(lambda x: -float(x[0] ** 2), [start], jac=lambda x: -2 * x, method=method)
        assert not hill.success, (start, hill.verdict.kind)
