"""Formulas as people type them, read safely: text in, a plain Python callable out.

>>> bowl = parse("(x² + y − 11)² + (x + y² − 7)²")
>>> bowl.coordinates, bowl(3.0, 2.0)
(('x', 'y'), 0.0)

What is understood:

- ``+ - * / ^`` and their other spellings ``** × · ÷ −``, superscripts (``x²``, ``x⁻¹``), ``√x``, ``|x|``;
  ``x^2^3`` is x^(2^3) and ``-x^2`` is -(x^2). ``√`` takes the next number, name, call or parenthesis.
- Left-out products: ``2x``, ``3(x+1)``, ``(x+1)(x-1)``, ``x y``, ``2pi x``, ``2 sin(x)``. They bind like written ones,
  from left to right: ``1/2x`` is (1/2)*x. ``2e-3`` is a number, ``x2`` a coordinate, ``xy`` an unknown name.
- The functions in :data:`FUNCTIONS`, the constants pi (π), e and tau (τ), and ``where(x > 0 and y < 1, a, b)``.
- Coordinates of one letter, also numbered (``x1``, ``x_1`` and ``x₁`` are the same); a leading ``f(speed, x) =``
  declares names and fixes their order; a leading ``y =`` is skipped.

Nothing that was typed is ever run. The text is rewritten token by token (``formula_tokens.py``), Python's ``ast`` gives
its structure, a whitelist turns that into a short list of steps, and those are carried out one after the other.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

import layda.functions as functions
from layda.errors import FormulaError, SettingError
from layda.objectives.formula_names import (
    CONSTANTS,
    FUNCTIONS,
    MOST_EXPONENT,
    KnownFunction,
    mistake,
)
from layda.objectives.formula_tokens import Rewritten, rewrite
from layda.program import Traced, apply, arithmetic, kind_of

__all__ = ["CONSTANTS", "FUNCTIONS", "Formula", "KnownFunction", "Step", "parse"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a formula's evaluation on a stack of values.

    Attributes:
        name: "number", "coordinate", "whole power", "real power", or an operation or function that takes its
            arguments from the stack.
        value: the number, the coordinate's index or the fixed exponent.
    """

    name: str
    value: float = 0.0


@dataclass(frozen=True)
class Formula:
    """A checked formula; call it with one value of any kind for each coordinate. Made by :func:`parse`.

    Two formulas are equal when their texts are.

    Attributes:
        text: the formula as typed.
        coordinates: the names of the coordinates, in the order in which they are passed.
        steps: what is carried out, in order.

    >>> parse("x^2/2 + y")(2.0, 1.0)
    3.0
    """

    text: str
    coordinates: tuple[str, ...] = field(compare=False)
    steps: tuple[Step, ...] = field(compare=False, repr=False)

    def __str__(self) -> str:
        """The text as typed."""
        return self.text

    def __call__(self, *coordinates: Any) -> Any:
        """The value at these coordinates: floats, arrays, traced values, SymPy, mpmath, torch or JAX values."""
        if len(coordinates) != len(self.coordinates):
            names = ", ".join(self.coordinates) or "none"
            raise SettingError(
                f"The formula {self.text.strip()} takes {len(self.coordinates)} coordinates ({names}), "
                f"received {len(coordinates)}. Pass one value for each."
            )
        return _evaluate(self.steps, coordinates)


