"""The search for minima: what it sees, what it remembers, what it keeps for later processes."""

from __future__ import annotations

import numpy as np
import pytest

from layda.run import minima
from layda.run.minima import KnownMinima, _value_and_gradient, known_minima
from layda.specs import to_objective

TEXT = "x^4 + y^4 - 2x^2 - 3y^2 + x y/5"


@pytest.fixture
def forgetful(monkeypatch):
    """A search that remembers nothing of this process, nor of other tests."""
    monkeypatch.setattr(minima, "_REMEMBERED", type(minima._REMEMBERED)())
    return minima._REMEMBERED


@pytest.mark.parametrize("text", ["rosenbrock:dimension=5", "sin(3x)cos(y) + x^2 + exp(-y^2)", "beale"])
def test_it_sees_the_bits_of_single_evaluations(text):
    """Also once it has gone over to compiled code."""
    objective = to_objective(text)
    found = _value_and_gradient(objective)
    for place in np.random.default_rng(0).normal(size=(3000, objective.dimension)) * 3.0:
        value, slope = found(place)
        assert (value, *slope) == (objective.value(place), *objective.value_and_gradient(place)[1])


def test_what_is_kept_is_what_was_found(forgetful, own_cache, monkeypatch):
    first = known_minima(to_objective(TEXT))
    assert len(first.minima) == 4
    (kept,) = own_cache.glob("*.minima")
    forgetful.clear()
    with monkeypatch.context() as patched:
        patched.setattr(minima, "_search_box", lambda objective: pytest.fail("searched again"))
        assert known_minima(to_objective(TEXT)) == first
    data = bytearray(kept.read_bytes())
    data[-5] ^= 1
    kept.write_bytes(bytes(data))
    forgetful.clear()
    assert known_minima(to_objective(TEXT)) == first
    assert kept.read_bytes() != bytes(data)


def test_other_bounds_and_starts_are_another_search(forgetful):
    from dataclasses import replace

    objective = to_objective(TEXT)
    for other in (replace(objective, start=(3.0, 3.0)), replace(objective, box=((0.0, 1.0), (0.0, 1.0)))):
        assert isinstance(known_minima(other), KnownMinima)
    known_minima(objective)
    assert len(forgetful) == 3


@pytest.mark.parametrize("formula", ["x^2 - y^2", "x*y", "sin(x)*y", "x + y", "-x^2 - y^2"])
def test_a_function_that_falls_for_ever_has_no_minimum_far_away(formula: str) -> None:
    """The search used to stop where f overflowed, and to call that a minimum of −1e308."""
    assert known_minima(to_objective(formula)).minima == ()
