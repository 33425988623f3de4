# Made by tools/stubs.py from the list of rules.
from typing import Any

import optax

from layda.jax.answers import estimates as estimates
from layda.jax.answers import settings as settings
from layda.jax.answers import with_hyperparams as with_hyperparams
from layda.jax.state import State as State
from layda.jax.transformation import Transformation as Transformation
from layda.jax.transformation import optimizer as optimizer

def gradient_descent(
    learning_rate: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def heavy_ball(
    learning_rate: Any = ...,
    momentum: Any = ...,
    form: str = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def nesterov(
    learning_rate: Any = ...,
    momentum: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def quasi_hyperbolic(
    learning_rate: Any = ...,
    momentum: Any = ...,
    nu: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def aggregated_momentum(
    learning_rate: Any = ...,
    momenta: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def adam(
    learning_rate: Any = ...,
    beta1: Any = ...,
    beta2: Any = ...,
    epsilon: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def adamw(
    learning_rate: Any = ...,
    beta1: Any = ...,
    beta2: Any = ...,
    epsilon: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def nadam(
    learning_rate: Any = ...,
    beta1: Any = ...,
    beta2: Any = ...,
    epsilon: Any = ...,
    momentum_decay: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def lion(
    learning_rate: Any = ...,
    beta1: Any = ...,
    beta2: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def sign_momentum(
    learning_rate: Any = ...,
    momentum: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
def schedule_free(
    learning_rate: Any = ...,
    momentum: Any = ...,
    *,
    weight_decay: Any = ...,
    decoupled: bool = ...,
    state_dtype: Any = ...,
) -> optax.GradientTransformationExtraArgs: ...
