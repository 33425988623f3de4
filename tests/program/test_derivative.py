"""Derivatives of programs against SymPy's, on generated expressions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layda import functions as F  # noqa: N812 - mathematics reads better with a short name
from layda.program import Program, gradient, hessian, trace, value_and_gradient

sympy = pytest.importorskip("sympy", reason="SymPy is not installed")
mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")

NAMES = ("x", "y", "z")
UNARY = ("sqrt", "sin", "cos", "tan", "exp", "log", "sinh", "cosh", "tanh", "arctan")
EXPRESSIONS = 250
TOLERANCE = 1e-9


def expression(draw: random.Random, depth: int) -> Callable[..., Any]:
    """A random function of x, y, z, as a tree of closures."""
    if depth == 0 or draw.random() < 0.12:
        if draw.random() < 0.3:
            constant = draw.choice([2, 3, 0.5, -1.25, 7])
            return lambda *at: constant
        index = draw.randrange(3)
        return lambda *at: at[index]
    kind = draw.choice(["+", "-", "*", "/", "power", "real power", "unary", "unary", "unary"])
    a, b = expression(draw, depth - 1), expression(draw, depth - 1)
    if kind == "unary":
        name = draw.choice(UNARY)
        if name in ("sqrt", "log"):  # of something positive
            return lambda *at: getattr(F, name)(a(*at) * a(*at) + 0.5)
        if name in ("exp", "sinh", "cosh"):  # of something moderate
            return lambda *at: getattr(F, name)(F.sin(a(*at)))
        return lambda *at: getattr(F, name)(a(*at))
    if kind == "power":
        whole = draw.choice([2, 3, -1, -2])
        return lambda *at: F.power(a(*at) * a(*at) + 1.0, whole)
    if kind == "real power":
        return lambda *at: F.power(a(*at) * a(*at) + 0.5, 1.3)
    if kind == "/":
        return lambda *at: a(*at) / (b(*at) * b(*at) + 1.0)
    return {"+": lambda *at: a(*at) + b(*at), "-": lambda *at: a(*at) - b(*at), "*": lambda *at: a(*at) * b(*at)}[kind]


def symbolic(program: Program) -> Any:
    symbols = dict(zip(NAMES, sympy.symbols("x y z", real=True), strict=True))
    found = program.evaluate({name: symbols[name] for name in program.inputs})
    return next(iter(found.values())), symbols


def well_conditioned(values: list[Any]) -> bool:
    """Derivatives that neither vanish in cancellation nor blow up: elsewhere floats cannot be compared by a share."""
    sizes = [abs(float(value)) for value in values if value != 0]
    return all(math.isfinite(size) for size in sizes) and all(1e-6 < size < 1e8 for size in sizes)


def test_gradient_and_hessian_are_sympys(runs: int) -> None:
    compared = 0
    for seed in range(EXPRESSIONS * runs):
        draw = random.Random(seed)  # noqa: S311 - a test's expressions, not a secret
        program = trace(expression(draw, draw.choice([2, 3, 3])), NAMES)
        wanted, symbols = symbolic(program)
        at = {name: draw.uniform(-1.5, 1.5) for name in NAMES}
        places = {symbols[name]: sympy.Float(value, 40) for name, value in at.items()}
        first = gradient(program).evaluate(at)
        second = hessian(program).evaluate(at)
        exact = {f"d_{a}": sympy.diff(wanted, symbols[a]) for a in NAMES}
        exact |= {
            f"d_{a}_{b}": sympy.diff(exact[f"d_{a}"], symbols[b]) for i, a in enumerate(NAMES) for b in NAMES[: i + 1]
        }
        numbers = {name: sympy.N(form.subs(places), 30) if form != 0 else 0 for name, form in exact.items()}
        if not well_conditioned(list(numbers.values())):
            continue
        for name, value in {**first, **second}.items():
            if name in numbers:
                assert abs(float(value) - float(numbers[name])) <= TOLERANCE * max(1.0, abs(float(numbers[name]))), (
                    seed,
                    name,
                    str(wanted),
                )
        compared += 1
    assert compared >= 200 * runs


def test_a_branch_that_is_not_taken_adds_nothing() -> None:
    root = value_and_gradient(trace(lambda x: F.where(x > 0.0, F.sqrt(x), 0.0), ["x"]))
    for x in (-4.0, -0.0, 0.0):
        assert root.evaluate({"x": x}) == {"value": 0.0, "d_x": 0.0}
    assert root.evaluate({"x": 4.0}) == {"value": 2.0, "d_x": 0.25}
    inverse = value_and_gradient(trace(lambda x: F.where(x == 0.0, 1.0, F.sin(x) / x), ["x"]))
    assert inverse.evaluate({"x": 0.0}) == {"value": 1.0, "d_x": 0.0}
    nested = value_and_gradient(trace(lambda x: F.where(x > 1.0, F.where(x > 2.0, x**2, F.log(x)), -x), ["x"]))
    assert [nested.evaluate({"x": x})["d_x"] for x in (3.0, 1.5, -1.0)] == [6.0, 1.0 / 1.5, -1.0]


def test_kinks() -> None:
    assert gradient(trace(lambda x: F.abs(x), ["x"])).evaluate({"x": 0.0})["d_x"] == 0.0
    assert gradient(trace(lambda x: F.sqrt(x), ["x"])).evaluate({"x": 0.0})["d_x"] == 0.0
    assert gradient(trace(lambda x: F.abs(x), ["x"])).evaluate({"x": -3.0})["d_x"] == -1.0
    assert gradient(trace(lambda x: F.floor(x) + F.sign(x), ["x"])).evaluate({"x": 2.5})["d_x"] == 0.0
    assert gradient(trace(lambda x, y: F.maximum(x, y), ["x", "y"])).evaluate({"x": 2.0, "y": 1.0}) == {
        "d_x": 1.0,
        "d_y": 0.0,
    }


def test_derivatives_of_arrays_are_those_of_floats() -> None:
    program = value_and_gradient(trace(lambda x, y: F.exp(x * y) - F.where(x > y, x**3, F.tanh(y)), ["x", "y"]))
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    whole = program.evaluate({"x": x, "y": y})
    for index in range(50):
        single = program.evaluate({"x": float(x[index]), "y": float(y[index])})
        assert all(whole[name][index] == single[name] for name in single)
