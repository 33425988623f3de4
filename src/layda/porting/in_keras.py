"""Keras 3, on whatever backend it has: ``keras.optimizers``, whose SGD is the form "velocity"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from layda.objectives.data import DataObjective
from layda.porting.by_hand import ByHand, settings_of
from layda.porting.dialects import KERAS, PYTHON
from layda.porting.library import BEHIND, Library, Way, call, counter, indented
from layda.porting.schedules import Setting, exponent_from, number_of
from layda.rule import Rule
from layda.rules import Adam, AdamW, GradientDescent, HeavyBall, Lion, NAdam, Nesterov
from layda.schedules import CosineDecay, ExponentialDecay, InverseTimeDecay, StepDecay

__all__ = ["Keras"]


class Keras(Library):
    """Code for Keras 3."""

    title: ClassVar[str] = "Keras 3"
    home: ClassVar[str] = "keras.optimizers"
    arrays = KERAS
    plain = PYTHON
    imports = (
        "import keras", "",
        'keras.config.set_floatx("float64")  # as layda computes',
        "# The backend JAX needs JAX_ENABLE_X64=1 for it, and keeps sin, cos, … and Keras' schedules to eight digits.",
    )  # fmt: skip
    differentiates = False
    zeros = "keras.ops.zeros_like(position)"

    def way(self, rule: Rule, steps: int) -> Way | str:
        """From the table below."""
        made = _WAYS.get(type(rule))
        return f"keras.optimizers has no {rule.name}" if made is None else made(rule, settings_of(rule), steps)

    def start(self, numbers: str, by_hand: bool) -> str:
        """A variable, or a tensor for the step by hand."""
        if by_hand:
            return f'position = keras.ops.convert_to_tensor({numbers}, dtype="float64")'
        return f'position = keras.Variable({numbers}, dtype="float64")'

    def loop(self, way: Way, steps: int, batches: bool) -> list[str]:
        """Gradients are handed to the optimizer."""
        body = [*way.before, f"optimizer.apply([{_gradient(batches)}{way.pull}], [position])"]
        return [counter(body, steps), *indented(body)]

    def loop_by_hand(self, hand: ByHand, steps: int, batches: bool) -> list[str]:
        """The gradient, then the step."""
        k = ", k" if hand.uses_step else ""
        body = [f"position, state = step(position, {_gradient(batches)}, state{k})"]
        return [counter(body, steps), *indented(body)]

    def shown(self, name: str, label: str) -> str:
        """Numbers of Python."""
        return f"print({label}keras.ops.convert_to_numpy({name}).tolist(), float(f({name})))"

    def unpacked(self, names: Sequence[str]) -> str:
        """The parts of a tensor; a Variable has none on some backends."""
        left = f"({names[0]},)" if len(names) == 1 else ", ".join(names)
        return f"{left} = keras.ops.unstack(keras.ops.convert_to_tensor(position))"

    def stacked(self, texts: Sequence[str]) -> str:
        """keras.ops.stack."""
        return f"keras.ops.stack([{', '.join(texts)}])"

    def loss_of(self, objective: DataObjective) -> tuple[str, str]:
        """Models on tables are left to layda."""
        raise AssertionError("Keras differentiates through its backend only")

    def array(self, text: str) -> str:
        """A tensor."""
        return f"keras.ops.convert_to_tensor({text})"


def _gradient(batches: bool) -> str:
    return f"gradient_of(position{', k' if batches else ''})"


def _rate(setting: Setting) -> tuple[str, list[str], list[Setting]]:
    """learning_rate=, lines of the loop, functions of the step."""
    s, home = setting.value, "keras.optimizers.schedules."
    if setting.constant is not None:
        return number_of(setting.constant), [], []
    if isinstance(s, ExponentialDecay):
        return f"{home}ExponentialDecay({exponent_from(s)}, decay_steps=1, decay_rate={number_of(s.decay)})", [], []
    if isinstance(s, StepDecay):
        arguments = f"decay_steps={int(s.every)}, decay_rate={number_of(s.factor)}, staircase=True"
        return f"{home}ExponentialDecay({number_of(s.initial)}, {arguments})", [], []
    if isinstance(s, InverseTimeDecay):
        arguments = f"decay_steps=1, decay_rate={number_of(s.decay)}"
        return f"{home}InverseTimeDecay({number_of(s.initial)}, {arguments})", [], []
    if isinstance(s, CosineDecay) and s.initial > 0.0:
        alpha = f", alpha={number_of(s.final)} / {number_of(s.initial)}" if s.final else ""
        return f"{home}CosineDecay({number_of(s.initial)}, decay_steps={int(s.steps)}{alpha})", [], []
    return "1.0", [f"optimizer.learning_rate = {setting.at('k')}"], [setting]


def _made(
    rule: Rule,
    settings: dict[str, Setting],
    name: str,
    arguments: Sequence[str],
    notes: Sequence[str] = (),
    answer: Sequence[str] = (),
) -> Way | str:
    """The optimizer with the rate, and weight decay: decoupled is Keras' own, coupled is added to the gradient."""
    rate, before, functions = _rate(settings["learning_rate"])
    decay, pull = [], ""
    if rule.decays_weights:
        setting = settings["weight_decay"]
        if not rule.decoupled:
            pull = f" + {setting.at('k')} * position"
            functions = [*functions, *([setting] if setting.constant is None else [])]
        elif setting.constant is None:
            return f"keras.optimizers.{name} takes a constant weight decay"
        else:
            decay = [f"weight_decay={number_of(setting.constant)}"]
    lines = call("optimizer = ", f"keras.optimizers.{name}", [f"learning_rate={rate}", *arguments, *decay])
    return Way(lines, notes, functions, before=before, pull=pull, answer=answer)


