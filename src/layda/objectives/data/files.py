"""A CSV or Parquet file as columns, or one clear sentence about why it is none. What the columns hold is not judged."""

from __future__ import annotations

import csv
import importlib
import io
from pathlib import Path
from typing import Any

from layda.errors import DataError, FileError, MissingExtraError

__all__ = ["LARGEST", "SUFFIXES", "library", "read_columns"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
"""The endings of table files, in any case."""

LARGEST = 200_000_000
"""Bytes of a file that is still read: its numbers are held in memory two or three times."""


def library(name: str, purpose: str) -> Any:
    """An optional library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        top = name.partition(".")[0]
        raise MissingExtraError({"sklearn": "scikit-learn"}.get(top, top), "data", purpose) from None


def read_columns(path: Path) -> Any:
    """The pandas frame of a table file: unique, named columns; at least two of them, and at least one row.

    Raises:
        FileError: no such file, a folder, unreadable, too large, empty, damaged, in another encoding.
        DataError: rows of different lengths, columns without a name or with the same one, fewer than two columns.
        MissingExtraError: pandas or pyarrow is not installed.
    """
    raw = _bytes(path)
    frame = _parquet(raw, path) if path.suffix.lower() in (".parquet", ".pq") else _text_table(raw, path)
    if len(frame.columns) < 2:
        raise DataError(
            f"{path} has one column, {str(frame.columns[0])!r}; a target and at least one feature are needed. "
            "Columns are parted by commas, semicolons or tabs"
        )
    if not len(frame):
        raise DataError(f"{path} has a header but no rows below it; at least 4 rows are needed")
    return frame


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise FileError(f"{path} is a folder; name a file in it that ends in {', '.join(SUFFIXES)}")
        if not path.exists():
            raise FileError(f"there is no file {path}; check the name, and the folder that you are in")
        if not path.is_file():
            raise FileError(f"{path} is no ordinary file; name a table file")
        size = path.stat().st_size
        if size > LARGEST:
            raise FileError(
                f"{path} has {size / 1e6:.0f} MB; allowed are up to {LARGEST / 1e6:.0f} MB. Take a part of its rows"
            )
        raw = path.read_bytes()
    except FileError:
        raise
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise FileError(f"{str(path)!r} cannot be read: {reason}; name a file that you may read") from None
    if not raw.strip():
        raise FileError(f"{path} is empty; a table needs a header, and at least 4 rows")
    return raw


def _parquet(raw: bytes, path: Path) -> Any:
    arrow = library("pyarrow", "reading a Parquet file")
    parquet = library("pyarrow.parquet", "reading a Parquet file")
    library("pandas", "reading a Parquet file")
    if raw[:4] != b"PAR1":
        raise FileError(f"{path} is no Parquet file (it does not begin with PAR1); name it .csv if it is text")
    if raw[-4:] != b"PAR1":
        raise FileError(f"{path} is cut off: a Parquet file ends with PAR1; copy or download it again")
    try:
        table = parquet.ParquetFile(io.BytesIO(raw)).read()
        _check_names([_one_line(name) for name in table.column_names], path)
        frame = table.to_pandas(ignore_metadata=True)
    except (arrow.ArrowException, OSError, ValueError, MemoryError, OverflowError) as problem:
        if isinstance(problem, DataError):
            raise
        raise FileError(
            f"{path} is a damaged Parquet file ({_first_line(problem)}); write or download it again"
        ) from None
    # pandas keeps unnamed row labels under such a name; they are no data.
    frame = frame[[name for name in frame.columns if not (name.startswith("__index_level_") and name.endswith("__"))]]
    frame.columns = [_one_line(name) for name in frame.columns]
    if not len(frame.columns):
        raise DataError(f"{path} has no columns; a target and at least one feature are needed")
    return frame


def _text_table(raw: bytes, path: Path) -> Any:
    pandas = library("pandas", "reading a CSV file")
    text = _decoded(raw, path)
    first = text.lstrip().partition("\n")[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    names, count = _shape(text, separator, path)
    _check_names(names, path)
    if len(names) > 1 and all(_is_number(name) for name in names) and not all(name.isdigit() for name in names):
        raise DataError(
            f"the first line of {path} holds numbers ({', '.join(names[:3])}, …), not names; put a line with the "
            "columns' names above it"
        )
    if not count:
        return pandas.DataFrame(columns=names)
    # The nearest float64 to every number, so that CSV and Parquet agree; from pandas 3.1 on nothing else is offered.
    old = tuple(int(part) for part in pandas.__version__.split(".")[:2]) < (3, 1)
    exact = {"float_precision": "round_trip"} if old else {}
    options = {"sep": separator, "skipinitialspace": True, "low_memory": False, **exact}
    try:
        frame = pandas.read_csv(io.StringIO(text), header=0, names=names, index_col=False, **options)
    except (ValueError, OverflowError, MemoryError) as problem:  # pandas' own errors are ValueErrors
        raise FileError(f"{path} cannot be read as a table ({_first_line(problem)}); check its lines") from None
    return frame


def _decoded(raw: bytes, path: Path) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FileError(f"{path} is in the encoding UTF-16; allowed is UTF-8. Save it anew as “CSV UTF-8”")
    if raw[:4] == b"PAR1":
        raise FileError(f"{path} is a Parquet file under another name; let its name end in .parquet")
    if b"\0" in raw:
        raise FileError(f"{path} is no text but binary data; a CSV file is UTF-8 text. Export the table as CSV")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise FileError(
            f"{path} is not in the encoding UTF-8: byte 0x{raw[problem.start]:02x} in line {line}; save it as UTF-8"
        ) from None


def _shape(text: str, separator: str, path: Path) -> tuple[list[str], int]:
    """The names, and how many rows follow; pandas would fill short rows silently, so they are counted first."""
    names: list[str] = []
    count = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if not names:
                names = [_one_line(name) for name in row]
                continue
            count += 1
            if len(row) != len(names):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} fields, but the header names {len(names)} columns; "
                    "give every line as many fields as the header"
                )
    except csv.Error as problem:
        raise FileError(
            f"{path} is no readable table: {problem} in line {reader.line_num}; look for an open quotation mark or a "
            "cut-off end"
        ) from None
    return names, count


def _check_names(names: list[str], path: Path) -> None:
    for index, name in enumerate(names):
        if not name:
            raise DataError(
                f"column {index + 1} of {path} has no name; name it in the header, or leave it out "
                "(pandas: to_csv(…, index=False))"
            )
        if name in names[:index]:
            raise DataError(f"{path} has two columns of the name {name!r}; give every column its own name")


def _one_line(name: object) -> str:
    return " ".join(str(name).split())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".")[:120]
