"""What the page starts with, as data: objectives, rules and measures as tapes, and everything known about them."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np

from layda.backends.tape import OPERATIONS, tape
from layda.errors import LaydaError, SpecError
from layda.functions import NAMED
from layda.lab.settings import choice_of, made
from layda.lab.tour import tour
from layda.lab.wording import SETTINGS, translations
from layda.measures import CONSTANTS, VERDICTS, settled
from layda.measures.ending import SCALARS, ending_program
from layda.objective import TracedObjective
from layda.objectives import CLASSICS, classic, formula
from layda.plots.maps import VERDICT_COLOURS
from layda.program import gradient, trace
from layda.program.tracing import Graph
from layda.rule import Rule, State, Stepper
from layda.rules import ALL
from layda.run.curvature import inertia_program
from layda.run.judge import rests_on_level_ground
from layda.run.minima import known_minima
from layda.settings import Range
from layda.words import LANGUAGES

__all__ = ["dumps", "objective_data", "rule_data", "scene"]

SYMBOLS = {
    "learning_rate.initial": "α", "learning_rate.decay": "δ", "momentum": "β", "beta1": "β₁", "beta2": "β₂", "nu": "ν",
    "epsilon": "ε", "weight_decay": "λ", "momenta.0": "β₁", "momenta.1": "β₂", "momenta.2": "β₃",
}  # fmt: skip
_SETTLED = ("displacement", "displacement_before", "gradient", "gradient_change", "extent", "tolerance")


def dumps(data: Any) -> str:
    """JSON text; numbers that are not finite are the strings "NaN" and "±Infinity".

    >>> dumps({"a": [1.5, float("inf")]})
    '{"a":[1.5,"Infinity"]}'
    """
    return json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(data: Any) -> Any:
    if isinstance(data, float) and data - data != 0.0:
        return "NaN" if data != data else "Infinity" if data > 0.0 else "-Infinity"
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def scene(objectives: list[TracedObjective], rules: tuple[type[Rule], ...] = ALL) -> dict[str, Any]:
    """Everything that the page computes with.

    Args:
        objectives: of one or two coordinates; the first one is shown first.
        rules: those to choose from.
    """
    return {
        "operations": list(OPERATIONS),
        "named": list(NAMED),
        "constants": {name: value for name, (value, _) in CONSTANTS.items()},
        "verdicts": list(VERDICTS),
        "scalars": list(SCALARS),
        "colours": [VERDICT_COLOURS[kind] for kind in VERDICTS],
        "languages": dict(LANGUAGES),
        "words": translations(),
        "settings": SETTINGS,
        "tour": tour(),
        "ending": tape(ending_program()),
        "settled": tape(trace(lambda *numbers: {"settled": settled(*numbers)}, _SETTLED)),
        "objectives": [objective_data(objective) for objective in objectives],
        "rules": [rule_data(rule) for rule in rules],
    }


def objective_data(objective: TracedObjective) -> dict[str, Any]:
    """One objective as tapes, with its known minima.

    Args:
        objective: of one or two coordinates.

    Raises:
        SpecError: it has more.
    """
    if objective.dimension > 2:
        raise SpecError(
            f"{objective.name} has {objective.dimension} coordinates; the page shows functions of one or two"
        )
    known = known_minima(objective)
    return {
        "name": objective.name,
        "spec": _spec(objective),
        "equation": objective.equation,
        "description": objective.description,
        "source": objective.source,
        "coordinates": list(objective.coordinates),
        "box": [list(side) for side in objective.box],
        "start": list(objective.start),
        "convex": objective.convex,
        "rate": _rate(objective),
        "pace": _rounded(max(right - left for left, right in objective.box) / 100.0),
        "minima": [{"position": list(minimum.position), "value": minimum.value} for minimum in known.minima],
        "notes": list(objective.notes),
        "value": tape(objective.program),
        "gradient": tape(objective.gradient_program),
        "hessian": tape(objective.hessian_program),
        "sign": tape(inertia_program(objective)),
        "defined": None if objective.defined is None else tape(objective.defined),
    }


def _spec(objective: TracedObjective) -> str | None:
    """The text that stands for the objective in Python and on the command line; a function of one's own has none."""
    name = objective.name
    try:
        meant = classic(name) if name in CLASSICS else formula(name)
    except LaydaError:
        return None  # neither a classic nor a formula
    return name if meant.identity == objective.identity else None


def _rate(objective: TracedObjective) -> float:
    """A learning rate to begin with, well under the limit 2/|f″| where the ball starts; 0.01 where f is flat there."""
    with np.errstate(all="ignore"):
        curvature = np.abs(np.linalg.eigvalsh(objective.hessian(np.array(objective.start)))).max()
    return _rounded(0.25 / curvature) if np.isfinite(curvature) and curvature > 1e-3 else 0.01


