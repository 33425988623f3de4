"""Just enough JavaScript to join modules and to shorten them: its tokens, and what a module declares at the top."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from layda.errors import SpecError

__all__ = ["Token", "declared", "shortened", "tokens"]

_SPACE = re.compile(r"[ \t\f\v\u00a0\ufeff]+")
_BREAK = re.compile(r"\r\n|[\n\r\u2028\u2029]")
_LINE_COMMENT = re.compile(r"//[^\n\r\u2028\u2029]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r"'(?:[^'\\\n\r]|\\(?:\r\n|[\s\S]))*'|\"(?:[^\"\\\n\r]|\\(?:\r\n|[\s\S]))*\"")
_NUMBER = re.compile(r"0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?n?")
_WORD = re.compile(r"#?[\w$]+")
_REGEX = re.compile(r"/(?:[^/\\\[\n\r]|\\[^\n\r]|\[(?:[^\]\\\n\r]|\\[^\n\r])*\])+/[a-z]*")
_BEFORE_REGEX = frozenset((
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "instanceof", "yield",
    "await",
))  # fmt: skip
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")


class Token(NamedTuple):
    """A piece of a program: "space", "break", "comment", "string", "template", "regex", "number", "word" or "sign"."""

    kind: str
    text: str


def tokens(source: str) -> Iterator[Token]:
    """The program in pieces, which together are the program.

    A slash after a value, ")" or "}" divides; elsewhere it begins a regular expression. (After the "}" of a block or
    the ")" of an if it could begin one as well; none of our modules does that.)

    Args:
        source: of a module.

    Raises:
        SpecError: a text, template or comment without an end.

    >>> [token.text for token in tokens("a / b; // c") if token.kind not in ("space", "comment")]
    ['a', '/', 'b', ';']
    """
    at, before = 0, Token("sign", ";")
    while at < len(source):
        token = _next(source, at, before)
        yield token
        at += len(token.text)
        if token.kind not in ("space", "break", "comment"):
            before = token


def _next(source: str, at: int, before: Token) -> Token:
    letter = source[at]
    for kind, pattern in (
        ("space", _SPACE), ("break", _BREAK), ("comment", _LINE_COMMENT), ("comment", _BLOCK_COMMENT),
        ("string", _STRING), ("number", _NUMBER), ("word", _WORD),
    ):  # fmt: skip
        if found := pattern.match(source, at):
            return Token(kind, found[0])
    if letter == "`":
        return Token("template", source[at : _template_end(source, at)])
    if letter == "/" and _begins_regex(before) and (found := _REGEX.match(source, at)):
        return Token("regex", found[0])
    if letter in "'\"" or source.startswith("/*", at):
        line = source.count("\n", 0, at) + 1
        raise SpecError(f"line {line} of the JavaScript begins a text or comment that does not end; close it")
    return Token("sign", letter)


def _begins_regex(before: Token) -> bool:
    if before.kind == "word":
        return before.text in _BEFORE_REGEX
    return before.kind == "sign" and before.text not in _CLOSES


def _template_end(source: str, start: int) -> int:
    """Behind the closing backtick; what stands in ${…} is a program of its own."""
    at = start + 1
    while at < len(source):
        if source[at] == "\\":
            at += 2
        elif source[at] == "`":
            return at + 1
        elif source.startswith("${", at):
            at, depth, before = at + 2, 1, Token("sign", "{")
            while depth and at < len(source):
                token = _next(source, at, before)
                depth += (token.text == "{") - (token.text == "}") if token.kind == "sign" else 0
                at += len(token.text)
                before = before if token.kind in ("space", "break", "comment") else token
        else:
            at += 1
    raise SpecError(f"line {source.count(chr(10), 0, start) + 1} of the JavaScript begins a template that does not end")


def declared(source: str) -> Iterator[tuple[str, bool]]:
    """The names that a module declares at its top, and whether each is exported where it is declared.

    Args:
        source: a module without its import statements; every statement ends with a semicolon or a brace.

    >>> list(declared("export const A = [1, 2], B = 3; function f(x) { const c = x; return c; }"))
    [('A', True), ('B', True), ('f', False)]
    """
    pieces = [token for token in tokens(source) if token.kind not in ("space", "break", "comment")]
    depth, exported, before = 0, False, ";"
    for index, (kind, text) in enumerate(pieces):
        if depth == 0 and before in (";", "}", "export") and kind == "word":
            exported = before == "export"
            if text in ("const", "let", "var"):
                yield from ((name, exported) for name in _declarators(pieces, index + 1))
            elif text in ("function", "class", "async"):
                name = next(word for word in pieces[index + 1 :] if word.text not in ("function", "*"))
                yield name.text, exported
        if kind == "sign":
            depth += (text in _OPENS) - (text in _CLOSES)
        before = text if kind in ("sign", "word") else ""


def _declarators(pieces: list[Token], index: int) -> Iterator[str]:
    """The names of ``const a = …, b = …;``, from the place behind the first word."""
    depth, expected = 0, True
    for kind, text in pieces[index:]:
        if expected:
            if kind != "word":
                raise SpecError("a module takes values apart at its top (const { a } = …); give each a name of its own")
            yield text
            expected = False
        elif kind == "sign":
            depth += (text in _OPENS) - (text in _CLOSES)
            expected = depth == 0 and text == ","
            if depth == 0 and text == ";":
                return


def shortened(source: str) -> str:
    r"""The program without comments, and without the spaces and line breaks that mean nothing.

    Names stay as they are. A line break is kept wherever it might end a statement.

    >>> shortened("const a = 1;  // one\n\nfunction f(x) {\n  return x / a + `  ${a}  `;\n}\n")
    'const a=1;function f(x){return x/a+`  ${a}  `;}'
    """
    written: list[str] = []
    last, gap = Token("sign", ";"), ""
    for token in tokens(source):
        if token.kind in ("space", "break", "comment"):
            broken = token.kind == "break" or (token.kind == "comment" and "\n" in token.text)
            gap = "\n" if broken or gap == "\n" else " "
            continue
        if gap and _needed(last, token, gap):
            written.append(gap)
        written.append(token.text)
        last, gap = token, ""
    return "".join(written)


def _needed(last: Token, after: Token, gap: str) -> bool:
    if last.kind == "sign" and last.text in ";,{([:=?&|<>":
        return (last.text, after.text) == ("<", "!")  # nothing can end here; but "<!--" would be no operator
    if gap == "\n":
        return not (after.kind == "sign" and after.text in ")]};,")
    wordlike = ("word", "number", "regex")
    if last.kind in wordlike and after.kind in wordlike:
        return True
    if last.text == "/":  # two slashes, or a slash and a star, would begin a comment
        return after.kind == "regex" or after.text in "/*"
    return (last.text == after.text and last.text in "+-") or (last.kind == "number" and after.text == ".")
