"""Tracing: run a plain Python function on symbols of our own and write down what it does, in its order.

A :class:`Traced` value knows its line in a :class:`Graph`; every operator adds a line, equal lines are shared.
"""

from __future__ import annotations

import inspect
import linecache
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from layda.errors import TraceError
from layda.program.operations import CONDITIONS
from layda.program.program import Node, Program, pruned
from layda.program.ufuncs import UFUNCS, from_ufunc

__all__ = ["ONE_ARRAY", "PACKAGES", "Graph", "Traced", "place_of", "trace"]

_BIGGEST_EXACT = 2.0**53
_LARGEST_POWER = 1024
ONE_ARRAY = (
    "Take the coordinates as separate arguments, def f(x, y), or say how many coordinates the one array holds: by the "
    "start, or by dimension=2"
)


class Graph:
    """A program being written: lines in order, equal lines shared, exact simplifications made at once."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Any, int] = {}

    def _add(self, node: Node, key: Any) -> Traced:
        index = self._known.get(key)
        if index is None:
            index = len(self.nodes)
            self.nodes.append(node)
            self._known[key] = index
        return Traced(self, index)

    def input(self, name: str) -> Traced:
        """The input of that name."""
        return self._add(Node("input", (), name), ("input", name))

    def constant(self, value: float) -> Traced:
        """A number as a line (told apart by its bytes, so −0 is not 0)."""
        return self._add(Node("const", (), float(value)), ("const", struct.pack("<d", float(value))))

    def lift(self, value: Any) -> Traced:
        """A traced value of this graph from a traced value or a number."""
        if type(value) is Traced:
            if value.graph is not self:
                raise TraceError("values of two different traces were mixed; a function may only use its own arguments")
            return value
        if isinstance(value, (bool, np.bool_)):
            one = self.constant(1.0)
            return self.apply("eq", one, one) if value else self.apply("lt", one, one)
        if isinstance(value, np.ndarray) and value.ndim:
            raise TraceError(
                f"an array of shape {value.shape} met a traced value, which is one number; "
                "write the sum over its elements as a loop over plain numbers, or run the function as a black box"
            )
        try:
            number = None if isinstance(value, (str, bytes)) else float(value)  # float() would read a text
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None:
            raise TraceError(
                f"{value!r} ({type(value).__name__}) cannot take part in a traced function; allowed are its own "
                "arguments and plain real numbers"
            )
        return self.constant(number)

    def apply(self, name: str, *arguments: Any) -> Traced:
        """The line that applies an operation, or an equal value that exists already."""
        values = [self.lift(argument) for argument in arguments]
        _check_kinds(name, values)
        simpler = _simplified(self, name, values)
        if simpler is not None:
            return simpler
        args = tuple(value.index for value in values)
        return self._add(Node(name, args), (name, args))

    def repeat(self, node: Node, results: Mapping[int, Traced] | Sequence[Traced]) -> Traced:
        """The line of another program, written here; its arguments are those lines' counterparts in ``results``."""
        if node.op == "input":
            return self.input(str(node.value))
        if node.op == "const":
            return self.constant(node.value)  # type: ignore[arg-type]
        return self.apply(node.op, *(results[arg] for arg in node.args))

    def program(
        self,
        inputs: Sequence[str],
        outputs: Mapping[str, Any],
        named: Sequence[tuple[str, tuple[int, ...], int]] = (),
    ) -> Program:
        """The program that computes these outputs, without the lines that they do not need."""
        found = tuple((name, self.lift(value).index) for name, value in outputs.items())
        return pruned(tuple(inputs), self.nodes, found, named)


def _check_kinds(name: str, values: list[Traced]) -> None:
    conditions = [value.node.op in CONDITIONS for value in values]
    if name in ("and", "or", "not"):
        if not all(conditions):
            _refuse(f"the operation {name!r} joins conditions such as x > 0, and got a number")
    elif name == "select":
        if not conditions[0]:
            _refuse("where(condition, a, b) needs a condition such as x > 0 first, and got a number")
        if any(conditions[1:]):
            _refuse("where(condition, a, b) chooses between numbers, and got a condition; write 1.0 and 0.0 instead")
    elif any(conditions):
        _refuse(f"the operation {name!r} needs numbers and got a condition; write where(condition, 1.0, 0.0)")


