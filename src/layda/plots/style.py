"""How runs are told apart: by colour, by dash and by marker together, so that no reader depends on colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["RC", "Look", "look", "verdict_colour"]

# Okabe and Ito 2008, "Color Universal Design"; yellow is left out, since it vanishes on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

RC: dict[str, Any] = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",  # ships with matplotlib and has Greek, Vietnamese and the mathematical signs
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "svg.hashsalt": "layda",  # the same result gives the same file
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Look:
    """How one run is drawn."""

    colour: str
    dash: Any
    marker: str


def look(index: int) -> Look:
    """The look of the run of that place; no two of the first 280 are alike."""
    return Look(_COLOURS[index % 7], _DASHES[index % 5], _MARKERS[index % 8])


def verdict_colour(kind: str) -> str:
    """Green for a run that arrived, orange for one that got stuck, red for one that broke, grey for one on its way."""
    if kind == "converged":
        return "#00694C"
    if kind in ("trapped", "saddle", "frozen", "cycling"):
        return "#A04600"
    return "#A3161A" if kind in ("diverged", "undefined") else "#505050"
