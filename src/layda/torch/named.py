"""A class for every rule of the list, with the rule's settings as arguments."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import Any

from layda.rule import Rule
from layda.rules import ALL
from layda.torch.names import BETAS, advice, unified
from layda.torch.optimizer import Optimizer
from layda.torch.sgd import SGD

__all__ = ["NAMED", "named"]

_ALL_HAVE = inspect.signature(Optimizer.__init__).parameters
_OWN = ("nonfinite", "state_dtype", "rounding", "seed", "fused", "differentiable")


@cache
def named(rule: type[Rule]) -> type[Optimizer]:
    """A class that makes optimizers of one rule: its settings are arguments, the learning rate is called ``lr``.

    >>> from layda.rules import Nesterov
    >>> named(Nesterov).__name__, list(inspect.signature(named(Nesterov)).parameters)[:4]
    ('Nesterov', ['params', 'lr', 'momentum', 'weight_decay'])
    """
    signature = inspect.Signature([*_parameters(rule), *_of_torch(rule), *(_ALL_HAVE[name] for name in _OWN)])

    def __init__(self: Optimizer, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes the class's own
        _begin(self, rule, _bound(rule, signature, args, kwargs))

    __init__.__signature__ = _with_self(signature)  # type: ignore[attr-defined]
    __init__.__doc__ = None
    made = _class(rule.__name__, __init__, _document(rule))
    if rule not in ALL:  # pickle finds a class by its module and name, and this one is not in layda.torch
        made.__module__ = rule.__module__
        made.__reduce__ = lambda self: (_blank, (rule,), self.__getstate__())  # type: ignore[method-assign]
    return made


def _bound(
    rule: type[Rule], signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments by name.

    Raises:
        TypeError: they do not fit; with what to write instead of a name that is meant for a setting.
    """
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        known = tuple(signature.parameters)
        told = {name: advice(name, known[1:]) for name in kwargs if name not in known}
        remedies = [f"{name}: {remedy}" for name, remedy in told.items() if remedy]
        raise TypeError("; ".join([f"{rule.__name__}: {error}", *remedies, f"its arguments are {signature}"])) from None


def _blank(rule: type[Rule]) -> Optimizer:
    """An optimizer of a rule of the user's, as pickle and deepcopy fill it."""
    made = named(rule)
    return made.__new__(made)


def _argument(field: str) -> str:
    return "lr" if field == "learning_rate" else field


def _of_torch(rule: type[Rule]) -> list[inspect.Parameter]:
    """torch's names for the same: ``betas`` and ``eps``."""
    own = [field.name for field in dataclasses.fields(rule)]
    found = [name for name, meant in (("betas", BETAS), ("eps", ("epsilon",))) if all(one in own for one in meant)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, kind, default=None) for name in found if name not in own]


def _parameters(rule: type[Rule]) -> list[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = [field for field in dataclasses.fields(rule) if field.name != "restart"]
    own.sort(key=lambda field: (field.kw_only, field.name != "learning_rate" and not field.kw_only))
    found = [inspect.Parameter("params", kind)]
    for field in own:
        annotation: Any = type(field.default).__name__ if isinstance(field.default, str | bool) else "float"
        found.append(inspect.Parameter(_argument(field.name), kind, default=field.default, annotation=annotation))
    return [*found, inspect.Parameter("maximize", kind, default=False, annotation="bool")]


def _with_self(signature: inspect.Signature) -> inspect.Signature:
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return signature.replace(parameters=[first, *signature.parameters.values()])


def _begin(optimizer: Optimizer, rule: type[Rule], given: dict[str, Any]) -> None:
    """Divide the arguments between the rule and what every optimizer has."""
    rest = {name: given[name] for name in ("maximize", *_OWN) if name in given}
    names = {_argument(field.name): field.name for field in dataclasses.fields(rule)}
    unset = [name for name in ("betas", "eps") if name not in names and given.get(name) is None]
    given = unified({name: value for name, value in given.items() if name not in unset}, names)
    settings = {names[name]: value for name, value in given.items() if name in names and name != "lr"}
    Optimizer.__init__(optimizer, given["params"], rule(**settings), given.get("lr"), **rest)


def _class(name: str, init: Any, document: str) -> type[Optimizer]:
    return type(name, (Optimizer,), {"__init__": init, "__doc__": document, "__module__": "layda.torch"})


def _document(rule: type[Rule]) -> str:
    """The rule's own docstring, without its example, and what holds for all optimizers."""
    own = inspect.cleandoc(rule.__doc__ or "").split("\n>>> ")[0].rstrip()
    own = own.replace("    learning_rate: ", "    lr: ")
    if _of_torch(rule):
        own += "\n\nPyTorch's ``betas=(β₁, β₂)`` and ``eps`` mean the same; a group holds ``betas``."
    return (
        f"{own}\n\nEvery other argument is that of :class:`layda.torch.Optimizer`; weight decay is "
        f"{_decay(rule)}.\n\n"
        f">>> import torch, layda.torch\n>>> x = torch.nn.Parameter(torch.ones(2))\n"
        f">>> layda.torch.{rule.__name__}([x]).rule.name\n{rule.name!r}\n"
    )


def _decay(rule: type[Rule]) -> str:
    if rule.__dataclass_fields__["decoupled"].default:
        return "decoupled (x ← x − αλx) unless ``decoupled=False`` (g ← g + λx)"
    return "coupled (g ← g + λx) unless ``decoupled`` (x ← x − αλx)"


def _sgd() -> type[Optimizer]:
    """The arguments of ``torch.optim.SGD`` in torch's order, with torch's defaults."""
    usual = {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}
    kind, only = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("params", kind)]
    parameters += [
        inspect.Parameter(name, kind, default=default, annotation=type(default).__name__)
        for name, default in usual.items()
    ]
    parameters += [
        inspect.Parameter("maximize", only, default=False, annotation="bool"),
        inspect.Parameter("foreach", only, default=None, annotation="bool | None"),
        *(_ALL_HAVE[name] for name in _OWN),
    ]
    signature = inspect.Signature(parameters)

    def __init__(self: Optimizer, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - as above
        given = _bound(SGD, signature, args, kwargs)
        given.pop("foreach", None)  # how torch computes, not what
        _begin(self, SGD, given)

    __init__.__signature__ = _with_self(signature)  # type: ignore[attr-defined]
    __init__.__doc__ = None
    return _class("SGD", __init__, _document(SGD))


NAMED: dict[str, type[Optimizer]] = {rule.__name__: named(rule) for rule in ALL} | {"SGD": _sgd()}
"""The classes by name."""
