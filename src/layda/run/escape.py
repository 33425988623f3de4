"""Out of a local minimum or not: the share of balls that escape, the windows of momentum in which they do, and a zoom.

A ball has escaped when it has settled in a better minimum than the one that its start lies above: for a start below a
barrier that is the minimum that plain descent with a small rate reaches from there. More momentum is not always better:
a ball that flies over the good minimum may be caught behind it, so that escapes come in *windows*.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import LaydaError, SettingError
from layda.measures import VERDICTS
from layda.objective import Objective
from layda.rule import Rule
from layda.run.descend import resolve_start, whole_number
from layda.run.ensemble import KEPT, ensemble, with_decay
from layda.run.fractions import counted_over, totals, wilson
from layda.settings import numbers_of
from layda.specs import to_objective, to_rule
from layda.specs.files import split_file

if TYPE_CHECKING:
    import xarray

__all__ = ["Windows", "escape_share", "escape_windows", "escaped", "zoom"]

Array = NDArray[Any]
_ARRIVED = VERDICTS.index("converged")
_LONG_NAMES = {"learning_rate": "learning_rate.initial", "decay": "learning_rate.decay"}
"""What sides are called -> the paths of the same numbers under a rate that decays."""
_NEEDED = ("objective", "rule", "settings", "start", "budget", "tolerance", "check_every", "fast", "dtype",
           "basin_radius")  # fmt: skip


def escaped(dataset: xarray.Dataset) -> xarray.DataArray:
    """Which balls settled at a minimum than which no better one is known."""
    return dataset["verdict"] == _ARRIVED


def escape_share(
    dataset: xarray.Dataset, over: str | Sequence[str] | None = None, confidence: float = 0.95
) -> xarray.Dataset:
    """The share of balls that reached the best known minimum, with Wilson's interval.

    Balls of a store that is not finished yet are left out, and a warning says how many they are.

    Args:
        dataset: from :func:`layda.sweep` or :func:`layda.ensemble`, with "verdict".
        over: the side or sides to count along (the starts, usually); all by default.
        confidence: of the interval.

    Returns:
        ``share``, ``low`` and ``high`` over the sides that stay; the attributes are the dataset's, but for what was
        counted over, and ``total``, the number of balls that a share is of. Where balls are missing, ``missing`` says
        how many, ``total`` is a variable over the sides that stay, and a share of none is NaN.

    Raises:
        SettingError: the dataset does not hold "verdict", or has no side of a name in ``over``; a confidence that is no
            number between 0 and 1.

    >>> import layda
    >>> found = layda.ensemble("x^4 - 2x^2 + x/4", "heavy-ball", [-2.0, 2.0], learning_rate=0.005, momentum=0.0)
    >>> float(escape_share(found).share)
    0.5
    """
    import xarray as xr

    if "verdict" not in dataset:
        held = ", ".join(map(str, dataset.data_vars)) or "nothing"
        raise SettingError(f"a share needs verdicts, and this dataset holds {held}; keep=('verdict',) keeps them")
    hits = escaped(dataset)
    sides = counted_over(hits, over)
    count = hits.sum(sides)
    total, sizes, about = totals(dataset["verdict"], sides)
    low, high = wilson(count.values, total.values, confidence)
    return xr.Dataset(
        {"share": count / total.where(total > 0), "low": (count.dims, low), "high": (count.dims, high)} | sizes,
        attrs={**_without(dataset.attrs, sides), "confidence": confidence} | about,
    )


def _without(attributes: Mapping[str, Any], sides: Sequence[str]) -> dict[str, Any]:
    """The attributes without the values of the starts and settings that are no longer one: those counted over."""
    gone = {name.removeprefix("start_") for name in sides if name.startswith("start_")}
    paths = {*sides, *(_LONG_NAMES.get(name, name) for name in sides)}
    found = dict(attributes)
    for key, names in (("start", gone), ("settings", paths)):
        if key in found:
            kept = {name: value for name, value in json.loads(found[key]).items() if name not in names}
            found[key] = json.dumps(kept)
    return found


@dataclass(frozen=True)
class Windows:
    """Where along one setting a ball from one start escapes.

    Attributes:
        name: of the setting. intervals: (low, high) of every window, the lowest first.
        width: how far an edge may be off at most. looked: how many balls were rolled.
        finest: the distance of the values that were looked at: a narrower window may have been missed.
        low: the smallest value that was looked at. high: the largest.
        objective: what was descended. rule: how, without what varies. start: from where; all three as text, for titles.
    """

    name: str
    intervals: tuple[tuple[float, float], ...]
    width: float
    looked: int
    finest: float
    low: float
    high: float
    objective: str = ""
    rule: str = ""
    start: str = ""

    @property
    def smallest(self) -> float | None:
        """The smallest value that escapes; ``None`` when none does."""
        return self.intervals[0][0] if self.intervals else None

    @property
    def widest(self) -> tuple[float, float] | None:
        """The window to choose from: well inside it an error in the setting does no harm."""
        return max(self.intervals, key=lambda window: window[1] - window[0]) if self.intervals else None

    @property
    def share(self) -> float:
        """How much of what was looked at escapes."""
        return sum(last - first for first, last in self.intervals) / (self.high - self.low)


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
        options: ``steps``, ``tolerance`` and so on, as for :func:`layda.ensemble`, but for ``keep``.

    Raises:
        SettingError: numbers out of range, a start of the wrong shape, a setting that is given beside being varied.

    >>> found = escape_windows("lecture", "heavy-ball:learning_rate=0.05", start=2.0, count=200, width=1e-3)
    >>> len(found.intervals) > 0 and 0.8 < found.smallest < 1.0
    True
    """
    _check_search(vary, low, high, width, decay, {**(settings or {}), **options})
    number = whole_number("count", count, 2, 10**9)
    target, way = to_objective(objective, start=start), to_rule(rule)
    place = np.array(resolve_start(target, start, seed=0))
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

    values = np.linspace(low, high, number)
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
    fixed = _fixed(way, vary, {**(settings or {}), **options, "decay": decay})
    where = ", ".join(f"{each:.4g}" for each in place)
    return Windows(
        vary, pairs, float(width), looked, float(values[1] - values[0]), float(low), float(high),
        target.name, fixed, where if len(place) == 1 else f"({where})",
    )  # fmt: skip


