"""A curve of one coordinate in text, with a letter for every ball where it ended."""

from __future__ import annotations

import math

import numpy as np

from layda.objective import Objective

__all__ = ["text_picture"]

_ROWS = 11


def text_picture(objective: Objective, balls: list[tuple[str, float]], width: int) -> list[str]:
    """The lines of the picture.

    Args:
        objective: of one coordinate.
        balls: letter and place of each; those outside the box are named at the end.
        width: columns, axis labels included.
    """
    low, high = objective.box[0]
    columns = max(20, width - 10)
    places = np.linspace(low, high, columns)
    with np.errstate(all="ignore"):
        heights = objective.values(places[:, None])
    finite = heights[np.isfinite(heights)]
    if not len(finite):
        return []
    bottom = float(np.min(finite))
    start = objective.value(np.array(objective.start))
    top = min(float(np.max(finite)), max(float(np.quantile(finite, 0.55)), start if math.isfinite(start) else bottom))
    span = top - bottom or 1.0
    grid = [[" "] * columns for _ in range(_ROWS)]
    rows = [_row(height, bottom, span) for height in heights]
    for column, row in enumerate(rows):
        if row is None:
            continue
        grid[row][column] = "·"
        before = rows[column - 1] if column else None
        if before is not None and abs(before - row) > 1:  # join steep places, so that the curve stays one line
            for between in range(min(before, row) + 1, max(before, row)):
                grid[between][column] = "·"
    outside = []
    for letter, place in balls:
        if not (math.isfinite(place) and low <= place <= high):
            outside.append(letter)
            continue
        column = min(columns - 1, max(0, round((place - low) / (high - low) * (columns - 1))))
        base = rows[column]
        row = (0 if base is None else base) - 1
        while row >= 0 and grid[row][column] not in (" ", "·"):  # several balls in one place stand on each other
            row -= 1
        if row >= 0:
            grid[row][column] = letter
        else:
            grid[0][column] = "*"
    lines = []
    for index, cells in enumerate(grid):
        label = f"{top:8.3g}" if index == 0 else f"{bottom:8.3g}" if index == _ROWS - 1 else " " * 8
        lines.append(f"{label} {''.join(cells).rstrip()}")
    left, right = f"{low:g}", f"{high:g}"
    lines.append(" " * 9 + left + " " * max(1, columns - len(left) - len(right)) + right)
    if outside:
        lines.append(" " * 9 + f"outside the picture: {', '.join(outside)}")
    return lines


def _row(height: float, bottom: float, span: float) -> int | None:
    if not math.isfinite(height) or height > bottom + 1.06 * span:
        return None
    share = min(1.0, (height - bottom) / span)
    return round((1.0 - share) * (_ROWS - 1))
