"""One program, every kind of number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layda import functions as F  # noqa: N812 - mathematics reads better with a short name
from layda.program import trace

PROGRAM = trace(
    lambda x, y: (
        F.sin(x) * F.exp(-(y**2)) + F.sqrt(x * x + 1) / F.cosh(y) - F.where(x > y, F.log(x * x + 1), F.arctan(y))
    ),
    ["x", "y"],
)
POINTS = [(0.3, -1.2), (-2.0, 0.5), (1.5, 1.5)]


def values() -> list[float]:
    return [PROGRAM.evaluate({"x": x, "y": y})["value"] for x, y in POINTS]


def test_numpy_gives_the_bits_of_floats() -> None:
    x, y = np.array(POINTS).T
    assert PROGRAM.evaluate({"x": x, "y": y})["value"].tolist() == values()


def test_mpmath() -> None:
    mpmath = pytest.importorskip("mpmath")
    for (x, y), wanted in zip(POINTS, values(), strict=True):
        found = PROGRAM.evaluate({"x": mpmath.mpf(x), "y": mpmath.mpf(y)})["value"]
        assert float(found) == pytest.approx(wanted, rel=1e-14)


def test_sympy() -> None:
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y", real=True)
    form = PROGRAM.evaluate({"x": x, "y": y})["value"]
    for (a, b), wanted in zip(POINTS, values(), strict=True):
        assert float(form.subs({x: sympy.Float(a, 30), y: sympy.Float(b, 30)})) == pytest.approx(wanted, rel=1e-12)


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    x, y = torch.tensor(POINTS, dtype=torch.float64).T
    assert PROGRAM.evaluate({"x": x, "y": y})["value"].tolist() == pytest.approx(values(), rel=1e-12)


def test_jax() -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        x, y = jax.numpy.array(POINTS, dtype=jax.numpy.float64).T
        assert PROGRAM.evaluate({"x": x, "y": y})["value"].tolist() == pytest.approx(values(), rel=1e-12)


def test_floats_follow_ieee_where_python_raises() -> None:
    divide = trace(lambda x, y: x / y, ["x", "y"])
    assert divide.evaluate({"x": 1.0, "y": 0.0})["value"] == math.inf
    assert divide.evaluate({"x": 1.0, "y": -0.0})["value"] == -math.inf
    assert math.isnan(divide.evaluate({"x": 0.0, "y": 0.0})["value"])
    assert math.isnan(trace(F.sqrt, ["x"]).evaluate({"x": -1.0})["value"])
    assert trace(F.floor, ["x"]).evaluate({"x": math.inf})["value"] == math.inf
    assert math.copysign(1.0, trace(F.floor, ["x"]).evaluate({"x": -0.0})["value"]) == -1.0
