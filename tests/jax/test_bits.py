"""JAX and NumPy in float64, bit for bit where XLA's arithmetic allows, and how far apart where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra [jax] is not installed")
optax = pytest.importorskip("optax", reason="the extra [jax] is not installed")

import jax.numpy as jnp  # noqa: E402

import layda  # noqa: E402
from layda.rule import Stepper  # noqa: E402
from tests.cases import RULES, classic  # noqa: E402
from tests.jax.problems import identity, in_64_bits  # noqa: E402

CLASSICS = ("sphere", "himmelblau", "six_hump_camel", "rosenbrock")
STEPS = 200
"""As in the table in ``layda.jax``; an ordinary run takes the first 50 of the eager steps."""
EAGER = {"adam": 1e-15, "adamw": 1e-15, "nadam": 1e-15, "schedule-free": 5e-14}
"""The rules that are not equal even eagerly, with the largest distance as a share of the path's largest coordinate:
XLA divides an array by one number through its reciprocal (Adam and its kin: √s/√(1 − β₂ᵗ)), and x + (x′ − x) is not x′
where a step is longer than x (schedule-free, NAdam)."""
UNFUSED = EAGER | {"aggregated-momentum": 2e-15}
"""Under jit on a processor without fused multiply-add; there α/K is a reciprocal too."""
COMPILED = {"lion": 0.0, "sign-momentum": 0.0, "schedule-free": 5e-14}
"""Under jit, where XLA's CPU code rounds a·b + c once; 5e-15 for the others."""


def distance(rule: Any, name: str, compiled: bool, steps: int = STEPS) -> float:
    """The largest distance between the two paths; gradients of both are NumPy's, so only the rule's steps differ."""
    objective, transform, stepper = classic(name), layda.jax.optimizer(rule), Stepper(rule)
    x = np.array(objective.start, float)
    carried, params = stepper.start(stepper.numbers, x), jnp.asarray(x)
    state, largest, found = transform.init(params), float(np.max(np.abs(x))), 0.0

    def step(gradient: Any, state: Any, params: Any) -> Any:
        updates, state = transform.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    step = jax.jit(step) if compiled else step
    for t in range(steps):
        theirs = np.asarray(objective.value_and_gradient(np.asarray(params))[1])
        ours = np.asarray(objective.value_and_gradient(x)[1])
        if not np.all(np.abs(ours) < 1e6):  # diverged: rounding grows without bound
            break
        params, state = step(jnp.asarray(theirs), state, params)
        x, carried = stepper.step(stepper.numbers, float(t), x, ours, carried)
        largest = max(largest, float(np.max(np.abs(x))))
        found = max(found, float(np.max(np.abs(np.asarray(params) - x))) / largest)
    return found


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_eager_steps_are_numpy_s_bits(rule: Any, runs: int) -> None:
    with in_64_bits():
        found = [distance(rule, name, compiled=False, steps=STEPS if runs > 1 else 50) for name in CLASSICS]
    assert max(found) <= EAGER.get(rule.name, 0.0)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_compiled_steps_are_numpy_s_within_rounding(rule: Any) -> None:
    with in_64_bits():
        found = [distance(rule, name, compiled=True) for name in CLASSICS]
    assert max(found) <= COMPILED.get(rule.name, 5e-15)


def test_compiled_steps_are_numpy_s_bits_where_the_processor_cannot_fuse() -> None:
    """Without fused multiply-add instructions XLA has nothing to contract with."""
    code = (
        "import jax; jax.config.update('jax_enable_x64', True)\n"
        "from tests.cases import RULES\n"
        "from tests.jax.test_bits import CLASSICS, UNFUSED, distance\n"
        "for rule in RULES:\n"
        "    found = max(distance(rule, name, compiled=True) for name in CLASSICS)\n"
        "    assert found <= UNFUSED.get(rule.name, 0.0), (str(rule), found)\n"
        "print('equal')\n"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True)  # noqa: S603
    if "equal" not in done.stdout and "xla_cpu_max_isa" in done.stderr and "Unknown" in done.stderr:
        pytest.skip("this XLA has no flag xla_cpu_max_isa")
    assert done.stdout.strip() == "equal", done.stderr
