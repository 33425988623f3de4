"""The landscape under a ball: a curve for one coordinate, contours for two, with the ball's path over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.objective import Objective, TracedObjective
from layda.plots.style import Look
from layda.run import Trajectory

__all__ = ["draw_contours", "draw_curve", "draw_line", "draw_plane", "thinned"]

Array = NDArray[np.float64]
_MOST_POINTS = 400
_LEVELS = 14


def _interval(runs: list[Trajectory], axis: int) -> tuple[float, float]:
    """The box, widened to where balls went and came to rest, up to half its width to each side."""
    low, high = runs[0].objective.box[axis]
    side = high - low
    places = np.concatenate([run.positions[:, axis] for run in runs])
    places = places[np.isfinite(places)]
    places = places[(places > low - 0.5 * side) & (places < high + 0.5 * side)]
    if len(places):
        low, high = min(low, float(np.min(places))), max(high, float(np.max(places)))
    return low, high


def _values(objective: Objective, places: Array) -> Array:
    with np.errstate(all="ignore"):
        values: Array = objective.values(places)
        if isinstance(objective, TracedObjective) and objective.defined is not None:
            columns = {name: places[:, index] for index, name in enumerate(objective.coordinates)}
            inside = next(iter(objective.defined.evaluate(columns).values()))
            values = np.where(np.broadcast_to(inside, values.shape), values, np.nan)
    found: Array = np.where(np.isfinite(values), values, np.nan)
    return found


def thinned(count: int, most: int = _MOST_POINTS) -> NDArray[np.int64]:
    """The rows that are drawn of so many: at most ``most``, the first ones all, then evenly spaced, the end always.

    >>> thinned(1000, 6).tolist()
    [0, 1, 2, 3, 501, 999]
    """
    if count <= most:
        return np.arange(count)
    half = most // 2
    rest = np.linspace(half, count - 1, half).round().astype(np.int64)
    return np.concatenate([np.arange(half), rest])


def draw_curve(axes: Any, runs: list[Trajectory]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The curve alone; returns the ends of x and of f, to which the axes are set."""
    objective = runs[0].objective
    low, high = _interval(runs, 0)
    grid = np.linspace(low, high, 601)
    curve = _values(objective, grid[:, None])
    axes.plot(grid, curve, color="#9a9a9a", linewidth=1.6, zorder=1)
    bottom, top = _height(curve, runs, objective)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    axes.set_xlabel(objective.coordinates[0])
    axes.set_ylabel("f")
    return (low, high), (bottom, top)


def draw_line(axes: Any, run: Trajectory, shown: Look, runs: list[Trajectory]) -> None:
    """The curve, the places where gradients were taken joined by the hops, and the last position."""
    objective = run.objective
    (low, high), (bottom, top) = draw_curve(axes, runs)
    places = run.positions[thinned(len(run.positions))]
    heights = objective.values(places)
    with np.errstate(all="ignore"):
        inside = np.isfinite(heights) & (places[:, 0] >= low) & (places[:, 0] <= high) & (heights <= top)
    # Hops that leave the picture are drawn up to its edge.
    axes.plot(places[:, 0], np.clip(np.nan_to_num(heights, nan=top, posinf=top), bottom, 10 * abs(top) + top),
              "-", color=shown.colour, linewidth=0.7, alpha=0.55, zorder=2, clip_on=True)  # fmt: skip
    axes.plot(places[inside, 0], heights[inside], ".", color=shown.colour, markersize=2.5, alpha=0.8, zorder=3)
    axes.plot(run.positions[:1, 0], objective.values(run.positions[:1]), "o", markerfacecolor="white", zorder=4,
              markeredgecolor=shown.colour, markersize=6)  # fmt: skip
    end = run.position
    if np.isfinite(run.value) and low <= end[0] <= high and run.value <= top:
        axes.plot(end, [run.value], shown.marker, color=shown.colour, markeredgecolor="black", markersize=8, zorder=5)
    else:
        axes.text(0.5, 0.9, "left the picture", transform=axes.transAxes, ha="center", va="top", fontsize=8,
                  color=shown.colour)  # fmt: skip


def _height(curve: Array, runs: list[Trajectory], objective: Objective) -> tuple[float, float]:
    """From just below the curve to well above the start, so that steep walls do not flatten the valleys."""
    finite = curve[np.isfinite(curve)]
    if not len(finite):
        return -1.0, 1.0
    low = float(np.min(finite))
    start = float(objective.value(runs[0].positions[0]))
    high = start if np.isfinite(start) else float(np.max(finite))
    high = min(float(np.max(finite)), max(high, float(np.quantile(finite, 0.6))))
    span = high - low or 1.0
    return low - 0.08 * span, high + 0.25 * span


def draw_contours(axes: Any, runs: list[Trajectory]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Contours of equal height, closer together in the valleys; returns the ends of x and of y, likewise set."""
    objective = runs[0].objective
    (left, right), (low, high) = _interval(runs, 0), _interval(runs, 1)
    x, y = np.meshgrid(np.linspace(left, right, 161), np.linspace(low, high, 161))
    heights = _values(objective, np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    finite = heights[np.isfinite(heights)]
    if len(finite) and np.max(finite) > np.min(finite):
        levels = np.unique(np.quantile(finite, np.linspace(0.01, 0.97, _LEVELS)))
        axes.contourf(x, y, heights, levels=levels, cmap="Greys", alpha=0.35, extend="both")
        axes.contour(x, y, heights, levels=levels, colors="#8a8a8a", linewidths=0.5)
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.set_xlabel(objective.coordinates[0])
    axes.set_ylabel(objective.coordinates[1])
    return (left, right), (low, high)


def draw_plane(axes: Any, run: Trajectory, shown: Look, runs: list[Trajectory]) -> None:
    """The contours, the path over them and the last position."""
    objective = run.objective
    (left, right), (low, high) = draw_contours(axes, runs)
    places = run.positions[thinned(len(run.positions))]
    # matplotlib overflows on coordinates far outside: they are only known to be outside.
    far_x, far_y = 20 * (right - left), 20 * (high - low)
    path = np.stack(
        [np.clip(places[:, 0], left - far_x, right + far_x), np.clip(places[:, 1], low - far_y, high + far_y)]
    )
    axes.plot(*path, "-", color=shown.colour, linewidth=1.0, alpha=0.8)
    axes.plot(*path, ".", color=shown.colour, markersize=3)
    axes.plot(*places[0], "o", markerfacecolor="white", markeredgecolor=shown.colour, markersize=6)
    for minimum in objective.minima or ():
        axes.plot(*minimum.position, "+", color="black", markersize=8, markeredgewidth=1.2)
    end = run.position
    if np.all(np.isfinite(end)) and left <= end[0] <= right and low <= end[1] <= high:
        axes.plot(*end, shown.marker, color=shown.colour, markeredgecolor="black", markersize=8)
    else:
        axes.text(0.5, 0.95, "left the picture", transform=axes.transAxes, ha="center", va="top", fontsize=8,
                  color=shown.colour, backgroundcolor="white")  # fmt: skip