def parse(text: str) -> Formula:
    """Read a typed formula.

    Args:
        text: a formula with at most 32 coordinates and 2000 characters; the top of this module says what is understood.

    Raises:
        FormulaError: the text cannot be read; the message marks the place.

    >>> parse("f(x) = x^4 - 3x^2 + x/2")(2.0)
    5.0
    >>> try:
    ...     parse("x^4 - sin x")
    ... except FormulaError as error:
    ...     print(error)
    The function 'sin' needs its argument in parentheses. Write sin(x).
      x^4 - sin x
            ^^^
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is text, received {type(text).__name__}. Write one such as 'x^4 - 3x^2'.")
    rewritten = rewrite(text)
    compiler = _Compiler(rewritten)
    compiler.value(_tree(rewritten))
    return Formula(text, rewritten.coordinates, tuple(compiler.steps))


def _tree(rewritten: Rewritten) -> ast.expr:
    """The syntax tree; what is typed has been checked so far that Python should never refuse it."""
    try:
        return ast.parse(rewritten.source, mode="eval").body
    except (RecursionError, MemoryError):
        sentence = "The formula is too long or too deeply nested to be read. Shorten it."
    except (SyntaxError, ValueError):
        sentence = "The formula cannot be read. Write it with * between factors and with more parentheses."
    raise mistake(rewritten.text, 0, len(rewritten.text), sentence)


_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


class _Compiler:
    """Turns the syntax tree into steps; whatever is not listed here is refused."""

    def __init__(self, rewritten: Rewritten) -> None:
        self.rewritten = rewritten
        self.steps: list[Step] = []

    def refuse(self, node: ast.expr, sentence: str) -> NoReturn:
        """Refuse a part of the tree."""
        self.rewritten.refuse(node.col_offset, node.end_col_offset or node.col_offset + 1, sentence)

    def _add(self, name: str, value: float = 0.0) -> None:
        self.steps.append(Step(name, value))

    def value(self, node: ast.expr) -> None:
        """Add the steps for a number."""
        # A long sum is one deep branch to the left: a loop walks it, so that recursion stays as shallow as the nesting.
        spine: list[ast.BinOp] = []
        while isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            spine.append(node)
            node = node.left
        self._leaf(node)
        for branch in reversed(spine):
            self.value(branch.right)
            self._add(_BINARY[type(branch.op)])

    def _leaf(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            self._add("number", float(node.value))  # type: ignore[arg-type]
        elif isinstance(node, ast.Name):
            self._name(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            self.value(node.operand)
            if isinstance(node.op, ast.USub):
                self._add("negative")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            self._power(node, node.left, node.right)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            self._call(node, node.func.id)
        elif isinstance(node, (ast.Compare, ast.BoolOp)):
            self.refuse(node, "A comparison may only be the first argument of where. Write where(x > 0, a, b).")
        else:
            self.refuse(node, f"The formula holds a part that is not allowed ({type(node).__name__}). Remove it.")

    def _name(self, node: ast.Name) -> None:
        if node.id in self.rewritten.coordinates:
            self._add("coordinate", self.rewritten.coordinates.index(node.id))
        elif node.id in CONSTANTS:
            self._add("number", CONSTANTS[node.id])
        else:
            self.refuse(node, f"The name '{node.id}' is not known. Write a coordinate such as x.")

    def _call(self, node: ast.Call, name: str) -> None:
        known = FUNCTIONS.get(name)
        if known is None or len(node.args) != known.arguments:
            self.refuse(node, f"The call of '{name}' is not allowed. Known functions: {', '.join(FUNCTIONS)}.")
        if known.name == "power":
            self._power(node, node.args[0], node.args[1])
            return
        first, *others = node.args
        if known.name == "where":
            self.condition(first)
        else:
            self.value(first)
        for argument in others:
            self.value(argument)
        self._add(known.name)

    def _power(self, node: ast.expr, base: ast.expr, exponent: ast.expr) -> None:
        natural = isinstance(base, ast.Name) and base.id == "e"
        if not natural:
            self.value(base)
        start = len(self.steps)
        self.value(exponent)
        written = tuple(self.steps[start:])
        if natural:
            self._add("exp")
        elif any(step.name == "coordinate" for step in written):
            self._add("power")
        else:
            del self.steps[start:]
            self._fixed_power(exponent, float(_evaluate(written, ())))

    def _fixed_power(self, exponent: ast.expr, value: float) -> None:
        if not abs(value) <= MOST_EXPONENT:
            self.refuse(
                exponent,
                f"The exponent is {value:g}; allowed is -{MOST_EXPONENT} to {MOST_EXPONENT}. Write a smaller one.",
            )
        self._add("whole power" if value.is_integer() else "real power", value)

    def condition(self, node: ast.expr) -> None:
        """Add the steps for a condition."""
        if isinstance(node, ast.BoolOp):
            self.condition(node.values[0])
            for value in node.values[1:]:
                self.condition(value)
                self._add("and" if isinstance(node.op, ast.And) else "or")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            self.value(node.left)
            self.value(node.comparators[0])
            self._add(_COMPARISONS[type(node.ops[0])])
        elif isinstance(node, ast.Compare):
            self.refuse(node, "Comparisons cannot be chained. Write them one by one, as in 0 < x and x < 1.")
        else:
            self.refuse(node, "The first argument of where is a comparison, such as x > 0. Write one here.")


def _divide(a: Any, b: Any) -> Any:
    return apply("div", a, b)  # 1/0 is infinite for floats too: leaving the domain is a result, not an exception


def _whole_power(base: Any, exponent: int) -> Any:
    # Floats and arrays take the same chain of products as a traced value: Python's own ** rounds otherwise.
    if type(base) is not Traced and kind_of(base) in ("float", "numpy"):
        return functions.power(base, exponent)
    return base**exponent


_OPERATORS: dict[str, tuple[Callable[..., Any], int]] = {
    "+": (operator.add, 2),
    "-": (operator.sub, 2),
    "*": (operator.mul, 2),
    "/": (_divide, 2),
    "negative": (operator.neg, 1),
    "<": (lambda a, b: apply("lt", a, b), 2),
    "<=": (lambda a, b: apply("le", a, b), 2),
    ">": (lambda a, b: apply("lt", b, a), 2),
    ">=": (lambda a, b: apply("le", b, a), 2),
    "==": (lambda a, b: apply("eq", a, b), 2),
    "!=": (lambda a, b: apply("not", apply("eq", a, b)), 2),
    "and": (functions.both, 2),
    "or": (functions.either, 2),
}
_OPERATIONS = _OPERATORS | {
    known.name: (getattr(functions, known.name), known.arguments) for known in FUNCTIONS.values()
}


def _as_real(value: Any) -> Any:
    """Whole numbers and arrays of them as floats, so that a power of one cannot wrap around; others as they are."""
    if type(value) in (int, bool):
        return float(value)
    whole = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "iub"
    return value.astype(np.float64) if whole else value


def _evaluate(steps: tuple[Step, ...], coordinates: tuple[Any, ...]) -> Any:
    """Carry out the steps, from the first to the last, on a stack of values."""
    coordinates = tuple(_as_real(value) for value in coordinates)
    constant, quiet = _numbers_for(coordinates)
    stack: list[Any] = []
    with np.errstate(all="ignore") if quiet else nullcontext():
        for step in steps:
            if step.name == "number":
                stack.append(constant(step.value))
            elif step.name == "coordinate":
                stack.append(coordinates[int(step.value)])
            elif step.name == "whole power":
                stack.append(_whole_power(stack.pop(), int(step.value)))
            elif step.name == "real power":
                stack.append(functions.power(stack.pop(), step.value))
            else:
                function, count = _OPERATIONS[step.name]
                arguments = stack[-count:]
                del stack[-count:]
                stack.append(function(*arguments))
    return stack.pop()


def _numbers_for(coordinates: tuple[Any, ...]) -> tuple[Callable[[float], Any], bool]:
    """How the formula's own numbers join these coordinates, and whether NumPy must be kept from warning.

    Among traced and SymPy values they become values of that kind at once, so that 1/3 stays a third.
    """
    for value in coordinates:
        if type(value) is Traced:
            return value.graph.constant, False
    kind = kind_of(*coordinates)
    return arithmetic(kind).constant, kind == "numpy"
