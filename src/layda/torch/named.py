"""A class for every rule of the list, with the rule's settings as arguments."""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import Any

from layda.rule import Rule
from layda.rules import ALL
from layda.torch.optimizer import Optimizer
from layda.torch.settings import group_name
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
    signature = inspect.Signature([*_parameters(rule), *(_ALL_HAVE[name] for name in _OWN)])

    def __init__(self: Optimizer, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes the class's own
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{rule.__name__}: {error}; its arguments are {signature}") from None
        _begin(self, rule, bound.arguments)

    __init__.__signature__ = _with_self(signature)  # type: ignore[attr-defined]
    __init__.__doc__ = None
    made = _class(rule.__name__, __init__, _document(rule))
    if rule not in ALL:  # pickle finds a class by its module and name, and this one is not in layda.torch
        made.__module__ = rule.__module__
        made.__reduce__ = lambda self: (_blank, (rule,), self.__getstate__())  # type: ignore[method-assign]
    return made


def _blank(rule: type[Rule]) -> Optimizer:
    """An optimizer of a rule of the user's, as pickle and deepcopy fill it."""
    made = named(rule)
    return made.__new__(made)


def _parameters(rule: type[Rule]) -> list[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = [field for field in dataclasses.fields(rule) if field.name != "restart"]
    own.sort(key=lambda field: (field.kw_only, field.name != "learning_rate" and not field.kw_only))
    found = [inspect.Parameter("params", kind)]
    for field in own:
        annotation: Any = type(field.default).__name__ if isinstance(field.default, str | bool) else "float"
        found.append(inspect.Parameter(group_name(field.name), kind, default=field.default, annotation=annotation))
    return [*found, inspect.Parameter("maximize", kind, default=False, annotation="bool")]


def _with_self(signature: inspect.Signature) -> inspect.Signature:
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return signature.replace(parameters=[first, *signature.parameters.values()])


def _begin(optimizer: Optimizer, rule: type[Rule], given: dict[str, Any]) -> None:
    """Divide the arguments between the rule and what every optimizer has."""
    rest = {name: given[name] for name in ("maximize", *_OWN) if name in given}
    names = {group_name(field.name): field.name for field in dataclasses.fields(rule)}
    settings = {names[name]: value for name, value in given.items() if name in names and name != "lr"}
    Optimizer.__init__(optimizer, given["params"], rule(**settings), given.get("lr"), **rest)


def _class(name: str, init: Any, document: str) -> type[Optimizer]:
    return type(name, (Optimizer,), {"__init__": init, "__doc__": document, "__module__": "layda.torch"})


def _document(rule: type[Rule]) -> str:
    """The rule's own docstring, without its example, and what holds for all optimizers."""
    own = inspect.cleandoc(rule.__doc__ or "").split("\n>>> ")[0].rstrip()
    own = own.replace("    learning_rate: ", "    lr: ")
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
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"SGD: {error}; its arguments are {signature}") from None
        given.pop("foreach", None)  # how torch computes, not what
        _begin(self, SGD, given)

    __init__.__signature__ = _with_self(signature)  # type: ignore[attr-defined]
    __init__.__doc__ = None
    return _class("SGD", __init__, _document(SGD))


NAMED: dict[str, type[Optimizer]] = {rule.__name__: named(rule) for rule in ALL} | {"SGD": _sgd()}
"""The classes by name."""
