"""A program as the Python that a person would write: infix, powers as powers, a name for what is used twice.

The lines keep the operations of the program; only x·x·x is written as x**3, and constants of constants are worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layda.program import CONDITIONS, Program, apply

__all__ = ["Dialect", "Printer", "number"]

_LONGEST = 96
_BINARY = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2)}
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = 1, 2, 3, 4, 5
_COMPARE = {"lt": "<", "le": "<=", "eq": "=="}


@dataclass(frozen=True)
class Dialect:
    """How one library spells functions.

    Attributes:
        functions: the name of an operation -> the function's text.
        choose: (condition, a, b) -> the text of "a where the condition holds, else b".
        smaller, larger: (a, b) -> the text of the smaller and the larger one.
        joined: "and" and "or" between conditions, and "not".
    """

    functions: Mapping[str, str]
    choose: Callable[[str, str, str], str]
    smaller: Callable[[str, str], str]
    larger: Callable[[str, str], str]
    joined: tuple[str, str, str] = ("&", "|", "~")


def number(value: float) -> str:
    """A number as it is typed: 3 for 3.0.

    >>> number(3.0), number(0.1), number(-0.5), number(float("inf"))
    ('3', '0.1', '-0.5', 'float("inf")')
    """
    if value != value or value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return str(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)


@dataclass(frozen=True)
class _Form:
    """A line of the program as it is written: an operation on other lines, perhaps recognised as something shorter."""

    op: str
    args: tuple[int, ...] = ()
    value: Any = None


@dataclass
class Printer:
    """Writes one program.

    Attributes:
        program: what is written.
        names: input -> text.
        arrays: how values that depend on the library's arrays are written.
        plain: how numbers are; ``None``: as arrays.
        numbers: the inputs that are plain numbers.
        outputs: output -> the name that its value is given where it is computed; others are returned by ``text``.
    """

    program: Program
    names: Mapping[str, str]
    arrays: Dialect
    plain: Dialect | None = None
    numbers: frozenset[str] = frozenset()
    outputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._forms = _forms(self.program)
        self._is_number = self._plain_lines()
        self._named: dict[int, str] = {}
        self.lines: list[str] = []
        self._write()

    def text(self, output: str) -> str:
        """The expression of an output, in terms of ``lines``."""
        return self._text(dict(self.program.outputs)[output])[0]

    def _plain_lines(self) -> list[bool]:
        found: list[bool] = []
        for form in self._forms:
            if form.op == "input":
                found.append(form.value in self.numbers)
            else:
                found.append(all(found[arg] for arg in form.args))
        return found

    def _write(self) -> None:
        """Name what is used more than once, in the order of the program."""
        wanted = [index for _, index in self.program.outputs]
        uses = _uses(self._forms, wanted)
        given = {index: self.outputs[name] for name, index in self.program.outputs if name in self.outputs}
        taken = {*self.names.values(), *self.outputs.values()}
        fresh = (f"{letter}{digit}" for digit in ("", *range(1, 10_000)) for letter in "abcdpqrsuw")
        for index in sorted(uses):
            form = self._forms[index]
            if index in given and form.op in ("input", "const"):
                continue
            if index in given or (uses[index] > 1 and not self._is_short(form)):
                name = given.get(index) or next(one for one in fresh if one not in taken)
                self.lines += _assigned(f"{name} = ", self._spread(index))
                self._named[index] = name

    def _is_short(self, form: _Form) -> bool:
        if form.op in ("input", "const"):
            return True
        return form.op in ("neg", "power of") and self._forms[form.args[0]].op in ("input", "const")

    def assigned(self, start: str, output: str) -> list[str]:
        """Lines ``start expression``, broken at the sum's signs where one line would be too long."""
        return _assigned(start, self._spread(dict(self.program.outputs)[output]))

    def _spread(self, index: int) -> tuple[str, list[str]]:
        """The whole text, and the terms of the outermost sum."""
        spine: list[tuple[str, int]] = []
        first = index
        while first not in self._named and self._forms[first].op in ("add", "sub"):
            form = self._forms[first]
            spine.append((_BINARY[form.op][0], form.args[1]))
            first = form.args[0]
        terms = [self._bound(first, _SUM)]
        terms += [f"{sign} {self._bound(term, _PRODUCT)}" for sign, term in reversed(spine)]
        return " ".join(terms), terms

    def _text(self, index: int) -> tuple[str, int]:
        """The expression of a line and how tightly it binds."""
        if index in self._named:
            return self._named[index], _ATOM
        form = self._forms[index]
        if form.op == "input":
            return self.names[form.value], _ATOM
        if form.op == "const":
            text = number(form.value)
            return text, _SIGN if text.startswith("-") else _ATOM
        if form.op in ("add", "sub"):
            return self._spread(index)[0], _SUM
        if form.op in ("mul", "div"):
            sign, level = _BINARY[form.op]
            return f"{self._bound(form.args[0], level)} {sign} {self._bound(form.args[1], level + 1)}", level
        if form.op == "neg":
            return f"-{self._bound(form.args[0], _SIGN)}", _SIGN
        if form.op == "power of":
            base = self._bound(form.args[0], _ATOM)
            return (f"{base}**{form.value}" if base.isidentifier() else f"{base} ** {form.value}"), _POWER
        if form.op == "twice":
            return f"2 * {self._bound(form.args[0], _SIGN)}", _PRODUCT
        if form.op == "power":
            return f"{self._bound(form.args[0], _ATOM)} ** {self._bound(form.args[1], _POWER)}", _POWER
        return self._called(form, self._dialect(index)), _ATOM

    def _dialect(self, index: int) -> Dialect:
        return self.plain if self.plain is not None and self._is_number[index] else self.arrays

    def _called(self, form: _Form, dialect: Dialect) -> str:
        texts = [self._text(arg)[0] for arg in form.args]
        if form.op in _COMPARE:
            return f"({texts[0]} {_COMPARE[form.op]} {texts[1]})"
        if form.op in ("and", "or"):
            return f"({texts[0]} {dialect.joined[form.op == 'or']} {texts[1]})"
        if form.op == "not":
            return f"({dialect.joined[2]}{texts[0]})"
        if form.op == "select":
            return dialect.choose(_bare(texts[0]), texts[1], texts[2])
        if form.op in ("smaller", "larger"):
            return (dialect.smaller if form.op == "smaller" else dialect.larger)(texts[0], texts[1])
        if form.op == "fma":
            return f"({self._bound(form.args[0], 2)} * {self._bound(form.args[1], 3)} + {self._bound(form.args[2], 1)})"
        return f"{dialect.functions[form.op]}({', '.join(texts)})"

    def _bound(self, index: int, level: int) -> str:
        text, own = self._text(index)
        return text if own >= level else f"({text})"


