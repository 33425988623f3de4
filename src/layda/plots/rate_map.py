"""How fast a rule is on a bowl of curvature λ, over αλ and its momentum; and how a ball moves in each regime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.plots.style import RC, look
from layda.theory import LinearSystem
from layda.theory.stability import REGIMES, regimes
from layda.words import Say, later, speaker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_rates"]

Array = NDArray[np.float64]
_FINE = 480
_SHOWN_STEPS = 30
_WORDS = {
    "overdamped": later("overdamped"), "critical": later("critical"), "underdamped": later("underdamped"),
    "sign-flipping": later("sign-flipping"), "marginal": later("marginal"), "divergent": later("divergent"),
}  # fmt: skip


def draw_rates(system: LinearSystem, language: str = "en") -> Figure:
    """Draw how many steps a decimal place takes over (αλ, β), black where the ball is thrown away, and the regimes.

    Beside it the ball's way from rest in each regime, at the places marked in the map. A rule without a momentum has a
    curve in place of the map.

    Args:
        system: from :func:`layda.theory.linear_system`.
        language: of the words, one of :data:`layda.words.LANGUAGES`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    say = speaker(language)
    with mpl.rc_context(cast(Any, RC)):
        figure = Figure(figsize=(10.4, 4.4), dpi=130)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
        places = _curve(left, system, say) if system.memory is None else _map(figure, left, system, say)
        _ways(right, system, places, say)
    return figure


def _top(system: LinearSystem, momenta: Array) -> float:
    """The largest αλ worth showing: a fifth above the largest limit."""
    grid = np.geomspace(1e-2, 1e4, 1200)
    stable = _codes(system, grid[None, :], momenta[:, None]) < REGIMES.index("divergent")
    return 1.2 * float(grid[np.max(np.flatnonzero(np.any(stable, axis=0)), initial=0)])


def _matrices(system: LinearSystem, products: Array, momenta: Array) -> Array:
    numbers = {} if system.memory is None else {system.memory: momenta}
    return system.matrix(1.0, numbers, learning_rate=products)


def _codes(system: LinearSystem, products: Array, momenta: Array) -> NDArray[np.int64]:
    return regimes(_matrices(system, products, momenta))


def _map(figure: Figure, axes: Axes, system: LinearSystem, say: Say) -> list[tuple[str, float, float]]:
    """The map; returns a place in each regime: (name, αλ, β)."""
    from matplotlib.colors import LogNorm

    momenta = np.linspace(0.0, 0.995, _FINE)
    top = min(_top(system, momenta), 20.0)
    products = np.linspace(0.0, top, _FINE + 1)[1:]
    matrices = _matrices(system, products[None, :], momenta[:, None])
    codes, rates = regimes(matrices), system.spectral_radius(1.0, {str(system.memory): momenta[:, None]},
                                                             learning_rate=products[None, :])  # fmt: skip
    with np.errstate(all="ignore"):
        digits = np.where(codes < 4, np.log(10.0) / -np.log(rates), np.nan)
    axes.set_facecolor("black")
    shades = axes.pcolormesh(
        products, momenta, np.clip(digits, 1.0, 1000.0), norm=LogNorm(1.0, 1000.0), cmap="viridis_r",
        shading="nearest", rasterized=True,
    )  # fmt: skip
    figure.colorbar(shades, ax=axes, label=say("steps for each decimal place"), pad=0.02)
    # Critical damping is a line between two regimes: without it the borders are those of three areas.
    areas = np.where(codes == 1, 0, codes)
    for code in (0, 2, 3):
        axes.contour(products, momenta, (areas == code).astype(float), [0.5], colors="white", linewidths=0.8)
    places = _places(codes, products, momenta)
    for index, (name, product, momentum) in enumerate(places):
        axes.plot(product, momentum, look(index).marker, color="white", markeredgecolor="black", markersize=7)
        if name != "critical":
            side = 7 if momentum < 0.15 else -12
            axes.annotate(say(_WORDS[name]), (product, momentum), (0, side), textcoords="offset points", ha="center",
                          color="white", fontsize=8, path_effects=_outline())  # fmt: skip
    axes.set_xlabel(say("learning rate × curvature, αλ"))
    axes.set_ylabel(say("momentum β") if system.memory == "momentum" else str(system.memory))
    axes.set_title(f"{system.rule.name}  ({say('black: thrown away')})")
    return places


