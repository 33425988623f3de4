"""Results in files: whole or not there, with a checksum, and read without running anything that they hold.

A result file is a ZIP archive of NumPy arrays (``.layda``): one JSON text with rules, programs, settings and verdicts,
and the numbers of every run. It holds no Python code, so a black box comes back as a record that refuses evaluation.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from layda.errors import FileError, LaydaError, SettingError
from layda.run.race import Race
from layda.run.records import from_record, objective_from_record, objective_record, to_record
from layda.run.result import Trajectory

__all__ = ["current_umask", "load", "save", "whole_file"]

_FORMAT = "layda result"
_VERSION = 1
_HEADER = "header.json"
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, IndexError, EOFError, OSError, RuntimeError,
)  # fmt: skip
"""What a damaged archive raises while it is read: zipfile alone has five ways of saying so."""

_LARGEST_HEADER = 64 * 2**20


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and is removed otherwise.

    The bytes are on the disk before the name changes, so a kill leaves the old file or the new one, never half of one.

    Raises:
        FileError: the folder does not exist or cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise FileError(f"{target} is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise FileError(f"the folder {target.parent} does not exist; make it first or name another one")
    try:
        # The suffix stays last, since libraries choose the file format by it.
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise FileError(
            f"{target} cannot be written: {error.strerror}; choose a folder that you may write to"
        ) from None
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(draft, 0o666 & ~current_umask())  # mkstemp is private to its owner; a result is an ordinary file
        os.replace(draft, target)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        fault = FileError(f"{target} cannot be written: {error.strerror or error}")
        fault.errno = error.errno  # so that a full disk can be told from other faults
        raise fault from None
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(target.parent)


def current_umask() -> int:
    """The bits that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its rename is durable by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save(result: Trajectory | Race, path: str | os.PathLike[str]) -> None:
    """Write a result to a file that :func:`load` reads back.

    Args:
        result: a trajectory or a race.
        path: the file, usually ``something.layda``; an old file of that name is replaced in one moment.

    Raises:
        SettingError: it is something else, such as a map.
        FileError: the folder does not exist or cannot be written to.

    >>> import layda, tempfile, pathlib
    >>> run = layda.descend("x^2", "gradient-descent", start=1.0, steps=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     layda.save(run, pathlib.Path(folder) / "run.layda")
    ...     layda.load(pathlib.Path(folder) / "run.layda").verdict.kind == run.verdict.kind
    True
    """
    given: Any = result  # whatever the annotation says
    if not isinstance(given, Trajectory | Race):
        raise SettingError(
            f"save() takes a trajectory or a race, and got {type(given).__name__}; a map or an ensemble is an "
            "xarray.Dataset, which writes itself: dataset.to_netcdf(path, engine='h5netcdf')"
        )
    runs = [result] if isinstance(result, Trajectory) else list(result.runs)
    arrays: dict[str, bytes] = {}
    records = []
    for index, run in enumerate(runs):
        record, numbers = to_record(run)
        records.append(record)
        for name, values in numbers.items():
            arrays[f"run{index}/{name}.npy"] = _array_bytes(values)
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "kind": "trajectory" if isinstance(result, Trajectory) else "race",
        "budget": result.budget,
        "objective": objective_record(result.objective),
        "runs": records,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in arrays.items()},
    }
    text = json.dumps(header, allow_nan=False, ensure_ascii=False, sort_keys=True).encode()
    with whole_file(path) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_HEADER, text)
        archive.writestr(_HEADER + ".sha256", hashlib.sha256(text).hexdigest())
        for name, data in arrays.items():
            archive.writestr(name, data)


def _array_bytes(values: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(values), allow_pickle=False)
    return stream.getvalue()


def load(path: str | os.PathLike[str]) -> Trajectory | Race:
    """Read a result that :func:`save` wrote. No code is imported or run, whatever the file holds.

    Args:
        path: the file.

    Raises:
        FileError: missing, damaged (a checksum differs), or no result file.
    """
    source = Path(path)
    if not source.is_file():
        raise FileError(
            f"{source} does not exist" if not source.exists() else f"{source} is a folder, not a result file"
        )
    try:
        with zipfile.ZipFile(source) as archive:
            header = _header(archive, source)
            arrays = {name: _checked_array(archive, name, digest, source) for name, digest in header["sha256"].items()}
        found = _rebuilt(header, arrays)
    except FileError:
        raise
    except (*_DAMAGE, LaydaError) as error:
        raise FileError(
            f"{source} is not a whole result file of layda ({type(error).__name__}: {error}); save it again"
        ) from None
    return found


def _header(archive: zipfile.ZipFile, source: Path) -> dict[str, Any]:
    if _HEADER not in archive.namelist():
        raise FileError(f"{source} is an archive, but not a result of layda")
    if archive.getinfo(_HEADER).file_size > _LARGEST_HEADER:
        raise FileError(
            f"{source} has a header of {archive.getinfo(_HEADER).file_size} bytes; allowed are {_LARGEST_HEADER}"
        )
    text = archive.read(_HEADER)
    if hashlib.sha256(text).hexdigest() != archive.read(_HEADER + ".sha256").decode():
        raise FileError(f"{source} is damaged: the checksum of its header differs; use another copy")
    header: dict[str, Any] = json.loads(text)
    if header.get("format") != _FORMAT:
        raise FileError(f"{source} is an archive, but not a result of layda")
    if header["version"] > _VERSION:
        raise FileError(
            f"{source} was written by a newer layda (format {header['version']}, known: {_VERSION}); upgrade layda"
        )
    return header


def _checked_array(archive: zipfile.ZipFile, name: str, digest: str, source: Path) -> Any:
    data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != digest:
        raise FileError(f"{source} is damaged: the checksum of {name} differs; use another copy")
    return np.load(io.BytesIO(data), allow_pickle=False)


def _rebuilt(header: dict[str, Any], arrays: dict[str, Any]) -> Trajectory | Race:
    objective = objective_from_record(header["objective"])
    runs = []
    for index, record in enumerate(header["runs"]):
        prefix = f"run{index}/"
        numbers = {
            name[len(prefix) : -len(".npy")]: values for name, values in arrays.items() if name.startswith(prefix)
        }
        runs.append(from_record(record, numbers, objective))
    if header["kind"] == "trajectory":
        return runs[0]
    return Race(objective, tuple(runs), int(header["budget"]))
