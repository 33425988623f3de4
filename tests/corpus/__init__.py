"""Runs whose verdict is known from theory: a labelled corpus that owes nothing to what judges them.

``corpus(seed, count)`` draws ``count`` runs of every verdict, in turn from several families: quadratics in 1 to 100
dimensions with any rule (their steps from the powers of iteration matrices), the classics, tables, mini-batches,
schedules, both kinds of weight decay, f and x scaled from a millionth to a million. A draw that falls too near a line
between two verdicts, or whose theorem does not apply, is drawn again; these are the lines:

* converged, trapped, saddle: two thirds of the budget bring the ball within 1e-8 of the start's distance; the test
  asks for 1e-6 of the path's extent.
* unfinished: 1.5 to 6 further budgets; crawling: 20 or more. The line is at 10. In both, swings that have not died out
  take at most half of the last window of 256 steps. For crawling, the slow modes make up the slope and its change, and
  the velocity has gathered. A mode that is hidden, or seen for less than a swing, cannot be told from a window.
* diverged: a factor of 1000 at least within the budget, or thirty boxes away.
* frozen: the rate under 2⁻¹² of its largest (the line is 2⁻¹⁰), and its remaining sum reaches a tenth of the way at
  most. Rates whose sum is infinite (inverse time) are never frozen and not drawn.
* cycling: swings of at most half the window.
* undefined: less than 50 units away; numbers that overflow far outside are called diverged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from layda.measures import VERDICTS
from tests.corpus.case import Case
from tests.corpus.endless import CYCLING, DIVERGED, UNDEFINED
from tests.corpus.hurried import CRAWLING, FROZEN, UNFINISHED
from tests.corpus.settled import CONVERGED, SADDLE, TRAPPED

__all__ = ["FAMILIES", "SEED", "Case", "corpus", "drawn"]

SEED = 20130617
_MOST_DRAWS = 200
Family = Callable[[np.random.Generator], Case | None]
FAMILIES: dict[str, tuple[Family, ...]] = {
    "converged": CONVERGED, "trapped": TRAPPED, "saddle": SADDLE, "frozen": FROZEN, "cycling": CYCLING,
    "diverged": DIVERGED, "undefined": UNDEFINED, "crawling": CRAWLING, "unfinished": UNFINISHED,
}  # fmt: skip
"""Verdict -> the families that it is drawn from, in turn."""


def corpus(seed: int = SEED, count: int = 60) -> Iterator[Case]:
    """``count`` labelled runs of every verdict, the same for the same seed.

    Families that need tables are left out where scikit-learn is missing.
    """
    for label in VERDICTS:
        for number in range(count):
            yield drawn(label, number, seed)


def drawn(label: str, number: int, seed: int = SEED) -> Case:
    """One run of that verdict."""
    families = [family for family in FAMILIES[label] if _tables() or "table" not in family.__code__.co_names]
    family = families[number % len(families)]
    for attempt in range(_MOST_DRAWS):
        case = family(np.random.default_rng([seed, VERDICTS.index(label), number, attempt]))
        if case is not None:
            return case
    raise AssertionError(f"{label}: no draw of {family.__name__} is clear of the lines")


def _tables() -> bool:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return False
    return True
