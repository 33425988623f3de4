"""Where a tuning looks first: theory's settings for the curvatures seen, and a coarse field of α and β."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layda.diagnosis.bottom import Bottom
from layda.diagnosis.curvature import Curvature
from layda.diagnosis.search import shortened
from layda.errors import NotLinearError, SettingError
from layda.objective import Objective
from layda.rule import Rule, Stepper
from layda.settings import numbers_of
from layda.theory import best_settings

__all__ = ["Theory", "decays", "field_of", "rate_path", "share_path", "steps_by_length", "theory_of"]

Array = NDArray[np.float64]
_SHARES = (0.0, 0.5, 0.75, 0.88, 0.94, 0.97, 0.985)
_RATIO = 2.5  # between neighbouring rates of the field
_FROM, _TO = 0.06, 4.0  # times 1/λ
_LENGTHS = (1e-3, 0.6)  # of the way to the bottom, for rules whose step does not grow with the slope
_MEMORIES = (0.5, 0.9)
_TOTALS, _SPANS, _BOOSTS = (1e-3, 1e-6), (1.0, 0.25), (1.0, 4.0, 16.0, 64.0)


@dataclass(frozen=True)
class Theory:
    """What theory gives for a range of curvatures.

    Attributes:
        seen: where the curvatures were seen, in words.
        smallest, largest: μ and L.
        settings: the best settings, path -> number.
        rate: their asymptotic rate ρ. steps: until f − f* has fallen by the tolerance, log ε/(2 log ρ).
        closed_form: whether a formula gives them; else they were found numerically.
        source: where that is written.
    """

    seen: str
    smallest: float
    largest: float
    settings: Mapping[str, float]
    rate: float
    closed_form: bool
    source: str

    @property
    def raced_as(self) -> tuple[tuple[str, float], ...]:
        """The settings as they take part in the race, with their digits shortened."""
        return shortened(self.settings)

    def steps(self, tolerance: float) -> float:
        """About so many steps until f − f* has fallen to the share ``tolerance`` of what it was."""
        if not 0.0 < self.rate < 1.0:
            return 1.0 if self.rate == 0.0 else math.inf
        return math.log(tolerance) / (2.0 * math.log(self.rate))


def rate_path(rule: Rule) -> str:
    """The number that is the learning rate: of a schedule, its first value.

    Raises:
        SettingError: a schedule without one.
    """
    known = numbers_of(rule)
    for path in ("learning_rate", "learning_rate.initial"):
        if path in known:
            return path
    raise SettingError(
        f"the learning rate of {rule} is a schedule that has no first value to be tuned; give a number, or an "
        "exponential decay"
    )


def share_path(rule: Rule) -> tuple[str, ...]:
    """The number that is the momentum, if the rule has one: "momentum", or "beta1" as in Adam."""
    known = numbers_of(rule)
    return next(((name,) for name in ("momentum", "beta1") if name in known), ())


def theory_of(
    rule: Rule, steepest: float, at_minimum: Curvature | None, quadratic: bool
) -> tuple[tuple[Theory, ...], str]:
    """Theory's settings for the curvatures at the minimum, and up to the steepest seen; else why there are none."""
    if at_minimum is None or at_minimum.smallest_positive is None:
        return (), "no theory: the curvature at the bottom is not positive in any direction"
    low, high = at_minimum.smallest_positive, at_minimum.largest
    ranges = [("everywhere" if quadratic else "at the minimum", low, high)]
    if steepest > high * 1.01:
        ranges.append(("with the way there", low, steepest))
    found = []
    for seen, mu, largest in ranges:
        try:
            best = best_settings(_plain(rule), mu, largest)
        except NotLinearError as error:
            return (), f"no theory: {error}; the race alone decides"
        settings = {rate_path(rule) if name == "learning_rate" else name: v for name, v in best.settings.items()}
        found.append(Theory(seen, mu, largest, settings, best.rate, best.closed_form, best.source))
    return tuple(found), ""


