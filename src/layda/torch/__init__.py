"""The rules as optimizers for PyTorch: :class:`Optimizer` for any rule, and a class for each by its name.

>>> import torch
>>> model = torch.nn.Linear(3, 1)
>>> optimizer = HeavyBall(model.parameters(), lr=0.1, momentum=0.9)
>>> model(torch.ones(3)).sum().backward()
>>> optimizer.step()
"""

from __future__ import annotations

from layda.errors import MissingExtraError

try:
    import torch
except ImportError:
    raise MissingExtraError("torch", "torch", "layda.torch") from None
else:
    from layda.torch.named import NAMED
    from layda.torch.optimizer import Optimizer

    del torch

globals().update(NAMED)

__all__ = ["Optimizer", *NAMED]


def __dir__() -> list[str]:
    return sorted(__all__)
