"""A sweep's store: the same bytes whoever computes it, nothing lost to kills, damage noticed, other sweeps refused."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from layda.errors import FileError, SettingError
from layda.measures import VERDICTS
from layda.run.descend import descend
from layda.run.store import difference
from layda.run.sweep import chosen_tiles, open_sweep, sweep
from layda.specs import to_rule

pytest.importorskip("xarray")
pytest.importorskip("zarr")

_GRID = {
    "start": {"x": np.linspace(-5, 5, 12), "y": np.linspace(-5, 5, 9)},
    "learning_rate": np.geomspace(1e-3, 0.1, 7),
    "momentum": [0.0, 0.9],
    "steps": 120,
}


def _digest(folder: Path) -> dict[str, str]:
    """Every file of a store with the checksum of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole():
    return sweep("himmelblau", "heavy-ball", **_GRID)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "map.zarr"
    sweep("himmelblau", "heavy-ball", out=out, per_tile=100, **_GRID)
    return out


def test_a_cell_is_a_single_descent(whole):
    cell = {"start_x": 3, "start_y": 7, "learning_rate": 4, "momentum": 1}
    found = whole.isel(cell)
    rule = to_rule(f"heavy-ball:learning_rate={float(found.learning_rate)!r},momentum={float(found.momentum)!r}")
    one = descend("himmelblau", rule, start=[float(found.start_x), float(found.start_y)], steps=120)
    assert VERDICTS[int(found.verdict)] == one.verdict.kind
    assert int(found.steps) == one.steps


def test_the_store_holds_what_memory_holds(whole, store):
    opened = open_sweep(store)
    assert set(opened.data_vars) == set(whole.data_vars)
    assert opened.attrs == whole.attrs
    for name in whole.variables:
        assert np.array_equal(opened[name].values, whole[name].values)
        assert opened[name].dims == whole[name].dims


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_block_size_write_the_same_bytes(store, tmp_path, threads, monkeypatch):
    from layda.run import engine

    monkeypatch.setattr(engine, "_BLOCK_NUMBERS", 1 << 10)
    sweep("himmelblau", "heavy-ball", out=tmp_path / "again.zarr", per_tile=100, threads=threads, **_GRID)
    assert _digest(tmp_path / "again.zarr") == _digest(store)


def test_jobs_of_an_array_write_the_same_bytes(store, tmp_path):
    out = tmp_path / "jobs.zarr"
    for job in (3, 1, 2):
        sweep("himmelblau", "heavy-ball", out=out, per_tile=100, tile=(job, 3), **_GRID)
    assert _digest(out) == _digest(store)


def test_tile_size_does_not_change_the_numbers(whole, tmp_path):
    for size in (1, 13, 5000):
        grid = _GRID | {"start": {"x": _GRID["start"]["x"][:3], "y": _GRID["start"]["y"][:2]}}
        found = sweep("himmelblau", "heavy-ball", out=tmp_path / f"{size}.zarr", per_tile=size, **grid)
        part = whole.isel(start_x=slice(3), start_y=slice(2))
        assert all(np.array_equal(found[name].values, part[name].values) for name in part.data_vars)


def test_a_flipped_byte_is_noticed_and_the_tile_done_again(store, tmp_path):
    import shutil

    out = tmp_path / "damaged.zarr"
    shutil.copytree(store, out)
    rng = np.random.default_rng(0)
    chunks = sorted(path for path in out.glob("*/c/**/*") if path.is_file())
    for path in (chunks[0], chunks[len(chunks) // 2], chunks[-1]):
        data = bytearray(path.read_bytes())
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(data))
    assert _digest(out) != _digest(store)
    sweep("himmelblau", "heavy-ball", out=out, per_tile=100, resume=True, **_GRID)
    assert _digest(out) == _digest(store)


def test_a_missing_chunk_and_a_broken_marker_are_noticed(store, tmp_path):
    import shutil

    out = tmp_path / "missing.zarr"
    shutil.copytree(store, out)
    next(path for path in (out / "steps").glob("c/**/*") if path.is_file()).unlink()
    markers = sorted((out / "tiles").glob("[0-9]*.json"))
    markers[2].write_text("{")
    markers[3].unlink()
    sweep("himmelblau", "heavy-ball", out=out, per_tile=100, resume=True, **_GRID)
    assert _digest(out) == _digest(store)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 121}, "options steps is 120 there and 121 here"),
        ({"momentum": [0.0, 0.8]}, "momentum last is 0.9 there and 0.8 here"),
        ({"keep": ("verdict",)}, "options keep"),
        ({"per_tile": 50}, "tile"),
        ({"rule": "nesterov"}, "rule"),
        ({"fast": True}, "fast"),
    ],
)
def test_another_sweep_is_refused_with_the_difference(store, change, words):
    options = {"per_tile": 100, **_GRID, **change}
    rule = options.pop("rule", "heavy-ball")
    with pytest.raises(FileError, match=words):
        sweep("himmelblau", rule, out=store, resume=True, **options)


def test_an_existing_store_needs_resume(store):
    with pytest.raises(FileError, match="resume"):
        sweep("himmelblau", "heavy-ball", out=store, per_tile=100, **_GRID)


