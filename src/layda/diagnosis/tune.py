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
from layda.diagnosis.search import Candidate, Search
from layda.diagnosis.tune_field import Theory, decays, field_of, rate_path, share_path, steps_by_length, theory_of
from layda.errors import SettingError
from layda.objective import Objective
from layda.rule import Rule
from layda.run.curvature import goes_down
from layda.run.descend import descend, resolve_start, whole_number
from layda.run.judge import descended
from layda.run.result import Trajectory
from layda.schedules import ExponentialDecay
from layda.settings import replaced
from layda.specs import to_objective, to_rule

__all__ = ["Tuned", "tune"]

Array = NDArray[np.float64]
Rows = list[tuple[str, Mapping[str, float]]]
_ROUNDS, _FEW_ROUNDS = 16, 5  # of the pattern; few where every candidate rolls to the end of its budget
_PATIENCE = 4  # how many times the steps of a ball that only passed the target one that stays may take
_BETTER = 0.5  # of the gap that a constant rate leaves: what a decaying one must come to without mini-batches
_TRIED = 6  # candidates whose staying at the target is looked at
_LONGER, _FURTHER = 50, 1000  # steps beyond twice, and ten times, those to the target, for which a winner must stay
_UNSTEADY = ("cycling", "frozen", "diverged", "undefined")  # verdicts of runs that are at the target by chance
_FAR = 1e3  # box widths: a descent that gets there falls on and on
_RESIDUAL = 1e-3  # of Lanczos' method: the smallest curvature decides the rate, and is the last to be known
_SAME = 1e-4  # of the largest eigenvalue: two Hessians that differ by less are called the same


