"""The verdict as a program: from how a run ended, its summaries and its last window to one code of the closed list.

The order of the tests is part of the definition:

1. undefined   it left the set where f is declared to exist
2. diverged    numbers overflowed after growth; undefined when f stopped existing at a moderate place
3. settled     the stopping test holds (minimum, worse minimum or saddle is decided afterwards, from the Hessian)
4. diverged    still growing at the end of the budget, higher than ever or far outside the box
5. frozen      the learning rate has vanished, and what it still allows does not reach
6. cycling     bounded, turning, without progress over the window
7. crawling    more than ten further budgets to go at the window's rate; otherwise unfinished

Everything is a ratio, so scaling f or x by any factor (with the learning rate adjusted) leaves the verdict alone.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import cache
from typing import Any

from layda.functions import abs, both, either, exp, log, maximum, minimum, negate, where
from layda.measures.constants import CONSTANTS, VERDICTS
from layda.program import Program, trace

__all__ = ["Evidence", "verdict_code", "verdict_program"]

_CODE = {kind: float(index) for index, kind in enumerate(VERDICTS)}
_LIMIT = {name: value for name, (value, _) in CONSTANTS.items()}
_ENDLESS = 1e300


@dataclass(frozen=True)
class Evidence:
    """The numbers that the verdict is a function of. Yes/no facts are 1.0 and 0.0.

    Attributes:
        left_domain: the run left the set where f is declared to exist.
        lost: f or its gradient was no longer finite.
        infinite: … and was ±inf, not NaN.
        settled: the stopping test holds at the end.
        last_displacement: |Δx| of the last step.
        extent: the extent of the path, its last position included. extent_before: without it.
        outside: how far outside the box the end is, in widths of the box (0 inside).
        box_width: the largest side of the box.
        highest_before: the largest f before the window.
        rate: the learning rate at the end. largest_rate: its largest value so far.
        gradient: |g| at the end. distance: the estimate of the distance to go at the end.
        displacement_1 … 4: the largest |Δx| of each quarter of the window.
        distance_1 … 4: the smallest distance to go of each quarter.
        high_1 … 4: the largest f of each quarter. low_1 … 4: the smallest.
        turns: sign changes of displacements in the window. window: its length in steps.
        steps: the budget. tolerance: that of the stopping test.
        noisy: every step sees another gradient (mini-batches).
    """

    left_domain: float
    lost: float
    infinite: float
    settled: float
    last_displacement: float
    extent: float
    extent_before: float
    outside: float
    box_width: float
    highest_before: float
    rate: float
    largest_rate: float
    gradient: float
    distance: float
    displacement_1: float
    displacement_2: float
    displacement_3: float
    displacement_4: float
    distance_1: float
    distance_2: float
    distance_3: float
    distance_4: float
    high_1: float
    high_2: float
    high_3: float
    high_4: float
    low_1: float
    low_2: float
    low_3: float
    low_4: float
    turns: float
    window: float
    steps: float
    tolerance: float
    noisy: float


def _judge(*numbers: Any) -> dict[str, Any]:
    seen = dict(zip((field.name for field in fields(Evidence)), numbers, strict=True))
    e = _Names(seen)
    early, late = maximum(e.displacement_1, e.displacement_2), maximum(e.displacement_3, e.displacement_4)
    needed = _steps_needed(e)
    # Without a window (fewer than four steps) there is no rate to go by, and nothing is said to crawl.
    slow = both(e.window > 0.0, needed > _LIMIT["budgets"] * e.steps)
    code = where(slow, _CODE["crawling"], _CODE["unfinished"])
    code = where(_cycling(e, early, late), _CODE["cycling"], code)
    code = where(_frozen(e, early, late), _CODE["frozen"], code)
    code = where(_growing(e), _CODE["diverged"], code)
    code = where(e.settled > 0.0, _CODE["converged"], code)
    code = where(e.lost > 0.0, where(_thrown(e), _CODE["diverged"], _CODE["undefined"]), code)
    code = where(e.left_domain > 0.0, _CODE["undefined"], code)
    return {"code": code, "steps_needed": needed}


class _Names:
    """Attribute access to a table of numbers."""

    def __init__(self, numbers: dict[str, Any]) -> None:
        self.__dict__.update(numbers)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _thrown(e: Any) -> Any:
    """Overflow after growth: far outside the box, or thrown farther in one step than the whole path before.

    A NaN after the first step of all says nothing about growth: there is no path before it.
    """
    far = negate(e.extent <= _LIMIT["thrown"] * e.box_width)
    overflow = both(e.infinite > 0.0, e.last_displacement > e.extent_before)
    jumped = both(e.extent_before > 0.0, negate(e.last_displacement <= _LIMIT["jump"] * e.extent_before))
    return either(far, either(overflow, jumped))


def _growing(e: Any) -> Any:
    """Larger steps from quarter to quarter while f is higher than ever, or far outside the box without slowing.

    With mini-batches f scatters: only where the last quarter's smallest f is above the first's largest has it grown.
    Who is outside and comes nearer to a place of rest is on the way back, and who turns there swings.
    """
    same = 1.0 + _LIMIT["same"]
    larger = both(
        e.displacement_2 > e.displacement_1 * same,
        both(e.displacement_3 > e.displacement_2 * same, e.displacement_4 > e.displacement_3 * same),
    )
    highest = maximum(maximum(e.high_1, e.high_2), maximum(e.high_3, e.highest_before))
    noisy = e.noisy > 0.0
    larger = both(larger, e.displacement_1 < _LIMIT["no_progress"] * e.displacement_4)
    # Whose steps die out on a rise has been stopped there by its learning rate.
    moves = e.displacement_4 >= _LIMIT["noise_progress"] * e.displacement_1
    grows = either(both(negate(noisy), larger), both(noisy, both(e.low_4 > e.high_1, moves)))
    nearer = minimum(e.distance_3, e.distance_4) < minimum(e.distance_1, e.distance_2)
    steady = e.displacement_4 >= _LIMIT["no_progress"] * e.displacement_1
    leaves = both(both(steady, negate(nearer)), either(e.turns < _LIMIT["turns"], larger))
    outside = both(e.outside > _LIMIT["away"], leaves)
    return both(e.window > 0.0, either(both(grows, e.high_4 > highest), outside))


def _falls(e: Any, name: str, share: float) -> Any:
    """Whether a number of the window falls from each quarter to the next, by more than to this share."""
    one, two, three, four = (getattr(e, f"{name}_{quarter}") for quarter in (1, 2, 3, 4))
    return both(two < one * share, both(three < two * share, four < three * share))


def _ratio_per_step(early: Any, late: Any, window: Any) -> Any:
    """The factor per step by which something shrank from the window's first half to its second, 1 where it did not."""
    shrank = both(late < early, late > 0.0)
    return where(shrank, exp(log(where(shrank, late / early, 1.0)) / (0.5 * window)), 1.0)