def _plain(rule: Rule) -> Rule:
    """The rule with its rate's first value in place of a schedule: theory's limits are those of constant settings."""
    path = rate_path(rule)
    return rule if path == "learning_rate" else replace(rule, learning_rate=numbers_of(rule)[path])  # type: ignore[call-arg]  # every rule has one


def field_of(
    rule: Rule, start: Array, ground: Bottom, sizes: list[float], objective: Objective
) -> list[dict[str, float]]:
    """α over the rates that the curvatures allow (or over lengths, for rules that step by length), times a few β.

    α is in units of the rule's first step: where a larger β makes that smaller, α grows.
    """
    rate, share = rate_path(rule), share_path(rule)
    shares = _SHARES if share else (math.nan,)
    stepper = Stepper(rule)
    slope = objective.step_gradient(start, 0)
    first = [_first_step(stepper, start, slope, rate, share, beta) for beta in shares]
    unit = first[0]
    if steps_by_length(rule, start, objective):
        way = float(np.max(np.abs(ground.position - start))) or 1.0
        low, high = (end * way / unit for end in _LENGTHS)
    else:
        known = [size for size in sizes if math.isfinite(size) and size > 1e-3 * max(sizes)] or [1.0]
        gain = unit / max(float(np.max(np.abs(slope))), 1e-300)
        low, high = _FROM / (max(known) * gain), _TO / (min(known) * gain)
    count = max(2, math.ceil(math.log(high / low) / math.log(_RATIO)))
    rows = []
    for beta, step in zip(shares, first, strict=True):
        scale = unit / step if 0.0 < step < math.inf else 1.0
        for alpha in np.geomspace(low, high, count):
            rows.append({rate: float(alpha * scale)} | ({share[0]: beta} if share else {}))
    return rows


def steps_by_length(rule: Rule, start: Array, objective: Objective) -> bool:
    """Whether the first step is as long for twice the slope: α is then a length, and not in units of 1/λ.

    >>> from layda.objectives import get
    >>> from layda.rules import Adam, HeavyBall
    >>> [steps_by_length(rule, np.array([3.0, 2.0]), get("sphere")) for rule in (HeavyBall(), Adam())]
    [False, True]
    """
    stepper, rate, share = Stepper(rule), rate_path(rule), share_path(rule)
    slope = objective.step_gradient(start, 0)
    once, twice = (_first_step(stepper, start, factor * slope, rate, share, 0.0) for factor in (1.0, 2.0))
    return abs(twice - once) <= 1e-3 * once


def _first_step(stepper: Stepper, start: Array, slope: Array, rate: str, share: tuple[str, ...], beta: float) -> float:
    """The largest displacement of the first step at α = 1."""
    numbers = stepper.numbers | {rate: 1.0} | ({share[0]: beta} if share else {})
    with np.errstate(all="ignore"):
        ahead, _ = stepper.step(numbers, 0.0, start, slope, stepper.start(numbers, start))
    return float(np.max(np.abs(ahead - start)))


def decays(settings: Mapping[str, float], rate: str, share: tuple[str, ...], steps: int) -> list[dict[str, float]]:
    """Rates from the constant one up to 64 times it that fall to 1e-3 or 1e-6 of themselves, sooner or later.

    Each with the constant's own momentum and, of what is named in ``share``, with shorter ones: the memory that a
    constant rate needed to come down smoothly only delays a ball whose rate decays.
    """
    rest = {name: value for name, value in settings.items() if name != rate}
    memories = [rest, *({**rest, name: value} for name in share for value in _MEMORIES if value < rest[name])]
    return [
        memory | {f"{rate}.initial": settings[rate] * boost, f"{rate}.decay": total ** (1.0 / max(1.0, span * steps))}
        for memory in memories for boost in _BOOSTS for total in _TOTALS for span in _SPANS
    ]  # fmt: skip
