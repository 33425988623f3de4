"""Rule + objective + measures -> one :class:`~layda.program.loop.Loop`, the thing that backends run.

Names in the loop, i counting coordinates and j slots: position x{i}, slots s{j}_{i}, shared slots h{j}, schedules c{j};
last{i} and earlier{i} the two positions before, push{i} the rest (gradient with weight decay) at last{i}; low{i},
high{i} the box around the path before the present position; highest the largest f; top_rate the largest rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from layda.errors import TraceError
from layda.functions import abs, both, maximum, minimum
from layda.measures import settled
from layda.objective import TracedObjective
from layda.program import contracted, joined
from layda.program.loop import Loop
from layda.program.tracing import Graph, Traced
from layda.rule import State, Stepper
from layda.run.restart import restarted

__all__ = ["Layout", "build_loop", "contracted_loop", "initial_state", "layout"]


@dataclass(frozen=True)
class Layout:
    """The names of the state, in groups."""

    position: tuple[str, ...]
    slots: tuple[tuple[str, ...], ...]
    shared: tuple[str, ...]
    schedules: tuple[str, ...]
    last: tuple[str, ...]
    earlier: tuple[str, ...]
    push: tuple[str, ...]
    low: tuple[str, ...]
    high: tuple[str, ...]

    @property
    def carried(self) -> tuple[str, ...]:
        """What the rule itself carries: this is recorded."""
        return (*self.position, *(name for group in self.slots for name in group), *self.shared, *self.schedules)

    @property
    def everything(self) -> tuple[str, ...]:
        """Every name of the state."""
        measures = (*self.last, *self.earlier, *self.push, *self.low, *self.high, "highest", "top_rate")
        return (*self.carried, *measures)


def layout(dimension: int, stepper: Stepper) -> Layout:
    """The names for a run of that many coordinates."""
    each = range(dimension)
    return Layout(
        position=tuple(f"x{i}" for i in each),
        slots=tuple(tuple(f"s{j}_{i}" for i in each) for j in range(len(stepper.slots))),
        shared=tuple(f"h{j}" for j in range(len(stepper.shared))),
        schedules=tuple(f"c{j}" for j in range(len(stepper.schedule_names))),
        last=tuple(f"last{i}" for i in each),
        earlier=tuple(f"earlier{i}" for i in each),
        push=tuple(f"push{i}" for i in each),
        low=tuple(f"low{i}" for i in each),
        high=tuple(f"high{i}" for i in each),
    )


def initial_state(names: Layout, stepper: Stepper, start: tuple[float, ...]) -> dict[str, float]:
    """The numbers before step 0; a rule starts at rest."""
    values: dict[str, float] = dict(zip(names.position, start, strict=True))
    for i, coordinate in enumerate(start):
        state = stepper.start(stepper.numbers, coordinate)
        for group, value in zip(names.slots, state.slots, strict=True):
            values[group[i]] = float(value)
        values |= {name: float(value) for name, value in zip(names.shared, state.shared, strict=True)}
        values |= {name: float(value) for name, value in zip(names.schedules, state.schedules, strict=True)}
        for group_name in (names.last, names.earlier, names.low, names.high):
            values[group_name[i]] = coordinate
        values[names.push[i]] = 0.0
    rate = stepper.resolved(stepper.numbers, 0.0, tuple(values[name] for name in names.schedules)).learning_rate  # type: ignore[attr-defined]
    return values | {"highest": float("-inf"), "top_rate": float(rate)}


def build_loop(objective: TracedObjective, stepper: Stepper) -> Loop:
    """Trace the rule on every coordinate, join the objective's gradient and the measures."""
    names = layout(objective.dimension, stepper)
    numbers = tuple(stepper.numbers)
    inputs = (*names.everything, *numbers, "t")
    return Loop(
        state=names.everything,
        numbers=numbers,
        observe=_observe(objective, stepper, names, inputs),
        check=_check(names, inputs),
        advance=_advance(objective, stepper, names, inputs),
        record=names.carried,
        finite=() if objective.defined is not None else ("value", *(f"slope{i}" for i in range(objective.dimension))),
    )


def _observe(objective: TracedObjective, stepper: Stepper, names: Layout, inputs: tuple[str, ...]) -> Any:
    graph = Graph()
    known = {name: graph.input(name) for name in inputs}
    place = dict(zip(objective.coordinates, (known[name] for name in names.position), strict=True))
    found = list(objective.gradient_program.evaluate(place).values())
    value, slopes = graph.lift(found[0]), [graph.lift(slope) for slope in found[1:]]
    finite = value - value
    for slope in slopes:
        finite = finite + (slope - slope)
    alive = finite == 0.0
    if objective.defined is not None:
        alive = both(next(iter(objective.defined.evaluate(place).values())), alive)
    schedules = tuple(known[name] for name in names.schedules)
    outputs: dict[str, Any] = {"value": value}
    for i, slope in enumerate(slopes):
        outputs[f"slope{i}"] = slope
        outputs[f"rest{i}"] = stepper.rest(known, known["t"], known[names.position[i]], slope, schedules)
    return graph.program(inputs, outputs | {"alive": alive})


