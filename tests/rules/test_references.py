"""Every rule against 30-digit reference trajectories."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layda
from layda.rules import Adam, AdamW, GradientDescent, HeavyBall, Nesterov
from layda.schedules import ExponentialDecay

DATA = json.loads((Path(__file__).parents[1] / "reference" / "trajectories.json").read_text(encoding="utf-8"))
OBJECTIVES: dict[str, Callable[..., Any]] = {
    "quad1d": lambda x: x * x / 2,
    "quad2d_k100": lambda x, y: (x * x + 100 * y * y) / 2,
    "rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
}


def number(text: str) -> float:
    return float(Fraction(text))


def rate(params: dict[str, str]) -> Any:
    alpha = number(params["alpha"])
    if "delta" not in params:
        return alpha
    return ExponentialDecay(alpha, number(params["delta"]), before_first_step=params["decay_when"] == "before")


def betas(params: dict[str, str]) -> tuple[float, float, float]:
    return number(params["beta1"]), number(params["beta2"]), number(params["eps"])


RULES: dict[str, Callable[[dict[str, str]], layda.Rule]] = {
    "gd": lambda p: GradientDescent(rate(p)),
    "hb_sum": lambda p: HeavyBall(rate(p), number(p["beta"]), form="step"),
    "hb_lr_inside": lambda p: HeavyBall(rate(p), number(p["beta"])),
    "hb_ema": lambda p: HeavyBall(rate(p), number(p["beta"]), form="average"),
    "nesterov_lookahead": lambda p: Nesterov(rate(p), number(p["beta"])),
    "nesterov_torch": lambda p: Nesterov(rate(p), number(p["beta"])),
    "adam": lambda p: Adam(rate(p), *betas(p)),
    "adamw": lambda p: AdamW(rate(p), *betas(p), weight_decay=number(p["weight_decay"])),
}


@pytest.mark.parametrize("run", DATA["runs"], ids=lambda run: run["id"])
def test_trajectory(run: dict[str, Any]) -> None:
    rule = RULES[run["method"]](run["params"])
    problem = DATA["problems"][run["problem"]]
    start = [number(x) for x in problem["x0"]]
    last = run["steps"][-1]["k"]
    found = layda.descend(OBJECTIVES[run["problem"]], rule, start=start, steps=last, tolerance=0)
    # The look-ahead form's reference speaks of the ball, ours takes gradients at the look-ahead point: the estimate.
    positions = found.estimates if run["method"] == "nesterov_lookahead" else found.positions
    for step in run["steps"]:
        wanted = np.array([float(x) for x in step["x"]])
        scale = max(1.0, float(np.max(np.abs(wanted))))
        assert np.max(np.abs(positions[step["k"]] - wanted)) <= 1e-12 * scale, step["k"]


def test_every_method_of_the_reference_is_tested() -> None:
    assert {run["method"] for run in DATA["runs"]} == set(RULES)
