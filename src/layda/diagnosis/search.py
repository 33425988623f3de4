"""The search for settings: a first field of candidates, then a pattern that moves with the best and narrows.

Settings are searched in log α, log(1 − β) and log(1 − δ), in which what matters is about evenly spread.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layda.diagnosis.lockstep import lockstep
from layda.objective import Objective
from layda.rule import Rule

__all__ = ["Candidate", "Search", "shortened", "tidy"]

Array = NDArray[np.float64]
Settings = Mapping[str, float]
_LEAST_BRAKE = 1e-5  # 1 − β and 1 − δ
_LONGER = 50  # steps, beyond as many again, for which a patient race goes on
_FACTORS = (2.0, 2.0**0.5, 2.0**0.25, 2.0**0.125)  # of the pattern, one after the other


@dataclass(frozen=True)
class Candidate:
    """Settings that took part in the race.

    Attributes:
        settings: path -> number.
        origin: who put it forward: "theory", "field", "refinement", "decay".
        steps: the steps to the target; ``None`` where it did not get there.
        rolled: steps rolled.
        verdict: "arrived"; "later" (than another, whose arrival ended the race); "short" (not there when its steps were
            spent); "passed" (was there and flew on, where that was looked at); "lost" (left the finite numbers, or
            where f is defined).
        value: f at the last step.
    """

    settings: dict[str, float]
    origin: str
    steps: int | None
    rolled: int
    verdict: str
    value: float

    @property
    def rank(self) -> tuple[float, float]:
        """The smaller, the better: by steps to the target, else by f at the end."""
        if self.steps is not None:
            return (0.0, float(self.steps))
        places = {"short": 1.0, "later": 1.0, "passed": 2.0, "lost": 3.0}
        return (places[self.verdict], self.value if math.isfinite(self.value) else math.inf)


class Search:
    """Candidates, what became of them, and the gradients that it took.

    Attributes:
        found: tidy settings -> candidate. gradients: spent so far.
        patient: let balls roll on for as long again after the target, so that those that only pass it are told from
            those that stay. Costs twice as much.
    """

    def __init__(
        self,
        objective: Objective,
        rule: Rule,
        start: Array,
        target: float,
        steps: int,
        progress: Callable[[int], None] | None = None,
        patient: bool = False,
    ) -> None:
        self.objective, self.rule, self.start = objective, rule, start
        self.target, self.steps = target, steps
        self.found: dict[tuple[tuple[str, float], ...], Candidate] = {}
        self.gradients = 0
        self.patient = patient
        self._progress = progress

    @property
    def best(self) -> Candidate | None:
        """The best so far that is not lost."""
        standing = [one for one in self.found.values() if one.verdict != "lost"]
        return min(standing, key=lambda one: one.rank, default=None)

    def ranked(self) -> list[Candidate]:
        """All, the best first."""
        return sorted(self.found.values(), key=lambda one: one.rank)

    def heat(self, rows: Iterable[tuple[str, Settings]]) -> None:
        """Race the rows that have not raced yet, against each other and against the best so far.

        Args:
            rows: who puts them forward, as in :class:`Candidate`, and settings, all with the same names.
        """
        fresh: dict[tuple[tuple[str, float], ...], str] = {}
        for origin, row in rows:
            if (key := shortened(row)) not in self.found:
                fresh.setdefault(key, origin)
        if not fresh:
            return
        known = self.best
        limit = self.steps if known is None or known.steps is None else known.steps - 1
        columns = zip(*fresh, strict=True)
        numbers = {column[0][0]: np.array([number for _, number in column]) for column in columns}
        # One step more than the limit: to be at the target takes two steps on end.
        limit = min(limit, self.steps) + 1
        ended = lockstep(
            self.objective, self.rule, self.start, numbers, target=self.target,
            steps=2 * limit + _LONGER if self.patient else limit, first_only=not self.patient, roll_on=self.patient,
        )  # fmt: skip
        self.gradients += ended.gradients
        anyone = bool(np.any(ended.arrived >= 0)) or (known is not None and known.steps is not None)
        for index, (key, origin) in enumerate(fresh.items()):
            arrived, last = int(ended.arrived[index]), float(ended.last[index])
            verdict = "arrived" if arrived >= 0 else "lost" if ended.lost[index] else "later" if anyone else "short"
            if verdict == "arrived" and self.patient and not last <= self.target:
                verdict = "passed"
            steps = arrived if verdict == "arrived" else None
            self.found[key] = Candidate(dict(key), origin, steps, int(ended.steps[index]), verdict, last)
        if self._progress is not None:
            self._progress(self.gradients)

    def refine(self, names: tuple[str, ...], rounds: int) -> None:
        """Look around the best: each of its numbers larger, smaller and the same; go there, or narrow the pattern.

        Args:
            names: the numbers to be changed.
            rounds: at most.
        """
        factors = iter(_FACTORS)
        factor = next(factors)
        for _ in range(rounds):
            before = self.best
            if before is None or not set(names) <= set(before.settings):
                return
            self.heat(("refinement", row) for row in _around(before.settings, names, factor))
            if self.best is before:
                narrower = next(factors, None)
                if narrower is None:
                    return
                factor = narrower


def _around(settings: Settings, names: tuple[str, ...], factor: float) -> list[dict[str, float]]:
    """The lattice of side 3 around the settings; numbers that end in "learning_rate" or "initial" grow as they are."""
    rows = []
    for powers in itertools.product((0, -1, 1), repeat=len(names)):
        row = dict(settings)
        for name, power in zip(names, powers, strict=True):
            row[name] = moved(name, row[name], factor**power)
        rows.append(row)
    return rows


def is_rate(name: str) -> bool:
    """Whether the number is a learning rate, which is searched as it is; others as 1 minus it."""
    return name.rpartition(".")[2] in ("learning_rate", "initial")


def moved(name: str, value: float, factor: float) -> float:
    """The number with itself, or with 1 minus it, multiplied; from 0 up."""
    if is_rate(name):
        return value * factor
    return 1.0 - min(1.0, max(_LEAST_BRAKE, (1.0 - value) * factor))


def shortened(row: Settings) -> tuple[tuple[str, float], ...]:
    """The settings in the order of their names, each as :func:`tidy` makes it."""
    return tuple((name, tidy(name, value)) for name, value in sorted(row.items()))


def tidy(name: str, value: float) -> float:
    """The number with four significant digits, or with three of 1 minus it: what is raced is what is shown.

    >>> tidy("learning_rate", 0.0123456), tidy("momentum", 0.98765)
    (0.01235, 0.9877)
    """
    if is_rate(name):
        return float(f"{value:.3e}")
    brake = float(f"{1.0 - value:.2e}")
    return float(f"{1.0 - brake:.12g}")
