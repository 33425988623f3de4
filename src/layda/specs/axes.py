"""Texts such as ``x=-3:3:1000`` and ``1e-3:1:200:log`` to the values of an axis."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from layda.errors import SpecError

__all__ = ["to_named_values", "to_values"]

Array = NDArray[np.float64]
_MOST = 10_000_000
_ALLOWED = "one number, numbers with commas between them, LOW:HIGH:COUNT, or LOW:HIGH:COUNT:log"


def to_values(text: str, what: str) -> float | Array:
    """One number, or many: a list, or COUNT values from LOW to HIGH, both included, evenly spaced or by equal ratios.

    Args:
        text: as typed.
        what: the option, for the error.

    Raises:
        SpecError: it cannot be read.

    >>> to_values("0.9", "--momentum"), to_values("0:1:3", "--momentum").tolist()
    (0.9, [0.0, 0.5, 1.0])
    >>> to_values("1e-2:1:3:log", "--learning-rate").round(6).tolist()
    [0.01, 0.1, 1.0]
    """
    parts = text.strip().split(":")
    if len(parts) == 1:
        values = np.array([_number(part, text, what) for part in text.split(",")])
        return float(values[0]) if len(values) == 1 else values
    if len(parts) not in (3, 4) or (len(parts) == 4 and parts[3].strip() not in ("log", "lin")):
        raise SpecError(f"{what} is {text!r}; allowed are {_ALLOWED}")
    low, high = _number(parts[0], text, what), _number(parts[1], text, what)
    count = _count(parts[2], text, what)
    if len(parts) == 4 and parts[3].strip() == "log":
        if low <= 0.0 or high <= 0.0:
            raise SpecError(f"{what} is {text!r}; equal ratios need both ends above 0")
        return np.geomspace(low, high, count)
    return np.linspace(low, high, count)


def to_named_values(text: str, what: str, only: str | None = None) -> tuple[str, float | Array]:
    """``x=-3:3:1000`` as the coordinate's name and its values.

    Args:
        text: as typed.
        what: the option, for the error.
        only: the coordinate that a text without a name means.

    >>> to_named_values("y=1", "--start")
    ('y', 1.0)
    """
    name, equals, values = text.partition("=")
    if not equals:
        if only is None:
            raise SpecError(f"{what} is {text!r}; say for which coordinate, such as x=-3:3:100")
        return only, to_values(text, what)
    return name.strip(), to_values(values, what)


def _number(text: str, whole: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise SpecError(f"{what} is {whole!r}, and {text.strip()!r} is no number; allowed are {_ALLOWED}") from None
    if not math.isfinite(value):
        raise SpecError(f"{what} is {whole!r}; every number must be finite")
    return value


def _count(text: str, whole: str, what: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise SpecError(f"{what} is {whole!r}; the count {text.strip()!r} is no whole number") from None
    if not 1 <= count <= _MOST:
        raise SpecError(f"{what} is {whole!r}; the count must be from 1 to {_MOST}")
    return count
