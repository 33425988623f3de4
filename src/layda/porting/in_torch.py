"""PyTorch: ``torch.optim``, its schedulers, and schedulefree's SGD."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from layda.objectives.data import DataObjective
from layda.porting.by_hand import ByHand, settings_of
from layda.porting.dialects import PYTHON, TORCH
from layda.porting.library import BEHIND, Library, Way, call, counter, indented, positive
from layda.porting.schedules import Setting, exponent_from, number_of
from layda.rule import Rule
from layda.rules import Adam, AdamW, GradientDescent, HeavyBall, NAdam, Nesterov, ScheduleFreeSGD
from layda.schedules import Constant, ExponentialDecay, StepDecay, Warmup

__all__ = ["Torch"]

_GROUP = "optimizer.param_groups[0]"
_LOSSES = {
    "square": "0.5 * torch.nn.functional.mse_loss(scores[:, 0], targets)",
    "logistic": "torch.nn.functional.binary_cross_entropy_with_logits(scores[:, 0], targets)",
    "softmax": "torch.nn.functional.cross_entropy(scores, targets.long())",
}


class Torch(Library):
    """Code for PyTorch."""

    title: ClassVar[str] = "PyTorch"
    home: ClassVar[str] = "torch.optim"
    arrays = TORCH
    plain = PYTHON
    imports = ("import torch", "", "torch.set_default_dtype(torch.float64)  # as layda computes")
    zeros = "torch.zeros_like(position)"

    def way(self, rule: Rule, steps: int) -> Way | str:
        """From the table below."""
        made = _WAYS.get(type(rule))
        return f"torch.optim has no {rule.name}" if made is None else made(rule, settings_of(rule), steps)

    def start(self, numbers: str, by_hand: bool) -> str:
        """A leaf."""
        return f"position = torch.tensor({numbers}{'' if by_hand else ', requires_grad=True'})"

    def loop(self, way: Way, steps: int, batches: bool) -> list[str]:
        """backward, step."""
        body = ["batch = torch.tensor(table.batch_rows(k))"] if batches else []
        body += ["optimizer.zero_grad()"]
        body += [f"f(position{', rows[batch], targets[batch]' if batches else ''}).backward()"]
        body += [*way.before, "optimizer.step()", *way.after]
        return [counter(body, steps), *indented(body)]

    def loop_by_hand(self, hand: ByHand, steps: int, batches: bool) -> list[str]:
        """The gradient, then the step."""
        body = ["batch = torch.tensor(table.batch_rows(k))"] if batches else []
        inside = f"f(position{', rows[batch], targets[batch]' if batches else ''})"
        body += [
            "position.requires_grad_()",
            f"(gradient,) = torch.autograd.grad({inside}, position)",
            f"position, state = step(position.detach(), gradient, state{', k' if hand.uses_step else ''})",
        ]
        return [counter(body, steps), *indented(body)]

    def shown(self, name: str, label: str) -> str:
        """Numbers of Python."""
        return f"print({label}{name}.tolist(), f({name}).item())"

    def unpacked(self, names: Sequence[str]) -> str:
        """A tensor of one dimension can be unpacked."""
        return f"({names[0]},) = position" if len(names) == 1 else f"{', '.join(names)} = position"

    def stacked(self, texts: Sequence[str]) -> str:
        """torch.stack."""
        return f"torch.stack([{', '.join(texts)}])"

    def loss_of(self, objective: DataObjective) -> tuple[str, str]:
        """torch.nn.functional's."""
        return _LOSSES[objective.model.loss.name], "torch.tanh"

    def array(self, text: str) -> str:
        """A copy."""
        return f"torch.tensor({text})"


def _rate(setting: Setting, function: bool = False) -> tuple[str, list[str], list[str], list[Setting]]:
    """lr=, the scheduler's lines, the loop's, and whether the function of the step is needed."""
    schedule = setting.value
    after = ["scheduler.step()"]
    made = "scheduler = torch.optim.lr_scheduler."
    if setting.constant is not None:
        return f"lr={number_of(setting.constant)}", [], [], []
    if isinstance(schedule, ExponentialDecay) and not function:
        lines = [f"{made}ExponentialLR(optimizer, gamma={number_of(schedule.decay)})"]
        return f"lr={exponent_from(schedule)}", lines, after, []
    if isinstance(schedule, StepDecay) and not function:
        arguments = f"step_size={int(schedule.every)}, gamma={number_of(schedule.factor)}"
        return f"lr={number_of(schedule.initial)}", [f"{made}StepLR(optimizer, {arguments})"], after, []
    return "lr=1.0", [f"{made}LambdaLR(optimizer, {setting.function})  # multiplies lr"], after, [setting]