def _frozen(e: Any, early: Any, late: Any) -> Any:
    """The rate is gone, and the displacements that are still to come, summed, stay short of the distance to go."""
    gone = either(e.rate == 0.0, e.rate <= _LIMIT["vanished"] * e.largest_rate)
    ratio = _ratio_per_step(early, late, where(e.window > 0.0, e.window, 4.0))
    now = e.displacement_4
    endless = now * (_LIMIT["budgets"] * e.steps)
    reach = minimum(where(ratio < 1.0, now / where(ratio < 1.0, 1.0 - ratio, 1.0), endless), endless)
    return both(both(gone, e.gradient > 0.0), negate(reach >= e.distance))


def _cycling(e: Any, early: Any, late: Any) -> Any:
    """Bounded and turning; displacements do not shrink and f does not fall from one half to the other.

    Steps that fall on a swing now here, now there see its largest displacement and its largest f grow and shrink a
    little in turn; where a swing dies out, both shrink.
    With mini-batches displacements and heights scatter, so only a fall that stands out of the scatter counts.
    """
    high_early, high_late = maximum(e.high_1, e.high_2), maximum(e.high_3, e.high_4)
    low_early, low_late = minimum(e.low_1, e.low_2), minimum(e.low_3, e.low_4)
    slowing = _falls(e, "displacement", 1.0 - _LIMIT["swing"])
    falling, sinking = _falls(e, "high", 1.0), _falls(e, "low", 1.0)
    # What dies out does so in even shares; chance does not keep to that.
    evenly = both(
        e.displacement_3 - e.displacement_4 <= 2.0 * (e.displacement_2 - e.displacement_3),
        e.displacement_2 - e.displacement_3 <= 2.0 * (e.displacement_1 - e.displacement_2),
    )
    shrinking = both(late < _LIMIT["no_progress"] * early, high_late < high_early)
    slower = either(both(both(slowing, evenly), falling), shrinking)
    fall = maximum(_LIMIT["no_descent"] * (high_early - minimum(low_early, low_late)), _LIMIT["same"] * abs(high_early))
    lower = both(both(falling, sinking), high_late < high_early - fall)
    noisy_slower = late < _LIMIT["noise_progress"] * early
    noisy_lower = low_late < low_early - _LIMIT["noise_descent"] * (high_early - low_early)
    noisy = e.noisy > 0.0
    progress = either(both(negate(noisy), either(slower, lower)), both(noisy, either(noisy_slower, noisy_lower)))
    return both(both(e.window > 0.0, e.turns >= _LIMIT["turns"]), negate(progress))