def _bare(condition: str) -> str:
    """The condition without the parentheses around the whole of it."""
    depth = 0
    for place, sign in enumerate(condition):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and place < len(condition) - 1:
            return condition
    return condition[1:-1] if condition.startswith("(") else condition


def _assigned(start: str, spread: tuple[str, Sequence[str]]) -> list[str]:
    text, terms = spread
    if len(terms) == 1:
        return [start + _bare(text)]
    if len(start) + len(text) <= _LONGEST:
        return [start + text]
    rows: list[str] = []
    for term in terms:
        if rows and len(rows[-1]) + len(term) < _LONGEST:
            rows[-1] += " " + term
        else:
            rows.append("    " + term)
    return [f"{start}(", *rows, ")"]


def _forms(program: Program) -> list[_Form]:
    """Every line as it is written; a line that another one absorbs is simply no longer used."""
    found: list[_Form] = []
    for node in program.nodes:
        form = _Form(node.op, node.args, node.value)
        args = [found[arg] for arg in node.args]
        if args and node.op not in (*CONDITIONS, "select") and all(arg.op == "const" for arg in args):
            form = _Form("const", (), float(apply(node.op, *(arg.value for arg in args))))
        elif node.op == "mul":
            form = _power(found, node.args) or form
        elif node.op == "select":
            form = _recognised(found, node.args) or form
        elif node.op == "add" and node.args[0] == node.args[1]:
            form = _Form("twice", node.args[:1])
        elif node.op == "add" and args[1].op == "neg":
            form = _Form("sub", (node.args[0], args[1].args[0]))
        found.append(form)
    return found


def _base(forms: Sequence[_Form], index: int) -> tuple[int, int]:
    form = forms[index]
    return (form.args[0], form.value) if form.op == "power of" else (index, 1)


def _power(forms: Sequence[_Form], args: tuple[int, ...]) -> _Form | None:
    """x**n for a product of powers of the same line."""
    (base, first), (other, second) = _base(forms, args[0]), _base(forms, args[1])
    if base != other or forms[base].op == "const":
        return None
    return _Form("power of", (base,), first + second)


def _recognised(forms: Sequence[_Form], args: tuple[int, ...]) -> _Form | None:
    """sign, minimum and maximum, which programs hold as choices."""
    condition, yes, no = args
    asked = forms[condition]
    if asked.op != "lt":
        return None
    a, b = asked.args
    if (a, b) == (yes, no):
        return _Form("smaller", (yes, no))
    if (b, a) == (yes, no):
        return _Form("larger", (yes, no))
    below, zero, one = forms[no], _Form("const", (), 0.0), _Form("const", (), 1.0)
    if (forms[a], forms[yes], below.op) != (zero, one, "select"):
        return None
    asked_below, yes_below, no_below = (forms[arg] for arg in below.args)
    at_zero = no_below == zero or (no_below.op == "mul" and set(no_below.args) == {a, b})
    if asked_below == _Form("lt", (b, a)) and yes_below == _Form("const", (), -1.0) and at_zero:
        return _Form("sign", (b,))
    return None


def _uses(forms: Sequence[_Form], wanted: Sequence[int]) -> dict[int, int]:
    """How often each line that is needed is used."""
    uses: dict[int, int] = {}
    waiting = list(wanted)
    while waiting:
        index = waiting.pop()
        uses[index] = uses.get(index, 0) + 1
        if uses[index] == 1:
            waiting.extend(forms[index].args)
    return uses
