"""How long an animation takes: layda beside matplotlib's own FuncAnimation, in one run on one machine.

    python benchmarks/animation.py [--rounds 3]

120 frames of 800 × 450 pixels as a GIF: four rules on Himmelblau's function, contours, growing paths, a legend and a
step counter. The peer is written as matplotlib's documentation does it: ``FuncAnimation`` with the same artists, the
contours drawn before, saved by ``PillowWriter``. Everyone runs in turn, and has the shortest of the rounds. MP4 and
WebM are timed where an ffmpeg is found.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import layda
from layda.errors import MissingExtraError
from layda.plots.style import look

FRAMES, WIDTH, HEIGHT, RATE = 120, 800, 450, 25
RULES = {
    "gradient descent": "gradient-descent:learning_rate=0.001",
    "heavy ball": "heavy-ball:learning_rate=0.001",
    "Nesterov": "nesterov:learning_rate=0.001",
    "Adam": "adam:learning_rate=0.02",
}


def by_layda(race: layda.Race, path: Path) -> None:
    """As its users do it."""
    layda.animate(race, path, size=(WIDTH, HEIGHT), frames=FRAMES, fps=RATE, hold=0)


def by_matplotlib(race: layda.Race, path: Path) -> None:
    """As users of matplotlib do it: one artist for each path and ball, changed for every frame, and the writer."""
    from matplotlib import pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    # Placed by hand: a layout engine would run for every frame that the writer draws.
    figure, axes = plt.subplots(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100)
    figure.subplots_adjust(left=0.06, right=0.78, bottom=0.1, top=0.92)
    x, y = np.meshgrid(np.linspace(-5, 5, 161), np.linspace(-5, 5, 161))
    heights = race.objective.values(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    levels = np.unique(np.quantile(heights, np.linspace(0.01, 0.97, 14)))
    axes.contourf(x, y, heights, levels=levels, cmap="Greys", alpha=0.35, extend="both")
    axes.contour(x, y, heights, levels=levels, colors="#8a8a8a", linewidths=0.5)
    lines, balls = [], []
    for index, run in enumerate(race):
        shown = look(index)
        lines += axes.plot([], [], color=shown.colour, linestyle=shown.dash, marker=".", markersize=3, label=run.label)
        balls += axes.plot([], [], color=shown.colour, marker=shown.marker, markersize=8)
    figure.legend(loc="upper right")
    counter = axes.set_title("")

    def show(step: int) -> list[Any]:
        for run, line, ball in zip(race, lines, balls, strict=True):
            line.set_data(*run.positions[: step + 1].T)
            ball.set_data(*run.positions[step : step + 1].T)
        counter.set_text(f"step {step} of {FRAMES - 1}")
        return [*lines, *balls, counter]

    FuncAnimation(figure, show, frames=FRAMES, blit=True).save(path, writer=PillowWriter(fps=RATE))
    plt.close(figure)


def main() -> None:
    """Print seconds, sizes and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    race = layda.race("himmelblau", RULES, start=(0.0, 0.0), steps=FRAMES - 1, tolerance=0)
    makers: dict[str, tuple[Callable[[layda.Race, Path], None], str]] = {
        "matplotlib FuncAnimation, GIF": (by_matplotlib, "peer.gif"),
        "layda, GIF": (by_layda, "layda.gif"),
        "layda, MP4": (by_layda, "layda.mp4"),
        "layda, WebM": (by_layda, "layda.webm"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, (make, file) in makers.items():
                begin = time.perf_counter()
                try:
                    make(race, Path(folder) / file)
                except MissingExtraError as error:
                    print(f"{name}: left out: {error}")
                    continue
                seconds[name].append(time.perf_counter() - begin)
        peer = min(seconds["matplotlib FuncAnimation, GIF"])
        print(f"| {FRAMES} frames, {WIDTH} × {HEIGHT} | first, s | best of {rounds}, s | times as fast | file, kB |")
        print("|---|---|---|---|---|")
        for name, (_, file) in makers.items():
            if seconds[name]:
                best, size = min(seconds[name]), (Path(folder) / file).stat().st_size / 1000
                print(f"| {name} | {seconds[name][0]:.2f} | {best:.2f} | {peer / best:.1f} | {size:.0f} |")
        for file in ("peer.gif", "layda.gif"):
            with Image.open(Path(folder) / file) as film:
                assert (film.n_frames, film.size) == (FRAMES, (WIDTH, HEIGHT)), file  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
