"""Reading settings from text: numbers, words, tuples and calls, through a whitelist over Python's ``ast``.

Nothing that a user types is evaluated; what is not on the list is refused.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any

from layda.errors import SpecError

__all__ = ["Call", "read_call", "read_value", "split_options", "split_top"]

_LONGEST = 2000
_DEEPEST = 8
_MOST_NODES = 400
_LARGEST = 1e300


@dataclass(frozen=True)
class Call:
    """``Name(1, key=2)`` as it was written."""

    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]


def _tree(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise SpecError(f"a text of {len(text)} characters; allowed are at most {_LONGEST}")
    # Deep nesting would exhaust the parser itself, so brackets are counted before it sees them.
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise SpecError(f"brackets are nested {deepest} deep; allowed is {_DEEPEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise SpecError(f"{shown(text)} cannot be read; write a number, a word, (1, 2) or Name(key=value)") from None
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise SpecError(f"{shown(text)} has too many parts; allowed are {_MOST_NODES}")
    return tree


def shown(text: str) -> str:
    """The text in quotes, shortened."""
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
            raise SpecError(f"the number {shown(str(value)[:40])} is too large; allowed is up to 1e300")
        return value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, text)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(item, text) for item in node.elts)
    if isinstance(node, ast.Call):
        return _call(node, text)
    if isinstance(node, ast.Name):
        words = {"true": True, "false": False, "none": None, "inf": math.inf, "nan": math.nan}
        return words.get(node.id.lower(), node.id)
    raise SpecError(f"{shown(text)}: {shown(ast.unparse(node))} is not allowed; write a number, a word, (1, 2) or Name(…)")


def _name(node: ast.expr) -> str | None:
    """A plain or dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
        inner = _name(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def _call(node: ast.Call, text: str) -> Call:
    name = _name(node.func)
    if name is None or any(isinstance(item, ast.Starred) for item in node.args):
        raise SpecError(f"{shown(text)}: only Name(value, key=value) is allowed as a call")
    keywords: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise SpecError(f"{shown(text)}: ** is not allowed; write key=value")
        if keyword.arg in keywords:
            raise SpecError(f"{shown(text)}: {keyword.arg} is given twice; give it once")
        keywords[keyword.arg] = _value(keyword.value, text)
    return Call(name, tuple(_value(item, text) for item in node.args), keywords)


def read_value(text: str) -> Any:
    """A number, a word, true/false, a tuple, or a :class:`Call`.

    >>> read_value("(0, 0.9)"), read_value("step"), read_value("1e-3")
    ((0, 0.9), 'step', 0.001)
    """
    if text.strip().replace("-", "_").replace(".", "_").isidentifier() and not text.strip()[0].isdigit():
        text = text.strip()
        return _value(ast.Name(id=text), text)
    return _value(_tree(text), text)


def read_call(text: str) -> Call:
    """A call such as ``SGD(lr=0.1)``."""
    node = _tree(text)
    if not isinstance(node, ast.Call):
        raise SpecError(f"{shown(text)} is no call; write Name(key=value)")
    return _call(node, text)


def split_top(text: str, separator: str) -> list[str]:
    """Split at separators that stand outside brackets.

    >>> split_top("a=1,b=(2,3)", ",")
    ['a=1', 'b=(2,3)']
    """
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == separator and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def split_options(text: str, owner: str) -> dict[str, Any]:
    """``key=value,key=value`` as a dict of values.

    >>> split_options("momentum=0.9,form=step", "heavy-ball")
    {'momentum': 0.9, 'form': 'step'}
    """
    if len(text) > _LONGEST:
        raise SpecError(f"a text of {len(text)} characters; allowed are at most {_LONGEST}")
    found: dict[str, Any] = {}
    for part in split_top(text, ","):
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key or not value.strip():
            raise SpecError(f"{owner}: {shown(part)} is no setting; write key=value, several with commas between them")
        if key in found:
            raise SpecError(f"{owner}: {key} is given twice; give it once")
        found[key] = read_value(value)
    return found
