"""Maps: what becomes of a ball over two starts or settings, as a picture with its legend in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError, nearest
from layda.measures import VERDICTS
from layda.plots.style import RC
from layda.words import Say, later, speaker

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["VERDICT_COLOURS", "draw_map"]

Array = NDArray[Any]

# Okabe and Ito's colours, ordered by lightness so that arrived, stuck and broken differ in grey, too.
VERDICT_COLOURS = {
    "converged": "#0072B2", "trapped": "#56B4E9", "saddle": "#CC79A7", "frozen": "#F0E442", "cycling": "#E69F00",
    "diverged": "#A3161A", "undefined": "#000000", "crawling": "#BDBDBD", "unfinished": "#E6E6E6",
}  # fmt: skip
"""One colour for each verdict, the same in every map."""

_BASIN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F")
_NOWHERE = "#EDEDED"
_WHATS = ("verdict", "basin", "steps", "value", "share")
_SYMBOLS = {"learning_rate": "α", "momentum": "β", "decay": "δ"}
_WORDS = {
    "learning_rate": later("learning rate α"),
    "momentum": later("momentum β"),
    "decay": later("decay δ"),
}
_VERDICT_WORDS = {
    "converged": later("settled at a minimum, no better one is known"),
    "trapped": later("settled at a poor minimum"),
    "saddle": later("settled at a saddle"),
    "frozen": later("frozen: the learning rate vanished"),
    "cycling": later("goes round"),
    "diverged": later("diverged"),
    "undefined": later("left where f exists"),
    "crawling": later("crawls"),
    "unfinished": later("not there yet"),
}
_HATCHED = {"diverged": "////", "undefined": "xxxx"}


def draw_map(
    dataset: xarray.Dataset,
    what: str = "verdict",
    x: str | None = None,
    y: str | None = None,
    select: Mapping[str, float] | None = None,
    language: str = "en",
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw what became of the balls over two sides of a sweep.

    Args:
        dataset: from :func:`layda.sweep`.
        what: "verdict"; "basin" (darker: more steps); "steps" until it settled; "value"; "share" of balls that escape,
            from :func:`layda.escape_share`.
        x: the side from left to right; by default the first of the last two that have more than one value.
        y: the side from bottom to top.
        select: side -> value, for the other sides; the nearest one is taken.
        language: of the words.
        ax: where to draw; a figure of its own by default.
        title: by default the objective, the rule and what was selected.

    Raises:
        SettingError: the dataset has no such sides, or does not hold ``what``.
    """
    import matplotlib
    from matplotlib.figure import Figure

    if what not in _WHATS or what not in dataset:
        known = [name for name in _WHATS if name in dataset]
        raise SettingError(f"a map of {what!r}: this dataset holds {', '.join(known)} ({nearest(what, known)})")
    say = speaker(language)
    part, selected = _selected(dataset, select or {})
    across, up = _sides(part, x, y)
    with matplotlib.rc_context(cast(Any, RC)):
        figure: Any = ax.figure if ax is not None else Figure(figsize=(8.6, 5.0), dpi=150)
        room: Any = ax if ax is not None else figure.add_subplot()
        edges = _edges(part[across].values), _edges(part[up].values) if up else np.array([0.0, 1.0])
        order = (up, across) if up else (across,)
        layers = {
            str(name): np.atleast_2d(part[name].transpose(*order).values)
            for name in _WHATS
            if name in part and part[name].ndim == len(order)
        }
        _DRAWERS[what](room, edges, layers, dataset, say, (across, up))
        _dress(room, part, across, up, say)
        room.set_title(title if title is not None else _title(dataset, selected), loc="left")
    return figure  # type: ignore[no-any-return]


def _selected(dataset: xarray.Dataset, select: Mapping[str, float]) -> tuple[Any, dict[str, float]]:
    """The part of the dataset, and the values that were chosen."""
    dims = [str(name) for name in dataset.dims if name != "coordinate"]
    for name in select:
        if name not in dims:
            raise SettingError(f"select names {name!r}; the sides are {', '.join(dims) or 'none'}")
    part, chosen = dataset, {}
    for name, value in select.items():
        part = part.isel({name: int(np.argmin(np.abs(part[name].values - value)))})
        chosen[name] = float(part[name])
    for name in dims:
        if name in part.dims and part.sizes[name] == 1:
            part = part.isel({name: 0})
            if name in part.coords:
                chosen[name] = float(part[name])
    return part, chosen


