"""Energies over the steps: what the ball has, and who took the rest."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from layda.diagnosis import Energy
from layda.plots.style import RC, look
from layda.words import speaker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_energy"]


def draw_energy(found: Energy, language: str = "en") -> Figure:
    """Draw potential, kinetic and total energy over the steps; below, what each thief has taken so far.

    Args:
        found: from :func:`layda.energy`.
        language: of the words, one of :data:`layda.words.LANGUAGES`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    say = speaker(language)
    steps = np.arange(len(found.potential))
    with mpl.rc_context(cast(Any, RC)):
        figure = Figure(figsize=(8.0, 6.0), dpi=130)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.2, 1.0])
        lines = (
            (say("potential"), found.potential), (say("kinetic"), found.kinetic), (say("total"), found.total),
        )  # fmt: skip
        for index, (name, values) in enumerate(lines):
            style = look(index)
            top.plot(steps, values, color=style.colour, linestyle=style.dash, label=name,
                     linewidth=2.0 if index == 2 else 1.3)  # fmt: skip
        top.set_ylabel(say("energy"))
        top.set_title(textwrap.fill(found.label, 110))
        top.legend(loc="upper right")
        taken = (
            (say("friction"), found.friction), (say("discretisation"), found.discretisation),
            (say("schedule"), found.schedule),
        )  # fmt: skip
        for index, (name, values) in enumerate(taken, start=3):
            style = look(index)
            if index == 5 and not np.any(values):
                continue  # constant settings: no schedule works
            below.plot(steps, np.concatenate([[0.0], np.cumsum(values)]), color=style.colour, linestyle=style.dash,
                       label=name)  # fmt: skip
        change = found.total - found.total[0]
        below.plot(steps, change, color=look(2).colour, linestyle=look(2).dash, linewidth=2.0,
                   label=say("total, since the start"))  # fmt: skip
        below.axhline(0.0, color="#808080", linewidth=0.8)
        below.set_ylabel(say("energy gained since the start"))
        below.set_xlabel(say("step"))
        below.legend(loc="best", fontsize=8)
    return figure
