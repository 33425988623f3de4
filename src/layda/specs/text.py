"""Reading settings from text: numbers, words, tuples and calls, through a whitelist over Python's ``ast``.

Nothing that a user types is evaluated; what is not on the list is refused.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from layda.errors import SpecError

__all__ = ["Call", "check_length", "plain_name", "read_call", "read_value", "shown", "split_options", "split_top"]

_LONGEST = 2000
_MOST_BRACKETS = 20
_DEEPEST = 60
_MOST_NODES = 400
_MOST_DIGITS = 40
_LARGEST = 1e300
_WORDS = {"true": True, "false": False, "none": None, "inf": math.inf, "nan": math.nan}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*")


@dataclass(frozen=True)
class Call:
    """``Name(1, key=2)`` as it was written."""

    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]


def shown(text: str) -> str:
    """The text in quotes, shortened, on one line.

    >>> shown(" heavy-ball ")
    "'heavy-ball'"
    """
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "…")


def plain_name(name: str) -> str:
    """A name without hyphens, underscores, spaces and capitals, as names are compared.

    >>> plain_name("Six-hump camel") == plain_name("six_hump_camel")
    True
    """
    return re.sub(r"[-_ ]", "", name).lower()


def check_length(text: str) -> None:
    """Refuse texts that nobody types, before anything looks at them closely."""
    if len(text) > _LONGEST:
        raise SpecError(f"the text has {len(text)} characters; allowed are at most {_LONGEST}; shorten it")


def _tree(text: str) -> ast.expr:
    """The text as a syntax tree of bounded size; ``text`` is stripped."""
    check_length(text)
    # Deep nesting would exhaust the parser itself, so brackets are counted before it sees them.
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > _MOST_BRACKETS:
        raise SpecError(f"{shown(text)} nests brackets {deepest} deep; allowed are {_MOST_BRACKETS}; write it flatter")
    if "\\" in text or re.search(rf"\d{{{_MOST_DIGITS + 1},}}", text):
        raise SpecError(
            f"{shown(text)} has a backslash or a number of more than {_MOST_DIGITS} digits, neither of which is "
            "allowed; write numbers such as 1e-3"
        )
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise SpecError(f"{shown(text)} cannot be read; write a number, a word, (1, 2) or Name(key=value)") from None
    level: list[ast.AST] = [tree]
    nodes = depth = 0
    while level:  # no recursion: the tree may be deeper than Python's stack
        nodes, depth = nodes + len(level), depth + 1
        if nodes > _MOST_NODES or depth > _DEEPEST:
            raise SpecError(
                f"{shown(text)} has too many parts, or parts within parts; allowed are {_MOST_NODES}, {_DEEPEST} deep; "
                "write it shorter"
            )
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return tree


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
        value = node.value
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > _LARGEST:
            raise SpecError(f"{shown(text)}: the number {_part(node, text)} is too large; allowed is up to 1e300")
        return value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, text)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(item, text) for item in node.elts)
    if isinstance(node, ast.Call):
        return _call(node, text)
    word = _name(node)
    if word is not None and _WORD.fullmatch(word):
        return _WORDS.get(word.lower(), word)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Call):
        return _call(node, text)  # a call of a name with hyphens
    raise SpecError(
        f"{shown(text)}: {_part(node, text)} is not allowed; allowed are numbers, words, (1, 2) and Name(key=value); "
        "write out the value itself"
    )


def _part(node: ast.expr, text: str) -> str:
    return shown(ast.get_source_segment(text, node) or text)


def _name(node: ast.expr) -> str | None:
    """A plain or dotted name, or one with hyphens, which Python reads as differences of names."""
    if isinstance(node, ast.Name) and not node.id.startswith("_"):
        return node.id
    if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
        inner = _name(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.right, ast.Name):
        left, right = _name(node.left), _name(node.right)
        return None if left is None or right is None else f"{left}-{right}"
    return None


def _call(node: ast.expr, text: str) -> Call:
    """``Name(…)``, and ``kebab-name(…)``, which Python reads as ``kebab - name(…)``."""
    name: str | None = None
    call = node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        left, call = _name(node.left), node.right
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and left is not None:
            name = f"{left}-{call.func.id}"
    elif isinstance(node, ast.Call) and not isinstance(node.func, ast.BinOp):
        name = _name(node.func)
    if not isinstance(call, ast.Call) or name is None or any(isinstance(item, ast.Starred) for item in call.args):
        raise SpecError(f"{shown(text)}: {_part(node, text)} is no call that is allowed; write Name(value, key=value)")
    keywords: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise SpecError(f"{shown(text)}: ** is not allowed; write key=value for each setting")
        if keyword.arg in keywords:
            raise SpecError(f"{shown(text)}: {keyword.arg} is given twice; give it once")
        keywords[keyword.arg] = _value(keyword.value, text)
    return Call(name, tuple(_value(item, text) for item in call.args), keywords)


def read_value(text: str) -> Any:
    """A number, a word, true/false, a tuple, or a :class:`Call`.

    >>> read_value("(0, 0.9)"), read_value("step"), read_value("-1e-3"), read_value("True")
    ((0, 0.9), 'step', -0.001, True)
    >>> read_value("exponential-decay(0.5)").name
    'exponential-decay'
    """
    text = text.strip()
    check_length(text)
    if _WORD.fullmatch(text):  # also words that mean something to Python, such as "in"
        return _WORDS.get(text.lower(), text)
    return _value(_tree(text), text)


def read_call(text: str) -> Call:
    """A call such as ``SGD(lr=0.1)``.

    >>> read_call("SGD(lr=0.1)")
    Call(name='SGD', args=(), keywords={'lr': 0.1})
    """
    text = text.strip()
    return _call(_tree(text), text)


def split_top(text: str, separator: str) -> list[str]:
    """Split at separators that stand outside brackets and quotes.

    >>> split_top("a=1,b=(2,3),c='x,y'", ",")
    ['a=1', 'b=(2,3)', "c='x,y'"]
    """
    parts, depth, start, quote = [], 0, 0, ""
    before = separator
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and before in "=(," + separator:  # elsewhere it is an apostrophe
            quote = letter
        elif letter == separator and depth == 0:
            parts.append(text[start:place])
            start = place + 1
        else:
            depth += (letter in "([{") - (letter in ")]}")
        before = before if letter.isspace() else letter
    return [*parts, text[start:]]


def split_options(text: str, owner: str, raw: Collection[str] = ()) -> dict[str, Any]:
    """``key=value,key=value`` as a dict of values.

    Args:
        text: what was typed.
        owner: whose settings they are, for messages.
        raw: keys whose values are taken as they stand, such as the name of a column.

    >>> split_options("momentum=0.9,form=step", "heavy-ball")
    {'momentum': 0.9, 'form': 'step'}
    """
    check_length(text)
    found: dict[str, Any] = {}
    for part in split_top(text, ","):
        key, equals, value = part.partition("=")
        key, value = key.strip().replace("-", "_"), value.strip()
        if not equals or not key or not value:
            raise SpecError(f"{owner}: {shown(part)} is no setting; write key=value, several with commas between them")
        if key in found:
            raise SpecError(f"{owner}: {key} is given twice; give it once")
        if key in raw:
            quoted = len(value) >= 2 and value[0] in "'\"" and value[-1] == value[0]
            found[key] = value[1:-1] if quoted else value
        else:
            found[key] = read_value(value)
    return found
