"""Pictures and animations of runs and races, drawn with matplotlib.

>>> import layda
>>> figure = layda.plot(layda.descend("x^2", "heavy-ball", start=1.0))
"""

from __future__ import annotations

from layda.plots.animation import ANIMATIONS, Film, animate
from layda.plots.figure import FORMATS, plot

__all__ = ["ANIMATIONS", "FORMATS", "Film", "animate", "plot"]
