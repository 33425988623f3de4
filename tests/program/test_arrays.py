"""Functions of one array: the same numbers as NumPy's, and one line where they cannot be written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import rosen

import layda
from layda.errors import SettingError, TraceError
from layda.objectives import from_function
from layda.program.arrays import TracedArray
from layda.program.coordinates import trace_coordinates

MATRIX = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])


def shifted(p: Any) -> Any:
    p = p.copy()
    p -= 1
    p *= 2.0
    return sum(p**2)


def unpacked(p: Any) -> Any:
    x, y, z = p
    return x * y + z**2


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda p: (p**2).sum(), "numpy.sum": lambda p: np.sum(np.square(p)), "index": lambda p: p[0] ** 2 + p[-1],
    "unpacked": unpacked, "shifted": shifted, "matrix": lambda p: 0.5 * p @ MATRIX @ p - np.dot([1.0, 2.0, 3.0], p),
    "norm": lambda p: np.linalg.norm(p - 1.0), "rosen": rosen, "mean": lambda p: np.mean(np.sin(p)) + p.mean(),
    "where": lambda p: np.where(p > 0.0, p**2, -p).sum(), "largest": lambda p: p.max() - np.min(p),
    "product": lambda p: np.prod(p) ** 2 + len(p), "elements": lambda p: np.exp(-p[0]) + abs(p[1:]).sum(),
    "maximum": lambda p: np.maximum(p, 0.5).sum(), "of size one": lambda p: np.cos(p[:1]),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@given(place=st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3))
def test_the_numbers_are_numpys(name: str, place: list[float]) -> None:
    function = FUNCTIONS[name]
    found = from_function(function, dimension=3).value(np.array(place))
    assert found == pytest.approx(float(np.asarray(function(np.array(place))).item()), rel=1e-13, abs=1e-13)


def test_the_lines_are_those_of_separate_coordinates() -> None:
    whole = trace_coordinates(lambda p: (p**2).sum() + np.sin(p[0]), ["x", "y"], as_array=True)
    apart = trace_coordinates(lambda x, y: x**2 + y**2 + np.sin(x), ["x", "y"], as_array=False)
    assert whole.digest == apart.digest


def test_who_says_how_many_coordinates_there_are() -> None:
    bowl = FUNCTIONS["sum"]
    assert from_function(bowl, dimension=2).coordinates == ("x", "y")
    assert from_function(bowl, start=(1.0, 2.0, 3.0)).coordinates == ("x", "y", "z")
    assert from_function(bowl, coordinates=["a", "b"]).coordinates == ("a", "b")
    assert from_function(bowl, dimension=1).value(np.array([3.0])) == 9.0
    assert layda.descend(bowl, "heavy-ball:learning_rate=0.1", start=[1.0, 2.0]).verdict.kind == "converged"
    assert len(layda.race(bowl, ["heavy-ball"], start=[1.0, 2.0, 3.0, 4.0], steps=5).runs[0].position) == 4
    assert layda.tune(lambda *x: sum(v * v for v in x), "heavy-ball", start=[1.0, 2.0]).start == (1.0, 2.0)
    assert "x**2 + y**2" in layda.code("heavy-ball", "torch", objective=bowl, start=[1.0, 1.0])
    assert from_function(lambda p: p**2).dimension == 1, "what can be written down for one coordinate has one"
    inside = from_function(FUNCTIONS["index"], dimension=2, defined=lambda p: p[0] > 0)
    assert (inside.is_defined(np.array([1.0, 0.0])), inside.is_defined(np.array([-1.0, 0.0]))) == (True, False)


def branching(p: Any) -> Any:
    return p.sum() if p[0] > 0 else -p.sum()


def failing(p: Any) -> Any:
    raise ValueError("of my own:\ntwo lines")


@pytest.mark.parametrize(
    ("function", "dimension", "kind", "words"),
    [
        (FUNCTIONS["sum"], None, TraceError, "no attribute 'sum' (it got one coordinate, a symbol for a number). Take "
         "the coordinates as separate arguments, def f(x, y), or say how many coordinates the one array holds"),
        (FUNCTIONS["index"], None, TraceError, "it indexes a value that is one number. Take the coordinates as"),
        (FUNCTIONS["norm"], None, TraceError, "it uses numpy.norm on a value that is one number. Take the coordinates"),
        (lambda p: p**2, 2, TraceError, "returned an array of shape (2,); an objective returns one number"),
        (branching, 2, TraceError, "line"),
        (failing, 2, TraceError, "fails when it is called with symbols for the coordinates: ValueError: of my own: "
         "two lines; mend it"),
        (lambda p: np.asarray(p, float).sum(), 2, TraceError, "fails when it is called with symbols"),
        (lambda x: "3", None, TraceError, "'3' (str) cannot take part in a traced function; allowed are its own"),
        (lambda x: 1j * x, None, TraceError, "1j (complex) cannot take part"),
        (lambda: 3.0, None, SettingError, "takes no coordinate"),
        (lambda *x: x[0], None, SettingError, "takes any number of coordinates; say how many"),
        (lambda x, *, scale: x * scale, None, SettingError, "must be given scale by name"),
    ],
)  # fmt: skip
def test_refused(function: Any, dimension: int | None, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        from_function(function, dimension=dimension)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_users_function_raised_is_kept_as_the_cause() -> None:
    with pytest.raises(TraceError) as caught:
        from_function(failing, dimension=2)
    assert isinstance(caught.value.__cause__, ValueError)


def test_elements_that_are_plain_numbers_stay_so() -> None:
    mixed = TracedArray.of([1.0, 4.0])
    assert list(np.sqrt(mixed)) == [1.0, 2.0]
    assert list(np.where(mixed > 2.0, mixed, 0.0)) == [0.0, 4.0]
    assert mixed.max() == 4.0


MIXED: dict[str, Callable[[Any], Any]] = {
    "an element taken off": lambda p: ((p - p[0]) ** 2).sum(),
    "taken from an element": lambda p: ((p[0] - p) ** 2).sum(),
    "times an element": lambda p: (p[0] * p).sum(),
    "the mean taken off": lambda p: ((p - p.mean()) ** 2).sum(),
    "made of length one": lambda p: (p / np.linalg.norm(p)).sum(),
    "log-sum-exp": lambda p: p.max() + np.log(np.exp(p - p.max()).sum()),
    "compared with an element": lambda p: np.where(p > p[0], p, 2.0 * p).sum(),
    "clipped": lambda p: np.clip(p, -1.0, 1.0).sum(),
    "largest, or 5": lambda p: np.max(p, initial=5.0) + (p**2).sum(),
    "smallest, or -4": lambda p: p.min(initial=-4.0) + (p**2).sum(),
    "largest of some": lambda p: p.max(where=np.array([False, True]), initial=-9.0) + (p**2).sum(),
}


@pytest.mark.parametrize("name", MIXED)
def test_arrays_and_their_elements_mix_as_in_numpy(name: str) -> None:
    start = [0.7, -1.3]
    found = layda.descend(MIXED[name], "gradient-descent:learning_rate=0.0", start=start, steps=1)
    assert found.values[0] == pytest.approx(float(MIXED[name](np.array(start))), rel=1e-12)


def test_a_largest_element_along_an_axis_that_is_kept_is_refused() -> None:
    with pytest.raises(TraceError, match="keepdims"):
        layda.descend(lambda p: p.max(keepdims=True)[0], "gradient-descent", start=[1.0, 2.0], steps=1)