def _simplified(graph: Graph, name: str, values: list[Traced]) -> Traced | None:
    """An equal value that needs no new line, where the simplification is exact in IEEE arithmetic."""
    constants = [value.node.value if value.node.op == "const" else None for value in values]
    first = values[0]
    if name == "select":
        return values[1] if values[1].index == values[2].index else None
    if name == "neg":
        if constants[0] is not None:
            return graph.constant(-constants[0])  # type: ignore[operator]
        return Traced(graph, first.node.args[0]) if first.node.op == "neg" else None
    if name == "abs":
        return first if first.node.op == "abs" else None
    if name not in ("add", "sub", "mul", "div"):
        return None
    a, b = constants
    if a is not None and b is not None and name != "div":
        folded = _folded(graph, name, a, b)  # type: ignore[arg-type]
        if folded is not None:
            return folded
    if name == "mul":
        for one, other in ((a, values[1]), (b, first)):
            if one == 1.0:
                return other
            if one == -1.0:
                return graph.apply("neg", other)
    elif (name == "div" and b == 1.0) or (name == "sub" and b == 0.0 and _is_positive_zero(b)):
        return first
    return None


def _is_positive_zero(value: Any) -> bool:
    return struct.pack("<d", value) == b"\0" * 8


def _folded(graph: Graph, name: str, a: float, b: float) -> Traced | None:
    """Arithmetic on whole numbers that stays exact in every kind of number."""
    if a != int(a) if abs(a) < _BIGGEST_EXACT else True:
        return None
    if b != int(b) if abs(b) < _BIGGEST_EXACT else True:
        return None
    result = a + b if name == "add" else a - b if name == "sub" else a * b
    return graph.constant(result) if abs(result) < _BIGGEST_EXACT and result != 0.0 else None


