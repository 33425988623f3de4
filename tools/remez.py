"""Best (minimax) polynomials for a function, by the Remez exchange, in 60 digits; the error is relative to the function.

    python tools/remez.py sin odd 6 pi/4              the table of sin x = x + x³ p(x²) on |x| ≤ π/4, six coefficients
    python tools/remez.py cos even 6 pi/4 --fixed 2   1 and −x²/2 stay as they are: cos x = 1 − x²/2 + x⁴ p(x²)
    python tools/remez.py exp full 10 "log(2)/2" --fixed 2
    python tools/remez.py --compare                   every table of layda.functions.lowering beside the best possible

The first ``--fixed`` Taylor terms of the function are kept exactly, and a polynomial in x² (odd, even) or in x (full)
multiplies the power of x that comes after them. ``log-ratio`` is log((1 + x)/(1 − x)).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import mpmath

mpmath.mp.dps = 60

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": mpmath.sin, "cos": mpmath.cos, "exp": mpmath.exp, "tanh": mpmath.tanh, "sinh": mpmath.sinh,
    "arctan": mpmath.atan, "log-ratio": lambda x: 2 * mpmath.atanh(x),
}  # fmt: skip
VARIABLES = {"odd": (1, 2), "even": (0, 2), "full": (0, 1)}  # the first power, and the step from power to power
GRID = 2000

# table of layda.functions.lowering -> (file, function, variable, coefficients, largest |x|, fixed terms)
TABLES = {
    "_SIN": ("trigonometric", "sin", "odd", 6, "pi/4", 1),
    "_COS": ("trigonometric", "cos", "even", 6, "pi/4", 2),
    "_ARCTAN": ("trigonometric", "arctan", "odd", 11, "sqrt(2) - 1", 1),
    "_EXP": ("exponential", "exp", "full", 10, "log(2)/2", 2),
    "_LOG": ("exponential", "log-ratio", "odd", 7, "3 - 2*sqrt(2)", 1),
    "_TANH": ("exponential", "tanh", "odd", 12, "0.625", 1),
    "_SINH": ("exponential", "sinh", "odd", 8, "1", 1),
    "_TAIL": ("powers", "log-ratio", "odd", 8, "3 - 2*sqrt(2)", 2),
}


class Problem:
    """f(x) ≈ fixed Taylor terms + x^m·p(z) on |x| ≤ bound, with z = x² or x; relative error.

    Attributes:
        low: the smallest z, high: the largest.
    """

    def __init__(self, name: str, variable: str, fixed: int, bound: Any) -> None:
        self.function = FUNCTIONS[name]
        first, self.step = VARIABLES[variable]
        self.power = first + self.step * fixed
        # Taylor terms beyond the fixed ones give the wanted polynomial near 0, where the quotient would lose all digits.
        taylor = mpmath.taylor(self.function, 0, self.power + 12 * self.step)
        self.fixed = [taylor[first + self.step * index] for index in range(fixed)]
        self.series = [taylor[self.power + self.step * index] for index in range(12)]
        self.first = first
        self.high = mpmath.mpf(bound) ** self.step
        self.low = -self.high if variable == "full" else mpmath.mpf(0)

    def wanted(self, z: Any) -> Any:
        """What p should be at z."""
        if abs(z) < mpmath.mpf(10) ** -5:
            return mpmath.polyval(self.series[::-1], z)
        x = mpmath.sqrt(z) if self.step == 2 else z
        kept = x**self.first * mpmath.polyval(self.fixed[::-1], z)
        return (self.function(x) - kept) / x**self.power

    def weight(self, z: Any) -> Any:
        """How an error of p at z counts in the relative error of f."""
        x = mpmath.sqrt(z) if self.step == 2 else z
        return x**self.power / self.function(x) if abs(z) > mpmath.mpf(10) ** -30 else mpmath.mpf(0)

    def grid(self) -> list[Any]:
        """Points of z, dense at both ends."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        return [middle - half * mpmath.cos(mpmath.pi * index / GRID) for index in range(GRID + 1)]

    def error(self, coefficients: Sequence[Any]) -> Any:
        """The largest relative error with these coefficients (lowest power first)."""
        return max(abs(self.weight(z) * (mpmath.polyval(coefficients[::-1], z) - self.wanted(z))) for z in self.grid())


