"""What the tests of this room share: optax's two problems, a 64-bit context, and every rule with a rate to suit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from layda.rule import Rule
from layda.schedules import ExponentialDecay
from tests.cases import RULES

__all__ = ["TUNED", "every_rule", "identity", "in_64_bits", "parabola", "rosenbrock", "together"]

every_rule = pytest.mark.parametrize("index", range(len(RULES)), ids=lambda index: identity(RULES[index]))
"""One test for each of ``RULES`` by its place in the list, where one compilation serves them all."""


def in_64_bits(on: bool = True) -> Any:
    """A context with ``jax_enable_x64``, whatever JAX calls it; it leaves the setting as it was."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(on)
    from jax.experimental import enable_x64

    return enable_x64(on)


def squared(value: Any) -> Any:
    return value.real**2 + value.imag**2


def parabola(dtype: Any) -> tuple[Any, Any, Any]:
    """Start, minimum and function, as in optax's ``alias_test``."""
    final = jnp.array([1.0, -1.0, 1.0], dtype)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        final *= 1 + 1j
    return jnp.array([-1.0, 10.0, 1.0], dtype), final, lambda params: jnp.sum(squared(params - final))


def rosenbrock(dtype: Any) -> tuple[Any, Any, Any]:
    """Likewise."""
    a = 1 + 1j if jnp.issubdtype(dtype, jnp.complexfloating) else 1.0
    final = jnp.array([a, a**2], dtype)
    return (
        jnp.array([0.0, 0.0], dtype),
        final,
        lambda params: squared(a - params[0]) + 100.0 * squared(params[1] - params[0] ** 2),
    )


_RATES = {
    "adam": 0.01, "adamw": 0.01, "nadam": 0.01, "nesterov": 0.0003, "lion": ExponentialDecay(0.02, 0.999),
    "sign-momentum": ExponentialDecay(0.02, 0.999), "schedule-free": 0.01, "quasi-hyperbolic": 0.002,
}  # fmt: skip


def _tuned(rule: Rule) -> Rule:
    changed: dict[str, Any] = {"learning_rate": _RATES.get(rule.name, 0.001)}
    if getattr(rule, "form", "") == "average":
        changed["learning_rate"] = 0.01
    if rule.decays_weights:
        changed["weight_decay"] = 1e-4  # as optax's: more of it would move the minimum
    if rule.name == "quasi-hyperbolic":
        changed["momentum"] = 0.9  # .999 swings for longer than the test lasts
    return replace(rule, **changed)


TUNED = tuple(_tuned(rule) for rule in RULES)
"""Every rule of ``RULES`` with a rate that solves both problems in 40,000 steps."""


def identity(rule: Rule) -> str:
    """The name of a test case."""
    return str(rule)


def together(transforms: list[Any]) -> Any:
    """Many transformations as one compiled ``update(gradients, states, params)``: lists of updates and of states."""

    @jax.jit
    def update(gradients: Any, states: list[Any], params: Any) -> tuple[list[Any], list[Any]]:
        found = [one.update(gradients, state, params) for one, state in zip(transforms, states, strict=True)]
        return [updates for updates, _ in found], [state for _, state in found]

    return update