class Traced:
    """A value whose operations are written down. It stands for one number that is not known yet."""

    __slots__ = ("graph", "index")
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, index: int) -> None:
        self.graph = graph
        self.index = index

    @property
    def node(self) -> Node:
        """The line that computes the value."""
        return self.graph.nodes[self.index]

    def __repr__(self) -> str:
        return f"<traced value {self.index}: {self.node.op}>"

    def __add__(self, other: Any) -> Any:
        return _operate(self, "add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _operate(self, "add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _operate(self, "sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _operate(self, "sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return _operate(self, "mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _operate(self, "mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _operate(self, "div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _operate(self, "div", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _operate(self, "floor", _operate(self, "div", self, other))

    def __mod__(self, other: Any) -> Any:
        return self - other * (self // other)

    def __neg__(self) -> Traced:
        return self.graph.apply("neg", self)

    def __pos__(self) -> Traced:
        return self

    def __abs__(self) -> Traced:
        return self.graph.apply("abs", self)

    def __pow__(self, power: Any) -> Any:
        if type(power) is not Traced and power == power and float(power).is_integer():
            return _integer_power(self, int(power))
        if type(power) is not Traced and power == 0.5:
            return self.graph.apply("sqrt", self)
        return _operate(self, "power", self, power)

    def __rpow__(self, base: Any) -> Any:
        return _operate(self, "power", base, self)

    def __lt__(self, other: Any) -> Any:
        return _operate(self, "lt", self, other)

    def __gt__(self, other: Any) -> Any:
        return _operate(self, "lt", other, self)

    def __le__(self, other: Any) -> Any:
        return _operate(self, "le", self, other)

    def __ge__(self, other: Any) -> Any:
        return _operate(self, "le", other, self)

    def __eq__(self, other: Any) -> Any:
        return _operate(self, "eq", self, other)

    def __ne__(self, other: Any) -> Any:
        return self.graph.apply("not", _operate(self, "eq", self, other))

    def __and__(self, other: Any) -> Any:
        return _operate(self, "and", self, other)

    def __or__(self, other: Any) -> Any:
        return _operate(self, "or", self, other)

    def __invert__(self) -> Traced:
        return self.graph.apply("not", self)

    def __bool__(self) -> bool:
        _refuse(
            "it asks whether a value that is not known yet is true (an if, while, and, or, not, min, max, or a chained "
            "comparison). Write layda.functions.where(condition, a, b), minimum, maximum, or a loop of fixed length"
        )

    def __float__(self) -> float:
        _refuse("it turns a value that is not known yet into a plain number (float(), math.…). Use layda.functions")

    def __int__(self) -> int:
        _refuse("it turns a value that is not known yet into a whole number. Use layda.functions.floor")

    def __index__(self) -> int:
        _refuse("it uses a value that is not known yet as an index or a count. Write a loop of fixed length")

    def __iter__(self) -> Any:
        _refuse(f"it loops over a value that is one number. {ONE_ARRAY}")

    def __getitem__(self, key: Any) -> Any:
        _refuse(f"it indexes a value that is one number. {ONE_ARRAY}")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        _refuse("it puts a value that is not known yet into a NumPy array. Work with the coordinates one by one")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if any(_is_array(value) for value in inputs):
            return NotImplemented
        if method != "__call__" or options:
            _refuse(f"it uses numpy.{ufunc.__name__}.{method} with options; only the plain call of a ufunc is traced")
        name = UFUNCS.get(ufunc.__name__)
        if name is None:
            _refuse(f"it uses numpy.{ufunc.__name__}, which has no counterpart in layda.functions")
        arrays = [value for value in inputs if isinstance(value, np.ndarray) and value.ndim]
        if arrays:
            self.graph.lift(arrays[0])
        return from_ufunc(self, name, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function is not np.where or len(args) != 3 or options:
            _refuse(f"it uses numpy.{function.__name__} on a value that is one number. {ONE_ARRAY}")
        return self.graph.apply("select", *args)


def _is_array(value: Any) -> bool:
    """An array of traced values, which does it for each of its elements."""
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim > 0


def _operate(value: Traced, name: str, *arguments: Any) -> Any:
    for argument in arguments:
        if isinstance(argument, (str, bytes, list, tuple, dict)) or argument is None or _is_array(argument):
            return NotImplemented
    return value.graph.apply(name, *arguments)


def _integer_power(base: Traced, power: int) -> Traced:
    """x^n as a fixed chain of products (square and multiply), so that every machine rounds alike."""
    if abs(power) > _LARGEST_POWER:
        _refuse(f"the whole exponent {power} is larger than {_LARGEST_POWER}; use layda.functions.power")
    if power == 0:
        return base.graph.constant(1.0)
    if power < 0:
        return base.graph.apply("div", 1.0, _integer_power(base, -power))
    result: Traced | None = None
    square = base
    while True:
        if power & 1:
            result = square if result is None else result * square
        power >>= 1
        if not power:
            assert result is not None
            return result
        square = square * square


# --- functions to programs --------------------------------------------------------------------------------------------


def trace(function: Callable[..., Any], inputs: Sequence[str] | None = None) -> Program:
    """Write down what a Python function does, as a program in the function's own order of operations.

    Args:
        function: plain Python on its positional arguments; returns one value, a sequence of values or a dict of them.
        inputs: names for the arguments; by default the function's own.

    Raises:
        TraceError: the function branches on a value, loops until something, or leaves the operations that are known.

    >>> print(trace(lambda x, y: (x + y) * (x + y)))
    v0 = x
    v1 = y
    v2 = add(v0, v1)
    v3 = mul(v2, v2)
    value: v3
    """
    names = list(inputs) if inputs is not None else _parameter_names(function)
    graph = Graph()
    returned = function(*[graph.input(name) for name in names])
    if isinstance(returned, Mapping):
        outputs = dict(returned)
    elif isinstance(returned, (tuple, list)):
        outputs = {f"value{index}": value for index, value in enumerate(returned)}
    else:
        outputs = {"value": returned}
    for name, value in outputs.items():
        if value is None:
            raise TraceError(f"{_name_of(function)} returned None for {name!r}; it must return a number for every path")
    return graph.program(names, outputs)


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    names = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TraceError(f"{_name_of(function)} takes *arguments: say how many with inputs=[…] or dimension=…")
        if parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return names


def _name_of(function: Any) -> str:
    """How messages call a function, or an object that can be called."""
    return getattr(function, "__name__", None) or type(function).__name__


def place_of(name: str, file: str, line: int) -> str:
    """A function and a line of it, as messages name them."""
    source = linecache.getline(file, line).strip()
    return f"{name} (file {Path(file).name}, line {line}" + (f": {source})" if source else ")")


PACKAGES = (str(Path(__file__).parent.parent), str(Path(np.__file__).parent))
"""Their frames are not the caller's own code."""


def _refuse(reason: str) -> NoReturn:
    """Raise a TraceError that names the line of the caller's own code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGES):
        frame = frame.f_back
    place = "the function"
    if frame is not None:
        place = place_of(frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno)
    raise TraceError(
        f"{place} cannot be traced: {reason}; or run it as it is with layda.objectives.black_box(function, gradient=…)"
    )