def _sides(part: Any, x: str | None, y: str | None) -> tuple[str, str]:
    dims = [str(name) for name in part.dims if name != "coordinate"]
    unnamed = [name for name in dims if name not in part.coords]
    if unnamed:
        raise SettingError(
            f"the sides {', '.join(unnamed)} have no values to draw along; a map is made from layda.sweep, whose sides "
            "are starts and settings"
        )
    for name in (x, y):
        if name is not None and name not in dims:
            raise SettingError(f"there is no side {name!r} of many values; the sides are {', '.join(dims)}")
    if not dims or len(dims) > 2:
        extra = ", ".join(dims) if dims else "none"
        raise SettingError(
            f"a map has one or two sides of many values; these are {extra}. Fix others with select={{…}}"
        )
    if len(dims) == 1:
        return dims[0], ""
    across = x or (next(name for name in dims if name != y))
    return across, next(name for name in dims if name != across)


def _is_logarithmic(values: Array) -> bool:
    if len(values) < 3 or np.any(values <= 0.0):
        return False
    ratios, steps = np.diff(np.log(values)), np.diff(values)
    return bool(np.ptp(ratios) < 1e-6 * abs(np.mean(ratios)) and np.ptp(steps) > 1e-3 * abs(np.mean(steps)))


def _edges(values: Array) -> Array:
    """Cell borders half-way between the values, in ratios where they are spaced so."""
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    if _is_logarithmic(values):
        return np.asarray(np.exp(_edges(np.log(values))))
    middle = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[1.5 * values[0] - 0.5 * values[1]], middle, [1.5 * values[-1] - 0.5 * values[-2]]])


def _mesh(room: Any, edges: tuple[Array, Array], cells: Array, **options: Any) -> Any:
    # One picture instead of millions of quadrilaterals: vector files stay small.
    return room.pcolormesh(edges[0], edges[1], cells, rasterized=True, shading="flat", **options)


def _hatch(room: Any, edges: tuple[Array, Array], mask: Array, pattern: str) -> None:
    """Lines over the cells of the mask."""
    if not mask.any():
        return
    centres = [0.5 * (side[1:] + side[:-1]) for side in edges]
    shown = mask.astype(float)
    if min(mask.shape) < 2:
        shown, centres = np.repeat(shown, 2, axis=0), [centres[0], edges[1]]
    drawn = room.contourf(centres[0], centres[1], shown, levels=[0.5, 1.5], colors="none", hatches=[pattern])
    drawn.set_edgecolor("#FFFFFF")
    drawn.set_linewidth(0.0)


def _draw_verdict(room: Any, edges: Any, layers: dict[str, Array], dataset: Any, say: Say, sides: Any) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    codes = layers["verdict"]
    colours = ListedColormap([VERDICT_COLOURS[kind] for kind in VERDICTS])
    _mesh(room, edges, codes, cmap=colours, vmin=-0.5, vmax=len(VERDICTS) - 0.5)
    handles = []
    for index, kind in enumerate(VERDICTS):
        mask = codes == index
        if mask.any():
            if kind in _HATCHED:
                _hatch(room, edges, mask, _HATCHED[kind])
            words = f"{say(_VERDICT_WORDS[kind])} ({_share(mask)})"
            handles.append((float(mask.mean()), Patch(
                facecolor=VERDICT_COLOURS[kind], edgecolor="#FFFFFF", hatch=_HATCHED.get(kind, ""), label=words
            )))  # fmt: skip
    # Below: its words are long, and the map shall have the width.
    room.legend(
        handles=[patch for _, patch in sorted(handles, key=lambda pair: -pair[0])], loc="upper center",
        bbox_to_anchor=(0.5, -0.12), ncols=2, handlelength=1.6, handleheight=1.2,
    )  # fmt: skip


def _share(mask: Array) -> str:
    share = 100.0 * float(mask.mean())
    return f"{share:.0f}%" if share >= 1.0 else "<1%"


