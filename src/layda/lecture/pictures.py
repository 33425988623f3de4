"""What the chapters' pictures share: one look per way of rolling down, the curve, and paths over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.objectives.lecture_curve import lecture_curve
from layda.plots.style import Look, look

__all__ = ["DAMPED", "MOMENTUM", "PLAIN", "WHOLE", "curve_axes", "line", "path"]

Array = NDArray[np.float64]
PLAIN, DAMPED, MOMENTUM, WHOLE = look(0), look(4), look(1), look(2)
"""The same way of rolling down looks the same in every chapter."""


def curve_axes(axes: Any, x_label: str, y_label: str, low: float = -3.2, high: float = 2.6) -> None:
    """The lecture's curve in grey."""
    grid = np.linspace(low, high, 400)
    axes.plot(grid, lecture_curve().values(grid[:, None]), color="#9a9a9a", linewidth=1.6)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.48, 0.75)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)


def path(axes: Any, positions: Array, shown: Look, label: str | None = None) -> None:
    """A ball's way over the curve: start (open), hops, and where it ended (filled)."""
    x = positions[:, 0]
    with np.errstate(all="ignore"):
        height = lecture_curve().values(positions)
    seen = np.isfinite(height) & (np.abs(x) < 50)
    axes.plot(x[seen], height[seen], "-", color=shown.colour, linewidth=0.8, alpha=0.6, clip_on=True)
    axes.plot(x[seen], height[seen], ".", color=shown.colour, markersize=3, clip_on=True)
    axes.plot(x[:1], height[:1], "o", markerfacecolor="white", markeredgecolor=shown.colour, markersize=6)
    low, high = axes.get_xlim()
    if seen[-1] and low <= x[-1] <= high:
        axes.plot(
            x[-1:], height[-1:], shown.marker, color=shown.colour, markeredgecolor="black", markersize=8, label=label
        )
    elif label:
        axes.plot([], [], shown.marker, color=shown.colour, markeredgecolor="black", markersize=8, label=label)


def line(axes: Any, values: Array, shown: Look, label: str | None = None, first: int = 0) -> None:
    """A quantity over the steps, with markers that tell it apart without colour."""
    steps = np.arange(first, first + len(values))
    gap = max(1, len(values) // 8)
    axes.plot(
        steps, values, color=shown.colour, linestyle=shown.dash, linewidth=1.4, marker=shown.marker, markersize=4,
        markevery=gap, label=label,
    )  # fmt: skip
