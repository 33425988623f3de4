"""Windows: the values of a setting with which a ball escapes, as a strip, or over two settings as a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
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
    selected,
    title_of,
    title_text,
)  # fmt: skip
from layda.plots.style import RC
from layda.run.escape import Windows, escaped
from layda.run.fractions import there
from layda.words import Say, speaker

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_windows"]

Array = NDArray[Any]

# From light to dark, so that they are told apart in grey, too: did not settle, settled elsewhere, escaped.
_COLOURS = ("#F2F2F2", "#BFBFBF", "#0072B2")
_ESCAPED, _MISSING = 2, -1


def draw_windows(
    found: xarray.Dataset | Windows,
    along: str | None = None,
    select: Mapping[str, float] | None = None,
    language: str = "en",
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw with which values of a setting a ball escapes.

    Escaped has the ball that settled at a minimum than which no better one is known: verdict = converged. A window is
    a run of neighbouring values that escape; it is drawn with at least a hair's width, however narrow it is. Where the
    verdicts are known, balls that settled elsewhere are told from those that did not settle within the budget. Balls
    that an unfinished store does not hold yet are left blank; shares are of the others.

    Args:
        found: a dataset with "verdict" over one or two sides, from :func:`layda.sweep`; or the windows from
            ``layda.run.escape.escape_windows``.
        along: the side from left to right; by default "momentum" where there is one, else the last.
        select: side -> value, for the other sides; the nearest one is taken, and named in the title.
        language: of the words.
        ax: where to draw; a figure of its own by default.
        title: by default the objective, the rule and what was selected.

    Raises:
        SettingError: no verdicts, no such side, more than two sides, balls without sides, a value outside what its side
            holds.

    >>> figure = draw_windows(Windows("momentum", ((0.78, 0.96),), 1e-6, 2000, 5e-4, low=0.0, high=0.99))
    >>> figure.axes[0].get_xlabel()
    'momentum β'
    """
    import matplotlib
    from matplotlib.figure import Figure

    say = speaker(language)
    with matplotlib.rc_context(cast(Any, RC)):
        if isinstance(found, Windows):
            if select or along not in (None, found.name):
                raise SettingError(
                    f"these windows are of {found.name}; along and select are for datasets with several sides"
                )
            room = _room(ax, Figure, high=1.9)
            _strip(room, found.intervals, (found.low, found.high))
            shares = {_ESCAPED: found.share, 0: 1.0 - found.share}
            legend(room, _handles(shares, say, known=False) + _notes(found.intervals, say))
            name_axis(room, found.name, logarithmic=False, say=say)
            heading = title_text(found.objective, found.rule, {"start": found.start} if found.start else {})
        else:
            room, heading = _draw_dataset(found, along, select or {}, ax, Figure, say)
        room.set_title(title if title is not None else heading, loc="left")
    return room.figure  # type: ignore[no-any-return]


def _room(ax: Any, figure: Any, high: float) -> Any:
    return ax if ax is not None else figure(figsize=(8.6, high), dpi=150).add_subplot()


def _draw_dataset(
    dataset: Any, along: str | None, select: Mapping[str, float], ax: Any, figure: Any, say: Say
) -> tuple[Any, str]:
    if "verdict" not in dataset:
        held = ", ".join(map(str, dataset.data_vars)) or "nothing"
        raise SettingError(f"windows need verdicts, and this dataset holds {held}; keep=('verdict',) keeps them")
    part, chosen = selected(dataset[["verdict"]], select)
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
    part = part.transpose(..., across)
    kinds, gone, values = _kinds(part), missing({"verdict": part["verdict"].values}), part[across].values
    rolled = kinds if gone is None else kinds[~gone]
    shares = {kind: float((rolled == kind).sum()) / max(rolled.size, 1) for kind in range(len(_COLOURS))}
    handles = _handles(shares, say)
    if len(sides) == 1:
        room = _room(ax, figure, high=1.9)
        handles += _draw_strip(room, edges(across, values), values, kinds, say)
    else:
        up = next(name for name in sides if name != across)
        room = _room(ax, figure, high=4.4)
        borders = edges(across, values), edges(up, part[up].values)
        _plane(room, borders, kinds)
        if gone is not None:
            cover(room, borders, gone)
        name_axis(room, up, is_logarithmic(part[up].values), say, upward=True)
    legend(room, handles if gone is None else [*handles, missing_patch(gone, say)])
    name_axis(room, across, is_logarithmic(values), say)
    return room, title_of(dataset, chosen)


