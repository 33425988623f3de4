"""When a ball cannot leave the valley that it starts in, whatever it does.

With constant α and β the energy E_k = f(x_k) + (β/2α)|v_k|² of a heavy ball never rises while α ≤ 2(1 − β)/L, L being
the largest curvature wherever a step leads from or to (:mod:`layda.measures.energies`). So a ball that starts at rest
below the barrier stays in the part of {f ≤ f(x_0)} where it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.objective import TracedObjective
from layda.rule import Rule
from layda.schedules import Schedule
from layda.specs import to_rule
from layda.theory.barriers import barrier

__all__ = ["Condition", "NoEscape", "no_escape"]

Array = NDArray[np.float64]
_GRID = 20_001
_FIRST, _MOST_WIDTHS = 1e-3, 64.0


@dataclass(frozen=True)
class Condition:
    """One condition of the bound.

    Attributes:
        name: what it asks. holds: whether it does. value: what was found. limit: what it is held against.
    """

    name: str
    holds: bool
    value: float
    limit: float


@dataclass(frozen=True)
class NoEscape:
    """Whether a ball is known to stay in its valley.

    Attributes:
        conditions: every one of them must hold. A bound that does not hold says nothing: the ball may stay or leave.
        low: the left end of the valley below the start's height. high: the right one.
    """

    conditions: tuple[Condition, ...]
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether all conditions hold: the ball cannot leave."""
        return all(condition.holds for condition in self.conditions)


def no_escape(
    objective: TracedObjective, rule: str | Rule, start: float | Sequence[float], better: float | Sequence[float]
) -> NoEscape:
    """Whether a heavy ball from rest is bound to stay on its side of the barrier, in one dimension.

    Three conditions: the start lies below the barrier towards ``better``; α and β are constant, of a heavy ball; and
    α ≤ 2(1 − β)/L, L being the largest |f″| on the valley around the start where f ≤ f(x_0), from a grid of 20 001
    places, a thousandth added.

    Args:
        objective: a traced function of one coordinate.
        rule: the rule.
        start: where the ball begins, at rest.
        better: where it shall not come: a place beyond the barrier.

    Raises:
        SettingError: more than one coordinate; a rule that is no heavy ball with constant settings.

    >>> import layda
    >>> curve = layda.objectives.get("tilted_double_well")
    >>> bound = no_escape(curve, "heavy-ball:learning_rate=0.05,momentum=0.9", 0.5, -1.0466805317)
    >>> bound.holds, [condition.name for condition in bound.conditions]
    (True, ['starts below the barrier', 'the energy never rises: α ≤ 2(1 − β)/L'])
    """
    if objective.dimension != 1:
        raise SettingError(f"{objective.name} has {objective.dimension} coordinates; the bound is stated for one")
    way = to_rule(rule)
    pair = None if any(isinstance(v, Schedule) for v in way.settings().values()) else way.as_heavy_ball(way)
    if pair is None or way.decays_weights or getattr(way, "restart", "never") != "never":
        raise SettingError(f"{way} is no heavy ball with constant settings; allowed are its forms and gradient descent")
    rate, momentum = float(pair[0]), float(pair[1])
    here = float(np.atleast_1d(np.asarray(start, dtype=np.float64))[0])
    height = objective.value(np.array([here]))
    top = barrier(objective, [here], np.atleast_1d(np.asarray(better, dtype=np.float64))).height
    low, high = _valley(objective, here, height)
    curvature = _largest_curvature(objective, low, high)
    most = 2.0 * (1.0 - momentum) / curvature if curvature > 0.0 else float("inf")
    conditions = (
        Condition("starts below the barrier", height < top, height, top),
        Condition("the energy never rises: α ≤ 2(1 − β)/L", rate <= most, rate, most),
    )
    return NoEscape(conditions, low, high)


def _valley(objective: TracedObjective, here: float, height: float) -> tuple[float, float]:
    """The interval around the start where f ≤ f(x_0); its ends lie where f is above for the first time."""
    width = objective.box[0][1] - objective.box[0][0]
    ends = []
    for side in (-1.0, 1.0):
        reach = _FIRST * width
        end = here
        while reach <= _MOST_WIDTHS * width:
            places = here + side * np.linspace(0.0, reach, _GRID)
            above = np.flatnonzero(~(objective.values(places[:, None])[1:] <= height))
            if len(above):
                end = float(places[above[0] + 1])
                break
            end = float(places[-1])
            reach *= 4.0
        ends.append(end)
    return ends[0], ends[1]


def _largest_curvature(objective: TracedObjective, low: float, high: float) -> float:
    places = np.linspace(low, high, _GRID)
    name = objective.coordinates[0]
    found = objective.hessian_program.evaluate({name: places})[f"d_{name}_{name}"]
    return 1.001 * float(np.max(np.abs(np.broadcast_to(np.asarray(found, dtype=np.float64), places.shape))))
