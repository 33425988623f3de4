"""The weights of past gradients as bars."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from layda.measures.weights import Weights
from layda.plots.style import RC, look
from layda.words import speaker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_weights"]

_MOST_BARS = 60


def draw_weights(found: Weights, language: str = "en") -> Figure:
    """Draw how much each past gradient counts, the newest on the left.

    Args:
        found: from :func:`layda.measures.weights.past_weights`.
        language: of the words, one of :data:`layda.words.LANGUAGES`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    say = speaker(language)
    shown = found.values[:_MOST_BARS]
    with mpl.rc_context(cast(Any, RC)):
        figure = Figure(figsize=(8.0, 3.6), dpi=130)
        axes = figure.subplots()
        axes.bar(np.arange(len(shown)), shown, color=look(0).colour, width=0.8)
        axes.axhline(0.0, color="#808080", linewidth=0.8)
        marks = ((found.half_life, say("half-life"), look(1)), (found.mean_age, say("mean age"), look(2)))
        for place, name, style in marks:
            if np.isfinite(place) and 0.0 <= place < len(shown):
                axes.axvline(place, color=style.colour, linestyle=style.dash, label=f"{name}: {place:.3g}")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper right")
        asked = {"displacement": say("the last step"), "position": say("the whole way")}.get(found.of, found.of)
        axes.set_title(textwrap.fill(f"{found.rule}: {say('weights in {what}', what=asked)}", 110))
        axes.set_xlabel(say("age of the gradient, in steps"))
        axes.set_ylabel(say("weight"))
        axes.margins(x=0.01)
    return figure
