"""The loss of every run over the steps: f above the lowest value known, on a logarithmic scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.plots.style import look
from layda.run import Trajectory

__all__ = ["draw_losses", "eventful", "frame_losses"]

Array = NDArray[np.float64]


def draw_losses(axes: Any, runs: list[Trajectory]) -> None:
    """All losses as lines, each with the marker of its run where it ends."""
    for index, (run, (steps, height)) in enumerate(zip(runs, frame_losses(axes, runs), strict=True)):
        shown = look(index)
        label = f"{run.label}: {run.verdict.kind}"
        (line,) = axes.plot(steps, height, color=shown.colour, linestyle=shown.dash, linewidth=1.3, label=label)
        finite = np.flatnonzero(np.isfinite(height))
        if len(finite):
            axes.plot(steps[finite[-1]], height[finite[-1]], shown.marker, color=line.get_color(), markersize=5)


def frame_losses(axes: Any, runs: list[Trajectory]) -> list[tuple[NDArray[np.int64], Array]]:
    """Set scales and names of the axes; return steps and heights of every run, NaN where there is none to show."""
    floor, words = _lowest(runs)
    start = max((float(run.values[0]) - floor for run in runs if np.isfinite(run.values[0])), default=1.0)
    start = start if start > 0.0 else 1.0
    bottom = start
    found = []
    for run in runs:
        first = run.steps + 1 - len(run.values)
        with np.errstate(all="ignore"):
            height = np.where(run.values - floor > 0.0, run.values - floor, np.nan)
        seen = height[np.isfinite(height)]
        if len(seen):
            bottom = min(bottom, float(np.min(seen)))
        found.append((np.arange(first, first + len(height)), height))
    axes.set_yscale("log")
    axes.set_ylim(max(bottom, start * 1e-13) / 3, start * 30)
    end, longest = eventful(runs), max(run.steps for run in runs)
    axes.set_xlim(0, max(end, 1))
    axes.set_xlabel("step" if end == longest else f"step (some runs go on to {longest})")
    axes.set_ylabel(f"f − {words}")
    axes.grid(True, which="major", alpha=0.25)
    return found


def eventful(runs: list[Trajectory]) -> int:
    """The step up to which something happens: runs that only crawl on to the budget would squeeze the others."""
    longest = max(run.steps for run in runs)
    lost = ("diverged", "undefined")  # gone after a few steps, which says nothing about how long the others take
    settled = [run.steps for run in runs if run.steps < run.budget and run.verdict.kind not in lost]
    return min(longest, round(1.5 * max(settled))) if settled else longest


def _lowest(runs: list[Trajectory]) -> tuple[float, str]:
    known = [run.verdict.better.value for run in runs if run.verdict.better is not None]
    if runs[0].objective.minima:
        known.append(runs[0].objective.minima[0].value)
    seen = [run.best_value for run in runs if np.isfinite(run.best_value)]
    if known and (not seen or min(known) <= min(seen)):
        return min(known), "the best known minimum"
    return (min(seen), "the lowest seen") if seen else (0.0, "0")
