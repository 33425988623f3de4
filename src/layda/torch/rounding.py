"""Rounding to bfloat16, to nearest or stochastically: the readable twin of what the kernels do.

Stochastic: x goes to one of its two neighbours, up with the probability (x − lower)/(upper − lower), so that the mean
of what is kept is x and small changes are not lost (Zamirai et al. 2020, arXiv:2010.06192). The random bits are a hash
of (key, number of the tensor, number of the element): the same seed gives the same run, on any number of threads.
"""

from __future__ import annotations

import torch

__all__ = ["kept", "mixed", "noise"]

_MASK = 0xFFFFFFFF


def mixed(x: int | torch.Tensor) -> int | torch.Tensor:
    """A hash of 32 bits: x ^= x>>16; x *= 7feb352d; x ^= x>>15; x *= 846ca68b; x ^= x>>16, modulo 2³².

    Source: lowbias32 of C. Wellons, "Prospecting for hash functions" (2018), public domain.

    >>> mixed(1) == mixed(1), mixed(1) == mixed(2)
    (True, False)
    """
    x = x ^ x >> 16
    x = x * 0x7FEB352D & _MASK
    x = x ^ x >> 15
    x = x * 0x846CA68B & _MASK
    return x ^ x >> 16


def noise(key: int, number: int, count: int, arrays: int) -> list[torch.Tensor]:
    """Sixteen random bits for every element of each of the arrays that a tensor's step rounds.

    Args:
        key: of the step, 32 bits.
        number: of the tensor.
        count: of elements.
        arrays: how many arrays are rounded.
    """
    own = mixed(number & _MASK)
    assert isinstance(own, int)
    seed = mixed(own + key & _MASK)
    index = torch.arange(count, dtype=torch.int64) & _MASK
    x: int | torch.Tensor = index & ~16 ^ seed
    found = []
    for _ in range(arrays):  # elements i and i + 16 take the low and the high half of one hash
        x = mixed(x)
        found.append(x >> (index & 16) & 0xFFFF)
    return found


def kept(values: torch.Tensor, dtype: torch.dtype, bits: torch.Tensor | None = None) -> torch.Tensor:
    """The values in the dtype that they are kept in, rounded to nearest, or stochastically where bits are given.

    >>> kept(torch.tensor([1.0 + 2.0**-9]), torch.bfloat16, torch.tensor([0xFFFF])).item()
    1.0078125
    """
    if bits is None:
        return values.to(dtype)
    word = values.to(torch.float32).contiguous().view(torch.int32).to(torch.int64) & _MASK
    moved = (word + bits.to(word.device).reshape(word.shape)) >> 16
    moved = torch.where(torch.isnan(values), 0x7FC0, moved)
    return torch.where(moved >= 1 << 15, moved - (1 << 16), moved).to(torch.int16).view(dtype)
