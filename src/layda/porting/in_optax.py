"""JAX with optax: chains of transformations, whose order is the form of the momentum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from layda.objectives.data import DataObjective
from layda.porting.by_hand import ByHand, settings_of
from layda.porting.dialects import JAX
from layda.porting.library import BEHIND, Library, Way, call, counter, indented
from layda.porting.schedules import Setting, number_of
from layda.rule import Rule
from layda.rules import Adam, AdamW, GradientDescent, HeavyBall, Lion, NAdam, Nesterov, ScheduleFreeSGD, SignMomentum
from layda.schedules import CosineDecay

__all__ = ["Optax"]

_Piece = tuple[str, list[Setting]]
_NO_SCHEDULE = 1000.0
"""From this momentum_decay on, ½·0.96^ψ is lost beside 1, and NAdam's momentum is β₁ from the first step on."""
_LOSSES = {
    "square": "0.5 * jnp.mean((scores[:, 0] - targets) ** 2)",
    "logistic": "jnp.mean(optax.sigmoid_binary_cross_entropy(scores[:, 0], targets))",
    "softmax": "jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, targets.astype(int)))",
}


class Optax(Library):
    """Code for JAX and optax."""

    title: ClassVar[str] = "JAX with optax"
    home: ClassVar[str] = "optax"
    arrays = JAX
    plain = None
    imports = (
        "import jax", "import jax.numpy as jnp", "import optax", "",
        'jax.config.update("jax_enable_x64", True)  # as layda computes',
    )  # fmt: skip
    zeros = "jnp.zeros_like(position)"

    def way(self, rule: Rule, steps: int) -> Way | str:
        """From the table below."""
        made = _WAYS.get(type(rule))
        return f"optax has no {rule.name}" if made is None else made(rule, settings_of(rule))

    def start(self, numbers: str, by_hand: bool) -> str:
        """An array."""
        return f"position = jnp.array({numbers})"

    def loop(self, way: Way, steps: int, batches: bool) -> list[str]:
        """One compiled step."""
        more = ", rows, targets" if batches else ""
        lines = [
            "state = optimizer.init(position)", "", "",
            "@jax.jit",
            f"def step(position, state{more}):",
            f"    gradient = jax.grad(f)(position{more})",
            "    updates, state = optimizer.update(gradient, state, position)",
            "    return optax.apply_updates(position, updates), state", "", "",
        ]  # fmt: skip
        return [*lines, *_loop("position, state = step(position, state{})", steps, batches)]

    def loop_by_hand(self, hand: ByHand, steps: int, batches: bool) -> list[str]:
        """Gradient and step, compiled."""
        k = ", k" if hand.uses_step else ""
        text = f"position, state = step(position, slope(position{{}}), state{k})"
        return ["step, slope = jax.jit(step), jax.jit(jax.grad(f))", *_loop(text, steps, batches)]

    def shown(self, name: str, label: str) -> str:
        """Numbers of Python."""
        return f"print({label}{name}.tolist(), f({name}).item())"

    def unpacked(self, names: Sequence[str]) -> str:
        """An array of one dimension can be unpacked."""
        return f"({names[0]},) = position" if len(names) == 1 else f"{', '.join(names)} = position"

    def stacked(self, texts: Sequence[str]) -> str:
        """jnp.stack."""
        return f"jnp.stack([{', '.join(texts)}])"

    def loss_of(self, objective: DataObjective) -> tuple[str, str]:
        """optax's losses."""
        return _LOSSES[objective.model.loss.name], "jnp.tanh"

    def array(self, text: str) -> str:
        """A copy."""
        return f"jnp.array({text})"


def _loop(text: str, steps: int, batches: bool) -> list[str]:
    body = ["batch = table.batch_rows(k)"] if batches else []
    body.append(text.format(", rows[batch], targets[batch]" if batches else ""))
    return [counter(body, steps), *indented(body)]


def _schedule(setting: Setting) -> _Piece:
    """A number, one of optax's schedules where it has the same values, or a function of the step.

    ``optax.exponential_decay`` divides the int32 count, which makes its rates float32 even in float64's mode.
    """
    s = setting.value
    if setting.constant is not None:
        return number_of(setting.constant), []
    if isinstance(s, CosineDecay) and s.initial > 0.0:
        alpha = f", alpha={number_of(s.final)} / {number_of(s.initial)}" if s.final else ""
        return f"optax.cosine_decay_schedule({number_of(s.initial)}, decay_steps={int(s.steps)}{alpha})", []
    return setting.function, [setting]


