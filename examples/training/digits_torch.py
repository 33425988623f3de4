"""Handwritten digits in PyTorch: a multilayer perceptron and a small convolutional net, rule beside rule.

python examples/training/digits_torch.py --save digits.png       (about two minutes on two cores)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from comparison import Outcome, carry_out
from digits import batches, load
from torch import nn
from torch_rules import RULES, train

BATCH = 64


def perceptron() -> nn.Module:
    """64 points, 64 hidden units, 10 digits."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def convolutional() -> nn.Module:
    """Two layers of 3 × 3 filters, each followed by the largest of 2 × 2."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


NETS = {"digits, multilayer perceptron (PyTorch)": perceptron, "digits, convolutional net (PyTorch)": convolutional}


def training(net: str, steps: int, rule: str, rate: float, seed: int) -> Outcome:
    """One training of a net."""
    torch.manual_seed(seed)
    model, data = NETS[net](), load()
    rows, answers = map(torch.from_numpy, data.train)

    def judge(model: nn.Module) -> tuple[float, float]:
        (seen, right), (new, known) = (tuple(map(torch.from_numpy, part)) for part in (data.validation, data.held_out))
        accuracy = (model(new).argmax(1) == known).float().mean().item()
        return nn.functional.cross_entropy(model(seen), right).item(), 100.0 * accuracy

    def loss_of(model: nn.Module, places: object) -> torch.Tensor:
        return nn.functional.cross_entropy(model(rows[places]), answers[places])

    return train(model, rule, rate, batches(len(answers), BATCH, seed), loss_of, judge, steps)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and tell."""
    carry_out(__doc__, arguments, list(NETS), "accuracy, %", training, RULES, steps=360)


if __name__ == "__main__":
    main()
