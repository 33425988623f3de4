"""``file.py:Name``: things that a user keeps in a Python file of their own. The file is theirs, and is run."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from layda.errors import FileError, SpecError, UnknownNameError, nearest
from layda.specs.text import shown

__all__ = ["failure_in_file", "file_of", "from_file", "split_file"]

_LABEL = "_layda_file_"


def split_file(text: str) -> tuple[str, str, str] | None:
    """``path.py:Name:rest`` in its parts; ``None`` for other texts. A colon after a drive's letter is part of the path.

    >>> split_file("my/rules.py:MyRule:momentum=0.5")
    ('my/rules.py', 'MyRule', 'momentum=0.5')
    >>> split_file("C:/rules.py:MyRule")
    ('C:/rules.py', 'MyRule', '')
    """
    place = text.find(".py:")
    if place < 0:
        if text.strip().endswith(".py"):
            raise SpecError(f"{shown(text)} names a Python file but nothing in it; write file.py:Name")
        return None
    path, rest = text[: place + 3].strip(), text[place + 4 :]
    name, colon, options = (part.strip() for part in rest.partition(":"))
    if not name:
        raise SpecError(f"{shown(text)} names a Python file but nothing in it; write file.py:Name")
    if colon and not options:
        raise SpecError(f"{shown(text)} ends with a colon; write key=value after it, or leave it out")
    return path, name, options


def from_file(path: str, name: str) -> Any:
    """The thing of that name in a Python file.

    The same file with the same text is run once: its classes stay the same, so that equal rules compare as equal.

    Raises:
        FileError: no such file. SpecError: the file fails when it is run. UnknownNameError: nothing of that name.
    """
    try:
        source = Path(path).expanduser()
        found = source.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that no file can have; ~ of a stranger
        found = False
    if not found:
        raise FileError(f"the Python file {path!r} does not exist; check its name and folder")
    module = _loaded(source)
    if not hasattr(module, name):
        own = [word for word, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        known = [word for word in own if not word.startswith("_")]
        hint = nearest(name, known) if known else "it defines no function and no class"
        raise UnknownNameError(f"{path!r} has no {shown(name)}; {hint}; write file.py:Name")
    return getattr(module, name)


def file_of(thing: type[Any]) -> str | None:
    """The path of the user's file that a class was read from; ``None`` for all other classes."""
    module = sys.modules.get(thing.__module__)
    return module.__file__ if module is not None and module.__name__.startswith(_LABEL) else None


def failure_in_file(error: BaseException) -> str | None:
    """One line on an error that code in a user's file raised while it ran; ``None`` for errors from elsewhere.

    The file's function is at fault where it, or what it called, raised: the last of our own frames lies above its.
    """
    ours = str(Path(__file__).parent.parent)
    files = {module.__file__ for name, module in list(sys.modules.items()) if name.startswith(_LABEL)}
    known = {Path(file).resolve() for file in files if file is not None}
    frames = traceback.extract_tb(error.__traceback__)
    inside = [place for place, frame in enumerate(frames) if Path(frame.filename).resolve() in known]
    if not inside or any(frame.filename.startswith(ours) for frame in frames[inside[-1] :]):
        return None
    frame = frames[inside[-1]]
    words = " ".join(str(error).split())
    return (
        f"the Python file {frame.filename} fails at line {frame.lineno} ({frame.name}): {type(error).__name__}"
        f"{': ' if words else ''}{words}; mend the file"
    )


class _Fresh(SourceFileLoader):
    """Compiles what the file says now: a cached compilation may be older, and would leave a folder with the user."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _loaded(source: Path) -> ModuleType:
    try:
        text = source.read_bytes()
    except OSError as error:
        raise FileError(f"the Python file {source} cannot be read ({error.strerror}); check its permissions") from None
    label = _LABEL + hashlib.sha256(str(source.resolve()).encode() + b"\0" + text).hexdigest()[:16]
    if label in sys.modules:
        return sys.modules[label]
    loader = _Fresh(label, str(source))
    spec = importlib.util.spec_from_file_location(label, source, loader=loader)
    if spec is None:
        raise FileError(f"the Python file {source} cannot be read; check that its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module  # dataclasses look their module up here while the class is made
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(label, None)
        raise SpecError(
            f"the Python file {source} fails at line {_line(error, source)} when it is run: {type(error).__name__}: "
            f"{' '.join(str(error).split())}; mend the file"
        ) from error
    except BaseException:
        sys.modules.pop(label, None)
        raise
    return module


def _line(error: BaseException, source: Path) -> int:
    """The last line of the user's own file that took part; 0 where none did (a file that is no text)."""
    if isinstance(error, SyntaxError) and error.filename == str(source):
        return error.lineno or 0
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(source)]
    return (lines[-1] if lines else 0) or 0