def _fixed(rule: Rule, vary: str, given: Mapping[str, Any]) -> str:
    """The rule with the settings that do not vary, as text to read."""
    known = {name: given.get(name, value) for name, value in rule.settings().items() if name != vary}
    more = {name: value for name, value in given.items() if name == "decay" or name in numbers_of(rule)}
    both = {name: value for name, value in (known | more).items() if value is not None}
    return f"{rule.name}({', '.join(f'{name}={value}' for name, value in both.items())})"


def _check_search(vary: str, low: Any, high: Any, width: Any, decay: Any, given: Mapping[str, Any]) -> None:
    """Refuse a search that cannot be made, or that would not vary what it says."""
    for name, value in (("low", low), ("high", high), ("width", width)):
        if not _is_number(value):
            raise SettingError(f"{name} is {value!r}; allowed is a finite number")
    if not low < high or not width > 0.0:
        raise SettingError(f"low, high, width are {low!r}, {high!r}, {width!r}; low must be below high, width above 0")
    if "keep" in given:
        raise SettingError(f"keep is {given['keep']!r}; windows need the verdicts alone and keep them; leave it out")
    fixed = [*given, *(["decay"] if decay is not None else [])]
    for name in fixed:
        if _LONG_NAMES.get(name, name) == _LONG_NAMES.get(vary, vary):
            raise SettingError(f"{name} is given, but {vary} is what varies, from low to high; leave {name} out")


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and bool(np.isfinite(float(value)))


def zoom(dataset: xarray.Dataset, region: Mapping[str, tuple[float, float]], width: float, **options: Any) -> Any:
    """A region of a map, computed anew with cells of at most ``width`` of the region along each side.

    Args:
        dataset: a map over two sides or one, from :func:`layda.sweep`.
        region: side -> (low, high); a side that is not named is taken whole.
        width: of a cell, as a share of the region.
        options: as for :func:`layda.sweep`, which is called with the objective, rule, settings and basin radius of the
            dataset's attributes. ``objective`` and ``rule`` must be given where those are no names of layda's and no
            formula: a Python function, a table with options of its own, something from a file. A dataset may come from
            anywhere, so a Python file that it names is never run.

    Raises:
        SettingError: no map of a sweep, a side that the map does not have, a region that is empty or not of numbers, an
            objective or rule that must be given.
    """
    from layda.run.sweep import sweep

    _check_map(dataset)
    _check_region(dataset, region)
    if not _is_number(width) or not 0.0 < width <= 1.0:
        raise SettingError(f"width is {width!r}; allowed is a number above 0 up to 1, a share of the region")
    count = int(np.ceil(1.0 / width)) + 1
    attributes = dataset.attrs
    objective = to_objective(options.pop("objective")) if "objective" in options else _stored_objective(attributes)
    rule = to_rule(options.pop("rule")) if "rule" in options else _stored_rule(attributes)
    settings: dict[str, Any] = json.loads(attributes["settings"])
    starts: dict[str, Any] = dict(json.loads(attributes["start"]))
    # In the order of the map: a dataset's own sides come in any. Before them those that one value was chosen of.
    order = [str(name) for name in dataset.coords if dataset[name].ndim == 0]
    order += [str(side) for side in next(iter(dataset.data_vars.values())).dims if side != "coordinate"]
    decays = "decay" in order or "learning_rate.decay" in settings
    if decays and "learning_rate.decay" not in numbers_of(rule):  # a rule that was named here, without its schedule
        rule, _ = with_decay(rule, {}, 0.5)
    known = numbers_of(rule)
    for name in order:
        path = _LONG_NAMES[name] if _LONG_NAMES.get(name) in known else name
        if name.startswith("start_"):
            starts[name.removeprefix("start_")] = _refined(dataset[name].values, region.get(name), count)
        elif path in known or name in dataset.dims:  # else a label of the caller's own
            settings[path] = _refined(dataset[name].values, region.get(name), count)
    call: dict[str, Any] = {
        "steps": int(attributes["budget"]),
        "tolerance": float(attributes["tolerance"]),
        "check_every": int(attributes["check_every"]),
        "radius": float(attributes["basin_radius"]),
        "fast": bool(attributes["fast"]),
        "dtype": str(attributes["dtype"]),
        "keep": tuple(str(name) for name in dataset.data_vars),
    }
    return sweep(objective, rule, start=starts, settings=settings, **(call | options))