def _draw_strip(room: Any, borders: Array, values: Array, kinds: Array, say: Say) -> list[Any]:
    """One side's kinds from left to right; what is to be said of its windows."""
    for kind, colour in ((_MISSING, "#FFFFFF"), *enumerate(_COLOURS[:_ESCAPED])):
        for first, last in _runs(kinds == kind):
            room.axvspan(borders[first], borders[last + 1], facecolor=colour, linewidth=0.0)
    runs = _runs(kinds == _ESCAPED)
    drawn = [(float(borders[first]), float(borders[last + 1])) for first, last in runs]
    _strip(room, drawn, (float(borders[0]), float(borders[-1])))
    return _notes([(float(values[first]), float(values[last])) for first, last in runs], say)


def _kinds(part: Any) -> Array:
    """2 for a ball that escaped, 1 for one that settled elsewhere, 0 for one that did not settle, −1 for none yet."""
    codes = part["verdict"]
    elsewhere = codes.isin([VERDICTS.index(kind) for kind in ("trapped", "saddle")])
    kinds = elsewhere.astype(np.int8) + _ESCAPED * escaped(part).astype(np.int8)
    return np.asarray(kinds.where(there(codes), _MISSING).values)


def _runs(hits: Array) -> list[tuple[int, int]]:
    """The first and the last place of every run of hits.

    >>> [tuple(map(int, pair)) for pair in _runs(np.array([True, False, True, True]))]
    [(0, 0), (2, 3)]
    """
    turns = np.flatnonzero(np.diff(np.concatenate([[False], hits, [False]]).astype(np.int8)))
    return list(zip(turns[::2], turns[1::2] - 1, strict=True))


def _strip(room: Any, drawn: Any, ends: tuple[float, float]) -> None:
    """The windows as they are drawn, on what is there already."""
    room.set_facecolor(_COLOURS[0])
    for low, high in drawn:
        # Without its line a window narrower than a pixel would not be seen.
        room.axvspan(low, high, facecolor=_COLOURS[_ESCAPED], edgecolor=_COLOURS[_ESCAPED], linewidth=0.7)
    room.set_xlim(*ends)
    room.set_yticks([])
    room.spines["left"].set_visible(False)


def _notes(known: Any, say: Say) -> list[Any]:
    """How many windows, from their first to their last value that escapes; the smallest and the widest."""
    from matplotlib.patches import Patch

    notes = [say("windows: {count}", count=len(known))]
    if known:
        low, high = max(known, key=lambda window: window[1] - window[0])
        notes.append(say("smallest value that escapes: {value}", value=_number(known[0][0])))
        notes.append(say("widest window: {low} to {high}", low=_number(low), high=_number(high)))
    return [Patch(facecolor="none", edgecolor="none", label=note) for note in notes]


def _plane(room: Any, borders: tuple[Array, Array], kinds: Array) -> None:
    from matplotlib.colors import ListedColormap

    mesh(room, borders, kinds, cmap=ListedColormap(_COLOURS), vmin=-0.5, vmax=_ESCAPED + 0.5)


def _handles(shares: Mapping[int, float], say: Say, known: bool = True) -> list[Any]:
    """The kinds that there are, with their shares."""
    from matplotlib.patches import Patch

    words = {
        _ESCAPED: say("escapes: {share}", share=percent(shares[_ESCAPED])),
        1: say("settles elsewhere: {share}", share=percent(shares.get(1, 0.0))),
        0: (say("did not settle: {share}", share=percent(shares[0])) if known else
            say("does not escape: {share}", share=percent(shares[0]))),
    }  # fmt: skip
    return [
        Patch(facecolor=_COLOURS[kind], edgecolor="#8C8C8C", linewidth=0.4, label=words[kind])
        for kind in (_ESCAPED, 1, 0)
        if shares.get(kind, 0.0) > 0.0
    ]


def _number(value: float) -> str:
    return f"{value:.4g}"
