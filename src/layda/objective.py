"""What an objective is: a function to go down, with what is known about it. To add one, see :class:`TracedObjective`.

Runners use an objective through a few declared attributes and two methods, ``value_and_gradient`` (the truth that runs
are judged by) and ``step_gradient`` (what step k sees: for mini-batches another one each step).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import ComputationError, SettingError
from layda.program import Program, hessian, hessian_product, value_and_gradient
from layda.program.coordinates import counted, default_coordinates, label_of, trace_coordinates, written_down
from layda.program.tracing import Graph

__all__ = [
    "BlackBox", "Minimum", "Objective", "TracedObjective", "black_box", "difference_step", "from_function",
]  # fmt: skip

Array = NDArray[np.float64]
_DEFAULT_BOX = (-5.0, 5.0)


@dataclass(frozen=True)
class Minimum:
    """A known local minimum: where it is, and how low."""

    position: tuple[float, ...]
    value: float


@dataclass(frozen=True, kw_only=True)
class Objective(ABC):
    """A function of ``dimension`` coordinates and what is known about it.

    Attributes:
        name: how lists and results call it.
        coordinates: the names of the coordinates.
        box: for each coordinate the interval where starts are drawn and plots are made. Leaving it is allowed.
        start: the usual start; the middle of the box where none is usual.
        minima: the known local minima, the best first; ``None`` when nobody has looked.
        description: one sentence. equation: the formula for people. source: where it comes from.
        stochastic: whether ``step_gradient`` differs from the gradient of the whole.
        convex: whether every minimum is a global one.
        notes: what a reader of a result must be told (finite differences, mini-batches, …).
    """

    name: str
    coordinates: tuple[str, ...]
    box: tuple[tuple[float, float], ...]
    start: tuple[float, ...]
    minima: tuple[Minimum, ...] | None = None
    description: str = ""
    equation: str = ""
    source: str = ""
    stochastic: bool = False
    convex: bool = False
    notes: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """The number of coordinates."""
        return len(self.coordinates)

    @abstractmethod
    def value_and_gradient(self, position: Array) -> tuple[float, Array]:
        """f(x) and ∇f(x) of the whole objective; IEEE numbers, never an exception for bad arguments."""

    def value(self, position: Array) -> float:
        """f(x)."""
        return self.value_and_gradient(position)[0]

    def values(self, positions: Array) -> Array:
        """f at each row."""
        return np.array([self.value(row) for row in positions], dtype=np.float64)

    def values_and_gradients(self, positions: Array) -> tuple[Array, Array]:
        """f and ∇f at each row: (rows,) and (rows, dimension)."""
        found = [self.value_and_gradient(row) for row in positions]
        return np.array([value for value, _ in found], np.float64), np.array([slope for _, slope in found], np.float64)

    def step_gradient(self, position: Array, step: int) -> Array:
        """The gradient that step ``step`` sees; that of the whole by default."""
        return self.value_and_gradient(position)[1]

    def is_defined(self, position: Array) -> bool:
        """Whether f exists at the position, as far as it was declared."""
        return True

    def hessian(self, position: Array) -> Array:
        """The matrix of second derivatives; by central differences of the gradient where nothing better is known."""
        return _hessian_by_differences(self, position)

    @property
    def hessian_cost(self) -> float:
        """What the whole Hessian costs at most, in gradients."""
        return 2.0 * self.dimension

    @property
    def identity(self) -> str:
        """What results store to name the objective: equal for equal objectives."""
        return self.name

    def report(self, position: Array) -> dict[str, float]:
        """Further figures of an answer, such as a held-out accuracy; none by default."""
        return {}


@dataclass(frozen=True, kw_only=True)
class TracedObjective(Objective):
    """An objective that is a program, so that every backend can print it and its derivatives are exact.

    **To add a classic**, write it as a plain Python function of its coordinates in ``layda/objectives/classics.py``,
    with operators and ``layda.functions``, and add one entry with its box, minima and source to the table there. For
    one of your own, :func:`from_function` does the same::

        import layda

        valley = layda.objectives.from_function(lambda x, y: x * x + 10 * y * y, box=[(-2, 2), (-2, 2)], start=(2, 1))

    Attributes:
        program: the function; inputs are the coordinates.
        defined: a program whose output is a condition, true where f exists; ``None`` for everywhere.
    """

    program: Program = field(repr=False)
    defined: Program | None = field(default=None, repr=False)

    @cached_property
    def gradient_program(self) -> Program:
        """f and its gradient: outputs ``value`` and ``d_<coordinate>`` for each."""
        return value_and_gradient(self.program)

    @cached_property
    def hessian_program(self) -> Program:
        """The lower triangle of the Hessian: outputs ``d_<a>_<b>``."""
        return hessian(self.program)

    @cached_property
    def product_program(self) -> Program:
        """The Hessian times a direction: further inputs ``along_<coordinate>``, outputs ``d_<coordinate>``."""
        return hessian_product(self.program)

    def value_and_gradient(self, position: Array) -> tuple[float, Array]:
        """f and ∇f, evaluated operation by operation."""
        results = list(self.gradient_program.evaluate(self._inputs(position)).values())
        return float(results[0]), np.array(results[1:], dtype=np.float64)

    def value(self, position: Array) -> float:
        """f(x)."""
        return float(next(iter(self.program.evaluate(self._inputs(position)).values())))

    def values(self, positions: Array) -> Array:
        """f at each row, all at once; the bits of ``value``."""
        columns = {name: positions[:, index] for index, name in enumerate(self.coordinates)}
        found = next(iter(self.program.evaluate(columns).values()))
        return np.broadcast_to(np.asarray(found, dtype=np.float64), (len(positions),)).copy()

    def gradients(self, positions: Array) -> Array:
        """∇f at each row, all at once; the bits of ``value_and_gradient``."""
        columns = {name: positions[:, index] for index, name in enumerate(self.coordinates)}
        found = list(self.gradient_program.evaluate(columns).values())[1:]
        return np.stack([np.broadcast_to(np.asarray(g, dtype=np.float64), (len(positions),)) for g in found], axis=1)

    def is_defined(self, position: Array) -> bool:
        """Whether f exists at the position."""
        return self.defined is None or bool(next(iter(self.defined.evaluate(self._inputs(position)).values())))

    def hessian(self, position: Array) -> Array:
        """The exact second derivatives."""
        found = self.hessian_program.evaluate(self._inputs(position))
        matrix = np.empty((self.dimension, self.dimension))
        for row, a in enumerate(self.coordinates):
            for column, b in enumerate(self.coordinates[: row + 1]):
                matrix[row, column] = matrix[column, row] = found[f"d_{a}_{b}"]
        return matrix

    @property
    def identity(self) -> str:
        """The digest of the program."""
        return self.program.digest

    def _inputs(self, position: Array) -> dict[str, float]:
        if len(position) != self.dimension:
            raise SettingError(
                f"a position of {len(position)} numbers for {self.name}, which has {self.dimension} "
                f"coordinates: {', '.join(self.coordinates)}"
            )
        return {name: float(number) for name, number in zip(self.coordinates, position, strict=True)}

    def penalised(self, weight: float) -> TracedObjective:
        """f(x) + weight·|x|²/2, as coupled weight decay descends it; its minima are no longer known."""
        graph = Graph()
        values = {name: graph.input(name) for name in self.coordinates}
        total = next(iter(self.program.evaluate(values).values()))
        for value in values.values():
            total = total + weight * (value * value) / 2.0
        name = f"{self.name} + {weight:g}|x|²/2"
        return replace(self, name=name, program=graph.program(self.coordinates, {"value": total}), minima=None)


@dataclass(frozen=True, kw_only=True)
class BlackBox(Objective):
    """An objective that is run as it is: any Python function of one NumPy array.

    Attributes:
        function: x (shape (dimension,)) -> a number; ``None`` in a loaded result, which has no code to run.
        gradient: x -> ∇f(x), shape (dimension,); ``None`` for central differences, two calls per coordinate.
    """

    function: Callable[[Array], float] | None = field(repr=False)
    gradient: Callable[[Array], Any] | None = field(default=None, repr=False)

    def value(self, position: Array) -> float:
        """f(x)."""
        if self.function is None:
            raise ComputationError(
                f"{self.name} was a black box when this result was saved; a file holds no Python code, so it cannot be "
                "evaluated again. Build the objective anew and run it"
            )
        with np.errstate(all="ignore"):
            returned: Any = self.function(np.array(position, dtype=np.float64))
        try:
            # NumPy would make NaN of None, and a forgotten return would look like divergence.
            found = np.asarray("" if returned is None else returned, dtype=np.float64)
        except (TypeError, ValueError):
            raise ComputationError(f"{self.name} returned {returned!r}; it must return one number") from None
        if found.size != 1:
            raise ComputationError(f"{self.name} returned an array of shape {found.shape}; it must return one number")
        return float(found.reshape(()))

    def value_and_gradient(self, position: Array) -> tuple[float, Array]:
        """f and ∇f, by the given gradient or by central differences."""
        value = self.value(position)
        if self.gradient is None:
            return value, _gradient_by_differences(self, position)
        with np.errstate(all="ignore"):
            slope = np.asarray(self.gradient(np.array(position, dtype=np.float64)), dtype=np.float64)
        if slope.size != self.dimension:
            raise ComputationError(
                f"the gradient of {self.name} has shape {slope.shape}; it must be one number for each of the "
                f"{self.dimension} coordinates"
            )
        return value, slope.reshape(self.dimension)


def from_function(
    function: Callable[..., Any],
    *,
    dimension: int | None = None,
    coordinates: Sequence[str] | None = None,
    box: Sequence[Sequence[float]] | Sequence[float] | None = None,
    start: Sequence[float] | float | None = None,
    minima: Sequence[Minimum] | None = None,
    defined: Callable[..., Any] | None = None,
    name: str | None = None,
    **about: Any,
) -> TracedObjective:
    """Trace a plain Python function of its coordinates into an objective.

    Args:
        function: ``f(x, y, …)`` written with operators, NumPy ufuncs and ``layda.functions``; no branch on a value.
            Or ``f(p)`` of all coordinates in one array, as SciPy's are; then ``dimension``, ``coordinates`` or
            ``start`` says how many there are.
        dimension: the number of coordinates of a function that takes ``*x`` or one array.
        coordinates: their names; by default the function's own.
        box: one interval for all coordinates, or one for each; by default −5 to 5.
        start: the usual start; by default the middle of the box.
        minima: known local minima, the best first.
        defined: ``d(x, y, …)`` returning a condition that is true where f exists.
        name: by default the function's.
        about: ``description``, ``equation``, ``source``, ``convex``.

    Raises:
        TraceError: the function cannot be written down as a straight line; run it with :func:`black_box`.

    >>> bowl = from_function(lambda x, y: x * x + 4 * y * y, start=(2.0, 1.0))
    >>> bowl.value_and_gradient(np.array([2.0, 1.0]))
    (8.0, array([4., 8.]))
    >>> from_function(lambda p: (p**2).sum(), dimension=3).coordinates
    ('x', 'y', 'z')
    """
    if coordinates is not None:
        if dimension is not None and dimension != len(coordinates):
            raise SettingError(f"dimension={dimension} but {len(coordinates)} coordinates were named")
        dimension = len(coordinates)
    names, program, of_array = written_down(function, dimension, coordinates, counted(start))
    intervals = _intervals(box, len(names))
    return TracedObjective(
        name=name or label_of(function),
        coordinates=tuple(names),
        box=intervals,
        start=_start(start, intervals),
        minima=None if minima is None else tuple(minima),
        program=program,
        defined=None if defined is None else trace_coordinates(defined, names, of_array),
        **about,
    )


def black_box(
    function: Callable[[Array], float],
    gradient: Callable[[Array], Any] | None = None,
    *,
    dimension: int = 1,
    coordinates: Sequence[str] | None = None,
    box: Sequence[Sequence[float]] | Sequence[float] | None = None,
    start: Sequence[float] | float | None = None,
    minima: Sequence[Minimum] | None = None,
    name: str | None = None,
) -> BlackBox:
    """Take any Python function of one array as an objective, run as it is.

    Args:
        function: x, shape (dimension,) -> a number.
        gradient: x -> ∇f(x); without it central differences are used, and every result says so.
        dimension: the number of coordinates.
        coordinates: their names.
        box: as in :func:`from_function`.
        start: as in :func:`from_function`.
        minima: as in :func:`from_function`.
        name: by default the function's.

    >>> black_box(lambda x: float(abs(x[0])), dimension=1).value(np.array([-2.0]))
    2.0
    """
    names = list(coordinates) if coordinates is not None else default_coordinates(dimension)
    intervals = _intervals(box, len(names))
    notes = () if gradient is not None else ("gradient by central differences: two more evaluations per coordinate",)
    return BlackBox(
        name=name or label_of(function),
        coordinates=tuple(names),
        box=intervals,
        start=_start(start, intervals),
        minima=None if minima is None else tuple(minima),
        function=function,
        gradient=gradient,
        notes=notes,
    )


def _intervals(box: Any, dimension: int) -> tuple[tuple[float, float], ...]:
    if box is None:
        return (_DEFAULT_BOX,) * dimension
    table = np.asarray(box, dtype=np.float64)
    if table.shape == (2,):
        table = np.tile(table, (dimension, 1))
    if table.shape != (dimension, 2) or not np.all(np.isfinite(table)) or not np.all(table[:, 0] < table[:, 1]):
        raise SettingError(
            f"box is {box!r}; allowed is (low, high) or one such pair for each of {dimension} coordinates"
        )
    return tuple((float(low), float(high)) for low, high in table)


def _start(start: Any, box: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    if start is None:
        return tuple(0.5 * (low + high) for low, high in box)
    values = np.atleast_1d(np.asarray(start, dtype=np.float64))
    if values.shape != (len(box),) or not np.all(np.isfinite(values)):
        raise SettingError(f"start is {start!r}; allowed are {len(box)} finite numbers, one for each coordinate")
    return tuple(float(value) for value in values)


def difference_step(objective: Objective, position: Array, index: int) -> float:
    """h = ε^⅓·max(|x|, a tenth of the box's side) for central differences along one coordinate."""
    low, high = objective.box[index]
    return float(np.cbrt(np.finfo(float).eps) * max(0.1 * (high - low), abs(position[index])))


def _gradient_by_differences(objective: Objective, position: Array) -> Array:
    """(f(x + h) − f(x − h))/2h: error of order h²."""
    found = np.empty(len(position))
    for index in range(len(position)):
        step = difference_step(objective, position, index)
        ahead, behind = position.astype(np.float64), position.astype(np.float64)
        ahead[index] += step
        behind[index] -= step
        found[index] = (objective.value(ahead) - objective.value(behind)) / (ahead[index] - behind[index])
    return found


def _hessian_by_differences(whole: Objective, position: Array) -> Array:
    matrix = np.empty((len(position), len(position)))
    for index in range(len(position)):
        step = difference_step(whole, position, index)
        ahead, behind = np.array(position, dtype=np.float64), np.array(position, dtype=np.float64)
        ahead[index] += step
        behind[index] -= step
        slope = whole.value_and_gradient(ahead)[1] - whole.value_and_gradient(behind)[1]
        matrix[index] = slope / (ahead[index] - behind[index])
    return 0.5 * (matrix + matrix.T)