def _legend(room: Any, handles: list[Any]) -> None:
    room.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, handlelength=1.6,
        handleheight=1.2, labelspacing=0.8,
    )  # fmt: skip


def _draw_basin(room: Any, edges: Any, layers: dict[str, Array], dataset: Any, say: Say, sides: Any) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    basin = layers["basin"]
    minima = json.loads(dataset.attrs.get("minima", "[]"))
    table = np.array([to_rgb(_NOWHERE), *(to_rgb(_basin_colour(index)) for index in range(max(len(minima), 1)))])
    picture = table[np.clip(basin, -1, len(table) - 2) + 1]
    if "steps" in layers:
        picture = picture * _shade(layers["steps"], basin >= 0)[:, :, None]
    _mesh(room, edges, picture)
    handles: list[Any] = []
    for index in np.unique(basin[basin >= 0])[:12]:
        place = ", ".join(f"{x:.3g}" for x in minima[index]["position"])
        words = say("minimum at ({place}): {share}", place=place, share=_share(basin == index))
        handles.append(Patch(facecolor=_basin_colour(int(index)), label=words))
    if (basin < 0).any():
        nowhere = say("in no known minimum: {share}", share=_share(basin < 0))
        handles.append(Patch(facecolor=_NOWHERE, label=nowhere))
    if "verdict" in layers:
        thrown = layers["verdict"] == VERDICTS.index("diverged")
        if thrown.any():
            _hatch_grey(room, edges, thrown)
            handles.append(Patch(facecolor=_NOWHERE, edgecolor="#8C8C8C", hatch="////", label=say("diverged")))
    marked = _mark_minima(room, minima, dataset, sides)
    if marked:
        handles.append(Line2D([], [], marker="o", ls="", mfc="white", mec="black", label=say("a known minimum")))
    if "steps" in layers:
        handles.append(Patch(facecolor="none", edgecolor="none", label=say("darker: more steps")))
    _legend(room, handles)


def _hatch_grey(room: Any, edges: Any, mask: Array) -> None:
    before = len(room.collections)
    _hatch(room, edges, mask, "////")
    for drawn in room.collections[before:]:
        drawn.set_edgecolor("#8C8C8C")


def _basin_colour(index: int) -> str:
    return _BASIN_COLOURS[index % len(_BASIN_COLOURS)]


def _shade(steps: Array, inside: Array) -> Array:
    """From 1 for the fewest steps to 0.55 for the most, by their logarithm between the 2nd and the 98th percentile."""
    shade = np.ones(steps.shape)
    if inside.any():
        counts = np.log(np.maximum(steps, 1.0))
        low, high = np.percentile(counts[inside], [2.0, 98.0])
        depth = np.clip((counts - low) / max(high - low, 1e-9), 0.0, 1.0)
        shade[inside] = 1.0 - 0.45 * depth[inside]
    return shade


def _mark_minima(room: Any, minima: list[dict[str, Any]], dataset: Any, sides: tuple[str, str]) -> bool:
    coordinates = [f"start_{name}" for name in json.loads(dataset.attrs.get("coordinates", "[]"))]
    if len(coordinates) != 2 or set(sides) != set(coordinates):
        return False
    places = np.array([minimum["position"] for minimum in minima]).reshape(-1, 2)
    across, up = (coordinates.index(name) for name in sides)
    room.plot(places[:, across], places[:, up], "o", mfc="white", mec="black", ms=5.0, zorder=5)
    return len(places) > 0


def _draw_steps(room: Any, edges: Any, layers: dict[str, Array], dataset: Any, say: Say, sides: Any) -> None:
    from matplotlib.patches import Patch

    steps = layers["steps"].astype(float)
    handles = []
    if "verdict" in layers:
        settled = np.isin(layers["verdict"], [VERDICTS.index(kind) for kind in ("converged", "trapped", "saddle")])
        thrown = layers["verdict"] == VERDICTS.index("diverged")
        room.set_facecolor(_NOWHERE)
        if (~settled & ~thrown).any():
            share = _share(~settled & ~thrown)
            handles.append(Patch(facecolor=_NOWHERE, label=say("did not settle: {share}", share=share)))
        _hatch_grey(room, edges, thrown)
        if thrown.any():
            words = say("diverged: {share}", share=_share(thrown))
            handles.append(Patch(facecolor=_NOWHERE, edgecolor="#8C8C8C", hatch="////", label=words))
        steps = np.where(settled, steps, np.nan)
    drawn = _mesh(room, edges, steps, cmap="cividis_r", norm=_norm(steps))
    room.figure.colorbar(drawn, ax=room, label=say("steps until settled"), pad=0.02)
    if handles:
        room.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)


