"""The readable twin of the fused step: a rule's program, operation by operation, on torch's tensors.

It is what runs on devices without a kernel of ours, on tensors whose elements do not lie side by side, and when
``differentiable=True``; everywhere else the tests hold the fused step against it, bit for bit.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from layda.program import Program, operations
from layda.program.arithmetic import Arithmetic, arithmetic, lowered_form

__all__ = ["evaluate"]


def evaluate(program: Program, values: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Every operation on tensors of the dtype; numbers that all elements share stay Python floats in float64.

    Args:
        program: any.
        values: input name -> a tensor of that dtype with at least one dimension (one number for every element), a
            float, or a tensor without dimensions (a number that all elements share).
        dtype: float32 or float64, what tensors are computed with.

    >>> from layda.program import trace
    >>> evaluate(trace(lambda a, x: 1.0 / (a * x)), {"a": 0.5, "x": torch.tensor([1.0, 4.0])}, torch.float32)
    {'value': tensor([2.0000, 0.5000])}
    """
    return program.evaluate(values, _numbers(dtype))


@cache
def _numbers(dtype: torch.dtype) -> Arithmetic:
    floats = arithmetic("float")
    table = {name: _either(floats.elementary[name], _TENSORS[name]) for name in floats.elementary}
    table["select"] = _either(floats.elementary["select"], lambda *arguments: _select(dtype, *arguments))
    for name in operations():
        if name not in table:
            table[name] = _either(partial(floats.apply, name), partial(_named, name, dtype))
    return Arithmetic("torch", table, floats.constant, lowered=True)


def _either(plain: Callable[..., Any], on_tensors: Callable[..., Any]) -> Callable[..., Any]:
    """The operation on floats, where all arguments are floats, else on tensors."""

    def operation(*arguments: Any) -> Any:
        if not any(isinstance(argument, torch.Tensor) for argument in arguments):
            return plain(*arguments)
        return on_tensors(*map(_lifted, arguments))

    return operation


def _lifted(argument: Any) -> torch.Tensor:
    """A number as a tensor without dimensions, which takes the dtype of a tensor with dimensions that it meets."""
    if isinstance(argument, torch.Tensor):
        return argument
    return torch.tensor(argument, dtype=torch.bool if isinstance(argument, bool) else torch.float64)


def _select(dtype: torch.dtype, condition: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if condition.dim() and not (a.dim() or b.dim()):  # else both would make elements of another dtype
        a, b = a.to(dtype), b.to(dtype)
    return torch.where(condition, a, b)


def _named(name: str, dtype: torch.dtype, *arguments: torch.Tensor) -> torch.Tensor:
    """A named function in its lowered form, in float64, rounded once: as the fused step has it."""
    form: Program = lowered_form(name)
    wide = dict(zip(form.inputs, (argument.to(torch.float64) for argument in arguments), strict=True))
    found: torch.Tensor = form.evaluate(wide, _numbers(torch.float64))["value"]
    return found.to(dtype) if found.dim() else found


def _sqrt(a: torch.Tensor) -> torch.Tensor:
    """Exactly rounded: on processors torch.sqrt may be wrong in the last bit, NumPy's is not."""
    if a.device.type != "cpu" or a.requires_grad:
        return torch.sqrt(a)
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.sqrt(np.asarray(a.numpy())).reshape(a.shape))


def _div(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Exactly rounded: on a GPU torch multiplies with the reciprocal of a number that is not there."""
    if a.device.type != "cpu" and b.device.type == "cpu" and not b.dim():
        b = torch.full((), b.item(), dtype=b.dtype, device=a.device)
    return torch.div(a, b)


def _scale(a: Any, k: Any) -> Any:
    return torch.ldexp(a, k.to(torch.int32))


_TENSORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": _div,
    "neg": operator.neg,
    "abs": torch.abs,
    "sqrt": _sqrt,
    "floor": torch.floor,
    "fma": lambda a, b, c: a * b + c,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "bit": lambda a, place: a.to(torch.int64) >> place.to(torch.int64) & 1 != 0,
    "and": operator.and_,
    "or": operator.or_,
    "not": torch.logical_not,
    "select": torch.where,
    "scale": _scale,
    "exponent": lambda a: (torch.frexp(a)[1] - 1).to(a.dtype),
}