def _check_map(dataset: Any) -> None:
    """Refuse what is no map of a sweep."""
    lacking = [name for name in _NEEDED if name not in dataset.attrs]
    held = [str(name) for name in dataset.data_vars]
    if lacking:
        raise SettingError(
            f"zoom needs a map from layda.sweep, and this dataset has no attribute {', '.join(lacking)}; make the map "
            "by layda.sweep"
        )
    if not held or not set(held) <= set(KEPT):
        raise SettingError(
            f"zoom needs a map from layda.sweep, which holds some of {', '.join(KEPT)}; this dataset holds "
            f"{', '.join(held) or 'nothing'}; give the map itself"
        )


def _check_region(dataset: Any, region: Mapping[str, Any]) -> None:
    for name, pair in region.items():
        if name not in dataset.dims or name == "coordinate":
            sides = ", ".join(str(side) for side in dataset.dims if side != "coordinate")
            raise SettingError(f"region names {name!r}; the sides are {sides or 'none'}")
        if not isinstance(pair, Sequence | np.ndarray) or len(pair) != 2 or not all(map(_is_number, pair)):
            raise SettingError(f"the region of {name} is {pair!r}; allowed are two finite numbers (low, high)")
        if not pair[0] < pair[1]:
            raise SettingError(f"the region of {name} is {tuple(pair)!r}; the first must be below the second")


def _refined(values: Array, ends: Any, count: int) -> Any:
    """From end to end in equal steps; a side of one value stays as it is."""
    low, high = (np.min(values), np.max(values)) if ends is None else ends
    return np.linspace(low, high, count) if low < high else values


def _stored_objective(attributes: Mapping[str, Any]) -> Objective:
    """The objective that the attributes name, if it is that one."""
    name = str(attributes["objective"])
    advice = "pass objective=… yourself"
    _refuse_file("objective", name)
    if name == "function":  # what a lambda is called
        raise SettingError(f"the objective of this map is a Python function, which no file holds; {advice}")
    try:
        found = to_objective(name)
    except LaydaError as error:
        raise SettingError(
            f"the objective of this map, {name!r}, cannot be made from its name ({error}); {advice}"
        ) from None
    same = found.identity == attributes.get("objective_identity", found.identity)
    box = [list(side) for side in found.box]
    if not same or json.loads(attributes.get("box", json.dumps(box))) != box:
        raise SettingError(f"the objective of this map is another one than what {name!r} stands for here; {advice}")
    return found


def _stored_rule(attributes: Mapping[str, Any]) -> Rule:
    """The rule that the attributes name."""
    name = str(attributes["rule"])
    _refuse_file("rule", name)
    try:
        return to_rule(name, files=False)
    except LaydaError as error:
        raise SettingError(
            f"the rule of this map, {name!r}, cannot be made from its text ({error}); pass rule=… yourself"
        ) from None


def _refuse_file(what: str, text: str) -> None:
    """A dataset may come from anywhere: what it names is never run."""
    try:
        named = split_file(text) is not None
    except LaydaError:  # a file, and nothing in it
        named = True
    if named:
        raise SettingError(
            f"the {what} of this map is {text!r}, from a Python file, which is not run because a dataset names it; "
            f"if you trust the file, pass {what}=… yourself"
        )
