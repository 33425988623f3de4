"""The energies of a ball: what its height stores and what its motion carries.

::

    potential_k = f(x_k)          kinetic_k = (m/2)·|d_k|²,  d_k = x_k − x_(k−1),  m = β/α₀

With constant α and β the total E_k = f(x_k) + (β/2α)|d_k|² obeys an exact balance (see :func:`balance`). When α changes
the mass stays that of the first rate: (β/2α_k)|d|² would grow without bound as α_k vanishes.
"""

from __future__ import annotations

from typing import Any

__all__ = ["balance", "kinetic", "mass"]


def mass(momentum: Any, learning_rate: Any) -> Any:
    """m = β/α₀; 0 without momentum: such a ball carries nothing.

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


def balance(momentum: Any, learning_rate: Any, displacement: Any, displacement_before: Any, bregman: Any) -> Any:
    """E_(k+1) − E_k = −((1 − β)/α)|d_(k+1)|² − (β/2α)|d_(k+1) − d_k|² + D_f(x_(k+1), x_k), one coordinate.

    Args:
        momentum: β, constant.
        learning_rate: α, constant.
        displacement: d_(k+1).
        displacement_before: d_k.
        bregman: D_f(y, x) = f(y) − f(x) − f′(x)(y − x).

    Source: heavy ball (form "velocity"): insert g_k = (β d_k − d_(k+1))/α into the definition of D_f.

    >>> balance(0.5, 1.0, 1.0, 0.0, 0.0)
    -0.75
    """
    friction = (1.0 - momentum) / learning_rate * (displacement * displacement)
    change = displacement - displacement_before
    jerk = momentum / (2.0 * learning_rate) * (change * change)
    return bregman - friction - jerk
