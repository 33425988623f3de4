"""What can go wrong, one class per kind of fault.

Every message says what was wrong, what was received, what is allowed and what to do. The first line stands alone:
the command line prints it and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ComputationError",
    "DataError",
    "FileError",
    "FormulaError",
    "LaydaError",
    "MissingExtraError",
    "NotLinearError",
    "SettingError",
    "SpecError",
    "TraceError",
    "UnknownNameError",
    "nearest",
]


class LaydaError(Exception):
    """The parent of every error that layda raises on purpose."""


class TraceError(LaydaError):
    """A Python function does something that cannot be written down as a straight line of operations."""


class SettingError(LaydaError, ValueError):
    """A setting is outside the range that it may have."""


class UnknownNameError(LaydaError, KeyError):
    """No rule, objective, column, key … of that name exists."""

    def __str__(self) -> str:  # KeyError shows the repr of its argument, which is no sentence
        return str(self.args[0])


class SpecError(LaydaError, ValueError):
    """A text such as ``heavy-ball:momentum=0.9`` cannot be read."""


class FormulaError(LaydaError, ValueError):
    """A typed formula cannot be read; the place of the mistake is marked."""

    def __init__(self, message: str, text: str = "", position: int = 0, length: int = 1) -> None:
        super().__init__(message)
        self.text = text
        self.position = position
        self.length = length


class DataError(LaydaError, ValueError):
    """A table cannot be used: a missing column, text among the numbers, missing values."""


class FileError(LaydaError, OSError):
    """A file is missing, damaged, or not what it says it is."""


class ComputationError(LaydaError, RuntimeError):
    """A run cannot be carried out: a black box without its function, a function that returns nonsense."""


class NotLinearError(LaydaError, ValueError):
    """Theory of linear systems was asked about a rule that is none, or whose settings change with the step."""


class MissingExtraError(LaydaError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the library {library}, which is not installed. "
            f'Install it with: python -m pip install "layda[{extra}]"'
        )


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Say which known names come near a mistyped one, or list all of them when none does.

    >>> nearest("hevy-ball", ["heavy-ball", "adam"])
    'did you mean heavy-ball?'
    >>> nearest("zzz", ["heavy-ball", "adam"])
    'known: heavy-ball, adam'
    """
    names = list(known)
    close = get_close_matches(name, names, n=count, cutoff=0.5)
    if not close:
        lowered = {candidate.lower(): candidate for candidate in names}
        close = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=count, cutoff=0.5)]
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "known: " + ", ".join(names)
