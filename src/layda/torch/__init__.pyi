# Made by tools/stubs.py from the list of rules.
from typing import Any

import torch

from layda.torch.optimizer import Optimizer as Optimizer

class GradientDescent(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class HeavyBall(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momentum: Any = ...,
        form: str = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class Nesterov(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momentum: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class QuasiHyperbolic(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momentum: Any = ...,
        nu: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class AggregatedMomentum(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momenta: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class Adam(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        beta1: Any = ...,
        beta2: Any = ...,
        epsilon: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        betas: Any = ...,
        eps: Any = ...,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class AdamW(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        beta1: Any = ...,
        beta2: Any = ...,
        epsilon: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        betas: Any = ...,
        eps: Any = ...,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class NAdam(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        beta1: Any = ...,
        beta2: Any = ...,
        epsilon: Any = ...,
        momentum_decay: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        betas: Any = ...,
        eps: Any = ...,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class Lion(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        beta1: Any = ...,
        beta2: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        betas: Any = ...,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class SignMomentum(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momentum: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class ScheduleFreeSGD(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momentum: Any = ...,
        weight_decay: Any = ...,
        decoupled: bool = ...,
        maximize: bool = ...,
        *,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...

class SGD(Optimizer):
    def __init__(
        self,
        params: Any,
        lr: Any = ...,
        momentum: Any = ...,
        dampening: Any = ...,
        weight_decay: Any = ...,
        nesterov: bool = ...,
        *,
        maximize: bool = ...,
        foreach: bool | None = ...,
        nonfinite: str = ...,
        state_dtype: torch.dtype | None = ...,
        rounding: str = ...,
        seed: int = ...,
        fused: bool | None = ...,
        differentiable: bool = ...,
    ) -> None: ...
