"""The height along the way from one place to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from layda.plots.style import RC, look
from layda.theory import Barrier
from layda.words import speaker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_barrier"]


def draw_barrier(found: Barrier, language: str = "en") -> Figure:
    """Draw f along the way, its top, and how far either end lies below it.

    Args:
        found: from :func:`layda.theory.barrier`.
        language: of the words, one of :data:`layda.words.LANGUAGES`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    say = speaker(language)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(found.path, axis=0), axis=1))])
    top = int(np.argmax(found.values))
    with mpl.rc_context(cast(Any, RC)):
        figure = Figure(figsize=(7.0, 4.0), dpi=130)
        axes = figure.subplots()
        axes.plot(along, found.values, color=look(0).colour)
        ends = ((0, "A", found.above_a, "left"), (len(along) - 1, "B", found.above_b, "right"))
        for index, name, above, side in ends:
            axes.plot(along[index], found.values[index], "o", color=look(2).colour)
            axes.annotate(f"{name}: f = {found.values[index]:.4g}", (along[index], found.values[index]),
                          (6 if side == "left" else -6, -14), textcoords="offset points", ha=side)  # fmt: skip
            axes.plot([along[index], along[top]], [found.height] * 2, color="#808080", linewidth=0.8, linestyle=":")
            axes.annotate("", (along[index], found.height), (along[index], found.values[index]),
                          arrowprops={"arrowstyle": "->", "color": "#808080"})  # fmt: skip
            middle = 0.5 * (found.height + found.values[index])
            axes.annotate(f"{above:.4g}", (along[index], middle), (6 if side == "left" else -6, 0),
                          textcoords="offset points", ha=side, color="#505050")  # fmt: skip
        word = say("barrier") if found.exact else say("barrier, at most")
        axes.plot(along[top], found.height, "^", color=look(1).colour)
        axes.annotate(f"{word}: f = {found.height:.6g}", (along[top], found.height), (0, 8),
                      textcoords="offset points", ha="center")  # fmt: skip
        axes.margins(x=0.06, y=0.18)
        axes.set_xlabel(say("distance along the way"))
        axes.set_ylabel("f")
    return figure
