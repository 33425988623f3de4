"""Animations of runs and races: all balls before one landscape, step by step, by one clock."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layda.errors import FileError, SettingError, nearest
from layda.plots.films import find_ffmpeg, write_gif, write_video
from layda.plots.losses import eventful
from layda.plots.stage import Stage
from layda.plots.style import RC
from layda.run import Race, Trajectory
from layda.run.files import whole_file

__all__ = ["ANIMATIONS", "Film", "animate"]

ANIMATIONS = ("gif", "mp4", "webm")
"""What an animation can be saved as."""

_SMALLEST, _LARGEST = (320, 240), 4096
_MOST_FRAMES = 2000
_MOST_BYTES = 2 * 2**30
_SECONDS = 4.0
"""How long a run of few steps takes, unless ``fps`` says otherwise."""


@dataclass(frozen=True)
class Film:
    """How an animation is made; the arguments are those of :func:`animate`.

    Raises:
        FileError: an ending that is no animation's.
        SettingError: a setting outside its range.
        MissingExtraError: a video, and there is no ffmpeg.

    >>> Film("race.mp4", size=(801, 450))
    Traceback (most recent call last):
    ...
    layda.errors.SettingError: size is (801, 450); mp4 needs even numbers of pixels (yuv420p): take (802, 450)
    """

    path: str | os.PathLike[str]
    size: tuple[int, int] = (800, 450)
    fps: float | None = None
    frames: int = 120
    hold: float = 2.0
    loop: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ANIMATIONS:
            raise FileError(
                f"{os.fspath(self.path)}: animations are saved as {', '.join(ANIMATIONS)}; "
                f"{nearest(self.kind, ANIMATIONS)}"
            )
        self._check_size()
        fastest = 50 if self.kind == "gif" else 60  # viewers take the hundredth of a second for a mistake, and crawl
        if self.fps is not None:
            _number("fps", self.fps, 1, fastest, f"frames per second of a {self.kind}")
        _number("hold", self.hold, 0, 60, "seconds that the last frame stays")
        _number("frames", self.frames, 2, _MOST_FRAMES, "frames in all", whole=True)
        if not isinstance(self.loop, bool):
            raise SettingError(f"loop is {self.loop!r}; allowed are True (begin anew for ever) and False (run once)")
        if self.kind == "gif" and self.frames * self.size[0] * self.size[1] > _MOST_BYTES:
            raise SettingError(
                f"a gif of {self.frames} frames of {self.size[0]} × {self.size[1]} pixels would need more than "
                f"{_MOST_BYTES // 2**30} GiB of memory, since Pillow writes it at the end; take fewer or "
                "smaller ones, or mp4"
            )
        if self.kind != "gif":
            find_ffmpeg(os.fspath(self.path))

    @property
    def kind(self) -> str:
        """The ending: what kind of file it becomes."""
        return os.fspath(self.path).rpartition(".")[2].lower()

    def _check_size(self) -> None:
        size: Any = self.size
        whole = isinstance(size, tuple | list) and len(size) == 2 and all(_whole(side) for side in size)
        if not whole or any(not low <= side <= _LARGEST for low, side in zip(_SMALLEST, size, strict=True)):
            raise SettingError(
                f"size is {size!r}; allowed are (width, height) in whole pixels from {_SMALLEST[0]} × {_SMALLEST[1]} "
                f"to {_LARGEST} × {_LARGEST}, such as (800, 450)"
            )
        if self.kind != "gif" and any(side % 2 for side in size):
            raise SettingError(
                f"size is {tuple(size)}; {self.kind} needs even numbers of pixels (yuv420p): "
                f"take {tuple(side + side % 2 for side in size)}"
            )


def animate(
    result: Trajectory | Race,
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] = (800, 450),
    fps: float | None = None,
    frames: int = 120,
    hold: float = 2.0,
    loop: bool = True,
) -> Path:
    """Let the balls roll in a GIF, an MP4 or a WebM file.

    With one coordinate the balls roll on the curve, the last hops behind them; with two, their paths grow over
    contours; with more, the losses grow over the steps. Colours, dashes and markers are those of :func:`layda.plot`.

    All runs share one clock: at every frame each has taken the same number of steps, or has ended. Runs with more steps
    than frames are shown at some of their steps, evenly spaced; where some only crawl on long after the others have
    ended, the last quarter of the frames goes through the rest faster. The first frame is the start, the last one the
    end.

    Args:
        result: a run or a race. Runs with ``record="end"`` have an end only, and one frame.
        path: the file, whole or not there: ``.gif`` (needs nothing else), ``.mp4`` or ``.webm`` (ffmpeg on the PATH or
            the extra ``[video]``).
        size: width and height in pixels, 320 × 240 at least; even numbers for mp4 and webm. Text grows with them.
        fps: frames per second, 1 to 50 (gif) or 60; by default 25, fewer for runs of few steps, so that they take about
            four seconds.
        frames: how many at most, 2 to 2000; a gif of all of them must fit into 2 GiB, one byte for a pixel.
        hold: how many seconds the last frame stays beyond its time, 0 to 60.
        loop: whether a gif begins anew for ever, or is shown once. Of a video the player decides.

    Returns:
        The path of the file.

    Raises:
        FileError: an unknown ending, a folder that does not exist, a failure of ffmpeg.
        SettingError: a setting outside its range.
        MissingExtraError: mp4 or webm, and there is no ffmpeg.

    >>> import layda, tempfile
    >>> race = layda.race("x^4 - 2x^2", ["gradient-descent", "heavy-ball"], start=0.5, steps=20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate(race, Path(folder) / "race.gif", size=(320, 240)).stat().st_size > 5000
    True
    """
    import matplotlib as mpl

    if not isinstance(cast(Any, result), Trajectory | Race):
        raise SettingError(
            f"result is of type {type(result).__name__}; animations are made of a run (layda.descend) or a race "
            "(layda.race). layda.plot draws other results"
        )
    film = Film(path, size, fps, frames, hold, loop)
    runs = [result] if isinstance(result, Trajectory) else list(result.runs)
    clock = _clock(runs, frames)
    width, height = size
    with mpl.rc_context(cast(Any, RC)), whole_file(path) as draft:
        stage = Stage(runs, (width, height), clock)
        rate = float(fps) if fps is not None else min(25.0, max(4.0, round(len(clock) / _SECONDS)))
        shown = (stage.frame(int(step)) for step in clock)
        if film.kind == "gif":
            times = np.arange(len(clock)) / rate
            pattern = np.concatenate([stage.background, stage.frame(int(clock[-1]))])
            write_gif(draft, shown, pattern, times.tolist(), len(clock) / rate + hold, loop)
        else:
            write_video(draft, shown, (width, height), rate, hold, film.kind)
    return Path(path)


def _clock(runs: list[Trajectory], frames: int) -> NDArray[np.int64]:
    """The step of each frame, from the first that is recorded to the last."""
    first = min(run.steps + 1 - len(run.positions) for run in runs)
    last, busy = max(run.steps for run in runs), max(eventful(runs), first)
    if last - first < frames:
        return np.arange(first, last + 1)
    if last < 2 * busy:
        return _even(first, last, frames)
    early = _even(first, busy, round(0.75 * frames))
    return np.concatenate([early, _even(busy, last, frames - len(early) + 1)[1:]])


def _even(first: int, last: int, count: int) -> NDArray[np.int64]:
    """Whole numbers from first to last, both included, at most so many, none of them twice."""
    return np.unique(np.linspace(first, last, max(count, 2)).round().astype(np.int64))


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(name: str, value: Any, low: int, high: int, meaning: str, whole: bool = False) -> None:
    number = _whole(value) or (isinstance(value, float | np.floating) and not whole)
    if not number or not low <= value <= high:
        raise SettingError(
            f"{name} is {value!r}; allowed is a {'whole ' if whole else ''}number from {low} to {high}: {meaning}"
        )
