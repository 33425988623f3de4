"""The energies of a ball: what its height stores, what its motion carries, and who takes it.

For the heavy ball in the form v ← β_k v + α_k g_k, x_(k+1) = x_k − v_(k+1), where α_k and β_k are the settings used
from x_k to x_(k+1), the total energy is::

    E_k = f(x_k) + K_k,   K_k = (β_k/2α_k)·|v_k|²

and it obeys an exact balance, whatever α_k and β_k do from step to step::

    E_(k+1) − E_k = − ((1 − β_k)/α_k)·|v_(k+1)|²                        friction
                    − (β_k/2α_k)·|v_(k+1) − v_k|²                       jerk  ⎫ discretisation
                    + f(x_(k+1)) − f(x_k) + g_k·v_(k+1)                 bend  ⎭
                    + (β_k/2)·(1/α_(k+1) − 1/α_k)·|v_(k+1)|²            work of the learning rate
                    + ((β_(k+1) − β_k)/2α_(k+1))·|v_(k+1)|²             work of the momentum

Insert g_k = (v_(k+1) − β_k v_k)/α_k and 2 v_k·v_(k+1) = |v_k|² + |v_(k+1)|² − |v_(k+1) − v_k|². The bend is the Bregman
divergence D_f(x_(k+1), x_k), at most (L/2)|v_(k+1)|²; so with constant settings and α ≤ 2(1 − β)/L the energy never
rises. Where α grows small the work of the learning rate is large: the same velocity then counts as more energy.
"""

from __future__ import annotations

from typing import Any

__all__ = ["balance", "bregman", "discretisation", "friction", "kinetic", "mass", "work_of_momentum", "work_of_rate"]


def mass(momentum: Any, learning_rate: Any) -> Any:
    """m = β/α; 0 without momentum: such a ball carries nothing.

    >>> mass(0.9, 0.5)
    1.8
    """
    return momentum / learning_rate


def kinetic(mass: Any, displacement: Any) -> Any:
    """(m/2)·d² of one coordinate; the energy of a ball is the sum over its coordinates.

    >>> kinetic(2.0, 3.0)
    9.0
    """
    return mass * (displacement * displacement) / 2.0


def friction(momentum: Any, learning_rate: Any, displacement: Any) -> Any:
    """−((1 − β)/α)·d²: what the forgotten share of the velocity takes, one coordinate.

    Args:
        momentum: β_k.
        learning_rate: α_k > 0.
        displacement: v_(k+1).

    >>> friction(0.5, 1.0, 2.0)
    -2.0
    """
    return -((1.0 - momentum) / learning_rate * (displacement * displacement))


def discretisation(momentum: Any, learning_rate: Any, displacement: Any, displacement_before: Any) -> Any:
    """−(β/2α)·(v_(k+1) − v_k)²: the jerk of a step, which no differential equation has; one coordinate.

    >>> discretisation(0.5, 1.0, 3.0, 1.0)
    -1.0
    """
    change = displacement - displacement_before
    return -(momentum / (2.0 * learning_rate) * (change * change))


def bregman(value: Any, value_before: Any, slope_along: Any) -> Any:
    """D_f(y, x) = f(y) − f(x) − g·(y − x): how far f bends away from its slope on the way of the step.

    Args:
        value: f(y).
        value_before: f(x).
        slope_along: g·(y − x), g being the gradient at x.

    >>> bregman(4.0, 1.0, 2.0)
    1.0
    """
    return value - value_before - slope_along


def work_of_rate(momentum: Any, learning_rate: Any, learning_rate_after: Any, displacement: Any) -> Any:
    """(β_k/2)·(1/α_(k+1) − 1/α_k)·v_(k+1)²: what a change of α puts in, one coordinate.

    >>> work_of_rate(1.0, 1.0, 0.5, 2.0)
    2.0
    """
    return momentum / 2.0 * (1.0 / learning_rate_after - 1.0 / learning_rate) * (displacement * displacement)


def work_of_momentum(momentum: Any, momentum_after: Any, learning_rate_after: Any, displacement: Any) -> Any:
    """((β_(k+1) − β_k)/2α_(k+1))·v_(k+1)²: what a change of β puts in, one coordinate.

    >>> work_of_momentum(0.5, 1.0, 1.0, 2.0)
    1.0
    """
    return (momentum_after - momentum) / (2.0 * learning_rate_after) * (displacement * displacement)


def balance(momentum: Any, learning_rate: Any, displacement: Any, displacement_before: Any, bregman: Any) -> Any:
    """E_(k+1) − E_k with constant settings: friction, jerk and bend, one coordinate.

    Args:
        momentum: β, constant.
        learning_rate: α, constant.
        displacement: d_(k+1).
        displacement_before: d_k.
        bregman: D_f(y, x).

    >>> balance(0.5, 1.0, 1.0, 0.0, 0.0)
    -0.75
    """
    lost = friction(momentum, learning_rate, displacement)
    return bregman + lost + discretisation(momentum, learning_rate, displacement, displacement_before)
