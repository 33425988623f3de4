"""A language model of characters in PyTorch, on a text that ships with Python: its own documentation of the language.

python examples/training/characters_torch.py --save characters.png      (about eight minutes on two cores)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from comparison import Outcome, carry_out
from torch import nn
from torch_rules import RULES, train

LENGTH, BATCH = 64, 16
TASK = "characters of Python's documentation, recurrent net (PyTorch)"


@cache
def text() -> tuple[torch.Tensor, int]:
    """The topics of ``help()`` as numbers of characters, and how many characters there are; the rare ones are one."""
    from pydoc_data.topics import topics

    written = "\n".join(topics[name] for name in sorted(topics))
    common = sorted(character for character in set(written) if written.count(character) >= 100)
    numbers = {character: number for number, character in enumerate(common)}
    coded = [numbers.get(character, len(common)) for character in written]
    return torch.tensor(coded), len(common) + 1


class Recurrent(nn.Module):
    """Characters -> 32 numbers -> 96 gated recurrent units -> the next character."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.meaning = nn.Embedding(characters, 32)
        self.memory = nn.GRU(32, 96, batch_first=True)
        self.next = nn.Linear(96, characters)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Scores of the next character at every place."""
        remembered, _ = self.memory(self.meaning(seen))
        return self.next(remembered)


def pieces(part: torch.Tensor, seed: int) -> Iterator[torch.Tensor]:
    """Batches of pieces of the text, one character longer than what is predicted."""
    random = np.random.default_rng(seed)
    while True:
        firsts = random.integers(0, len(part) - LENGTH - 1, BATCH)
        yield torch.stack([part[first : first + LENGTH + 1] for first in firsts])


def loss_of(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Nats for each character."""
    scores: Any = model(batch[:, :-1])
    return nn.functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())


def training(steps: int, rule: str, rate: float, seed: int) -> Outcome:
    """One training."""
    written, characters = text()
    cut = [int(len(written) * share) for share in (0.8, 0.9)]
    train_part, validation, held_out = written[: cut[0]], written[cut[0] : cut[1]], written[cut[1] :]
    torch.manual_seed(seed)
    model = Recurrent(characters)

    def judge(model: nn.Module) -> tuple[float, float]:
        bits = []
        for part in (validation, held_out):
            some = pieces(part, seed=7)
            bits.append(sum(loss_of(model, next(some)).item() for _ in range(12)) / 12 / math.log(2.0))
        return bits[0], bits[1]

    return train(model, rule, rate, pieces(train_part, seed), loss_of, judge, steps)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and tell."""
    grids = {rule: tuple(3.0 * rate for rate in grid) for rule, grid in RULES.items()}
    carry_out(__doc__, arguments, [TASK], "bits a character", lambda _, *one: training(*one), grids, steps=200)


if __name__ == "__main__":
    main()
