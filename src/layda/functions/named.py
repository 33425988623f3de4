"""The transcendental operations, registered with ``program/``: name, derivative, lowering, names in other libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from layda.functions import lowering
from layda.program import Operation, apply, register, where

__all__ = ["NAMED"]


def _of(library: str, name: str) -> Callable[..., Any]:
    """The function of that name in a library that is imported when it is first called."""

    def call(*arguments: Any) -> Any:
        import importlib

        module = importlib.import_module(library)
        if library == "torch":
            arguments = tuple(
                value if isinstance(value, module.Tensor) else module.tensor(value, dtype=module.get_default_dtype())
                for value in arguments
            )
        return getattr(module, name)(*arguments)

    return call


def _add(name: str, derivative: Callable[..., tuple[Any, ...]], words: str, arity: int = 1, **other: str) -> None:
    names = {"sympy": name, "mpmath": name, "torch": name, "jax": name} | other
    libraries = {"jax": "jax.numpy"}
    register(
        Operation(
            name,
            arity,
            derivative=derivative,
            lowering=getattr(lowering, name),
            fused=lowering.FUSED.get(name),
            implementations={kind: _of(libraries.get(kind, kind), called) for kind, called in names.items()},
            documentation=words,
        )
    )


def _power(r: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # x^y has no real derivative by y at x ≤ 0; 0 there keeps x^2.5 usable at 0, where only x moves.
    by_exponent = where(x > 0.0, r * apply("log", where(x > 0.0, x, 1.0)), 0.0)
    return y * apply("power", x, y - 1.0), by_exponent


_add("sin", lambda r, x: (apply("cos", x),), "the sine of x radians")
_add("cos", lambda r, x: (-apply("sin", x),), "the cosine of x radians")
_add("tan", lambda r, x: (1.0 + r * r,), "the tangent of x radians")
_add("arctan", lambda r, x: (1.0 / (1.0 + x * x),), "the arc tangent", sympy="atan", mpmath="atan")
_add("exp", lambda r, x: (r,), "e to the power x")
_add("log", lambda r, x: (1.0 / x,), "the natural logarithm")
_add("sinh", lambda r, x: (apply("cosh", x),), "the hyperbolic sine")
_add("cosh", lambda r, x: (apply("sinh", x),), "the hyperbolic cosine")
_add("tanh", lambda r, x: (1.0 - r * r,), "the hyperbolic tangent")
_add("power", _power, "x to the power y", arity=2, sympy="Pow", torch="pow")

NAMED = ("sin", "cos", "tan", "arctan", "exp", "log", "sinh", "cosh", "tanh", "power")
"""The names of the transcendental operations."""
