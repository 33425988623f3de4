"""Settings for a rule on an objective: what the curvature says, what theory makes of it, and a race that decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layda.diagnosis.bottom import Bottom, bottom
from layda.diagnosis.curvature import Curvature, curvature_at
from layda.diagnosis.lockstep import lockstep
from layda.diagnosis.search import Candidate, Search
from layda.diagnosis.tune_field import Theory, decays, field_of, rate_path, share_path, theory_of
from layda.errors import SettingError
from layda.objective import Objective
from layda.rule import Rule
from layda.run.descend import resolve_start, whole_number
from layda.run.judge import descended
from layda.schedules import ExponentialDecay
from layda.settings import replaced
from layda.specs import to_objective, to_rule

__all__ = ["Tuned", "tune"]

Array = NDArray[np.float64]
_ROUNDS, _FEW_ROUNDS = 16, 5  # of the pattern; few where every candidate rolls to the end of its budget
_PATIENCE = 4  # how many times the steps of a ball that only passed the target one that stays may take
_TRIED = 20  # candidates whose staying at the target is looked at
_SAME = 1e-4  # of the largest eigenvalue: two Hessians that differ by less are called the same


@dataclass(frozen=True)
class Tuned:
    """The settings that are recommended, and why.

    Attributes:
        objective, start: what was tuned for. rule: as it was asked for.
        recommended: the rule with the settings that did best.
        steps: its steps to the target; ``None`` where nothing got there within the budget.
        stays: whether f stays at the target when it rolls on for as long again.
        value: f at the last step of its race.
        target: the value of f that the race went to. floor: f at the bottom of the start's basin. Both ``None`` where
            no bottom was found; the race was then for the lowest f after ``budget`` steps.
        minimum: where that bottom is, or ``None``.
        budget: the most steps of a candidate.
        at_start, at_minimum: the curvature there; the latter ``None`` where there is no bottom.
        quadratic: whether both are the same, so that theory's figures are exact.
        theory: what theory gives for the curvatures that were seen; empty where the rule is not linear (notes say so).
        candidates: every candidate of the race, the best first.
        gradients: gradients of f that were spent, by "curvature", "bottom" and "race".
        notes: what else a reader must know.
    """

    objective: Objective = field(repr=False)
    start: tuple[float, ...]
    rule: Rule
    recommended: Rule
    steps: int | None
    stays: bool
    value: float
    target: float | None
    floor: float | None
    minimum: tuple[float, ...] | None = field(repr=False)
    budget: int
    at_start: Curvature = field(repr=False)
    at_minimum: Curvature | None = field(repr=False)
    quadratic: bool
    theory: tuple[Theory, ...] = field(repr=False)
    candidates: tuple[Candidate, ...] = field(repr=False)
    gradients: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def spent(self) -> int:
        """Gradients of f, all together."""
        return sum(self.gradients.values())


def tune(
    objective: str | Objective | Callable[..., Any],
    rule: str | Rule | type[Rule] = "heavy-ball",
    *,
    start: Sequence[float] | float | Array | Literal["random"] | None = None,
    steps: int = 1000,
    tolerance: float = 1e-6,
    target: float | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Tuned:
    """Recommend a learning rate α and a momentum β for a rule on an objective, and a decay δ where a constant α fails.

    1. *Measured*: the curvature at the start; the bottom of the start's basin, by a safe descent and a polish; the
       curvature there.
    2. *Theory*: the best settings for a quadratic with the curvatures seen, where the rule is linear.
    3. *Race*: theory's settings and a coarse field around them, side by side until the first is at the target; then a
       pattern search around the best. The target is ``f* + tolerance · (f(start) − f*)`` with f* the bottom's f; a ball
       is there when f is at or below it at two steps on end. The winner must stay there.
    4. *Decay*: with mini-batches, or where no constant rate gets there and stays, rates that decay by δ race as well.

    Args:
        objective: as in :func:`layda.descend`.
        rule: as in :func:`layda.descend`; what it sets besides α and β (Adam's β₁ counts as β) stays.
        start: as in :func:`layda.descend`.
        steps: the most steps of a candidate.
        tolerance: the share of the starting gap at which f counts as down.
        target: the value of f to be reached, instead of that share.
        seed: of a random start.
        progress: called with the gradients that the race has spent.

    Returns:
        The recommended rule with all that it was chosen by, as plain data.

    Raises:
        SettingError: settings out of range, a start where f is not finite, or a learning rate that is a schedule of
            another kind than an exponential decay.

    >>> found = tune("quadratic", "heavy-ball")
    >>> found.at_minimum.largest, found.at_minimum.smallest, found.quadratic
    (100.0, 1.0, True)
    >>> found.steps <= 60, found.stays
    (True, True)
    """
    asked_for, way = to_objective(objective), to_rule(rule)
    budget = whole_number("steps", steps, 1, 10**7)
    if not _is_number(tolerance) or not 0.0 < tolerance < 1.0:
        raise SettingError(f"tolerance is {tolerance!r}; allowed is a number between 0 and 1")
    if target is not None and not (_is_number(target) and math.isfinite(target)):
        raise SettingError(f"target is {target!r}; allowed is a finite number, the value of f to be reached")
    rate_path(way)  # refused before anything is measured
    place = resolve_start(asked_for, start, whole_number("seed", seed, 0, 2**128))
    return _Tuning(asked_for, way, place, budget, float(tolerance), target, progress).run()


class _Tuning:
    """One tuning on its way."""

    def __init__(
        self,
        objective: Objective,
        rule: Rule,
        start: tuple[float, ...],
        steps: int,
        tolerance: float,
        target: float | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.asked, self.rule, self.start, self.budget = objective, rule, start, steps
        self.place = np.array(start)
        self.notes: list[str] = []
        # Coupled weight decay is a penalty: its own minima, and its own curvature.
        self.objective, self.rolling = descended(objective, rule), rule
        if self.objective is not objective and not rule.decoupled:
            self.rolling = replace(rule, weight_decay=0.0)
            self.notes.append("f is taken with the penalty of the weight decay, λ|x|²/2")
        elif rule.decays_weights:
            self.objective = objective
            self.notes.append("f is taken without the weight decay, which draws the rule away from its minimum")
        self.tolerance, self.asked_target, self.progress = tolerance, target, progress

    def run(self) -> Tuned:
        """Measure, ask theory, race."""
        height = self.objective.value(self.place)
        if not math.isfinite(height):
            raise SettingError(f"f is {height} at the start {list(self.start)}; it must be finite; take another start")
        at_start = curvature_at(self.objective, self.place)
        size = float(np.max(np.abs(at_start.spectrum), initial=0.0))
        ground = bottom(self.objective, self.place, size)
        at_minimum = curvature_at(self.objective, ground.position) if ground.found else None
        target, floor = self._target(height, ground)
        quadratic = at_minimum is not None and _same(at_start, at_minimum)
        advice, reason = theory_of(self.rolling, at_start, at_minimum, quadratic)
        if reason:
            self.notes.append(reason)
        rows = self._rows(advice, at_start, at_minimum, ground)
        winner, stays, searches = self._raced(rows, -np.inf if target is None else target)
        candidates = {key: one for search in searches for key, one in search.found.items()}
        return Tuned(
            objective=self.asked,
            start=self.start,
            rule=self.rule,
            recommended=self._with(winner.settings),
            steps=winner.steps,
            stays=stays,
            value=winner.value,
            target=target,
            floor=floor,
            minimum=tuple(ground.position.tolist()) if ground.found else None,
            budget=self.budget,
            at_start=at_start,
            at_minimum=at_minimum,
            quadratic=quadratic,
            theory=advice,
            candidates=tuple(sorted(candidates.values(), key=lambda one: one.rank)),
            gradients={
                "curvature": math.ceil(at_start.gradients + (at_minimum.gradients if at_minimum is not None else 0.0)),
                "bottom": ground.gradients,
                "race": sum(search.gradients for search in searches),
            },
            notes=tuple(self.notes),
        )

    def _target(self, height: float, ground: Bottom) -> tuple[float | None, float | None]:
        floor = ground.value if ground.found else None
        if self.asked_target is not None:
            below = floor is not None and self.asked_target > floor
            return float(self.asked_target), floor if below else None
        if floor is None:
            self.notes.append(
                "no bottom was found below the start: f falls on and on there, or is not smooth; the race is for the "
                f"lowest f after {self.budget} steps"
            )
            return None, None
        if not height > floor:
            raise SettingError(
                f"the start {list(self.start)} is a place of rest already: nothing can be tuned from there; take "
                "another start"
            )
        return floor + self.tolerance * (height - floor), floor

    def _rows(
        self, advice: tuple[Theory, ...], before: Curvature, after: Curvature | None, ground: Bottom
    ) -> list[tuple[str, Mapping[str, float]]]:
        """The first candidates: theory's, and a field over all that the curvatures allow."""
        names = {rate_path(self.rolling), *share_path(self.rolling)}
        sizes = [float(np.max(np.abs(one.spectrum), initial=0.0)) for one in (before, after) if one is not None]
        field = field_of(self.rolling, self.place, ground, sizes, self.objective)
        known = [("theory", one.settings) for one in advice if set(one.settings) == names]
        return [*known, *(("field", row) for row in field)]

    def _raced(
        self, rows: list[tuple[str, Mapping[str, float]]], target: float
    ) -> tuple[Candidate, bool, list[Search]]:
        """The winner, whether it stays at the target, and all searches.

        The quick race comes first; where its winners only pass the target on their way, a patient one; where that does
        not help, or every step has a gradient of its own, one of decaying rates.
        """
        names = (rate_path(self.rolling), *share_path(self.rolling))
        quick = Search(self.objective, self.rolling, self.place, target, self.budget, self.progress)
        quick.heat(rows)
        quick.refine(names, _ROUNDS if quick.best is not None and quick.best.steps is not None else _FEW_ROUNDS)
        best = quick.best
        if best is None:
            self.notes.append("every candidate was lost: the rule's own settings are given back")
            return Candidate({}, "field", None, 0, "lost", math.nan), False, [quick]
        if best.steps is not None and not self.objective.stochastic:
            staying = self._staying(quick)
            if staying is not None:
                return staying, True, [quick]
            horizon = min(self.budget, _PATIENCE * best.steps + 10)
            patient = Search(self.objective, self.rolling, self.place, target, horizon, self.progress, patient=True)
            patient.heat(rows)
            patient.refine(names, _ROUNDS)
            if patient.best is not None and patient.best.steps is not None:
                return patient.best, True, [quick, patient]
        if isinstance(self.rule.learning_rate, ExponentialDecay):  # type: ignore[attr-defined]
            return best, False, [quick]
        return self._decayed(quick, best, target)

    def _decayed(self, quick: Search, constant: Candidate, target: float) -> tuple[Candidate, bool, list[Search]]:
        """Decaying rates against the best constant one."""
        rate = rate_path(self.rolling)
        moving = replace(self.rolling, learning_rate=ExponentialDecay(constant.settings[rate]))  # type: ignore[call-arg]
        search = Search(self.objective, moving, self.place, target, self.budget, self.progress)
        search.heat(("decay", row) for row in decays(constant.settings, rate, self.budget))
        search.refine((f"{rate}.initial", f"{rate}.decay"), _FEW_ROUNDS)
        best, searches = search.best, [quick, search]
        if best is not None and best.steps is not None:
            staying = None if self.objective.stochastic else self._staying(search)
            if staying is not None:
                return staying, True, searches
        passes = constant.steps is not None and not self.objective.stochastic
        if best is not None and (passes or best.rank < constant.rank):
            constant = best
        if passes:
            self.notes.append("the best settings reach the target but do not stay there, and no decay of the rate does")
        return constant, False, searches

    def _staying(self, search: Search) -> Candidate | None:
        """The best of those that are still at the target after as many steps again."""
        least = search.best.steps if search.best is not None else None
        for one in search.ranked()[:_TRIED]:
            if one.steps is None or least is None or one.steps > 2 * least:
                break
            numbers = {name: np.array([value]) for name, value in one.settings.items()}
            again = lockstep(
                search.objective, search.rule, self.place, numbers, target=-np.inf, steps=2 * one.steps + 10
            )
            search.gradients += again.gradients
            if again.last[0] <= search.target:
                return one
        return None

    def _with(self, settings: dict[str, float]) -> Rule:
        """The rule as it was asked for, with these numbers."""
        rule = self.rule
        rate = rate_path(rule)
        if f"{rate}.initial" in settings:
            decay = ExponentialDecay(settings[f"{rate}.initial"], settings[f"{rate}.decay"])
            rule = replace(rule, learning_rate=decay)  # type: ignore[call-arg]
        return replaced(rule, settings)  # type: ignore[no-any-return]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _same(one: Curvature, other: Curvature) -> bool:
    """Whether two Hessians have the same spectrum, as far as it was looked at."""
    if len(one.spectrum) != len(other.spectrum):
        return False
    return bool(np.max(np.abs(one.spectrum - other.spectrum)) <= _SAME * abs(one.largest))
