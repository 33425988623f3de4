"""What a rule is: frozen settings plus one pure step, written for one coordinate. How to add one is in :class:`Rule`.

Runners never look at which rule they hold. They work through a :class:`Stepper`, which resolves every schedule for the
steps t and t + 1, carries the schedules' recurrences, applies weight decay, and calls the rule's own ``step``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self

from layda.errors import SettingError
from layda.functions import where
from layda.program import Program
from layda.program.tracing import Graph
from layda.schedules import Schedule, depends_on_t
from layda.settings import Range, numbers_of, replaced, validate

__all__ = ["RESTARTS", "Hyperparameter", "Rule", "Slot", "State", "Stepper"]

RESTARTS = "restarts"
"""The slot that a rule with adaptive restart has besides its own: how often it began anew."""

Hyperparameter = Any
"""A setting of a rule: a number, or a schedule that gives one for every step. ``step`` always sees a number."""


@dataclass(frozen=True)
class Slot:
    """One number that a rule carries from step to step.

    Attributes:
        name: how results and states call it.
        start: its value before the first step: a number, or "position" for the start itself.
        shared: one number for the whole run (such as Adam's β₁^t) instead of one per coordinate.
        late: its value where a changed setting makes it new in the middle of a run; by default ``start``.
    """

    name: str
    start: float | str = 0.0
    shared: bool = False
    late: float | None = None


@dataclass(frozen=True)
class Rule(ABC):
    """A way of rolling down: from where the ball is and how the ground slopes there to where it is next.

    **To add a rule**, write a frozen dataclass in one file of ``layda/rules/`` and add it to the list ``ALL`` in
    ``layda/rules/__init__.py`` (or keep it in a file of your own and name it, ``my_rules.py:MyRule``)::

        @dataclass(frozen=True)
        class MyRule(Rule):
            \"\"\"The update; symbols; ranges; source; an example.\"\"\"

            learning_rate: Hyperparameter = hyperparameter(0.01, low=0.0)
            momentum: Hyperparameter = hyperparameter(0.9, low=0.0, high=1.0)
            equation: ClassVar[str] = "v ← βv + αg; x ← x − v"

            @property
            def slots(self):
                return (Slot("velocity"),)

            def step(self, position, gradient, state, ahead):
                (velocity,) = state
                velocity = self.momentum * velocity + self.learning_rate * gradient
                return position - velocity, (velocity,)

    ``step`` speaks of one coordinate and sees plain numbers: ``self.momentum`` is the momentum of this step whatever
    schedule gives it, ``ahead.momentum`` that of the next step. It must be written with operators and
    ``layda.functions`` alone, because it is run on floats, arrays, symbols and traced values alike. Everything else
    (descents, the command line, formulas, tests) follows from it.

    Attributes:
        weight_decay: λ of an added penalty λ|x|²/2. Coupled (the default): g ← g + λx before the step; any rule
            takes it.
        decoupled: shrink x ← x − αλx instead (Loshchilov and Hutter 2019); AdamW and Lion do unless told otherwise.
        restart: when the rule begins anew from its answer, everything that it carries forgotten: "never" (the default),
            "function" (when f at the answer has risen) or "gradient" (when the answer moved up the slope). See
            :mod:`layda.run.restart`. Runs do it; one coordinate's step alone cannot.
    """

    name: ClassVar[str]
    equation: ClassVar[str] = ""
    source: ClassVar[str] = ""
    decay_target: ClassVar[str] = "position"
    """What decoupled weight decay shrinks: the position, or the name of a slot (schedule-free's z)."""

    weight_decay: Hyperparameter = field(default=0.0, kw_only=True, metadata={"range": Range(0.0)})
    decoupled: bool = field(default=False, kw_only=True)
    restart: str = field(default="never", kw_only=True, metadata={"allowed": ("never", "function", "gradient")})

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()

        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Rule.__repr__  # type: ignore[method-assign]  # dataclass would list weight_decay first

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"

    def __post_init__(self) -> None:
        validate(self, scheduled=True)
        if not hasattr(self, "learning_rate"):
            raise SettingError(f"{type(self).__name__} has no field learning_rate; every rule has one")
        if self.restart != "never":
            _check_restart(self)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What the rule carries from step to step; nothing by default. May depend on the settings."""
        return ()

    @abstractmethod
    def step(self, position: Any, gradient: Any, state: tuple[Any, ...], ahead: Self) -> tuple[Any, tuple[Any, ...]]:
        """One coordinate, one step.

        Args:
            position: where the gradient was taken.
            gradient: the slope there.
            state: the slots, in the order of ``slots``.
            ahead: this rule with the settings of the next step.

        Returns:
            The next position and the next slots.
        """

    def estimate(self, position: Any, state: tuple[Any, ...]) -> Any:
        """What the rule offers as its answer when the ball is at ``position``; the position itself by default."""
        return position

    def direction(self, gradient: Any) -> Any:
        """What a constant gradient adds to −Δx/α in the long run; the gradient by default, g/(1 − β) with momentum.

        With decoupled weight decay the rule rests where ``direction(gradient) + weight_decay · position`` is zero.
        """
        return gradient

    def tuned(self, mu: float, steepest: float) -> tuple[dict[str, float], str] | None:
        """The best settings for quadratics with curvatures from μ to L, and their source, where a formula is known.

        Args:
            mu: μ > 0, the smallest curvature.
            steepest: L ≥ μ, the largest.

        Returns:
            Name -> number, and the source; ``None``, the default, where no formula is known (theory then searches).
        """
        return None

    def as_heavy_ball(self, before: Self) -> tuple[Any, Any] | None:
        """α and β of the heavy ball v ← βv + αg, x ← x − v that takes the same step; ``None`` where there is none.

        ``before`` is this rule with the settings of the step before (with its own at the first step).
        """
        return None

    def continuing_sgd(self, group: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]] | None:
        """Settings (α: ``lr``) and slots (multiples of b; shared: values) to continue PyTorch's SGD, or ``None``."""
        return None

    def continuing_adam(self, group: Mapping[str, Any], steps: float) -> dict[str, str | float] | None:
        """Slots (the name of theirs, or a number) to continue PyTorch's Adam or its kin, or ``None``."""
        return None

    @property
    def decays_weights(self) -> bool:
        """Whether weight decay takes part in the step at all."""
        return isinstance(self.weight_decay, Schedule) or self.weight_decay != 0.0

    def __str__(self) -> str:
        shown = [f"{name}={_short(value)}" for name, value in self.settings().items()]
        return f"{self.name}({', '.join(shown)})"

    def settings(self) -> dict[str, Any]:
        """The fields by name, the rule's own first; weight decay and restart only where they take part."""
        shared = ("weight_decay", "decoupled")
        found = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in (*shared, "restart")}
        found |= {name: getattr(self, name) for name in shared} if self.decays_weights else {}
        return found | ({"restart": self.restart} if self.restart != "never" else {})


def _check_restart(rule: Rule) -> None:
    """Refuse what a restart would do nothing for, or would keep from ever coming to rest."""
    where_ = f"{type(rule).__name__}: restart is {rule.restart!r}"
    if not rule.slots and not _momenta_of(rule):
        raise SettingError(
            f"{where_}, but this rule carries nothing from step to step that could begin anew; allowed is 'never'; "
            "leave it out, or take a rule with momentum"
        )
    if rule.decays_weights and rule.decoupled:
        raise SettingError(
            f"{where_} together with a decoupled weight decay, against which the velocity still pushes where the rule "
            "rests: every restart would throw it off again; allowed is 'never'; write decoupled=False or weight_decay=0"
        )
    if any(slot.name == RESTARTS for slot in rule.slots):
        raise SettingError(f"{where_}, and a slot is called {RESTARTS!r}, which a restart needs; rename the slot")


def _short(value: Any) -> str:
    """A setting as a label shows it: numbers to five figures, which repr() gives in full."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return f"({', '.join(_short(item) for item in value)})" if isinstance(value, tuple) else str(value)


class State(NamedTuple):
    """What a run carries besides the position.

    Attributes:
        slots: the rule's slots of one coordinate (or arrays over coordinates), without the shared ones.
        shared: the rule's shared slots.
        schedules: the states of the schedules, one after another, and what restarts need.
    """

    slots: tuple[Any, ...]
    shared: tuple[Any, ...]
    schedules: tuple[Any, ...]


class Stepper:
    """A rule made ready for runners: numbers in, numbers out, whatever kind they are.

    Attributes:
        rule: the rule.
        numbers: path -> value of every number that a program takes as an input.
        slots: the per-coordinate slots. shared: the shared ones.
        restarts: whether the rule begins anew now and then. The last shared slot is how often it did so. Whether to
            begin anew is a question about all coordinates: :meth:`step` knows nothing of it, runners ask
            (:mod:`layda.run.restart`), and :meth:`begin_anew` does it.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.numbers = numbers_of(rule)
        if not rule.decays_weights:
            self.numbers.pop("weight_decay", None)
        self.slots = tuple(slot for slot in rule.slots if not slot.shared)
        self.shared = tuple(slot for slot in rule.slots if slot.shared)
        self.restarts = rule.restart != "never"
        if self.restarts:
            self.shared += (Slot(RESTARTS, shared=True),)
        self._schedules = _schedules_of(rule)
        self._momenta = _momenta_of(rule) if self.restarts else {}
        # Carried behind the schedules' own numbers: f at the last answer, the step of the last restart.
        self._judged = rule.restart == "function"
        self._clocked = any(depends_on_t(schedule) for schedule in self._momenta.values())

    @property
    def schedule_names(self) -> tuple[str, ...]:
        """A name for every number that the schedules, and restarts, carry."""
        names = tuple(
            f"{path}.{index}"
            for path, schedule in self._schedules.items()
            for index in range(len(schedule.initial_state()))
        )
        return (*names, *(["answer_value"] if self._judged else []), *(["restarted_at"] if self._clocked else []))

    def start(self, numbers: Mapping[str, Any], position: Any) -> State:
        """The state before the first step.

        Args:
            numbers: path -> number, as in ``self.numbers``.
            position: the start (one coordinate, or an array over coordinates).
        """
        slots = tuple(position if slot.start == "position" else slot.start + 0.0 * position for slot in self.slots)
        carried: list[Any] = []
        for path, schedule in self._schedules.items():
            carried += replaced(schedule, numbers, path + ".").initial_state()
        carried += [0.0] * (self._judged + self._clocked)
        return State(slots, tuple(slot.start for slot in self.shared), tuple(carried))

    def begin_anew(
        self, numbers: Mapping[str, Any], t: Any, condition: Any, answer: Any, value: Any, position: Any, state: State
    ) -> tuple[Any, State]:
        """Where the condition holds, the rule begins anew at its answer; elsewhere all stays as it is.

        y ← x, every slot as before the first step, and the schedules of all settings but the learning rate and the
        weight decay as at step 0 (θ = 1): they count steps from here.

        Args:
            numbers: as in :meth:`start`.
            t: the present step, from which the schedules count anew.
            condition: whether to begin anew.
            answer: the rule's estimate.
            value: f there, for the function scheme.
            position: of step t.
            state: likewise.
        """
        own = [answer if slot.start == "position" else slot.start for slot in self.slots]
        slots = tuple(where(condition, new, old) for new, old in zip(own, state.slots, strict=True))
        shared = [
            old + where(condition, 1.0, 0.0) if slot.name == RESTARTS else where(condition, slot.start, old)
            for slot, old in zip(self.shared, state.shared, strict=True)
        ]
        schedules: list[Any] = []
        for path, schedule in self._schedules.items():
            first = replaced(schedule, numbers, path + ".").initial_state()
            old_ones = state.schedules[len(schedules) : len(schedules) + len(first)]
            if path in self._momenta:
                schedules += [where(condition, new, old) for new, old in zip(first, old_ones, strict=True)]
            else:
                schedules += old_ones
        schedules += [value] if self._judged else []
        schedules += [where(condition, t, state.schedules[-1])] if self._clocked else []
        return where(condition, answer, position), State(slots, tuple(shared), tuple(schedules))

    def answer_value(self, schedules: tuple[Any, ...]) -> Any:
        """f at the last answer, as the function scheme carries it; 0 before the first step."""
        return schedules[len(schedules) - 1 - self._clocked]

    def _clock(self, path: str, t: Any, schedules: tuple[Any, ...]) -> Any:
        """The step as a schedule counts it: from the last restart, where it begins anew with the rule."""
        return t - schedules[-1] if self._clocked and path in self._momenta else t

    def resolved(self, numbers: Mapping[str, Any], t: Any, schedules: tuple[Any, ...]) -> Rule:
        """The rule with the settings of step t as plain numbers."""
        values = dict(numbers)
        rest = list(schedules)
        for path, schedule in self._schedules.items():
            taken = len(schedule.initial_state())
            state, rest = tuple(rest[:taken]), rest[taken:]
            values[path] = replaced(schedule, numbers, path + ".").value(state, self._clock(path, t, schedules))
        return _with_values(self.rule, values)

    def advance_schedules(self, numbers: Mapping[str, Any], t: Any, schedules: tuple[Any, ...]) -> tuple[Any, ...]:
        """The states of the schedules at step t + 1."""
        moved: list[Any] = []
        rest = list(schedules)
        for path, schedule in self._schedules.items():
            taken = len(schedule.initial_state())
            state, rest = tuple(rest[:taken]), rest[taken:]
            moved += replaced(schedule, numbers, path + ".").advance(state, self._clock(path, t, schedules))
        return (*moved, *rest)  # what is left belongs to restarts

    def step(self, numbers: Mapping[str, Any], t: Any, position: Any, gradient: Any, state: State) -> tuple[Any, State]:
        """One step of one coordinate (or of an array of coordinates): weight decay, then the rule's own step."""
        rule = self.rule
        now = self.resolved(numbers, t, state.schedules)
        schedules = self.advance_schedules(numbers, t, state.schedules)
        ahead = self.resolved(numbers, t + 1.0, schedules)
        slots = self._joined(state)
        if rule.decays_weights:
            if rule.decoupled:
                position, slots = self._shrunk(now, position, slots)
            else:
                gradient = gradient + now.weight_decay * position
        position, moved = now.step(position, gradient, slots, ahead)
        kept, shared = self._parted(moved)
        return position, State(kept, shared + state.shared[len(shared) :], schedules)

    def estimate(self, numbers: Mapping[str, Any], t: Any, position: Any, state: State) -> Any:
        """The rule's answer at step t."""
        return self.resolved(numbers, t, state.schedules).estimate(position, self._joined(state))

    def rest(self, numbers: Mapping[str, Any], t: Any, position: Any, gradient: Any, schedules: tuple[Any, ...]) -> Any:
        """What is zero where the rule would rest: the gradient, with the weight decay's pull."""
        if not self.rule.decays_weights:
            return gradient
        now = self.resolved(numbers, t, schedules)
        push = now.direction(gradient) if self.rule.decoupled else gradient
        return push + now.weight_decay * position

    def program(self) -> Program:
        """One step of one coordinate as a program; inputs: numbers, t, position, gradient, slots, shared, schedules.

        >>> from layda.rules import GradientDescent
        >>> print(Stepper(GradientDescent(0.1)).program())
        v0 = learning_rate
        v1 = position
        v2 = gradient
        v3 = mul(v0, v2)
        v4 = sub(v1, v3)
        position: v4
        """
        graph = Graph()
        names = (
            *self.numbers, "t", "position", "gradient", *(slot.name for slot in self.slots),
            *(slot.name for slot in self.shared), *self.schedule_names,
        )  # fmt: skip
        values = {name: graph.input(name) for name in names}
        state = State(
            tuple(values[slot.name] for slot in self.slots),
            tuple(values[slot.name] for slot in self.shared),
            tuple(values[name] for name in self.schedule_names),
        )
        position, after = self.step(values, values["t"], values["position"], values["gradient"], state)
        outputs = {"position": position}
        outputs |= {slot.name: value for slot, value in zip(self.slots, after.slots, strict=True)}
        outputs |= {slot.name: value for slot, value in zip(self.shared, after.shared, strict=True)}
        outputs |= dict(zip(self.schedule_names, after.schedules, strict=True))
        return graph.program(names, outputs)

    def _joined(self, state: State) -> tuple[Any, ...]:
        own, shared = iter(state.slots), iter(state.shared)
        return tuple(next(shared) if slot.shared else next(own) for slot in self.rule.slots)

    def _parted(self, slots: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        declared = self.rule.slots
        if len(slots) != len(declared):
            raise SettingError(
                f"{type(self.rule).__name__}.step returned {len(slots)} slots; it declares {len(declared)}: "
                f"({', '.join(slot.name for slot in declared)})"
            )
        pairs = list(zip(declared, slots, strict=True))
        return tuple(v for slot, v in pairs if not slot.shared), tuple(v for slot, v in pairs if slot.shared)

    def _shrunk(self, now: Rule, position: Any, slots: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        pull = now.learning_rate * now.weight_decay  # type: ignore[attr-defined]
        if self.rule.decay_target == "position":
            return position * (1.0 - pull), slots
        return position, tuple(
            value - pull * position if slot.name == self.rule.decay_target else value
            for slot, value in zip(self.rule.slots, slots, strict=True)
        )


def _schedules_of(rule: Rule) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    for item in fields(rule):
        value = getattr(rule, item.name)
        if isinstance(value, Schedule):
            found[item.name] = value
        elif isinstance(value, tuple):
            found |= {f"{item.name}.{i}": one for i, one in enumerate(value) if isinstance(one, Schedule)}
    return found


def _momenta_of(rule: Rule) -> dict[str, Schedule]:
    """The schedules that begin anew with the rule: all but those of the learning rate and the weight decay."""
    return {path: one for path, one in _schedules_of(rule).items() if path not in ("learning_rate", "weight_decay")}


def _with_values(rule: Rule, values: Mapping[str, Any]) -> Rule:
    """The rule with numbers and schedules replaced by the values of one step."""
    twin = object.__new__(type(rule))
    for item in fields(rule):
        value = getattr(rule, item.name)
        if isinstance(value, tuple):
            value = tuple(values.get(f"{item.name}.{index}", one) for index, one in enumerate(value))
        elif not item.metadata.get("constant"):
            value = values.get(item.name, value)
        object.__setattr__(twin, item.name, value)
    return twin
