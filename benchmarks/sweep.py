"""Time and peak memory of a sweep that outgrows memory, from 1e5 balls on: python benchmarks/sweep.py [--most 1e9].

Every size runs in a process of its own, which says its peak memory. A small sweep goes before it, so that the times
leave imports and compiling out. "apart" is nanoseconds per ball with the making of the store left out, too: by how much
a sweep takes longer than that of 1e5 balls. Beside it stands the rate at which this disk takes plain bytes.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SIDE = 100


def _disk_rate(folder: Path) -> float:
    """Bytes per second of writing 256 MiB of random bytes and having them on the disk."""
    block = os.urandom(2**22)
    begin = time.perf_counter()
    with (folder / "bytes").open("wb") as file:
        for _ in range(64):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - begin
    (folder / "bytes").unlink()
    return 64 * len(block) / seconds


def one(balls: int, folder: str) -> None:
    """The double well, α × β × start, at most 100 steps; prints seconds, bytes of peak memory, bytes stored."""
    import numpy as np

    from layda.run.sweep import sweep

    grid = {
        "learning_rate": np.geomspace(1e-3, 0.5, _SIDE),
        "momentum": np.linspace(0.0, 0.95, _SIDE),
        "steps": 100,
        "keep": ("verdict", "steps"),
    }
    sweep("double_well", "heavy-ball", start=np.linspace(-2.0, 2.0, 2), out=Path(folder) / "first.zarr", **grid)
    begin = time.perf_counter()
    starts = np.linspace(-2.0, 2.0, max(1, balls // _SIDE**2))
    sweep("double_well", "heavy-ball", start=starts, out=Path(folder) / "map.zarr", **grid)
    seconds = time.perf_counter() - begin
    stored = sum(path.stat().st_size for path in (Path(folder) / "map.zarr").rglob("*") if path.is_file())
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, stored)


def main() -> None:
    """All sizes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--most", type=float, default=1e7, help="the largest sweep, in balls; 1e9 takes minutes")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(int(options.one[0]), options.one[1])
        return
    print(
        f"{'balls':>12} {'seconds':>9} {'ns/ball':>8} {'apart':>6} {'peak GB':>8} {'stored MB':>10} {'disk MB/s':>10}"
    )
    balls = least = 10**5
    start_up = 0.0
    while balls <= options.most:
        folder = Path(tempfile.mkdtemp(prefix="layda-sweep-"))
        try:
            rate = _disk_rate(folder)
            command = [sys.executable, __file__, "--one", str(balls), str(folder)]
            found = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this very file
            seconds, memory, stored = map(float, found.stdout.split())
            start_up = start_up or seconds
            apart = f"{(seconds - start_up) / (balls - least) * 1e9:6.0f}" if balls > least else f"{'':6}"
            print(
                f"{balls:12d} {seconds:9.2f} {seconds / balls * 1e9:8.0f} {apart}",
                f"{memory / 1e9:8.2f} {stored / 1e6:10.1f} {rate / 1e6:10.0f}",
                flush=True,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        balls *= 10


if __name__ == "__main__":
    main()
