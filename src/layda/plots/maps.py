"""Maps: what becomes of a ball over two starts or settings, as a picture with its legend in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError, nearest
from layda.measures import VERDICTS
from layda.plots.sides import (
    cover,
    edges,
    is_logarithmic,
    legend,
    mesh,
    missing,
    missing_patch,
    name_axis,
    percent,
    place,
    selected,
    title_of,
)  # fmt: skip
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


@dataclass(frozen=True)
class _Picture:
    """What a drawer needs: where to draw, the cells and their borders, and what is known of them.

    Attributes:
        room: matplotlib's axes. borders: of the cells, across and up. layers: variable -> cells.
        gone: the cells that an unfinished store does not hold yet. sides: their names, across and up.
        about: the dataset's attributes. say: the speaker of the language.
    """

    room: Any
    borders: tuple[Array, Array]
    layers: Mapping[str, Array]
    gone: Array
    sides: tuple[str, str]
    about: Mapping[str, Any]
    say: Say

    def share(self, mask: Array) -> str:
        """How many of the cells that are there."""
        return percent(float(np.sum(mask & ~self.gone)) / max(int(np.sum(~self.gone)), 1))

    def missing(self) -> list[Any]:
        """The legend's line for the cells that are not there."""
        return [missing_patch(self.gone, self.say)] if self.gone.any() else []

    @property
    def minima(self) -> list[dict[str, Any]]:
        """The known minima."""
        found: list[dict[str, Any]] = json.loads(self.about.get("minima", "[]"))
        return found


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

    Balls that an unfinished store does not hold yet are left blank; shares are of the others.

    Args:
        dataset: from :func:`layda.sweep`.
        what: "verdict"; "basin" (darker: more steps); "steps" until it settled; "value"; "share" of balls that escape,
            from :func:`layda.escape_share`.
        x: the side from left to right; by default the first of the last two that have more than one value.
        y: the side from bottom to top.
        select: side -> value, for the other sides; the nearest one is taken, and named in the title.
        language: of the words.
        ax: where to draw; a figure of its own by default.
        title: by default the objective, the rule and what was selected.

    Raises:
        SettingError: the dataset has no such sides, or does not hold ``what``; a value outside what its side holds.
    """
    import matplotlib
    from matplotlib.figure import Figure

    if what not in _WHATS or what not in dataset:
        known = [name for name in _WHATS if name in dataset]
        raise SettingError(f"a map of {what!r}: this dataset holds {', '.join(known)} ({nearest(what, known)})")
    say = speaker(language)
    part, chosen = selected(dataset, select or {})
    across, up = _sides(part, x, y)
    with matplotlib.rc_context(cast(Any, RC)):
        figure: Any = ax.figure if ax is not None else Figure(figsize=(8.6, 5.0), dpi=150)
        room: Any = ax if ax is not None else figure.add_subplot()
        values = [part[name].values for name in (across, up) if name]
        borders = edges(across, values[0]), edges(up, values[1]) if up else np.array([0.0, 1.0])
        order = (up, across) if up else (across,)
        layers = {
            str(name): np.atleast_2d(part[name].transpose(*order).values)
            for name in _WHATS
            if name in part and part[name].ndim == len(order)
        }
        gone = missing(layers)
        nothing = np.zeros(layers[what].shape, dtype=bool)
        drawn = _Picture(room, borders, layers, nothing if gone is None else gone, (across, up), dataset.attrs, say)
        _DRAWERS[what](drawn)
        if gone is not None:
            cover(room, borders, gone)
        name_axis(room, across, is_logarithmic(values[0]), say)
        if up:
            name_axis(room, up, is_logarithmic(values[1]), say, upward=True)
        else:
            room.set_yticks([])
        room.set_title(title if title is not None else title_of(dataset, chosen), loc="left")
    return figure  # type: ignore[no-any-return]


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


def _hatch(picture: _Picture, mask: Array, pattern: str, colour: str = "#FFFFFF") -> None:
    """Lines over the cells of the mask."""
    if not mask.any():
        return
    centres = [0.5 * (side[1:] + side[:-1]) for side in picture.borders]
    shown = mask.astype(float)
    if len(centres[1]) < 2:
        shown, centres[1] = np.repeat(shown, 2, axis=0), picture.borders[1]
    drawn = picture.room.contourf(centres[0], centres[1], shown, levels=[0.5, 1.5], colors="none", hatches=[pattern])
    drawn.set_edgecolor(colour)
    drawn.set_linewidth(0.0)


def _draw_verdict(picture: _Picture) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    codes, say = picture.layers["verdict"], picture.say
    colours = ListedColormap([VERDICT_COLOURS[kind] for kind in VERDICTS])
    mesh(picture.room, picture.borders, codes, cmap=colours, vmin=-0.5, vmax=len(VERDICTS) - 0.5)
    handles = []
    for index, kind in enumerate(VERDICTS):
        mask = codes == index
        if mask.any():
            if kind in _HATCHED:
                _hatch(picture, mask, _HATCHED[kind])
            words = f"{say(_VERDICT_WORDS[kind])} ({picture.share(mask)})"
            handles.append((float(mask.mean()), Patch(
                facecolor=VERDICT_COLOURS[kind], edgecolor="#FFFFFF", hatch=_HATCHED.get(kind, ""), label=words
            )))  # fmt: skip
    _legend_below(picture, [patch for _, patch in sorted(handles, key=lambda pair: -pair[0])])


def _legend_below(picture: _Picture, handles: list[Any]) -> None:
    """Below where its words are long, or a scale of colours is at the right."""
    handles = handles + picture.missing()
    if handles:
        picture.room.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, handlelength=1.6,
            handleheight=1.2,
        )  # fmt: skip


def _draw_basin(picture: _Picture) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    basin, say, minima = picture.layers["basin"], picture.say, picture.minima
    table = np.array([to_rgb(_NOWHERE), *(to_rgb(_basin_colour(index)) for index in range(max(len(minima), 1)))])
    cells = table[np.clip(basin, -1, len(table) - 2) + 1]
    if "steps" in picture.layers:
        cells = cells * _shade(picture.layers["steps"], basin >= 0)[:, :, None]
    mesh(picture.room, picture.borders, cells)
    box = json.loads(picture.about.get("box", "[]"))
    handles: list[Any] = []
    for index in np.unique(basin[basin >= 0])[:12]:
        where = place(minima[index]["position"], box)
        words = say("minimum at ({place}): {share}", place=where, share=picture.share(basin == index))
        handles.append(Patch(facecolor=_basin_colour(int(index)), label=words))
    if (basin == -1).any():
        nowhere = say("in no known minimum: {share}", share=picture.share(basin == -1))
        handles.append(Patch(facecolor=_NOWHERE, label=nowhere))
    if "verdict" in picture.layers:
        thrown = picture.layers["verdict"] == VERDICTS.index("diverged")
        if thrown.any():
            _hatch(picture, thrown, "////", "#8C8C8C")
            handles.append(Patch(facecolor=_NOWHERE, edgecolor="#8C8C8C", hatch="////", label=say("diverged")))
    if _mark_minima(picture):
        handles.append(Line2D([], [], marker="o", ls="", mfc="white", mec="black", label=say("a known minimum")))
    if "steps" in picture.layers:
        handles.append(Patch(facecolor="none", edgecolor="none", label=say("darker: more steps")))
    legend(picture.room, handles + picture.missing(), labelspacing=0.8)


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


def _mark_minima(picture: _Picture) -> bool:
    coordinates = [f"start_{name}" for name in json.loads(picture.about.get("coordinates", "[]"))]
    if len(coordinates) != 2 or set(picture.sides) != set(coordinates):
        return False
    places = np.array([minimum["position"] for minimum in picture.minima]).reshape(-1, 2)
    across, up = (coordinates.index(name) for name in picture.sides)
    picture.room.plot(places[:, across], places[:, up], "o", mfc="white", mec="black", ms=5.0, zorder=5)
    return len(places) > 0


def _draw_steps(picture: _Picture) -> None:
    from matplotlib.patches import Patch

    say = picture.say
    steps = np.where(picture.gone, np.nan, picture.layers["steps"].astype(float))
    handles = []
    if "verdict" in picture.layers:
        codes = picture.layers["verdict"]
        settled = np.isin(codes, [VERDICTS.index(kind) for kind in ("converged", "trapped", "saddle")])
        thrown = codes == VERDICTS.index("diverged")
        under_way = ~settled & ~thrown & ~picture.gone
        picture.room.set_facecolor(_NOWHERE)
        if under_way.any():
            words = say("did not settle: {share}", share=picture.share(under_way))
            handles.append(Patch(facecolor=_NOWHERE, label=words))
        if thrown.any():
            _hatch(picture, thrown, "////", "#8C8C8C")
            words = say("diverged: {share}", share=picture.share(thrown))
            handles.append(Patch(facecolor=_NOWHERE, edgecolor="#8C8C8C", hatch="////", label=words))
        steps = np.where(settled, steps, np.nan)
    drawn = mesh(picture.room, picture.borders, steps, cmap="cividis_r", norm=_norm(steps))
    picture.room.figure.colorbar(drawn, ax=picture.room, label=say("steps until settled"), pad=0.02)
    _legend_below(picture, handles)


def _draw_value(picture: _Picture) -> None:
    values = picture.layers["value"]
    finite = values[np.isfinite(values)]
    lowest = min([minimum["value"] for minimum in picture.minima], default=None)
    base = float(np.min(finite, initial=np.inf)) if lowest is None else float(lowest)
    height = np.where(np.isfinite(values), np.maximum(values - base, 0.0), np.nan)
    picture.room.set_facecolor(_NOWHERE)
    top = float(np.nanmax(height, initial=0.0))
    floor = np.maximum(height, 1e-12 * top)
    drawn = mesh(picture.room, picture.borders, floor, cmap="cividis_r", norm=_norm(height))
    words = picture.say("f above the lowest known value")
    picture.room.figure.colorbar(drawn, ax=picture.room, label=words, pad=0.02)
    _legend_below(picture, [])


def _draw_share(picture: _Picture) -> None:
    drawn = mesh(picture.room, picture.borders, picture.layers["share"], cmap="cividis", vmin=0.0, vmax=1.0)
    words = picture.say("share of balls that escape")
    picture.room.figure.colorbar(drawn, ax=picture.room, label=words, pad=0.02)
    _legend_below(picture, [])


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
