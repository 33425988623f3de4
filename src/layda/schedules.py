"""Learning rate and momentum as functions of the step t = 0, 1, 2, and so on.

A schedule is frozen numbers plus three pure functions: its state before the first step, its value at step t, and its
state one step later. A decayed rate is a recurrence: exactly δ times the rate of the step before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from layda.functions import cos, floor, minimum, pi, sqrt, where
from layda.program.tracing import Graph
from layda.settings import hyperparameter, validate

__all__ = [
    "ALL", "Constant", "CosineDecay", "ExponentialDecay", "InverseTimeDecay", "ODonoghueCandesMomentum", "Schedule",
    "StepDecay", "SutskeverMomentum", "Warmup", "depends_on_t",
]  # fmt: skip

State = tuple[Any, ...]


@dataclass(frozen=True)
class Schedule(ABC):
    """A hyperparameter that changes with the step.

    To add one: a frozen dataclass with number fields and ``value``; where the next value is made from the last one,
    also ``initial_state`` and ``advance``. Write with operators and ``layda.functions`` only: schedules are traced.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        validate(self, scheduled=False)

    @abstractmethod
    def value(self, state: State, t: Any) -> Any:
        """The hyperparameter at step t."""

    def initial_state(self) -> State:
        """What the schedule carries before step 0; nothing by default."""
        return ()

    def advance(self, state: State, t: Any) -> State:
        """The state at step t + 1 from that at step t; the same by default."""
        return state

    @abstractmethod
    def bounds(self) -> tuple[float, ...]:
        """Values that the schedule takes or tends to, to be checked against the setting's range."""

    def values(self, count: int) -> list[float]:
        """The first ``count`` values.

        >>> ExponentialDecay(0.5, 0.5).values(3)
        [0.25, 0.125, 0.0625]
        """
        state, found = self.initial_state(), []
        for t in range(count):
            found.append(float(self.value(state, float(t))))
            state = self.advance(state, float(t))
        return found


def depends_on_t(schedule: Schedule) -> bool:
    """Whether a schedule looks at t itself, not only at what it carries.

    >>> depends_on_t(SutskeverMomentum()), depends_on_t(ODonoghueCandesMomentum())
    (True, False)
    """
    graph = Graph()
    names = tuple(f"state.{index}" for index in range(len(schedule.initial_state())))
    state, t = tuple(graph.input(name) for name in names), graph.input("t")
    found = (schedule.value(state, t), *schedule.advance(state, t))
    program = graph.program((*names, "t"), {f"out.{index}": value for index, value in enumerate(found)})
    used = program.select([name for name, _ in program.outputs])
    return any(node.op == "input" and node.value == "t" for node in used.nodes)


@dataclass(frozen=True)
class Constant(Schedule):
    """The same number at every step.

    >>> Constant(0.1).values(2)
    [0.1, 0.1]
    """

    name: ClassVar[str] = "constant"
    constant: float = hyperparameter(0.01)

    def value(self, state: State, t: Any) -> Any:
        """``constant``."""
        return self.constant

    def bounds(self) -> tuple[float, ...]:
        """The number itself."""
        return (self.constant,)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """α ← δα at every step (the lecture's damping of the rate).

    With ``before_first_step`` (the lecture) step k uses α₀·δ^(k+1), else α₀·δ^k. Each is exactly δ times the
    one before.

    Args:
        initial: α₀.
        decay: δ, from 0 (the rate is wiped out) to 1 (it never shrinks).
        before_first_step: whether the first step already uses δα₀.

    >>> ExponentialDecay(0.5, 0.5, before_first_step=False).values(3)
    [0.5, 0.25, 0.125]
    """

    name: ClassVar[str] = "exponential"
    initial: float = hyperparameter(0.5)
    decay: float = hyperparameter(0.99, 0.0, 1.0)
    before_first_step: bool = True

    def initial_state(self) -> State:
        """(α of step 0,)."""
        return (self.decay * self.initial if self.before_first_step else self.initial,)

    def value(self, state: State, t: Any) -> Any:
        """The carried rate."""
        return state[0]

    def advance(self, state: State, t: Any) -> State:
        """α ← δα."""
        return (self.decay * state[0],)

    def bounds(self) -> tuple[float, ...]:
        """The start and the end of the decay."""
        return (self.initial, 0.0) if self.decay < 1.0 else (self.initial,)


