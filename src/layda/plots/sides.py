"""What maps and windows share: the part that is drawn, cells along its sides, names, shares, legends and titles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.run.store import FILLS
from layda.words import Say, later

if TYPE_CHECKING:
    import xarray

__all__ = [
    "cover", "edges", "is_logarithmic", "legend", "mesh", "missing", "missing_patch", "name_axis", "percent", "place",
    "selected", "title_of", "title_text",
]  # fmt: skip

Array = NDArray[Any]

_SYMBOLS = {"learning_rate": "α", "momentum": "β", "decay": "δ"}
_WORDS = {
    "learning_rate": later("learning rate α"),
    "momentum": later("momentum β"),
    "decay": later("decay δ"),
}
_AT_MOST_ONE = ("momentum", "decay")
_BLANK = "#FFFFFF"
_COUNTED = ("verdict", "basin", "steps")
_ZERO = 1e-7
"""A coordinate below this share of the box's side is what a search leaves of 0."""


def selected(dataset: xarray.Dataset, select: Mapping[str, float]) -> tuple[Any, dict[str, float]]:
    """The part of the dataset in rising order of its sides, and the values that were chosen.

    Raises:
        SettingError: no such side, no number, or one that is outside what the side holds.
    """
    dims = [str(name) for name in dataset.dims if name != "coordinate"]
    part, chosen = dataset, {}
    for name, value in select.items():
        if name not in dims:
            raise SettingError(f"select names {name!r}; the sides are {', '.join(dims) or 'none'}")
        part = part.isel({name: _nearest(name, part[name].values, value)})
        chosen[name] = float(part[name])
    for name in dims:
        if name in part.dims and part.sizes[name] == 1:
            part = part.isel({name: 0})
            if name in part.coords:
                chosen[name] = float(part[name])
    mixed = [name for name in dims if name in part.dims and name in part.coords and np.any(np.diff(part[name]) < 0.0)]
    return part.sortby(mixed) if mixed else part, chosen  # sorting copies all of a large map


def _nearest(name: str, values: Array, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SettingError(f"select: {name} is {value!r}; allowed is a number")
    wanted, low, high = float(value), float(np.min(values)), float(np.max(values))
    slack = 1e-9 * max(abs(low), abs(high))  # 0.1 is meant where the side holds 0.1 but for its rounding
    if not low - slack <= wanted <= high + slack:
        held = f"from {low:g} to {high:g}" if low < high else f"{low:g} alone"
        raise SettingError(f"select: {name} is {value!r}; this dataset holds {held}; choose a value there")
    return int(np.argmin(np.abs(values - wanted)))


def is_logarithmic(values: Array) -> bool:
    """Whether the values rise by equal ratios."""
    if len(values) < 3 or np.any(values <= 0.0):
        return False
    ratios, steps = np.diff(np.log(values)), np.diff(values)
    return bool(np.ptp(ratios) < 1e-6 * abs(np.mean(ratios)) and np.ptp(steps) > 1e-3 * abs(np.mean(steps)))


def edges(side: str, values: Array) -> Array:
    """Cell borders half-way between rising values, in ratios where they are spaced so.

    The outermost ones do not reach beyond what a setting may be: below 0; momentum and decay above 1.

    >>> edges("momentum", np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.25, 0.75, 1.0]
    >>> edges("start_x", np.array([0.0, 1.0])).tolist()
    [-0.5, 0.5, 1.5]
    """
    found = _between(values)
    if not side.startswith("start_"):
        found[0] = max(found[0], min(0.0, values[0]))
        if side in _AT_MOST_ONE:
            found[-1] = min(found[-1], max(1.0, values[-1]))
    return found


def _between(values: Array) -> Array:
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    if is_logarithmic(values):
        return np.asarray(np.exp(_between(np.log(values))))
    middle = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[1.5 * values[0] - 0.5 * values[1]], middle, [1.5 * values[-1] - 0.5 * values[-2]]])


def mesh(room: Any, borders: tuple[Array, Array], cells: Array, **options: Any) -> Any:
    """Draw the cells between the borders."""
    # One picture instead of millions of quadrilaterals: vector files stay small.
    return room.pcolormesh(borders[0], borders[1], cells, rasterized=True, shading="flat", **options)


