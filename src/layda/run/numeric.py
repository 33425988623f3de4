"""The engine for data and black boxes: the rule's step on whole arrays, the gradient from the objective's own code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from layda.measures import settled
from layda.measures.window import Window, window_length, window_of
from layda.objective import Objective
from layda.program.loop import LOST, SETTLED, SPENT
from layda.rule import State, Stepper
from layda.run.restart import restarted_rows
from layda.run.state import Ending, Tail, Track

__all__ = ["run_numeric"]

Array = NDArray[np.float64]
Progress = Callable[[int], None]


def run_numeric(
    objective: Objective,
    stepper: Stepper,
    start: tuple[float, ...],
    *,
    steps: int,
    tolerance: float,
    check_every: int,
    keep: bool = True,
    progress: Progress | None = None,
    watch: Callable[[int, Array], None] | None = None,
) -> Ending:
    """Descend any objective; arguments as in :func:`layda.descend`.

    Mini-batches are judged by the whole: where the stopping test runs, the gradients of the whole table are taken at
    the last two points.
    """
    position = np.array(start, dtype=np.float64)
    state = stepper.start(stepper.numbers, position)
    recorder = _Recorder(stepper, steps, keep)
    low, high = position.copy(), position.copy()
    places = [position]
    top = -np.inf
    code, extra = SPENT, 0
    rate = top_rate = _rate(stepper, 0, state)
    value, slope = objective.value_and_gradient(position)
    whole = [_rest(stepper, 0, position, slope, state)]
    for t in range(steps + 1):
        if not objective.stochastic and t:
            value, slope = objective.value_and_gradient(position)
            whole = [*whole[-1:], _rest(stepper, t, position, slope, state)]
        recorder.write(t, position, state, value)
        if not (np.isfinite(value) and np.all(np.isfinite(slope)) and objective.is_defined(position)):
            code = LOST
            break
        if tolerance > 0.0 and t and t % check_every == 0:
            if objective.stochastic:
                value, slope, whole = _of_the_whole(objective, stepper, t, places, state)
                extra += 2
            if _has_settled(places, whole, low, high, tolerance):
                code = SETTLED
                break
        if t == steps:
            break
        step_slope = objective.step_gradient(position, t) if objective.stochastic else slope
        if not objective.stochastic:
            top = max(top, value) if steps - t > window_length(steps) else top
        low, high = np.minimum(low, position), np.maximum(high, position)
        with np.errstate(all="ignore"):
            moved = stepper.step(stepper.numbers, float(t), position, step_slope, state)
            if stepper.restarts:
                rest = _rest(stepper, t, position, step_slope, state)
                known, before = partial(_value, objective), (position, state)
                moved = restarted_rows(stepper, stepper.numbers, float(t), before, moved, rest, value, known)
            position, state = moved
        if not np.all(np.isfinite(position)) or not np.all(np.isfinite(step_slope)):
            places = [*places[-2:], position]
            value, slope = np.nan, np.full(len(position), np.nan)
            whole = [*whole[-1:], slope]
            recorder.write(t + 1, position, state, np.nan)
            code, t = LOST, t + 1
            break
        rate = _rate(stepper, t + 1, state)
        top_rate = max(top_rate, rate)
        places = [*places[-2:], position]
        if progress is not None:
            progress(t + 1)
        if watch is not None:
            try:
                watch(t + 1, position)
            except StopIteration:
                steps = t + 1
    if objective.stochastic and code == SPENT:
        value, slope, whole = _of_the_whole(objective, stepper, t, places, state)
    track = recorder.track(t, with_values=not objective.stochastic)
    window, highest = _window(objective, stepper, track, t, code, top)
    return Ending(
        code=code,
        step=t,
        value=float(value),
        gradient=slope,
        tail=Tail(np.array(places), np.array(whole)),
        low=low,
        high=high,
        highest_before=highest,
        rate=rate,
        largest_rate=top_rate,
        window=window,
        track=track,
        evaluations=t + 1 + extra,
        backend="numpy",
    )


def _value(objective: Objective, position: Array) -> float:
    """f, NaN where it does not exist: there nothing begins anew."""
    fine = np.all(np.isfinite(position)) and objective.is_defined(position)
    return objective.value(position) if fine else float("nan")


def _rate(stepper: Stepper, t: int, state: State) -> float:
    return float(stepper.resolved(stepper.numbers, float(t), state.schedules).learning_rate)  # type: ignore[attr-defined]


def _rest(stepper: Stepper, t: int, position: Array, slope: Array, state: State) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(stepper.rest(stepper.numbers, float(t), position, slope, state.schedules))


def _of_the_whole(
    objective: Objective, stepper: Stepper, t: int, places: list[Array], state: State
) -> tuple[float, Array, list[Array]]:
    found = [objective.value_and_gradient(place) for place in places[-2:]]
    rests = [_rest(stepper, t, place, slope, state) for place, (_, slope) in zip(places[-2:], found, strict=True)]
    return found[-1][0], found[-1][1], rests


def _has_settled(places: list[Array], rests: list[Array], low: Array, high: Array, tolerance: float) -> bool:
    if len(places) < 3 or len(rests) < 2:
        return False
    earlier, last, now = places[-3:]
    extent = np.max(np.maximum(high, now) - np.minimum(low, now))
    return bool(
        settled(
            float(np.max(np.abs(now - last))),
            float(np.max(np.abs(last - earlier))),
            float(np.max(np.abs(rests[-1]))),
            float(np.max(np.abs(rests[-1] - rests[-2]))),
            float(extent),
            tolerance,
        )
    )


def _window(
    objective: Objective, stepper: Stepper, track: Track, step: int, code: int, top: float
) -> tuple[Window | None, float]:
    """The last window (gradients and values of the whole), and the largest f before it."""
    if code != SPENT:
        return None, top
    length = window_length(step)
    rows = track.positions[-length - 1 :]
    values, rests = np.empty(len(rows)), np.empty_like(rows)
    for index, row in enumerate(rows):
        values[index], slope = objective.value_and_gradient(row)
        state = State((), (), tuple(track.schedules[len(track.positions) - len(rows) + index]))
        rests[index] = _rest(stepper, step - len(rows) + 1 + index, row, slope, state)
    if objective.stochastic and len(track.positions) > length + 1:
        # Only whether the last quarter is higher than ever before is asked, so a sample of the past is enough.
        past = track.positions[: -length - 1]
        top = max(objective.value(row) for row in past[:: max(1, len(past) // 64)])
    return window_of(rows, rests, values), top


class _Recorder:
    """Rows of the track; only the last window's when the record is not kept."""

    def __init__(self, stepper: Stepper, steps: int, keep: bool) -> None:
        self._stepper = stepper
        self._first = 0 if keep else steps - window_length(steps)
        self._rows: list[tuple[Array, State, float]] = []
        self._last: tuple[Array, State, float] | None = None

    def write(self, t: int, position: Array, state: State, value: float) -> None:
        """Note one step."""
        self._last = (position, state, float(value))
        if t >= self._first:
            self._rows.append(self._last)

    def track(self, step: int, with_values: bool) -> Track:
        """Everything noted, as arrays."""
        assert self._last is not None
        rows = self._rows or [self._last]
        return Track(
            positions=np.array([position for position, _, _ in rows]),
            slots={
                slot.name: np.array([np.broadcast_to(state.slots[j], rows[0][0].shape) for _, state, _ in rows])
                for j, slot in enumerate(self._stepper.slots)
            },
            shared={
                slot.name: np.array([float(state.shared[j]) for _, state, _ in rows])
                for j, slot in enumerate(self._stepper.shared)
            },
            schedules=np.array([state.schedules for _, state, _ in rows], dtype=np.float64).reshape(len(rows), -1),
            first=step - len(rows) + 1,
            values=np.array([value for _, _, value in rows]) if with_values else None,
        )
