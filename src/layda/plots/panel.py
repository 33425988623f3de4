"""Beside an animation: the step, every contestant with its line and marker, and what becomes of it."""

from __future__ import annotations

from typing import Any

from layda.plots.fitting import Fitting
from layda.plots.style import look, verdict_colour
from layda.run import Trajectory

__all__ = ["Panel", "draw_title"]

_ROLLING, _GONE = "rolling", "out of sight"
_NOTHING, _KIND, _STEPS = range(3)
_MODES = (
    (9.0, _STEPS), (8.0, _STEPS), (9.0, _KIND), (8.0, _KIND), (7.0, _KIND), (9.0, _NOTHING), (8.0, _NOTHING),
    (7.0, _NOTHING), (6.0, _NOTHING),
)  # fmt: skip
"""Sizes in points, and what each contestant's line below its name says: the first that fits is taken."""

_SHARE = 0.36
"""The part of the width that the panel may take."""


def draw_title(figure: Any, fitting: Fitting, name: str, equation: str, pad: float) -> float:
    """Write what is descended into the upper left corner, in two lines at most; return the pixels that it takes.

    Args:
        figure: where.
        fitting: measures text.
        name: of the objective.
        equation: its formula, left out where it would not fit.
        pad: the free pixels to each side.
    """
    width, height = figure.bbox.size
    room = width - 2.0 * pad
    lines, size = [name], 10.0
    whole = f"{name}:  {equation}" if equation not in ("", name) else name
    for text, size, most in ((whole, 10.0, 1), (whole, 8.5, 2), (name, 10.0, 1), (name, 8.5, 2)):
        lines = fitting.wrapped(text, size, room)
        if len(lines) <= most:
            break
    else:
        lines = fitting.wrapped(name, size, room, most=2)
    for index, line in enumerate(lines):
        _write(figure, pad, height - pad - (index + 0.5) * fitting.line(size), line, fontsize=size)
    return 1.5 * pad + len(lines) * fitting.line(size)


def _write(figure: Any, x: float, y: float, text: str, **look_of_it: Any) -> Any:
    """Text at pixels from the lower left corner, whatever signs it holds: "$" is no formula."""
    return figure.text(x, y, text, transform=None, parse_math=False, va="center", ha="left", **look_of_it)


class Panel:
    """The panel at the right edge.

    Attributes:
        width: in pixels.
        counter: the text that is another one at every step. states: those that change a few times: what becomes of
            each contestant. Both are left to the caller to draw.

    Args:
        figure: where.
        fitting: measures text.
        runs: the contestants.
        last: the largest step that will be shown.
        notes: (marker, its colour and size, words) for what else stands in the picture.
        top: its upper edge in pixels from the bottom of the figure. pad: free pixels around it.
    """

    def __init__(
        self, figure: Any, fitting: Fitting, runs: list[Trajectory], last: int,
        notes: list[tuple[dict[str, Any], str]], top: float, pad: float,
    ) -> None:  # fmt: skip
        self._runs, self._last = runs, last
        whole = float(figure.bbox.width)
        swatch = 4.0 * pad
        room = _SHARE * whole - swatch - 2.0 * pad
        for size, told in _MODES:
            line = fitting.line(size)
            labels = [fitting.wrapped(run.label, size, room) for run in runs]
            states = [_ending(run, told) for run in runs] + [_GONE]
            fits = told == _NOTHING or max(fitting.width(text, size, "bold") for text in states) <= room
            if fits and self._height(labels, told != _NOTHING, len(notes), line) <= top - pad:
                break
        else:
            labels = [fitting.wrapped(run.label, size, room, most=1) for run in runs]
            # Room for the step, the notes and the line that says how many have none.
            fitting_rows = int((top - pad) / (1.35 * line) - len(notes) - 3)
            if fitting_rows < len(labels):
                labels = labels[: max(fitting_rows, 1)]
        more = [f"… and {len(runs) - len(labels)} more"] if len(labels) < len(runs) else []
        self._told = told
        below = [*more, *(words for _, words in notes)]
        widths = [fitting.width(text, size) for text in [*below, *(part for label in labels for part in label)]]
        widths += [fitting.width(text, size, "bold") for text in states] if told else []
        counter = fitting.width(self._counted(last), size, "bold") - swatch
        self.width = max(*widths, counter) + swatch + 2.0 * pad
        left = whole - self.width + pad
        y = top - 0.5 * line
        self.counter = _write(figure, left, y, self._counted(last), fontsize=size, fontweight="bold")
        self.states: list[Any] = []
        y -= 1.6 * line
        for index, label in enumerate(labels):
            self._swatch(figure, index, left, swatch, y)
            for part in label:
                _write(figure, left + swatch, y, part, fontsize=size)
                y -= line
            if told:
                self.states.append(_write(figure, left + swatch, y, "", fontsize=size))
                y -= line
            y -= 0.35 * line
        for words in more:
            _write(figure, left + swatch, y, words, fontsize=size)
            y -= 1.35 * line
        for drawn, words in notes:
            self._line(figure, [left + 0.5 * swatch - 0.3 * pad], y, linestyle="", **drawn)
            _write(figure, left + swatch, y, words, fontsize=size)
            y -= 1.35 * line

    def show(self, step: int, seen: list[bool]) -> bool:
        """Set the texts to those of a step; return whether any state is another one than before.

        Args:
            step: the step.
            seen: for each run whether its ball is in the picture.
        """
        self.counter.set_text(self._counted(step))
        before = [text.get_text() for text in self.states]
        for run, text, visible in zip(self._runs, self.states, seen, strict=False):
            if step >= run.steps:
                text.set(text=_ending(run, self._told), color=verdict_colour(run.verdict.kind), fontweight="bold")
            else:
                text.set(text=_ROLLING if visible else _GONE, color="#505050", fontweight="normal")
        return before != [text.get_text() for text in self.states]

    def _counted(self, step: int) -> str:
        return f"step {step} of {self._last}"

    @staticmethod
    def _height(labels: list[list[str]], told: bool, notes: int, line: float) -> float:
        return line * (1.6 + sum(len(label) + told + 0.35 for label in labels) + 1.35 * notes)

    def _swatch(self, figure: Any, index: int, left: float, swatch: float, y: float) -> None:
        shown = look(index)
        ends = [left, left + 0.85 * swatch]
        self._line(figure, ends, y, color=shown.colour, linestyle=shown.dash, linewidth=1.5)
        self._line(figure, [sum(ends) / 2.0], y, color=shown.colour, linestyle="", marker=shown.marker, markersize=6)

    @staticmethod
    def _line(figure: Any, x: list[float], y: float, **look_of_it: Any) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.transforms import IdentityTransform

        figure.add_artist(Line2D(x, [y] * len(x), transform=IdentityTransform(), **look_of_it))


def _ending(run: Trajectory, told: int) -> str:
    if told == _KIND:
        return run.verdict.kind
    return f"{run.verdict.kind}, {run.steps} {'step' if run.steps == 1 else 'steps'}"