def test_what_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "zarr.json").write_text("{}")
    for name in ("notes", "."):
        with pytest.raises(FileError, match="no sweep"):
            sweep("x^2", "heavy-ball", start=[1.0, 2.0], out=tmp_path / name, resume=True)
    with pytest.raises(FileError, match="does not exist"):
        sweep("x^2", "heavy-ball", start=[1.0, 2.0], out=tmp_path / "no" / "map.zarr")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["notes", "zarr.json"]


_SCRIPT = """
import sys
import numpy as np
from layda.run.sweep import sweep
if __name__ == "__main__":
    sweep("himmelblau", "heavy-ball", out=sys.argv[1], per_tile=100, resume=True, threads=2,
          start={"x": np.linspace(-5, 5, 12), "y": np.linspace(-5, 5, 9)},
          learning_rate=np.geomspace(1e-3, 0.1, 7), momentum=[0.0, 0.9], steps=120)
"""


def test_nothing_is_lost_to_kills(store, tmp_path, runs):
    """SIGKILL at random moments, then resumption: the bytes of an undisturbed sweep."""
    script, out = tmp_path / "job.py", tmp_path / "killed.zarr"
    script.write_text(_SCRIPT)
    rng = np.random.default_rng(1)
    kills = 0
    for _ in range(2 * runs):
        process = subprocess.Popen([sys.executable, str(script), str(out)])  # noqa: S603 - our own script
        # Start-up takes about a second; most of the moments lie in the writing.
        time.sleep(float(rng.uniform(0.7, 1.6)))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() != 0
        if out.exists() and rng.random() < 0.3:
            for marker in list((out / "tiles").glob("[0-9]*.json"))[::3]:
                marker.unlink()
    subprocess.run([sys.executable, str(script), str(out)], check=True)  # noqa: S603 - our own script
    assert _digest(out) == _digest(store)
    assert kills > 0


def test_a_full_disk_is_a_clear_error_and_resumable(store, tmp_path, monkeypatch):
    out = tmp_path / "full.zarr"
    real, written = os.replace, []

    def full(source, target, **options):
        if "tiles" in str(target):
            written.append(target)
            if len(written) > 3:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(source, target, **options)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileError, match="the disk is full"):
        sweep("himmelblau", "heavy-ball", out=out, per_tile=100, **_GRID)
    monkeypatch.undo()
    sweep("himmelblau", "heavy-ball", out=out, per_tile=100, resume=True, **_GRID)
    assert _digest(out) == _digest(store)


def test_results_too_large_for_memory_ask_for_a_store():
    with pytest.raises(SettingError, match="GiB"):
        sweep("x^2", "heavy-ball", start=np.linspace(0, 1, 100_000), learning_rate=np.linspace(0.1, 1, 10_000))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"start": {"q": [1.0]}}, "no coordinate 'q'"),
        ({"start": [1.0, 2.0]}, "mapping"),
        ({"momentum": [[0.1], [0.2]]}, "one row"),
        ({"momentum": [0.5, 1.5]}, "allowed is"),
        ({"tile": (1, 2)}, "need a store"),
        ({"per_tile": 0}, "per_tile"),
        ({"learning_rate": [0.1], "settings": {"friction": [1.0]}}, "friction"),
    ],
)
def test_bad_input_says_what_is_allowed(arguments, words):
    with pytest.raises(SettingError, match=words):
        sweep("himmelblau", "heavy-ball", **arguments)


def test_tiles_of_jobs_cover_everything_once():
    assert sorted(tile for job in (1, 2, 3) for tile in chosen_tiles(11, (job, 3))) == list(range(11))


def test_differences_are_named():
    assert difference({"a": {"b": 1}}, {"a": {"b": 2}}) == "a b is 1 there and 2 here"
    assert difference({"a": [1, 2]}, {"a": [1, 2]}) == ""


def test_what_is_beside_the_tiles_is_looked_at_too(tmp_path):
    """Values of an axis are put back; what describes the arrays is not guessed."""
    out = tmp_path / "map.zarr"
    sweep("himmelblau", "heavy-ball", out=out, per_tile=100, **_GRID)
    before = _digest(out)
    (axis,) = (out / "learning_rate" / "c").iterdir()
    axis.write_bytes(bytes(len(axis.read_bytes())))
    sweep("himmelblau", "heavy-ball", out=out, resume=True, **_GRID)
    assert _digest(out) == before
    described = out / "verdict" / "zarr.json"
    described.write_text(described.read_text(encoding="utf-8").replace("255", "7"), encoding="utf-8")
    with pytest.raises(FileError, match=r"verdict.zarr.json is not what this sweep has written"):
        sweep("himmelblau", "heavy-ball", out=out, resume=True, **_GRID)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tile": (1.5, 3)}, "job's number in tile is 1.5"),
        ({"tile": "1/3"}, "pair"),
        ({"tile": (4, 3)}, "from 1 to 3"),
        ({"threads": 0}, "threads is 0"),
        ({"keep": 5}, "keep is 5"),
        ({"radius": "x"}, "radius is 'x'"),
        ({"settings": 5}, "settings is 5"),
        ({"settings": {"momentum": 0.5}, "momentum": 0.9}, "momentum is given twice"),
        ({"settings": {"learning_rate.decay": 0.5}, "decay": 0.9}, "given twice"),
        ({"device": None}, "device is None"),
    ],
)
def test_what_is_no_setting_is_said_in_words(arguments, words, tmp_path):
    with pytest.raises(SettingError, match=words):
        sweep("himmelblau", "heavy-ball", out=tmp_path / "map.zarr", **arguments)
