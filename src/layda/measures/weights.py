"""How much each past gradient counts in a rule's next step, read off the rule's own step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError, nearest
from layda.rule import Rule, Stepper

__all__ = ["half_life", "weights_of_past"]

Array = NDArray[np.float64]


def weights_of_past(rule: Rule, count: int, of: str | None = None) -> Array:
    """w_j for j = 0, …, count − 1: the rule's answer at step ``count`` − 1 to a single gradient of 1, j steps earlier.

    For a rule that is linear in the gradient the last displacement is x_(T−1) − x_T = Σ_j w_j g_(T−j), exactly. For
    one that is not, such as Adam, ask for the average that it keeps (``of="m"``), which is.

    Args:
        rule: any rule, schedules included.
        count: how many gradients.
        of: a slot of the rule, by name; by default the displacement.

    Raises:
        SettingError: the rule has no such slot.

    >>> from layda.rules import HeavyBall
    >>> weights_of_past(HeavyBall(1.0, 0.9), 4).round(3).tolist()
    [1.0, 0.9, 0.81, 0.729]
    """
    stepper = Stepper(rule)
    names = [slot.name for slot in stepper.slots]
    if of is not None and of not in names:
        raise SettingError(f"{rule.name} has no slot {of!r}; {nearest(of, names)}")
    position = np.zeros(count)  # lane k sees its gradient at step k and none before or after
    state = stepper.start(stepper.numbers, position)
    before = position
    with np.errstate(all="ignore"):
        for step in range(count):
            before = position
            gradient = np.where(np.arange(count) == step, 1.0, 0.0)
            position, state = stepper.step(stepper.numbers, float(step), position, gradient, state)
    answer = before - position if of is None else np.broadcast_to(state.slots[names.index(of)], (count,))
    found: Array = np.asarray(answer, dtype=np.float64)[::-1].copy()
    return found


def half_life(momentum: float) -> float:
    """Steps after which a gradient counts half: ln ½ / ln β.

    >>> round(half_life(0.9), 2)
    6.58
    """
    return float(np.log(0.5) / np.log(momentum))
