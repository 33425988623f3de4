"""Printed straight lines: the bits of the readable evaluation, numbers at the edges included."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda import functions
from layda.backends.python import evaluate
from layda.measures.ending import SCALARS, ending_program
from layda.program import Program, trace
from layda.program.operations import operation

NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1.0, 1e300, 5e-324, float("inf"), float("nan")]))


def _bits(found: dict[str, object]) -> dict[str, bytes]:
    return {name: struct.pack("d", float(value)) for name, value in found.items()}  # type: ignore[arg-type]


def _same(program: Program, values: dict[str, float]) -> None:
    found, wanted = _bits(evaluate(program, values)), _bits(program.evaluate(values))
    nan = {name for name, value in wanted.items() if struct.unpack("d", value)[0] != struct.unpack("d", value)[0]}
    assert {name: value for name, value in found.items() if name not in nan} == {
        name: value for name, value in wanted.items() if name not in nan
    }
    assert all(struct.unpack("d", found[name])[0] != struct.unpack("d", found[name])[0] for name in nan)


@pytest.mark.parametrize("name", sorted(functions.NAMED))
@given(x=NUMBERS, y=NUMBERS)
def test_named_functions(name: str, x: float, y: float) -> None:
    names = ["x", "y"][: operation(name).arity]
    _same(trace(getattr(functions, name), names), dict(zip(names, (x, y), strict=False)))


@given(st.lists(st.one_of(NUMBERS, st.floats(0.0, 10.0)), min_size=len(SCALARS), max_size=len(SCALARS)))
def test_the_program_of_the_verdict(numbers: list[float]) -> None:
    _same(ending_program(), dict(zip(SCALARS, numbers, strict=True)))
