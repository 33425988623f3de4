"""The energies of a run, step by step, and who took them: friction, discretisation, the schedules."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.measures import energies as formulas
from layda.objective import Objective, TracedObjective
from layda.rule import Rule, State, Stepper
from layda.run import Trajectory

__all__ = ["Energy", "energy"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Energy:
    """The energies of a run; see :mod:`layda.measures.energies` for the balance.

    Attributes:
        label: the run's.
        potential: f(x_k), with the penalty of a weight decay; shape (steps + 1,). kinetic: K_k. total: their sum.
        friction: what was lost between two steps by forgetting, ≤ 0; shape (steps,).
        jerk: what the finite step took, ≤ 0. bregman: what the bend of f gave or took.
        work_of_rate, work_of_momentum: what changing settings gave or took.
        rounding: the work of writing positions down in float64, g_k·(x_(k+1) − (x_k − v_(k+1))).
        residual: what is left of the balance when all is added up. largest: the largest term of the step's balance,
            which the residual is to be held against.
        learning_rates, momenta: α_k and β_k of the form "velocity", shape (steps + 1,).
    """

    label: str
    potential: Array
    kinetic: Array
    friction: Array
    jerk: Array
    bregman: Array
    work_of_rate: Array
    work_of_momentum: Array
    rounding: Array
    residual: Array = field(repr=False)
    largest: Array = field(repr=False)
    learning_rates: Array = field(repr=False)
    momenta: Array = field(repr=False)

    @property
    def total(self) -> Array:
        """E_k = f(x_k) + K_k."""
        return self.potential + self.kinetic

    @property
    def discretisation(self) -> Array:
        """What the finite step gave or took: jerk and bend together."""
        return self.jerk + self.bregman

    @property
    def schedule(self) -> Array:
        """The work of a changing α and β."""
        return self.work_of_rate + self.work_of_momentum


def energy(run: Trajectory) -> Energy:
    """The energies along a run, and the exact balance between one step and the next.

    Stated for the heavy ball in the form "velocity"; its other forms, and rules that take the same steps, are mapped
    exactly: what a rule declares in :meth:`~layda.rule.Rule.as_heavy_ball`.

    Args:
        run: a recorded run (``record="all"``).

    Raises:
        SettingError: a run without a record or of mini-batches; a rule that is no heavy ball, restarts, or has a
            decoupled or scheduled weight decay; a learning rate that is 0.

    >>> import layda
    >>> found = energy(layda.descend("x^2", "heavy-ball:learning_rate=0.1,momentum=0.5", start=1.0, steps=20))
    >>> bool(found.total[0] == 1.0 and found.total[-1] < 1e-3), bool(np.max(np.abs(found.residual)) < 1e-15)
    (True, True)
    """
    _check(run)
    stepper = Stepper(run.rule)
    rates, momenta = _settings(run, stepper)
    positions = run.positions
    values, slopes = _observed(run.objective, positions)
    weight = float(run.rule.weight_decay)
    with np.errstate(all="ignore"):
        if weight != 0.0:
            values = values + 0.5 * weight * np.sum(positions * positions, axis=1)
            slopes = slopes + weight * positions
        velocities = _velocities(run, stepper)
        return _told(run.label, values, slopes, positions, velocities, rates, momenta)


def _check(run: Trajectory) -> None:
    rule = run.rule
    if run.settings["record"] != "all":
        raise SettingError(f"{run.label} kept its end alone; energies need every step: run it with record='all'")
    if run.objective.stochastic:
        raise SettingError(
            f"{run.objective.name} shows every step another mini-batch, so that no energy is kept; use all rows"
        )
    if getattr(rule, "restart", "never") != "never":
        raise SettingError(f"{rule.name} restarts, which takes the velocity away; energies are stated without restart")
    if rule.decays_weights and (rule.decoupled or not isinstance(rule.weight_decay, float)):
        raise SettingError(
            f"{rule.name} has a decoupled or scheduled weight decay, which is no force; allowed is a coupled one"
        )


def _settings(run: Trajectory, stepper: Stepper) -> tuple[Array, Array]:
    """α_k and β_k of the form "velocity" at every recorded step."""
    numbers, state = stepper.numbers, stepper.start(stepper.numbers, 0.0).schedules
    before: Rule | None = None
    rows = []
    for t in range(len(run.positions)):
        now = stepper.resolved(numbers, float(t), state)
        pair = now.as_heavy_ball(now if before is None else before)
        if pair is None:
            raise SettingError(
                f"{run.rule.name} with these settings does not take the steps of a heavy ball, so it has no "
                "energy balance; allowed are gradient descent, the heavy ball in its forms, and rules that declare "
                "as_heavy_ball"
            )
        rows.append(pair)
        state, before = stepper.advance_schedules(numbers, float(t), state), now
    rates, momenta = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    if np.any(rates == 0.0):
        raise SettingError(
            f"the learning rate of {run.label} is 0 at step {int(np.argmax(rates == 0.0))}; a ball without a force "
            "has no mass, and no energy is stated for it"
        )
    return rates, momenta


def _observed(objective: Objective, positions: Array) -> tuple[Array, Array]:
    if isinstance(objective, TracedObjective):
        with np.errstate(all="ignore"):
            return objective.values(positions), objective.gradients(positions)
    return objective.values_and_gradients(positions)


def _velocities(run: Trajectory, stepper: Stepper) -> Array:
    """v_0 = 0 and v_(k+1), what step k took away from x_k: the rule's own step from a ball at 0."""
    positions = run.positions
    _, slopes = _observed(run.objective, positions[:-1])
    weight = float(run.rule.weight_decay)
    numbers = dict(stepper.numbers)
    if weight != 0.0:
        with np.errstate(all="ignore"):
            slopes = slopes + weight * positions[:-1]
        numbers["weight_decay"] = 0.0  # the push is in the slope already, and the ball is looked at from 0
    found = np.zeros_like(positions)
    schedules = stepper.start(stepper.numbers, 0.0).schedules
    with np.errstate(all="ignore"):
        for t in range(len(positions) - 1):
            slots = tuple(run.states[slot.name][t] for slot in stepper.slots)
            shared = tuple(float(run.states[slot.name][t]) for slot in stepper.shared)
            state = State(slots, shared, schedules)
            moved, _ = stepper.step(numbers, float(t), np.zeros_like(slopes[t]), slopes[t], state)
            found[t + 1] = -np.asarray(moved)
            schedules = stepper.advance_schedules(stepper.numbers, float(t), schedules)
    return found


