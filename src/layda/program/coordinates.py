"""A user's function of coordinates, f(x, y), f(*x) or f(p) of one array, as a program."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from layda.errors import LaydaError, SettingError, TraceError
from layda.program.arrays import TracedArray
from layda.program.program import Program
from layda.program.tracing import ONE_ARRAY, PACKAGES, Traced, place_of, trace

__all__ = ["counted", "default_coordinates", "label_of", "takes_any_number", "trace_coordinates", "written_down"]


def default_coordinates(dimension: int) -> list[str]:
    """x, y, z for up to three coordinates, else x1, x2, and so on.

    >>> default_coordinates(2), default_coordinates(4)
    (['x', 'y'], ['x1', 'x2', 'x3', 'x4'])
    """
    if dimension < 1:
        raise SettingError(f"dimension is {dimension}; allowed is a whole number, 1 or more")
    return list("xyz")[:dimension] if dimension <= 3 else [f"x{index + 1}" for index in range(dimension)]


def label_of(function: Any) -> str:
    """How an objective of a function is called, and messages call it."""
    named = getattr(function, "__name__", type(function).__name__)
    return "function" if named == "<lambda>" else str(named)


def counted(start: Any) -> int | None:
    """How many coordinates a start has; ``None`` where it does not say."""
    if start is None or isinstance(start, str):
        return None
    try:
        return int(np.asarray(start, dtype=np.float64).size)
    except (TypeError, ValueError):
        return None


def takes_any_number(function: Callable[..., Any]) -> bool:
    """Whether a function may be one of any number of coordinates: f(*x), or f(p) of one array."""
    names, many = _parameters(function)
    return many or len(names) == 1


def written_down(
    function: Callable[..., Any], dimension: int | None, coordinates: Sequence[str] | None, count: int | None
) -> tuple[list[str], Program, bool]:
    """The names of a function's coordinates, its program, and whether it takes them in one array.

    ``f(p)`` is a function of one coordinate where that can be written down, else of as many as were asked for.
    """
    names, many = _parameters(function)
    if not many and len(names) != 1:
        if dimension is not None and dimension != len(names):
            raise SettingError(
                f"{label_of(function)} takes {len(names)} coordinates, not {dimension}; use *x for any number"
            )
        return _traced(function, list(coordinates or names), False)
    asked = dimension if dimension is not None else count
    if many:
        if asked is None:
            raise SettingError(
                f"{label_of(function)} takes any number of coordinates; say how many with a start or dimension=…"
            )
        return _traced(function, list(coordinates or default_coordinates(asked)), False)
    if dimension in (None, 1):
        try:
            return _traced(function, list(coordinates or names), False)
        except TraceError:
            if asked is None:
                raise
    assert asked is not None
    return _traced(function, list(coordinates or default_coordinates(asked)), True)


def _traced(function: Callable[..., Any], names: list[str], of_array: bool) -> tuple[list[str], Program, bool]:
    return names, trace_coordinates(function, names, of_array), of_array


def _parameters(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """The names of the parameters that must be given, and whether any number may be."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return [], True
    needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
    named = [parameter.name for parameter in needed if parameter.kind is parameter.KEYWORD_ONLY]
    if named:
        raise SettingError(
            f"{label_of(function)} must be given {', '.join(named)} by name, and an objective is given its coordinates "
            "alone; write a default for it"
        )
    names = [parameter.name for parameter in needed if parameter.kind is not parameter.VAR_KEYWORD]
    if not names:
        raise SettingError(
            f"{label_of(function)} takes no coordinate; an objective is a function of one or more; write def f(x, y)"
        )
    return names, False


def trace_coordinates(function: Callable[..., Any], names: Sequence[str], as_array: bool) -> Program:
    """Write down a user's function of coordinates.

    Args:
        function: ``f(x, y, …)``, or ``f(p)`` of all coordinates in one array.
        names: of the coordinates.
        as_array: whether it takes one array.

    Raises:
        TraceError: it cannot be traced, fails when it is called, or returns something else than one number.

    >>> print(trace_coordinates(lambda p: (p**2).sum(), ["x", "y"], as_array=True))
    v0 = x
    v1 = y
    v2 = mul(v0, v0)
    v3 = mul(v1, v1)
    v4 = add(v2, v3)
    value: v4
    """
    label = label_of(function)

    def called(*values: Any) -> Any:
        returned = function(TracedArray.of(values)) if as_array else function(*values)
        if isinstance(returned, np.ndarray):
            if returned.size != 1:
                raise TraceError(
                    f"{label} returned an array of shape {returned.shape}; an objective returns one number; write its "
                    "sum, say"
                )
            returned = returned.item()
        return returned

    called.__name__ = label
    try:
        program = trace(called, names)
    except LaydaError:
        raise
    except Exception as error:
        raise TraceError(_failure(label, error, as_array)) from error
    if len(program.outputs) != 1:
        raise TraceError(f"an objective returns one number; {label} returned {len(program.outputs)}")
    return program


def _failure(label: str, error: Exception, as_array: bool) -> str:
    """One line: where the user's function failed, with what, and what may help."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(PACKAGES)]
    place = place_of(frames[-1].name, frames[-1].filename, frames[-1].lineno or 0) if frames else label
    words = " ".join(str(error).split())
    alone = isinstance(getattr(error, "obj", None), Traced) or "Traced" in words
    if alone and not as_array:
        return (
            f"{place} cannot be traced: {type(error).__name__}: {words} (it got one coordinate, a symbol for a "
            f"number). {ONE_ARRAY}"
        )
    return (
        f"{place} fails when it is called with symbols for the coordinates: {type(error).__name__}: {words}; mend it, "
        "or run it as it is with layda.objectives.black_box(function, dimension=…)"
    )