@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """α_t = α₀ / (1 + decay·t) (Robbins and Monro 1951: the rates' sum is infinite, that of their squares finite).

    >>> InverseTimeDecay(1.0, 1.0).values(3)
    [1.0, 0.5, 0.3333333333333333]
    """

    name: ClassVar[str] = "inverse-time"
    initial: float = hyperparameter(0.1)
    decay: float = hyperparameter(0.01, 0.0)

    def value(self, state: State, t: Any) -> Any:
        """α₀ / (1 + decay·t)."""
        return self.initial / (1.0 + self.decay * t)

    def bounds(self) -> tuple[float, ...]:
        """The start and the end of the decay."""
        return (self.initial, 0.0)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """α ← factor·α after every ``every`` steps.

    >>> StepDecay(1.0, 0.5, every=2).values(5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    name: ClassVar[str] = "step"
    initial: float = hyperparameter(0.1)
    factor: float = hyperparameter(0.1, 0.0, 1.0)
    every: float = hyperparameter(100.0, 1.0, whole=True)

    def initial_state(self) -> State:
        """(α, steps since the last change)."""
        return (self.initial, 0.0)

    def value(self, state: State, t: Any) -> Any:
        """The carried rate."""
        return state[0]

    def advance(self, state: State, t: Any) -> State:
        """Count; at ``every`` multiply and start counting again."""
        rate, count = state
        due = count + 1.0 >= self.every
        return (where(due, rate * self.factor, rate), where(due, 0.0, count + 1.0))

    def bounds(self) -> tuple[float, ...]:
        """The start and the end of the decay."""
        return (self.initial, 0.0)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """α_t = final + (α₀ − final)·(1 + cos(π·min(t/steps, 1)))/2 (Loshchilov and Hutter 2017, without restarts).

    >>> CosineDecay(1.0, steps=2).values(3)
    [1.0, 0.5, 0.0]
    """

    name: ClassVar[str] = "cosine"
    initial: float = hyperparameter(0.1)
    steps: float = hyperparameter(1000.0, 1.0, whole=True)
    final: float = hyperparameter(0.0)

    def value(self, state: State, t: Any) -> Any:
        """The half wave from ``initial`` down to ``final``."""
        wave = 0.5 * (1.0 + cos(pi * minimum(t / self.steps, 1.0)))
        return self.final + (self.initial - self.final) * wave

    def bounds(self) -> tuple[float, ...]:
        """The two ends of the half wave."""
        return (self.initial, self.final)


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear rise over the first steps to the first value of another schedule, then that schedule from its start.

    α_t = (t + 1)/(steps + 1) · α′₀ for t < steps; afterwards α_t = α′_(t − steps).

    Args:
        steps: how many steps the rise takes.
        then: a number or any other schedule, which starts when the rise ends.

    >>> Warmup(3, then=1.0).values(5)
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    name: ClassVar[str] = "warmup"
    steps: float = hyperparameter(10.0, 0.0, whole=True)
    then: Schedule | float = hyperparameter(0.1)

    def __post_init__(self) -> None:
        validate(self, scheduled=True)
        if not isinstance(self.then, Schedule):
            object.__setattr__(self, "then", Constant(self.then))

    @property
    def _next(self) -> Schedule:
        assert isinstance(self.then, Schedule)
        return self.then

    def initial_state(self) -> State:
        """The state of the schedule that follows."""
        return self._next.initial_state()

    def value(self, state: State, t: Any) -> Any:
        """The rise, then the schedule that follows, whose state waits until the rise is over."""
        first = self._next.value(self._next.initial_state(), 0.0)
        rising = (t + 1.0) / (self.steps + 1.0) * first
        return where(t < self.steps, rising, self._next.value(state, t - self.steps))

    def advance(self, state: State, t: Any) -> State:
        """The following schedule's state, which moves only after the rise."""
        moved = self._next.advance(state, t - self.steps)
        return tuple(where(t < self.steps, old, new) for old, new in zip(state, moved, strict=True))

    def bounds(self) -> tuple[float, ...]:
        """Those of the schedule that follows, and 0."""
        return (0.0, *self._next.bounds())


@dataclass(frozen=True)
class SutskeverMomentum(Schedule):
    """β_t = min(1 − 2^(−1 − log₂(⌊t/250⌋ + 1)), β_max) = min(1 − 1/(2(⌊t/250⌋ + 1)), β_max).

    Source: Sutskever et al. 2013, eq. 5.

    >>> SutskeverMomentum(0.99, every=1).values(4)
    [0.5, 0.75, 0.8333333333333334, 0.875]
    """

    name: ClassVar[str] = "sutskever"
    maximum: float = hyperparameter(0.99, 0.0, 1.0)
    every: float = hyperparameter(250.0, 1.0, whole=True)

    def value(self, state: State, t: Any) -> Any:
        """The bounded staircase."""
        return minimum(1.0 - 0.5 / (floor(t / self.every) + 1.0), self.maximum)

    def bounds(self) -> tuple[float, ...]:
        """The first and the last step of the staircase."""
        return (0.0, self.maximum)


@dataclass(frozen=True)
class ODonoghueCandesMomentum(Schedule):
    """β_(k+1) = θ_k(1 − θ_k)/(θ_k² + θ_(k+1)), θ²_(k+1) = (1 − θ_(k+1))θ_k² + qθ_(k+1), θ_0 = 1.

    Source: arXiv:1204.3982, algorithm 1.

    Args:
        q: the inverse condition number μ/L of the function, 0 when nothing is known.

    >>> [round(beta, 6) for beta in ODonoghueCandesMomentum().values(4)]
    [0.0, 0.0, 0.281754, 0.434043]
    """

    name: ClassVar[str] = "odonoghue-candes"
    q: float = hyperparameter(0.0, 0.0, 1.0)

    def initial_state(self) -> State:
        """(θ_0, β_0) = (1, 0)."""
        return (1.0, 0.0)

    def value(self, state: State, t: Any) -> Any:
        """β_t."""
        return state[1]

    def advance(self, state: State, t: Any) -> State:
        """θ_(k+1) is the positive root of θ² + (θ_k² − q)θ − θ_k² = 0."""
        theta = state[0]
        square = theta * theta
        slope = self.q - square
        following = 0.5 * (slope + sqrt(slope * slope + 4.0 * square))
        return (following, theta * (1.0 - theta) / (square + following))

    def bounds(self) -> tuple[float, ...]:
        """Momentum stays within [0, 1]."""
        return (0.0, 1.0)


ALL: tuple[type[Schedule], ...] = (
    Constant,
    ExponentialDecay,
    InverseTimeDecay,
    StepDecay,
    CosineDecay,
    Warmup,
    SutskeverMomentum,
    ODonoghueCandesMomentum,
)
"""Every schedule; tests, command line and documentation run over this list."""
