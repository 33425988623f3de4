"""A heavy ball is a body that rolls: from α and β to mass, friction and time step, and back.

::

    m ẍ + γ ẋ = −∇f,  time step Δt

*First order* (Qian 1999, Neural Networks 12(1), eq. 8–10): the backward difference of ẋ gives, for any mass,
α = Δt²/(m + γΔt) and β = m/(m + γΔt).

*Second order*: central differences of ẍ and ẋ with m = 1 give α = Δt²/(1 + γΔt/2) and β = (1 − γΔt/2)/(1 + γΔt/2); so
Δt = √(2α/(1 + β)) and γ = (1 − β)·√(2/(α(1 + β))).
"""

from __future__ import annotations

from dataclasses import dataclass

from layda.errors import SettingError

__all__ = ["Body", "as_body", "settings_of"]


@dataclass(frozen=True)
class Body:
    """m ẍ + γ ẋ = −∇f, followed with a time step.

    Attributes:
        mass: m ≥ 0. friction: γ ≥ 0. time_step: Δt > 0.
    """

    mass: float
    friction: float
    time_step: float

    @property
    def memory(self) -> float:
        """m/γ, the time after which friction has taken 1 − 1/e of a speed; infinite without friction."""
        return self.mass / self.friction if self.friction > 0.0 else float("inf")


def as_body(learning_rate: float, momentum: float, *, time_step: float | None = None) -> Body:
    """The body whose equation of motion a heavy ball follows.

    Args:
        learning_rate: α > 0 of the form "velocity".
        momentum: β from 0 to 1.
        time_step: Δt of the first-order map, which leaves it free. Without it: the second-order map, with m = 1.

    Raises:
        SettingError: a number out of its range.

    >>> body = as_body(0.01, 0.9)
    >>> round(body.time_step, 6), round(body.friction, 6)
    (0.102598, 1.025978)
    >>> as_body(0.5, 0.5, time_step=1.0)
    Body(mass=1.0, friction=1.0, time_step=1.0)
    """
    _check("learning_rate", learning_rate, above=True)
    _check("momentum", momentum, most=1.0)
    if time_step is None:
        step = (2.0 * learning_rate / (1.0 + momentum)) ** 0.5
        return Body(1.0, (1.0 - momentum) * (2.0 / (learning_rate * (1.0 + momentum))) ** 0.5, step)
    _check("time_step", time_step, above=True)
    whole = time_step * time_step / learning_rate  # m + γΔt
    return Body(momentum * whole, (1.0 - momentum) * whole / time_step, float(time_step))


def settings_of(body: Body, *, order: int = 2) -> dict[str, float]:
    """α and β of the heavy ball that follows a body.

    Args:
        body: mass, friction and time step.
        order: 2 for central differences, 1 for Qian's backward one.

    Returns:
        ``{"learning_rate": α, "momentum": β}``; β is negative where friction is too strong for the time step in the
        second-order map (γΔt > 2m).

    Raises:
        SettingError: a number out of its range, another order.

    >>> {name: round(value, 9) for name, value in settings_of(as_body(0.01, 0.9)).items()}
    {'learning_rate': 0.01, 'momentum': 0.9}
    """
    _check("mass", body.mass)
    _check("friction", body.friction)
    _check("time_step", body.time_step, above=True)
    step, drag = body.time_step, body.friction * body.time_step
    if body.mass + drag <= 0.0:
        raise SettingError("mass and friction are both 0: nothing resists the force; one of them must be above 0")
    if order == 1:
        return {"learning_rate": step * step / (body.mass + drag), "momentum": body.mass / (body.mass + drag)}
    if order != 2:
        raise SettingError(f"order is {order!r}; allowed are 1 (Qian's map) and 2 (central differences)")
    whole = body.mass + 0.5 * drag
    return {"learning_rate": step * step / whole, "momentum": (body.mass - 0.5 * drag) / whole}


def _check(name: str, value: float, above: bool = False, most: float = float("inf")) -> None:
    if not (value > 0.0 if above else value >= 0.0) or not value <= most or value == float("inf"):
        low = "above 0" if above else "from 0"
        raise SettingError(
            f"{name} is {value!r}; allowed is a finite number {low}" + ("" if most > 1e300 else f" to {most:g}")
        )