def _injected(piece: str, name: str, setting: Setting, more: str = "") -> _Piece:
    """A transformation with one setting, which may change with the step."""
    text, functions = _schedule(setting)
    if setting.constant is not None:
        return f"optax.{piece}({name}={text}{more})", functions
    return f"optax.inject_hyperparams(optax.{piece})({name}={text}{more})", functions


def _chained(
    rule: Rule,
    settings: dict[str, Setting],
    pieces: list[_Piece],
    *,
    notes: Sequence[str] = (),
    answer: Sequence[str] = (),
) -> Way:
    """The pieces with weight decay where it belongs: first where it is coupled, else before the rate, which is last."""
    if rule.decays_weights:
        decay = _injected("add_decayed_weights", "weight_decay", settings["weight_decay"])
        pieces = [*pieces[:-1], decay, pieces[-1]] if rule.decoupled else [decay, *pieces]
    functions = [one for _, needed in pieces for one in needed]
    texts = [text for text, _ in pieces]
    lines = [f"optimizer = {texts[0]}"] if len(texts) == 1 else call("optimizer = ", "optax.chain", texts)
    return Way(lines, notes, functions, answer=answer)


def _rate(settings: dict[str, Setting]) -> _Piece:
    text, functions = _schedule(settings["learning_rate"])
    return f"optax.scale_by_learning_rate({text})", functions


def _plain_sgd(rule: Rule, settings: dict[str, Setting], more: str = "") -> Way:
    """optax.sgd, with coupled decay before it; decoupled decay needs the chain's parts."""
    text, functions = _schedule(settings["learning_rate"])
    return _chained(rule, settings, [(f"optax.sgd({text}{more})", functions)])


def _gradient_descent(rule: Any, settings: dict[str, Setting]) -> Way | str:
    if rule.decays_weights and rule.decoupled:
        return _chained(rule, settings, [_rate(settings)])
    return _plain_sgd(rule, settings)


def _heavy_ball(rule: HeavyBall, settings: dict[str, Setting]) -> Way | str:
    rate, momentum = settings["learning_rate"], settings["momentum"]
    decoupled = rule.decays_weights and rule.decoupled
    if rule.form == "average":
        return _chained(rule, settings, [_injected("ema", "decay", momentum, ", debias=False"), _rate(settings)])
    trace = _injected("trace", "decay", momentum)
    if rule.form == "velocity" and rate.constant is None:
        if decoupled:
            return "in a chain of optax the rate would come before the momentum and after the decoupled weight decay"
        notes = ["optax.sgd scales the velocity on its way out (form 'step'), this run the gradient on its way in:"]
        notes += ["the rate comes first in the chain."]
        return _chained(rule, settings, [_rate(settings), trace], notes=notes)
    if decoupled or momentum.constant is None:
        return _chained(rule, settings, [trace, _rate(settings)])
    return _plain_sgd(rule, settings, f", momentum={number_of(momentum.constant)}")


def _nesterov(rule: Nesterov, settings: dict[str, Setting]) -> Way | str:
    rate, beta = settings["learning_rate"], settings["momentum"].constant
    if beta is None:
        return "optax.trace(nesterov=True) looks ahead with this step's momentum, this run with the next one's"
    if rule.decays_weights and rule.decoupled and rate.constant is None:
        return "in a chain of optax the rate would come before the momentum and after the decoupled weight decay"
    trace: _Piece = (f"optax.trace(decay={number_of(beta)}, nesterov=True)", [])
    place = "state[1]" if rule.decays_weights else "state"
    if rate.constant is None:
        notes = ["The rate comes first in the chain: it scales the gradient on its way into the velocity."]
        where = 2 if rule.decays_weights else 1
        answer = [BEHIND, f"answer = position - {number_of(beta)} * state[{where}].trace"]
        return _chained(rule, settings, [_rate(settings), trace], notes=notes, answer=answer)
    scale = f"{number_of(beta)} * {number_of(rate.constant)}"
    if rule.decays_weights and rule.decoupled:
        answer = [BEHIND, f"answer = position + {scale} * state[0].trace"]
        return _chained(rule, settings, [trace, _rate(settings)], answer=answer)
    way = _plain_sgd(rule, settings, f", momentum={number_of(beta)}, nesterov=True")
    answer = [BEHIND, f"answer = position + {scale} * {place}[0].trace"]
    return Way(way.optimizer, functions=way.functions, answer=answer)


