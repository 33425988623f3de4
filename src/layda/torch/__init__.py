"""The rules as optimizers for PyTorch: :class:`Optimizer` for any rule, and a class for each by its name.

>>> import torch
>>> model = torch.nn.Linear(3, 1)
>>> optimizer = HeavyBall(model.parameters(), lr=0.1, momentum=0.9)
>>> model(torch.ones(3)).sum().backward()
>>> optimizer.step()

Where a class has the name of one of ``torch.optim``'s (2.13), all else is the same but:

=======================  ===========  ============  ============================
name                     argument     here          torch.optim
=======================  ===========  ============  ============================
Adam, AdamW, NAdam       beta1        0.9           betas[0]=0.9
Adam, AdamW, NAdam       beta2        0.999         betas[1]=0.999
Adam, AdamW, NAdam       epsilon      1e-08         eps=1e-08
Adam, NAdam              decoupled    False         decoupled_weight_decay=False
AdamW                    decoupled    True          -
Adam, AdamW              -            -             amsgrad=False
Adam, AdamW, NAdam       -            -             foreach=None
Adam, AdamW, NAdam       -            -             capturable=False
NAdam                    fused        None          -
Adam, AdamW, NAdam, SGD  nonfinite    'skip'        -
Adam, AdamW, NAdam, SGD  state_dtype  None          -
Adam, AdamW, NAdam, SGD  rounding     'stochastic'  -
Adam, AdamW, NAdam, SGD  seed         0             -
=======================  ===========  ============  ============================

``betas`` and ``eps`` are taken as well. The order of the arguments differs too: hand over all but ``params`` and ``lr``
by name. Gradients that are not finite skip the step, where torch's optimizers take it (``nonfinite="pass"``). Slots of
bfloat16 and float16 parameters are float32 unless ``state_dtype`` says otherwise, where torch's have the parameters'
dtype.
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
