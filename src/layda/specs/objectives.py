"""Text -> objective: a classic's name, a bundled table, a CSV or Parquet file, ``file.py:name``, or a formula."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from layda.errors import FormulaError, SettingError, SpecError, TraceError, UnknownNameError, nearest
from layda.objective import Objective, from_function
from layda.objectives import CLASSICS, classic, formula
from layda.objectives.formula_names import CONSTANTS, FUNCTIONS
from layda.program.coordinates import counted, takes_any_number
from layda.specs.files import from_file, split_file
from layda.specs.text import check_length, plain_name, shown, split_options

__all__ = ["to_objective"]

_MOST_COORDINATES = 1000
_TABLE_OPTIONS = ("target", "model", "task", "l2", "hidden", "batch", "held_out", "seed")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([ _-][A-Za-z0-9]+)*")
_WORD = re.compile(r"[A-Za-z_]{3,}")
_ENDING = re.compile(r"\.[A-Za-z]{2,8}$")


def to_objective(spec: str | Objective | Callable[..., Any], *, start: Any = None, **data_options: Any) -> Objective:
    """The objective that a text (or an objective, or a Python function of its coordinates) stands for.

    A text is, in this order: ``file.py:name``, a classic, a bundled table, a table's path, a formula.

    Args:
        spec: what to descend; ``name:key=value`` sets a dimension or a table's options.
        start: where the run begins, if that is known: it says how many coordinates a function of one array has.
        data_options: ``target``, ``model``, ``l2``, ``batch``, … for tables, as in
            :func:`layda.objectives.data_objective`; those that are ``None`` count as not given.

    Raises:
        UnknownNameError, SpecError, FormulaError, FileError, DataError, SettingError, TraceError: it cannot be found,
            read or built.

    >>> to_objective("six-hump-camel").dimension, to_objective("sphere:dimension=3").dimension
    (2, 3)
    >>> to_objective("x^2 + 3y^2").coordinates
    ('x', 'y')
    """
    options = {key: value for key, value in data_options.items() if value is not None}
    if isinstance(spec, str):
        return _from_text(spec.strip(), options, start)
    given: Any = spec  # whatever the annotation says
    if isinstance(given, Objective):
        _refuse_options(options, f"the objective {given.name}")
        return given
    if callable(given) and not isinstance(given, type):
        _refuse_options(options, "a Python function")
        return _traced(given, "the function", start)
    kind = f"the class {given.__name__}" if isinstance(given, type) else f"of type {type(given).__name__}"
    raise SpecError(
        f"the objective is {kind}; allowed are a name, a formula, a table's path, a function of the coordinates and an "
        "Objective; give one of them"
    )


def _from_text(text: str, options: dict[str, Any], start: Any) -> Objective:
    if not text:
        raise SpecError("the objective is an empty text; allowed are a name, a formula and a path; write x^2, say")
    check_length(text)
    in_file = split_file(text)
    if in_file is not None:
        _refuse_options(options, shown(text))
        return _from_file(*in_file, start)
    head, colon, rest = _parted(text)
    if colon and not rest.strip():
        raise SpecError(f"{shown(text)} ends with a colon; write key=value after it, or leave it out")
    found = _named(head, rest, options) if _NAME.fullmatch(head) else None
    if found is None and _ENDING.search(head):
        found = _table(head, rest, options)
    if found is not None:
        return found
    if _WORD.fullmatch(head) and not _is_formula_like(head):
        raise _unknown(head)
    _refuse_options(options, shown(text))
    try:
        return formula(text)
    except FormulaError:
        if _NAME.fullmatch(head) and len(head) >= 3 and "did you mean" in str(unknown := _unknown(head)):
            raise unknown from None  # rosen-brock: nearer to a name than to a formula
        raise


def _parted(text: str) -> tuple[str, str, str]:
    """Name and options; the colon after a Windows drive's letter belongs to the name.

    >>> _parted("C:/wine.csv:target=quality")
    ('C:/wine.csv', ':', 'target=quality')
    """
    start = 2 if re.match(r"[A-Za-z]:[\\/]", text) else 0
    head, colon, rest = text[start:].partition(":")
    return (text[:start] + head).strip(), colon, rest.strip()


def _named(head: str, rest: str, options: dict[str, Any]) -> Objective | None:
    """The classic or bundled table of that name, however it is spelt; ``None`` when there is none."""
    wanted = plain_name(head)
    for name in CLASSICS:
        if plain_name(name) == wanted:
            _refuse_options(options, f"the classic {name}")
            return classic(name, _dimension(rest, name))
    if len(wanted) < 3:  # a coordinate: formulas need none of the tables' machinery
        return None
    from layda.objectives.data import BUNDLED, data_objective

    for name in BUNDLED:
        if plain_name(name) == wanted:
            return data_objective(name, **_table_options(rest, options, name))
    return None


def _table(head: str, rest: str, options: dict[str, Any]) -> Objective | None:
    from layda.objectives.data import data_objective, is_table_path

    if is_table_path(head):
        return data_objective(head, **_table_options(rest, options, head))
    try:
        is_file = Path(head).is_file()
    except OSError:
        is_file = False
    if is_file:
        raise SpecError(
            f"{head!r} is a file of a kind that is not read; allowed are .csv, .tsv, .parquet, .pq and "
            "file.py:name; convert it"
        )
    return None


def _is_formula_like(word: str) -> bool:
    """Whether the formula's own message says more: xyz may mean x*y*z, exp lacks its argument."""
    return set(word) <= set("xyz") or word in FUNCTIONS or word in CONSTANTS


