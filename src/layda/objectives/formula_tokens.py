"""From text as people type it to the same formula in Python's spelling, with the way back to the typed columns.

The typed text is cut into tokens, and the tokens are rewritten one by one: powers, superscripts, bars and roots get
Python's spelling, left-out products get their sign. What comes out holds only numbers, known names, operators,
parentheses and commas, whatever was typed, and is nested no deeper than allowed.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from layda.objectives.formula_header import refuse_coordinates, split_header
from layda.objectives.formula_lexer import Token, tokens_of
from layda.objectives.formula_names import (
    CONSTANTS,
    FUNCTIONS,
    MOST_COORDINATES,
    MOST_DEPTH,
    MOST_LENGTH,
    MOST_NODES,
    in_canonical_order,
    mistake,
    nearest_name,
)

__all__ = ["Rewritten", "rewrite"]

_COORDINATE = re.compile(r"[A-Za-z](0|[1-9]\d{0,3})?")
_LONGEST_NAME = 30
_OPERAND_STARTS = ("number", "name", "open", "bar", "root")


@dataclass(frozen=True)
class Rewritten:
    """A formula in Python's spelling.

    Attributes:
        text: the text as typed.
        source: the same in Python's spelling, on one line, ASCII only.
        places: for each column of ``source``, the first typed column and the one after the last that it stands for.
        coordinates: the names of the coordinates, in order.
    """

    text: str
    source: str
    places: tuple[tuple[int, int], ...]
    coordinates: tuple[str, ...]

    def refuse(self, first: int, last: int, sentence: str) -> NoReturn:
        """Refuse what stands in columns ``first`` to ``last`` (exclusive) of the source."""
        marked = self.places[first : max(last, first + 1)] or self.places[-1:]
        start = min(place[0] for place in marked)
        raise mistake(self.text, start, max(place[1] for place in marked) - start, sentence)


@dataclass
class _Level:
    """What is open: a parenthesis, a bar or a root; and how many signs and powers hang on each other inside it."""

    kind: str
    opener: Token
    function: Token | None = None
    commas: list[Token] = field(default_factory=list)
    chain: int = 0


def rewrite(text: str) -> Rewritten:
    """The typed formula in Python's spelling.

    >>> rewrite("f(x) = 2x² − |x|").source
    '2*x**2-abs(x)'
    >>> rewrite("x1 (x1 - 1) √2").source
    'x1*(x1-1)*sqrt(2)'
    """
    if len(text) > MOST_LENGTH:
        sentence = f"The formula is {len(text)} characters long; at most {MOST_LENGTH} are allowed. Shorten it."
        raise mistake(text, MOST_LENGTH, 1, sentence)
    if not text.strip():
        raise mistake(text, 0, 1, "The formula is empty. Write one such as x^4 - 3x^2 + x/2.")
    tokens = tokens_of(text)
    declared, body = split_header(text, tokens)
    writer = _Rewriter(text, declared)
    writer.run(body)
    coordinates = in_canonical_order(writer.found) if declared is None else declared
    places = tuple((start, end) for piece, start, end in writer.pieces for _ in piece)
    return Rewritten(text, "".join(piece for piece, _, _ in writer.pieces), places, coordinates)


class _Rewriter:
    """Reads the tokens from left to right, knowing at each whether an operand or an operator must follow."""

    def __init__(self, text: str, declared: tuple[str, ...] | None) -> None:
        self.text = text
        self.declared = declared
        self.found: set[str] = set()
        self.pieces: list[tuple[str, int, int]] = []
        self.levels = [_Level("formula", Token("open", "", 0, 0))]
        self.previous: Token | None = None
        self.after_operand = False
        self.depth = 0
        self.nodes = 0

    def run(self, tokens: list[Token]) -> None:
        for token, following in _with_next(tokens):
            if token.kind == "bad":
                self.refuse(token, token.text)
            if token.kind in _OPERAND_STARTS and self.after_operand and not self._closes(token):
                self._left_out_product(token)
            handler = getattr(self, f"_{token.kind}")
            handler(token, following)
            self.previous = token
        if not self.after_operand:
            last = tokens[-1]
            self.refuse(
                last, f"Nothing follows '{last.typed(self.text)}'. Write a number, a name or a parenthesis after it."
            )
        opener = self.levels[-1].opener
        if len(self.levels) > 1:
            sign, closing = ("(", ")") if self.levels[-1].kind == "parenthesis" else ("|", "|")
            self.refuse(opener, f"The '{sign}' is never closed. Write the matching '{closing}'.")

    def refuse(self, token: Token, sentence: str) -> NoReturn:
        """Refuse a token."""
        raise mistake(self.text, token.start, token.length, sentence)

    def _write(self, piece: str, token: Token) -> None:
        self.nodes += piece not in ("(", ")", ",")
        if self.nodes > MOST_NODES:
            sentence = f"The formula has more than {MOST_NODES} numbers, names, signs and calls. Shorten it."
            self.refuse(token, sentence)
        self.pieces.append((piece, token.start, token.start + token.length))

    def _deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            self.refuse(token, f"The formula is nested more than {MOST_DEPTH} levels deep here. Write it flatter.")

    def _open_level(self, level: _Level) -> None:
        self._deeper(level.opener)
        self.levels.append(level)
        self.after_operand = False

    def _close_level(self) -> None:
        level = self.levels.pop()
        self.depth -= 1 + level.chain

    def _end_chain(self) -> None:
        level = self.levels[-1]
        self.depth -= level.chain
        level.chain = 0

    def _operand_ends(self, token: Token) -> None:
        """After an operand: roots that were waiting for it end with it."""
        while self.levels[-1].kind == "root":
            self._close_level()
            self._write(")", token)
        self.after_operand = True

    def _left_out_product(self, token: Token) -> None:
        if token.kind == "number":
            two = self.previous is not None and self.previous.kind == "number"
            what = "Two numbers stand side by side" if two else "A number follows without a sign"
            self.refuse(token, f"{what}. Write * before it (or ^ for a power).")
        self._end_chain()
        self._write("*", token)
        self.after_operand = False

    def _closes(self, token: Token) -> bool:
        return token.kind == "bar" and self.levels[-1].kind == "bar"

    def _number(self, token: Token, following: Token | None) -> None:
        self._write(token.text, token)
        self._operand_ends(token)

    def _name(self, token: Token, following: Token | None) -> None:
        name = token.text
        if self.declared is not None and name in self.declared:
            pass
        elif name in FUNCTIONS:
            self._function(token, following)
            return
        elif name in CONSTANTS:
            self._write(name, token)
            self._operand_ends(token)
            return
        elif self.declared is not None and _COORDINATE.fullmatch(name):
            declared = ", ".join(self.declared)
            self.refuse(token, f"The name '{name}' is not among the coordinates before '=': {declared}. Add it there.")
        elif not _COORDINATE.fullmatch(name):
            self._unknown(token, following)
        elif name in ("f", "g", "h") and following is not None and following.text == "(":
            self.refuse(token, f"The function '{name}' is not known. Write out what it stands for.")
        self.found.add(name)
        if len(self.found) > MOST_COORDINATES:
            refuse_coordinates(self.text, token)
        self._write(name, token)
        self._operand_ends(token)

    def _function(self, token: Token, following: Token | None) -> None:
        name = token.text
        if following is None or following.kind != "open":
            arguments = "condition, a, b" if name == "where" else ", ".join("xy"[: FUNCTIONS[name].arguments])
            advice = f"Write {name}({arguments})"
            if following is not None and following.text.startswith("**"):
                advice += f", and its power after it: {name}({arguments})^2"
            self.refuse(token, f"The function '{name}' needs its argument in parentheses. {advice}.")
        self._write(name, token)

    def _unknown(self, token: Token, following: Token | None) -> NoReturn:
        name = token.text
        known = self.declared or ()
        if "__" in name:
            self.refuse(token, "A name with two underscores in a row is not allowed in a formula. Use another name.")
        if keyword.iskeyword(name):
            choice = name in ("if", "else", "not")
            advice = "Write choices as where(condition, a, b)." if choice else "Use another name, such as x."
            self.refuse(token, f"The word '{name}' has no meaning in a formula. {advice}")
        if re.fullmatch(r"[A-Za-z]\d+", name):
            self.refuse(token, "A numbered coordinate is written x0, x1, … x9999. Write its number so.")
        shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
        guess = nearest_name(name[:_LONGEST_NAME], known)
        called = following is not None and following.kind == "open"
        offer = self.declared is None and not called and name == shown
        advice = f"To use it as a coordinate, begin with f({name}) = …." if offer else ""
        self.refuse(
            token, f"The name '{shown}' is not known; {guess if guess.endswith('?') else guess + '.'} {advice}".rstrip()
        )

    def _open(self, token: Token, following: Token | None) -> None:
        called = self.previous
        function = called if called is not None and called.kind == "name" and self._is_call(called) else None
        if following is not None and following.kind == "close":
            what = f"The function '{function.text}' has no arguments" if function else "The parentheses are empty"
            self.refuse(token, f"{what}. Write something between '(' and ')'.")
        self._open_level(_Level("parenthesis", token, function))
        self._write("(", token)

    def _is_call(self, name: Token) -> bool:
        return self.pieces[-1] == (name.text, name.start, name.start + name.length) and not self.after_operand

    def _close(self, token: Token, following: Token | None) -> None:
        level = self.levels[-1]
        if not self.after_operand:
            self._nothing_before(token)
        if level.kind != "parenthesis":
            if level.kind == "bar":
                self.refuse(level.opener, "The '|' is never closed. Write the matching '|', or abs( … ).")
            self.refuse(token, "The ')' has no '(' before it. Remove it or write the matching '('.")
        self._check_count(level, token)
        self._close_level()
        self._write(")", token)
        self._operand_ends(token)

    def _check_count(self, level: _Level, close: Token) -> None:
        if level.function is None:
            return
        known = FUNCTIONS[level.function.text]
        received = len(level.commas) + 1
        if received == known.arguments:
            return
        places = "1 argument" if known.arguments == 1 else f"{known.arguments} arguments"
        sentence = f"The function '{level.function.text}' takes {places}, received {received} ({known.help})."
        if any(_is_decimal_comma(self.text, comma) for comma in level.commas):
            sentence += " If a comma was meant as a decimal comma, write a point."
        start = level.function.start
        raise mistake(self.text, start, close.start + 1 - start, sentence)

    def _bar(self, token: Token, following: Token | None) -> None:
        if self.after_operand:
            self._close_level()
            self._write(")", token)
            self._operand_ends(token)
            return
        self._open_level(_Level("bar", token))
        self._write("abs(", token)

    def _root(self, token: Token, following: Token | None) -> None:
        self._open_level(_Level("root", token))
        self._write("sqrt(", token)

    def _comma(self, token: Token, following: Token | None) -> None:
        level = self.levels[-1]
        if level.function is None:
            if _is_decimal_comma(self.text, token):
                self.refuse(token, "A comma stands inside a number. Write a decimal point, as in 1.5.")
            self.refuse(
                token, "A comma may only separate the arguments of a function such as minimum(a, b). Remove it."
            )
        if not self.after_operand:
            self._nothing_before(token)
        level.commas.append(token)
        self._separator(",", token)

    def _nothing_before(self, token: Token) -> NoReturn:
        typed = token.typed(self.text)
        if self.previous is None or token.kind not in ("close", "comma", "bar"):
            self.refuse(
                token, f"The sign '{typed}' has nothing before it. Write a number, a name or a parenthesis there."
            )
        before = self.previous.typed(self.text)
        self.refuse(self.previous, f"Nothing stands between '{before}' and '{typed}'. Write a number or a name there.")

    def _separator(self, piece: str, token: Token) -> None:
        self._end_chain()
        self._write(piece, token)
        self.after_operand = False

    def _operator(self, token: Token, following: Token | None) -> None:
        if self.after_operand and token.text != "**":
            self._separator(token.text, token)
            return
        if not self.after_operand and (token.text not in ("+", "-") or self.levels[-1].kind == "root"):
            self._nothing_before(token)
        # A sign or a power hangs on what follows it: Python's parser goes one level deeper at each.
        self._deeper(token)
        self.levels[-1].chain += 1
        self._write(token.text, token)
        self.after_operand = False

    def _superscript(self, token: Token, following: Token | None) -> None:
        if not self.after_operand:
            self._nothing_before(token)
        self._deeper(token)
        self.levels[-1].chain += 1
        self._write(token.text, token)

    def _comparison(self, token: Token, following: Token | None) -> None:
        if not self.after_operand:
            self._nothing_before(token)
        self._separator(token.text, token)

    def _word(self, token: Token, following: Token | None) -> None:
        if not self.after_operand:
            self._nothing_before(token)
        self._separator(f" {token.text} ", token)

    def _equals(self, token: Token, following: Token | None) -> None:
        self.refuse(token, "A second '=' has no meaning here. Inside where, write == to compare.")


def _with_next(tokens: list[Token]) -> Iterator[tuple[Token, Token | None]]:
    return zip(tokens, [*tokens[1:], None], strict=True)


def _is_decimal_comma(text: str, comma: Token) -> bool:
    return re.fullmatch(r"\d,\d", text[max(0, comma.start - 1) : comma.start + 2], re.ASCII) is not None
