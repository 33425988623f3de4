"""Every rule as an optax gradient transformation, with hyperparameters that live in the state and keep their precision.

>>> import jax.numpy as jnp, layda, optax
>>> transform = layda.jax.heavy_ball(learning_rate=0.25, momentum=0.5)
>>> params = {"weight": jnp.array([1.0, -2.0])}
>>> state = transform.init(params)
>>> updates, state = transform.update({"weight": 2 * params["weight"]}, state, params)
>>> optax.apply_updates(params, updates)["weight"].tolist()
[0.5, -1.0]
>>> state.hyperparams["momentum"] = 0.9  # nothing is compiled anew

Besides :func:`optimizer`, which takes any rule, there is one function for each rule of :data:`layda.rules.ALL`.

How far float64 paths (200 steps on four classics, ``jax_enable_x64``) are from NumPy's, as a share of the largest
coordinate on the path; 0 means every bit:

===================  =======  =====================  =======  =========================================================
rule                 eager    jit without fma        jit      why not 0
===================  =======  =====================  =======  =========================================================
gradient-descent     0        0                      2.3e-16  XLA's CPU code rounds a·b + c once (fma)
heavy-ball           0        0                      1.3e-15  likewise (all forms, schedules, both weight decays)
nesterov             0        0                      1.1e-15  likewise
quasi-hyperbolic     0        0                      2.8e-15  likewise
aggregated-momentum  0        8.9e-16                6.7e-16  under jit α/K is α·(1/K)
adam                 2.5e-16  2.5e-16                3.1e-16  XLA divides an array by √(1 − β₂ᵗ) through its reciprocal
adamw                1.4e-16  1.4e-16                1.7e-15  likewise
nadam                1.5e-16  1.5e-16                5.9e-16  likewise
lion, sign-momentum  0        0                      0
schedule-free        1.9e-14  1.9e-14                2.0e-14  x + (x′ − x) is not x′ where a step is longer than x
===================  =======  =====================  =======  =========================================================

"Without fma" is ``XLA_FLAGS=--xla_cpu_max_isa=AVX``, set before JAX starts.

Where a function has the name of one of optax's (0.2; schedule_free is in ``optax.contrib``), all else is the same but:

==========================  ==============  ======  =======================
name                        argument        here    optax
==========================  ==============  ======  =======================
adam, adamw                 learning_rate   0.001   learning_rate=required
nadam                       learning_rate   0.002   learning_rate=required
lion                        learning_rate   0.0001  learning_rate=required
schedule_free               learning_rate   0.1     learning_rate=required
adam, adamw, nadam, lion    beta1           0.9     b1=0.9
adam, adamw, nadam          beta2           0.999   b2=0.999
lion                        beta2           0.99    b2=0.99
adam, adamw, nadam          epsilon         1e-08   eps=1e-08
adam, adamw, nadam          -               -       eps_root=0.0
adamw                       weight_decay    0.01    weight_decay=0.0001
lion                        weight_decay    0.0     weight_decay=0.001
adam, nadam, schedule_free  weight_decay    0.0     -
adamw, lion                 decoupled       True    -
adam, nadam, schedule_free  decoupled       False   -
adamw, lion                 -               -       mask=None
nadam                       momentum_decay  0.004   -
nadam                       -               -       nesterov=True
adam, adamw                 -               -       nesterov=False
schedule_free               momentum        0.9     b1=0.9
schedule_free               -               -       base_optimizer=required
schedule_free               -               -       weight_lr_power=2.0
adam, adamw, nadam, lion    state_dtype     None    -
adam, adamw, nadam, lion    -               -       mu_dtype=None
==========================  ==============  ======  =======================

Defaults here are the rules' own: they are PyTorch's, where it has the rule. Besides,

- nadam has PyTorch's schedule of its momentum; ``nadam(momentum_decay=1e4)`` is ``optax.nadam``;
- schedule_free is ``optax.contrib.schedule_free(optax.sgd(α), α)``;
- the real and the imaginary part of a complex parameter are coordinates of their own, as in PyTorch, where optax's
  Adams divide both by their common size;
- slots of bfloat16 and float16 parameters are float32 unless ``state_dtype`` says otherwise, where optax keeps them in
  the parameters' dtype;
- a mask for the weight decay is ``optax.multi_transform`` with two transformations.
"""

from __future__ import annotations

from typing import Any

from layda.errors import MissingExtraError

try:
    import jax as _jax  # noqa: F401  # asked for here, so that what is missing is named
    import optax as _optax  # noqa: F401
except ImportError as _fault:
    raise MissingExtraError("jax with optax", "jax", "layda.jax") from _fault

from layda.errors import nearest
from layda.jax.answers import estimates, settings, with_hyperparams
from layda.jax.named import function_name as _function_name
from layda.jax.named import named as _named
from layda.jax.state import State
from layda.jax.transformation import Transformation, optimizer
from layda.rules import ALL as _ALL

_NAMED = {_function_name(_rule): _named(_rule) for _rule in _ALL}
globals().update(_NAMED)

__all__ = ["State", "Transformation", "estimates", "optimizer", "settings", "with_hyperparams"]
__all__ += list(_NAMED)


def __getattr__(name: str) -> Any:  # the named functions are there already; this is for type checkers and typing slips
    raise AttributeError(f"module 'layda.jax' has no attribute {name!r}; {nearest(name, __all__)}")
