"""One descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.measures import CONSTANTS
from layda.objective import Objective, TracedObjective
from layda.rule import Rule, State, Stepper
from layda.run.judge import judge
from layda.run.numeric import run_numeric
from layda.run.restart import check_restart
from layda.run.result import Trajectory
from layda.run.state import Ending
from layda.run.traced import run_traced
from layda.specs import to_objective, to_rule

__all__ = ["descend", "resolve_start", "whole_number"]

Array = NDArray[np.float64]
_MOST_STEPS = 10**9


def descend(
    objective: str | Objective | Callable[..., Any],
    rule: str | Rule | type[Rule] = "heavy-ball",
    *,
    start: Sequence[float] | float | Array | Literal["random"] | None = None,
    steps: int = 1000,
    tolerance: float = CONSTANTS["tolerance"][0],
    check_every: int | None = None,
    seed: int = 0,
    record: Literal["all", "end"] = "all",
    backend: str = "auto",
    label: str | None = None,
    progress: Callable[[int], None] | None = None,
    watch: Callable[[int, Array], None] | None = None,
) -> Trajectory:
    """Roll one ball down an objective.

    Args:
        objective: a classic's name ("himmelblau"), a formula ("x^4 - 3x^2 + x/2"), a Python function of its
            coordinates, or an :class:`~layda.objective.Objective`.
        rule: a rule, its name, or text such as "heavy-ball:momentum=0.95".
        start: one number per coordinate; "random" draws from the objective's box; by default its usual start.
        steps: the budget.
        tolerance: the stopping test's share of the path's extent; 0 never stops early.
        check_every: the stopping test runs at multiples of it; by default 10, with mini-batches one epoch.
        seed: of the random start.
        record: "all" keeps every step, "end" the last alone (for long runs).
        backend: "auto", "python", "numba", "numpy" or "readable"; all give the same bits. Data objectives and black
            boxes run in NumPy.
        label: a name for tables and plots.
        progress: called with the number of steps done, where the objective is slow enough to ask.
        watch: called with step and position after every step of a data objective or black box; ``StopIteration`` ends
            the run there.

    Returns:
        The trajectory with its verdict. Divergence is a result, not an exception.

    Raises:
        SettingError: a start of the wrong dimension, a budget or tolerance out of range.
        UnknownNameError, FormulaError, SpecError: an objective or rule that cannot be found or read.

    >>> run = descend("x^2", "gradient-descent:learning_rate=0.25", start=1.0)
    >>> run.verdict.kind, abs(run.value) < 1e-9
    ('converged', True)
    """
    target, way = to_objective(objective, start=start), to_rule(rule)
    steps = whole_number("steps", steps, 0, _MOST_STEPS)
    if not _is_share(tolerance):
        raise SettingError(f"tolerance is {tolerance!r}; allowed is a number from 0 (never stop early) up to 1")
    if check_every is None:
        default = int(CONSTANTS["check_every"][0])
        check_every = max(default, getattr(target, "steps_per_epoch", 0)) if target.stochastic else default
    check_every = whole_number("check_every", check_every, 2, _MOST_STEPS)
    if record not in ("all", "end"):
        raise SettingError(f"record is {record!r}; allowed are 'all' and 'end'")
    seed = whole_number("seed", seed, 0, 2**128)
    first = resolve_start(target, start, seed)
    check_restart(target, way)
    stepper = Stepper(way)
    options: dict[str, Any] = {
        "steps": steps,
        "tolerance": float(tolerance),
        "check_every": check_every,
        "keep": record == "all",
    }
    if isinstance(target, TracedObjective):
        ending = run_traced(target, stepper, first, backend=backend, **options)
    else:
        ending = run_numeric(target, stepper, first, progress=progress, watch=watch, **options)
    settings = {
        "start": list(first),
        "random_start": isinstance(start, str),
        "seed": seed,
        "tolerance": float(tolerance),
        "check_every": check_every,
        "record": record,
        "backend": backend if isinstance(target, TracedObjective) else "numpy",
    }
    return _trajectory(target, way, stepper, ending, settings, steps, label)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value < 1.0


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """A whole number within its range.

    Raises:
        SettingError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise SettingError(f"{name} is {value!r}; allowed is a whole number from {low} to {high}")
    return int(value)


