"""Windows: the values of a setting with which a ball escapes, as a strip, or over two settings as a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.measures import VERDICTS
from layda.plots.maps import _edges, _is_logarithmic, _selected, _side_name, _title
from layda.plots.style import RC
from layda.run.escape import Windows, escaped
from layda.words import Say, speaker

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_windows"]

Array = NDArray[Any]

# From light to dark, so that they are told apart in grey, too: did not settle, settled elsewhere, escaped.
_COLOURS = ("#F2F2F2", "#BFBFBF", "#0072B2")
_ESCAPED = 2


def draw_windows(
    found: xarray.Dataset | Windows,
    along: str | None = None,
    select: Mapping[str, float] | None = None,
    span: tuple[float, float] | None = None,
    language: str = "en",
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw with which values of a setting a ball escapes.

    Escaped has the ball that settled at a minimum than which no better one is known: verdict = converged. A window is
    a run of neighbouring values that escape; it is drawn with at least a hair's width, however narrow it is. Where the
    verdicts are known, balls that settled elsewhere are told from those that did not settle within the budget.

    Args:
        found: a dataset with "verdict" over one or two sides, from :func:`layda.sweep`; or the windows from
            ``layda.run.escape.escape_windows``.
        along: the side from left to right; by default "momentum" where there is one, else the last.
        select: side -> value, for the other sides; the nearest one is taken.
        span: (low, high) that was looked at, for windows, which do not hold it; by default, that of their search.
        language: of the words.
        ax: where to draw; a figure of its own by default.
        title: by default the objective, the rule and what was selected.

    Raises:
        SettingError: no verdicts, no such side, more than two sides, balls without sides, a span that is empty.

    >>> figure = draw_windows(Windows("momentum", ((0.78, 0.96),), 1e-6, 2000, 5e-4))
    >>> figure.axes[0].get_xlabel()
    'momentum β'
    """
    import matplotlib
    from matplotlib.figure import Figure

    say = speaker(language)
    with matplotlib.rc_context(cast(Any, RC)):
        if isinstance(found, Windows):
            low, high = _looked_at(found, along, select, span)
            room = _room(ax, Figure, high=1.9)
            _strip(room, found.intervals, found.intervals, (low, high), say)
            share = sum(b - a for a, b in found.intervals) / (high - low)
            _legend(room, {_ESCAPED: share, 0: 1.0 - share}, say, _notes(found.intervals, say), known=False)
            _name(room, found.name, logarithmic=False, say=say)
            heading = ""
        else:
            if span is not None:
                raise SettingError("span is for windows from escape_windows; a dataset's sides say what was looked at")
            room, heading = _draw_dataset(found, along, select or {}, ax, Figure, say)
        room.set_title(title if title is not None else heading, loc="left")
    return room.figure  # type: ignore[no-any-return]


def _room(ax: Any, figure: Any, high: float) -> Any:
    return ax if ax is not None else figure(figsize=(8.6, high), dpi=150).add_subplot()


def _looked_at(found: Windows, along: Any, select: Any, span: tuple[float, float] | None) -> tuple[float, float]:
    if select or along not in (None, found.name):
        raise SettingError(f"these windows are of {found.name}; along and select are for datasets with several sides")
    ends = [end for interval in found.intervals for end in interval]
    # escape_windows looks from 0 to 0.99 unless it is told otherwise.
    low, high = span if span is not None else (min([0.0, *ends]), max([0.99, *ends]))
    if not low < high:
        raise SettingError(f"span is ({low!r}, {high!r}); the first must be below the second")
    return float(low), float(high)


def _draw_dataset(
    dataset: Any, along: str | None, select: Mapping[str, float], ax: Any, figure: Any, say: Say
) -> tuple[Any, str]:
    if "verdict" not in dataset:
        held = ", ".join(map(str, dataset.data_vars)) or "nothing"
        raise SettingError(f"windows need verdicts, and this dataset holds {held}; keep=('verdict',) keeps them")
    part, chosen = _selected(dataset[["verdict"]], select)
    sides = [str(name) for name in part["verdict"].dims]
    unnamed = [name for name in sides if name == "ball" or name not in part.coords]
    if unnamed:
        raise SettingError(
            f"{', '.join(unnamed)} is no setting to look for windows in; use layda.sweep, whose sides are settings"
        )
    if not 1 <= len(sides) <= 2:
        raise SettingError(
            f"windows are drawn over one or two sides of many values; these are {', '.join(sides) or 'none'}. "
            "Fix others with select={…}"
        )
    across = along or ("momentum" if "momentum" in sides else sides[-1])
    if across not in sides:
        raise SettingError(f"along is {across!r}; the sides of many values are {', '.join(sides)}")
    part = part.sortby(sides)
    kinds = _kinds(part).transpose(..., across).values
    values = part[across].values
    shares = {kind: float((kinds == kind).mean()) for kind in range(len(_COLOURS))}
    if len(sides) == 1:
        room = _room(ax, figure, high=1.9)
        edges, runs = _edges(values), _runs(kinds == _ESCAPED)
        for kind, colour in enumerate(_COLOURS[:_ESCAPED]):
            for first, last in _runs(kinds == kind):
                room.axvspan(edges[first], edges[last + 1], facecolor=colour, linewidth=0.0)
        drawn = [(float(edges[first]), float(edges[last + 1])) for first, last in runs]
        known = [(float(values[first]), float(values[last])) for first, last in runs]
        _strip(room, drawn, known, (float(edges[0]), float(edges[-1])), say)
        _legend(room, shares, say, _notes(known, say))
    else:
        up = next(name for name in sides if name != across)
        room = _room(ax, figure, high=4.4)
        _plane(room, _edges(values), _edges(part[up].values), kinds)
        _legend(room, shares, say, [])
        _name(room, up, _is_logarithmic(part[up].values), say, upward=True)
    _name(room, across, _is_logarithmic(values), say)
    return room, _title(dataset, chosen)


