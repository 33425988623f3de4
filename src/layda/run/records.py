"""Results as plain data and back: what result files and ``--json`` hold. Programs are stored as JSON, never as code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from layda.errors import ComputationError, FileError
from layda.objective import BlackBox, Minimum, Objective, TracedObjective
from layda.objectives.data import DataObjective, data_objective
from layda.program import Program
from layda.rule import Rule, Slot, Stepper
from layda.rules import ALL
from layda.run.result import Trajectory, Verdict
from layda.specs import rule_text, to_rule

__all__ = ["StoredData", "StoredRule", "from_record", "objective_from_record", "objective_record", "plain", "to_record"]

Array = NDArray[np.float64]


def plain(value: Any) -> Any:
    """The value as JSON data; numbers that are not finite become the strings "NaN", "Infinity", "-Infinity".

    >>> plain({"a": float("inf"), "b": np.array([1.0, float("nan")])})
    {'a': 'Infinity', 'b': [1.0, 'NaN']}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    return value if value is None or isinstance(value, str) else str(value)


_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _number(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class StoredRule(Rule):
    """A rule of the user's own, as a file remembers it: its name, its settings and its step as a program.

    Attributes:
        stored_name: the rule's name. shown: its settings as text. program: one step of one coordinate.
    """

    name: ClassVar[str] = "stored-rule"
    learning_rate: float = 0.0
    stored_name: str = ""
    shown: tuple[tuple[str, str], ...] = ()
    kept: tuple[Slot, ...] = ()
    program: Program | None = field(default=None, repr=False)

    def __post_init__(self) -> None:  # nothing to check: it was checked when it was saved
        pass

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What the rule carried."""
        return self.kept

    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Any) -> Any:
        """Refuse: loading never imports code."""
        raise ComputationError(
            f"{self.stored_name} is a rule from a file of the user's own; a result holds no code, so it cannot run "
            "again. Its step is kept as a program (.program); to run it, name the rule's file"
        )

    def settings(self) -> dict[str, Any]:
        """The settings as they were shown."""
        return dict(self.shown)

    def __str__(self) -> str:
        return f"{self.stored_name}({', '.join(f'{name}={value}' for name, value in self.shown)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredData(Objective):
    """A model on a table, as a file remembers it; the table is read again when it is needed, and must be the same.

    Attributes:
        settings: what :func:`layda.objectives.data_objective` needs, and the table's hash.
    """

    settings: Mapping[str, Any] = field(repr=False)

    @cached_property
    def rebuilt(self) -> DataObjective:
        """The objective itself.

        Raises:
            FileError: the table has changed since. Other errors: it cannot be read.
        """
        rest = {name: value for name, value in self.settings.items() if name != "digest"}
        found = data_objective(**rest)
        if found.settings()["digest"] != self.settings["digest"]:
            raise FileError(f"the table {self.settings['source']} is not the one that this result was computed from")
        return found

    def value_and_gradient(self, position: Array) -> tuple[float, Array]:
        """f and ∇f of the model, from the table."""
        return self.rebuilt.value_and_gradient(position)

    def report(self, position: Array) -> dict[str, float]:
        """Figures of an answer, from the table."""
        return self.rebuilt.report(position)

    @property
    def identity(self) -> str:
        """The table's hash with the settings."""
        return self.rebuilt.identity


def _about(objective: Objective) -> dict[str, Any]:
    return {
        "name": objective.name,
        "coordinates": list(objective.coordinates),
        "box": [list(side) for side in objective.box],
        "start": list(objective.start),
        "minima": None
        if objective.minima is None
        else [[list(minimum.position), plain(minimum.value)] for minimum in objective.minima],
        "description": objective.description,
        "equation": objective.equation,
        "source": objective.source,
        "stochastic": objective.stochastic,
        "convex": objective.convex,
        "notes": list(objective.notes),
    }


def objective_record(objective: Objective) -> dict[str, Any]:
    """An objective as JSON data: its program, its table's hash, or the mere fact that it was a black box."""
    about = _about(objective)
    if isinstance(objective, TracedObjective):
        defined = None if objective.defined is None else objective.defined.to_json()
        return about | {"kind": "traced", "program": objective.program.to_json(), "defined": defined}
    if isinstance(objective, DataObjective | StoredData):
        settings = objective.settings() if isinstance(objective, DataObjective) else objective.settings
        return about | {"kind": "data", "settings": plain(dict(settings))}
    return about | {"kind": "black box"}


def objective_from_record(record: Mapping[str, Any]) -> Objective:
    """The objective of a record; nothing is imported, and no table is read yet."""
    minima = record["minima"]
    about: dict[str, Any] = {
        "name": record["name"],
        "coordinates": tuple(record["coordinates"]),
        "box": tuple((float(low), float(high)) for low, high in record["box"]),
        "start": tuple(float(x) for x in record["start"]),
        "minima": None if minima is None else tuple(Minimum(tuple(place), _number(value)) for place, value in minima),
        "description": record["description"],
        "equation": record["equation"],
        "source": record["source"],
        "stochastic": record["stochastic"],
        "convex": record["convex"],
        "notes": tuple(record["notes"]),
    }
    if record["kind"] == "traced":
        defined = record["defined"]
        return TracedObjective(
            **about,
            program=Program.from_json(record["program"]),
            defined=None if defined is None else Program.from_json(defined),
        )
    if record["kind"] == "data":
        return StoredData(**about, settings=record["settings"])
    if record["kind"] == "black box":
        return BlackBox(**about, function=None)
    raise ValueError(f"unknown kind of objective {record['kind']!r}")


def _rule_record(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, StoredRule):
        program = rule.program
        assert program is not None
        settings = {name: str(value) for name, value in rule.shown}
        return {"name": rule.stored_name, "text": None, "settings": settings, "program": program.to_json(),
                "slots": [[slot.name, slot.start, slot.shared] for slot in rule.kept]}  # fmt: skip
    return {
        "name": rule.name,
        "text": rule_text(rule) if type(rule) in ALL else None,
        "settings": {name: str(value) for name, value in rule.settings().items()},
        "program": Stepper(rule).program().to_json(),
        "slots": [[slot.name, slot.start, slot.shared] for slot in rule.slots],
    }


def _rule_from_record(record: Mapping[str, Any]) -> Rule:
    if record["text"] is not None:
        return to_rule(str(record["text"]), files=False)
    return StoredRule(
        stored_name=record["name"],
        shown=tuple((str(name), str(value)) for name, value in record["settings"].items()),
        kept=tuple(Slot(name, start, shared) for name, start, shared in record["slots"]),
        program=Program.from_json(record["program"]),
    )


_ARRAYS = ("positions", "estimates", "values", "learning_rates")


def to_record(run: Trajectory) -> tuple[dict[str, Any], dict[str, Array]]:
    """A run as JSON data and arrays."""
    verdict = run.verdict
    record = {
        "label": run.label,
        "rule": _rule_record(run.rule),
        "steps": run.steps,
        "budget": run.budget,
        "evaluations": run.evaluations,
        "settings": plain(run.settings),
        "states": list(run.states),
        "verdict": {
            "kind": verdict.kind,
            "step": verdict.step,
            "evidence": plain(verdict.evidence),
            "thresholds": plain(verdict.thresholds),
            "better": None if verdict.better is None else [list(verdict.better.position), plain(verdict.better.value)],
            "notes": list(verdict.notes),
        },
    }
    arrays = {name: getattr(run, name) for name in _ARRAYS}
    return record, arrays | {f"state{index}": values for index, values in enumerate(run.states.values())}


def from_record(record: Mapping[str, Any], arrays: Mapping[str, Array], objective: Objective) -> Trajectory:
    """The run of a record."""
    verdict = record["verdict"]
    better = verdict["better"]
    settings = {name: _number(value) for name, value in record["settings"].items()}
    return Trajectory(
        objective=objective,
        rule=_rule_from_record(record["rule"]),
        label=record["label"],
        states={name: arrays[f"state{index}"] for index, name in enumerate(record["states"])},
        steps=int(record["steps"]),
        budget=int(record["budget"]),
        verdict=Verdict(
            verdict["kind"],
            int(verdict["step"]),
            {name: _number(value) for name, value in verdict["evidence"].items()},
            {name: _number(value) for name, value in verdict["thresholds"].items()},
            None if better is None else Minimum(tuple(better[0]), _number(better[1])),
            tuple(verdict["notes"]),
        ),
        settings=settings,
        evaluations=int(record["evaluations"]),
        **{name: arrays[name] for name in _ARRAYS},
    )
