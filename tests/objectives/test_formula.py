"""Formulas as people type them: what is understood, and what comes out."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda import functions
from layda.errors import SettingError
from layda.objectives.formula import CONSTANTS, FUNCTIONS, Formula, parse
from layda.program import gradient, trace

sympy = pytest.importorskip("sympy", reason="SymPy is not installed")

POINTS = (0.3, 1.7, -0.9, 2.2)

ACCEPTED: list[tuple[str, str, Callable[..., float]]] = [
    ("x^4 - 3x^2 + x/2", "x", lambda x: x**4 - 3 * x**2 + x / 2),
    ("(x²+y−11)² + (x+y²−7)²", "x y", lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2),
    ("2x", "x", lambda x: 2 * x),
    ("3(x+1)", "x", lambda x: 3 * (x + 1)),
    ("(x+1)(x-1)", "x", lambda x: (x + 1) * (x - 1)),
    ("2 sin(x)", "x", lambda x: 2 * math.sin(x)),
    ("2sin(x)cos(y)", "x y", lambda x, y: 2 * math.sin(x) * math.cos(y)),
    ("x y", "x y", lambda x, y: x * y),
    ("2pi x", "x", lambda x: 2 * math.pi * x),
    ("2πx", "x", lambda x: 2 * math.pi * x),
    ("τ x + tau", "x", lambda x: math.tau * x + math.tau),
    ("1e-3x", "x", lambda x: 1e-3 * x),
    ("2e x", "x", lambda x: 2 * math.e * x),
    ("2exp(x)", "x", lambda x: 2 * math.exp(x)),
    (".5x + 5.x", "x", lambda x: 5.5 * x),
    ("007x", "x", lambda x: 7 * x),
    ("|x|", "x", abs),
    ("2|x - |y||x", "x y", lambda x, y: 2 * abs(x - abs(y)) * x),
    ("||x|-1|", "x", lambda x: abs(abs(x) - 1)),
    ("|x||y|", "x y", lambda x, y: abs(x) * abs(y)),
    ("2^-1", "", lambda: 0.5),
    ("-x^2", "x", lambda x: -(x**2)),
    ("x^2^3", "x", lambda x: x**8),
    ("x²^3", "x", lambda x: x**8),
    ("2^x", "x", lambda x: 2**x),
    ("e^-x^2", "x", lambda x: math.exp(-(x**2))),
    ("(x^2)^0.5", "x", abs),
    ("(x^2)^(1/3)", "x", lambda x: (x**2) ** (1 / 3)),
    ("x^(4/2)", "x", lambda x: x**2),
    ("x⁻¹²", "x", lambda x: x**-12),
    ("x³y⁺¹", "x y", lambda x, y: x**3 * y),
    ("1/2x", "x", lambda x: x / 2),
    ("x^2y", "x y", lambda x, y: x**2 * y),
    ("2(x)*3(y)", "x y", lambda x, y: 2 * x * 3 * y),
    ("√(x^2+1) + √2x + √√16", "x", lambda x: math.sqrt(x**2 + 1) + math.sqrt(2) * x + 2),
    ("√|x|", "x", lambda x: math.sqrt(abs(x))),
    ("√exp(x)²", "x", math.exp),
    ("x × y ÷ 2 · x − 1 – 2", "x y", lambda x, y: x * y / 2 * x - 3),
    ("x**2 + +x - -x", "x", lambda x: x**2 + 2 * x),
    ("where(x > 0, x^2, -x)", "x", lambda x: x**2 if x > 0 else -x),
    ("where(x ≤ 0 or x ≥ 1 and y != 2, 1, 2)", "x y", lambda x, y: 1.0 if x <= 0 or (x >= 1 and y != 2) else 2.0),
    ("where(0 < x and x < 1, 1, where(x == 2.2, 3, 4))", "x", lambda x: 1.0 if 0 < x < 1 else 3.0 if x == 2.2 else 4.0),
    ("min(x, y) + maximum(x, 1)", "x y", lambda x, y: min(x, y) + max(x, 1)),
    ("ln(x^2) + log(2)", "x", lambda x: math.log(x**2) + math.log(2)),
    ("atan(x) + tanh(x) + sinh(x) - cosh(x) + tan(x)", "x", lambda x: (
        math.atan(x) + math.tanh(x) + math.sinh(x) - math.cosh(x) + math.tan(x)
    )),
    ("abs(x) + sign(x) + floor(x)", "x", lambda x: abs(x) + math.copysign(1, x) + math.floor(x)),
    ("pow(x, 3) + power(2, x)", "x", lambda x: x**3 + 2**x),
    ("x1² + x_2² + x₃", "x1 x2 x3", lambda a, b, c: a**2 + b**2 + c),
    ("x10 - x2 + b + y - a", "y x2 x10 a b", lambda y, x2, x10, a, b: x10 - x2 + b + y - a),
    ("w + z y x", "x y z w", lambda x, y, z, w: w + x * y * z),
    ("f(x) = x^2", "x", lambda x: x**2),
    ("f(y, x) = y - x", "y x", lambda y, x: y - x),
    ("f(x, y) = x", "x y", lambda x, y: x),
    ("loss(speed, x) = speed^2 x", "speed x", lambda speed, x: speed**2 * x),
    ("y = x^2 - 1", "x", lambda x: x**2 - 1),
    ("f = x", "x", lambda x: x),
    ("x(x-1)", "x", lambda x: x * (x - 1)),
    ("\u00a0x\t+ 1\n", "x", lambda x: x + 1),
    ("5", "", lambda: 5.0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names", "expected"), ACCEPTED, ids=[text for text, _, _ in ACCEPTED])
def test_typed_text_means_what_people_mean(text: str, names: str, expected: Callable[..., float]) -> None:
    formula = parse(text)
    assert formula.coordinates == tuple(names.split())
    count = len(formula.coordinates)
    for shift in range(4):
        point = [(POINTS * 3)[shift + index] for index in range(count)]
        try:
            value = expected(*point)
        except ValueError:  # the lambda leaves the reals
            continue
        assert formula(*point) == pytest.approx(value, rel=1e-12, abs=1e-14)


def test_wrong_number_of_coordinates() -> None:
    with pytest.raises(SettingError, match=r"takes 2 coordinates \(x, y\), received 1"):
        parse("x + y")(1.0)


# --- random formulas, printed as people type them ---------------------------------------------------------------------

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
NAMES = ("x", "y", "z", "x1")
Printed = tuple[str, int, Callable[[dict[str, float]], float]]
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _within(part: Printed, level: int) -> str:
    return part[0] if part[1] >= level else f"({part[0]})"


def _number(value: float) -> Printed:
    return repr(value), ATOM, lambda at: float(value)


def _coordinate(name: str) -> Printed:
    return name, ATOM, lambda at: at[name]


def _sum(parts: tuple[Printed, Printed, str]) -> Printed:
    a, b, sign = parts
    text = f"{_within(a, SUM)}{sign}{_within(b, PRODUCT)}"
    if sign.strip() == "+":
        return text, SUM, lambda at: a[2](at) + b[2](at)
    return text, SUM, lambda at: a[2](at) - b[2](at)


def _product(parts: tuple[Printed, Printed, str]) -> Printed:
    a, b, sign = parts
    left, right = _within(a, PRODUCT), _within(b, SIGN)
    if sign == "" and not (right[0].isalpha() or right[0] == "("):
        right = f"({right})"
    if sign == "" and left[-1].isalnum() and right[0] != "(":
        sign = " "  # x y, not xy
    return f"{left}{sign}{right}", PRODUCT, lambda at: a[2](at) * b[2](at)


def _quotient(parts: tuple[Printed, Printed, str]) -> Printed:
    a, b, sign = parts
    text = f"{_within(a, PRODUCT)}{sign}{_within(b, SIGN)}"
    return text, PRODUCT, lambda at: float(np.divide(a[2](at), b[2](at)))


def _negative(part: Printed) -> Printed:
    return f"-{_within(part, SIGN)}", SIGN, lambda at: -part[2](at)


def _power(parts: tuple[Printed, int, str]) -> Printed:
    base, exponent, style = parts
    raised = str(exponent).translate(RAISED) if style == "raised" else f"{style}{exponent}"
    return f"{_within(base, ATOM)}{raised}", POWER, lambda at: functions.power(base[2](at), exponent)


def _call(parts: tuple[Printed, str]) -> Printed:
    part, name = parts
    function = getattr(functions, {"|": "abs", "√": "sqrt"}.get(name, name))
    text = {"|": f"|({part[0]})|", "√": f"√({part[0]})"}.get(name, f"{name}({part[0]})")
    return text, ATOM, lambda at: function(part[2](at))


def _choice(parts: tuple[Printed, Printed, Printed]) -> Printed:
    a, b, c = parts
    text = f"where({a[0]} < {b[0]}, {b[0]}, {c[0]})"
    return text, ATOM, lambda at: b[2](at) if a[2](at) < b[2](at) else c[2](at)


_FUNCTION_NAMES = ["sin", "cos", "exp", "tanh", "floor", "sqrt", "sign", "abs", "|", "√"]
PRINTED: st.SearchStrategy[Printed] = st.recursive(
    st.one_of(
        st.floats(0.0, 1e6, allow_subnormal=False).map(_number),
        st.integers(0, 99).map(_number),
        st.sampled_from(NAMES).map(_coordinate),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner, st.sampled_from(["+", " - ", "−"])).map(_sum),
        st.tuples(inner, inner, st.sampled_from(["", "", " * ", "×", "·"])).map(_product),
        st.tuples(inner, inner, st.sampled_from(["/", " ÷ "])).map(_quotient),
        inner.map(_negative),
        st.tuples(inner, st.integers(-5, 5), st.sampled_from(["^", "**", "raised"])).map(_power),
        st.tuples(inner, st.sampled_from(_FUNCTION_NAMES)).map(_call),
        st.tuples(inner, inner, inner).map(_choice),
    ),
    max_leaves=12,
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(PRINTED, st.tuples(*[st.floats(-3.0, 3.0)] * len(NAMES)))
def test_random_formulas_mean_what_was_printed(printed: Printed, point: tuple[float, ...]) -> None:
    text, _, expected = printed
    at = dict(zip(NAMES, point, strict=True))
    if len(text) > 1500:
        return
    formula = parse(text)
    value = formula(*(at[name] for name in formula.coordinates))
    assert value == expected(at) or (math.isnan(value) and math.isnan(expected(at)))


# --- the formula as a callable ----------------------------------------------------------------------------------------


def test_floats_arrays_and_programs_give_the_same_bits() -> None:
    formula = parse("(x² + y − 11)²/3 + |x|^0.5 sin(x y) + where(x > y, x^7, y^-3)")
    program = trace(formula, formula.coordinates)
    points = np.random.default_rng(0).uniform(-4.0, 4.0, (2, 100))
    together = formula(*points)
    for index in range(100):
        x, y = float(points[0, index]), float(points[1, index])
        assert formula(x, y) == together[index]
        assert formula(x, y) == program.evaluate({"x": x, "y": y})["value"]


def test_whole_exponents_become_products() -> None:
    operations = {node.op for node in trace(parse("x^4 - 3x²"), ["x"]).nodes}
    assert operations == {"input", "const", "mul", "sub"}


def test_a_third_stays_a_third() -> None:
    x = sympy.Symbol("x", real=True)
    assert parse("x^2/3 + 0.1x")(x) == x**2 / 3 + x / 10
    assert parse("sin(x)^2")(x) == sympy.sin(x) ** 2


def test_gradient_of_a_formula() -> None:
    derived = gradient(trace(parse("x^4 - 3x^2 + x/2"), ["x"]))
    assert next(iter(derived.evaluate({"x": 2.0}).values())) == 4 * 8 - 6 * 2 + 0.5


def test_leaving_the_domain_is_a_result() -> None:
    assert parse("1/x")(0.0) == math.inf
    assert parse("x^-2")(0.0) == math.inf
    assert parse("x^64")(1e300) == math.inf
    assert math.isnan(parse("√x + log(x)")(-1.0))


def test_whole_numbers_are_taken_as_floats() -> None:
    formula = parse("x^40")
    assert formula(3) == formula(3.0) == formula(np.array([3]))[0] == formula(np.int32(3))


def test_equal_by_text() -> None:
    assert parse("x + 1") == parse("x + 1")
    assert hash(parse("x + 1")) == hash(parse("x + 1"))
    assert parse("x + 1") != parse("x+1")
    assert str(parse("x + 1")) == "x + 1"
    again: Formula = pickle.loads(pickle.dumps(parse("2x")))
    assert again(3.0) == 6.0


def test_tables_are_complete() -> None:
    for name, known in FUNCTIONS.items():
        assert name not in CONSTANTS
        assert callable(getattr(functions, known.name))
        assert known.help
        call = f"{name}({'x > 0, x, x' if name == 'where' else ', '.join('x' * known.arguments)})"
        assert isinstance(parse(call)(1.5), float)
