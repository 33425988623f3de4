"""The terminal: UTF-8 or not, wide or narrow, with or without colour."""

from __future__ import annotations

import codecs
import json
import sys
import threading
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Waiting", "console", "fail", "print_json", "safe_streams"]

_PLAIN = {
    "α": "a", "β": "b", "δ": "d", "ε": "e", "λ": "l", "ν": "v", "τ": "t", "−": "-", "×": "x", "·": ".", "…": ".",
    "→": ">", "←": "<", "≤": "<", "≥": ">", "∇": "g", "Σ": "S", "√": "V", "‹": "<", "›": ">", "–": "-", "—": "-",
    "▁": "_", "▂": ".", "▃": ",", "▄": "-", "▅": "=", "▆": "+", "▇": "*", "█": "#", "đ": "d", "Đ": "D", "½": "1",
    "“": '"', "”": '"', "’": "'", "│": "|", "─": "-", "\u00a0": " ",
}  # fmt: skip


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """One plain character for each that the console cannot show: the letter without its marks, else "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = []
    for letter in error.object[error.start : error.end]:
        plain = _PLAIN.get(letter) or unicodedata.normalize("NFKD", letter)[0]
        found.append(plain if plain.isascii() else "" if unicodedata.combining(letter) else "?")
    return "".join(found), error.end


def safe_streams() -> None:
    """Let stdout and stderr write something for every character, whatever their encoding."""
    codecs.register_error("layda-plain", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="layda-plain")


def console(stderr: bool = False) -> Console:
    """A rich console that prints what it is given, without guessing at markup in names and numbers."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def fail(message: str) -> int:
    """One line on stderr; returns the exit code."""
    sys.stderr.write("layda: " + " ".join(message.split()) + "\n")
    return 2


def print_json(data: Any) -> None:
    """One JSON object on stdout; ASCII escapes, so that every console and pipe carries it whole."""
    sys.stdout.write(json.dumps(data, allow_nan=False, indent=2) + "\n")


class Waiting:
    """A progress bar on stderr that appears only when a second has passed, and leaves nothing behind."""

    def __init__(self, total: int, words: str, shown: bool = True) -> None:
        self._total, self._words, self._done = total, words, 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._timer = threading.Timer(1.0, self._appear)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._ended = False
        self._shown = shown and sys.stderr.isatty()

    def __enter__(self) -> Waiting:
        if self._shown:
            self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._ended = True
            self._timer.cancel()
            if self._bar is not None:
                self._bar.stop()

    def _appear(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        with self._lock:
            if not self._ended:
                self._bar = Progress(*columns, console=console(stderr=True), transient=True)
                self._bar.start()
                self._task = self._bar.add_task(self._words, total=self._total, completed=self._done)

    def at(self, done: int, words: str | None = None) -> None:
        """Tell how much is done."""
        self._done, self._words = done, words or self._words
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=self._words)