def _moments(rule: Any, settings: dict[str, Setting]) -> Way | str:
    constants = [settings[name].constant for name in ("beta1", "beta2", "epsilon")]
    if None in constants:
        return "optax.adam corrects its averages for constant betas, not for a schedule"
    arguments = f", b1={rule.beta1!r}, b2={rule.beta2!r}, eps={rule.epsilon!r}"
    text, functions = _schedule(settings["learning_rate"])
    if rule.decays_weights and rule.decoupled:
        decay = settings["weight_decay"].constant
        if decay is None:
            pieces = [(f"optax.scale_by_adam({arguments[2:]})", []), _rate(settings)]
            return _chained(rule, settings, pieces)
        arguments += f", weight_decay={number_of(decay)}"
        return Way(call("optimizer = ", "optax.adamw", [text + arguments]), functions=functions)
    return _chained(rule, settings, [(f"optax.adam({text}{arguments})", functions)])


def _nadam(rule: NAdam, settings: dict[str, Setting]) -> Way | str:
    if rule.momentum_decay < _NO_SCHEDULE:
        return "optax.nadam has no schedule of its momentum (momentum_decay), and differs by it"
    if None in [settings[name].constant for name in ("beta1", "beta2", "epsilon")]:
        return "optax.nadam corrects its averages for constant betas, not for a schedule"
    text, functions = _schedule(settings["learning_rate"])
    arguments = [text, f"b1={rule.beta1!r}", f"b2={rule.beta2!r}", f"eps={rule.epsilon!r}"]
    if rule.decays_weights and rule.decoupled:
        pieces = [(f"optax.scale_by_adam({', '.join(arguments[1:])}, nesterov=True)", []), _rate(settings)]
        return _chained(rule, settings, pieces)
    return _chained(rule, settings, [(f"optax.nadam({', '.join(arguments)})", functions)])


def _lion(rule: Lion, settings: dict[str, Setting]) -> Way | str:
    betas = [settings[name].constant for name in ("beta1", "beta2")]
    if None in betas:
        return "optax.lion takes constant betas"
    piece: _Piece = (f"optax.scale_by_lion(b1={rule.beta1!r}, b2={rule.beta2!r})", [])
    text, functions = _schedule(settings["learning_rate"])
    decay = settings["weight_decay"].constant if rule.decays_weights else 0.0
    if decay is None or (decay and not rule.decoupled):
        return _chained(rule, settings, [piece, _rate(settings)])
    arguments = [text, f"b1={rule.beta1!r}", f"b2={rule.beta2!r}", f"weight_decay={number_of(decay)}"]
    return Way(call("optimizer = ", "optax.lion", arguments), functions=functions)


def _sign(rule: SignMomentum, settings: dict[str, Setting]) -> Way | str:
    average = _injected("ema", "decay", settings["momentum"], ", debias=False")
    return _chained(rule, settings, [average, ("optax.scale_by_sign()", []), _rate(settings)])


def _schedule_free(rule: ScheduleFreeSGD, settings: dict[str, Setting]) -> Way | str:
    rate, beta = settings["learning_rate"].constant, settings["momentum"].constant
    if not beta or rate is None or (rule.decays_weights and rule.decoupled):
        return (
            "optax.contrib.schedule_free takes these steps with constant settings, a momentum above 0 and weight decay "
            "through the gradient"
        )
    text, b1 = number_of(rate), number_of(beta)
    core: _Piece = (f"optax.contrib.schedule_free(optax.sgd({text}), learning_rate={text}, b1={b1})", [])
    way = _chained(rule, settings, [core])
    place = "state[1]" if rule.decays_weights else "state"
    answer = [f"answer = optax.contrib.schedule_free_eval_params({place}, position)  # the average"]
    return Way(way.optimizer, functions=way.functions, answer=answer)


_WAYS: dict[type[Rule], Callable[[Any, dict[str, Setting]], Way | str]] = {
    GradientDescent: _gradient_descent,
    HeavyBall: _heavy_ball,
    Nesterov: _nesterov,
    Adam: _moments,
    AdamW: _moments,
    NAdam: _nadam,
    Lion: _lion,
    SignMomentum: _sign,
    ScheduleFreeSGD: _schedule_free,
}
