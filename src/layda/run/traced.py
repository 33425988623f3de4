"""The engine for traced objectives: build the loop, run it on a backend, read the end off its state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.backends import run_loop
from layda.measures.window import Window, window_length, window_of
from layda.objective import TracedObjective
from layda.program.loop import SPENT, LoopEnd
from layda.rule import Stepper
from layda.run.loops import Layout, build_loop, initial_state, layout
from layda.run.state import Ending, Tail, Track

__all__ = ["run_traced"]

Array = NDArray[np.float64]


def run_traced(
    objective: TracedObjective,
    stepper: Stepper,
    start: tuple[float, ...],
    *,
    steps: int,
    tolerance: float,
    check_every: int,
    backend: str = "auto",
    keep: bool = True,
) -> Ending:
    """Descend a traced objective; arguments as in :func:`layda.descend`."""
    loop = build_loop(objective, stepper)
    names = layout(objective.dimension, stepper)
    every = check_every if tolerance > 0.0 else 0
    options: dict[str, Any] = {"backend": backend, "every": every, "tolerance": tolerance}
    state = initial_state(names, stepper, start)
    numbers = stepper.numbers
    if keep:
        end = run_loop(loop, state, numbers, last=steps, keep=True, **options)
        whole = end
    else:
        # Without a record the window is run again from the state at its beginning, this time written down.
        split = steps - window_length(steps)
        whole = end = run_loop(loop, state, numbers, last=split, keep=False, **options)
        if end.code == SPENT and split < steps:
            whole = run_loop(loop, end.state, numbers, first=split, last=steps, keep=True, **options)
    records = whole.records if len(whole.records) else _row(loop.record, whole.state)
    first = whole.step - len(records) + 1
    track = _track(records, names, stepper, first)
    window, highest = _window(objective, stepper, track, whole, end)
    schedules = tuple(whole.state[name] for name in names.schedules)
    now = stepper.resolved(numbers, float(whole.step), schedules)
    rate = float(now.learning_rate)  # type: ignore[attr-defined]
    return Ending(
        code=whole.code,
        step=whole.step,
        value=float(whole.observed["value"]),
        gradient=np.array([whole.observed[f"slope{i}"] for i in range(objective.dimension)]),
        tail=_tail(names, whole),
        low=_vector(whole.state, names.low),
        high=_vector(whole.state, names.high),
        highest_before=highest,
        rate=rate,
        largest_rate=max(rate, float(whole.state["top_rate"])),
        window=window,
        track=track,
        evaluations=whole.step + 1,
        backend=backend,
    )


def _row(record: tuple[str, ...], state: dict[str, Any]) -> Array:
    return np.array([[state[name] for name in record]])


def _vector(values: dict[str, Any], names: tuple[str, ...]) -> Array:
    return np.array([float(values[name]) for name in names])


def _tail(names: Layout, end: LoopEnd) -> Tail:
    groups = [names.earlier, names.last, names.position][-min(end.step, 2) - 1 :]
    rests = [names.push] if end.step else []
    observed = [float(end.observed[f"rest{i}"]) for i in range(len(names.position))]
    return Tail(
        np.array([_vector(end.state, group) for group in groups]),
        np.array([*(_vector(end.state, group) for group in rests), observed]),
    )


def _track(records: Array, names: Layout, stepper: Stepper, first: int) -> Track:
    columns = {name: index for index, name in enumerate(names.carried)}
    slots = {
        slot.name: records[:, [columns[name] for name in group]]
        for slot, group in zip(stepper.slots, names.slots, strict=True)
    }
    shared = {slot.name: records[:, columns[name]] for slot, name in zip(stepper.shared, names.shared, strict=True)}
    return Track(
        positions=records[:, [columns[name] for name in names.position]],
        slots=slots,
        shared=shared,
        schedules=records[:, [columns[name] for name in names.schedules]],
        first=first,
    )


def _window(
    objective: TracedObjective, stepper: Stepper, track: Track, whole: LoopEnd, before: LoopEnd
) -> tuple[Window | None, float]:
    """The last window of a run that spent its budget, and the largest f before it."""
    if whole.code != SPENT:
        return None, float(whole.state["highest"])
    length = window_length(whole.step)
    rows = track.positions[-length - 1 :]
    values, rests = objective.values(rows), objective.gradients(rows)
    if stepper.rule.decays_weights:
        for index in range(len(rows)):
            step, schedules = (
                whole.step - len(rows) + 1 + index,
                tuple(track.schedules[len(track.positions) - len(rows) + index]),
            )
            rests[index] = stepper.rest(stepper.numbers, float(step), rows[index], rests[index], schedules)
    if len(track.positions) > length + 1:
        highest = float(np.max(objective.values(track.positions[: -length - 1])))
    else:
        highest = float(before.state["highest"]) if track.first else -np.inf
    return window_of(rows, rests, values), highest
