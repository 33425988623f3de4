"""The contestants in PyTorch, and one training loop for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from comparison import GRID, SHORT, Outcome

import layda.torch

RULES = GRID | {name: GRID[rule] for name, rule in SHORT.items()}
RULES |= {"torch SGD": GRID["heavy ball"], "torch Adam": GRID["Adam"]}


def optimizer(rule: str, parameters: Any, rate: float) -> torch.optim.Optimizer:
    """The optimizer of a contestant."""
    made: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "gradient descent": layda.torch.GradientDescent,
        "heavy ball": layda.torch.HeavyBall,
        "Nesterov": layda.torch.Nesterov,
        "Adam": layda.torch.Adam,
        "Lion": layda.torch.Lion,
        "sign momentum": layda.torch.SignMomentum,
        "schedule-free": layda.torch.ScheduleFreeSGD,
        "torch Adam": torch.optim.Adam,
    }
    if rule == "torch SGD":
        return torch.optim.SGD(parameters, rate, momentum=0.9)
    short = {"state_dtype": torch.bfloat16} if rule in SHORT else {}
    return made[SHORT.get(rule, rule)](parameters, lr=rate, **short)


@contextmanager
def one_thread() -> Iterator[None]:
    """Nets this small are faster on one thread than on several that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def train(
    model: torch.nn.Module,
    rule: str,
    rate: float,
    batches: Iterator[Any],
    loss_of: Callable[[torch.nn.Module, Any], torch.Tensor],
    judge: Callable[[torch.nn.Module], tuple[float, float]],
    steps: int,
) -> Outcome:
    """So many steps; the loss is written down twenty times.

    Args:
        model: what is trained.
        rule: the contestant's name.
        rate: its learning rate.
        batches: what ``loss_of`` takes, without end.
        loss_of: the loss of a batch.
        judge: the validation loss and the figure of merit of the trained model; asked at the rule's answer.
        steps: the budget.
    """
    moving = optimizer(rule, model.parameters(), rate)
    every = max(1, steps // 20)
    marks, losses, held = [], [], []
    for step in range(1, steps + 1):
        moving.zero_grad()
        loss = loss_of(model, next(batches))
        loss.backward()
        moving.step()
        held.append(loss.item())
        if step % every == 0:
            marks.append(step)
            losses.append(sum(held) / len(held))
            held = []
    answer = moving.estimates() if isinstance(moving, layda.torch.Optimizer) else nullcontext()
    with answer, torch.no_grad():
        validation, merit = judge(model.eval())
    return Outcome(tuple(marks), tuple(losses), validation, merit)
