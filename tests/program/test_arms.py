"""Arms that share operations: the same bits, fewer operations, nothing that somebody else needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layda import functions
from layda.program import arithmetic, contracted, trace, where
from layda.program.arms import shared_arms
from layda.program.operations import operation

PLACES = np.concatenate([np.random.default_rng(5).normal(size=2000) * 40.0, [0.0, -0.0, 1e-300, np.inf, np.nan, 9e7]])


def _bits(program, inputs):
    with np.errstate(all="ignore"):
        found = program.evaluate(inputs, arithmetic("numpy"))
    return {name: np.broadcast_to(np.asarray(value), (len(PLACES),)).tobytes() for name, value in found.items()}


def _same(program):
    inputs = {name: np.roll(PLACES, shift) for shift, name in enumerate(program.inputs)}
    shared = shared_arms(program)
    assert _bits(shared, inputs) == _bits(program, inputs)
    fewer = _arithmetic(program) - _arithmetic(shared)
    assert fewer == 0 or fewer >= max(3, shared.operation_count - program.operation_count + fewer - 1)
    return shared


def _arithmetic(program):
    return sum(node.op in ("add", "sub", "mul", "fma") for node in program.nodes)


@pytest.mark.parametrize("name", sorted(functions.NAMED))
def test_every_function_keeps_its_bits(name):
    names = ["x", "y"][: operation(name).arity]
    for program in (trace(getattr(functions, name), names).lowered, contracted(trace(getattr(functions, name), names))):
        _same(program)


def test_a_sine_alone_saves_a_polynomial_and_beside_a_cosine_nothing():
    alone = trace(lambda x: functions.sin(x)).lowered
    assert _same(alone).operation_count == alone.operation_count - 10 + 6
    both = trace(lambda x: {"s": functions.sin(x), "c": functions.cos(x)}).lowered
    assert _same(both) is both


def _polynomial(coefficients, z):
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * z + coefficient
    return total


@st.composite
def choices(draw):
    """Choices of polynomials, in each other, some of them needed elsewhere too."""
    signs = [draw(st.lists(st.sampled_from([-0.0, 0.0, 1.5, -2.0, 3.25]), min_size=2, max_size=6)) for _ in range(4)]
    depth, kept, asked = draw(st.integers(0, 3)), draw(st.integers(-1, 3)), draw(st.integers(0, 3))

    def function(x, y, z):
        arms = [_polynomial(numbers, place) for numbers, place in zip(signs, (z, z, y, z), strict=True)]
        value = where(x < y, arms[0], arms[1])
        if depth > 0:
            value = where(arms[asked] > 1.0, where(arms[asked] > 1.0, value, x), arms[2] * z + arms[3])
        if depth > 1:
            value = where(value < z, value - y, y * value) + where(y < 0.0, arms[3], 1.0)
        if depth > 2:
            value = where(x > z, _polynomial([1.0, 2.0, value], z), _polynomial([3.0, 4.0, value], z))
        return {"value": value, **({"kept": arms[kept]} if kept >= 0 else {})}

    return trace(function)


@settings(max_examples=settings.default.max_examples * 2 // 5)  # a quarter of a second each
@given(choices())
def test_choices_keep_their_bits(program):
    _same(program)
    _same(contracted(program))


@pytest.mark.parametrize("inner", [0, 1])
def test_a_choice_within_an_arm_keeps_its_own_lines(inner):
    """Its polynomials must not be taken together with a third one, which has another condition."""

    def function(x, y, z):
        first = where(x < y, _polynomial([1.0, 2.0, 3.0, 4.0], z), _polynomial([5.0, 6.0, 7.0, 8.0], z))
        other = _polynomial([-1.0, -2.0, -3.0, -4.0], z)
        return where(y < z, *((first, other) if inner == 0 else (other, first)))

    shared = _same(trace(function))
    assert _arithmetic(shared) == 12


def test_what_the_condition_needs_is_not_chosen_by_it():
    """The condition stands in its own arm, too: its lines come before the choice, not after."""

    def function(x, y):
        first = ((x * 2.0 + 3.0) * x + 4.0) * x
        condition = first > 0.0
        return where(condition, where(condition, y * 5.0, y * y) / y, ((x * 7.0 + 3.0) * x + 4.0) * x)

    _same(trace(function))