@dataclass(frozen=True)
class Tuned:
    """The settings that are recommended, and why.

    Attributes:
        objective, start: what was tuned for. rule: as it was asked for.
        recommended: the rule with the settings that did best.
        steps: its steps to the target; ``None`` where nothing got there within the budget.
        stays: whether f stays at the target, and at rest, when the ball rolls on until it has settled, or for at least
            as many steps again.
        verdict: of that run, "converged" where the stopping test ended it. settled: its steps then.
        value: f at the last step of its race.
        target: the value of f that the race went to. floor: f at the bottom of the start's basin.
        minimum: where that bottom is; ``None`` where the slope vanishes nowhere near.
        tolerance: the target as a share of the gap between f at the start and f at the bottom.
        budget: the most steps of a candidate.
        at_start, at_minimum: the curvature there; the latter ``None`` where there is no bottom.
        steepest: the largest curvature at the start, at the minimum and at points of the safe descent between them.
        quadratic: whether both are the same, so that theory's figures are exact.
        theory: what theory gives for the curvatures that were seen; empty where the rule is not linear (notes say so).
        candidates: every candidate of the race, the best first.
        gradients: gradients of f that were spent, by "curvature", "bottom", "race" and "check".
        notes: what else a reader must know.
    """

    objective: Objective = field(repr=False)
    start: tuple[float, ...]
    rule: Rule
    recommended: Rule
    steps: int | None
    stays: bool
    verdict: str | None
    settled: int | None
    value: float
    target: float
    floor: float
    minimum: tuple[float, ...] | None = field(repr=False)
    tolerance: float
    budget: int
    at_start: Curvature = field(repr=False)
    at_minimum: Curvature | None = field(repr=False)
    steepest: float
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
       curvature on the way and there.
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
        SettingError: settings out of range; a start where f is not finite, that is a place of rest, or from which a
            safe descent finds no minimum; a learning rate that is a schedule without a first value.

    >>> found = tune("quadratic", "heavy-ball")
    >>> found.at_minimum.largest, found.at_minimum.smallest, found.quadratic
    (100.0, 1.0, True)
    >>> found.steps <= 60, found.stays
    (True, True)
    """
    asked_for, way = to_objective(objective, start=start), to_rule(rule)
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
        self.notes: list[str] = list(objective.notes)
        self.searches: list[Search] = []
        self.checked = 0
        self.target = self.floor = self.width = math.nan
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
        at_start = curvature_at(self.objective, self.place, tolerance=_RESIDUAL)
        size = float(np.max(np.abs(at_start.spectrum), initial=0.0))
        ground = bottom(self.objective, self.place, size)
        at_minimum = curvature_at(self.objective, ground.position, tolerance=_RESIDUAL) if ground.found else None
        self.target, self.floor = self._target(height, ground)
        self.width = max(self.target - self.floor, self.tolerance * (height - ground.value))
        quadratic = at_minimum is not None and _same(at_start, at_minimum)
        inner = [] if quadratic else [curvature_at(self.objective, x, only_largest=True) for x in _inner(ground.path)]
        measured = [one for one in (at_start, *inner, at_minimum) if one is not None]
        steepest = max((one.largest for one in measured if math.isfinite(one.largest)), default=math.nan)
        advice, reason = theory_of(self.rolling, steepest, at_minimum, quadratic)
        if reason:
            self.notes.append(reason)
        if self.objective.stochastic:
            self.notes.append(
                "mini-batches: f is of all rows, and theory's limits are those of the full batch; small batches may "
                "need smaller rates"
            )
        winner, run = self._raced(self._rows(advice, measured, ground))
        candidates = {key: one for search in self.searches for key, one in search.found.items()}
        return Tuned(
            objective=self.asked,
            start=self.start,
            rule=self.rule,
            recommended=self._with(winner.settings, self.rule),
            steps=winner.steps,
            stays=run is not None,
            verdict=None if run is None else run.verdict.kind,
            settled=run.steps if run is not None and run.verdict.kind == "converged" else None,
            value=winner.value,
            target=self.target,
            floor=self.floor,
            minimum=tuple(ground.position.tolist()) if ground.found else None,
            tolerance=(self.target - self.floor) / (height - self.floor) if height > self.floor else math.nan,
            budget=self.budget,
            at_start=at_start,
            at_minimum=at_minimum,
            steepest=steepest,
            quadratic=quadratic,
            theory=advice,
            candidates=tuple(sorted(candidates.values(), key=lambda one: one.rank)),
            gradients={
                "curvature": math.ceil(sum(one.gradients for one in measured)),
                "bottom": ground.gradients,
                "race": sum(search.gradients for search in self.searches),
                "check": self.checked,
            },
            notes=tuple(self.notes),
        )

    def _target(self, height: float, ground: Bottom) -> tuple[float, float]:
        """The value of f that the race goes to, and the bottom's."""
        if self.asked_target is not None:
            return float(self.asked_target), min(ground.value, float(self.asked_target))
        widest = max(high - low for low, high in self.objective.box)
        away = float(np.max(np.abs(ground.position - self.place)))
        falling = not ground.found and not away <= _FAR * max(widest, float(np.max(np.abs(self.place))))
        if falling or (ground.found and bool(goes_down(self.objective, ground.position[None])[0])):
            raise SettingError(
                f"from the start {list(self.start)} {self.objective.name} has no minimum that a safe descent finds: "
                + ("f falls on and on" if falling else f"it ends at a saddle, {ground.position[:4].tolist()}")
                + "; take another start, or give the value of f that is to be reached as target"
            )
        if not height > ground.value:
            raise SettingError(
                f"the start {list(self.start)} is a place of rest already: nothing can be tuned from there; take "
                "another start"
            )
        if not ground.found:
            self.notes.append("the slope vanishes nowhere near: the target is taken from the lowest f that was found")
        return ground.value + self.tolerance * (height - ground.value), ground.value

    def _rows(self, advice: tuple[Theory, ...], measured: list[Curvature], ground: Bottom) -> Rows:
        """The first candidates: theory's, and a field over all that the curvatures allow."""
        names = {rate_path(self.rolling), *share_path(self.rolling)}
        sizes = [float(np.max(np.abs(one.spectrum), initial=0.0)) for one in measured]
        field = field_of(self.rolling, self.place, ground, sizes, self.objective)
        known = [("theory", one.settings) for one in advice if set(one.settings) == names]
        return [*known, *(("field", row) for row in field)]

    def _raced(self, rows: Rows) -> tuple[Candidate, Trajectory | None]:
        """The winner, and its run where it stays at the target; at a decaying rate where a constant one will not do."""
        best, staying = self._race(self.rolling, rows, (rate_path(self.rolling), *share_path(self.rolling)))
        if best is None:
            self.notes.append("every candidate was lost: the rule's own settings are given back")
            return Candidate({}, "field", None, 0, "lost", math.nan), None
        if staying is not None:
            return staying
        if isinstance(self.rule.learning_rate, ExponentialDecay):  # type: ignore[attr-defined]
            return best, None
        # A rule that steps by length comes no nearer than its rate: what it needs is a decay, whatever it does.
        by_slope = not steps_by_length(self.rolling, self.place, self.objective)
        slow = best.steps is None and by_slope and not self.objective.stochastic
        if slow and self._rolled(best, self.budget).verdict.kind not in _UNSTEADY:
            return best, None
        return self._decayed(best)

    def _decayed(self, constant: Candidate) -> tuple[Candidate, Trajectory | None]:
        """Decaying rates against the best constant one."""
        rate, share = rate_path(self.rolling), share_path(self.rolling)
        moving = replace(self.rolling, learning_rate=ExponentialDecay(constant.settings[rate]))  # type: ignore[call-arg]
        rows = decays(constant.settings, rate, () if self.objective.stochastic else share, self.budget)
        names = (f"{rate}.initial", f"{rate}.decay")
        best, staying = self._race(moving, [("decay", row) for row in rows], names, _FEW_ROUNDS)
        if staying is not None:
            return staying
        if best is None or (self.objective.stochastic and constant.rank <= best.rank):
            return constant, None
        if constant.steps is not None and not self.objective.stochastic:
            self.notes.append("the best settings reach the target but do not stay there, and no decay of the rate does")
            return constant, None
        nearer = best.value - self.floor < _BETTER * (constant.value - self.floor)
        return (best if nearer or best.steps is not None or self.objective.stochastic else constant), None

    def _race(
        self, rule: Rule, rows: Rows, names: tuple[str, ...], rounds: int = _ROUNDS
    ) -> tuple[Candidate | None, tuple[Candidate, Trajectory] | None]:
        """The best, and the best that stays at the target with its run.

        The quick race comes first; where its winners only pass the target on their way, a patient one.
        """
        quick = self._search(rule, self.budget)
        quick.heat(rows)
        arrived = quick.best is not None and quick.best.steps is not None
        quick.refine(names, rounds if arrived else _FEW_ROUNDS)
        best = quick.best
        if best is None or best.steps is None or self.objective.stochastic:
            return best, None
        staying = self._staying(quick)
        if staying is None:
            patient = self._search(rule, min(self.budget, _PATIENCE * best.steps + 10), patient=True)
            patient.heat(rows)
            patient.refine(names, rounds)
            staying = self._staying(patient)
        return best, staying

    def _staying(self, search: Search) -> tuple[Candidate, Trajectory] | None:
        """The best of those that are still at the target, and at rest there, when they have rolled on; and its run."""
        least = search.best.steps if search.best is not None else None
        for one in search.ranked()[:_TRIED]:
            if least is None or one.steps is None or one.steps > 2 * least:
                break
            far = min(self.budget, 10 * one.steps + _FURTHER)
            run = self._rolled(one, max(far, 2 * one.steps + _LONGER))
            late = run.values[-1 - len(run.values) // 4 :]
            # A ball that has left for a deeper basin is below the target, too; it must have come to rest there.
            calm = bool(np.all(late <= self.target)) and float(np.ptp(late)) <= self.width
            if calm and run.verdict.kind not in _UNSTEADY:
                return one, run
        return None

    def _rolled(self, one: Candidate, steps: int) -> Trajectory:
        """The candidate alone, with the stopping test and its verdict."""
        rule = self._with(one.settings, self.rolling)
        # The verdict needs no other minima, and a search for them would only cost time.
        run = descend(replace(self.objective, convex=True), rule, start=self.start, steps=steps)
        self.checked += run.evaluations
        return run

    def _search(self, rule: Rule, steps: int, patient: bool = False) -> Search:
        self.searches.append(Search(self.objective, rule, self.place, self.target, steps, self.progress, patient))
        return self.searches[-1]

    def _with(self, settings: dict[str, float], rule: Rule) -> Rule:
        """The rule with these numbers."""
        rate = rate_path(rule)
        if f"{rate}.initial" in settings:
            decay = ExponentialDecay(settings[f"{rate}.initial"], settings[f"{rate}.decay"])
            rule = replace(rule, learning_rate=decay)  # type: ignore[call-arg]
        return replaced(rule, settings)  # type: ignore[no-any-return]


def _inner(path: Array) -> Array:
    """Points a third and two thirds along a path, and its last."""
    last = len(path) - 1
    return path[sorted({last // 3, 2 * last // 3, last} - {0})]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _same(one: Curvature, other: Curvature) -> bool:
    """Whether two Hessians have the same spectrum, as far as it was looked at."""
    if len(one.spectrum) != len(other.spectrum):
        return False
    return bool(np.max(np.abs(one.spectrum - other.spectrum)) <= _SAME * abs(one.largest))
