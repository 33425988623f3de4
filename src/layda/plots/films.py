"""Frames into files: GIF with Pillow alone, MP4 and WebM through ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import FileError, MissingExtraError

__all__ = ["find_ffmpeg", "write_gif", "write_video"]

Pixels = NDArray[np.uint8]

_COMMON = 96
"""How many colours of a palette are taken as they are."""

_CLEAR = 255
"""The place in the palette that stands for "as before"."""

_CORNER = np.uint8(0xFC)
"""Pillow looks up one colour for every cube of 4 × 4 × 4, the one that is nearest to its darkest corner. So it is given
the corners of the palette's colours, and white stays white."""

# Constant quality. Where players look up which colours a video holds, they find what they would take for granted in
# a large one, so that small ones look no other.
_ENCODERS = {
    "mp4": ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-movflags", "+faststart"],
    "webm": [
        "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "24", "-deadline", "realtime", "-cpu-used", "6", "-row-mt", "1",
    ],
}  # fmt: skip
_COLOURS = [
    "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-color_primaries", "bt709",
    "-color_trc", "bt709", "-color_range", "tv", "-pix_fmt", "yuv420p",
]  # fmt: skip


def write_gif(
    path: Path, frames: Iterable[Pixels], pattern: Pixels, times: Sequence[float], ends: float, loop: bool
) -> None:
    """Write frames that share one palette; each but the first holds what has changed alone.

    Args:
        path: the file.
        frames: each of shape (height, width, 4).
        pattern: a picture with the colours that all of them have.
        times: when each frame appears, in seconds.
        ends: when the last one has been seen long enough, in seconds.
        loop: whether to begin anew for ever.
    """
    # GIF counts hundredths of a second: rounding when frames appear, not how long they stay, keeps the whole length.
    marks = np.round(np.array([*times, ends]) * 100.0).astype(int) * 10
    shown = _changes(frames, _palette(pattern))
    again: dict[str, Any] = {"loop": 0} if loop else {}
    next(shown).save(
        path,
        format="GIF",
        save_all=True,
        append_images=shown,
        duration=np.diff(marks).tolist(),
        transparency=_CLEAR,
        disposal=1,  # what is transparent shows the frame before
        optimize=False,
        **again,
    )


def _changes(frames: Iterable[Pixels], colours: Pixels) -> Iterator[Any]:
    """The frames in the colours of the palette; what is as in the frame before is transparent, which packs well."""
    from PIL import Image

    corners = Image.new("P", (1, 1))
    corners.putpalette((colours & _CORNER).ravel().tolist())
    table = colours.tobytes().ljust(3 * 256, b"\0")
    before: Pixels | None = None
    for frame in frames:
        indices = np.asarray(_picture(frame).quantize(palette=corners, dither=Image.Dither.NONE))
        changed = indices if before is None else np.where(indices == before, _CLEAR, indices)
        before = indices
        picture = Image.frombytes("P", indices.shape[::-1], changed.tobytes())
        picture.putpalette(table)
        yield picture


def _picture(pixels: Pixels) -> Any:
    from PIL import Image

    # Pillow skips the opacity faster than NumPy would copy the rest.
    return Image.frombytes("RGB", (pixels.shape[1], pixels.shape[0]), pixels.data, "raw", "RGBX")


def _palette(pattern: Pixels) -> Pixels:
    """At most 255 colours, no two in one cube of 4 × 4 × 4, shape (colours, 3).

    The commonest as they are, since areas must not change their tint; of the others, which are the blends at the edges
    of lines, those that Pillow finds to stand for all, however few pixels they have: a ball is small.
    """
    from PIL import Image

    counted = sorted(_picture(pattern).getcolors(pattern.shape[0] * pattern.shape[1]), reverse=True)
    kept = _apart([colour for _, colour in counted])
    common, others = kept[:_COMMON], kept[_COMMON:]
    if others:
        blends = Image.new("RGB", (len(others), 1))
        blends.putdata(others)
        found = blends.quantize(_CLEAR - len(common), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        middles = np.array(found.getpalette()).reshape(-1, 3)[: _CLEAR - len(common)]
        common = _apart([*common, *map(tuple, middles.tolist())])
    return np.array(common, np.uint8)


def _apart(colours: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The first colour of every cube of 4 × 4 × 4."""
    kept: dict[tuple[int, ...], tuple[int, ...]] = {}
    for colour in colours:
        kept.setdefault(tuple(channel & int(_CORNER) for channel in colour), colour)
    return list(kept.values())


def find_ffmpeg(purpose: str) -> str:
    """The program ffmpeg: the one on the PATH, else that of the package imageio-ffmpeg.

    Args:
        purpose: what it is needed for, for the error.

    Raises:
        MissingExtraError: there is neither.
    """
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # RuntimeError: a build of the package that brings no program
        raise MissingExtraError("imageio-ffmpeg (or the program ffmpeg)", "video", purpose) from None


def write_video(
    path: Path, frames: Iterable[Pixels], size: tuple[int, int], fps: float, hold: float, kind: str
) -> None:
    """Pipe frames to ffmpeg.

    Args:
        path: the file.
        frames: each of shape (height, width, 4).
        size: width and height, both even: colours are kept for squares of four pixels.
        fps: frames per second.
        hold: seconds that the last frame stays.
        kind: "mp4" or "webm".

    Raises:
        MissingExtraError: there is no ffmpeg.
        FileError: ffmpeg failed; its last line says why.
    """
    command = [
        find_ffmpeg(path.name), "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
        "-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{size[0]}x{size[1]}", "-r", repr(fps), "-i", "pipe:0",
        *_ENCODERS[kind], *_COLOURS, "-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", kind, str(path),
    ]  # fmt: skip
    # A file takes what ffmpeg says: a pipe that nobody reads would fill up and stop it.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)  # noqa: S603 - a list, no shell
        try:
            _feed(process, frames, round(hold * fps))
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            said.seek(0)
            lines = said.read().decode("utf-8", errors="replace").strip().splitlines()
            raise FileError(
                f"ffmpeg ended with code {code}: {lines[-1].strip() if lines else 'it said nothing'}; "
                "another ending (gif needs no ffmpeg) or another ffmpeg may help"
            )


def _feed(process: subprocess.Popen[bytes], frames: Iterable[Pixels], again: int) -> None:
    """Write all frames, the last one so many times more."""
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            last: Pixels | None = None
            for last in frames:
                pipe.write(last.data)
            for still in [] if last is None else repeat(last, again):
                pipe.write(still.data)
    except BrokenPipeError:
        pass  # ffmpeg has ended before its time; its code and its last line say why