def _outline() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2, foreground="black")]


def _places(codes: NDArray[np.int64], products: Array, momenta: Array) -> list[tuple[str, float, float]]:
    """The place deepest inside each area, and one on the critical line between the first two."""
    found = {}
    for name in ("overdamped", "underdamped", "sign-flipping", "divergent"):
        inside = codes == REGIMES.index(name)
        if not np.any(inside):
            continue
        depth = np.zeros(codes.shape, int)
        layer = inside
        while np.any(layer):
            depth += layer
            edge = np.pad(layer, 1)
            layer = edge[:-2, 1:-1] & edge[2:, 1:-1] & edge[1:-1, :-2] & edge[1:-1, 2:] & layer
        deepest = np.unravel_index(int(np.argmax(depth)), codes.shape)
        found[name] = (float(products[deepest[1]]), float(momenta[deepest[0]]))
    places = [(name, *place) for name, place in found.items()]
    if {"overdamped", "underdamped"} <= set(found):
        row = int(np.argmin(np.abs(momenta - 0.5)))
        first = np.flatnonzero(codes[row] == REGIMES.index("underdamped"))
        if len(first):
            places.insert(1, ("critical", float(products[first[0]]), float(momenta[row])))
    row = len(momenta) // 2
    thrown = np.flatnonzero(codes[row] == REGIMES.index("divergent"))
    if len(thrown) and places and places[-1][0] == "divergent":  # near the border, where its swings can be seen
        places[-1] = ("divergent", float(products[min(int(1.06 * thrown[0]), len(products) - 1)]), float(momenta[row]))
    return places


def _curve(axes: Axes, system: LinearSystem, say: Say) -> list[tuple[str, float, float]]:
    """Without a momentum: the factor per step over αλ."""
    products = np.linspace(0.0, 1.3 * _top(system, np.zeros(1)) / 1.2, _FINE)
    rates = system.spectral_radius(1.0, learning_rate=products)
    codes = _codes(system, products, np.zeros(1))
    axes.plot(products, rates, color=look(0).colour)
    axes.fill_between(products, 0.0, 1.3, where=(codes == 5).tolist(), color="black")
    axes.axhline(1.0, color="#808080", linewidth=0.8)
    axes.set_xlim(0.0, float(products[-1]))
    axes.set_ylim(0.0, 1.3)
    axes.set_xlabel(say("learning rate × curvature, αλ"))
    axes.set_ylabel(say("factor per step"))
    axes.set_title(f"{system.rule.name}  ({say('black: thrown away')})")
    places = []
    for name in ("overdamped", "sign-flipping", "divergent"):
        there = np.flatnonzero(codes == REGIMES.index(name))
        if len(there):
            middle = int(there[len(there) // 2])
            places.append((name, float(products[middle]), 0.0))
            colour = "white" if name == "divergent" else "black"
            axes.plot(products[middle], min(float(rates[middle]), 1.25), look(len(places) - 1).marker, color=colour)
    return places


def _ways(axes: Axes, system: LinearSystem, places: list[tuple[str, float, float]], say: Say) -> None:
    """The position of a ball from rest at 1, step by step."""
    steps = np.arange(_SHOWN_STEPS + 1)
    for index, (name, product, momentum) in enumerate(places):
        matrix = _matrices(system, np.array(product), np.array(momentum))
        state, way = system.start, []
        for _ in steps:
            way.append(float(system.answer[0] @ state))
            state = matrix @ state
        style = look(index)
        label = f"{say(_WORDS[name])}: αλ = {product:.3g}" + ("" if system.memory is None else f", β = {momentum:.3g}")
        shown = np.where(np.abs(way) <= 3.0, way, np.nan)
        axes.plot(steps, shown, color=style.colour, dashes=(), marker=style.marker, markersize=3.5, linewidth=1.0,
                  label=label)  # fmt: skip
    axes.axhline(0.0, color="#808080", linewidth=0.8)
    axes.set_ylim(-2.0, 2.6)
    axes.set_xlabel(say("step"))
    axes.set_ylabel(say("position of a ball that starts at rest at 1"))
    axes.legend(loc="upper right", fontsize=7.5)
