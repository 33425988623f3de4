"""Out of a local minimum or not: the share of balls that escape, the windows of momentum in which they do, and a zoom.

A ball has escaped when it has settled in a better minimum than the one that its start lies above: for a start below a
barrier that is the minimum that plain descent with a small rate reaches from there. More momentum is not always better:
a ball that flies over the good minimum may be caught behind it, so that escapes come in *windows*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.measures import VERDICTS
from layda.objective import Objective
from layda.rule import Rule
from layda.run.ensemble import ensemble, with_decay
from layda.run.fractions import wilson
from layda.settings import numbers_of
from layda.specs import to_objective, to_rule

if TYPE_CHECKING:
    import xarray

__all__ = ["Windows", "escape_share", "escape_windows", "zoom"]

Array = NDArray[Any]
_ARRIVED = VERDICTS.index("converged")


def escaped(dataset: xarray.Dataset) -> xarray.DataArray:
    """Which balls settled at a minimum than which no better one is known."""
    return dataset["verdict"] == _ARRIVED


def escape_share(
    dataset: xarray.Dataset, over: Sequence[str] | None = None, confidence: float = 0.95
) -> xarray.Dataset:
    """The share of balls that reached the best known minimum, with Wilson's interval.

    Args:
        dataset: from :func:`layda.sweep` or :func:`layda.ensemble`, with "verdict".
        over: the sides to count along (the starts, usually); all by default.
        confidence: of the interval.

    Returns:
        ``share``, ``low`` and ``high`` over the sides that stay.

    >>> import layda
    >>> found = layda.ensemble("x^4 - 2x^2 + x/4", "heavy-ball", [-2.0, 2.0], learning_rate=0.005, momentum=0.0)
    >>> float(escape_share(found).share)
    0.5
    """
    import xarray as xr

    hits = escaped(dataset)
    sides = [str(name) for name in hits.dims] if over is None else list(over)
    for name in sides:
        if name not in hits.dims:
            raise SettingError(f"over names {name!r}; the sides are {', '.join(map(str, hits.dims))}")
    count = hits.sum(sides)
    total = int(np.prod([hits.sizes[name] for name in sides], dtype=np.int64))
    low, high = wilson(count.values, total, confidence)
    return xr.Dataset(
        {"share": count / total, "low": (count.dims, low), "high": (count.dims, high)},
        attrs={**dataset.attrs, "confidence": confidence, "total": total},
    )


@dataclass(frozen=True)
class Windows:
    """Where along one setting a ball from one start escapes.

    Attributes:
        name: of the setting. intervals: (low, high) of every window, the lowest first.
        width: how far an edge may be off at most. looked: how many balls were rolled.
        finest: the distance of the values that were looked at: a narrower window may have been missed.
    """

    name: str
    intervals: tuple[tuple[float, float], ...]
    width: float
    looked: int
    finest: float

    @property
    def smallest(self) -> float | None:
        """The smallest value that escapes; ``None`` when none does."""
        return self.intervals[0][0] if self.intervals else None

    @property
    def widest(self) -> tuple[float, float] | None:
        """The window to choose from: well inside it an error in the setting does no harm."""
        return max(self.intervals, key=lambda window: window[1] - window[0]) if self.intervals else None


def escape_windows(
    objective: str | Objective | Callable[..., Any],
    rule: str | Rule | type[Rule] = "heavy-ball",
    *,
    start: Any = None,
    vary: str = "momentum",
    low: float = 0.0,
    high: float = 0.99,
    count: int = 2000,
    width: float = 1e-6,
    decay: float | None = None,
    settings: Mapping[str, float] | None = None,
    **options: Any,
) -> Windows:
    """All windows of a setting in which a ball from this start reaches the best known minimum.

    ``count`` values are tried; between neighbours that differ the edge is narrowed, every edge by 64 balls at a time,
    until it is known to ``width``.

    Args:
        objective: as in :func:`layda.descend`.
        rule: as in :func:`layda.descend`.
        start: one start; the objective's usual one by default.
        vary: the setting: "momentum", "learning_rate", "decay" or a path.
        low: its smallest value.
        high: its largest.
        count: values looked at first; windows narrower than their distance may be missed.
        width: how well edges shall be known.
        decay: δ, where it is not what varies.
        settings: path -> value of other settings.
        options: ``steps``, ``tolerance`` and so on, as for :func:`layda.ensemble`.

    >>> found = escape_windows("lecture", "heavy-ball:learning_rate=0.05", start=2.0, count=200, width=1e-3)
    >>> len(found.intervals) > 0 and 0.8 < found.smallest < 1.0
    True
    """
    if not low < high or not width > 0.0:
        raise SettingError(f"low, high, width are {low!r}, {high!r}, {width!r}; low must be below high, width above 0")
    target, way = to_objective(objective), to_rule(rule)
    place = np.atleast_1d(np.asarray(target.start if start is None else start, dtype=np.float64))
    looked = 0

    def look(values: Array) -> Array:
        nonlocal looked
        looked += len(values)
        given: dict[str, Any] = dict(settings or {})
        shrink: Any = decay
        if vary == "decay":
            shrink = values
        else:
            given[vary] = values
        found = ensemble(target, way, place[None, :], settings=given, decay=shrink, keep=("verdict",), **options)
        return np.asarray(found["verdict"].values == _ARRIVED)

    values = np.linspace(low, high, max(2, count))
    hit = look(values)
    turns = np.flatnonzero(hit[1:] != hit[:-1])
    left, right = values[turns], values[turns + 1]
    while len(turns) and np.max(right - left) > width:
        grid = left[:, None] + (right - left)[:, None] * np.linspace(0.0, 1.0, 66)[None, 1:-1]
        inside = look(grid.ravel()).reshape(grid.shape)
        # The first change from the left: between values that differ there is at least one.
        same = inside == hit[turns][:, None]
        first = np.where(same.all(axis=1), grid.shape[1], np.argmin(same, axis=1))
        edges = np.concatenate([left[:, None], grid, right[:, None]], axis=1)
        rows = np.arange(len(turns))
        narrower = (edges[rows, first], edges[rows, first + 1])
        if np.array_equal(narrower[0], left) and np.array_equal(narrower[1], right):
            break
        left, right = narrower
    ends = list(np.where(hit[turns], left, right))
    if hit[0]:
        ends.insert(0, low)
    if hit[-1]:
        ends.append(high)
    pairs = tuple((float(a), float(b)) for a, b in zip(ends[::2], ends[1::2], strict=True))
    return Windows(vary, pairs, width, looked, float(values[1] - values[0]))


def zoom(dataset: xarray.Dataset, region: Mapping[str, tuple[float, float]], width: float, **options: Any) -> Any:
    """A region of a map, computed anew with cells of at most ``width`` of the region along each side.

    Args:
        dataset: a map over two sides or one, from :func:`layda.sweep`.
        region: side -> (low, high).
        width: of a cell, as a share of the region.
        options: as for :func:`layda.sweep`, which is called with the objective, rule and settings of the dataset's
            attributes; ``objective`` and ``rule`` must be given where a name does not stand for them (a function, a
            formula).

    Raises:
        SettingError: a side that the map does not have, or a region that is empty.
    """
    import json

    from layda.run.sweep import sweep

    for name, (low, high) in region.items():
        if name not in dataset.dims:
            sides = ", ".join(str(side) for side in dataset.dims if side != "coordinate")
            raise SettingError(f"region names {name!r}; the sides are {sides}")
        if not low < high:
            raise SettingError(f"the region of {name} is ({low!r}, {high!r}); the first must be below the second")
    if not 0.0 < width <= 1.0:
        raise SettingError(f"width is {width!r}; allowed is a number above 0 up to 1, a share of the region")
    count = int(np.ceil(1.0 / width)) + 1
    attributes = dataset.attrs
    objective = to_objective(options.pop("objective", attributes["objective"]))
    rule = to_rule(options.pop("rule", attributes["rule"]))
    settings: dict[str, Any] = json.loads(attributes["settings"])
    decays = "decay" in dataset.dims or "learning_rate.decay" in settings
    if decays and "learning_rate.decay" not in numbers_of(rule):  # a rule that was named here, without its schedule
        rule, _ = with_decay(rule, {}, 0.5)
    paths = {"decay": "learning_rate.decay"}
    if "learning_rate.initial" in numbers_of(rule):
        paths["learning_rate"] = "learning_rate.initial"
    starts: dict[str, Any] = dict(json.loads(attributes["start"]))
    # In the order of the map: a dataset's own sides come in any.
    order = [str(side) for side in next(iter(dataset.data_vars.values())).dims if side != "coordinate"]
    for name in order:
        low, high = region.get(name, (float(dataset[name].values[0]), float(dataset[name].values[-1])))
        values = np.linspace(low, high, count)
        if name.startswith("start_"):
            starts[name.removeprefix("start_")] = values
        else:
            settings[paths.get(name, name)] = values
    call: dict[str, Any] = {
        "steps": int(attributes["budget"]),
        "tolerance": float(attributes["tolerance"]),
        "check_every": int(attributes["check_every"]),
        "fast": bool(attributes["fast"]),
        "dtype": str(attributes["dtype"]),
        "keep": tuple(str(name) for name in dataset.data_vars),
    }
    return sweep(objective, rule, start=starts, settings=settings, **(call | options))
