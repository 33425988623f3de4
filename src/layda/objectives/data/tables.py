"""Tables of numbers with a target: real data that scikit-learn brings along, and the user's own files."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import DataError, SettingError, UnknownNameError, nearest
from layda.objectives.data.files import SUFFIXES, library, read_columns

__all__ = ["BUNDLED", "TASKS", "Table", "is_table_path", "read_table"]

Array = NDArray[np.float64]

BUNDLED = MappingProxyType(
    {
        "breast_cancer": "569 biopsies with 30 measures of cell nuclei: malignant or benign (UCI, Wisconsin 1995)",
        "digits": "1797 handwritten digits of 8 × 8 pixels (UCI, Alpaydin and Kaynak 1998)",
        "wine": "178 wines with 13 chemical measures, of three cultivars (UCI, Aeberhard and Forina 1992)",
        "iris": "150 irises with 4 measures of their leaves, of three species (Fisher 1936)",
        "diabetes": "442 patients with 10 measures, and how their diabetes went on in a year (Efron et al. 2004)",
    }
)
"""The real tables that come with scikit-learn: name -> one sentence."""

TASKS = ("auto", "classification", "regression")

_TARGETS = {
    "breast_cancer": "diagnosis",
    "digits": "digit",
    "wine": "cultivar",
    "iris": "species",
    "diabetes": "progression",
}
_FEWEST_ROWS = 4
_MOST_NUMBERED_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers with a target.

    Attributes:
        name: the bundled name, or the file's name without its folder.
        features: (n, d), as in the file. feature_names: d names.
        target: (n,) float64: class numbers 0, 1, … where there are ``classes``, else the numbers of the file.
        target_name: the target's column.
        classes: the classes' names, in the order of their numbers; ``None`` for a number to predict.
        digest: SHA-256 of names and values: the same for the same table as CSV, with other line ends, or as Parquet.
    """

    name: str
    features: Array = field(repr=False)
    feature_names: tuple[str, ...] = field(repr=False)
    target: Array = field(repr=False)
    target_name: str
    classes: tuple[str, ...] | None
    digest: str = field(repr=False)


def is_table_path(text: str) -> bool:
    """Whether the text ends as a table file does: .csv, .tsv, .parquet or .pq, in any case.

    >>> is_table_path("data/Wine.CSV"), is_table_path("x^2")
    (True, False)
    """
    return text.strip().lower().endswith(SUFFIXES)


def read_table(source: str | os.PathLike[str], target: str | None = None, task: str = "auto") -> Table:
    """Read a bundled table, or a CSV or Parquet file.

    Args:
        source: a name in ``BUNDLED``, or a path that ends in .csv, .tsv, .parquet or .pq.
        target: the column to predict; bundled tables have their own.
        task: ``auto`` takes text and whole numbers of at most 20 distinct values as classes, all else as a number.

    Raises:
        UnknownNameError: no such bundled table, no such column.
        FileError: the file is missing, empty, damaged, too large, or not UTF-8.
        DataError: the columns cannot be used: text, missing or infinite values, one class, fewer than 4 rows.
        SettingError: no target given for a file, or a target or task that the table cannot have.
        MissingExtraError: pandas, pyarrow or scikit-learn is not installed.
    """
    text = os.fspath(source)
    if task not in TASKS:
        raise SettingError(f"task is {task!r}; allowed is {', '.join(TASKS)}; leave it out to have it found")
    known = text.strip().lower().replace("-", "_").replace(" ", "_")
    if known in BUNDLED:
        return _bundled(known, target, task)
    if not is_table_path(text):
        raise UnknownNameError(
            f"unknown table {text[:80]!r}; {nearest(known, BUNDLED)} A file's name ends in {', '.join(SUFFIXES)}"
        )
    return _own(text.strip(), target, task)


def _bundled(name: str, target: str | None, task: str) -> Table:
    datasets = library("sklearn.datasets", f"the table {name}")
    loaded = getattr(datasets, f"load_{name}")()
    features = np.ascontiguousarray(loaded.data, dtype=np.float64)
    values = np.asarray(loaded.target, dtype=np.float64)
    own = "regression" if name == "diabetes" else "classification"
    if target not in (None, _TARGETS[name]):
        raise SettingError(f"target is {target!r}; allowed is {_TARGETS[name]}, the own target of {name}; leave it out")
    if task not in ("auto", own):
        raise SettingError(f"task is {task!r}; allowed for {name} is {own}; leave it out")
    classes = None if own == "regression" else tuple(str(label) for label in loaded.target_names)
    names = tuple(str(label) for label in loaded.feature_names)
    return Table(
        name,
        features,
        names,
        values,
        _TARGETS[name],
        classes,
        _digest(names, features, _TARGETS[name], values, classes),
    )