def resolve_start(objective: Objective, start: Any, seed: int) -> tuple[float, ...]:
    """The start as numbers: given, drawn from the box ("random"), or the objective's usual one.

    Raises:
        SettingError: the wrong number of coordinates, a value that is not finite or not a number.
    """
    if start is None:
        return objective.start
    if isinstance(start, str):
        if start != "random":
            raise SettingError(f"start is {start!r}; allowed are numbers, one for each coordinate, and 'random'")
        low, high = np.array(objective.box).T
        return tuple(float(x) for x in np.random.default_rng(seed).uniform(low, high))
    try:
        numbers = np.atleast_1d(np.asarray(start, dtype=np.float64))
    except (TypeError, ValueError):
        raise SettingError(f"start is {start!r}; allowed are numbers, one for each coordinate, and 'random'") from None
    names = ", ".join(objective.coordinates[:6]) + (", …" if objective.dimension > 6 else "")
    if numbers.shape != (objective.dimension,):
        raise SettingError(
            f"start has {numbers.size} numbers; {objective.name} has {objective.dimension} "
            f"{'coordinate' if objective.dimension == 1 else 'coordinates'} ({names})"
        )
    if not np.all(np.isfinite(numbers)):
        raise SettingError(f"start is {start!r}; every coordinate must be a finite number")
    return tuple(float(number) for number in numbers)


def _trajectory(
    objective: Objective,
    rule: Rule,
    stepper: Stepper,
    ending: Ending,
    settings: dict[str, Any],
    budget: int,
    label: str | None,
) -> Trajectory:
    track = ending.track
    estimates, rates = _estimates(stepper, ending)
    estimate = estimates[-1]
    with np.errstate(all="ignore"):
        verdict = judge(objective, rule, ending, estimate, steps=budget, tolerance=settings["tolerance"])
        rows = slice(None) if settings["record"] == "all" else slice(-1, None)
        positions = track.positions[rows]
        values = objective.values(positions) if track.values is None else track.values[rows]
        same = np.array_equal(estimate, positions[-1], equal_nan=True)
        value = float(values[-1]) if same else objective.value(estimate)
    return Trajectory(
        objective=objective,
        rule=rule,
        label=label or str(rule),
        positions=positions,
        estimates=estimates[rows],
        values=values,
        states={name: array[rows] for name, array in (track.slots | track.shared).items()},
        learning_rates=rates[rows],
        steps=ending.step,
        budget=budget,
        verdict=verdict,
        settings=settings | {"value": value},
        evaluations=ending.evaluations,
    )


def _estimates(stepper: Stepper, ending: Ending) -> tuple[Array, Array]:
    """The rule's answers and its learning rates at every recorded step, all steps at once."""
    track = ending.track
    count = len(track.positions)
    times = np.arange(track.first, track.first + count, dtype=np.float64)
    schedules = tuple(track.schedules[:, index] for index in range(track.schedules.shape[1]))
    with np.errstate(all="ignore"):
        rule = stepper.resolved(stepper.numbers, times, schedules)
        rates = np.broadcast_to(np.asarray(rule.learning_rate, dtype=np.float64), (count,)).copy()  # type: ignore[attr-defined]
        columns = []
        for index in range(track.positions.shape[1]):
            state = State(
                tuple(track.slots[slot.name][:, index] for slot in stepper.slots),
                tuple(track.shared[slot.name] for slot in stepper.shared),
                schedules,
            )
            columns.append(stepper.estimate(stepper.numbers, times, track.positions[:, index], state))
    return np.stack([np.broadcast_to(column, (count,)) for column in columns], axis=1), rates
