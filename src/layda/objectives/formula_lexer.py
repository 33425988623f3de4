"""Cutting a typed formula into tokens, each with its place; what cannot be a token is kept as a refusal for later."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from layda.objectives.formula_names import MOST_DIGITS

__all__ = ["Token", "tokens_of"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the typed text.

    Attributes:
        kind: "number", "name", "word" (and, or), "operator", "superscript", "comparison", "open", "close", "bar",
            "root", "comma", "equals"; or "bad", whose text is the sentence that refuses it.
        text: the piece in Python's spelling.
        start: its first column in the typed text.
        length: how many columns it takes there.
    """

    kind: str
    text: str
    start: int
    length: int

    def typed(self, text: str) -> str:
        """The piece as it was typed."""
        return text[self.start : self.start + self.length]


_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*[₀-₉]*")
_SUPERSCRIPT = re.compile(r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_SIGN = re.compile(r"\*\*|<=|>=|==|!=|[-+*/^(),|<>=≤≥≠−–—×·⋅∗÷√πτ]")

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SPELLINGS = {
    "operator": {
        "+": "+", "-": "-", "−": "-", "–": "-", "—": "-", "*": "*", "×": "*", "·": "*", "⋅": "*", "∗": "*",
        "/": "/", "÷": "/", "^": "**", "**": "**",
    },
    "comparison": {
        "<": "<", ">": ">", "<=": "<=", ">=": ">=", "==": "==", "!=": "!=", "≤": "<=", "≥": ">=", "≠": "!=",
    },
    "open": {"(": "("}, "close": {")": ")"}, "bar": {"|": "|"}, "comma": {",": ","}, "equals": {"=": "="},
    "root": {"√": "√"}, "name": {"π": "pi", "τ": "tau"},
}  # fmt: skip
_SIGNS = {typed: (kind, text) for kind, table in _SPELLINGS.items() for typed, text in table.items()}

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ADVICE = {
    "'": "Text in quotes is not allowed in a formula. Remove it.",
    '"': "Text in quotes is not allowed in a formula. Remove it.",
    "`": "Text in quotes is not allowed in a formula. Remove it.",
    ".": "A point may only stand inside a number, as in 1.5 (attributes such as x.name are not allowed).",
    "[": "Square brackets are not allowed. Write round ones: ( … ).",
    "]": "Square brackets are not allowed. Write round ones: ( … ).",
    "{": "Curly brackets are not allowed. Write round ones: ( … ).",
    "}": "Curly brackets are not allowed. Write round ones: ( … ).",
    ":": "A colon has no meaning in a formula. For a quotient write /.",
    ";": "A semicolon has no meaning in a formula. Write one formula alone.",
    "%": "The sign '%' has no meaning in a formula. For a remainder write x - a*floor(x/a), for percent divide by 100.",
    "!": "The sign '!' has no meaning in a formula (factorials are not known). Write the number out.",
    "&": "The sign '&' has no meaning in a formula. Inside where, join comparisons by the word and.",
    "∛": "The sign '∛' is not known. Write a power, as in x^(1/3).",
}


def tokens_of(text: str) -> list[Token]:
    """The tokens of a typed formula, from left to right.

    >>> [token.text for token in tokens_of("2x₁² ≤ π")]
    ['2', 'x1', '**2', '<=', 'pi']
    """
    found: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        character = text[position]
        inner_line_end = character in _LINE_ENDS and found
        if character.isspace() and not inner_line_end:
            position += 1
            continue
        token = _token_at(text, position)
        found.append(token)
        position += token.length
    return found


def _token_at(text: str, start: int) -> Token:
    if match := _NUMBER.match(text, start):
        return _number(text, match)
    if match := _NAME.match(text, start):
        return _name(match)
    if match := _SUPERSCRIPT.match(text, start):
        power = match[0].translate(_RAISED)
        if len(power) > MOST_DIGITS:
            return _bad(match, _too_many_digits(len(power)))
        return Token("superscript", f"**{int(power)}", start, len(match[0]))
    if text.startswith("//", start):
        return Token(
            "bad", "The sign '//' has no meaning in a formula. For a whole quotient write floor(x/a).", start, 2
        )
    if match := _SIGN.match(text, start):
        kind, spelling = _SIGNS[match[0]]
        return Token(kind, spelling, start, len(match[0]))
    return Token("bad", _why_not(text[start]), start, 1)


def _bad(match: re.Match[str], sentence: str) -> Token:
    return Token("bad", sentence, match.start(), match.end() - match.start())


def _too_many_digits(count: int) -> str:
    return f"The number has {count} digits; at most {MOST_DIGITS} are allowed. Write it shorter, as in 1.5e10."


def _number(text: str, match: re.Match[str]) -> Token:
    typed = match[0]
    digits = sum(character.isdigit() for character in typed)
    if digits > MOST_DIGITS:
        return _bad(match, _too_many_digits(digits))
    value = float(typed)
    if math.isinf(value):
        return _bad(match, f"The number {typed} is too large: the largest is about 1.8e308.")
    if value == 0.0 and any(character in "123456789" for character in match[1]):
        return _bad(
            match, f"The number {typed} is too small: below about 5e-324 it would be 0. Write 0 or a larger one."
        )
    rest = text[match.end() : match.end() + 2]
    if rest[:1] == "_":
        return _bad(match, "An underscore follows a number. Write its digits together, as in 1000.")
    if rest[:1] == ".":
        return _bad(match, "A second point follows a number. A number has one decimal point, as in 1.5.")
    if typed == "0" and re.fullmatch(r"[xXbBoO][0-9]", rest):
        return _bad(match, "A number starts like 0x or 0b. Write it in decimal digits (or 0*x1 for a product).")
    # Python refuses leading zeros in whole numbers; people type them.
    spelling = str(int(typed)) if typed.isdigit() else typed
    return Token("number", spelling, match.start(), len(typed))


def _name(match: re.Match[str]) -> Token:
    name = match[0].translate(_LOWERED)
    kind = "word" if name in ("and", "or") else "name"
    numbered = re.fullmatch(r"([A-Za-z])_(\d+)", name, re.ASCII)
    if numbered:
        name = numbered[1] + numbered[2]  # x_1, x₁ and x1 are one coordinate
    return Token(kind, name, match.start(), len(match[0]))


def _why_not(character: str) -> str:
    if character in _LINE_ENDS:
        return "A line ends in the middle of the formula. Write it on one line."
    if character in _ADVICE:
        return _ADVICE[character]
    name = unicodedata.name(character, "")
    code = f"U+{ord(character):04X}" + (f", {name}" if name else "")
    if not character.isprintable():
        return f"A character that cannot be seen ({code}) is not allowed in a formula. Remove it."
    if character.isalpha():
        return (
            f"The letter '{character}' ({code}) is not allowed in a formula. Names are written with a-z, A-Z and 0-9."
        )
    if character.isnumeric():
        return f"The digit '{character}' ({code}) is not allowed here. Write numbers with 0-9."
    return (
        f"The character '{character}' ({code}) has no meaning in a formula. "
        "Allowed are numbers, names, + - * / ^, parentheses and |x|."
    )