def _rounded(value: float) -> float:
    """The next lower of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(f"{max(k for k in (1, 2, 5) if k * power <= value * (1 + 1e-12)) * power:.1g}")


def rule_data(rule: type[Rule]) -> dict[str, Any]:
    """One rule as tapes, with a decaying learning rate (δ = 1: none), for each choice of words that it has.

    Args:
        rule: a rule's class.
    """
    name, words = choice_of(rule)
    variants = {word: made(rule, word) for word in words}
    first = variants[words[0]]
    return {
        "name": rule.name,
        "python": rule.__name__,
        "equation": first.equation,
        "source": rule.source,
        "choice": name,
        "words": list(words),
        "settings": _settings(first),
        "paces": _paces(first),
        "variants": {word: _variant(one) for word, one in variants.items()},
    }


def _settings(rule: Rule) -> list[dict[str, Any]]:
    """The numbers that a person may turn, with their ranges."""
    limits = {item.name: item.metadata.get("range", Range()) for item in fields(rule)}
    found = []
    for path, value in Stepper(rule).numbers.items():
        if path == "weight_decay":
            continue
        limit = Range(0.0, 1.0) if path.endswith(".decay") else limits[path.partition(".")[0]]
        found.append(
            {"path": path, "symbol": SYMBOLS.get(path, path), "value": float(value), "low": limit.low,
             "high": limit.high}
        )  # fmt: skip
    return found


def _paces(rule: Rule) -> bool:
    """Whether α is the length of the step: a gradient a thousand times as large moves the ball hardly farther."""
    stepper = Stepper(rule)
    moves = [
        abs(float(stepper.step(stepper.numbers, 0.0, 0.0, slope, stepper.start(stepper.numbers, 0.0))[0]))
        for slope in (1.0, 1000.0)
    ]
    return moves[1] < 10.0 * moves[0]


def _variant(rule: Rule) -> dict[str, Any]:
    stepper = Stepper(rule)
    numbers, schedules = tuple(stepper.numbers), stepper.schedule_names
    place = TracedObjective(name="", coordinates=("x",), box=((-1.0, 1.0),), start=(0.0,), program=trace(lambda x: x))

    def written(names: tuple[str, ...], output: Any) -> dict[str, Any]:
        graph = Graph()
        values = {name: graph.input(name) for name in names}
        return tape(graph.program(names, output(values, tuple(values[name] for name in schedules))))

    slots = tuple(slot.name for slot in stepper.slots)
    shared = tuple(slot.name for slot in stepper.shared)
    known = (*numbers, "t", *schedules)

    def answer(values: dict[str, Any], carried: tuple[Any, ...]) -> dict[str, Any]:
        state = State(tuple(values[name] for name in slots), tuple(values[name] for name in shared), carried)
        return {"estimate": stepper.estimate(values, values["t"], values["position"], state)}

    return {
        "defaults": {name: float(value) for name, value in stepper.numbers.items()},
        "slots": [{"name": slot.name, "start": slot.start} for slot in stepper.slots],
        "shared": [{"name": slot.name, "start": slot.start} for slot in stepper.shared],
        "schedules": list(schedules),
        "start": _started(stepper),
        "step": tape(stepper.program()),
        "slopes": _slopes(stepper),
        "ball": _ball(stepper),
        "rate": written(known, lambda values, carried: {
            "rate": stepper.resolved(values, values["t"], carried).learning_rate  # type: ignore[attr-defined]
        }),
        "rest": written((*known, "position", "gradient"), lambda values, carried: {
            "rest": stepper.rest(values, values["t"], values["position"], values["gradient"], carried)
        }),
        "estimate": written((*known, "position", *slots, *shared), answer),
        "rests_at": "position" if rule.decays_weights and rule.decoupled else "estimate",
        "level": rests_on_level_ground(place, place, rule),
    }  # fmt: skip


def _slopes(stepper: Stepper) -> dict[str, Any]:
    """The derivatives of everything that a coordinate carries: what the weights of past gradients are made of."""
    program, carried = stepper.program(), ("position", *(slot.name for slot in stepper.slots))
    return {name: tape(gradient(program, (*carried, "gradient"), name)) for name in carried}


def _ball(stepper: Stepper) -> dict[str, Any] | None:
    """α and β of the heavy ball that takes the same steps, from the settings of this step and of the one before."""
    graph = Graph()
    names = (*stepper.numbers, "t", *stepper.schedule_names)
    values = {name: graph.input(name) for name in names}
    earlier = {name: graph.input(f"before:{name}") for name in ("t", *stepper.schedule_names)}
    inputs = (*names, *(f"before:{name}" for name in earlier))
    now = stepper.resolved(values, values["t"], tuple(values[name] for name in stepper.schedule_names))
    before = stepper.resolved(values, earlier["t"], tuple(earlier[name] for name in stepper.schedule_names))
    pair = now.as_heavy_ball(before)
    if pair is None or stepper.rule.decays_weights:
        return None
    return tape(graph.program(inputs, {"rate": graph.lift(pair[0]), "momentum": graph.lift(pair[1])}))


def _started(stepper: Stepper) -> dict[str, Any]:
    """From the numbers to what the schedules carry before the first step."""
    graph = Graph()
    values = {name: graph.input(name) for name in stepper.numbers}
    carried = stepper.start(values, 0.0).schedules
    return tape(graph.program(tuple(values), dict(zip(stepper.schedule_names, map(graph.lift, carried), strict=True))))
