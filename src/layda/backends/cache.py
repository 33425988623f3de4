"""Files that later processes use again: compiled kernels and minima that a search has found.

Each is named by a hash of everything that it depends on, stands under the checksum of its name and its bytes, and is
written whole or not at all, so that several processes may share the folder and any file may be removed at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["KINDS", "cache_folder", "clear_cache", "keep_file", "kept_file", "kept_files"]

#: Ending of a file's name -> what it is (one, more): for processors, for GPUs, of objectives that list no minima.
KINDS = {
    ".o": ("compiled kernel", "compiled kernels"),
    ".cubin": ("compiled GPU kernel", "compiled GPU kernels"),
    ".minima": ("search for minima", "searches for minima"),
}

_DRAFT = "layda-"


def cache_folder() -> Path:
    """The folder: ``LAYDA_CACHE_DIR``, else the user's cache folder."""
    if named := os.environ.get("LAYDA_CACHE_DIR"):
        return Path(named)
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "layda"


def kept_files() -> dict[Path, int]:
    """The files of the cache and their sizes in bytes; what else lies in the folder is not ours."""
    found = {}
    for path in sorted(cache_folder().glob("*")):
        if path.suffix in KINDS and re.fullmatch("[0-9a-f]{64}", path.stem) and path.is_file():
            with suppress(FileNotFoundError):  # removed by another process just now
                found[path] = path.stat().st_size
    return found


def clear_cache() -> list[Path]:
    """Remove every kept file, and what killed processes left half written; which whole ones there were."""
    files = list(kept_files())
    for path in [*files, *cache_folder().glob(f"{_DRAFT}*.tmp")]:
        path.unlink(missing_ok=True)
    return files


def kept_file(path: Path) -> bytes | None:
    """What an earlier process has kept there; ``None`` when there is nothing or it is damaged."""
    try:
        found = path.read_bytes()
    except OSError:
        return None
    digest, data = found[:32], found[32:]
    return data if _digest(path, data) == digest else None


def _digest(path: Path, data: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + b"\0" + data).digest()


def keep_file(path: Path, data: bytes) -> None:
    """Keep bytes under their checksum, whole or not at all.

    A cache that cannot be written (a read-only home) is done without.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_DRAFT, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_digest(path, data) + data)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        return
