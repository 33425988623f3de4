"""The tables of ``layda.torch`` and ``layda.jax`` about optimizers that a peer has under the same name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["differences", "listed"]

Row = tuple[str, str, str, str]
"""Name, argument here ("-" where there is none), default here, argument and default there."""

_NEVER = ("self", "params", "args", "kwargs")


def _arguments(function: Callable[..., Any], others: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Our name for each argument -> the peer's name and default."""
    found: dict[str, tuple[str, str]] = {}
    for name, one in inspect.signature(function).parameters.items():
        if name in _NEVER:
            continue
        if isinstance(one.default, tuple) and name == "betas":
            for index, default in enumerate(one.default):
                found[f"beta{index + 1}"] = (f"betas[{index}]", repr(default))
            continue
        default = "required" if one.default is one.empty else repr(one.default)
        found[others.get(name, name)] = (name, default)
    return found


def _same(one: str, other: str) -> bool:
    """0 and 0.0 are the same default."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def differences(name: str, ours: Any, theirs: Any, others: Mapping[str, str]) -> set[Row]:
    """What the signatures say.

    Args:
        name: the name that both have.
        ours: the class or function here.
        theirs: the peer's.
        others: the peer's names of arguments -> ours.
    """
    there = _arguments(theirs, others)
    theirs_by_name = {other for other, _ in there.values()} | {"betas"}
    also = {one: name for one, name in others.items() if one in theirs_by_name} | {"betas": "beta1"}
    here = {  # the peer's name, taken beside our own and None unless given, is no difference
        name: told
        for name, told in _arguments(ours, {}).items()
        if not (told[1] == "None" and also.get(name) in inspect.signature(ours).parameters)
    }
    found: set[Row] = set()
    for argument in {**here, **there}:
        own = here[argument][1] if argument in here else "-"
        other, default = there.get(argument, ("", ""))
        if not other:
            found.add((name, argument, own, "-"))
        elif argument not in here:
            found.add((name, "-", "-", f"{other}={default}"))
        elif other != argument or not _same(own, default):
            found.add((name, argument, own, f"{other}={default}"))
    return found


def listed(document: str) -> set[Row]:
    """What the table of a docstring says, with one row for every name."""
    lines = document.split("\n")
    heads = [index for index, line in enumerate(lines) if line.split()[:3] == ["name", "argument", "here"]]
    assert len(heads) == 1
    rule = lines[heads[0] - 1]
    starts = [index for index in range(len(rule)) if rule[index] == "=" and (index == 0 or rule[index - 1] == " ")]
    found: set[Row] = set()
    for line in lines[heads[0] + 2 :]:
        if line == rule:
            return found
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        for name in cells[0].split(", "):
            row = (name, *cells[1:])
            assert len(row) == 4
            assert row not in found, row
            found.add(row)
    raise AssertionError("the table has no end")
