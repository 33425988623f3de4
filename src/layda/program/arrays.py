"""Traced values in a NumPy array, for functions of one array, as SciPy's are: f(p) with p[0], p[1] and so on.

(p ** 2).sum() is written down as p₀·p₀ + p₁·p₁ + …, element by element, from the left.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from layda.errors import TraceError
from layda.program.tracing import Traced
from layda.program.ufuncs import UFUNCS, from_ufunc

__all__ = ["TracedArray"]

_CHOOSING = ("minimum", "maximum", "and", "or")


class TracedArray(np.ndarray[Any, np.dtype[Any]]):
    """An array of traced values: NumPy's elementwise functions are written down for each element.

    What asks for numbers (a cast, a sort, a branch) is refused by the elements themselves.
    """

    @classmethod
    def of(cls, values: Sequence[Any]) -> TracedArray:
        """The array that holds these values."""
        whole = np.empty(len(values), dtype=object)
        for place, value in enumerate(values):  # one by one: NumPy would ask each what array it is
            whole[place] = value
        return whole.view(cls)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [_plain(one) for one in inputs]
        if "out" in options:  # p += 1
            options["out"] = tuple(_plain(one) for one in options["out"])
        name = UFUNCS.get(ufunc.__name__)
        if method == "__call__" and name is not None:
            found = np.frompyfunc(functools.partial(_element, ufunc, name), len(plain), 1)(*plain, **options)
        elif method == "reduce" and name in _CHOOSING and plain[0].ndim == 1:  # p.max(): NumPy's own asks which is more
            found = functools.reduce(functools.partial(_element, ufunc, name), _reduced(plain[0], options))
        elif method == "__call__" and ufunc.__name__ == "clip" and not options:
            return np.minimum(np.maximum(inputs[0], inputs[1]), inputs[2])
        else:
            found = getattr(ufunc, method)(*plain, **options)
        return found.view(TracedArray) if isinstance(found, np.ndarray) and found.dtype == object else found

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function is np.where and len(args) == 3 and not options:
            found = np.frompyfunc(_chosen, 3, 1)(*(_plain(one) for one in args))
            return found.view(TracedArray) if isinstance(found, np.ndarray) else found
        return super().__array_function__(function, types, args, options)


def _plain(value: Any) -> Any:
    if type(value) is Traced:  # as an array of no dimensions, which NumPy lays along the others
        whole = np.empty((), dtype=object)
        whole[()] = value
        return whole
    return value.view(np.ndarray) if isinstance(value, TracedArray) else value


def _reduced(values: Any, options: dict[str, Any]) -> list[Any]:
    """The elements that are compared, with ``initial`` before them and without those that ``where`` leaves out."""
    where, initial = options.pop("where", True), options.pop("initial", None)
    kept = {name: value for name, value in options.items() if value not in (None, False, 0, -1, (0,))}
    if kept:
        raise TraceError(
            f"a largest or smallest element is asked for with {kept}; allowed are initial and where; write it out "
            "element by element, or run the function as a black box"
        )
    taken = [value for value, one in zip(values, np.broadcast_to(where, values.shape), strict=True) if one]
    return taken if initial is None else [initial, *taken]


def _element(ufunc: Any, name: str, *values: Any) -> Any:
    """The ufunc of one element."""
    traced = next((value for value in values if type(value) is Traced), None)
    return ufunc(*values) if traced is None else from_ufunc(traced, name, *values)


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    if type(condition) is Traced:
        return condition.graph.apply("select", condition, a, b)
    return a if condition else b
