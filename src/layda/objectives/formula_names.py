"""What a typed formula may hold, and how a mistake in one is shown.

The names, the limits and the marker are shared by the two halves of the parser: ``formula_tokens.py`` reads the typed
text, ``formula.py`` checks and evaluates what it means.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from layda.errors import FormulaError, nearest

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "MOST_COORDINATES",
    "MOST_DEPTH",
    "MOST_DIGITS",
    "MOST_EXPONENT",
    "MOST_LENGTH",
    "MOST_NODES",
    "KnownFunction",
    "in_canonical_order",
    "mistake",
    "nearest_name",
]

MOST_LENGTH: Final = 2000
"""The longest text, in characters."""
MOST_NODES: Final = 1000
"""The most numbers, names, operators and calls in one formula."""
MOST_DEPTH: Final = 50
"""The deepest nesting of parentheses, bars, roots, signs and powers of powers."""
MOST_DIGITS: Final = 30
"""The most digits in one number, those of its power of ten included."""
MOST_EXPONENT: Final = 64
"""The largest size of an exponent that is a number: it becomes a chain of products."""
MOST_COORDINATES: Final = 32
"""The most coordinates of one formula."""

_SHOWN_WIDTH = 76
_LONGEST_PRODUCT = 8


@dataclass(frozen=True)
class KnownFunction:
    """A function that a formula may call.

    Attributes:
        name: what it is called in ``layda.functions``.
        arguments: how many arguments it takes.
        help: one line that says what it is.
    """

    name: str
    arguments: int
    help: str


_EACH = (
    KnownFunction("sin", 1, "the sine of x radians"),
    KnownFunction("cos", 1, "the cosine of x radians"),
    KnownFunction("tan", 1, "the tangent of x radians"),
    KnownFunction("exp", 1, "e to the power x"),
    KnownFunction("log", 1, "the natural logarithm of x"),
    KnownFunction("sqrt", 1, "the square root of x, also written √x"),
    KnownFunction("tanh", 1, "the hyperbolic tangent of x"),
    KnownFunction("sinh", 1, "the hyperbolic sine of x"),
    KnownFunction("cosh", 1, "the hyperbolic cosine of x"),
    KnownFunction("arctan", 1, "the angle in radians whose tangent is x"),
    KnownFunction("abs", 1, "the absolute value of x, also written |x|"),
    KnownFunction("sign", 1, "-1, 0 or 1: the sign of x"),
    KnownFunction("floor", 1, "the largest whole number not above x"),
    KnownFunction("minimum", 2, "the smaller one of a and b"),
    KnownFunction("maximum", 2, "the larger one of a and b"),
    KnownFunction("where", 3, "where(condition, a, b): a where the condition holds, else b"),
    KnownFunction("power", 2, "x to the power p, also written x^p"),
)
_ALIASES = {"ln": "log", "atan": "arctan", "min": "minimum", "max": "maximum", "pow": "power"}


def _functions() -> Mapping[str, KnownFunction]:
    table = {entry.name: entry for entry in _EACH}
    return MappingProxyType(table | {alias: table[name] for alias, name in _ALIASES.items()})


FUNCTIONS: Final[Mapping[str, KnownFunction]] = _functions()
"""Every name that may be called, other spellings included."""

CONSTANTS: Final[Mapping[str, float]] = MappingProxyType({"pi": math.pi, "e": math.e, "tau": math.tau})
"""Every name that stands for a number (π and τ may be typed as letters)."""


def in_canonical_order(names: Iterable[str]) -> tuple[str, ...]:
    """The coordinates x, y, z, w first, then x1, x2, … by number, then the others by the alphabet.

    >>> in_canonical_order({"a", "x10", "x2", "y", "x"})
    ('x', 'y', 'x2', 'x10', 'a')
    """

    def rank(name: str) -> tuple[int, str, int]:
        if name in ("x", "y", "z", "w"):
            return 0, "", "xyzw".index(name)
        parts = re.fullmatch(r"([A-Za-z]+)(\d+)", name)
        stem, number = (parts[1], int(parts[2])) if parts else (name, -1)
        return (1 if parts and stem == "x" else 2), stem, number

    return tuple(sorted(set(names), key=rank))


def nearest_name(name: str, coordinates: Iterable[str]) -> str:
    """What may have been meant by a name that is not known.

    >>> nearest_name("squrt", ["x"])
    'did you mean sqrt?'
    >>> nearest_name("xy", [])
    'did you mean x*y?'
    """
    named = list(coordinates)
    letters = {"x", "y", "z"} | {coordinate for coordinate in named if len(coordinate) == 1}
    if set(name) <= letters and len(name) <= _LONGEST_PRODUCT:
        return f"did you mean {'*'.join(name)}?"
    return nearest(name, [*FUNCTIONS, *CONSTANTS, *(coordinate for coordinate in named if len(coordinate) > 1)])


def mistake(text: str, position: int, length: int, sentence: str) -> FormulaError:
    """The error for a mistake at a place of the typed text: one sentence, then the text and a marker below it.

    >>> print(mistake("2 ? x", 2, 1, "The character '?' has no meaning in a formula."))
    The character '?' has no meaning in a formula.
      2 ? x
        ^
    """
    length = max(1, min(length, len(text) - position))
    first = 0
    if len(text) > _SHOWN_WIDTH:
        first = max(0, min(position - _SHOWN_WIDTH // 3, len(text) - _SHOWN_WIDTH))
    last = min(len(text), first + _SHOWN_WIDTH)
    before = "…" if first > 0 else ""
    after = "…" if last < len(text) else ""
    marked = min(position + length, last)
    margin = sum(map(_columns, text[first:position])) + len(before)
    carets = max(1, sum(map(_columns, text[position:marked])))
    shown = "".join(map(_visible, text[first:last]))
    message = f"{sentence}\n  {before}{shown}{after}\n  {' ' * margin}{'^' * carets}"
    return FormulaError(message, text, position, length)


def _visible(character: str) -> str:
    """The character itself, or a stand-in where showing it would break the line (or the console)."""
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def _columns(character: str) -> int:
    """How wide a console shows a character: the marker must stand below its place."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