def _decay(rule: Rule, settings: dict[str, Setting], named: bool) -> tuple[list[str], list[str], list[Setting]]:
    """Weight decay: arguments of the optimizer, lines before its step, functions.

    Args:
        rule: the rule.
        settings: its settings.
        named: whether the optimizer itself takes the decay in the rule's way.
    """
    if not rule.decays_weights:
        return [], [], []
    decay = settings["weight_decay"]
    functions = [decay] if decay.constant is None else []
    if named:
        if decay.constant is not None:
            return [f"weight_decay={number_of(decay.constant)}"], [], []
        return ["weight_decay=0.0"], [f'{_GROUP}["weight_decay"] = {decay.at("k")}'], functions
    rate = settings["learning_rate"]
    text = f'{_GROUP}["lr"]' if rate.constant is None else number_of(rate.constant)
    return [], ["with torch.no_grad():", f"    position.mul_(1 - {text} * {decay.at('k')})"], functions


def _sgd(
    rule: Rule,
    settings: dict[str, Setting],
    rate: Setting,
    momentum: list[str],
    *,
    function: bool = False,
    before: Sequence[str] = (),
    functions: Sequence[Setting] = (),
    notes: Sequence[str] = (),
    answer: Sequence[str] = (),
) -> Way:
    lr, scheduler, after, needed = _rate(rate, function)
    arguments, lines, others = _decay(rule, settings, not rule.decoupled)
    return Way(
        [*call("optimizer = ", "torch.optim.SGD", ["[position]", lr, *momentum, *arguments]), *scheduler],
        notes,
        [*needed, *functions, *others],
        before=[*before, *lines],
        after=after,
        answer=answer,
    )


def _gradient_descent(rule: Any, settings: dict[str, Setting], steps: int) -> Way | str:
    return _sgd(rule, settings, settings["learning_rate"], [])


def _heavy_ball(rule: HeavyBall, settings: dict[str, Setting], steps: int) -> Way | str:
    rate, momentum = settings["learning_rate"], settings["momentum"]
    beta = momentum.constant
    if beta is None and 0.0 in momentum.values(steps):
        return "torch.optim.SGD leaves its buffer alone at a step whose momentum is 0, and this schedule has such steps"
    if rule.form == "average":
        return _average(rule, settings, beta)
    if beta == 0.0:
        return _sgd(rule, settings, rate, [])
    arguments, before, functions, notes, function = [f"momentum={number_of(beta or 0.0)}"], [], [], [], False
    text = momentum.at("k")
    if beta is None:
        functions.append(momentum)
        before = [f'{_GROUP}["momentum"] = {text}']
    if rule.form == "velocity" and rate.constant is None:
        if not positive(rate, steps):
            return "torch.optim.SGD scales the velocity on its way out, so that a rate of 0 would hold the ball"
        notes = ["torch scales the velocity on its way out (form 'step'), this run the gradient on its way in:"]
        if isinstance(rate.value, ExponentialDecay) and beta is not None:
            arguments = [f"momentum={number_of(beta)} / {number_of(rate.value.decay)}"]
            notes += ["the momentum divided by the factor of the decay gives the same path."]
        else:
            function = True
            ratio = f"{rate.at('max(k - 1, 0)')} / {rate.at('k')}"
            before = [f'{_GROUP}["momentum"] = {text} * {ratio}']
            notes += ["the momentum divided by the change of the rate gives the same path."]
    return _sgd(rule, settings, rate, arguments, function=function, before=before, functions=functions, notes=notes)