def _steps_needed(e: Any) -> Any:
    """Steps until the stopping test would hold, if displacement and distance go on as they did over the window.

    A quantity that shrinks by the factor r per step needs log(target/now)/log(r) steps; r is taken from the second to
    the last quarter, since in the first fast directions may still have come to rest; from the third where the distance
    was larger there. A ball that does not turn may slow down less than it comes nearer: displacements go as distance^γ,
    γ = 1 where steps are in proportion to the slope, 0 where all are of one length; see :func:`_walk`. A distance that
    does not shrink yet is walked at the present pace (on a plateau), or at one that is in proportion to what is left
    where displacements shrink. Of a ball that turns, the smallest distance of a quarter is where the swing was caught
    by chance: it dies out at least as the displacements do, by the slower of the whole window and its second half.
    """
    window = where(e.window > 0.0, e.window, 4.0)
    target = e.tolerance * e.extent
    late, near = e.displacement_4, e.distance_4
    slowing = _ratio_per_step(e.displacement_2, late, window)
    recently = _ratio_per_step(e.distance_3, near, 0.5 * window)
    nearing = where(e.distance_3 > e.distance_2, recently, _ratio_per_step(e.distance_2, near, window))
    pace = e.distance / where(late > 0.0, late, 1.0)
    left = log(where(both(target > 0.0, e.distance > target), e.distance / where(target > 0.0, target, 1.0), 1.0))
    walk = where(late > 0.0, where(slowing < 1.0, pace * left, pace), _ENDLESS)
    by_displacement = _until(late, target, slowing, _ENDLESS)
    lately = _ratio_per_step(e.displacement_3, late, 0.5 * window)
    power = maximum(_power(slowing, nearing), _power(lately, recently))
    both_fall = maximum(by_displacement, _until(near, target, nearing, 0.0))
    steadily = where(power < _LIMIT["linear"], maximum(_walk(near, target, nearing, power), pace), both_fall)
    swinging = maximum(by_displacement, _until(near, target, minimum(nearing, maximum(slowing, lately)), 0.0))
    return where(e.turns >= 1.0, swinging, where(nearing < 1.0, steadily, walk))


def _power(slowing: Any, nearing: Any) -> Any:
    """γ of displacement ~ distance^γ from the factors per step of both; 1 where the distance does not shrink."""
    shrinks = nearing < 1.0
    return where(shrinks, log(slowing) / log(where(shrinks, nearing, 0.5)), 1.0)


def _walk(now: Any, target: Any, ratio: Any, power: Any) -> Any:
    """Steps from one distance to another under D' = −c·D^γ, γ < 1: (1 − (target/now)^(1 − γ))/((1 − γ)·rate)."""
    usable = both(both(ratio < 1.0, power < _LIMIT["linear"]), both(target > 0.0, now > target))
    rate = -log(where(usable, ratio, 0.5))
    rest = 1.0 - where(usable, power, 0.0)
    share = exp(rest * log(where(usable, target / now, 0.5)))
    return where(usable, (1.0 - share) / (rest * rate), 0.0)


def _until(now: Any, target: Any, ratio: Any, otherwise: Any) -> Any:
    falls = ratio < 1.0
    steps = log(where(target > 0.0, target, 1e-300) / where(now > 0.0, now, 1.0)) / log(where(falls, ratio, 0.5))
    return where(now <= target, 0.0, where(falls, steps, otherwise))


@cache
def verdict_program() -> Program:
    """The verdict as a straight line: inputs the fields of :class:`Evidence`, outputs ``code`` and ``steps_needed``."""
    return trace(_judge, [field.name for field in fields(Evidence)])


def verdict_code(evidence: Evidence) -> tuple[str, float]:
    """The verdict ("converged" standing for settled) and the further steps needed at the window's rate."""
    found = verdict_program().evaluate(dict(zip(verdict_program().inputs, astuple(evidence), strict=True)))
    return VERDICTS[int(found["code"])], float(found["steps_needed"])
