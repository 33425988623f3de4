"""Parameters, gradients and slots as plain rows of real numbers on this machine, whatever kind of tensor holds them."""

from __future__ import annotations

import sys
from typing import Any

import torch

from layda.errors import SettingError
from layda.rule import Slot

__all__ = [
    "KEPT", "alike", "arithmetic_dtype", "check_slot", "elements", "is_on_gpu", "is_plain", "is_sharded", "is_wrapper",
    "local", "new_slot", "refuse", "refuse_parameter", "suits",
]  # fmt: skip

KEPT = {
    torch.float64: "float64",
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
    torch.complex128: "float64",
    torch.complex64: "float32",
}
"""What parameters are made of, and the real numbers in which a kernel sees it (a complex number is two)."""

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def arithmetic_dtype(dtype: torch.dtype) -> torch.dtype:
    """What a step on parameters of a dtype is computed in: float64 for 64-bit numbers, else float32."""
    return torch.float64 if dtype in (torch.float64, torch.complex128) else torch.float32


def is_sharded(tensor: torch.Tensor) -> bool:
    """Whether the tensor is a DTensor, of which this process holds a part."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """The part that this process holds."""
    return tensor._local_tensor if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a kernel may walk over the tensor's memory: torch's own class, strided, without gaps or overlaps."""
    tensor = local(tensor)
    return type(tensor) in _PLAIN and tensor.layout == torch.strided and (tensor.is_contiguous() or _dense(tensor))


def _dense(tensor: torch.Tensor) -> bool:
    """Whether the elements fill a stretch of memory, in whatever order (channels last, transposed)."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def is_on_gpu(value: Any) -> bool:
    """Whether a setting is a tensor that must not be read at every step, because reading waits for a GPU."""
    return isinstance(value, torch.Tensor) and value.is_cuda


def elements(tensor: torch.Tensor) -> torch.Tensor:
    """A view as real numbers with at least one dimension, outside of autograd's sight.

    >>> elements(torch.tensor(1.0 + 2.0j)).tolist()
    [1.0, 2.0]
    """
    tensor = local(tensor.detach())
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.reshape(1) if tensor.dim() == 0 else tensor


def alike(gradient: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """The gradient's values, laid out in memory as the parameter's, in its dtype."""
    copy = torch.empty_like(parameter, requires_grad=False)
    return copy.copy_(gradient)


def is_wrapper(tensor: torch.Tensor) -> bool:
    """Whether the tensor is of a class that keeps its numbers elsewhere and says itself what operations mean."""
    kind = type(tensor)
    own = kind not in _PLAIN and kind.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__
    return own and not is_sharded(tensor)


def refuse_parameter(parameter: torch.Tensor, name: str) -> None:
    """Say which parameters cannot be stepped.

    Raises:
        SettingError: numbers that are no floats, or not in a place of their own.
    """
    if parameter.dtype not in KEPT:
        raise SettingError(
            f"{name} is of {parameter.dtype}; allowed are {', '.join(sorted(str(d) for d in KEPT))}; leave it out of "
            "the optimizer, or convert it"
        )
    if parameter.is_conj() or parameter.is_neg():
        raise SettingError(
            f"{name} is conjugated or negated whenever it is read; allowed are tensors that hold their own numbers; "
            "make it with resolve_conj() or resolve_neg()"
        )
    if any(stride == 0 and size > 1 for stride, size in zip(parameter.stride(), parameter.shape, strict=True)):
        raise SettingError(
            f"elements of {name} share a place in memory (shape {tuple(parameter.shape)}, strides "
            f"{parameter.stride()}); allowed is a place for each; make it with contiguous(), or give the tensor that "
            "was expanded"
        )


def refuse(parameter: torch.Tensor, name: str) -> None:
    """Say which parameters and gradients cannot be stepped.

    Raises:
        SettingError: numbers that are no floats; a sparse gradient.
    """
    refuse_parameter(parameter, name)
    gradient = parameter.grad
    if gradient is None:
        return
    if gradient.shape != parameter.shape or is_sharded(gradient) != is_sharded(parameter):
        raise SettingError(
            f"the gradient of {name} is a {type(gradient).__name__} of shape {tuple(gradient.shape)}; allowed is one "
            f"like the parameter, whose numbers are of shape {tuple(parameter.shape)} now; call zero_grad() after "
            "parameter.data was given another shape"
        )
    if is_wrapper(gradient):
        raise SettingError(
            f"the gradient of {name} is a {type(gradient).__name__}; allowed are plain tensors and DTensors; "
            "convert it before the step"
        )
    if gradient.layout != torch.strided and not is_sharded(gradient):
        raise SettingError(
            f"the gradient of {name} is sparse ({gradient.layout}); allowed are dense gradients, because momentum "
            "moves every element at every step; build the layer with sparse=False"
        )


def suits(slot: Any, parameter: torch.Tensor) -> bool:
    """Whether a slot is (still) one for this parameter: somebody may have changed either."""
    return (
        isinstance(slot, torch.Tensor)
        and slot.shape == parameter.shape
        and slot.dtype in KEPT
        and slot.is_complex() == parameter.is_complex()
        and slot.device == parameter.device
        and slot.layout == torch.strided
        and is_sharded(slot) == is_sharded(parameter)
        and local(slot).shape == local(parameter).shape
    )


def check_slot(name: str, slot: Any, parameter: torch.Tensor, called: str) -> None:
    """Say when a slot does not suit its parameter.

    Args:
        name: of the slot.
        slot: what the optimizer's state holds.
        parameter: whose slot it is.
        called: how messages call the parameter.

    Raises:
        SettingError: another shape or device, real numbers for complex ones, no floats.
    """
    if suits(slot, parameter):
        return
    raise SettingError(
        f"the slot {name!r} of {called} is {_told(slot)}, and the parameter {_told(parameter)}; allowed is a slot of "
        "its parameter's shape, device and kind; begin anew with optimizer.state.pop(parameter), or load a state"
    )


def _told(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"of type {type(value).__name__}"
    return f"a {type(value).__name__} of shape {tuple(value.shape)}, {value.dtype}, on {value.device}"


def new_slot(slot: Slot, parameter: torch.Tensor, state_dtype: torch.dtype | None) -> torch.Tensor:
    """A slot before the first step, laid out as the parameter, with memory of its own."""
    dtype = state_dtype
    if dtype is None:
        dtype = torch.float32 if parameter.dtype in (torch.bfloat16, torch.float16) else parameter.dtype
    source = parameter.detach()
    if slot.start == "position":
        return torch.empty_like(source, dtype=dtype).copy_(source)
    number: Any = slot.start
    return torch.full_like(source, number, dtype=dtype)
