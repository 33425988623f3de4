"""Adaptive restart around any rule with momentum: when the ball begins to climb, its momentum is forgotten.

With the position y_k, where the gradient is taken, the rule's answer x_k (its estimate) and one step of the rule::

    y₊, slots₊ = step(y_k, g_k, slots);   x_(k+1) = estimate(y₊, slots₊)
    gradient scheme: restart if g_kᵀ(x_(k+1) − x_k) > 0
    function scheme: restart if f(x_(k+1)) > f(x_k)
    restart:         y_(k+1) = x_(k+1), all slots as before the first step, momentum schedules from their start (θ = 1)

The restart belongs to the step that it judges, so y_(k+1) is the place of the next gradient already.

- g_k is the gradient that the step sees: with a coupled weight decay that of f + λ|x|²/2 (which the function scheme
  compares as well, with the λ of step k); with mini-batches that of the batch, so that noise restarts too. The products
  are summed in the order of the coordinates: all backends, lanes and tables give the same bits.
- The function scheme evaluates f once more in every step, at the answer, and is refused for mini-batches, whose noise
  it would compare. Before the first step the answer is the start.
- All that the rule carries begins anew, Adam's running squares and schedule-free's average as well.
- The schedules of the learning rate and of the weight decay go on: their step is that of the run.
- Rules that carry nothing, and decoupled weight decay, are refused by the rule itself.

Source: O'Donoghue and Candès 2015, arXiv:1204.3982, §3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.functions import where
from layda.objective import Objective
from layda.rule import Rule, State, Stepper

__all__ = ["check_restart", "restarted", "restarted_rows"]

Array = NDArray[np.float64]


def check_restart(objective: Objective, rule: Rule) -> None:
    """Refuse the function scheme where f is never seen whole.

    Raises:
        SettingError: it is asked for with mini-batches.
    """
    if objective.stochastic and rule.restart == "function":
        raise SettingError(
            f"{type(rule).__name__}: restart is 'function', but {objective.name} is seen in mini-batches, whose f goes "
            "up and down by itself; allowed are 'gradient' and 'never'; write restart=gradient or take the full batch"
        )


def restarted(
    stepper: Stepper,
    numbers: Mapping[str, Any],
    t: Any,
    before: Sequence[tuple[Any, State]],
    after: Sequence[tuple[Any, State]],
    rests: Sequence[Any],
    value: Any,
    function: Callable[[list[Any]], Any],
) -> list[tuple[Any, State]]:
    """Coordinates one by one, traced: what a step has led to, begun anew where it led up.

    Args:
        stepper: the rule.
        numbers: its numbers.
        t: the step.
        before: position and state of every coordinate at step t.
        after: likewise, as the rule's own step leaves them.
        rests: the gradient of what is descended, at step t.
        value: f at the position of step t.
        function: f of a list of coordinates.
    """
    earlier = [stepper.estimate(numbers, t, position, state) for position, state in before]
    answers = [stepper.estimate(numbers, t + 1.0, position, state) for position, state in after]
    reached: Any = None
    if stepper.rule.restart == "gradient":
        climbs = _dot(rests, [a - b for a, b in zip(answers, earlier, strict=True)]) > 0.0
    else:
        reached = function(answers)
        squares = (_dot(earlier, earlier), _dot(answers, answers))
        climbs = _has_risen(stepper, numbers, t, before[0][1].schedules, value, reached, squares)
    return [
        stepper.begin_anew(numbers, t + 1.0, climbs, answer, reached, position, state)
        for answer, (position, state) in zip(answers, after, strict=True)
    ]


def restarted_rows(
    stepper: Stepper,
    numbers: Mapping[str, Any],
    t: float,
    before: tuple[Array, State],
    after: tuple[Array, State],
    rest: Array,
    value: Any,
    function: Callable[[Array], Any],
) -> tuple[Array, State]:
    """The same for arrays (…, dimension): the twin of :func:`restarted`, whose bits it has.

    Args:
        stepper: as there.
        numbers: as there.
        t: as there.
        before: positions and state at step t.
        after: likewise, as the rule's own step leaves them.
        rest: as there.
        value: f at the positions of step t, (…).
        function: from positions to f at each, (…).
    """
    earlier = np.broadcast_to(stepper.estimate(numbers, t, *before), before[0].shape)
    answer = np.broadcast_to(stepper.estimate(numbers, t + 1.0, *after), after[0].shape)
    reached: Any = None
    if stepper.rule.restart == "gradient":
        climbs = _dot_rows(rest, answer - earlier) > 0.0
    else:
        reached = _column(function(answer))
        squares = (_dot_rows(earlier, earlier), _dot_rows(answer, answer))
        climbs = _has_risen(stepper, numbers, t, before[1].schedules, _column(value), reached, squares)
    return stepper.begin_anew(numbers, t + 1.0, climbs, answer, reached, *after)


def _has_risen(
    stepper: Stepper, numbers: Any, t: Any, schedules: tuple[Any, ...], value: Any, reached: Any, squares: Any
) -> Any:
    """The function scheme's question; before the first step the answer is the start, whose value is known."""
    before = where(t == 0.0, value, stepper.answer_value(schedules))
    if stepper.rule.decays_weights:
        half = 0.5 * stepper.resolved(numbers, t, schedules).weight_decay
        before, reached = before + half * squares[0], reached + half * squares[1]
    return reached > before


def _dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """Σ aᵢbᵢ in the order of the coordinates."""
    total = a[0] * b[0]
    for one, other in zip(a[1:], b[1:], strict=True):
        total = total + one * other
    return total


def _dot_rows(a: Array, b: Array) -> Any:
    """Σ aᵢbᵢ of every row, in the order of the coordinates as well: NumPy's own sum goes in pairs."""
    return _column(np.cumsum(a * b, axis=-1)[..., -1])


def _column(values: Any) -> Any:
    """One number for each of several balls as a column, (balls, 1); that of a single ball stays a number."""
    found = np.asarray(values, dtype=np.float64)
    return found[:, None] if found.ndim else np.float64(found)
