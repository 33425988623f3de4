"""Handwritten digits in JAX: a multilayer perceptron and a small convolutional net, rule beside rule.

python examples/training/digits_jax.py --save digits.png         (about two minutes on two cores)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import jax
import jax.numpy as jnp
import numpy as np
import optax
from comparison import GRID, SHORT, Outcome, carry_out
from digits import batches, load

import layda.jax

BATCH = 64
RULES = GRID | {name: GRID[rule] for name, rule in SHORT.items()}
RULES |= {"optax.sgd": GRID["heavy ball"], "optax.adam": GRID["Adam"]}


@cache
def transformation(rule: str) -> optax.GradientTransformationExtraArgs:
    """The transformation of a contestant; its rate is set in its state."""
    made: dict[str, Callable[..., Any]] = {
        "gradient descent": layda.jax.gradient_descent,
        "heavy ball": layda.jax.heavy_ball,
        "Nesterov": layda.jax.nesterov,
        "Adam": layda.jax.adam,
        "Lion": layda.jax.lion,
        "sign momentum": layda.jax.sign_momentum,
        "schedule-free": layda.jax.schedule_free,
    }
    if rule.startswith("optax"):
        peer = optax.adam if rule == "optax.adam" else lambda learning_rate: optax.sgd(learning_rate, momentum=0.9)
        return optax.inject_hyperparams(peer)(learning_rate=0.1)
    short = {"state_dtype": jnp.bfloat16} if rule in SHORT else {}
    return made[SHORT.get(rule, rule)](**short)


def perceptron(params: Any, rows: Any) -> Any:
    """64 points, 64 hidden units, 10 digits."""
    return jax.nn.relu(rows @ params["in"] + params["in bias"]) @ params["out"] + params["out bias"]


def convolutional(params: Any, rows: Any) -> Any:
    """Two layers of 3 × 3 filters, each followed by the largest of 2 × 2."""
    pictures = rows.reshape(-1, 8, 8, 1)
    for layer in ("first", "second"):
        filtered = jax.lax.conv_general_dilated(
            pictures, params[layer], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        kept = jax.nn.relu(filtered + params[f"{layer} bias"])
        pictures = jax.lax.reduce_window(kept, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return pictures.reshape(len(rows), -1) @ params["out"] + params["out bias"]


SHAPES = {
    perceptron: {"in": (64, 64), "in bias": (64,), "out": (64, 10), "out bias": (10,)},
    convolutional: {
        "first": (3, 3, 1, 8), "first bias": (8,), "second": (3, 3, 8, 16), "second bias": (16,),
        "out": (64, 10), "out bias": (10,),
    },
}  # fmt: skip
NETS = {"digits, multilayer perceptron (JAX)": perceptron, "digits, convolutional net (JAX)": convolutional}


def begin(net: Callable[..., Any], seed: int) -> dict[str, Any]:
    """Weights of the size that keeps the signal's (He et al. 2015), biases of zero."""
    random = np.random.default_rng(seed)
    sizes = {name: np.prod(shape[:-1]) for name, shape in SHAPES[net].items()}
    return {
        name: jnp.zeros(shape) if len(shape) == 1 else
        jnp.asarray(random.normal(0.0, np.sqrt(2.0 / sizes[name]), shape), jnp.float32)
        for name, shape in SHAPES[net].items()
    }  # fmt: skip


@cache
def stepping(net: Callable[..., Any], rule: str) -> Callable[..., Any]:
    """One step, compiled once for all rates: the rate is part of the state."""
    transform = transformation(rule)

    def loss_of(params: Any, rows: Any, answers: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(net(params, rows), answers).mean()

    @jax.jit
    def step(params: Any, state: Any, rows: Any, answers: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(params, rows, answers)
        updates, state = transform.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    return step


def training(net: str, steps: int, rule: str, rate: float, seed: int) -> Outcome:
    """One training of a net."""
    data, transform, step = load(), transformation(rule), stepping(NETS[net], rule)
    rows, answers = data.train
    params = begin(NETS[net], seed)
    state = transform.init(params)
    state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
    order, every = batches(len(answers), BATCH, seed), max(1, steps // 20)
    marks, losses, held = [], [], []
    for count in range(1, steps + 1):
        places = next(order)
        params, state, loss = step(params, state, rows[places], answers[places])
        held.append(loss)
        if count % every == 0:
            marks.append(count)
            losses.append(float(sum(held)) / len(held))
            held = []
    answer = params if rule.startswith("optax") else layda.jax.estimates(transform, params, state)
    scores = {name: NETS[net](answer, getattr(data, name)[0]) for name in ("validation", "held_out")}
    chosen_by = optax.softmax_cross_entropy_with_integer_labels(scores["validation"], data.validation[1]).mean()
    accuracy = 100.0 * float((scores["held_out"].argmax(1) == data.held_out[1]).mean())
    return Outcome(tuple(marks), tuple(losses), float(chosen_by), accuracy)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and tell."""
    carry_out(__doc__, arguments, list(NETS), "accuracy, %", training, RULES, steps=360)


if __name__ == "__main__":
    main()
