"""What an engine hands to the judge and to the result: one shape for traced, data and black-box runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layda.measures import Window

__all__ = ["Ending", "Tail", "Track"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """What was written down, one row per step.

    Attributes:
        positions: (rows, dimension).
        slots: slot name -> (rows, dimension). shared: slot name -> (rows,). schedules: (rows, numbers carried).
        first: the step of the first row.
        values: f at each row, where the engine had it anyway.
    """

    positions: Array
    slots: dict[str, Array]
    shared: dict[str, Array]
    schedules: Array
    first: int = 0
    values: Array | None = None


@dataclass(frozen=True)
class Tail:
    """The last points of a run, at most three.

    Attributes:
        positions: (points, dimension), the last one being the end. rests: likewise, what is zero where the rule rests.
    """

    positions: Array
    rests: Array


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        code: SPENT, SETTLED or LOST. step: t at the end.
        value: f at the end. gradient: ∇f there.
        tail: the last points.
        low, high: the box around the path before the last position.
        highest_before: the largest f before the window (before the end where there is no window).
        rate, largest_rate: the learning rate at the end and its largest value.
        window: the last window; ``None`` when the run is too short or ended before its budget.
        track: what was recorded.
        evaluations: gradients evaluated at the user's expense. backend: what ran it.
    """

    code: int
    step: int
    value: float
    gradient: Array
    tail: Tail
    low: Array
    high: Array
    highest_before: float
    rate: float
    largest_rate: float
    window: Window | None
    track: Track
    evaluations: int
    backend: str
    notes: tuple[str, ...] = field(default=())