def _told(
    label: str, values: Array, slopes: Array, positions: Array, velocities: Array, rates: Array, momenta: Array
) -> Energy:
    def summed(terms: Array) -> Array:
        return np.asarray(np.sum(terms, axis=1))

    alpha, after = rates[:-1, None], rates[1:, None]
    beta, beta_after = momenta[:-1, None], momenta[1:, None]
    v, before = velocities[1:], velocities[:-1]
    kinetic = summed(formulas.kinetic(formulas.mass(momenta, rates)[:, None], velocities))
    friction = summed(formulas.friction(beta, alpha, v))
    jerk = summed(formulas.discretisation(beta, alpha, v, before))
    of_rate = summed(formulas.work_of_rate(beta, alpha, after, v))
    of_momentum = summed(formulas.work_of_momentum(beta, beta_after, after, v))
    written = _rounding(positions[:-1], v, positions[1:])
    slope_along = summed(slopes[:-1] * (written - v))
    bend = formulas.bregman(values[1:], values[:-1], slope_along)
    rounding = summed(slopes[:-1] * written)
    change = np.diff(values) + np.diff(kinetic)
    parts = (friction, jerk, of_rate, of_momentum, bend, rounding)
    residual = change - sum(parts)
    sizes = [np.abs(part) for part in (*parts, values[1:], values[:-1], kinetic[1:], kinetic[:-1])]
    return Energy(
        label, values, kinetic, friction, jerk, bend, of_rate, of_momentum, rounding, residual,
        np.max(np.stack(sizes), axis=0, initial=0.0) if len(residual) else residual, rates, momenta,
    )  # fmt: skip


def _rounding(positions: Array, velocities: Array, written: Array) -> Array:
    """x_(k+1) − (x_k − v_(k+1)), exactly: the error of a float64 difference is a float64 (Knuth 1969, two-sum)."""
    back = written - positions
    return -((positions - (written - back)) + (-velocities - back))
