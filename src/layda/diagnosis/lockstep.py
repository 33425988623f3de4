"""Balls with different settings side by side, step by step, until they are at a target: the race that tunes.

One array operation moves all balls, so that the race can end when the first of them arrives: the best of n settings
costs n times the steps of the best, not the sum of all their steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.mapped import evaluate
from layda.objective import Objective, TracedObjective
from layda.rule import Rule, State, Stepper

__all__ = ["Heat", "lockstep"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Heat:
    """How balls have come along, one entry for each.

    Attributes:
        arrived: the first of two steps on end with f at or below the target; −1 where there were none.
        steps: steps rolled.
        lost: whether f, its gradient or the position ran out of the finite numbers or of where f is defined.
        best: the lowest f seen. last: f at the last step.
        gradients: steps of all balls together: the gradients that their rules have seen.
    """

    arrived: NDArray[np.int64]
    steps: NDArray[np.int64]
    lost: NDArray[np.bool_]
    best: Array
    last: Array

    @property
    def gradients(self) -> int:
        """Σ steps."""
        return int(np.sum(self.steps))


def lockstep(
    objective: Objective,
    rule: Rule,
    start: Array,
    numbers: Mapping[str, Array],
    *,
    target: float,
    steps: int,
    first_only: bool = False,
    roll_on: bool = False,
) -> Heat:
    """Roll a ball from the same start for every row of settings until it is at the target.

    A ball is at the target where f is at or below it at two steps on end: one step alone may be a ball in flight over
    the minimum.

    Args:
        objective: f. With mini-batches f of the whole is looked at once an epoch.
        rule: how; every number that ``numbers`` does not name is the rule's own.
        start: shape (dimension,).
        numbers: path -> one value for each ball.
        target: the value of f to be reached.
        steps: at most.
        first_only: end when the first ball is there.
        roll_on: balls that are there roll on, so that ``last`` tells whether they stay.

    >>> from layda.objectives import get
    >>> from layda.rules import HeavyBall
    >>> rates = {"learning_rate": np.array([0.1, 0.5, 0.9, 1.1]), "momentum": np.zeros(4)}
    >>> lockstep(get("x^2"), HeavyBall(), np.array([1.0]), rates, target=1e-6, steps=99).arrived.tolist()
    [31, 1, 31, -1]
    """
    with np.errstate(all="ignore"):
        return _Lanes(objective, rule, start, numbers).race(target, steps, first_only, roll_on)


class _Lanes:
    """The balls that still roll; every array has one row for each."""

    def __init__(self, objective: Objective, rule: Rule, start: Array, numbers: Mapping[str, Array]) -> None:
        self.objective, self.stepper = objective, Stepper(rule)
        count = len(next(iter(numbers.values())))
        self.numbers: dict[str, Any] = dict(self.stepper.numbers)
        self.numbers |= {name: np.asarray(value, np.float64)[:, None] for name, value in numbers.items()}
        self.x = np.tile(np.asarray(start, np.float64), (count, 1))
        begun = self.stepper.start(self.numbers, self.x)
        self.state = State(
            tuple(np.broadcast_to(np.asarray(value, np.float64), self.x.shape) for value in begun.slots),
            tuple(np.full((count, 1), float(value)) for value in begun.shared),
            tuple(np.broadcast_to(np.asarray(value, np.float64), (count, 1)) for value in begun.schedules),
        )
        self.balls = np.arange(count)
        self.below = np.zeros(count, bool)
        self.slopes = _slopes(objective)

    def race(self, target: float, steps: int, first_only: bool, roll_on: bool) -> Heat:
        """All steps."""
        count = len(self.balls)
        arrived, rolled = np.full(count, -1), np.zeros(count, np.int64)
        lost, best, last = np.zeros(count, bool), np.full(count, np.inf), np.full(count, np.nan)
        every = getattr(self.objective, "steps_per_epoch", 1) if self.objective.stochastic else 1
        for t in range(steps + 1):
            rolled[self.balls] = t
            value, slope, known = self._look(t, t % every == 0 or t == steps)
            fine = np.all(np.isfinite(slope), axis=1) & np.all(np.isfinite(self.x), axis=1)
            if known:
                fine &= np.isfinite(value) & self._defined()
                last[self.balls] = value
                best[self.balls] = np.fmin(best[self.balls], np.where(fine, value, np.inf))
            at = fine & (value <= target) if known else np.zeros(len(value), bool)
            there = at & self.below & (arrived[self.balls] < 0)
            arrived[self.balls[there]] = max(t - every, 0)
            lost[self.balls[~fine]] = True
            self.below = at if known else self.below
            if (first_only and np.any(there)) or t == steps:
                break
            going = fine if roll_on else fine & ~there
            slope = self._keep(going, slope)
            if not len(self.balls):
                break
            self.x, self.state = self.stepper.step(self.numbers, float(t), self.x, slope, self.state)
        return Heat(arrived, rolled, lost, best, last)

    def _look(self, t: int, wanted: bool) -> tuple[Array, Array, bool]:
        """f where it is wanted, the gradient that step t sees, and whether f is known."""
        if not self.objective.stochastic:
            return *self.slopes(self.x), True
        slope = np.array([self.objective.step_gradient(place, t) for place in self.x])
        value = self.objective.values(self.x) if wanted else np.full(len(self.x), np.nan)
        return value, slope, wanted

    def _defined(self) -> NDArray[np.bool_]:
        if not isinstance(self.objective, TracedObjective):
            return np.array([self.objective.is_defined(place) for place in self.x], bool)
        if self.objective.defined is None:
            return np.ones(len(self.x), bool)
        columns = {name: self.x[:, index] for index, name in enumerate(self.objective.coordinates)}
        found = next(iter(self.objective.defined.evaluate(columns).values()))
        return np.broadcast_to(np.asarray(found, bool), (len(self.x),))

    def _keep(self, going: NDArray[np.bool_], slope: Array) -> Array:
        """Only the balls that go on."""
        if np.all(going):
            return slope
        self.x, self.balls, self.below = self.x[going], self.balls[going], self.below[going]
        self.numbers = {name: value[going] if np.ndim(value) else value for name, value in self.numbers.items()}
        self.state = State(*(tuple(part[going] for part in group) for group in self.state))
        return slope[going]


def _slopes(objective: Objective) -> Callable[[Array], tuple[Array, Array]]:
    """(balls, dimension) -> f and its gradient at each row; compiled where f is a program."""
    if not isinstance(objective, TracedObjective):
        return objective.values_and_gradients
    program, names = objective.gradient_program, objective.coordinates

    def at(places: Array) -> tuple[Array, Array]:
        columns = {name: places[:, index] for index, name in enumerate(names)}
        found = list(evaluate(program, columns, len(places)).values())
        return found[0], np.stack(found[1:], axis=1)

    return at