def missing(layers: Mapping[str, Array]) -> Array | None:
    """Which balls an unfinished store does not hold yet; ``None`` where all are there or none can tell."""
    for name in _COUNTED:
        if name in layers:
            gone: Array = layers[name] == FILLS[name][1]
            return gone if gone.any() else None
    if "share" in layers and np.isnan(layers["share"]).any():
        return np.asarray(np.isnan(layers["share"]))
    return None


def cover(room: Any, borders: tuple[Array, Array], gone: Array) -> None:
    """Leave the cells that were not computed blank, whatever was drawn there."""
    from matplotlib.colors import ListedColormap

    mesh(room, borders, np.ma.masked_array(gone.astype(float), ~gone), cmap=ListedColormap([_BLANK]))


def missing_patch(gone: Array, say: Say) -> Any:
    """The legend's line for the cells that were not computed."""
    from matplotlib.patches import Patch

    words = say("not computed: {share} of all", share=percent(float(gone.mean())))
    return Patch(facecolor=_BLANK, edgecolor="#8C8C8C", linewidth=0.4, label=words)


def percent(share: float) -> str:
    """In whole per cent; a rare kind is never said to be none, nor a frequent one to be all.

    >>> [percent(share) for share in (0.0, 0.001, 0.424, 0.999, 1.0)]
    ['0%', '<1%', '42%', '>99%', '100%']
    """
    if 0.0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1.0 else f"{100.0 * share:.0f}%"


def place(position: Sequence[float], box: Sequence[Sequence[float]]) -> str:
    """Coordinates in three digits; what is nothing beside the box reads 0.

    >>> place((-1.306, 7.388e-11), [(-5.0, 5.0), (-5.0, 5.0)])
    '-1.31, 0'
    """
    sides = [high - low for low, high in box] if len(box) == len(position) else [0.0] * len(position)
    return ", ".join(
        "0" if abs(x) < _ZERO * side else f"{x:.3g}" for x, side in zip(position, sides, strict=True)
    )  # fmt: skip


def legend(room: Any, handles: list[Any], **options: Any) -> None:
    """The legend at the right."""
    room.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, handlelength=1.6,
        handleheight=1.2, **options,
    )  # fmt: skip


def name_axis(room: Any, side: str, logarithmic: bool, say: Say, upward: bool = False) -> None:
    """The side's name, and its scale."""
    if side.startswith("start_"):
        words = say("start {coordinate}", coordinate=side.removeprefix("start_"))
    else:
        words = say(_WORDS[side]) if side in _WORDS else side.replace("_", " ")
    (room.set_ylabel if upward else room.set_xlabel)(words)
    if logarithmic:
        (room.set_yscale if upward else room.set_xscale)("log")


def title_of(dataset: Any, chosen: Mapping[str, float]) -> str:
    """The objective, the rule, and what is the same for every ball."""
    settings = json.loads(dataset.attrs.get("settings", "{}"))
    known = {name: settings[path] for name, path in (
        ("learning_rate", "learning_rate"), ("learning_rate", "learning_rate.initial"), ("momentum", "momentum"),
        ("decay", "learning_rate.decay")) if path in settings and name not in dataset.dims}  # fmt: skip
    starts = {f"start_{name}": value for name, value in json.loads(dataset.attrs.get("start", "{}")).items()}
    # What one value was chosen of before the dataset came here.
    single = {name: float(dataset[name]) for name in (*starts, *_SYMBOLS)
              if name in dataset.coords and name not in dataset.dims and dataset[name].ndim == 0}  # fmt: skip
    starts = {name: value for name, value in starts.items() if name not in dataset.dims}
    if 0 < len(starts) <= 2:
        known |= starts
    known |= single | dict(chosen)
    rule = str(dataset.attrs.get("rule_name", ""))
    return title_text(str(dataset.attrs.get("objective", "")), rule, known)


def title_text(objective: str, rule: str, values: Mapping[str, float | str]) -> str:
    """One line: the objective, the rule and the values.

    >>> title_text("lecture", "HeavyBall", {"momentum": 0.9, "start_x": 2.0})
    'lecture, HeavyBall, β = 0.9, start x = 2'
    """
    parts = [objective, rule]
    for name, value in values.items():
        label = _SYMBOLS.get(name, name.replace("start_", "start "))
        parts.append(f"{label} = {value if isinstance(value, str) else f'{value:.4g}'}")
    return ", ".join(part for part in parts if part)
