"""The lowered functions against mpmath: accuracy over the whole range, special values, the same bits everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layda import functions
from layda.functions.lowering import MAX_ULP
from layda.program import contracted, trace
from tests.cases import compiled_values

mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")

PRECISION = 130  # bits: 53 of the result, 11 for the exponent of x^y, 22 for the largest angle, and plenty to spare
POINTS = 2000
DEMANDED = {"sin": 2, "cos": 2, "exp": 2, "log": 2, "tanh": 2, "power": 2, "tan": 4, "sinh": 4, "cosh": 4, "arctan": 4}
INF, NAN = math.inf, math.nan
SMALLEST, LARGEST = 5e-324, 1.7976931348623157e308
TRIGONOMETRIC = ("sin", "cos", "tan")
Array = np.ndarray[Any, np.dtype[np.float64]]


# --- points -----------------------------------------------------------------------------------------------------------


def _signed(random: np.random.Generator, values: Array) -> Array:
    return values * random.choice([-1.0, 1.0], len(values))


def _near(random: np.random.Generator, centres: Any, count: int) -> Array:
    """Neighbours of the centres: half of them within a few ulp, half at log-uniform relative distances."""
    centre = random.choice(np.asarray(centres, np.float64), count)
    steps = np.where(np.arange(count) % 2, random.integers(-4, 5, count) * 2.0**-52, 0.0)
    far = np.where(steps == 0.0, _signed(random, 10.0 ** random.uniform(-16, -1, count)), 0.0)
    with np.errstate(over="ignore"):
        return centre * (1.0 + steps + far)


def _any_float(random: np.random.Generator, count: int) -> Array:
    """Positive finite numbers, log-uniform over the whole range, subnormal ones included."""
    return random.integers(1, 0x7FF0_0000_0000_0000, count).view(np.float64)


def _subnormal(random: np.random.Generator, count: int) -> Array:
    return (random.integers(1, 2**52, count) >> random.integers(0, 52, count)).clip(1).view(np.float64)


def _angles(random: np.random.Generator, count: int) -> Array:
    multiples = np.concatenate([np.arange(1, 40), random.integers(40, 63_661_977, 400)])
    part = count // 6
    return np.concatenate([
        random.uniform(-10, 10, part),
        random.uniform(-1e8, 1e8, part),
        _signed(random, 10.0 ** random.uniform(-12, 8, part)),
        _signed(random, _near(random, multiples * (math.pi / 2), part)),
        _signed(random, _near(random, multiples * (math.pi / 4), part)),
        _signed(random, np.minimum(_any_float(random, part), 1e8)),
    ])  # fmt: skip


_CENTRES = {
    "arctan": [1.0, 0.41421356237309503, 2.414213562373095, 2.0**-27, 1e16],
    "exp": [1e-3, 1.0, 0.34657359027997264, 709.782712893384, -708.3964185322641, -745.1332191019412],
    "log": [1.0, 1.4142135623730951, 0.7071067811865476, 2.2250738585072014e-308, 2.0**-900, LARGEST],
    "sinh": [1.0, 2.0**-28, 22.0, 709.782712893384, 710.4758600739439],
    "cosh": [1.0, 2.0**-28, 22.0, 709.782712893384, 710.4758600739439],
    "tanh": [0.625, 2.0**-28, 19.06, 22.0, 32.0],
}
_UNIFORM = {"arctan": 20.0, "exp": 750.0, "log": 10.0, "sinh": 711.0, "cosh": 711.0, "tanh": 25.0}


def _line(random: np.random.Generator, name: str, count: int) -> Array:
    part = count // 5
    width = _UNIFORM[name]
    points = np.concatenate([
        random.uniform(-width, width, part),
        _signed(random, 10.0 ** random.uniform(-12, math.log10(width), part)),
        _near(random, _CENTRES[name], part),
        _signed(random, _any_float(random, part)),
        random.uniform(-2, 2, part),
    ])  # fmt: skip
    return np.abs(points) if name == "log" else points


def _pairs(random: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Pairs (x, y) whose power is mostly within range, with its ends, bases near 1 and whole exponents well covered."""
    part = count // 6
    logs = random.uniform(-746, 711, 2 * part)
    bases = np.concatenate([_any_float(random, part), 10.0 ** random.uniform(-3, 3, part)])
    near_one = np.abs(_near(random, [1.0, 1.4142135623730951, 0.7071067811865476], part))
    near_one[near_one == 1.0] = 1.0 + 2.0**-52
    ends = random.choice([709.78, -708.4, -744.5, -745.1], part) + random.uniform(-1, 1, part)
    whole = random.integers(-40, 41, part).astype(np.float64)
    x = np.concatenate([bases, near_one, 10.0 ** random.uniform(-300, 300, part),
                        -(10.0 ** random.uniform(-8, 8, part)),
                        _any_float(random, part)])  # fmt: skip
    y = np.concatenate([
        logs / np.log(bases), random.uniform(-746, 711, part) / np.log(near_one), ends / np.log(x[3 * part : 4 * part]),
        whole, _signed(random, 10.0 ** random.uniform(-20, 2, part)),
    ])  # fmt: skip
    return x, y


