"""The operations that a program is made of, and what each means for each kind of number.

The *elementary* operations are exactly rounded in IEEE 754 arithmetic, so that every machine gives the same bits::

    add sub mul div neg abs sqrt floor fma    lt le eq bit    and or not    select    scale exponent

*Named* operations (sin, exp, …) are registered by ``layda.functions`` with their derivative and their lowering to
elementary ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONDITIONS", "ELEMENTARY", "Operation", "operation", "operations", "register"]


@dataclass(frozen=True)
class Operation:
    """One operation of the straight-line program.

    Attributes:
        name: how programs, tapes and printed code call it.
        arity: the number of arguments.
        derivative: ``derivative(result, *arguments)`` gives the partial derivative by each argument (``None`` where it
            is zero), written with operators and ``layda`` functions. ``None``: the derivative is zero
            everywhere it exists.
        lowering: the same function in elementary operations; ``None`` for elementary operations themselves.
        fused: likewise, for :func:`layda.program.contracted`, which makes a·b + c round once; by default the lowering.
        implementations: for the kinds of number that keep the name ("sympy", "mpmath", "torch", "jax"): the function.
        condition: whether the result is a truth value.
        documentation: one line for people.
    """

    name: str
    arity: int
    derivative: Callable[..., tuple[Any, ...]] | None = None
    lowering: Callable[..., Any] | None = None
    fused: Callable[..., Any] | None = None
    implementations: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    condition: bool = False
    documentation: str = ""


_OPERATIONS: dict[str, Operation] = {}

CONDITIONS = frozenset({"lt", "le", "eq", "bit", "and", "or", "not"})
"""The operations whose result is a truth value."""


def register(new: Operation) -> Operation:
    """Make an operation known; a second one of the same name is refused.

    Raises:
        ValueError: the name is taken.
    """
    if new.name in _OPERATIONS:
        raise ValueError(f"the operation {new.name!r} is registered already; names are given once")
    _OPERATIONS[new.name] = new
    return new


def operation(name: str) -> Operation:
    """The operation of that name.

    >>> operation("add").arity
    2
    """
    return _OPERATIONS[name]


def operations() -> tuple[str, ...]:
    """The names of all operations, elementary ones first."""
    return tuple(_OPERATIONS)


def _div(result: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return 1.0 / b, -(result / b)


def _sqrt(result: Any, a: Any) -> tuple[Any]:
    # At 0 the slope is infinite; 0 keeps |x| = sqrt(x²) and norms usable there, as abs′(0) = 0 does.
    from layda.program.elementary import where

    return (where(result == 0.0, 0.0, 0.5 / result),)


def _scale(result: Any, a: Any, k: Any) -> tuple[Any, Any]:
    from layda.program.elementary import scale

    return scale(1.0, k), None


def _abs(result: Any, a: Any) -> tuple[Any]:
    from layda.program.elementary import where

    return (where(a > 0.0, 1.0, where(a < 0.0, -1.0, 0.0)),)


_DOCUMENTED: dict[str, tuple[int, Callable[..., tuple[Any, ...]] | None, str]] = {
    "add": (2, lambda r, a, b: (1.0, 1.0), "a + b"),
    "sub": (2, lambda r, a, b: (1.0, -1.0), "a − b"),
    "mul": (2, lambda r, a, b: (b, a), "a · b"),
    "div": (2, _div, "a / b"),
    "neg": (1, lambda r, a: (-1.0,), "−a"),
    "abs": (1, _abs, "|a|, with derivative 0 at 0"),
    "sqrt": (1, _sqrt, "the square root, with derivative 0 at 0; NaN below 0"),
    "floor": (1, None, "the largest integer not above a"),
    "fma": (3, lambda r, a, b, c: (b, a, 1.0), "a · b + c, rounded once"),
    "lt": (2, None, "a < b; false when either is NaN"),
    "le": (2, None, "a ≤ b; false when either is NaN"),
    "eq": (2, None, "a = b; false when either is NaN"),
    "bit": (2, None, "whether bit b (0 to 50) of the whole number a is set, in two's complement; |a| < 2^51"),
    "and": (2, None, "both conditions hold"),
    "or": (2, None, "at least one condition holds"),
    "not": (1, None, "the condition does not hold"),
    "select": (3, None, "b where the condition a holds, else c"),
    "scale": (2, _scale, "a · 2^k for a whole number k from −2044 to 2044, as (a·2^⌊k/2⌋)·2^(k − ⌊k/2⌋)"),
    "exponent": (1, None, "floor(log2 |a|) of a finite normal number, exactly"),
}

ELEMENTARY = frozenset(_DOCUMENTED)
"""The operations that every backend can print and that every machine rounds alike."""

for _name, (_arity, _derivative, _words) in _DOCUMENTED.items():
    register(Operation(_name, _arity, derivative=_derivative, condition=_name in CONDITIONS, documentation=_words))