def _kinds(part: Any) -> Any:
    """2 for a ball that escaped, 1 for one that settled elsewhere, 0 for one that did not settle."""
    elsewhere = part["verdict"].isin([VERDICTS.index(kind) for kind in ("trapped", "saddle")])
    return elsewhere.astype(np.int8) + _ESCAPED * escaped(part).astype(np.int8)


def _runs(hits: Array) -> list[tuple[int, int]]:
    """The first and the last place of every run of hits.

    >>> [tuple(map(int, pair)) for pair in _runs(np.array([True, False, True, True]))]
    [(0, 0), (2, 3)]
    """
    turns = np.flatnonzero(np.diff(np.concatenate([[False], hits, [False]]).astype(np.int8)))
    return list(zip(turns[::2], turns[1::2] - 1, strict=True))


def _strip(room: Any, drawn: Any, known: Any, ends: tuple[float, float], say: Say) -> None:
    """The windows as they are drawn, on what is there already."""
    room.set_facecolor(_COLOURS[0])
    for low, high in drawn:
        # Without its line a window narrower than a pixel would not be seen.
        room.axvspan(low, high, facecolor=_COLOURS[_ESCAPED], edgecolor=_COLOURS[_ESCAPED], linewidth=0.7)
    room.set_xlim(*ends)
    room.set_yticks([])
    room.spines["left"].set_visible(False)


def _notes(known: Any, say: Say) -> list[str]:
    """How many windows, from their first to their last value that escapes; the smallest and the widest."""
    notes = [say("windows: {count}", count=len(known))]
    if known:
        low, high = max(known, key=lambda window: window[1] - window[0])
        notes.append(say("smallest value that escapes: {value}", value=_number(known[0][0])))
        notes.append(say("widest window: {low} to {high}", low=_number(low), high=_number(high)))
    return notes


def _plane(room: Any, across: Array, up: Array, kinds: Array) -> None:
    from matplotlib.colors import ListedColormap

    room.pcolormesh(
        across,
        up,
        kinds,
        cmap=ListedColormap(_COLOURS),
        vmin=-0.5,
        vmax=_ESCAPED + 0.5,
        rasterized=True,
        shading="flat",
    )


def _legend(room: Any, shares: Mapping[int, float], say: Say, notes: list[str], known: bool = True) -> None:
    from matplotlib.patches import Patch

    words = {
        _ESCAPED: say("escapes: {share}", share=_percent(shares[_ESCAPED])),
        1: say("settles elsewhere: {share}", share=_percent(shares.get(1, 0.0))),
        0: (say("did not settle: {share}", share=_percent(shares[0])) if known else
            say("does not escape: {share}", share=_percent(shares[0]))),
    }  # fmt: skip
    handles = [
        Patch(facecolor=_COLOURS[kind], edgecolor="#8C8C8C", linewidth=0.4, label=words[kind])
        for kind in (_ESCAPED, 1, 0)
        if shares.get(kind, 0.0) > 0.0
    ]
    handles += [Patch(facecolor="none", edgecolor="none", label=note) for note in notes]
    room.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, handlelength=1.6,
        handleheight=1.2,
    )  # fmt: skip


def _percent(share: float) -> str:
    """In whole per cent; a rare kind is never said to be none, nor a frequent one to be all.

    >>> [_percent(share) for share in (0.0, 0.001, 0.424, 0.999, 1.0)]
    ['0%', '<1%', '42%', '>99%', '100%']
    """
    if 0.0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1.0 else f"{100.0 * share:.0f}%"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _name(room: Any, side: str, logarithmic: bool, say: Say, upward: bool = False) -> None:
    (room.set_ylabel if upward else room.set_xlabel)(_side_name(side, say))
    if logarithmic:
        (room.set_yscale if upward else room.set_xscale)("log")
