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


def distance(rule: Any, compiled: bool, steps: int = STEPS) -> float:
    """The largest distance between the two paths; gradients of both are NumPy's, so only the rule's steps differ.

    All classics at once, one a row: a rule's step knows nothing of the other coordinates.
    """
    objectives, transform, stepper = [classic(name) for name in CLASSICS], layda.jax.optimizer(rule), Stepper(rule)
    x = np.array([objective.start for objective in objectives], float)
    carried, params = stepper.start(stepper.numbers, x), jnp.asarray(x)
    state, largest, found = transform.init(params), np.max(np.abs(x), axis=1), 0.0
    rolling = np.ones(len(x), bool)

    def step(gradient: Any, state: Any, params: Any) -> Any:
        updates, state = transform.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    def slopes(points: np.ndarray) -> np.ndarray:
        pairs = zip(objectives, points, strict=True)
        return np.array([np.asarray(objective.value_and_gradient(point)[1]) for objective, point in pairs])

    step = jax.jit(step) if compiled else step
    for t in range(steps):
        ours = slopes(x)
        theirs = ours if np.array_equal(x, params) else slopes(np.asarray(params))
        rolling &= np.all(np.abs(ours) < 1e6, axis=1)  # where it diverged, rounding grows without bound
        if not rolling.any():
            break
        ours, theirs = np.where(rolling[:, None], ours, 0.0), np.where(rolling[:, None], theirs, 0.0)
        params, state = step(jnp.asarray(theirs), state, params)
        x, carried = stepper.step(stepper.numbers, float(t), x, ours, carried)
        largest = np.maximum(largest, np.max(np.abs(x), axis=1))
        apart = (np.max(np.abs(np.asarray(params) - x), axis=1) / largest)[rolling]
        assert np.all(np.isfinite(apart)), (str(rule), t)
        found = max(found, float(np.max(apart)))
    return found


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_eager_steps_are_numpy_s_bits(rule: Any, runs: int) -> None:
    with in_64_bits():
        found = distance(rule, compiled=False, steps=STEPS if runs > 1 else 50)
    assert found <= EAGER.get(rule.name, 0.0)


@pytest.mark.parametrize("rule", RULES, ids=identity)
def test_compiled_steps_are_numpy_s_within_rounding(rule: Any) -> None:
    with in_64_bits():
        found = distance(rule, compiled=True)
    assert found <= COMPILED.get(rule.name, 5e-15)


def test_compiled_steps_are_numpy_s_bits_where_the_processor_cannot_fuse() -> None:
    """Without fused multiply-add instructions XLA has nothing to contract with."""
    code = (
        "import jax; jax.config.update('jax_enable_x64', True)\n"
        "from tests.cases import RULES\n"
        "from tests.jax.test_bits import UNFUSED, distance\n"
        "for rule in RULES:\n"
        "    found = distance(rule, compiled=True)\n"
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
