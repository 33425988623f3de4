"""What cannot be a formula, hostile text included, is refused with a sentence and a mark at its place."""

from __future__ import annotations

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda.errors import FormulaError, LaydaError
from layda.objectives.formula import parse

LONG = "9" * 40
REFUSED: list[tuple[str, str]] = [
    # nothing, or half of something
    ("", "empty"),
    ("   ", "empty"),
    ("x +", "Nothing follows '\\+'"),
    ("x^", "Nothing follows '\\^'"),
    ("* x", "nothing before"),
    ("x */ y", "nothing before"),
    ("(x + 1", "never closed"),
    ("x + 1)", "no '\\(' before it"),
    (")", "nothing before"),
    ("()", "empty"),
    ("|x", "never closed"),
    ("||", "Nothing follows"),
    ("(|x)", "never closed"),
    ("√", "Nothing follows"),
    ("√-1", "nothing before"),
    ("²", "nothing before"),
    ("f(x) =", "Nothing follows the sign '='"),
    # mistakes that people make
    ("xy", "did you mean x\\*y"),
    ("sinn(x)", "did you mean sin"),
    ("Sin(x)", "did you mean sin"),
    ("sin x", "needs its argument in parentheses"),
    ("sin^2(x)", "sin\\(x\\)\\^2"),
    ("sin²(x)", "sin\\(x\\)\\^2"),
    ("sin", "needs its argument"),
    ("sin()", "no arguments"),
    ("sin(x, y)", "takes 1 argument, received 2"),
    ("sin(1,5)", "decimal comma"),
    ("1,5x", "decimal point"),
    ("x, y", "comma"),
    ("min(x)", "takes 2 arguments, received 1"),
    ("min(x,)", "Nothing stands between"),
    ("where(x > 0, 1)", "takes 3 arguments, received 2"),
    ("where(x > 0, 1, 2, 3)", "takes 3 arguments, received 4"),
    ("where(x, 1, 2)", "is a comparison"),
    ("where(0 < x < 1, 1, 2)", "chained"),
    ("where(x = 0, 1, 2)", "=="),
    ("where(x > 0 and 1, 1, 2)", "is a comparison"),
    ("x > 0", "first argument of where"),
    ("x and y", "first argument of where"),
    ("2 3", "Two numbers"),
    ("x 2", "without a sign"),
    ("1.2.3", "second point"),
    ("1_000", "underscore"),
    ("0x10", "decimal digits"),
    ("x//2", "floor"),
    ("x % 2", "remainder"),
    ("x!", "factorial"),
    ("[x + 1]", "Square"),
    ("{x}", "Curly"),
    ("x^2 = 4", "'='"),
    ("x = x^2", "both sides"),
    ("f(x) = x + y", "not among the coordinates"),
    ("f(x) = xx", "did you mean x\\*x"),
    ("f(x, x) = x", "twice"),
    ("f(e) = e", "taken"),
    ("sin(x) = x", "taken"),
    ("f(x) = x = 2", "second '='"),
    ("f(x)", "'f' is not known"),
    ("1e999", "too large"),
    ("1e-999", "too small"),
    ("x01", "numbered coordinate"),
    ("θ^2", "GREEK SMALL LETTER THETA"),
    ("đà + 1", "LATIN SMALL LETTER D WITH STROKE"),
    ("x½", "VULGAR FRACTION"),
    # hostile
    ("9**9**9", "exponent"),
    ("9^9^9^9^9^9", "exponent"),
    ("x^65", "exponent is 65; allowed is -64 to 64"),
    ("x^-65.5", "exponent"),
    ("x^(1/0)", "exponent"),
    ("x^(9*9)", "exponent"),
    ("pow(x, 999999)", "exponent"),
    ("x⁹⁹⁹⁹", "exponent"),
    ("x" + "⁹" * 1000, "digits"),
    (LONG, "40 digits"),
    ("1e" + LONG, "digits"),
    ("0." + "0" * 31, "digits"),
    ("(" * 10000 + "x" + ")" * 10000, "20001 characters"),
    ("(" * 900 + "x" + ")" * 900, "nested"),
    ("(" * 1999, "nested"),
    ("-" * 1000 + "x", "nested"),
    ("x^" * 900 + "x", "nested"),
    ("|" * 1500, "nested"),
    ("√" * 1500 + "x", "nested"),
    ("sin(" * 300 + "x" + ")" * 300, "nested"),
    ("x+" * 999 + "x", "more than 1000"),
    ("x " * 1000, "more than 1000"),
    ("x" * 3000, "3000 characters"),
    ("x" * 1999, "not known"),
    ("_" * 1999, "underscores"),
    ("+".join(f"x{index}" for index in range(1, 40)), "at most 32 coordinates"),
    ("f(" + ",".join(f"x{index}" for index in range(1, 40)) + ") = x1", "at most 32 coordinates"),
    ("__import__('os').system('ls')", "underscores"),
    ("().__class__.__bases__[0]", "empty"),
    ("x.__class__", "point may only stand inside a number"),
    ("x.real", "point may only"),
    ("x._", "point may only"),
    ("__builtins__", "underscores"),
    ("open(x)", "'open' is not known"),
    ("exec(x)", "'exec' is not known"),
    ("eval(x)", "'eval' is not known"),
    ("print(x)", "'print' is not known"),
    ("getattr(x, y)", "'getattr' is not known"),
    ("lambda: x", "'lambda' has no meaning"),
    ("lambda x: x", "'lambda' has no meaning"),
    ("(lambda x: x)(1)", "'lambda' has no meaning"),
    ("[x for x in y]", "Square"),
    ("(x for x in y)", "'for' has no meaning"),
    ("{x: y}", "Curly"),
    ("x[0]", "Square"),
    ("x[::1]", "Square"),
    ("'x'", "quotes"),
    ('"x" * 10', "quotes"),
    ('f"{x}"', "quotes"),
    ("b'x'", "quotes"),
    ("`x`", "quotes"),
    ("(x := 1)", "colon"),
    ("x := 1", "colon|'='"),
    ("max(*x)", "nothing before"),
    ("max(**x)", "nothing before"),
    ("sin(x=1)", "'='"),
    ("x if x > 0 else y", "where"),
    ("not x", "where"),
    ("True", "'True' has no meaning"),
    ("None", "'None' has no meaning"),
    ("import os", "'import' has no meaning"),
    ("x; import os", "semicolon"),
    ("x\nimport os", "line ends"),
    ("x\r\n+ 1", "line ends"),
    ("x\u2028+ 1", "line ends"),
    ("x\0", "U\\+0000"),
    ("\0", "U\\+0000"),
    ("x + \x1b[31m", "U\\+001B"),
    ("x\u200b+ 1", "cannot be seen"),
    ("x\u202e+ 1", "cannot be seen"),
    ("х + 1", "CYRILLIC SMALL LETTER HA"),
    ("ｘ + 1", "FULLWIDTH"),
    ("𝑥 + 1", "MATHEMATICAL ITALIC"),
    ("ſin(x)", "LATIN SMALL LETTER LONG S"),
    ("x + ٣", "ARABIC-INDIC DIGIT THREE"),
    ("x\u0301", "COMBINING"),
    ("\ud800", "U\\+D800"),
    ("x @ y", "'@'"),
    ("x # y", "'#'"),
    ("x \\ y", "REVERSE SOLIDUS"),
    ("~x", "TILDE"),
    ("x & y", "'&'"),
    ("x << 2", "nothing before"),
    ("x -> y", "first argument of where|nothing before"),
    ("...", "point"),
    ("x is y", "'is' has no meaning"),
    ("await x", "'await' has no meaning"),
    ("yield x", "'yield' has no meaning"),
]  # fmt: skip


