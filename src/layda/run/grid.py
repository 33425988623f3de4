"""The grid of a sweep: axes of starts and settings, and the tiles that it is computed and stored in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError, nearest
from layda.objective import Objective
from layda.rule import Rule
from layda.run.ensemble import checked_numbers, with_decay
from layda.settings import numbers_of

__all__ = ["Axis", "Grid", "make_grid"]

Array = NDArray[np.float64]
_PER_TILE = 1 << 21  # balls: half a second of work or more, and a chunk of a few MB


@dataclass(frozen=True, eq=False)
class Axis:
    """One side of the grid.

    Attributes:
        name: as the dataset calls it: "start_x", "learning_rate", "momentum", "decay".
        values: its coordinates.
        coordinate: which coordinate of the start it sets; ``None`` for a setting.
        path: the rule's number that it sets; "" for a start.
    """

    name: str
    values: Array
    coordinate: int | None = None
    path: str = ""

    def described(self) -> dict[str, Any]:
        """Plain data, equal for equal axes."""
        return {
            "name": self.name,
            "count": len(self.values),
            "first": float(self.values[0]),
            "last": float(self.values[-1]),
            "sha256": hashlib.sha256(self.values.astype("<f8").tobytes()).hexdigest(),
        }


@dataclass(frozen=True, eq=False)
class Grid:
    """All balls of a sweep; ball by ball in the order of the axes, the last one running fastest.

    Attributes:
        axes: the sides. start: the coordinates that no axis sets. numbers: the rule's numbers that no axis sets.
        per_tile: balls in a tile at most.
    """

    axes: tuple[Axis, ...]
    start: tuple[float, ...]
    numbers: Mapping[str, float]
    per_tile: int = _PER_TILE

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values on each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def size(self) -> int:
        """How many balls."""
        return int(np.prod(self.shape, dtype=np.int64)) if self.axes else 1

    @cached_property
    def tile_shape(self) -> tuple[int, ...]:
        """Whole last axes as far as they fit, part of the next one, single values of the others."""
        found: list[int] = []
        room = self.per_tile
        for count in reversed(self.shape):
            found.insert(0, max(1, min(count, room)))
            room = room // count if room >= count else 0
        return tuple(found)

    @cached_property
    def tiles_along(self) -> tuple[int, ...]:
        """How many tiles lie along each axis."""
        return tuple(-(-count // tile) for count, tile in zip(self.shape, self.tile_shape, strict=True))

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return int(np.prod(self.tiles_along, dtype=np.int64)) if self.axes else 1

    def place(self, tile: int) -> tuple[int, ...]:
        """Where the tile is, counted in tiles along each axis."""
        return tuple(int(index) for index in np.unravel_index(tile, self.tiles_along)) if self.axes else ()

    def region(self, tile: int) -> tuple[slice, ...]:
        """The part of the grid that the tile covers."""
        return tuple(
            slice(index * side, min((index + 1) * side, count))
            for index, side, count in zip(self.place(tile), self.tile_shape, self.shape, strict=True)
        )

    def balls(self, region: Sequence[slice]) -> tuple[Array, dict[str, Any], tuple[int, ...]]:
        """Starts (balls, dimension), the numbers, and the shape of the region."""
        parts = [axis.values[part] for axis, part in zip(self.axes, region, strict=True)]
        shape = tuple(len(part) for part in parts)
        count = int(np.prod(shape, dtype=np.int64)) if shape else 1
        starts = np.empty((count, len(self.start)))
        starts[:] = self.start
        numbers: dict[str, Any] = dict(self.numbers)
        for index, (axis, part) in enumerate(zip(self.axes, parts, strict=True)):
            column = part.reshape([-1 if side == index else 1 for side in range(len(shape))])
            values = np.broadcast_to(column, shape).reshape(count)
            if axis.coordinate is not None:
                starts[:, axis.coordinate] = values
            else:
                numbers[axis.path] = values
        return starts, numbers, shape

    @property
    def largest_start(self) -> float:
        """The largest coordinate of any start, in size."""
        ends = [abs(value) for value in self.start]
        ends += [float(np.max(np.abs(axis.values))) for axis in self.axes if axis.coordinate is not None]
        return max(ends)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The smallest and the largest value of every number."""
        found = {name: (value, value) for name, value in self.numbers.items()}
        for axis in self.axes:
            if axis.coordinate is None:
                found[axis.path] = (float(np.min(axis.values)), float(np.max(axis.values)))
        return found


def make_grid(
    objective: Objective, rule: Rule, start: Any, settings: Mapping[str, Any], decay: Any, per_tile: int = _PER_TILE
) -> tuple[Rule, Grid]:
    """The grid over the values of starts and settings that are many; single values become part of the rule's numbers.

    Args:
        objective: whose coordinates ``start`` names.
        rule: whose numbers ``settings`` names.
        start: a mapping coordinate -> value or values; for one coordinate the values alone.
        settings: path -> value or values.
        decay: δ, one or many.
        per_tile: balls in a tile at most.

    Raises:
        SettingError: a coordinate or number that does not exist, a value that is not allowed.
    """
    way, given = with_decay(rule, dict(settings), decay)
    axes = [*_start_axes(objective, start)]
    fixed = list(objective.start)
    kept: list[Axis] = []
    for axis in axes:
        assert axis.coordinate is not None
        if len(axis.values) == 1 and not _is_many(start, axis, objective):
            fixed[axis.coordinate] = float(axis.values[0])
        else:
            kept.append(axis)
    numbers = dict(numbers_of(way))
    for path, array in checked_numbers(way, given).items():
        if array.ndim > 1:
            raise SettingError(f"{path} has the shape {array.shape}; an axis of a sweep is one row of values")
        if array.ndim == 0:
            numbers[path] = float(array)
        else:
            del numbers[path]
            kept.append(Axis(_axis_name(path), array, path=path))
    names = [axis.name for axis in kept]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"the axis {name!r} is given twice")
    return way, Grid(tuple(kept), tuple(fixed), numbers, per_tile)


def _axis_name(path: str) -> str:
    return {"learning_rate.initial": "learning_rate", "learning_rate.decay": "decay"}.get(path, path)


def _is_many(start: Any, axis: Axis, objective: Objective) -> bool:
    """Whether the one value was given as a row of values, so that it stays an axis."""
    value: Any = start.get(objective.coordinates[axis.coordinate or 0]) if isinstance(start, Mapping) else start
    return np.ndim(value) > 0


def _start_axes(objective: Objective, start: Any) -> list[Axis]:
    if start is None:
        return []
    if not isinstance(start, Mapping):
        if objective.dimension != 1:
            names = ", ".join(objective.coordinates[:6])
            raise SettingError(
                f"start is {type(start).__name__}; for the coordinates {names} give a mapping such as "
                f"{{{objective.coordinates[0]!r}: values}}"
            )
        start = {objective.coordinates[0]: start}
    axes = []
    for name, value in start.items():
        if name not in objective.coordinates:
            known = nearest(str(name), objective.coordinates)
            raise SettingError(f"{objective.name} has no coordinate {name!r}; {known}")
        try:
            values = np.atleast_1d(np.asarray(value, dtype=np.float64))
        except (TypeError, ValueError):
            raise SettingError(f"start {name} is {value!r}; allowed are numbers, one or many") from None
        if values.ndim != 1 or not len(values) or not np.all(np.isfinite(values)):
            raise SettingError(f"start {name} must be one row of finite numbers; it has the shape {values.shape}")
        axes.append(Axis(f"start_{name}", values, coordinate=objective.coordinates.index(name)))
    return axes
