"""What lanes run besides the loop itself: the watch over the last window, and the program that finishes a ball."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layda.backends.lanes import Watch
from layda.functions import abs, maximum, minimum, where
from layda.measures.ending import SCALARS, WINDOW, judged, largest, reduced
from layda.measures.stopping import distance_to_go
from layda.objective import TracedObjective
from layda.program import Graph, Program
from layda.program.loop import Loop
from layda.rule import State, Stepper
from layda.run.loops import Layout, layout

__all__ = ["QUARTER_STARTS", "finish_program", "only", "window_watch"]

_INFINITE = float("inf")
_COMPUTED = (
    "step", "finite", "nan", "place_finite", "defined", "displacement", "displacement_before", "extent",
    "extent_before", "outside", "gradient", "gradient_change", "rate", "largest_rate", "box_width",
)  # fmt: skip
_QUARTERED = ("displacement", "distance", "high", "low")
QUARTER_STARTS = {"displacement": -_INFINITE, "distance": _INFINITE, "high": -_INFINITE, "low": _INFINITE}
"""What a quarter's largest and smallest values begin with."""


def only(loop: Loop, names: tuple[str, ...]) -> Loop:
    """The loop without the numbers that nobody asks for; what is left must not need them."""
    kept = tuple(name for name in loop.state if name in names)
    return replace(loop, state=kept, advance=loop.advance.select(kept), record=())


def window_watch(loop: Loop, names: Layout) -> Watch:
    """The window's numbers (:mod:`layda.measures.window`), step by step instead of from a record."""
    graph = Graph()
    turning = tuple(f"turns{i}" for i in range(len(names.position)))
    notes = (*_QUARTERED, *turning)
    inputs = (*loop.state, *loop.observed, *loop.numbers, *notes, "t", "since")
    known = {name: graph.input(name) for name in inputs}
    x = [known[name] for name in names.position]
    last = [known[name] for name in names.last]
    earlier = [known[name] for name in names.earlier]
    rest = [known[f"rest{i}"] for i in range(len(x))]
    push = [known[name] for name in names.push]
    displacement = largest([abs(a - b) for a, b in zip(x, last, strict=True)])
    change = largest([abs(a - b) for a, b in zip(rest, push, strict=True)])
    distance = distance_to_go(largest([abs(a) for a in rest]), displacement, change)
    outputs = {
        "displacement": maximum(displacement, known["displacement"]),
        "distance": minimum(distance, known["distance"]),
        "high": maximum(known["value"], known["high"]),
        "low": minimum(known["value"], known["low"]),
    }
    for name, a, b, c in zip(turning, x, last, earlier, strict=True):
        # The first displacement of the window has none before it to turn from.
        turned = where((a - b) * (b - c) < 0.0, where(known["t"] > known["since"] + 1.0, 1.0, 0.0), 0.0)
        outputs[name] = known[name] + turned
    return Watch(notes, graph.program(inputs, outputs))


def finish_program(objective: TracedObjective, stepper: Stepper, watched: bool) -> Program:
    """From a ball's last state to its value, its estimate and its verdict's code.

    Inputs: the state, the numbers, ``t`` and, when ``watched``, what :data:`SCALARS` has besides what this computes.
    """
    graph = Graph()
    names = layout(objective.dimension, stepper)
    state = names.carried if not watched else tuple(name for name in names.everything if name != "highest")
    given = tuple(name for name in SCALARS if name not in _COMPUTED) if watched else ()
    inputs = tuple(dict.fromkeys((*state, *stepper.numbers, "t", *given)))
    known: dict[str, Any] = {name: graph.input(name) for name in inputs}
    x = [known[name] for name in names.position]
    schedules = tuple(known[name] for name in names.schedules)
    now = stepper.resolved(known, known["t"], schedules)
    place = dict(zip(objective.coordinates, x, strict=True))
    observed = list(objective.gradient_program.evaluate(place).values())
    estimates = []
    for i, a in enumerate(x):
        own = State(tuple(known[group[i]] for group in names.slots), tuple(known[n] for n in names.shared), schedules)
        estimates.append(stepper.estimate(known, known["t"], a, own))
    answer = objective.program.evaluate(dict(zip(objective.coordinates, estimates, strict=True)))
    outputs: dict[str, Any] = {f"estimate{i}": value for i, value in enumerate(estimates)}
    outputs["value"] = next(iter(answer.values()))
    if watched:
        rests = [stepper.rest(known, known["t"], a, g, schedules) for a, g in zip(x, observed[1:], strict=True)]
        groups = (names.last, names.earlier, names.push, names.low, names.high)
        last, earlier, push, low, high = ([known[name] for name in group] for group in groups)
        found = reduced(x, last, earlier, rests, push, low, high, observed, objective.box)
        sides = [right - left for left, right in objective.box]
        rate = graph.lift(now.learning_rate)  # type: ignore[attr-defined]
        found |= {
            "step": known["t"],
            "defined": _defined(objective, place),
            "rate": rate,
            "largest_rate": maximum(rate, known["top_rate"]),
            "box_width": max(sides),
        }
        verdict = judged({name: graph.lift(value) for name, value in ({n: known[n] for n in given} | found).items()})
        outputs |= {name: verdict[name] for name in ("code", "stuck", "gradient", "distance", "extent_before")}
        outputs |= {f"rest{i}": value for i, value in enumerate(rests)}
    return graph.program(inputs, outputs)


def _defined(objective: TracedObjective, place: dict[str, Any]) -> Any:
    if objective.defined is None:
        return 1.0
    return where(next(iter(objective.defined.evaluate(place).values())), 1.0, 0.0)


assert set(WINDOW) <= set(SCALARS)
