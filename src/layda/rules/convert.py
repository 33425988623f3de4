"""Heavy ball from one form to another: the same path, also across a change of the learning rate.

With V the velocity of form="velocity", U that of "step" and A that of "average"::

    V_k = α_k U_k,   β_step = β α_(k−1)/α_k            (velocity -> step)
    V_k = a_k A_k,   a_k = α_k + β_k a_(k−1),  β_average = β_k a_(k−1)/a_k,  a_(−1) = α_0/(1 − β_0)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from layda.errors import SettingError
from layda.rule import Hyperparameter
from layda.rules.heavy_ball import HeavyBall
from layda.schedules import Constant, Schedule
from layda.settings import validate

__all__ = ["convert", "convert_velocity"]

_FORMS = ("velocity", "step", "average")


def convert(rule: HeavyBall, form: str) -> HeavyBall:
    """The heavy ball in another form that takes the same path from rest.

    While α and β are constant the result has plain numbers; under a schedule its settings become schedules that carry
    the exact bridge. Rounding aside, positions agree at every step.

    Args:
        rule: a heavy ball in any form.
        form: "velocity", "step" or "average".

    Raises:
        SettingError: an unknown form; a form that divides by a rate that is zero or by 1 − β with β = 1; a schedule
            together with adaptive restart.

    >>> convert(HeavyBall(0.1, 0.5), "average")
    HeavyBall(learning_rate=0.2, momentum=0.5, form='average')
    """
    if form not in _FORMS:
        raise SettingError(f"form is {form!r}; allowed are {', '.join(map(repr, _FORMS))}")
    if form == rule.form:
        return rule
    if rule.decays_weights and rule.decoupled and "average" in (form, rule.form):
        raise SettingError("a heavy ball with decoupled weight decay cannot be converted: its α also scales the decay")
    rate, momentum = rule.learning_rate, rule.momentum
    if isinstance(rate, float) and isinstance(momentum, float):
        inner = rate * (1.0 - momentum) if rule.form == "average" else rate
        if form == "average":
            _need(momentum < 1.0, "momentum = 1 has no average form: it would divide by 1 − β = 0")
            inner = inner / (1.0 - momentum)
        return replace(rule, learning_rate=inner, form=form)
    if rule.restart != "never":
        raise SettingError(
            f"a heavy ball with a schedule and restart={rule.restart!r} cannot be converted: its momentum begins anew "
            "and its rate does not; allowed are plain numbers, or restart='never'"
        )
    rate, momentum = _scheduled(rate), _scheduled(momentum)
    for end in rate.bounds()[:1]:
        _need(end > 0.0, "a learning rate that is zero cannot be converted: the bridge divides by it")
    if rule.form == "step":
        rate, momentum = rate, _Rescaled(momentum, rate, "times")
    elif rule.form == "average":
        rate, momentum = _Inner(rate, momentum), _Rescaled(momentum, rate, "times")
    if form == "step":
        momentum = _Rescaled(momentum, rate, "over")
    elif form == "average":
        rate, momentum = _Averaged(rate, momentum, "rate"), _Averaged(rate, momentum, "momentum")
    return replace(rule, learning_rate=rate, momentum=momentum, form=form)


def convert_velocity(
    velocity: Any, form: str, to: str, *, learning_rate: float, momentum: float, new_learning_rate: float | None = None
) -> Any:
    """The velocity that continues a run in another form, or at another rate as PyTorch would.

    The velocity of form="velocity" is the last displacement; that of "step" and "average" is the displacement divided
    by α (their own α: for "average" α/(1 − β) of the others).

    Args:
        velocity: numbers or arrays in the form ``form``.
        form: the form that the velocity is in.
        to: the form that it is wanted in.
        learning_rate: the rate, in form ``form``, that the velocity was made with.
        momentum: the momentum.
        new_learning_rate: the rate of ``to`` from now on, by default the one that keeps the path. A velocity for
            form="velocity" is multiplied by new/old where "step" would keep its buffer and change its pace.

    >>> convert_velocity(0.5, "velocity", "step", learning_rate=0.1, momentum=0.9)
    5.0
    """
    for name in (form, to):
        _need(name in _FORMS, f"form is {name!r}; allowed are {', '.join(map(repr, _FORMS))}")
    displacement = velocity if form == "velocity" else learning_rate * velocity
    inner = learning_rate * (1.0 - momentum) if form == "average" else learning_rate
    outer = inner / (1.0 - momentum) if to == "average" else inner
    scale = 1.0 if new_learning_rate is None else new_learning_rate / outer
    if to == "velocity":
        return displacement * scale
    return displacement / outer


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SettingError(otherwise)


def _scheduled(value: Hyperparameter) -> Schedule:
    return value if isinstance(value, Schedule) else Constant(value)


@dataclass(frozen=True)
class _Bridge(Schedule):
    """A schedule made of two others, whose states it carries with one number of its own."""

    def __post_init__(self) -> None:
        validate(self, scheduled=True)

    def bounds(self) -> tuple[float, ...]:
        """Nothing to check: the bridge may leave [0, 1] for a moment where the rate falls fast."""
        return ()


def _parts(state: tuple[Any, ...], first: Schedule) -> tuple[tuple[Any, ...], tuple[Any, ...], Any]:
    count = len(first.initial_state())
    return state[:count], state[count:-1], state[-1]


@dataclass(frozen=True)
class _Rescaled(_Bridge):
    """β_k · (α_k/α_(k−1)) ("times") or β_k · (α_(k−1)/α_k) ("over"); α_(−1) = α_0."""

    name: ClassVar[str] = "rescaled"
    momentum: Schedule
    rate: Schedule
    way: str = "times"

    def initial_state(self) -> tuple[Any, ...]:
        """Both states, and the rate of the step before."""
        rate = self.rate.initial_state()
        return (*rate, *self.momentum.initial_state(), self.rate.value(rate, 0.0))

    def value(self, state: tuple[Any, ...], t: Any) -> Any:
        """The rescaled momentum."""
        rate_state, momentum_state, before = _parts(state, self.rate)
        rate = self.rate.value(rate_state, t)
        ratio = rate / before if self.way == "times" else before / rate
        return self.momentum.value(momentum_state, t) * ratio

    def advance(self, state: tuple[Any, ...], t: Any) -> tuple[Any, ...]:
        """Both advance; this step's rate is remembered."""
        rate_state, momentum_state, _ = _parts(state, self.rate)
        before = self.rate.value(rate_state, t)
        return (*self.rate.advance(rate_state, t), *self.momentum.advance(momentum_state, t), before)