def points(name: str, count: int, seed: int = 0) -> tuple[Array, ...]:
    """About ``count`` argument tuples for the function: uniform, log-uniform, near special places, subnormal."""
    random = np.random.default_rng([seed, *name.encode()])
    if name == "power":
        return _pairs(random, count)
    extra = count // 20
    tiny = _subnormal(random, extra) if name == "log" else _signed(random, _subnormal(random, extra))
    main = _angles(random, count - extra) if name in TRIGONOMETRIC else _line(random, name, count - extra)
    found = np.concatenate([main, tiny])
    limit = 1e8 if name in TRIGONOMETRIC else INF
    return (found[(np.abs(found) <= limit) & np.isfinite(found)],)


# --- errors -----------------------------------------------------------------------------------------------------------

_CLIPPED = {"exp": 800.0, "sinh": 800.0, "cosh": 800.0, "tanh": 100.0}  # beyond, the rounded result no longer changes
_EXACT: dict[str, Callable[..., Any]] = {
    name: getattr(mpmath, name) for name in MAX_ULP if name not in ("arctan", "power")
}
_EXACT |= {"arctan": mpmath.atan, "power": lambda x, y: x**y}


def _odd(y: float) -> bool:
    return abs(math.fmod(y, 2.0)) == 1.0  # y % 2.0 would round −1 + 2^−53 to an odd number


def exact(name: str, *arguments: float) -> Any:
    """The function at these arguments in high precision (:data:`PRECISION` must be in force)."""
    if name in _CLIPPED:
        arguments = (max(-_CLIPPED[name], min(_CLIPPED[name], arguments[0])),)
    if name == "power" and abs(arguments[1] * math.log(abs(arguments[0]))) > 800.0:
        x, y = arguments
        size = mpmath.mpf(2) ** (1200 if (abs(x) > 1.0) == (y > 0.0) else -1200)
        return -size if x < 0.0 and _odd(y) else size
    return _EXACT[name](*map(mpmath.mpf, arguments))


def ulp_error(value: float, truth: Any) -> float:
    """The error in units in the last place of the truth (on the subnormal grid where that is coarser)."""
    if value != value:
        return INF
    if truth == 0:
        return 0.0 if value == 0.0 else INF
    _, _, exponent, bits = truth._mpf_
    unit = max(min(exponent + bits - 1, 1023) - 52, -1074)
    if math.isinf(value):  # the place where infinity begins to be the rounded result is half an ulp below 2^1024
        nearest = mpmath.mpf(2) ** 1024 * (1 if value > 0 else -1)
        return 0.0 if truth * nearest > 0 and abs(truth) >= abs(nearest) else _units(nearest - truth, unit)
    return _units(mpmath.mpf(value) - truth, unit)


def _units(difference: Any, unit: int) -> float:
    return float(mpmath.ldexp(abs(difference), -unit))


def worst_error(name: str, count: int, seed: int = 0) -> tuple[float, tuple[float, ...], int]:
    """The largest error of a function in ulp over about ``count`` points, where it is, and how many points it was."""
    arguments = points(name, count, seed)
    values = getattr(functions, name)(*arguments)
    worst, place = 0.0, tuple(float(column[0]) for column in arguments)
    with mpmath.workprec(PRECISION):
        for value, *at in zip(values.tolist(), *(column.tolist() for column in arguments), strict=True):
            error = ulp_error(value, exact(name, *at))
            if error > worst:
                worst, place = error, tuple(at)
    return worst, place, len(arguments[0])


def bits(values: Any) -> Any:
    """The bytes of floats as whole numbers, every NaN alike."""
    values = np.asarray(values, np.float64)
    return np.where(np.isnan(values), np.nan, values).view(np.int64)


# --- tests ------------------------------------------------------------------------------------------------------------


def test_every_function_states_a_bound_within_the_demanded_one() -> None:
    assert set(MAX_ULP) == set(functions.NAMED) == set(DEMANDED)
    assert all(MAX_ULP[name] <= DEMANDED[name] for name in MAX_ULP)


@pytest.mark.parametrize("name", sorted(MAX_ULP))
def test_error_stays_below_the_stated_bound(name: str, request: pytest.FixtureRequest) -> None:
    scale = request.config.getoption("--runs", default=1)
    worst, place, _ = worst_error(name, POINTS * scale)
    assert worst <= MAX_ULP[name], f"{name}{place} is {worst:.3f} ulp off"


@pytest.mark.parametrize("name", sorted(MAX_ULP))
def test_error_of_the_fused_form_stays_below_the_same_bound(name: str, request: pytest.FixtureRequest) -> None:
    """With fused multiply-adds, as ``fast=True`` computes; in machine code, since Python's are exact fractions."""
    pytest.importorskip("llvmlite", reason="llvmlite is not installed")
    scale = request.config.getoption("--runs", default=1)
    arguments = points(name, POINTS * scale, seed=2)
    names = ["x", "y"][: len(arguments)]
    form = contracted(trace(getattr(functions, name), names))
    assert "fma" in {node.op for node in form.nodes}
    values = compiled_values(form, dict(zip(names, arguments, strict=True)))
    with mpmath.workprec(PRECISION):
        for value, *at in zip(values.tolist(), *(column.tolist() for column in arguments), strict=True):
            assert ulp_error(value, exact(name, *at)) <= MAX_ULP[name], f"{name}{at} is {value}"


