"""What each of two processes does in the tests of distributed training; what it finds, it writes into a file.

Run as ``python -m tests.torch.two_processes RANK PORT FOLDER`` by ``test_distributed.py``, which runs the same
descents (:func:`descend`) in its own process, too.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

import layda.torch as lt
from layda.errors import ComputationError
from layda.rules import AdamW, HeavyBall, Nesterov, ScheduleFreeSGD
from layda.schedules import ExponentialDecay, SutskeverMomentum
from tests.cases import RULES

STEPS = 24
SETTINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "heavy ball": (HeavyBall(0.05), {}),
    "heavy ball, schedules": (HeavyBall(ExponentialDecay(0.1, 0.98), SutskeverMomentum(0.95, 25)), {}),
    "nesterov": (Nesterov(0.05, weight_decay=0.01), {}),
    "adamw": (AdamW(0.02), {}),
    "schedule-free": (ScheduleFreeSGD(0.1), {}),
    "bf16 state": (HeavyBall(0.05), {"state_dtype": torch.bfloat16, "rounding": "nearest"}),
    "readable": (AdamW(0.02), {"fused": False}),
}
"""Name -> rule, and what else the optimizer is given."""


class Net(torch.nn.Module):
    """Five rows for two processes, and a parameter of one row, of which one process has none."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(6, 5)
        self.second = torch.nn.Linear(5, 4)
        self.row = torch.nn.Parameter(torch.linspace(0.5, 1.5, 4).reshape(1, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(x))) * self.row


def net() -> Net:
    torch.manual_seed(7)
    return Net().double()


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(step)
    x = torch.randn(8, 6, generator=draw, dtype=torch.float64)
    return x, torch.randn(8, 4, generator=draw, dtype=torch.float64)


def descend(model: Any, optimizer: Any, steps: range, part: slice = slice(None)) -> None:
    """So many steps on this process' part of every batch."""
    for step in steps:
        optimizer.zero_grad()
        x, y = batch(step)
        ((model(x[part]) - y[part]) ** 2).mean().backward()
        optimizer.step()


def whole(tensor: Any) -> torch.Tensor:
    return tensor.detach().full_tensor() if hasattr(tensor, "full_tensor") else tensor.detach().clone()


def numbers(model: Any) -> list[torch.Tensor]:
    return [whole(parameter) for parameter in model.parameters()]


def half(rank: int) -> slice:
    return slice(4 * rank, 4 * rank + 4)


# --- hand-made tensors ------------------------------------------------------------------------------------------------

SHAPES = ((5, 3), (1, 4), (7,), (2, 6))


def plain(seed: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=draw, dtype=torch.float32) for shape in SHAPES for _ in range(6)
    ]  # one for each layout


# --- what the processes do --------------------------------------------------------------------------------------------


def sharded() -> Any:
    from torch.distributed.fsdp import fully_shard

    model = net()
    fully_shard(model.first)
    return fully_shard(model)


def trained(rank: int, folder: Path) -> dict[str, Any]:
    """DDP and FSDP2, for every setting."""
    found: dict[str, Any] = {}
    for name, (rule, more) in SETTINGS.items():
        replica = torch.nn.parallel.DistributedDataParallel(net())
        optimizer = lt.Optimizer(replica.parameters(), rule, **more)
        descend(replica, optimizer, range(STEPS), half(rank))
        found[name, "ddp"] = numbers(replica)
        model = sharded()
        optimizer = lt.Optimizer(model.parameters(), rule, **more)
        descend(model, optimizer, range(STEPS), half(rank))
        found[name, "fsdp"] = numbers(model)
        with optimizer.estimates():
            found[name, "estimates"] = numbers(model)
        found[name, "back"] = numbers(model)
        found[name, "group"] = {k: v for k, v in optimizer.param_groups[0].items() if k in ("steps", "lr", "momentum")}
        slots = [
            (p, v)
            for p, state in optimizer.state.items()
            for v in state.values()
            if v.dim() and hasattr(v, "placements")
        ]
        found[name, "alike"] = all(v.placements == p.placements and v.device_mesh == p.device_mesh for p, v in slots)
        found[name, "bytes"] = sum(v.to_local().nbytes for _, v in slots)
        found[name, "slots"] = len(slots)
    return found


