"""Which α and β free a ball from where it got trapped, from this very start: found by an ensemble, chosen well inside.

More momentum is not always better: settings that escape come in windows with traps between them. So not the first
setting that escapes is taken, but the middle of a wide window, and its edges are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.diagnosis.examined import Examined
from layda.diagnosis.settings import changed, momentum_name, steady
from layda.measures import VERDICTS
from layda.objective import TracedObjective
from layda.rule import Rule
from layda.run.ensemble import prepared, run_balls
from layda.settings import numbers_of

__all__ = ["Escape", "find_escape"]

Array = NDArray[Any]
_SETTLED = (VERDICTS.index("converged"), VERDICTS.index("trapped"))
_LINE, _SIDE, _SIDE_SLOW = 400, 48, 12
_ENOUGH = 8
"""A window of one setting alone is wide enough with so many neighbours of a line's that all escape."""

_NEAR = 1e-3
"""Values within this share of the improvement count as the same minimum."""


@dataclass(frozen=True)
class Escape:
    """Settings that free the ball.

    Attributes:
        rule: with the settings chosen. value: f where it settles. steps: after how many steps.
        windows: name of a changed setting -> (low, high) around the chosen value, the other being kept.
        looked: how many balls were rolled.
    """

    rule: Rule
    value: float
    steps: int
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    looked: int = 0


class _Search:
    """Balls from one start with many α and β, and the paths of these numbers."""

    def __init__(self, seen: Examined, rule: Rule) -> None:
        self.seen, self.rule = seen, rule
        self.rate_path = "learning_rate.initial" if "learning_rate.initial" in numbers_of(rule) else "learning_rate"
        self.momentum_path = momentum_name(rule)
        settings = seen.run.settings
        self.options = prepared(
            seen.run.objective,
            {"steps": seen.run.budget, "tolerance": settings["tolerance"], "check_every": settings["check_every"],
             "keep": ("verdict", "value", "steps"), "radius": None, "fast": False, "dtype": "float64"},
        )  # fmt: skip
        self.looked = 0
        self.target = np.inf

    def roll(self, rates: Array, momenta: Array) -> tuple[Array, Array]:
        """f where it settles (infinite where it does not) and the steps, in the shape of the two arrays together."""
        rates, momenta = np.broadcast_arrays(np.asarray(rates, float), np.asarray(momenta, float))
        shape = rates.shape
        numbers: dict[str, Any] = dict(numbers_of(self.rule))
        numbers[self.rate_path] = np.ascontiguousarray(rates).ravel()
        if self.momentum_path is not None:
            numbers[self.momentum_path] = np.ascontiguousarray(momenta).ravel()
        starts = np.repeat(np.array(self.seen.start)[None, :], rates.size, axis=0)
        found = run_balls(self.seen.run.objective, self.rule, starts, numbers, self.options)
        self.looked += rates.size
        self.seen.spent += float(np.sum(found["steps"] + 1.0))
        value = np.where(np.isin(found["verdict"], _SETTLED), found["value"], np.inf)
        return value.reshape(shape), found["steps"].reshape(shape)

    def frees(self, value: Array) -> Array:
        """Whether a ball that settles so low counts as freed."""
        return np.asarray(value <= self.target)


def find_escape(seen: Examined) -> Escape | None:
    """Settings well inside a window of escape, to the lowest minimum that any reaches; ``None`` if none is lower.

    One setting is changed alone where that has a wide window: β first, then α; otherwise both. A decay of the learning
    rate is kept where it does not stand in the way.

    Args:
        seen: a run that settled; its purse is not asked.
    """
    run = seen.run
    maps = [_Map(_Search(seen, rule)) for rule in dict.fromkeys((_with_rate_schedule(seen), steady(run.rule)))]
    lowest = min(found.lowest for found in maps)
    if not lowest < run.value - 1e-7 * max(abs(run.value), abs(lowest)):
        return None
    slack = _NEAR * (run.value - lowest)
    chosen = next(found for found in maps if found.lowest <= lowest + slack)
    chosen.search.target = lowest + slack
    looked = sum(found.search.looked for found in maps)
    return chosen.choice(looked)


def _with_rate_schedule(seen: Examined) -> Rule:
    """The rule with its own rate or schedule, if that starts from a number, and a constant β."""
    rule = seen.run.rule
    if "learning_rate.initial" not in numbers_of(rule):
        return steady(rule)
    return changed(rule, momentum=seen.momentum)


