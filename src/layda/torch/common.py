"""What is one for all groups of an optimizer: how it rounds, what it does about gradients that are not finite.

What a run needs besides settings and slots to go on with the same bits (``rounding``, ``seed``) and what it has counted
(``skipped``) is kept in one dict that all groups hold under ``run``: so it is part of every kind of state dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from layda.errors import SettingError

if TYPE_CHECKING:
    from layda.torch.optimizer import Optimizer

__all__ = ["OfRun", "check", "check_run", "gathered", "shown"]

_ALLOWED: dict[str, tuple[Any, ...]] = {
    "nonfinite": ("skip", "raise", "pass"),
    "rounding": ("stochastic", "nearest"),
    # float16: squares vanish, sums overflow
    "state_dtype": (None, torch.float64, torch.float32, torch.bfloat16),
    "fused": (None, True, False),
}
_USUAL = {"nonfinite": "skip", "state_dtype": None, "rounding": "stochastic", "seed": 0, "fused": None, "skipped": 0}


class OfRun:
    """An attribute of an optimizer that stands in the dict ``run`` of its groups."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        """The value, or this object for the class."""
        return self if optimizer is None else optimizer.defaults["run"][self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        """Keep another one.

        Raises:
            SettingError: it is not allowed.
        """
        check_run({self.name: value})
        optimizer.defaults["run"][self.name] = value


def check(name: str, value: Any) -> None:
    """Refuse what is not in the list.

    Raises:
        SettingError: it is not.
    """
    allowed = _ALLOWED[name]
    if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
        raise SettingError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}")


def check_run(run: Mapping[str, Any]) -> None:
    """Refuse a run's values that are not allowed.

    Raises:
        SettingError: one is not.
    """
    if "rounding" in run:
        check("rounding", run["rounding"])
    if "seed" in run and not _is_whole(run["seed"], 1 << 32):
        raise SettingError(f"seed is {run['seed']!r}; allowed is a whole number from 0 to 2**32 - 1")
    if "skipped" in run and not _is_whole(run["skipped"]):
        raise SettingError(f"skipped is {run['skipped']!r}; allowed is a whole number, 0 or more")


def _is_whole(value: Any, end: float = float("inf")) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def gathered(optimizer: Optimizer) -> None:
    """After loading or copying, where every group has a dict of its own: all hold the first one's again."""
    run = optimizer.defaults["run"]
    for group in optimizer.param_groups[:1]:
        run |= group.get("run", {})
    for group in optimizer.param_groups:
        group["run"] = run


def shown(optimizer: Optimizer) -> list[str]:
    """What :func:`repr` says of it: the rule, and what is not as usual."""
    unusual = {name: getattr(optimizer, name) for name, usual in _USUAL.items() if getattr(optimizer, name) != usual}
    return [f"    {name}: {value}" for name, value in {"rule": type(optimizer.rule).__name__, **unusual}.items()]
