"""What judges a run: the stopping test, the running summaries and the verdict, written once and traced like rules.

They take values and norms, so they serve single descents, many lanes, and objectives that cannot be traced alike.
"""

from __future__ import annotations

from layda.measures.constants import CONSTANTS, VERDICTS
from layda.measures.stopping import distance_to_go, settled
from layda.measures.verdict import Evidence, verdict_code
from layda.measures.window import Window, window_of

__all__ = [
    "CONSTANTS",
    "VERDICTS",
    "Evidence",
    "Window",
    "distance_to_go",
    "settled",
    "verdict_code",
    "window_of",
]
