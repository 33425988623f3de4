"""What processes that hold parts of the same tensors must agree about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

__all__ = ["smallest"]

_NONE = 1 << 62


def smallest(number: int | None, sharded: Sequence[torch.Tensor]) -> int | None:
    """The smallest number that any process has found, where all processes ask; ``None`` where none has found any.

    Args:
        number: what this process has found.
        sharded: the DTensors, whose meshes say who else holds parts of them.
    """
    groups: dict[int, Any] = {}
    for tensor in sharded:
        mesh = tensor.device_mesh  # type: ignore[attr-defined]
        for dimension in range(mesh.ndim):
            group = mesh.get_group(dimension)
            groups[id(group)] = group
    local = sharded[0]._local_tensor  # type: ignore[attr-defined]
    found = torch.tensor(_NONE if number is None else number, dtype=torch.int64, device=local.device)
    for group in groups.values():
        dist.all_reduce(found, op=dist.ReduceOp.MIN, group=group)
    answer = int(found)
    return None if answer == _NONE else answer