def minimax(problem: Problem, count: int, rounds: int = 20) -> tuple[list[Any], Any]:
    """The best ``count`` coefficients and their relative error: exchange until all extrema are alike within 0.1 %.

    Each round solves p(z_i) + (−1)^i·E/weight(z_i) = wanted(z_i) at count + 1 points and moves these to the extrema.
    """
    grid = problem.grid()
    wanted, weight = [problem.wanted(z) for z in grid], [problem.weight(z) for z in grid]
    usable = [index for index in range(len(grid)) if weight[index] != 0]
    # Chebyshev's extrema; where the weight vanishes at z = 0, the best error alternates within (0, high] all the same.
    chosen = [usable[round((len(usable) - 1) * place / count)] for place in range(count + 1)]
    found: list[Any] = []
    largest = mpmath.inf
    for _ in range(rounds):
        rows = [[grid[i] ** power for power in range(count)] + [(-1) ** n / weight[i]] for n, i in enumerate(chosen)]
        solved = list(mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([wanted[i] for i in chosen])))
        found, level = solved[:-1], abs(solved[-1])
        errors = [w * (mpmath.polyval(found[::-1], z) - g) for z, w, g in zip(grid, weight, wanted, strict=True)]
        largest = max(map(abs, errors))
        if largest <= level * mpmath.mpf("1.001"):
            break
        chosen = _extrema(errors, count + 1)
    return found, largest


def _extrema(errors: Sequence[Any], count: int) -> list[int]:
    """The largest error of each run of equal sign; surplus ones are dropped at the weaker end."""
    places: list[int] = []
    for index, error in enumerate(errors):
        if error == 0:
            continue
        if places and (errors[places[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[places[-1]]):
                places[-1] = index
        else:
            places.append(index)
    while len(places) > count:
        places.pop(0 if abs(errors[places[0]]) < abs(errors[places[-1]]) else -1)
    if len(places) < count:
        raise ArithmeticError(f"the error alternates {len(places)} times, {count} are needed: try another interval")
    return places


def number(text: str) -> Any:
    """A number written with +, −, *, /, pi, log and sqrt."""
    names = {"pi": mpmath.pi, "log": mpmath.log, "sqrt": mpmath.sqrt, "__builtins__": {}}
    return mpmath.mpf(eval(text, names))  # noqa: S307 - typed by whoever runs the tool


def compare() -> None:
    """Print, for every table in use, its relative error in double precision beside that of the best polynomial."""
    import importlib

    print(f"{'table':9} {'in use':>9} {'best':>9} {'best, rounded':>14}   (relative; half an ulp is 5.6e-17 to 1.1e-16)")
    for table, (file, name, variable, count, bound, fixed) in TABLES.items():
        used = getattr(importlib.import_module(f"layda.functions.lowering.{file}"), table)
        assert len(used) == count, f"{table} has {len(used)} coefficients"
        problem = Problem(name, variable, fixed, number(bound))
        best, error = minimax(problem, count)
        figures = [mpmath.nstr(value, 3) for value in (problem.error(used), error, problem.error([*map(float, best)]))]
        print(f"{table:9} {figures[0]:>9} {figures[1]:>9} {figures[2]:>14}")


def main() -> None:
    """Print one table, or compare all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", nargs="?", choices=sorted(FUNCTIONS))
    parser.add_argument("variable", nargs="?", choices=sorted(VARIABLES))
    parser.add_argument("count", nargs="?", type=int, help="coefficients")
    parser.add_argument("bound", nargs="?", help="the largest |x|, e.g. pi/4")
    parser.add_argument("--fixed", type=int, default=1, help="how many Taylor terms stay exact")
    parser.add_argument("--compare", action="store_true", help="the tables in use beside the best ones")
    given = parser.parse_args()
    if given.compare:
        compare()
        return
    if given.bound is None:
        parser.error("function, variable, count and bound are needed, or --compare")
    problem = Problem(given.function, given.variable, given.fixed, number(given.bound))
    found, error = minimax(problem, given.count)
    rounded = [float(value) for value in found]
    print(f"# relative error {mpmath.nstr(error, 3)}; rounded to floats {mpmath.nstr(problem.error(rounded), 3)}")
    print("(\n" + "".join(f"    {value!r},\n" for value in rounded) + ")")


if __name__ == "__main__":
    main()
