"""Text that fits: wrapped to a width in pixels, shortened where it must be."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["Fitting"]

_PARTS = re.compile(r"[^\s,:;=*+-]*[\s,:;=*+-]?")


class Fitting:
    """Measures text as Agg will draw it.

    Args:
        renderer: of the canvas, from ``get_renderer()``; it knows how many pixels a point has.
    """

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer
        self._advances: dict[tuple[str, float], float] = {}

    def width(self, text: str, size: float, weight: str = "normal") -> float:
        """The pixels that one line takes from left to right.

        Args:
            text: the line.
            size: of the font, in points.
            weight: "normal" or "bold".
        """
        from matplotlib.font_manager import FontProperties

        font = FontProperties(size=size, weight=weight)
        width: float = self._renderer.get_text_width_height_descent(text, font, False)[0]
        return width

    def line(self, size: float) -> float:
        """The pixels from one line to the next."""
        height: float = self._renderer.points_to_pixels(size) * 1.3
        return height

    def wrapped(self, text: str, size: float, room: float, most: int = 1000) -> list[str]:
        """The text in lines of at most ``room`` pixels, broken after blanks and signs, else anywhere.

        Args:
            text: what to break.
            size: of the font, in points.
            room: the pixels of a line.
            most: how many lines there may be; what does not fit becomes "…".
        """
        lines, used = [""], 0.0
        for part in filter(None, _PARTS.findall(text)):
            long = sum(self._advance(letter, size) for letter in part.rstrip())
            if lines[-1] and used + long > room:
                lines, used = [*lines, ""], 0.0
            for letter in part:  # a part that is too long by itself is broken where the line ends
                step = self._advance(letter, size)
                if lines[-1] and letter.strip() and used + step > room:
                    lines, used = [*lines, ""], 0.0
                lines[-1] += letter
                used += step
        if len(lines) > most:
            last, used = "", self.width("…", size)
            for letter in "".join(lines[most - 1 :]):
                used += self._advance(letter, size)
                if used > room:
                    break
                last += letter
            lines = [*lines[: most - 1], last.rstrip() + "…"]
        return [line.strip() for line in lines]

    def _advance(self, letter: str, size: float) -> float:
        """What a letter adds to a line: measuring every beginning of every line would take seconds."""
        key = letter, size
        if key not in self._advances:
            self._advances[key] = self.width(f"n{letter}n", size) - self.width("nn", size)
        return self._advances[key]