def _gradient_descent(rule: Any, settings: dict[str, Setting], steps: int) -> Way | str:
    return _made(rule, settings, "SGD", [])


def _heavy_ball(rule: HeavyBall, settings: dict[str, Setting], steps: int) -> Way | str:
    rate, beta = settings["learning_rate"], settings["momentum"].constant
    if beta is None:
        return "keras.optimizers.SGD takes a constant momentum"
    if beta == 0.0:
        return _made(rule, settings, "SGD", [])
    if rule.form == "velocity" or (rule.form == "step" and rate.constant is not None):
        return _made(rule, settings, "SGD", [f"momentum={number_of(beta)}"])
    if rule.form == "step" and isinstance(rate.value, ExponentialDecay):
        notes = ["Keras scales the gradient on its way in (form 'velocity'), this run the velocity on its way out:"]
        notes += ["the momentum times the factor of the decay gives the same path."]
        return _made(rule, settings, "SGD", [f"momentum={number_of(beta)} * {number_of(rate.value.decay)}"], notes)
    if rule.form == "average" and rate.constant is not None and beta < 1.0 and not rule.decoupled:
        notes = ["Keras adds the whole gradient to its velocity, this run the share 1 - momentum: the rate has it."]
        made = _made(rule, settings, "SGD", [f"momentum={number_of(beta)}"], notes)
        assert isinstance(made, Way)
        text = number_of(rate.constant)
        first = made.optimizer[0].replace(f"learning_rate={text}", f"learning_rate={text} * (1 - {number_of(beta)})")
        return Way([first, *made.optimizer[1:]], notes, made.functions, before=made.before, pull=made.pull)
    return "keras.optimizers.SGD scales the gradient on its way into the velocity (form 'velocity')"


def _nesterov(rule: Nesterov, settings: dict[str, Setting], steps: int) -> Way | str:
    beta = settings["momentum"].constant
    if beta is None:
        return "keras.optimizers.SGD takes a constant momentum"
    if beta == 0.0:
        return _made(rule, settings, "SGD", [])
    answer = [BEHIND, f"answer = position - {number_of(beta)} * optimizer.momentums[0]"]
    arguments = [f"momentum={number_of(beta)}", "nesterov=True"]
    return _made(rule, settings, "SGD", arguments, answer=answer if steps else [])


def _moments(rule: Any, settings: dict[str, Setting], steps: int) -> Way | str:
    name = "Nadam" if isinstance(rule, NAdam) else "AdamW" if rule.decoupled else "Adam"
    constants = [settings[one].constant for one in ("beta1", "beta2", "epsilon")]
    if None in constants:
        return f"keras.optimizers.{name} takes constant betas"
    if isinstance(rule, NAdam):
        if rule.momentum_decay != 1.0:
            return f"keras.optimizers.Nadam has the momentum decay 1, and this run {rule.momentum_decay!r}"
    elif rule.epsilon != 0.0:
        return f"keras.optimizers.{name} adds epsilon before its bias correction, this run (and the paper) after it"
    arguments = [f"beta_1={rule.beta1!r}", f"beta_2={rule.beta2!r}", f"epsilon={rule.epsilon!r}"]
    if name == "AdamW" and not rule.decays_weights:
        arguments.append("weight_decay=0.0")
    return _made(rule, settings, name, arguments)


def _lion(rule: Lion, settings: dict[str, Setting], steps: int) -> Way | str:
    if settings["beta1"].constant is None or settings["beta2"].constant is None or rule.beta1 == 0.0:
        return "keras.optimizers.Lion takes constant betas, the first above 0"
    return _made(rule, settings, "Lion", [f"beta_1={rule.beta1!r}", f"beta_2={rule.beta2!r}"])


_WAYS: dict[type[Rule], Callable[[Any, dict[str, Setting], int], Way | str]] = {
    GradientDescent: _gradient_descent,
    HeavyBall: _heavy_ball,
    Nesterov: _nesterov,
    Adam: _moments,
    AdamW: _moments,
    NAdam: _moments,
    Lion: _lion,
}
