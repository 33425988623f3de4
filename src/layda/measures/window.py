"""The last window of a run, in four quarters: how far it moved, how far it had to go, how high it was, how it turned.

Only largest and smallest values and counts are kept: they are exact, so every runner gets the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layda.measures.constants import CONSTANTS
from layda.measures.stopping import distance_to_go

__all__ = ["Window", "window_length", "window_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """The last window; every tuple has one number per quarter, the oldest first.

    Attributes:
        length: displacements in the window, a multiple of four.
        displacement: the largest |Δx| of each quarter.
        distance: the smallest estimate of the distance to go of each quarter.
        high: the largest f of each quarter. low: the smallest.
        turns: how often the displacement of some coordinate changed its sign.
        period: the shortest period that the window repeats with, in steps; 0 when it does not.
    """

    length: int
    displacement: tuple[float, float, float, float]
    distance: tuple[float, float, float, float]
    high: tuple[float, float, float, float]
    low: tuple[float, float, float, float]
    turns: int
    period: int


def window_length(steps: int) -> int:
    """How many of the last displacements the window holds: 256, or what there is, in whole quarters.

    >>> window_length(1000), window_length(10), window_length(3)
    (256, 8, 0)
    """
    return min(int(CONSTANTS["window"][0]), steps) // 4 * 4


def window_of(positions: Array, gradients: Array, values: Array) -> Window | None:
    """The window of the last positions.

    Args:
        positions: shape (length + 1, dimension).
        gradients: the rests there, likewise.
        values: f there.

    Returns:
        ``None`` for fewer than four displacements.
    """
    length = window_length(len(positions) - 1)
    if length == 0:
        return None
    positions, gradients, values = positions[-length - 1 :], gradients[-length - 1 :], values[-length - 1 :]
    with np.errstate(all="ignore"):
        moves = np.diff(positions, axis=0)
        displacement = np.max(np.abs(moves), axis=1)
        gradient = np.max(np.abs(gradients), axis=1)[1:]
        change = np.max(np.abs(np.diff(gradients, axis=0)), axis=1)
        distance = np.asarray(distance_to_go(gradient, displacement, change), dtype=np.float64)
        turns = int(np.max(np.sum(moves[1:] * moves[:-1] < 0.0, axis=0), initial=0))
    quarters = np.split(np.arange(length), 4)
    return Window(
        length,
        _each(np.fmax, displacement, quarters),
        _each(np.fmin, distance, quarters),
        _each(np.fmax, values[1:], quarters),
        _each(np.fmin, values[1:], quarters),
        turns,
        _period(positions),
    )


def _each(fold: np.ufunc, numbers: Array, quarters: Sequence[NDArray[np.int64]]) -> tuple[float, float, float, float]:
    a, b, c, d = (float(fold.reduce(numbers[quarter])) for quarter in quarters)
    return a, b, c, d


def _period(positions: Array) -> int:
    """The shortest p with x_k = x_(k−p) for the last half of the window, within a millionth of its extent."""
    extent = float(np.max(np.ptp(positions, axis=0)))
    if not 0.0 < extent < np.inf:
        return 0
    half = len(positions) // 2
    tail = positions[half:]
    for period in range(1, half + 1):
        if float(np.max(np.abs(tail - positions[half - period : len(positions) - period]))) <= 1e-6 * extent:
            return period
    return 0
