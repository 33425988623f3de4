"""What processes that hold parts of the same tensors must do together, all of them and in the same order.

That order is the parameters' order in the optimizer, which is the same everywhere, whether a process holds few elements
of a parameter, or none, and whichever way it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor

__all__ = ["partners", "redistributed", "smallest"]

_NONE = 1 << 62


def partners(sharded: Sequence[torch.Tensor]) -> list[Any]:
    """The groups of processes that hold parts of any of the tensors, each once.

    Args:
        sharded: DTensors, whose meshes say who else holds parts of them.
    """
    groups: dict[str, Any] = {}
    for tensor in sharded:
        assert isinstance(tensor, DTensor)
        mesh = tensor.device_mesh
        if mesh.get_coordinate() is None:  # this process has no place in the mesh
            continue
        for dimension in range(mesh.ndim):
            group = mesh.get_group(dimension)
            groups.setdefault(group.group_name, group)
    return list(groups.values())


def smallest(number: int | None, groups: Sequence[Any], device: torch.device) -> int | None:
    """The smallest number that any process has found, where all processes ask; ``None`` where none has found any.

    Args:
        number: what this process has found.
        groups: the processes to ask.
        device: where the groups' backend wants the number.
    """
    found = torch.tensor(_NONE if number is None else number, dtype=torch.int64, device=device)
    for group in groups:
        dist.all_reduce(found, op=dist.ReduceOp.MIN, group=group)
    answer = int(found)
    return None if answer == _NONE else answer


def redistributed(sharded: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
    """This process' part of each gradient that is laid out unlike its parameter (a sum still to be taken, for example).

    Args:
        sharded: DTensors.

    Returns:
        The parts by the ``id`` of the parameter.
    """
    found = {}
    for parameter in sharded:
        gradient = parameter.grad
        assert isinstance(parameter, DTensor)
        if not isinstance(gradient, DTensor):
            continue
        moved = gradient.placements != parameter.placements
        if moved:
            with torch.no_grad():
                gradient = gradient.redistribute(placements=parameter.placements)
        own = gradient._local_tensor
        if isinstance(own, AsyncCollectiveTensor):
            own, moved = own.wait(), True
        if moved:
            found[id(parameter)] = own
    return found