def _unknown(name: str) -> UnknownNameError:
    from layda.objectives.data import BUNDLED

    known = [*CLASSICS, *BUNDLED]
    return UnknownNameError(f"unknown objective {shown(name)}; {nearest(name.lower().replace('-', '_'), known)}")


def _refuse_options(options: Mapping[str, Any], owner: str) -> None:
    if options:
        names = ", ".join(options)
        raise SettingError(f"{names} given for {owner}, which is no table; only tables take {names}; leave it out")


def _dimension(text: str, owner: str) -> int | None:
    """The number in ``dimension=N``; ``None`` where nothing is written."""
    found = split_options(text, owner) if text else {}
    for key, value in found.items():
        if key != "dimension":
            raise UnknownNameError(f"{owner} has no setting {shown(key)}; {nearest(key, ['dimension'])}")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_COORDINATES:
            raise SettingError(
                f"{owner}: dimension is {value!r}; allowed is a whole number from 1 to {_MOST_COORDINATES}"
            )
    return found.get("dimension")


def _table_options(text: str, options: dict[str, Any], owner: str) -> dict[str, Any]:
    """What the text and the caller say about a table, each setting once."""
    found = split_options(text, owner, raw=("target",)) if text else {}
    for key in (*found, *options):
        if key not in _TABLE_OPTIONS:
            raise UnknownNameError(f"the table {owner} has no setting {shown(key)}; {nearest(key, _TABLE_OPTIONS)}")
    twice = found.keys() & options.keys()
    if twice:
        raise SettingError(f"the table {owner}: {', '.join(sorted(twice))} is given twice; give it once")
    return found | options


def _from_file(path: str, name: str, rest: str, start: Any) -> Objective:
    found = from_file(path, name)
    where = f"{path!r}: {name}"
    if isinstance(found, Objective):
        if rest:
            raise SettingError(
                f"{where} is an objective, which takes no settings; received {shown(rest)}; leave it out"
            )
        return found
    if isinstance(found, type):
        raise SpecError(
            f"{where} is a class; allowed are a function of the coordinates, an object that can be called, and an "
            f"Objective; write f = {found.__name__}() below it, say, and name f"
        )
    if not callable(found):
        raise SpecError(
            f"{where} is of type {type(found).__name__}; allowed are a function of the coordinates and an Objective; "
            "name one of them"
        )
    return _traced(found, where, start, _dimension(rest, name))


def _traced(function: Callable[..., Any], where: str, start: Any, dimension: int | None = None) -> Objective:
    try:
        return from_function(function, dimension=dimension)
    except (TraceError, SettingError):
        count = counted(start) if dimension is None and takes_any_number(function) else None
        if count is None:
            raise
        return from_function(function, dimension=count)
    except ValueError as error:
        # A built-in function does not tell its parameters.
        raise SpecError(f"{where} cannot be traced: {error}; write a Python function such as def f(x, y)") from error