def _draw_value(room: Any, edges: Any, layers: dict[str, Array], dataset: Any, say: Say, sides: Any) -> None:
    values = layers["value"]
    finite = values[np.isfinite(values)]
    lowest = min([minimum["value"] for minimum in json.loads(dataset.attrs.get("minima", "[]"))], default=None)
    base = float(np.min(finite, initial=np.inf)) if lowest is None else float(lowest)
    height = np.where(np.isfinite(values), np.maximum(values - base, 0.0), np.nan)
    room.set_facecolor(_NOWHERE)
    top = float(np.nanmax(height, initial=0.0))
    drawn = _mesh(room, edges, np.maximum(height, 1e-12 * top), cmap="cividis_r", norm=_norm(height))
    room.figure.colorbar(drawn, ax=room, label=say("f above the lowest known value"), pad=0.02)


def _draw_share(room: Any, edges: Any, layers: dict[str, Array], dataset: Any, say: Say, sides: Any) -> None:
    drawn = _mesh(room, edges, layers["share"], cmap="cividis", vmin=0.0, vmax=1.0)
    room.figure.colorbar(drawn, ax=room, label=say("share of balls that escape"), pad=0.02)


def _norm(values: Array) -> Any:
    """By logarithm where the values span more than a decade."""
    from matplotlib.colors import LogNorm, Normalize

    positive = values[np.isfinite(values) & (values > 0.0)]
    if not positive.size or np.max(positive) < 10.0 * np.min(positive):
        return Normalize()
    low, high = float(np.min(positive)), float(np.max(positive))
    return LogNorm(max(low, 1e-12 * high), high)


_DRAWERS = {
    "verdict": _draw_verdict, "basin": _draw_basin, "steps": _draw_steps, "value": _draw_value, "share": _draw_share,
}  # fmt: skip


def _dress(room: Any, part: Any, across: str, up: str, say: Say) -> None:
    for name, axis, scale in ((across, room.set_xlabel, room.set_xscale), (up, room.set_ylabel, room.set_yscale)):
        if not name:
            room.set_yticks([])
            continue
        axis(_side_name(name, say))
        if _is_logarithmic(part[name].values):
            scale("log")
    for side in ("top", "right"):
        room.spines[side].set_visible(False)


def _side_name(name: str, say: Say) -> str:
    if name in _WORDS:
        return say(_WORDS[name])
    if name.startswith("start_"):
        return say("start {coordinate}", coordinate=name.removeprefix("start_"))
    return name.replace("_", " ")


def _title(dataset: Any, selected: dict[str, float]) -> str:
    rule = str(dataset.attrs.get("rule", "")).partition("(")[0]
    parts = [f"{dataset.attrs.get('objective', '')}, {rule}"]
    settings = json.loads(dataset.attrs.get("settings", "{}"))
    known = {name: settings[path] for name, path in (
        ("learning_rate", "learning_rate"), ("learning_rate", "learning_rate.initial"), ("momentum", "momentum"),
        ("decay", "learning_rate.decay")) if path in settings and name not in dataset.dims}  # fmt: skip
    starts = {name: value for name, value in json.loads(dataset.attrs.get("start", "{}")).items()
              if f"start_{name}" not in dataset.dims}  # fmt: skip
    if 0 < len(starts) <= 2:
        known |= {f"start_{name}": value for name, value in starts.items()}
    for name, value in (known | selected).items():
        label = _SYMBOLS.get(name, name.replace("start_", "start "))
        parts.append(f"{label} = {value:.4g}")
    return ", ".join(part for part in parts if part.strip(", "))
