"""scikit-learn's handwritten digits (1797 pictures of 8 × 8 points), divided once and for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Digits:
    """Pictures (rows of 64 numbers from 0 to 1) and their digits.

    Attributes:
        train: 1197 of them. validation: 300, to choose rates with. held_out: 300, used for nothing else.
    """

    train: tuple[Any, Any]
    validation: tuple[Any, Any]
    held_out: tuple[Any, Any]


@cache
def load() -> Digits:
    """The digits, shuffled by a fixed seed."""
    from sklearn.datasets import load_digits

    pictures, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(20).permutation(len(digits))
    rows, answers = (pictures[order] / 16.0).astype(np.float32), digits[order].astype(np.int64)
    parts = [slice(600, None), slice(0, 300), slice(300, 600)]
    return Digits(*((rows[part], answers[part]) for part in parts))


def batches(count: int, size: int, seed: int) -> Iterator[Any]:
    """Rows of batches without end; every epoch in a new order."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(count)
        yield from (order[first : first + size] for first in range(0, count - size + 1, size))