def layouts() -> list[tuple[Any, Any, Any]]:
    """(mesh, placements of a parameter, placements of its gradient)."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Partial, Replicate, Shard

    line, table = init_device_mesh("cpu", (2,)), init_device_mesh("cpu", (1, 2), mesh_dim_names=("a", "b"))
    return [
        (line, [Shard(0)], [Shard(0)]),
        (line, [Replicate()], [Replicate()]),
        (line, [Replicate()], [Partial()]),
        (line, [Shard(0)], [Replicate()]),
        (table, [Replicate(), Shard(0)], [Replicate(), Shard(0)]),
        (table, [Shard(0), Replicate()], [Replicate(), Partial()]),
    ]


def distributed(tensor: torch.Tensor, mesh: Any, placements: Any, rank: int) -> Any:
    from torch.distributed.tensor import DTensor, Partial, distribute_tensor

    if any(isinstance(placement, Partial) for placement in placements):  # the sum is exact: one part is zero
        return DTensor.from_local(tensor if rank else torch.zeros_like(tensor), mesh, placements, run_check=False)
    return distribute_tensor(tensor, mesh, placements, src_data_rank=None)  # every process has the whole


def by_hand(rank: int, folder: Path) -> dict[str, Any]:
    """Gradients given, so that the single process takes the very same steps: every bit is compared."""
    found = {}
    known = layouts()
    for index, rule in enumerate(RULES):
        for fused in (None, False):
            chosen = [known[i % len(known)] for i in range(len(plain(0)))]
            parameters = [
                torch.nn.Parameter(distributed(tensor, mesh, own, rank))
                for tensor, (mesh, own, _) in zip(plain(0), chosen, strict=True)
            ]
            optimizer = lt.Optimizer(parameters, rule, fused=fused, state_dtype=torch.float64)
            for step in range(1, 4):
                for parameter, tensor, (mesh, _, its) in zip(parameters, plain(step), chosen, strict=True):
                    parameter.grad = distributed(tensor, mesh, its, rank)
                optimizer.step()
            found[index, fused] = [whole(parameter) for parameter in parameters]
    return found


def refused_together(rank: int, folder: Path) -> dict[str, Any]:
    """A number that is not finite, in what one process alone holds."""
    found: dict[str, Any] = {}
    for fused in (None, False):
        for policy in ("skip", "raise", "pass"):
            for first in (True, False):  # the very first step, and a later one
                model = sharded()
                named = list(model.named_parameters())
                optimizer = lt.Optimizer(named, HeavyBall(0.05), nonfinite=policy, fused=fused)
                if not first:
                    descend(model, optimizer, range(2), half(rank))
                before = numbers(model)
                optimizer.zero_grad()
                x, y = batch(9)
                ((model(x[half(rank)]) - y[half(rank)]) ** 2).mean().backward()
                if rank == 1:
                    dict(named)["second.weight"].grad.to_local()[-1, -1] = float("nan")
                with warnings.catch_warnings(record=True) as said:
                    warnings.simplefilter("always")
                    try:
                        optimizer.step()
                        error = ""
                    except ComputationError as raised:
                        error = str(raised)
                after = numbers(model)
                key = (fused, policy, first)
                found[key] = {
                    "same": all(map(torch.equal, before, after)),
                    "finite": all(bool(torch.isfinite(tensor).all()) for tensor in after),
                    "said": [str(one.message) for one in said] + [error],
                    "skipped": optimizer.skipped,
                    "steps": optimizer.param_groups[0]["steps"],
                    "state": len(optimizer.state),
                }
    return found


def scaled(rank: int, folder: Path) -> dict[str, Any]:
    """A GradScaler that has found an overflow in one process alone."""
    found: dict[str, Any] = {}
    for policy in ("skip", "pass"):
        model = sharded()
        optimizer = lt.HeavyBall(model.parameters(), lr=0.05, nonfinite=policy)
        descend(model, optimizer, range(2), half(rank))
        before = numbers(model)
        optimizer.found_inf = torch.tensor(float(rank == 1))
        optimizer.grad_scale = torch.tensor(4.0)
        descend(model, optimizer, range(2, 3), half(rank))
        found[policy] = {
            "same": all(map(torch.equal, before, numbers(model))),
            "skipped": optimizer.skipped,
            "steps": optimizer.param_groups[0]["steps"],
        }
        del optimizer.found_inf, optimizer.grad_scale
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        descend_scaled(model, optimizer, scaler, range(3, 5), half(rank))
        found[policy]["after"] = numbers(model)
        optimizer.zero_grad()
    return found


def descend_scaled(model: Any, optimizer: Any, scaler: Any, steps: range, part: slice = slice(None)) -> None:
    for step in steps:
        optimizer.zero_grad()
        x, y = batch(step)
        scaler.scale(((model(x[part]) - y[part]) ** 2).mean()).backward()
        scaler.step(optimizer)
        scaler.update()


def resumed(rank: int, folder: Path) -> dict[str, Any]:
    """Saved by torch.distributed.checkpoint, loaded into a new model, and on: every bit as without the pause."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint import state_dict as states

    found: dict[str, Any] = {}
    more = SETTINGS | {"stochastic": (HeavyBall(0.05), {"state_dtype": torch.bfloat16})}
    for place, (name, (rule, kept)) in enumerate(more.items()):
        model = sharded()
        optimizer = lt.Optimizer(model.parameters(), rule, **kept)
        descend(model, optimizer, range(7), half(rank))
        saved = {
            "model": states.get_model_state_dict(model),
            "optimizer": states.get_optimizer_state_dict(model, optimizer),
        }
        at = folder / f"saved {place}"
        dcp.save(saved, checkpoint_id=at)
        everything = states.StateDictOptions(full_state_dict=True)
        full = states.get_optimizer_state_dict(model, optimizer, options=everything)
        point = numbers(model)
        descend(model, optimizer, range(7, 14), half(rank))
        found[name, "straight"] = numbers(model)

        other = sharded()
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(2.0)
        fresh = lt.Optimizer(other.parameters(), rule, **kept)
        doubled = numbers(other)
        empty = {
            "model": states.get_model_state_dict(other),
            "optimizer": states.get_optimizer_state_dict(other, fresh),
        }
        found[name, "untouched"] = all(map(torch.equal, doubled, numbers(other)))
        found[name, "begun"] = fresh.param_groups[0]["steps"]
        dcp.load(empty, checkpoint_id=at)
        states.set_model_state_dict(other, empty["model"])
        states.set_optimizer_state_dict(other, fresh, empty["optimizer"])
        found[name, "loaded"] = all(map(torch.equal, point, numbers(other)))
        descend(other, fresh, range(7, 14), half(rank))
        found[name, "resumed"] = numbers(other)

        third = sharded()
        with torch.no_grad():
            for parameter, tensor in zip(third.parameters(), point, strict=True):
                parameter.copy_(distributed(tensor, parameter.device_mesh, parameter.placements, rank))
        again = lt.Optimizer(third.parameters(), rule, **kept)
        states.set_optimizer_state_dict(third, again, full, options=everything)
        found[name, "kinds"] = [
            value.dtype for state in again.state.values() for value in state.values() if value.dim()
        ]
        descend(third, again, range(7, 14), half(rank))
        found[name, "from the whole"] = numbers(third)
    return found


DEEDS: tuple[Callable[[int, Path], dict[str, Any]], ...] = (trained, by_hand, refused_together, scaled, resumed)


def main(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ.update(GLOO_SOCKET_IFNAME="lo", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2, timeout=timedelta(seconds=40))
    try:
        for deed in DEEDS:
            torch.save(deed(rank, folder), folder / f"{deed.__name__} {rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