class _Map:
    """What becomes of the ball with other α, with other β, and with both."""

    def __init__(self, search: _Search) -> None:
        self.search = search
        seen = search.seen
        slow = not isinstance(seen.run.objective, TracedObjective)
        side = _SIDE_SLOW if slow else _SIDE
        count = _SIDE_SLOW**2 if slow else _LINE
        self.wide = max(_ENOUGH * count // _LINE, 3)
        self.rate, self.momentum = seen.rate, 0.0 if seen.momentum is None else seen.momentum
        low, high = _rates(seen)
        free = search.momentum_path is not None
        self.rates, self.momenta = np.geomspace(low, high, count), _momenta(count if free else 1)
        self.grid_rates, self.grid_momenta = np.geomspace(low, high, side), _momenta(side if free else 1)
        self.by_momentum = search.roll(np.full(len(self.momenta), self.rate), self.momenta)
        self.by_rate = search.roll(self.rates, np.full(count, self.momentum))
        self.by_both = search.roll(self.grid_rates[:, None], self.grid_momenta[None, :])

    @property
    def lowest(self) -> float:
        """The lowest minimum that any of them reaches."""
        return min(float(np.min(found[0])) for found in (self.by_momentum, self.by_rate, self.by_both))

    def choice(self, looked: int) -> Escape:
        """One setting alone in a wide window, else both deep inside, else the middle of the widest narrow one."""
        by_momentum = _widest(self.search.frees(self.by_momentum[0]))
        by_rate = _widest(self.search.frees(self.by_rate[0]))
        place = _deepest(self.search.frees(self.by_both[0]), self.by_both[1])
        for line, name in ((by_momentum, "momentum"), (by_rate, "rate")):
            if line is not None and line[1] - line[0] + 1 >= self.wide:
                return self._on_line(line, name, looked)
        if place is not None:
            rate, momentum = float(self.grid_rates[place[0]]), float(self.grid_momenta[place[1]])
            return _told(self.search, rate, momentum, "both", looked)
        line, name = (by_momentum, "momentum") if by_momentum is not None else (by_rate, "rate")
        assert line is not None, "the lowest of all was found in one of the three"
        return self._on_line(line, name, looked)

    def _on_line(self, line: tuple[int, int], name: str, looked: int) -> Escape:
        middle = sum(line) // 2
        if name == "momentum":
            return _told(self.search, self.rate, float(self.momenta[middle]), name, looked)
        return _told(self.search, float(self.rates[middle]), self.momentum, name, looked)


def _rates(seen: Examined) -> tuple[float, float]:
    """From a thousandth of what the steepest ground allows to four times that; the run's own rate inside."""
    steep = seen.steepest
    if steep is None:
        return 1e-3 * seen.rate, 1e3 * seen.rate
    return min(1e-3 / steep, 0.1 * seen.rate), max(8.0 / steep, 10.0 * seen.rate)


def _momenta(count: int) -> Array:
    """From 0 to .999, evenly in log(1 − β): the memory doubles by equal steps."""
    return np.asarray(1.0 - np.geomspace(1.0, 1e-3, count))


def _widest(hits: Array) -> tuple[int, int] | None:
    """The first and last place of the longest stretch of hits."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hits.astype(int), [0]])))
    if not len(edges):
        return None
    begins, ends = edges[::2], edges[1::2] - 1
    best = int(np.argmax(ends - begins))
    return int(begins[best]), int(ends[best])


def _deepest(hits: Array, steps: Array) -> tuple[int, int] | None:
    """The place farthest from every place that does not escape; of several the one with the fewest steps."""
    if not np.any(hits):
        return None
    depth = np.zeros(hits.shape, int)
    layer = hits.copy()
    while np.any(layer):
        depth += layer
        edge = np.pad(layer, 1)
        if hits.shape[1] == 1:  # one momentum alone: only the rate counts
            edge[:, 0], edge[:, -1] = edge[:, 1], edge[:, 1]
        sides = [edge[i : i + layer.shape[0], j : j + layer.shape[1]] for i in range(3) for j in range(3)]
        layer = np.logical_and.reduce(sides)
    best = np.where(depth == depth.max(), steps.astype(np.float64), np.inf)
    row, column = np.unravel_index(int(np.argmin(best)), hits.shape)
    return int(row), int(column)


def _told(search: _Search, rate: float, momentum: float, what: str, looked: int) -> Escape:
    """The escape with its windows' edges."""
    value, steps = search.roll(np.array([rate]), np.array([momentum]))
    windows: dict[str, tuple[float, float]] = {}
    if what in ("rate", "both"):
        windows["learning_rate"] = _edges(search, lambda x: (x, np.full_like(x, momentum)), rate, True)
    if what in ("momentum", "both") and search.momentum_path is not None:
        windows[search.momentum_path] = _edges(search, lambda x: (np.full_like(x, rate), x), momentum, False)
    rule = search.rule if what == "rate" else changed(search.rule, momentum=momentum)
    if what != "momentum":
        rule = changed(rule, rate=rate)
    return Escape(rule, float(value[0]), int(steps[0]), windows, looked)


def _edges(search: _Search, place: Any, middle: float, logarithmic: bool) -> tuple[float, float]:
    """How far the chosen value may go down and up: 64 balls to either side, twice, the second time about the edge."""

    def line(end: float, inner: float) -> Array:
        if logarithmic:
            return np.geomspace(inner, end, 65)[1:]
        return np.asarray(1.0 - np.geomspace(1.0 - inner, 1.0 - end, 65)[1:])

    found = []
    for end in (middle / 4.0, middle * 4.0) if logarithmic else (0.0, 0.9999):
        inner = middle
        for _ in range(2):
            tried = line(end, inner)
            hits = search.frees(search.roll(*place(tried))[0])
            missed = np.flatnonzero(~hits)
            if not len(missed):
                inner = float(tried[-1])
                break
            first = int(missed[0])
            inner, end = float(tried[first - 1]) if first else inner, float(tried[first])
        found.append(inner)
    return min(found), max(found)
