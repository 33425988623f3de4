"""Make the README's pictures anew: python tools/pictures.py [NAME …]; a minute or two on two cores."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import layda

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


def lecture() -> Any:
    """The lecture's contestants on the lecture's curve."""
    from layda.lecture.race import lecture_race

    return layda.plot(lecture_race())


def basins() -> Any:
    """Which of 2000 × 2000 starts on Himmelblau's function ends in which minimum."""
    side = np.linspace(-5.0, 5.0, 2000)
    found = layda.sweep("himmelblau", "heavy-ball", start={"x": side, "y": side}, learning_rate=0.01, steps=2000)
    return layda.plot(found, what="basin")


def lecture_map() -> Any:
    """What becomes of the ball on the lecture's curve, by learning rate and momentum."""
    found = layda.sweep(
        "lecture", start=2.0, learning_rate=np.geomspace(0.01, 1.5, 900), momentum=np.linspace(0.0, 0.99, 700),
        steps=3000,
    )  # fmt: skip
    return layda.plot(found)


def windows() -> Any:
    """Where more momentum traps the ball again."""
    found = layda.sweep(
        "lecture", start=2.0, learning_rate=np.linspace(0.2, 1.2, 900), momentum=np.linspace(0.8, 0.985, 1200),
        steps=5000, keep=("verdict",),
    )  # fmt: skip
    return layda.plot(found, what="windows", along="learning_rate")


def breast_cancer_map() -> Any:
    """Logistic regression on a real table: how near to the best known value, by learning rate and momentum."""
    found = layda.sweep(
        "breast_cancer", learning_rate=np.geomspace(0.01, 100.0, 60), momentum=np.linspace(0.0, 0.98, 50), steps=300,
        keep=("value", "verdict"),
    )  # fmt: skip
    return layda.plot(found, what="value")


def rates() -> Any:
    """How fast the heavy ball is on a bowl, and how it moves in each regime."""
    return layda.plot(layda.theory.linear_system("heavy-ball"))


PICTURES: dict[str, Callable[[], Any]] = {
    "lecture": lecture, "basins": basins, "lecture_map": lecture_map, "windows": windows,
    "breast_cancer_map": breast_cancer_map, "rates": rates,
}  # fmt: skip


def main() -> None:
    """Make those that are named, or all."""
    for name in sys.argv[1:] or PICTURES:
        figure = PICTURES[name]()
        figure.savefig(FOLDER / f"{name}.png", metadata={"Software": None})
        print(f"{name}: {(FOLDER / f'{name}.png').stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
