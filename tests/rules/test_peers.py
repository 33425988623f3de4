"""Every rule against PyTorch, optax or schedulefree in float64, to 1e-12 over 1000 steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layda
from layda.rules import (
    Adam,
    AdamW,
    AggregatedMomentum,
    GradientDescent,
    HeavyBall,
    Lion,
    NAdam,
    Nesterov,
    QuasiHyperbolic,
    ScheduleFreeSGD,
    SignMomentum,
)

STEPS = 1000
START = (1.5, -0.75)


def bowl(x: Any, y: Any) -> Any:
    """Smooth, convex and without chaos, so that rounding does not grow: peers may round in another order."""
    return (x * x + 10 * y * y + x * y) / 2 + x**4 / 8


def bowl_gradient(x: np.ndarray) -> np.ndarray:
    return np.array([x[0] + x[1] / 2 + x[0] ** 3 / 2, 10 * x[1] + x[0] / 2])


def positions(rule: layda.Rule, steps: int = STEPS) -> Any:
    run = layda.descend(bowl, rule, start=START, steps=steps, tolerance=0)
    return run.positions


def assert_close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs)) <= 1e-12 * max(1.0, float(np.max(np.abs(theirs))))


def by_torch(make: Callable[[Any, Any], Any]) -> np.ndarray:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # torch's NAdam keeps its product of momenta in the default type
    try:
        return walked(torch, point, make(torch, [point]))
    finally:
        torch.set_default_dtype(usual)


def walked(torch: Any, point: Any, optimizer: Any) -> np.ndarray:
    found = [point.detach().numpy().copy()]
    for _ in range(STEPS):
        point.grad = torch.tensor(bowl_gradient(point.detach().numpy()), dtype=torch.float64)
        optimizer.step()
        found.append(point.detach().numpy().copy())
    return np.array(found)


TORCH: dict[str, tuple[layda.Rule, Callable[[Any, Any], Any]]] = {
    "sgd": (GradientDescent(0.05), lambda t, p: t.optim.SGD(p, 0.05)),
    "sgd-decay": (GradientDescent(0.05, weight_decay=0.1), lambda t, p: t.optim.SGD(p, 0.05, weight_decay=0.1)),
    "momentum": (HeavyBall(0.02, 0.9, form="step"), lambda t, p: t.optim.SGD(p, 0.02, momentum=0.9)),
    "momentum-decay": (
        HeavyBall(0.02, 0.9, form="step", weight_decay=0.05),
        lambda t, p: t.optim.SGD(p, 0.02, momentum=0.9, weight_decay=0.05),
    ),
    "nesterov": (Nesterov(0.02, 0.9), lambda t, p: t.optim.SGD(p, 0.02, momentum=0.9, nesterov=True)),
    "adam": (Adam(0.01), lambda t, p: t.optim.Adam(p, 0.01, foreach=False)),
    "adam-decay": (Adam(0.01, weight_decay=0.1), lambda t, p: t.optim.Adam(p, 0.01, weight_decay=0.1, foreach=False)),
    "adamw": (AdamW(0.01, weight_decay=0.1), lambda t, p: t.optim.AdamW(p, 0.01, weight_decay=0.1, foreach=False)),
    "nadam": (NAdam(0.01), lambda t, p: t.optim.NAdam(p, 0.01, foreach=False)),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch(name: str) -> None:
    rule, make = TORCH[name]
    assert_close(positions(rule), by_torch(make))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lion_as_in_optax(weight_decay: float) -> None:
    optax = pytest.importorskip("optax", reason="optax is not installed")
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    ours = Lion(0.001, 0.9, 0.99, weight_decay=weight_decay)
    with jax.enable_x64(True):
        assert_close(positions(ours), by_optax(optax.lion(0.001, 0.9, 0.99, weight_decay=weight_decay), jax))


def test_lion_s_coupled_decay_is_a_part_of_the_gradient() -> None:
    ours = positions(Lion(0.001, 0.9, 0.99, weight_decay=0.1, decoupled=False))

    def step(x: np.ndarray, g: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        g = g + 0.1 * x
        return x - 0.001 * np.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g

    assert_close(ours, by_recurrence(step, np.zeros(2)))


def by_optax(transformation: Any, jax: Any) -> np.ndarray:
    point = jax.numpy.array(START, dtype=jax.numpy.float64)
    state = transformation.init(point)
    update = jax.jit(transformation.update)
    found = [np.asarray(point)]
    for _ in range(STEPS):
        change, state = update(jax.numpy.array(bowl_gradient(np.asarray(point))), state, point)
        point = point + change
        found.append(np.asarray(point))
    return np.array(found)


def test_heavy_ball_as_in_optax() -> None:
    optax = pytest.importorskip("optax", reason="optax is not installed")
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    with jax.enable_x64(True):
        assert_close(positions(HeavyBall(0.02, 0.9, form="step")), by_optax(optax.sgd(0.02, 0.9), jax))


def test_schedule_free_as_in_schedulefree() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    schedulefree = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = schedulefree.SGDScheduleFree([point], lr=0.05, momentum=0.9, foreach=False)
    optimizer.train()
    assert_close(positions(ScheduleFreeSGD(0.05, 0.9)), walked(torch, point, optimizer))


def by_recurrence(step: Callable[[np.ndarray, np.ndarray, Any], tuple[np.ndarray, Any]], state: Any) -> np.ndarray:
    """The recurrence as its paper states it, on arrays, written again here."""
    point = np.array(START)
    found = [point]
    for _ in range(STEPS):
        point, state = step(point, bowl_gradient(point), state)
        found.append(point)
    return np.array(found)


def test_quasi_hyperbolic_as_in_its_paper() -> None:
    def step(x: np.ndarray, g: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = 0.95 * v + 0.05 * g
        return x - 0.1 * (0.3 * g + 0.7 * v), v

    assert_close(positions(QuasiHyperbolic(0.1, 0.95, 0.7)), by_recurrence(step, np.zeros(2)))


def test_aggregated_momentum_as_in_its_paper() -> None:
    momenta = np.array([[0.0], [0.9], [0.99]])

    def step(x: np.ndarray, g: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = momenta * v - g
        return x + 0.01 / 3 * v.sum(axis=0), v

    assert_close(positions(AggregatedMomentum(0.01, (0.0, 0.9, 0.99))), by_recurrence(step, np.zeros((3, 2))))


def test_sign_momentum_as_in_its_paper() -> None:
    def step(x: np.ndarray, g: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = 0.9 * v + 0.1 * g
        return x - 0.001 * np.sign(v), v

    assert_close(positions(SignMomentum(0.001, 0.9)), by_recurrence(step, np.zeros(2)))
