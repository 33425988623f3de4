"""How much each past gradient counts in a rule's next step, read off the rule's own step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError, nearest
from layda.program import Program, gradient
from layda.program.operations import CONDITIONS
from layda.rule import Rule, Stepper

__all__ = ["Weights", "half_life", "past_weights", "weights_of_past"]

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


@dataclass(frozen=True)
class Weights:
    """How much each past gradient counts.

    Attributes:
        rule: the rule as text. of: what they count in: "displacement", "position" or a slot.
        values: w_j, newest first, shape (count,).
        linear: whether they hold for any gradients (the rule is linear in them), or for those given alone.
    """

    rule: str
    of: str
    values: Array = field(repr=False)
    linear: bool

    @property
    def total(self) -> float:
        """Σ w_j: what a constant gradient of 1 comes to. Of the displacement that is the effective learning rate."""
        return float(np.sum(self.values))

    @property
    def effective_learning_rate(self) -> float:
        """α_eff = Σ w_j of the displacement: a constant gradient g makes steps of α_eff·g, at last α/(1 − β)."""
        return self.total if self.of == "displacement" else float("nan")

    @property
    def half_life(self) -> float:
        """Steps after which a gradient counts half of the newest one; between two steps as on a logarithmic scale.

        ln ½ / ln β for the heavy ball. Infinite where none of the gradients looked at counts so little.
        """
        sizes = np.abs(self.values)
        if not len(sizes) or sizes[0] == 0.0:
            return float("nan")
        below = np.flatnonzero(sizes <= 0.5 * sizes[0])
        if not len(below):
            return float("inf")
        last = int(below[0])
        if sizes[last] == 0.0:
            return float(last)
        fall = np.log(sizes[last - 1] / sizes[last])
        return float(last - 1 + np.log(sizes[last - 1] / (0.5 * sizes[0])) / fall) if fall > 0.0 else float(last)

    @property
    def mean_age(self) -> float:
        """Σ j·w_j / Σ w_j, in steps: β/(1 − β) for the heavy ball with a long memory of equal α.

        NaN where the weights cancel: a rule such as Adam does not feel the size of a constant gradient.
        """
        total = float(np.sum(self.values))
        if abs(total) <= 1e-6 * float(np.sum(np.abs(self.values))):
            return float("nan")
        return float(np.sum(np.arange(len(self.values)) * self.values) / total)


def past_weights(
    rule: Rule, count: int, gradients: Sequence[float] | Array | None = None, of: str = "displacement"
) -> Weights:
    """w_j = ∂(what is asked)/∂g_(T−1−j) after T = ``count`` steps, for any rule, settings and schedule.

    For a rule that is linear in the gradients these are *the* weights, whatever the gradients are. For one that is not,
    such as Adam, they are the derivative along the gradients given, by the chain rule through the derivative of the
    rule's own program, from the last step back to the first. Where a rule takes a sign the derivative is 0: ask for the
    average that it keeps (``of="velocity"``).

    Args:
        rule: any rule.
        count: how many gradients, T ≥ 1.
        gradients: g_0, …, g_(T−1), of one coordinate; 1 at every step by default.
        of: "displacement" (x_(T−1) − x_T), "position" (x_0 − x_T), or a slot of the rule by name.

    Raises:
        SettingError: a count below 1, gradients of another length or not finite, no such slot.

    >>> from layda.rules import Adam, HeavyBall
    >>> found = past_weights(HeavyBall(0.1, 0.9), 200)
    >>> round(found.effective_learning_rate, 6), round(found.half_life, 2), round(found.mean_age, 3)
    (1.0, 6.58, 9.0)
    >>> past_weights(HeavyBall(1.0, 0.5), 3, of="position").values.tolist()
    [1.0, 1.5, 1.75]
    """
    if isinstance(count, bool) or count != int(count) or count < 1:
        raise SettingError(f"count is {count!r}; allowed is a whole number, 1 or more")
    stepper = Stepper(rule)
    names = [slot.name for slot in stepper.slots]
    if of not in ("displacement", "position", *names):
        raise SettingError(f"{rule.name} has no slot {of!r}; {nearest(of, ['displacement', 'position', *names])}")
    slopes = np.ones(count) if gradients is None else np.asarray(gradients, dtype=np.float64)
    if slopes.shape != (count,) or not np.all(np.isfinite(slopes)):
        raise SettingError(
            f"gradients has the shape {slopes.shape}; allowed are {count} finite numbers, one for each step"
        )
    program = stepper.program()
    variables = ("position", "gradient", *names)
    derivatives = {name: gradient(program, variables, name) for name in ("position", *names)}
    linear = not any(
        str(node.value) in variables for d in derivatives.values() for node in d.nodes if node.op == "input"
    ) and not _compares(program, variables)
    # Adjoints of the next position and slots, from the last step back.
    adjoint = dict.fromkeys(("position", *names), 0.0)
    if of in names:
        adjoint[of] = 1.0
    else:
        adjoint["position"] = -1.0
    weights = np.zeros(count)
    with np.errstate(all="ignore"):
        seen = _walked(stepper, slopes)
        for step in range(count - 1, -1, -1):
            before = dict.fromkeys(variables, 0.0)
            for name, derivative in derivatives.items():
                if adjoint[name] != 0.0:
                    found = derivative.evaluate({key: seen[step][key] for key in derivative.inputs})
                    for variable in variables:
                        before[variable] += adjoint[name] * float(found[f"d_{variable}"])
            weights[count - 1 - step] = before.pop("gradient")
            if of == "displacement" and step == count - 1:
                before["position"] += 1.0
            adjoint = before
    return Weights(str(rule), of, weights, linear)


def _walked(stepper: Stepper, slopes: Array) -> list[dict[str, float]]:
    """What the rule's program is given at every step along these gradients, from a start at 0."""
    position, state, found = 0.0, stepper.start(stepper.numbers, 0.0), []
    for t, slope in enumerate(slopes.tolist()):
        known: dict[str, float] = {**stepper.numbers, "t": float(t), "position": position, "gradient": slope}
        known |= {slot.name: float(value) for slot, value in zip(stepper.slots, state.slots, strict=True)}
        known |= {slot.name: float(value) for slot, value in zip(stepper.shared, state.shared, strict=True)}
        known |= {name: float(value) for name, value in zip(stepper.schedule_names, state.schedules, strict=True)}
        found.append(known)
        position, state = stepper.step(stepper.numbers, float(t), position, slope, state)
    return found


def _compares(program: Program, variables: Sequence[str]) -> bool:
    """Whether a condition of the program depends on the variables: its derivative then holds to one side only."""
    depends: list[bool] = []
    for node in program.nodes:
        depends.append((node.op == "input" and node.value in variables) or any(depends[arg] for arg in node.args))
        if node.op in CONDITIONS and depends[-1]:
            return True
    return False


def half_life(momentum: float) -> float:
    """Steps after which a gradient counts half: ln ½ / ln β.

    >>> round(half_life(0.9), 2)
    6.58
    """
    return float(np.log(0.5) / np.log(momentum))
