"""What the operations mean for each kind of number: Python floats, NumPy arrays, SymPy, mpmath, torch, JAX.

Floats and NumPy arrays follow IEEE 754 to the letter (1/0 is infinite, sqrt(−1) is NaN, no exception) and take named
operations in their lowered form, so both give the same bits. The other kinds take named operations by name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from layda.program.operations import operation

__all__ = ["Arithmetic", "arithmetic", "kind_of", "lowered_form"]


@dataclass(frozen=True)
class Arithmetic:
    """The operations for one kind of number.

    Attributes:
        kind: "float", "numpy", "sympy", "mpmath", "torch" or "jax".
        elementary: operation name -> function.
        constant: how a number written in a program becomes a number of this kind.
        lowered: whether named operations are taken in their lowered form.
    """

    kind: str
    elementary: dict[str, Callable[..., Any]]
    constant: Callable[[float], Any]
    lowered: bool

    def apply(self, name: str, *arguments: Any) -> Any:
        """The result of one operation.

        >>> arithmetic("float").apply("div", 1.0, 0.0)
        inf
        """
        known = self.elementary.get(name)
        if known is not None:
            return known(*arguments)
        named = operation(name)
        if self.lowered:
            form = lowered_form(name)
            return form.evaluate(dict(zip(form.inputs, arguments, strict=True)), self)["value"]
        return named.implementations[self.kind](*arguments)


@cache
def lowered_form(name: str) -> Any:
    """The lowered program of a named operation, written down once."""
    from layda.program.tracing import trace

    named = operation(name)
    assert named.lowering is not None, f"the operation {name!r} has neither an elementary meaning nor a lowering"
    return trace(named.lowering, [f"a{index}" for index in range(named.arity)]).lowered


def kind_of(*values: Any) -> str:
    """The kind of number that an operation on these values works with.

    >>> kind_of(1.0, np.zeros(2))
    'numpy'
    """
    found = "float"
    for value in values:
        kind = type(value)
        if kind is float or kind is int or kind is bool:
            continue
        module = kind.__module__.partition(".")[0]
        if module == "numpy":
            found = "numpy" if found == "float" else found
        elif module in ("sympy", "mpmath", "torch"):
            return module
        elif module in ("jax", "jaxlib"):
            return "jax"
        elif not isinstance(value, (float, int)):
            raise TypeError(
                f"cannot compute with {kind.__module__}.{kind.__qualname__}: allowed are Python and NumPy numbers, "
                "SymPy, mpmath, torch and JAX values, and traced values"
            )
    return found


# --- Python floats: IEEE results where Python would raise -----------------------------------------------------------


def _float_div(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        if a != a or a == 0.0:
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)


def _float_sqrt(a: float) -> float:
    return math.sqrt(a) if a >= 0.0 else math.nan


def _float_floor(a: float) -> float:
    if a - a != 0.0 or a == 0.0:  # not finite, or a zero whose sign must stay
        return a
    return float(math.floor(a))


def _float_scale(a: float, k: float) -> float:
    # Outside its range it is unspecified, but it must not raise: selects evaluate both branches.
    if -2044.0 <= k <= 2044.0:
        half = math.floor(k * 0.5)
        return (a * math.ldexp(1.0, half)) * math.ldexp(1.0, int(k) - half)
    return math.nan


def _float_bit(a: float, place: float) -> bool:
    return -(2.0**51) < a < 2.0**51 and bool(int(a) >> int(place) & 1)


def _float_exponent(a: float) -> float:
    if a - a != 0.0 or a == 0.0:
        return 0.0
    return float(math.frexp(a)[1] - 1)


def _float_fma(a: float, b: float, c: float) -> float:
    plain = a * b + c
    if plain - plain != 0.0 and not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return plain
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:  # then a·b is a float, and the plain sum has the right sign of zero
        return plain
    try:
        return exact.numerator / exact.denominator  # the quotient of whole numbers is rounded once
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _float_operations() -> dict[str, Callable[..., Any]]:
    return {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": _float_div,
        "neg": operator.neg,
        "abs": operator.abs,
        "sqrt": _float_sqrt,
        "floor": _float_floor,
        "fma": _float_fma,
        "lt": operator.lt,
        "le": operator.le,
        "eq": operator.eq,
        "bit": _float_bit,
        "and": lambda a, b: a and b,
        "or": lambda a, b: a or b,
        "not": operator.not_,
        "select": lambda c, a, b: a if c else b,
        "scale": _float_scale,
        "exponent": _float_exponent,
    }


# --- NumPy ----------------------------------------------------------------------------------------------------------


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    def silent(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return silent


def _numpy_scale(a: Any, k: Any) -> Any:
    inside = (k >= -2044.0) & (k <= 2044.0)
    whole = np.where(inside, k, 0.0)
    half = np.floor(whole * 0.5)
    first, second = (np.ldexp(1.0, part.astype(np.int64)) for part in (half, whole - half))
    return np.where(inside, (a * first) * second, np.nan)


def _numpy_bit(a: Any, place: Any) -> Any:
    whole = np.where(np.abs(a) < 2.0**51, a, 0.0).astype(np.int64)
    return (whole >> np.asarray(place).astype(np.int64)) & 1 != 0


def _numpy_exponent(a: Any) -> Any:
    usable = np.isfinite(a) & (np.asarray(a) != 0.0)
    return np.where(usable, np.frexp(np.where(usable, a, 1.0))[1] - 1.0, 0.0)


def _numpy_operations() -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "neg": np.negative,
        "abs": np.abs,
        "sqrt": np.sqrt,
        "floor": np.floor,
        "fma": np.vectorize(_float_fma, otypes=[np.float64]),
        "lt": np.less,
        "le": np.less_equal,
        "eq": np.equal,
        "bit": _numpy_bit,
        "and": np.logical_and,
        "or": np.logical_or,
        "not": np.logical_not,
        "select": np.where,
        "scale": _numpy_scale,
        "exponent": _numpy_exponent,
    }
    return {name: _quiet(function) for name, function in table.items()}


# --- symbols and frameworks: operators of their own -----------------------------------------------------------------


def _operators() -> dict[str, Callable[..., Any]]:
    table = _float_operations()
    table["div"] = operator.truediv
    table["fma"] = lambda a, b, c: a * b + c
    return table


def _sympy_operations() -> dict[str, Callable[..., Any]]:
    import sympy

    def select(condition: Any, a: Any, b: Any) -> Any:
        return sympy.Piecewise((a, condition), (b, True))

    return _operators() | {
        "abs": sympy.Abs,
        "sqrt": sympy.sqrt,
        "floor": sympy.floor,
        "lt": sympy.StrictLessThan,
        "le": sympy.LessThan,
        "eq": sympy.Eq,
        "and": sympy.And,
        "or": sympy.Or,
        "not": sympy.Not,
        "select": select,
        "bit": lambda a, place: sympy.Eq(sympy.Mod(sympy.floor(a / 2**place), 2), 1),
        "scale": lambda a, k: a * sympy.Integer(2) ** k,
        "exponent": lambda a: sympy.floor(sympy.log(sympy.Abs(a), 2)),
    }


def _sympy_constant(value: float) -> Any:
    import sympy

    if value - value != 0.0:
        return sympy.nan if value != value else (sympy.oo if value > 0 else -sympy.oo)
    # The shortest decimal that names this float is what its author wrote: 0.1 is a tenth.
    return sympy.Rational(repr(value))


def _mpmath_operations() -> dict[str, Callable[..., Any]]:
    import mpmath

    return _operators() | {
        "sqrt": lambda a: mpmath.sqrt(a) if a >= 0 else mpmath.nan,
        "floor": mpmath.floor,
        "bit": lambda a, place: bool(int(a) >> int(place) & 1),
        "scale": lambda a, k: mpmath.ldexp(a, int(k)),
        "exponent": lambda a: mpmath.floor(mpmath.log(abs(a), 2)),
    }


def _mpmath_constant(value: float) -> Any:
    import mpmath

    return mpmath.mpf(value)


def _torch_operations() -> dict[str, Callable[..., Any]]:
    import torch

    def tensor(value: Any) -> Any:
        return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.get_default_dtype())

    def select(condition: Any, a: Any, b: Any) -> Any:
        if not isinstance(condition, torch.Tensor):
            return a if condition else b
        return torch.where(condition, a, b)

    return _operators() | {
        "sqrt": lambda a: torch.sqrt(tensor(a)),
        "floor": lambda a: torch.floor(tensor(a)),
        "and": lambda a, b: a & b,
        "or": lambda a, b: a | b,
        "not": lambda a: ~a if isinstance(a, torch.Tensor) else not a,
        "select": select,
        "bit": lambda a, place: a.to(torch.int64) >> int(place) & 1 != 0,
        "scale": lambda a, k: torch.ldexp(tensor(a), k.to(torch.int32)),
        "exponent": lambda a: (torch.frexp(a)[1] - 1).to(a.dtype),
    }


def _jax_operations() -> dict[str, Callable[..., Any]]:
    import jax.numpy as jnp

    return _operators() | {
        "sqrt": jnp.sqrt,
        "floor": jnp.floor,
        "and": jnp.logical_and,
        "or": jnp.logical_or,
        "not": jnp.logical_not,
        "select": jnp.where,
        "bit": lambda a, place: jnp.floor(a * 2.0**-place) % 2.0 == 1.0,
        "scale": lambda a, k: jnp.ldexp(a, k.astype(jnp.int32)),
        "exponent": lambda a: jnp.frexp(a)[1] - 1.0,
    }


def _same(value: float) -> Any:
    return value


@cache
def arithmetic(kind: str) -> Arithmetic:
    """The operations for one kind of number ("float", "numpy", "sympy", "mpmath", "torch", "jax")."""
    if kind == "float":
        return Arithmetic(kind, _float_operations(), _same, lowered=True)
    if kind == "numpy":
        return Arithmetic(kind, _numpy_operations(), _same, lowered=True)
    if kind == "sympy":
        return Arithmetic(kind, _sympy_operations(), _sympy_constant, lowered=False)
    if kind == "mpmath":
        return Arithmetic(kind, _mpmath_operations(), _mpmath_constant, lowered=False)
    if kind == "torch":
        return Arithmetic(kind, _torch_operations(), _same, lowered=False)
    if kind == "jax":
        return Arithmetic(kind, _jax_operations(), _same, lowered=False)
    raise ValueError(f"no arithmetic for {kind!r}; known: float, numpy, sympy, mpmath, torch, jax")
