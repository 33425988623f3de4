"""Pictures: drawn without a warning, the same each time, whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import layda
from layda.errors import FileError
from layda.plots.style import look

RACES = {
    "curve": ("lecture", ["gradient-descent:learning_rate=10", "heavy-ball:learning_rate=0.5"]),
    "plane": ("himmelblau", ["gradient-descent", "nesterov", "gradient-descent:learning_rate=5"]),
    "left its domain": ("logarithm", ["gradient-descent:learning_rate=50", "adam"]),
    "eight coordinates": ("rosenbrock:dimension=8", ["heavy-ball:learning_rate=0.0001"]),
    "twenty runs": ("x^4 - 3x^2 + x/2", [f"heavy-ball:learning_rate={0.001 * k}" for k in range(1, 21)]),
    "flat": ("0*x", ["gradient-descent"]),
}


@pytest.mark.parametrize("name", RACES)
def test_drawn(name: str, tmp_path: Path) -> None:
    objective, rules = RACES[name]
    race = layda.race(objective, rules, steps=60)
    layda.plot(race, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


def test_one_run_and_no_steps() -> None:
    assert layda.plot(layda.descend("himmelblau", "heavy-ball", steps=0)).axes
    assert layda.plot(layda.descend("lecture", "heavy-ball", steps=3, record="end")).axes


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_the_same_result_gives_the_same_file(suffix: str, tmp_path: Path) -> None:
    race = layda.race("lecture", ["gradient-descent", "heavy-ball"], steps=30)
    for name in ("a", "b"):
        layda.plot(race, tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_looks_differ_without_colour() -> None:
    shown = [(str(look(index).dash), look(index).marker) for index in range(11)]
    assert len(set(shown)) == 11


def test_refusals_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = layda.descend("lecture", "heavy-ball", steps=5)
    with pytest.raises(FileError, match="pictures are saved as png, svg, pdf"):
        layda.plot(run, tmp_path / "picture.gif")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(FileError, match="full"):
        layda.plot(run, tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []


def test_the_last_position_is_in_the_picture() -> None:
    run = layda.descend("lecture", "heavy-ball:learning_rate=0.5", steps=1000)
    axes = layda.plot(run).axes[0]
    marks = [line for line in axes.lines if line.get_markersize() == 8]
    assert np.allclose(marks[0].get_xydata()[0], [run.position[0], run.value])