@dataclass(frozen=True)
class _Inner(_Bridge):
    """α_k(1 − β_k): the rate of form="velocity" behind an average."""

    name: ClassVar[str] = "inner"
    rate: Schedule
    momentum: Schedule

    def initial_state(self) -> tuple[Any, ...]:
        """Both states."""
        return (*self.rate.initial_state(), *self.momentum.initial_state(), 0.0)

    def value(self, state: tuple[Any, ...], t: Any) -> Any:
        """The product."""
        rate_state, momentum_state, _ = _parts(state, self.rate)
        return self.rate.value(rate_state, t) * (1.0 - self.momentum.value(momentum_state, t))

    def advance(self, state: tuple[Any, ...], t: Any) -> tuple[Any, ...]:
        """Both advance."""
        rate_state, momentum_state, unused = _parts(state, self.rate)
        return (*self.rate.advance(rate_state, t), *self.momentum.advance(momentum_state, t), unused)


@dataclass(frozen=True)
class _Averaged(_Bridge):
    """a_k = α_k + β_k a_(k−1) (part "rate") or β_k a_(k−1)/a_k (part "momentum"); a_(−1) = α_0/(1 − β_0)."""

    name: ClassVar[str] = "averaged"
    rate: Schedule
    momentum: Schedule
    part: str = "rate"

    def initial_state(self) -> tuple[Any, ...]:
        """Both states, and a_(−1)."""
        rate, momentum = self.rate.initial_state(), self.momentum.initial_state()
        return (*rate, *momentum, self.rate.value(rate, 0.0) / (1.0 - self.momentum.value(momentum, 0.0)))

    def value(self, state: tuple[Any, ...], t: Any) -> Any:
        """The rate or the momentum of the average."""
        current, kept = self._current(state, t)
        return current if self.part == "rate" else kept / current

    def _current(self, state: tuple[Any, ...], t: Any) -> tuple[Any, Any]:
        rate_state, momentum_state, before = _parts(state, self.rate)
        kept = self.momentum.value(momentum_state, t) * before
        return self.rate.value(rate_state, t) + kept, kept

    def advance(self, state: tuple[Any, ...], t: Any) -> tuple[Any, ...]:
        """Both advance; a_k is remembered."""
        rate_state, momentum_state, _ = _parts(state, self.rate)
        current, _ = self._current(state, t)
        return (*self.rate.advance(rate_state, t), *self.momentum.advance(momentum_state, t), current)
