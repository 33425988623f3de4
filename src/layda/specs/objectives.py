"""Text -> objective: a classic's name, a bundled table, a CSV or Parquet file, ``file.py:name``, or a formula."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from layda.errors import SettingError, SpecError, UnknownNameError, nearest
from layda.objective import Objective, from_function
from layda.objectives import CLASSICS, classic, formula
from layda.objectives.data import BUNDLED, data_objective, is_table_path
from layda.specs.files import from_file, split_file
from layda.specs.text import shown, split_options

__all__ = ["to_objective"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([ _-][A-Za-z0-9]+)*")


def to_objective(spec: str | Objective | Callable[..., Any], **table_options: Any) -> Objective:
    """The objective that a text (or an objective, or a Python function of its coordinates) stands for.

    Args:
        spec: what to descend; ``name:key=value`` sets a dimension or a table's options.
        table_options: ``target``, ``model``, ``l2``, ``batch``, … for tables, as in
            :func:`layda.objectives.data_objective`; those that are ``None`` count as not given.

    Raises:
        UnknownNameError, FormulaError, FileError, DataError, SettingError: it cannot be found, read or built.

    >>> to_objective("six-hump-camel").dimension, to_objective("sphere:dimension=3").dimension
    (2, 3)
    """
    options = {key: value for key, value in table_options.items() if value is not None}
    if not isinstance(spec, str):
        _no_options(options, type(spec).__name__)
        if isinstance(spec, Objective):
            return spec
        if callable(spec):
            return from_function(spec)
        raise SpecError(f"an objective is given as {type(spec).__name__}; allowed are a name, a formula, a function or an Objective")
    text = spec.strip()
    in_file = split_file(text)
    if in_file is not None:
        _no_options(options, text)
        return _from_file(*in_file)
    head, colon, rest = _parted(text)
    plain = head.lower().replace("-", "_").replace(" ", "_")
    if plain in CLASSICS:
        _no_options(options, head)
        return classic(plain, **_only(split_options(rest, head) if colon else {}, ("dimension",), head))
    if plain in BUNDLED:
        return data_objective(plain, **_joined(rest if colon else "", options, head))
    if is_table_path(head):
        return data_objective(head, **_joined(rest if colon else "", options, head))
    if _NAME.fullmatch(text) and len(text) >= 3 and not re.fullmatch(r"x\d+", text):
        raise UnknownNameError(f"unknown objective {shown(text)}; {nearest(plain, [*CLASSICS, *BUNDLED])}")
    _no_options(options, shown(text))
    return formula(text)


def _parted(text: str) -> tuple[str, str, str]:
    """Name and options; the colon after a Windows drive's letter belongs to the name."""
    start = 2 if re.match(r"[A-Za-z]:[\\/]", text) else 0
    head, colon, rest = text[start:].partition(":")
    return text[:start] + head, colon, rest


def _no_options(options: dict[str, Any], owner: str) -> None:
    if options:
        names = ", ".join(options)
        raise SettingError(f"{names} given for {owner}, which is no table; leave it out, or name a table such as wine")


def _only(found: dict[str, Any], allowed: tuple[str, ...], owner: str) -> dict[str, Any]:
    for key, value in found.items():
        if key not in allowed:
            raise UnknownNameError(f"{owner} has no setting {key!r}; {nearest(key, allowed)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value > 1000:
            raise SettingError(f"{owner}: {key} is {value!r}; allowed is a whole number from 1 to 1000")
    return found


_TABLE_OPTIONS = ("target", "model", "task", "l2", "hidden", "batch", "held_out", "seed")


def _joined(text: str, options: dict[str, Any], owner: str) -> dict[str, Any]:
    found = split_options(text, owner) if text.strip() else {}
    for key in found:
        if key not in _TABLE_OPTIONS:
            raise UnknownNameError(f"{owner} has no setting {key!r}; {nearest(key, _TABLE_OPTIONS)}")
        if key in options:
            raise SettingError(f"{owner}: {key} is given twice; give it once")
    return found | options


def _from_file(path: str, name: str, rest: str) -> Objective:
    found = from_file(path, name)
    if isinstance(found, Objective):
        return found
    if not callable(found):
        raise SpecError(f"{path}:{name} is a {type(found).__name__}; allowed are a function of coordinates and an Objective")
    settings = _only(split_options(rest, name) if rest else {}, ("dimension",), name)
    return from_function(found, **settings)