def _average(rule: HeavyBall, settings: dict[str, Setting], beta: float | None) -> Way | str:
    """v ← βv + (1 − β)g is (1 − β) times torch's buffer, which the rate takes over."""
    rate = settings["learning_rate"].constant
    if rate is None or beta is None or rule.decoupled:
        return "torch.optim.SGD averages (dampening) from its second step only, and its rate cannot take that over here"
    made = _sgd(rule, settings, Setting("learning_rate", rate), [f"momentum={number_of(beta)}"] if beta else [])
    if not beta:
        return made
    first = made.optimizer[0].replace(f"lr={number_of(rate)}", f"lr={number_of(rate)} * (1 - {number_of(beta)})")
    notes = ["torch adds the whole gradient to its buffer, this run the share 1 - momentum: the rate has it."]
    return Way([first, *made.optimizer[1:]], notes, made.functions, before=made.before, after=made.after)


def _nesterov(rule: Nesterov, settings: dict[str, Setting], steps: int) -> Way | str:
    rate, beta = settings["learning_rate"].constant, settings["momentum"].constant
    if rate is None or beta is None:
        return "torch.optim.SGD(nesterov=True) takes these steps only while rate and momentum are constant"
    if beta == 0.0:
        return _sgd(rule, settings, settings["learning_rate"], [])
    behind = f'{number_of(beta)} * {number_of(rate)} * optimizer.state[position]["momentum_buffer"]'
    return _sgd(
        rule,
        settings,
        settings["learning_rate"],
        [f"momentum={number_of(beta)}", "nesterov=True"],
        answer=[BEHIND, f"answer = position.detach() + {behind}"] if steps else [],
    )


def _adam(rule: Any, settings: dict[str, Setting], steps: int) -> Way | str:
    constants = {name: settings[name].constant for name in ("beta1", "beta2", "epsilon")}
    name = "NAdam" if isinstance(rule, NAdam) else "AdamW" if rule.decoupled else "Adam"
    if None in constants.values():
        return f"torch.optim.{name} corrects its averages for constant betas, not for a schedule"
    if constants["beta1"] == 1.0 or constants["beta2"] == 1.0:
        return f"torch.optim.{name} refuses a beta of 1"
    lr, scheduler, after, functions = _rate(settings["learning_rate"])
    arguments = ["[position]", lr, f"betas=({rule.beta1!r}, {rule.beta2!r})", f"eps={rule.epsilon!r}"]
    decay, before, others = _decay(rule, settings, True)
    if isinstance(rule, NAdam):
        arguments.append(f"momentum_decay={rule.momentum_decay!r}")
        decay += ["decoupled_weight_decay=True"] if decay and rule.decoupled else []
    elif name == "AdamW" and not decay:
        decay = ["weight_decay=0.0"]
    lines = [*call("optimizer = ", f"torch.optim.{name}", [*arguments, *decay]), *scheduler]
    return Way(lines, (), [*functions, *others], before=before, after=after)


def _schedule_free(rule: ScheduleFreeSGD, settings: dict[str, Setting], steps: int) -> Way | str:
    rate, beta = rule.learning_rate, settings["momentum"].constant
    decay = settings["weight_decay"].constant if rule.decays_weights else 0.0
    warm = isinstance(rate, Warmup) and isinstance(rate.then, Constant)
    constant = rate.then.constant if warm else settings["learning_rate"].constant
    if not beta or constant is None or decay is None or (decay and rule.decoupled):
        return (
            "schedulefree.SGDScheduleFree has constant settings only (and a warmup of the rate), a momentum above 0, "
            "and weight decay through the gradient"
        )
    arguments = ["[position]", f"lr={number_of(constant)}", f"momentum={number_of(beta)}"]
    arguments += [f"warmup_steps={int(rate.steps) + 1}"] if warm else []
    arguments += [f"weight_decay={number_of(decay)}"] if decay else []
    return Way(
        [*call("optimizer = ", "schedulefree.SGDScheduleFree", arguments), "optimizer.train()"],
        ["torch.optim has no schedule-free rule; its authors' package has: python -m pip install schedulefree"],
        imports=["import schedulefree"],
        answer=["optimizer.eval()  # the parameters become the average, which is the answer"],
    )


_WAYS: dict[type[Rule], Callable[[Any, dict[str, Setting], int], Way | str]] = {
    GradientDescent: _gradient_descent,
    HeavyBall: _heavy_ball,
    Nesterov: _nesterov,
    Adam: _adam,
    AdamW: _adam,
    NAdam: _adam,
    ScheduleFreeSGD: _schedule_free,
}
