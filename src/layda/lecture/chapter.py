"""What a chapter is: its text, its runs, its table and its picture, as data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from layda.plots.style import RC
from layda.run import Trajectory
from layda.run.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Chapter", "number"]


@dataclass(frozen=True)
class Chapter:
    """One chapter of the lecture.

    Attributes:
        number: 1 to 9. title: in the reader's language. time: the stretch of the lecture that it shows.
        text: paragraphs, with the numbers of the chapter's own runs.
        head, rows: a table.
        question, answer: to be answered before revealing.
        footnotes: where the lecture slips, or a claim holds under conditions only.
        picture: what the figure shows, in words.
        runs: the runs by label.
        data: the figures that the text speaks of, by name.
        draw: draws the picture on a matplotlib figure.
        size: of the picture, in inches.
    """

    number: int
    title: str
    time: str
    text: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    question: str
    answer: str
    picture: str
    runs: dict[str, Trajectory]
    data: dict[str, Any]
    draw: Callable[[Figure], None] = field(repr=False)
    footnotes: tuple[str, ...] = ()
    size: tuple[float, float] = (9.0, 4.0)

    def figure(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The picture, and its file where a path is given (png, svg or pdf by the suffix; whole or not there)."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with mpl.rc_context(cast(Any, RC)):
            figure = Figure(figsize=self.size, dpi=110)
            self.draw(figure)
            if path is not None:
                suffix = os.fspath(path).rpartition(".")[2].lower()
                metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {})
                with whole_file(path) as draft:
                    figure.savefig(draft, format=suffix, metadata=metadata)
        return figure


def number(value: float, digits: int = 3) -> str:
    """A number as a text shows it.

    >>> number(0.05555555), number(120000.0), number(2.0)
    ('0.0556', '1.2e5', '2')
    """
    shown = f"{value:.{digits}g}"
    return shown.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