def _largest(values: list[Any]) -> Any:
    top = values[0]
    for value in values[1:]:
        top = maximum(top, value)
    return top


def _check(names: Layout, inputs: tuple[str, ...]) -> Any:
    graph = Graph()
    observed = [f"rest{i}" for i in range(len(names.position))]
    all_inputs = (*inputs, *observed, "tolerance")
    known = {name: graph.input(name) for name in all_inputs}
    x = [known[name] for name in names.position]
    last = [known[name] for name in names.last]
    rest = [known[name] for name in observed]
    push = [known[name] for name in names.push]
    low = [minimum(known[name], a) for name, a in zip(names.low, x, strict=True)]
    high = [maximum(known[name], a) for name, a in zip(names.high, x, strict=True)]
    result = settled(
        _largest([abs(a - b) for a, b in zip(x, last, strict=True)]),
        _largest([abs(a - known[name]) for a, name in zip(last, names.earlier, strict=True)]),
        _largest([abs(a) for a in rest]),
        _largest([abs(a - b) for a, b in zip(rest, push, strict=True)]),
        _largest([a - b for a, b in zip(high, low, strict=True)]),
        known["tolerance"],
    )
    return graph.program(all_inputs, {"settled": result})


def _advance(objective: TracedObjective, stepper: Stepper, names: Layout, inputs: tuple[str, ...]) -> Any:
    graph = Graph()
    count = len(names.position)
    observed = ("value", *(f"slope{i}" for i in range(count)), *(f"rest{i}" for i in range(count)))
    known = {name: graph.input(name) for name in (*inputs, *observed)}
    t = known["t"]
    moved: dict[str, Any] = {}
    x_now = [known[name] for name in names.position]
    before = [
        State(
            tuple(known[group[i]] for group in names.slots),
            tuple(known[name] for name in names.shared),
            tuple(known[name] for name in names.schedules),
        )
        for i in range(count)
    ]
    # Coordinate after coordinate; only a restart must have seen them all before any of them goes on.
    steps: Iterable[Any] = (stepper.step(known, t, x_now[i], known[f"slope{i}"], before[i]) for i in range(count))
    if stepper.restarts:
        rests, whole = [known[f"rest{i}"] for i in range(count)], list(zip(x_now, before, strict=True))
        steps = restarted(stepper, known, t, whole, list(steps), rests, known["value"], _function(objective))
    for i, (x, (position, after)) in enumerate(zip(x_now, steps, strict=True)):
        moved[names.position[i]] = position
        for group, value in zip(names.slots, after.slots, strict=True):
            moved[group[i]] = value
        _same_for_all(moved, names.shared, after.shared, stepper, graph)
        moved |= dict(zip(names.schedules, after.schedules, strict=True))
        moved[names.last[i]] = x
        moved[names.earlier[i]] = known[names.last[i]]
        moved[names.push[i]] = known[f"rest{i}"]
        moved[names.low[i]] = minimum(x, known[names.low[i]])
        moved[names.high[i]] = maximum(x, known[names.high[i]])
    moved["highest"] = maximum(known["value"], known["highest"])
    now = stepper.resolved(known, t, tuple(known[name] for name in names.schedules))
    rate = now.learning_rate  # type: ignore[attr-defined]
    scheduled = bool(names.schedules)
    moved["top_rate"] = maximum(rate, known["top_rate"]) if scheduled else known["top_rate"]
    return graph.program((*inputs, *observed), {name: moved[name] for name in names.everything})


def _function(objective: TracedObjective) -> Callable[[list[Any]], Any]:
    """f of a list of traced coordinates."""

    def value(place: list[Any]) -> Any:
        known = dict(zip(objective.coordinates, place, strict=True))
        return next(iter(objective.program.evaluate(known).values()))

    return value


def _same_for_all(
    moved: dict[str, Any], shared: tuple[str, ...], values: tuple[Any, ...], stepper: Stepper, graph: Graph
) -> None:
    """Write the shared slots down; a shared slot that differs between coordinates is a mistake in the rule."""
    for name, slot, value in zip(shared, stepper.shared, values, strict=True):
        before, now = moved.get(name), graph.lift(value)
        if type(before) is Traced and before.index != now.index:
            raise TraceError(
                f"{type(stepper.rule).__name__}: the slot {slot.name!r} is declared shared, but its next value depends "
                "on the coordinate; declare it without shared=True"
            )
        moved[name] = now


def contracted_loop(loop: Loop, lowered: bool = True) -> Loop:
    """The loop with fused multiply-adds, as ``fast=True`` runs it.

    What the ball's own way depends on is fused as one program from state to state, so that products reach across from
    the slope into the rule; what is measured is fused apart, so that the way is the same whatever is measured.
    """
    way = contracted(loop.way, loop.numbers, lowered)
    observe, check = contracted(loop.observe, (), lowered), contracted(loop.check, (), lowered)
    others = contracted(loop.advance.select([name for name in loop.state if name not in loop.carried]), (), lowered)
    advance = joined(loop.advance.inputs, way, others)
    return replace(loop, observe=observe, check=check, advance=advance.select(loop.state))
