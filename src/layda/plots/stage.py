"""The stage of an animation: a background that is drawn once, and the balls that move before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.plots.fitting import Fitting
from layda.plots.landscape import draw_contours, draw_curve, thinned
from layda.plots.losses import frame_losses
from layda.plots.panel import Panel, draw_title
from layda.plots.style import look
from layda.run import Trajectory

__all__ = ["Stage"]

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_TAIL = 12
"""The hops that stay in sight behind a ball on a curve, where whole paths would cover each other."""

_MOST_POINTS = 160
"""The places on a path that are drawn, besides those of the frames."""

_START: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": "#303030", "markersize": 6}
_MINIMUM: dict[str, Any] = {"marker": "+", "color": "black", "markersize": 8, "markeredgewidth": 1.2}


@dataclass(frozen=True)
class _Way:
    """Where one run is in the picture, step by step.

    ``places``: (rows, 2), not finite where there is nothing to show. ``end``: where its answer lies. ``drawn``: the
    rows that its line joins. ``first``: the step of row 0.
    """

    places: Array
    end: Array
    drawn: NDArray[np.int64]
    first: int


class Stage:
    """One picture for all frames.

    Only what moves is drawn for a frame, over a copy of the background; what becomes of the balls is written into
    another copy, since letters cost more than lines and change a few times only. What moves lies above everything that
    stays, so a frame has the pixels that drawing the whole figure would give.

    Attributes:
        figure: the matplotlib figure.
        moving: what moves, in the order in which it is drawn.

    Args:
        runs: the contestants.
        size: width and height in pixels.
        clock: the steps that will be shown.

    >>> import layda
    >>> stage = Stage([layda.descend("x^2", "heavy-ball", start=1.0)], (320, 240), np.arange(5))
    >>> stage.frame(3).shape
    (240, 320, 4)
    """

    def __init__(self, runs: list[Trajectory], size: tuple[int, int], clock: NDArray[np.int64]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._runs = runs
        # Letters grow with the picture, but stay legible in a small one.
        dpi = max(100.0 * min(size[0] / 800.0, size[1] / 450.0), 72.0)
        # A thousandth of a pixel more, since Agg rounds down what the division may have rounded down.
        self.figure = Figure(figsize=((size[0] + 1e-3) / dpi, (size[1] + 1e-3) / dpi), dpi=dpi)
        self._canvas = cast(Any, FigureCanvasAgg(self.figure))  # matplotlib's canvases have no types
        self._renderer = self._canvas.get_renderer()
        self._axes = cast(Any, self.figure.add_subplot())
        self._ways = self._landscape(clock)
        self._furnish(size, int(clock[-1]), 0.1 * dpi)
        self._lines, self._balls = self._actors()
        self.moving: list[Any] = [*self._panel.states, *self._lines, *self._balls, self._panel.counter]
        for artist in self.moving:
            artist.set_animated(True)
        self._canvas.draw()
        self._empty = self._canvas.copy_from_bbox(self.figure.bbox)
        self._told = self._empty

    @property
    def background(self) -> Pixels:
        """What all frames share, shape (height, width, 4)."""
        self._canvas.restore_region(self._empty)
        return self._pixels()

    def frame(self, step: int) -> Pixels:
        """The picture at a step, shape (height, width, 4): red, green, blue and opacity from 0 to 255.

        Args:
            step: counted from 0, the start; runs that have ended stay where they came to rest.
        """
        if self._show(step):
            self._canvas.restore_region(self._empty)
            for text in self._panel.states:
                text.draw(self._renderer)
            self._told = self._canvas.copy_from_bbox(self.figure.bbox)
        self._canvas.restore_region(self._told)
        for artist in self.moving[len(self._panel.states) :]:
            artist.draw(self._renderer)
        return self._pixels()

    def _show(self, step: int) -> bool:
        """Move everything to where it is at a step, without drawing; return whether the states are other ones."""
        seen = []
        for run, way, line, ball in zip(self._runs, self._ways, self._lines, self._balls, strict=True):
            row = min(step, run.steps) - way.first
            rows = way.drawn[: np.searchsorted(way.drawn, row, side="right")]
            if self._dimension == 1:
                rows = np.arange(max(row - _TAIL, 0), row + 1)
            line.set_data(*way.places[rows].T)
            ended = step >= run.steps
            place = way.end if ended else way.places[max(row, 0)]
            seen.append(row >= 0 and self._in_sight(place))
            ball.set(visible=seen[-1], markeredgecolor="black" if ended else "white")
            ball.set_data([place[0]], [place[1]])
        return self._panel.show(step, seen)

    def _pixels(self) -> Pixels:
        return np.array(self._canvas.buffer_rgba())

    @property
    def _dimension(self) -> int:
        return self._runs[0].objective.dimension

    def _in_sight(self, place: Array) -> bool:
        (left, right), (low, high) = self._axes.get_xlim(), self._axes.get_ylim()
        return bool(left <= place[0] <= right and low <= place[1] <= high)

    def _landscape(self, clock: NDArray[np.int64]) -> list[_Way]:
        """Draw what stays; say where the balls are before it."""
        runs, objective = self._runs, self._runs[0].objective
        if self._dimension == 1:
            draw_curve(self._axes, runs)
            pairs = [
                (np.column_stack([run.positions[:, 0], objective.values(run.positions)]),
                 np.array([run.position[0], run.value]))
                for run in runs
            ]  # fmt: skip
        elif self._dimension == 2:
            draw_contours(self._axes, runs)
            pairs = [(run.positions, run.position) for run in runs]
        else:
            pairs = []
            for steps, height in frame_losses(self._axes, runs):
                places = np.column_stack([steps, height])
                finite = np.flatnonzero(np.isfinite(height))
                pairs.append((places, places[finite[-1] if len(finite) else -1]))
        ways = []
        for run, (places, end) in zip(runs, pairs, strict=True):
            first = run.steps + 1 - len(places)
            shown = np.clip(clock - first, 0, len(places) - 1)
            # The last that can be seen, too: there the ball of a loss lies that ended lower than the scale goes.
            there = np.flatnonzero(np.isfinite(places).all(axis=1))[-1:]
            drawn = np.unique(np.concatenate([thinned(len(places), _MOST_POINTS), shown, there]))
            ways.append(_Way(self._near(places), end, drawn, first))
        return ways

    def _near(self, places: Array) -> Array:
        """The places, those far outside the picture drawn nearer: matplotlib overflows on large coordinates."""
        near = np.where(np.isfinite(places).all(axis=1, keepdims=True), places, np.nan)
        for axis, (low, high) in enumerate((self._axes.get_xlim(), self._axes.get_ylim())):
            if self._dimension <= 2:
                near[:, axis] = np.clip(near[:, axis], low - 20.0 * (high - low), high + 20.0 * (high - low))
        return near

    def _furnish(self, size: tuple[int, int], last: int, pad: float) -> None:
        """Title, panel, start and known minima; then the axes get the room that is left."""
        objective = self._runs[0].objective
        notes: list[tuple[dict[str, Any], str]] = []
        starts = [way.places[0] for way in self._ways if way.first == 0 and self._in_sight(way.places[0])]
        if starts:
            self._axes.plot(*np.array(starts).T, linestyle="", zorder=4, clip_on=False, **_START)
            notes.append((_START, "start"))
        lowest = objective.minima if self._dimension <= 2 else None
        if lowest:
            places = [(*found.position, found.value)[:2] for found in lowest]
            self._axes.plot(*np.array(places).T, linestyle="", zorder=4, **_MINIMUM)
            notes.append((_MINIMUM, "known minimum" if len(lowest) == 1 else "known minima"))
        fitting = Fitting(self._renderer)
        above = draw_title(self.figure, fitting, objective.name, objective.equation, pad)
        self._panel = Panel(self.figure, fitting, self._runs, last, notes, size[1] - above, pad)
        room = (0.0, 0.0, 1.0 - self._panel.width / size[0], 1.0 - above / size[1])
        self.figure.set_layout_engine("constrained", rect=room)
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")  # or it would be laid out anew for every frame

    def _actors(self) -> tuple[list[Any], list[Any]]:
        """For every run its line and its ball, above all that stays."""
        lines, balls = [], []
        dots: dict[str, Any] = {"marker": ".", "markersize": 3.0} if self._dimension <= 2 else {}
        for index in range(len(self._runs)):
            shown = look(index)
            lines += self._axes.plot([], [], color=shown.colour, linestyle=shown.dash, linewidth=1.3, alpha=0.85,
                                     zorder=10 + index, **dots)  # fmt: skip
            balls += self._axes.plot([], [], color=shown.colour, linestyle="", marker=shown.marker, markersize=8,
                                     zorder=10 + len(self._runs) + index, clip_on=False)  # fmt: skip
        return lines, balls
