"""The part before ``=`` of a typed formula, as in ``f(x, y) = …``: it names the coordinates and fixes their order."""

from __future__ import annotations

import keyword
import re
from typing import NoReturn

from layda.objectives.formula_lexer import Token
from layda.objectives.formula_names import CONSTANTS, FUNCTIONS, MOST_COORDINATES, mistake

__all__ = ["refuse_coordinates", "split_header"]


def split_header(text: str, tokens: list[Token]) -> tuple[tuple[str, ...] | None, list[Token]]:
    """The coordinates that a leading ``f(x, y) =`` declares (None without one), and the tokens after it.

    >>> from layda.objectives.formula_lexer import tokens_of
    >>> declared, body = split_header("f(y, x) = 2x", tokens_of("f(y, x) = 2x"))
    >>> declared, [token.text for token in body]
    (('y', 'x'), ['2', 'x'])
    """
    index = next((index for index, token in enumerate(tokens) if token.kind == "equals"), None)
    if index is None:
        return None, tokens
    equals, head, body = tokens[index], tokens[:index], tokens[index + 1 :]
    for token in head:
        if token.kind == "bad":
            raise mistake(text, token.start, token.length, token.text)
    kinds = " ".join(token.kind for token in head)
    if not re.fullmatch(r"name( open name( comma name)* close)?", kinds):
        sentence = (
            "The sign '=' may only follow a name at the start, as in f(x) = … or y = …. Write the function alone; "
            "inside where, write == to compare."
        )
        raise mistake(text, equals.start, equals.length, sentence)
    if not body:
        raise mistake(text, equals.start, equals.length, "Nothing follows the sign '='. Write the formula after it.")
    names = [token for token in head if token.kind == "name"]
    for token in names:
        _check_declared(text, token)
    if len(names) == 1:
        for token in body:
            if token.kind == "name" and token.text == names[0].text:
                sentence = (
                    f"The name '{token.text}' stands on both sides of '='. To use it as a coordinate, leave out "
                    f"'{token.text} =' or write f({token.text}) = …."
                )
                raise mistake(text, token.start, token.length, sentence)
        return None, body
    seen: set[str] = set()
    for token in names[1:]:
        if token.text in seen:
            raise mistake(
                text, token.start, token.length, f"The coordinate '{token.text}' is named twice. Name it once."
            )
        seen.add(token.text)
        if len(seen) > MOST_COORDINATES:
            refuse_coordinates(text, token)
    return tuple(token.text for token in names[1:]), body


def _check_declared(text: str, token: Token) -> None:
    if token.text in FUNCTIONS or token.text in CONSTANTS:
        problem = f"The name '{token.text}' is taken: it is a known {_kind_of_name(token.text)}."
    elif keyword.iskeyword(token.text) or "__" in token.text:
        problem = f"The name '{token.text}' cannot name a coordinate or a function."
    else:
        return
    raise mistake(text, token.start, token.length, f"{problem} Use another one, such as x or f.")


def _kind_of_name(name: str) -> str:
    return "function" if name in FUNCTIONS else "constant"


def refuse_coordinates(text: str, token: Token) -> NoReturn:
    """Refuse the coordinate that is one too many."""
    sentence = f"The coordinate '{token.text}' is one too many: a formula has at most {MOST_COORDINATES} coordinates."
    raise mistake(text, token.start, token.length, sentence)
