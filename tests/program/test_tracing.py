"""Tracing: what is written down, and what is refused with words that help."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from layda import functions as F  # noqa: N812 - mathematics reads better with a short name
from layda.errors import TraceError
from layda.program import Program, trace
from layda.program.ufuncs import UFUNCS


def test_the_authors_order_is_kept_and_equal_parts_are_shared() -> None:
    program = trace(lambda x, y: (x + y) * 3.0 + (x + y) / 2.0 - x * x * x, ["x", "y"])
    assert str(program).splitlines() == [
        "v0 = x", "v1 = y", "v2 = add(v0, v1)", "v3 = 3.0", "v4 = mul(v2, v3)", "v5 = 2.0", "v6 = div(v2, v5)",
        "v7 = add(v4, v6)", "v8 = mul(v0, v0)", "v9 = mul(v8, v0)", "v10 = sub(v7, v9)", "value: v10",
    ]  # fmt: skip


def test_x_over_3_is_not_x_times_a_third() -> None:
    assert trace(lambda x: x / 3.0, ["x"]).evaluate({"x": 5.0})["value"] == 5.0 / 3.0
    assert 5.0 / 3.0 != 5.0 * (1.0 / 3.0)


@pytest.mark.parametrize("name", UFUNCS)
def test_numpys_ufuncs(name: str) -> None:
    ufunc = getattr(np, name)
    generator = np.random.default_rng(len(name))
    for _ in range(20):
        a, b = generator.uniform(0.1, 2.0, 2)
        if name.startswith("logical"):
            wanted = ufunc(*(np.array([a, b])[: ufunc.nin] > 1.0))
            program = trace(lambda x, y: F.where(ufunc(*[v > 1.0 for v in (x, y)][: ufunc.nin]), 1.0, 0.0), ["x", "y"])
        elif ufunc.nin == 1:
            wanted = ufunc(a)
            program = trace(lambda x, y: ufunc(x) + 0.0 * y, ["x", "y"])
        elif name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"):
            wanted = ufunc(a, b)
            program = trace(lambda x, y: F.where(ufunc(x, y), 1.0, 0.0), ["x", "y"])
        else:
            wanted = ufunc(a, b)
            program = trace(lambda x, y: ufunc(x, y), ["x", "y"])
        assert program.evaluate({"x": float(a), "y": float(b)})["value"] == pytest.approx(float(wanted), rel=1e-15)


def _while(x: Any) -> Any:
    while x > 1.0:
        x = x / 2.0
    return x


def _if(x: Any) -> Any:
    if x > 0.0:
        return x
    return -x


REFUSED = {
    "if": (_if, "where"),
    "while": (_while, "fixed length"),
    "and": (lambda x: x > 0.0 and x < 1.0, "where"),
    "chained": (lambda x: F.where(0.0 < x < 1.0, x, 0.0), "where"),
    "min": (lambda x: min(x, 1.0), "minimum"),
    "float": (lambda x: float(x), "layda.functions"),
    "int": (lambda x: int(x), "floor"),
    "math": (lambda x: math.sin(x), "layda.functions"),
    "index": (lambda x: [1, 2][x], "loop of fixed length"),
    "range": (lambda x: sum(range(x)), "loop of fixed length"),
    "item": (lambda x: x[0], "separate arguments"),
    "iteration": (lambda x: sum(v for v in x), "separate arguments"),
    "array": (lambda x: np.array([x, x], dtype=float).sum(), "NumPy array"),
    "array constant": (lambda x: np.ones(3) * x, "array of shape (3,)"),
    "ufunc without counterpart": (lambda x: np.arcsinh(x), "numpy.arcsinh"),
    "reduction": (lambda x: np.add.reduce(x), "numpy.add.reduce"),
    "condition as number": (lambda x: (x > 0.0) + 1.0, "where(condition, 1.0, 0.0)"),
    "number as condition": (lambda x: F.where(x, 1.0, 0.0), "condition"),
    "text": (lambda x: "x", "cannot"),
    "nothing": (lambda x: None, ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_says_what_to_write(name: str) -> None:
    function, words = REFUSED[name]
    with pytest.raises((TraceError, TypeError)) as caught:
        trace(function, ["x"])
    if caught.type is TraceError:
        assert words in str(caught.value)


def test_the_message_names_the_line() -> None:
    with pytest.raises(TraceError, match=r"_if \(file test_tracing\.py, line \d+: if x > 0\.0:\)"):
        trace(_if, ["x"])


def test_values_of_two_traces_do_not_mix() -> None:
    kept: list[Any] = []
    trace(lambda x: kept.append(x) or x, ["x"])
    with pytest.raises(TraceError, match="two different traces"):
        trace(lambda y: y + kept[0], ["y"])


@pytest.mark.parametrize(
    "data",
    [
        {}, [], None, {"inputs": ["x"], "nodes": [["add", 0, 1]], "outputs": [["value", 0]]},
        {"inputs": ["x"], "nodes": [["input", "x"], ["launch", 0]], "outputs": [["value", 1]]},
        {"inputs": ["x"], "nodes": [["input", "x"], ["add", 0]], "outputs": [["value", 1]]},
        {"inputs": ["x"], "nodes": [["input", "x"]], "outputs": [["value", 7]]},
        {"inputs": ["x"], "nodes": [["const", "one"]], "outputs": [["value", 0]]},
        {"inputs": ["x"], "nodes": [["input", "y"]], "outputs": [["value", 0]]},
    ],
)  # fmt: skip
def test_bad_programs_are_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Program.from_json(data)


def test_programs_survive_json() -> None:
    program = trace(lambda x: F.where(x > -0.0, x * 1e400, x + float("nan")) - 0.0 + F.exp(x), ["x"])
    again = Program.from_json(program.to_json())
    assert again == program
    assert again.digest == program.digest
