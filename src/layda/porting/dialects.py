"""How the libraries spell what a program says."""

from __future__ import annotations

from layda.porting.expressions import Dialect

__all__ = ["JAX", "KERAS", "KNOWN", "PYTHON", "TORCH"]

_SAME = ("abs", "sqrt", "floor", "sign", "sin", "cos", "tan", "exp", "log", "sinh", "cosh", "tanh")


def _of(prefix: str, **other: str) -> dict[str, str]:
    return {name: f"{prefix}.{name}" for name in _SAME} | {name: f"{prefix}.{text}" for name, text in other.items()}


def _library(prefix: str, arctan: str) -> Dialect:
    return Dialect(
        _of(prefix, arctan=arctan),
        lambda condition, a, b: f"{prefix}.where({condition}, {a}, {b})",
        lambda a, b: f"{prefix}.minimum({a}, {b})",
        lambda a, b: f"{prefix}.maximum({a}, {b})",
    )


TORCH = Dialect(
    _of("torch", arctan="atan"),
    lambda condition, a, b: f"torch.where({condition}, {a}, {b})",
    lambda a, b: f"torch.where({a} < {b}, {a}, {b})",  # torch.minimum takes no plain numbers
    lambda a, b: f"torch.where({a} > {b}, {a}, {b})",
)
JAX = _library("jnp", "arctan")
KERAS = _library("keras.ops", "arctan")
PYTHON = Dialect(
    _of("math", arctan="atan") | {"abs": "abs", "sign": "sign"},
    lambda condition, a, b: f"({a} if {condition} else {b})",
    lambda a, b: f"min({a}, {b})",
    lambda a, b: f"max({a}, {b})",
    ("and", "or", "not "),
)

KNOWN = frozenset(JAX.functions) | {
    "input", "const", "add", "sub", "mul", "div", "neg", "fma", "power", "lt", "le", "eq", "and", "or", "not", "select",
}  # fmt: skip
"""The operations that can be written in every library."""
