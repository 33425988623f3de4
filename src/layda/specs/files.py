"""``file.py:Name``: things that a user keeps in a Python file of their own. The file is theirs, and is run."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from layda.errors import FileError, SpecError, UnknownNameError, nearest

__all__ = ["from_file", "split_file"]


def split_file(text: str) -> tuple[str, str, str] | None:
    """``path.py:Name:rest`` in its parts; ``None`` for other texts. A colon after a drive's letter is part of the path.

    >>> split_file("my/rules.py:MyRule:momentum=0.5")
    ('my/rules.py', 'MyRule', 'momentum=0.5')
    """
    place = text.find(".py:")
    if place < 0:
        if text.strip().endswith(".py"):
            raise SpecError(f"{text.strip()} names a Python file but nothing in it; write {text.strip()}:Name")
        return None
    path, rest = text[: place + 3], text[place + 4 :]
    name, _, options = rest.partition(":")
    return path.strip(), name.strip(), options.strip()


def from_file(path: str, name: str) -> Any:
    """The thing of that name in a Python file.

    Raises:
        FileError: no such file. SpecError: the file fails when it is run. UnknownNameError: nothing of that name.
    """
    source = Path(path).expanduser()
    if not source.is_file():
        raise FileError(f"the Python file {path} does not exist; check the name and the folder")
    module = _loaded(source)
    if name.startswith("_") or not hasattr(module, name):
        known = [word for word, value in vars(module).items() if not word.startswith("_") and callable(value)]
        raise UnknownNameError(f"{path} has no {name!r}; {nearest(name, known)}")
    return getattr(module, name)


def _loaded(source: Path) -> ModuleType:
    text = source.read_bytes()
    label = f"_layda_file_{hashlib.sha256(str(source.resolve()).encode() + text).hexdigest()[:16]}"
    if label in sys.modules:
        return sys.modules[label]
    spec = importlib.util.spec_from_file_location(label, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module  # dataclasses look their module up here while the class is made
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[label]
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(source)]
        line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else 0)
        raise SpecError(f"{source} fails at line {line}: {type(error).__name__}: {error}; mend the file") from None
    return module
