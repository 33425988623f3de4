"""A schedule as a function of the step k: a closed form where it has one, else its recurrence worked out in a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from layda.porting.dialects import PYTHON
from layda.porting.expressions import Printer, number
from layda.program.tracing import Graph
from layda.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    Schedule,
    StepDecay,
    SutskeverMomentum,
    Warmup,
)
from layda.settings import numbers_of, replaced

__all__ = ["Setting", "exponent_from"]


@dataclass(frozen=True)
class Setting:
    """One hyperparameter of a run.

    Attributes:
        name: how the code calls it.
        value: a number or a schedule.
    """

    name: str
    value: float | Schedule

    @property
    def constant(self) -> float | None:
        """The number, where it does not change."""
        if isinstance(self.value, Constant):
            return self.value.constant
        return None if isinstance(self.value, Schedule) else float(self.value)

    def values(self, count: int) -> list[float]:
        """Of the first ``count`` steps."""
        return self.value.values(count) if isinstance(self.value, Schedule) else [float(self.value)] * count

    @property
    def function(self) -> str:
        """The name of the function of the step."""
        return f"{self.name.replace('.', '_')}_at"

    def at(self, step: str) -> str:
        """The text of the value at a step."""
        return f"{self.function}({step})" if self.constant is None else number_of(self.constant)

    def written(self, steps: int, arrays: bool) -> list[str]:
        """The function of the step k, as lines; none for a constant.

        Args:
            steps: how many steps the run has.
            arrays: whether k is an array of JAX.
        """
        if not isinstance(self.value, Schedule) or self.constant is not None:
            return []
        lines = _closed(self.value, arrays)
        if lines is not None:
            return [f"def {self.function}(k):", *(f"    {line}" for line in lines)]
        return _listed(self, self.value, steps, arrays)


def number_of(value: float) -> str:
    """A setting: 1.0 stays 1.0.

    >>> number_of(1.0), number_of(0.1)
    ('1.0', '0.1')
    """
    return repr(float(value))


def exponent_from(schedule: ExponentialDecay) -> str:
    """The rate of step 0: the lecture decays before the first step."""
    first = number_of(schedule.initial)
    return f"{first} * {number_of(schedule.decay)}" if schedule.before_first_step else first


def _exponential(s: ExponentialDecay, k: str, arrays: bool) -> str:
    exponent = f"({k} + 1)" if s.before_first_step else k
    return f"{number_of(s.initial)} * {number_of(s.decay)} ** {exponent}"


def _cosine(s: CosineDecay, k: str, arrays: bool) -> str:
    share = f"jnp.minimum({k} / {number(s.steps)}, 1)" if arrays else f"min({k} / {number(s.steps)}, 1)"
    lib = "jnp" if arrays else "math"
    wave = f"(1 + {lib}.cos({lib}.pi * {share})) / 2"
    if s.final == 0.0:
        return f"{number_of(s.initial)} * {wave}"
    return f"{number_of(s.final)} + ({number_of(s.initial)} - {number_of(s.final)}) * {wave}"


def _sutskever(s: SutskeverMomentum, k: str, arrays: bool) -> str:
    least = "jnp.minimum" if arrays else "min"
    return f"{least}(1 - 0.5 / ({k} // {number(s.every)} + 1), {number_of(s.maximum)})"


_FORMULAS: dict[type[Schedule], Callable[[Any, str, bool], str]] = {
    Constant: lambda s, k, arrays: number_of(s.constant),
    ExponentialDecay: _exponential,
    InverseTimeDecay: lambda s, k, arrays: f"{number_of(s.initial)} / (1 + {number_of(s.decay)} * {k})",
    StepDecay: lambda s, k, arrays: f"{number_of(s.initial)} * {number_of(s.factor)} ** ({k} // {number(s.every)})",
    CosineDecay: _cosine,
    SutskeverMomentum: _sutskever,
}


def _closed(schedule: Schedule, arrays: bool) -> list[str] | None:
    """The lines of a function of k, where the value is a formula of k."""
    formula = _FORMULAS.get(type(schedule))
    if formula is not None:
        return [f"return {formula(schedule, 'k', arrays)}"]
    if isinstance(schedule, Warmup) and isinstance(schedule.then, Schedule) and type(schedule.then) in _FORMULAS:
        follows = _FORMULAS[type(schedule.then)]
        first, steps = schedule.then.values(1)[0], number(schedule.steps)
        rise = f"{number_of(first)} * (k + 1) / {number(schedule.steps + 1)}"
        if arrays:
            then = follows(schedule.then, f"jnp.maximum(k - {steps}, 0)", arrays)
            return [f"return jnp.where(k < {steps}, {rise}, {then})"]
        constant = isinstance(schedule.then, Constant)
        then = follows(schedule.then, "k" if constant else f"(k - {steps})", arrays)
        return [f"return {rise} if k < {steps} else {then}"]
    return None


def _listed(setting: Setting, schedule: Schedule, steps: int, arrays: bool) -> list[str]:
    """The schedule's own recurrence in plain Python, and the function that looks the values up."""
    name = setting.function.removesuffix("_at")
    state = schedule.initial_state()
    graph = Graph()
    names = {f"s{index}": f"s{index}" for index in range(len(state))}
    carried = tuple(graph.input(one) for one in names)
    k = graph.input("k")
    fixed = replaced(schedule, numbers_of(schedule))
    outputs = {"value": fixed.value(carried, k)}
    outputs |= dict(zip(names, fixed.advance(carried, k), strict=True))
    program = graph.program((*names, "k"), outputs)
    printer = Printer(program, names | {"k": "k"}, PYTHON, numbers=frozenset((*names, "k")))
    lines = [f"{name}_values = []  # {schedule.name}: a recurrence", f"{', '.join(names)} = "] if names else []
    if names:
        lines[-1] += ", ".join(number_of(one) for one in state)
    else:
        lines = [f"{name}_values = []"]
    moved = ", ".join(printer.text(one) for one in names)
    lines += [f"for k in range({steps + 1}):", *(f"    {line}" for line in printer.lines)]
    lines += [f"    {name}_values.append({printer.text('value')})"]
    lines += [f"    {', '.join(names)} = {moved}"] if names else []
    values = f"jnp.array({name}_values)[k]" if arrays else f"{name}_values[k]"
    return [*lines, "", "", f"def {setting.function}(k):", f"    return {values}"]