@pytest.mark.parametrize("name", ["sin", "tan"])
def test_the_fused_form_keeps_the_sign_of_zero(name: str) -> None:
    form = contracted(trace(getattr(functions, name), ["x"]))
    for x in (0.0, -0.0, SMALLEST, -SMALLEST):
        assert bits(form.evaluate({"x": x})["value"]) == bits(x)


SPECIAL = {
    "sin": [(0.0, 0.0), (-0.0, -0.0), (SMALLEST, SMALLEST), (-SMALLEST, -SMALLEST)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (SMALLEST, 1.0)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (SMALLEST, SMALLEST)],
    "arctan": [(0.0, 0.0), (-0.0, -0.0), (INF, math.pi / 2), (-INF, -math.pi / 2), (SMALLEST, SMALLEST),
               (LARGEST, math.pi / 2), (NAN, NAN)],
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (LARGEST, INF), (-LARGEST, 0.0), (709.782712893384, None),
            (709.7827128933841, INF), (-745.1332191019411, SMALLEST), (-745.1332191019412, 0.0), (SMALLEST, 1.0),
            (NAN, NAN)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-INF, NAN), (-1.0, NAN), (-SMALLEST, NAN), (NAN, NAN)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (711.0, INF), (-711.0, -INF), (710.0, None),
             (LARGEST, INF), (SMALLEST, SMALLEST), (NAN, NAN)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (711.0, INF), (710.0, None), (LARGEST, INF), (NAN, NAN)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (LARGEST, 1.0), (SMALLEST, SMALLEST), (NAN, NAN)],
}  # fmt: skip
for _name in TRIGONOMETRIC:
    SPECIAL[_name] += [(1e8, None), (-1e8, None), (100000000.00000001, NAN), (INF, NAN), (-INF, NAN), (LARGEST, NAN),
                       (NAN, NAN)]  # fmt: skip
EDGES = [
    0.0,
    1.0,
    SMALLEST,
    0.5,
    2.0,
    3.0,
    2.5,
    1e300,
    LARGEST,
    INF,
    1.0 + 2.0**-52,
    1.0 - 2.0**-53,
    2.0**53,
    2.0**53 - 1,
]


@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_special_values(name: str) -> None:
    for x, wanted in SPECIAL[name]:
        if wanted is None:
            assert math.isfinite(getattr(functions, name)(x))
            continue
        for found in (getattr(functions, name)(x), getattr(functions, name)(np.array([x]))[0]):
            assert bits(found) == bits(wanted), f"{name}({x}) is {found}, not {wanted}"


def _ieee_pow(x: float, y: float) -> float:
    """C's pow, from the special cases of Python's (which raises where C signals)."""
    try:
        return math.pow(x, y)
    except ValueError:
        if x != 0.0:
            return NAN
        return math.copysign(INF, x) if _odd(y) else INF
    except OverflowError:
        return -INF if x < 0.0 and _odd(y) else INF


def test_power_has_the_special_cases_of_ieee_pow() -> None:
    values = [sign * edge for edge in EDGES for sign in (1.0, -1.0)] + [NAN]
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    for base, exponent, found in zip(x.tolist(), y.tolist(), functions.power(x, y).tolist(), strict=True):
        wanted = _ieee_pow(base, exponent)
        if wanted != wanted or math.isinf(wanted) or wanted in (0.0, 1.0):
            assert bits(found) == bits(wanted), f"{base}^{exponent} is {found}, not {wanted}"
        else:
            assert abs(found - wanted) <= 3 * math.ulp(wanted), f"{base}^{exponent} is {found}, not {wanted}"


@pytest.mark.parametrize("name", sorted(MAX_ULP))
def test_float_and_numpy_give_the_same_bits(name: str) -> None:
    arguments = points(name, 300, seed=1)
    edge = np.array([0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 1e9, -1e9, SMALLEST, -SMALLEST, LARGEST, -LARGEST])
    arguments = tuple(np.concatenate([column, edge]) for column in arguments)
    function = trace(getattr(functions, name), ["x", "y"][: len(arguments)])
    whole = getattr(functions, name)(*arguments)
    single = [function(*at) for at in zip(*(column.tolist() for column in arguments), strict=True)]
    assert np.array_equal(bits(whole), bits(single))
    assert np.array_equal(bits(whole), bits(function(*arguments)))


@pytest.mark.parametrize("name", sorted(MAX_ULP))
def test_the_result_is_of_the_kind_of_the_argument(name: str) -> None:
    function = getattr(functions, name)
    arity = 2 if name == "power" else 1
    assert type(function(*[0.75] * arity)) is float
    found = function(*[np.full((2, 3), 0.75)] * arity)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    assert found.shape == (2, 3)