def check_marker(error: FormulaError, text: str) -> None:
    """The message says something in its first line and marks a place inside the text in its last two."""
    assert isinstance(error, LaydaError)
    assert error.text == text
    assert 0 <= error.position <= max(0, len(text) - 1)
    assert error.length >= 1
    assert error.position + error.length <= max(1, len(text))
    lines = str(error).split("\n")
    assert len(lines) == 3
    assert lines[0][0].isupper()
    assert lines[0][-1] in ".?"
    assert 10 < len(lines[0]) < 400
    assert set(lines[2].strip()) == {"^"}
    assert all(line.isprintable() for line in lines)
    assert len(lines[2]) <= 2 * 80
    narrow = not any(unicodedata.east_asian_width(c) in "WF" or unicodedata.combining(c) for c in text)
    if narrow and text.isprintable() and text:
        column = lines[2].index("^")
        assert lines[1][column] == text[error.position]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[ascii(text)[:30] for text, _ in REFUSED])
def test_what_cannot_be_read_is_refused_at_its_place(text: str, reason: str) -> None:
    with pytest.raises(FormulaError, match=reason) as caught:
        parse(text)
    check_marker(caught.value, text)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("x + sinn(x)", "sinn"),
        ("2 + x^99", "99"),
        ("x² + y²⁰⁰", "²⁰⁰"),
        ("√√θ", "θ"),
        ("x − where(0 < x < 1, x, 2)", "0 < x < 1"),
        ("x + min(x) + 1", "min(x)"),
        ("1 + (x", "("),
        ("x + 1)", ")"),
        ("min(x, ) + 1", ","),
        ("3x + 1,5y", ","),
        ("f(x) = x + y", "y"),
        ("x" + " + x" * 60 + " + yx + x", "yx"),
    ],
)
def test_marker_is_below_the_mistake(text: str, marked: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    error = caught.value
    assert text[error.position : error.position + error.length] == marked
    shown, carets = str(error).split("\n")[1:]
    assert shown[carets.index("^") : len(carets)] == marked


def test_wide_characters_move_the_marker() -> None:
    with pytest.raises(FormulaError) as caught:
        parse("x + 数 + yy")
    assert str(caught.value).split("\n")[2] == "      ^^"


def test_only_text_is_read() -> None:
    with pytest.raises(FormulaError, match="A formula is text, received int"):
        parse(3)  # type: ignore[arg-type]


FRAGMENTS = st.sampled_from(
    [*"xyze12.,+-*/^()|√²⁻=<>π", "x1", "sin(", "where(", "f(x) = ", "min", " and ", " ", "__", "'", "[", "lambda"]
)


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=25).map("".join)))
def test_any_text_gives_a_formula_or_a_marked_refusal(text: str) -> None:
    try:
        formula = parse(text)
    except FormulaError as error:
        check_marker(error, text)
    else:
        formula(*[0.5] * len(formula.coordinates))


def test_errors_survive_pickling() -> None:
    with pytest.raises(FormulaError) as caught:
        parse("x + ?")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.position) == (str(caught.value), 4)
