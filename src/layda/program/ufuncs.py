"""NumPy's ufuncs on traced values: which operation each stands for."""

from __future__ import annotations

from typing import Any

__all__ = ["UFUNCS", "from_ufunc"]

UFUNCS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "negative": "neg",
    "absolute": "abs", "fabs": "abs", "sqrt": "sqrt", "floor": "floor", "less": "lt", "less_equal": "le",
    "greater": "gt", "greater_equal": "ge", "equal": "eq", "not_equal": "ne", "logical_and": "and",
    "logical_or": "or", "logical_not": "not", "power": "pow", "float_power": "pow", "square": "square", "sin": "sin",
    "cos": "cos", "tan": "tan", "exp": "exp", "log": "log", "tanh": "tanh", "sinh": "sinh", "cosh": "cosh",
    "arctan": "arctan", "minimum": "minimum", "maximum": "maximum", "sign": "sign", "positive": "pos",
}  # fmt: skip
"""NumPy's name -> ours."""


def from_ufunc(value: Any, name: str, *inputs: Any) -> Any:
    """The traced result of a ufunc.

    Args:
        value: one of the traced inputs; its graph takes the result.
        name: ours, from :data:`UFUNCS`.
        inputs: traced values and numbers.
    """
    graph = value.graph
    if name == "pow":
        base, power = inputs
        return graph.lift(base) ** power
    a, *rest = (graph.lift(item) for item in inputs)
    if name == "pos":
        return a
    if name == "square":
        return a * a
    if name == "sign":
        return graph.apply("select", a > 0.0, 1.0, graph.apply("select", a < 0.0, -1.0, a * 0.0))
    if not rest:
        return graph.apply(name, a)
    (b,) = rest
    if name in ("minimum", "maximum"):
        return graph.apply("select", a < b if name == "minimum" else a > b, a, b)
    if name in ("gt", "ge"):
        return graph.apply({"gt": "lt", "ge": "le"}[name], b, a)
    if name == "ne":
        return graph.apply("not", graph.apply("eq", a, b))
    return graph.apply(name, a, b)
