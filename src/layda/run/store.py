"""A sweep's store: a Zarr group on the disk, and beside every finished tile a marker with the checksums of its chunks.

A chunk that exists says nothing of whether it is whole, so a tile counts only with its marker, which is written after
its chunks, in one moment. Everything is made from the work alone, so that whoever computes a tile writes the same
bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import FileError, MissingExtraError
from layda.run.files import current_umask, whole_file
from layda.run.grid import Grid

__all__ = ["FILLS", "Store", "open_dataset", "stored_per_tile"]

_SPEC = "layda_sweep"
_MARKERS = "tiles"
FILLS: dict[str, tuple[str, Any]] = {
    "position": ("<f8", float("nan")),
    "estimate": ("<f8", float("nan")),
    "value": ("<f8", float("nan")),
    "steps": ("<i4", -1),
    "verdict": ("|u1", 255),
    "basin": ("<i2", -32768),
}
"""Variable -> type, and what stands where no tile has been finished yet: a value that no result has."""


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise MissingExtraError("zarr", "sweep", "a sweep in a file") from None
    return zarr


class Store:
    """A store on the disk, opened by its specification.

    Args:
        path: the folder.
        grid: what it covers.
        keep: the variables.
        coordinates: the names of the objective's.
        spec: plain data: what the store is a function of.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        grid: Grid,
        keep: tuple[str, ...],
        coordinates: tuple[str, ...],
        spec: Mapping[str, Any],
    ) -> None:
        self.path, self.grid, self.keep, self.coordinates = Path(path), grid, keep, coordinates
        self.spec = json.loads(json.dumps(spec))

    def create(self, attributes: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]]) -> None:
        """Make the empty store whole in one moment; one that another process has made meanwhile is as good.

        Args:
            attributes: of the dataset.
            described: of each variable.

        Raises:
            FileError: the folder above does not exist, or there is no room.
        """
        parent = self.path.resolve().parent
        if not parent.is_dir():
            raise FileError(f"the folder {parent} does not exist; make it first or name another one")
        with self._skeleton(parent, attributes, described) as draft:
            try:
                os.rename(draft, self.path)
            except OSError:
                if not self.exists():
                    raise

    @contextmanager
    def _skeleton(
        self, parent: Path, attributes: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Path]:
        """A store without tiles, in a folder of its own that is gone afterwards."""
        zarr = _zarr()
        draft = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=parent))
        try:
            draft.chmod(0o777 & ~current_umask())  # mkdtemp is private to its owner; a store is an ordinary folder
            group = zarr.open_group(str(draft), mode="w", zarr_format=3)
            group.attrs.update({**attributes, _SPEC: self.spec})
            for axis in self.grid.axes:
                array = group.create_array(
                    axis.name, shape=axis.values.shape, chunks=axis.values.shape, dtype="<f8",
                    dimension_names=[axis.name], compressors=None,
                )  # fmt: skip
                array[:] = axis.values
            names = [axis.name for axis in self.grid.axes]
            for name in self.keep:
                kind, fill = FILLS[name]
                vector = name in ("position", "estimate")
                array = group.create_array(
                    name,
                    shape=(*self.grid.shape, *((len(self.coordinates),) if vector else ())),
                    chunks=(*self.grid.tile_shape, *((len(self.coordinates),) if vector else ())),
                    dtype=kind,
                    fill_value=fill,
                    dimension_names=[*names, *(("coordinate",) if vector else ())],
                    config={"write_empty_chunks": True},
                )
                array.attrs.update(described[name])
            group.create_group(_MARKERS)  # so that readers of Zarr know the folder
            yield draft
        except OSError as error:
            raise _explained(error, self.path) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def exists(self) -> bool:
        """Whether something is there."""
        return (self.path / "zarr.json").is_file()

    def check(self) -> None:
        """The store that is there must be of this very sweep.

        Raises:
            FileError: it is no sweep's store, or one of another sweep; the difference is named.
        """
        try:
            stored = json.loads((self.path / "zarr.json").read_text(encoding="utf-8"))["attributes"][_SPEC]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise FileError(f"{self.path} exists and is no sweep of layda's; name another folder") from None
        found = difference(stored, self.spec)
        if found:
            raise FileError(
                f"{self.path} holds another sweep: {found}; name another folder, or ask for what is stored there"
            )

    def mend(self, attributes: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]]) -> None:
        """What is there beside the tiles must be what :meth:`create` writes; the values of damaged axes are put back.

        Args:
            attributes: of the dataset.
            described: of each variable.

        Raises:
            FileError: what describes the arrays was changed; how their chunks are to be read is then unknown.
        """
        with tempfile.TemporaryDirectory() as room, self._skeleton(Path(room), attributes, described) as fresh:
            for file in sorted(path for path in fresh.rglob("*") if path.is_file()):
                own = self.path / file.relative_to(fresh)
                if file.name == "zarr.json" and _data_of(own) != _data_of(file):
                    raise FileError(
                        f"{own} is not what this sweep has written there: it was changed, or made by another version "
                        "of zarr. Name another folder, or remove this one"
                    )
                if file.name != "zarr.json" and (not own.is_file() or own.read_bytes() != file.read_bytes()):
                    own.parent.mkdir(parents=True, exist_ok=True)
                    with whole_file(own) as draft:
                        draft.write_bytes(file.read_bytes())

    def marker(self, tile: int) -> Path:
        """The file that says that the tile is finished."""
        return self.path / _MARKERS / f"{tile}.json"

    def done(self, tile: int) -> bool:
        """Whether the tile is there, every byte of it."""
        try:
            known = json.loads(self.marker(tile).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return bool(known == self._checksums(tile))

    def write(self, tile: int, found: Mapping[str, NDArray[Any]]) -> None:
        """Write a tile's chunks, then its marker.

        Raises:
            FileError: the disk is full, or the folder cannot be written to.
        """
        zarr = _zarr()
        try:
            self._clear(tile)
            group = zarr.open_group(str(self.path), mode="r+", zarr_format=3)
            for name in self.keep:
                array = group[name].with_config({"write_empty_chunks": True})
                array[self.grid.region(tile)] = found[name]
            checksums = self._checksums(tile)
            if checksums is None:
                raise FileError(f"{self.path}: a chunk of tile {tile} is not on the disk after it was written")
            with whole_file(self.marker(tile)) as draft:
                draft.write_text(json.dumps(checksums, sort_keys=True), encoding="utf-8")
        except OSError as error:
            raise _explained(error, self.path) from error

    def _clear(self, tile: int) -> None:
        """Take away the marker, and the drafts that a killed process has left of this tile."""
        self.marker(tile).unlink(missing_ok=True)
        drafts = list(self.marker(tile).parent.glob(f".{tile}-*.json"))
        for name in self.keep:
            chunk = self._chunk(name, tile)
            drafts += chunk.parent.glob(f"{chunk.name}.*.partial")
        for draft in drafts:
            draft.unlink(missing_ok=True)

    def _chunk(self, name: str, tile: int) -> Path:
        """The file of a variable's chunk; one tile is one chunk."""
        place = [str(index) for index in self.grid.place(tile)]
        return self.path.joinpath(name, "c", *place, *(("0",) if name in ("position", "estimate") else ()))

    def _checksums(self, tile: int) -> dict[str, str] | None:
        found = {}
        for name in self.keep:
            try:
                found[name] = hashlib.sha256(self._chunk(name, tile).read_bytes()).hexdigest()
            except OSError:
                return None
        return found


def _data_of(path: Path) -> Any:
    """What a JSON file holds; ``None`` where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _explained(error: OSError, path: Path) -> FileError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return FileError(
            f"the disk is full: {path} could not be written. The finished tiles are safe; make room and go on with "
            "resume=True (--resume)"
        )
    if isinstance(error, FileError):
        return error
    place = f" ({error.filename})" if error.filename else ""
    return FileError(f"{path} cannot be written: {error.strerror or error}{place}; what is finished there is safe")


def difference(stored: Any, asked: Any, where: str = "") -> str:
    """The first difference of two specifications, in words; "" when there is none."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted(stored.keys() | asked.keys()):
            found = difference(stored.get(key), asked.get(key), f"{where} {key}".strip())
            if found:
                return found
        return ""
    if isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        for index, (one, other) in enumerate(zip(stored, asked, strict=True)):
            name = one.get("name", index) if isinstance(one, dict) else index
            found = difference(one, other, f"{where} {name}".strip())
            if found:
                return found
        return ""
    if stored == asked and type(stored) is type(asked):
        return ""
    return f"{where or 'its description'} is {_short(stored)} there and {_short(asked)} here"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def stored_per_tile(path: str | os.PathLike[str]) -> int | None:
    """How many balls a tile of the store holds at most; ``None`` where there is no store."""
    data = _data_of(Path(path) / "zarr.json")
    try:
        return int(data["attributes"][_SPEC]["per_tile"])
    except (KeyError, TypeError, ValueError):
        return None


def open_dataset(path: str | os.PathLike[str]) -> Any:
    """The store as an ``xarray.Dataset`` that is read from the disk when asked for.

    Raises:
        FileError: there is no sweep of that name.
    """
    _zarr()
    try:
        import xarray as xr
    except ImportError:
        raise MissingExtraError("xarray", "sweep", "opening a sweep") from None
    folder = Path(path)
    try:
        attributes = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        spec = attributes[_SPEC]
    except (OSError, ValueError, KeyError, TypeError):
        raise FileError(f"{folder} is no sweep of layda's") from None
    # Chunks are read as they are asked for; NumPy-backed lazy arrays need no dask.
    dataset = xr.open_zarr(str(folder), consolidated=False, chunks=None, mask_and_scale=False)
    dataset = dataset.assign_attrs({key: value for key, value in attributes.items() if key != _SPEC})
    if any("coordinate" in array.dims for array in dataset.data_vars.values()):
        dataset = dataset.assign_coords(coordinate=spec["coordinates"])
    return dataset.drop_attrs(deep=False).assign_attrs(
        {key: value for key, value in attributes.items() if key != _SPEC}
    )


assert np.dtype(FILLS["verdict"][0]).itemsize == 1
