"""One picture of a run or a race: a panel for each ball's way over the landscape, and the loss of all below."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from layda.diagnosis import Energy
from layda.errors import FileError, nearest
from layda.measures.weights import Weights
from layda.plots.barrier import draw_barrier
from layda.plots.energy import draw_energy
from layda.plots.landscape import draw_line, draw_plane
from layda.plots.losses import draw_losses
from layda.plots.maps import draw_map
from layda.plots.rate_map import draw_rates
from layda.plots.style import RC, look, verdict_colour
from layda.plots.weights import draw_weights
from layda.plots.windows import draw_windows
from layda.run import Race, Trajectory
from layda.run.escape import Windows
from layda.run.files import whole_file
from layda.theory import Barrier, LinearSystem

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "plot"]

FORMATS = ("png", "svg", "pdf")
"""What a picture can be saved as."""

_MOST_PANELS = 16
_OTHERS: dict[type, Callable[..., Figure]] = {
    LinearSystem: draw_rates, Energy: draw_energy, Weights: draw_weights, Barrier: draw_barrier,
}  # fmt: skip
"""What is drawn by one function alone."""


def plot(
    result: Trajectory | Race | Windows | LinearSystem | Energy | Weights | Barrier | xarray.Dataset,
    path: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Figure:
    """Draw a run, a race or the map of a sweep.

    With one coordinate every ball has a panel with the curve, its path and its last position; with two, contours with
    the path; with more, the loss curves alone.

    Args:
        result: what to draw: a run, a race, a dataset of :func:`layda.sweep` or :func:`layda.escape_share`, or the
            windows of :func:`layda.escape_windows`; the system of :func:`layda.theory.linear_system` (its rates), the
            energies of :func:`layda.energy`, weights of past gradients, a barrier.
        path: where to save it (png, svg or pdf, by the suffix); the file is whole or not there.
        options: for the map of a sweep, those of :func:`layda.plots.maps.draw_map` (``what``, ``select``, …); for
            windows, and for a sweep with ``what="windows"``, those of :func:`layda.plots.windows.draw_windows`.

    Returns:
        The matplotlib figure.

    Raises:
        FileError: an unknown suffix, a folder that does not exist.
    """
    if path is not None:
        suffix = os.fspath(path).rpartition(".")[2].lower()
        if suffix not in FORMATS:
            raise FileError(
                f"{os.fspath(path)}: pictures are saved as {', '.join(FORMATS)}; {nearest(suffix, FORMATS)}"
            )
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(cast(Any, RC)):
        if isinstance(result, Trajectory | Race):
            runs = [result] if isinstance(result, Trajectory) else list(result.runs)
            figure = Figure(figsize=_size(runs), dpi=130)
            _draw(figure, runs)
        elif isinstance(result, tuple(_OTHERS)):
            figure = next(draw for kind, draw in _OTHERS.items() if isinstance(result, kind))(result, **options)
        elif isinstance(result, Windows) or options.get("what") == "windows":
            figure = draw_windows(
                cast(Any, result), **{name: value for name, value in options.items() if name != "what"}
            )
        else:
            what = {"what": "share"} if "what" not in options and "share" in cast(Any, result) else {}
            figure = draw_map(cast(Any, result), **(what | options))
        if path is not None:
            with whole_file(path) as draft:
                # No date in the file: the same result gives the same bytes.
                metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {})
                figure.savefig(draft, format=suffix, metadata=metadata)
    return figure


def _panels(runs: list[Trajectory]) -> int:
    return min(len(runs), _MOST_PANELS) if runs[0].objective.dimension <= 2 else 0


def _shape(runs: list[Trajectory]) -> tuple[int, int]:
    """Rows and columns of the panels."""
    count = _panels(runs)
    columns = count if count <= 3 else 4 if count > 6 or count == 4 else 3
    return (math.ceil(count / columns), columns) if count else (0, 1)


def _size(runs: list[Trajectory]) -> tuple[float, float]:
    rows, columns = _shape(runs)
    width = max(8.0, 3.0 * columns)
    high = 2.3 if runs[0].objective.dimension == 1 else 2.7
    return width, rows * high + 3.4


def _draw(figure: Figure, runs: list[Trajectory]) -> None:
    rows, columns = _shape(runs)
    objective = runs[0].objective
    title = (
        f"{objective.name}:  {objective.equation}" if objective.equation not in ("", objective.name) else objective.name
    )
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    ratios = [2.3 if objective.dimension == 1 else 2.7] * rows + [3.0]
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=ratios)
    draw = draw_line if objective.dimension == 1 else draw_plane
    shared: Axes | None = None
    for index, run in enumerate(runs[: _panels(runs)]):
        axes = figure.add_subplot(grid[index // columns, index % columns], sharex=shared, sharey=shared)
        shared = shared or axes
        draw(axes, run, look(index), runs)
        axes.set_title(f"{run.label}\n", fontsize=9)
        axes.text(
            0.0, 1.03, f"{run.verdict.kind}, {run.steps} steps", transform=axes.transAxes, fontsize=8.5,
            color=verdict_colour(run.verdict.kind), fontweight="bold",
        )  # fmt: skip
        if index % columns:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
        if index + columns < _panels(runs):
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
    losses = figure.add_subplot(grid[rows, :])
    draw_losses(losses, runs)
    across = max(1, min(4, round(110 / max(len(run.label) + 12 for run in runs))))
    figure.legend(
        *losses.get_legend_handles_labels(), loc="outside lower left", ncols=across, fontsize=8.5, handlelength=3.5
    )