def _own(text: str, target: str | None, task: str) -> Table:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~name of nobody
        path = Path(text)
    frame = read_columns(path)
    columns = [str(name) for name in frame.columns]
    if target is None:
        raise SettingError(
            f"no target is given for {path}; say which column to predict with --target COLUMN (target=…); "
            f"columns: {_listed(columns)}"
        )
    chosen = str(target).strip()
    if chosen not in columns:
        raise UnknownNameError(f"{path} has no column {chosen!r}; {_nearest_column(chosen, columns)}")
    if len(frame) < _FEWEST_ROWS:
        raise DataError(
            f"{path} has {len(frame)} rows; at least {_FEWEST_ROWS} are needed, to fit and to check the fit"
        )
    names = tuple(name for name in columns if name != chosen)
    features = np.empty((len(frame), len(names)))
    for index, name in enumerate(names):
        features[:, index] = _feature(frame[name], name, path, chosen)
    values, classes = _target(frame[chosen], chosen, path, task)
    return Table(path.name, features, names, values, chosen, classes, _digest(names, features, chosen, values, classes))


def _feature(column: Any, name: str, path: Path, target: str) -> Array:
    """The numbers of a feature; truth values count as 0 and 1."""
    _no_missing(column, name, path)
    numbers = _numbers(column)
    bad = np.flatnonzero(np.isnan(numbers))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"column {name!r} of {path} holds {str(column.iloc[row])[:40]!r} in row {row + 1}, which is no number; "
            f"features are numbers with a decimal point. Correct it, or leave the column out (target: {target!r})"
        )
    return _finite(numbers, name, path)


def _target(column: Any, name: str, path: Path, task: str) -> tuple[Array, tuple[str, ...] | None]:
    _no_missing(column, name, path)
    numbers = _numbers(column, truth_values=False)
    is_text = bool(np.isnan(numbers).any())
    if not is_text:
        _finite(numbers, name, path)
    if task == "regression" and is_text:
        first = str(column.iloc[int(np.flatnonzero(np.isnan(numbers))[0])])[:40]
        raise DataError(
            f"target {name!r} of {path} holds text, such as {first!r}; a regression predicts numbers. "
            "Take task=classification, or another target"
        )
    count = len(np.unique(numbers))
    numbered = count <= min(_MOST_NUMBERED_CLASSES, len(numbers) - 1) and bool(np.all(numbers == np.round(numbers)))
    if task == "regression" or (task == "auto" and not is_text and not numbered):
        if np.min(numbers) == np.max(numbers):
            raise DataError(f"target {name!r} of {path} is {numbers[0]:g} in every row; a target must vary")
        return numbers, None
    return _classes(np.array([" ".join(str(value).split()) for value in column]) if is_text else numbers, name, path)


def _classes(values: NDArray[Any], name: str, path: Path) -> tuple[Array, tuple[str, ...]]:
    distinct, numbers = np.unique(values, return_inverse=True)
    labels = tuple(_label(value) for value in distinct)
    if len(labels) == 1:
        raise DataError(
            f"target {name!r} of {path} has the single class {labels[0]!r}; at least two classes are needed"
        )
    if len(labels) == len(values):
        raise DataError(
            f"target {name!r} of {path} has as many classes as rows ({len(values)}); a class must come more than "
            "once. Take another target, or task=regression for numbers"
        )
    return numbers.reshape(-1).astype(np.float64), labels


def _label(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _numbers(column: Any, truth_values: bool = True) -> Array:
    """float64, with NaN for what is no number: dates, lists, words. Text that is a number counts, as it does in CSV."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iuf" or (kind == "b" and truth_values):
        return np.asarray(column.to_numpy(dtype=np.float64))
    found = np.full(len(column), np.nan)
    if kind in "mMb":
        return found
    for index, value in enumerate(column):
        if isinstance(value, bool | np.bool_):
            if truth_values:
                found[index] = float(value)
            continue
        if isinstance(value, str | int | float | np.number) or type(value).__name__ == "Decimal":
            if isinstance(value, str) and "_" in value:  # Python's own 1_000
                continue
            try:
                found[index] = float(value)
            except (ValueError, OverflowError):
                continue
    return found


def _no_missing(column: Any, name: str, path: Path) -> None:
    count = int(column.isna().sum())
    if count:
        row = int(np.flatnonzero(column.isna().to_numpy())[0]) + 1
        raise DataError(
            f"column {name!r} of {path} has {count} missing value{'s' if count > 1 else ''}, the first in row {row}; "
            "fill them in, or leave those rows or the column out"
        )


def _finite(numbers: Array, name: str, path: Path) -> Array:
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise DataError(
            f"column {name!r} of {path} holds {numbers[bad[0]]} in row {int(bad[0]) + 1}; values must be finite. "
            "Correct it, or leave the row out"
        )
    return numbers


def _listed(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def _nearest_column(name: str, columns: list[str]) -> str:
    found = nearest(name, columns)
    return f"columns: {_listed(columns)}" if found.startswith("known: ") else found


def _digest(
    names: tuple[str, ...], features: Array, target: str, values: Array, classes: tuple[str, ...] | None
) -> str:
    """SHA-256 of everything the table says, each part after its length, so that parts cannot run into each other."""
    found = hashlib.sha256()
    for text in (*names, "", target, *(classes or ("",))):
        raw = text.encode("utf-8", "surrogatepass")
        found.update(len(raw).to_bytes(8, "little") + raw)
    for numbers in (features, values):
        found.update(repr(numbers.shape).encode() + np.ascontiguousarray(numbers, dtype="<f8").tobytes())
    return found.hexdigest()
