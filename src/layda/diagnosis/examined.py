"""A run under examination: what is measured of it, each thing once, and what all that costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from layda.diagnosis.curvature import Curvature, curvature_at
from layda.diagnosis.findings import Sentence, tell
from layda.diagnosis.settings import base_momentum, base_rate, changed, steady
from layda.errors import ComputationError, NotLinearError
from layda.objective import BlackBox
from layda.rule import Rule
from layda.run import Trajectory, descend
from layda.theory import Tuning, best_settings, stability_limit
from layda.words import later

__all__ = ["Examined"]

Array = NDArray[np.float64]
_Answer = TypeVar("_Answer")
_PLACES = 3
"""So many places of the way are asked for their curvature."""


class Examined:
    """A run, and a purse of gradient evaluations to find out about it.

    Attributes:
        run: the run.
        purse: how many evaluations may be spent.
        spent: how many have been.
        notes: what could not be done, and why.
    """

    def __init__(self, run: Trajectory, purse: float) -> None:
        if isinstance(run.objective, BlackBox) and run.objective.function is None:
            raise ComputationError(
                f"{run.objective.name} was a black box when this result was saved; a file holds no Python code, so its "
                "run can be shown, but not examined. Build the objective anew, run it, and diagnose that result"
            )
        self.run, self.purse = run, purse
        self.spent = 0.0
        self.notes: list[Sentence] = []

    @property
    def start(self) -> tuple[float, ...]:
        """Where the run began."""
        return tuple(self.run.settings["start"])

    @property
    def left(self) -> float:
        """Evaluations that may still be spent."""
        return max(self.purse - self.spent, 0.0)

    def affords(self, evaluations: float) -> bool:
        """Whether the purse holds so much."""
        return evaluations <= self.left

    def trial(self, rule: Rule, *, steps: int | None = None, start: tuple[float, ...] | None = None) -> Trajectory:
        """The same run with another rule, budget or start."""
        settings = self.run.settings
        found = descend(
            self.run.objective, rule, start=self.start if start is None else start,
            steps=self.run.budget if steps is None else steps, tolerance=settings["tolerance"],
            check_every=settings["check_every"], seed=settings["seed"], record="end",
        )  # fmt: skip
        self.spent += found.evaluations
        return found

    @cached_property
    def at_start(self) -> Curvature | None:
        """The curvature where the run began."""
        return self._curvature(np.array(self.start))

    @cached_property
    def at_end(self) -> Curvature | None:
        """The curvature at the run's answer."""
        return self._curvature(self.run.position)

    @cached_property
    def on_way(self) -> tuple[Curvature, ...]:
        """The curvatures at some places of the way that are no higher than the start, the start and the end included.

        What a run that was thrown away met higher up says nothing about the ground where it should have stayed.
        """
        run = self.run
        found = [] if self.at_start is None else [self.at_start]
        if len(run.positions) > 1:
            low = np.flatnonzero(run.values[1:] <= run.values[0]) + 1
            picked = low[np.unique(np.linspace(0, len(low) - 1, _PLACES).astype(int))] if len(low) else low
            found += [c for row in picked if (c := self._curvature(run.positions[row])) is not None]
        if np.isfinite(run.value) and self.at_end is not None:
            found.append(self.at_end)
        return tuple(found)

    def _curvature(self, place: Array) -> Curvature | None:
        if not np.all(np.isfinite(place)):
            return None
        with np.errstate(all="ignore"):
            found = curvature_at(self.run.objective, place)
        self.spent += found.gradients
        return found if np.isfinite(found.largest) else None

    @cached_property
    def steepest(self) -> float | None:
        """L: the largest curvature on the way; ``None`` where there is none above zero."""
        largest = [curvature.largest for curvature in self.on_way if curvature.largest > 0.0]
        return max(largest) if largest else None

    @cached_property
    def bend(self) -> float | None:
        """The largest curvature in size, upwards or downwards; ``None`` where the ground is flat or unknown."""
        sizes = [max(abs(curvature.largest), abs(curvature.smallest)) for curvature in self.on_way]
        return max(sizes) if sizes and max(sizes) > 0.0 else None

    @cached_property
    def flattest(self) -> float | None:
        """μ: the smallest curvature above zero at the end, else at the start."""
        for place in (self.at_end if np.isfinite(self.run.value) else None, self.at_start):
            if place is not None and place.smallest_positive is not None:
                return place.smallest_positive
        return None

    @cached_property
    def limit(self) -> float | None:
        """The largest stable α at the steepest place of the way, by theory; ``None`` where theory has none."""
        if self.bend is None:
            return None
        steepest, rule = self.steepest or self.bend, steady(self.run.rule)
        return self.theory(lambda: stability_limit(rule, steepest))

    def tuning(self, flattest: float, steepest: float) -> Tuning | None:
        """Theory's best settings for curvatures from μ to L; ``None`` where theory has none."""
        rule = steady(self.run.rule)
        return self.theory(lambda: best_settings(rule, flattest, steepest))

    def theory(self, ask: Callable[[], _Answer]) -> _Answer | None:
        """What theory says; ``None``, and a note why, for a rule that it does not cover."""
        try:
            return ask()
        except NotLinearError as error:
            note = tell(later("theory gives no limit for this rule: {why}"), why=str(error))
            if note not in self.notes:
                self.notes.append(note)
            return None

    def with_rate(self, rate: float) -> Rule:
        """The run's rule at another α."""
        return changed(self.run.rule, rate=rate)

    @property
    def rate(self) -> float:
        """The run's α, or what its schedule starts from."""
        return base_rate(self.run.rule)

    @property
    def momentum(self) -> float | None:
        """The run's β."""
        return base_momentum(self.run.rule)
