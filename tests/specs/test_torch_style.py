"""Optimizers written as torch.optim writes them take torch's steps, or are refused."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from layda.errors import LaydaError, SettingError, SpecError, UnknownNameError
from layda.rules import (
    Adam,
    AdamW,
    GradientDescent,
    HeavyBall,
    NAdam,
    Nesterov,
    Rule,
)
from layda.schedules import (
    ExponentialDecay,
)
from layda.specs import to_rule


def refused(text: Any, kind: type[LaydaError], **options: Any) -> str:
    """The message, after the checks that every message must pass."""
    with pytest.raises(kind) as caught:
        to_rule(text, **options)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SGD(lr=0.1)", GradientDescent(0.1)),
        ("SGD()", GradientDescent(0.001)),
        ("sgd", GradientDescent(0.001)),
        ("sgd:lr=0.1,momentum=0.9", HeavyBall(0.1, 0.9, form="step")),
        ("SGD(0.1, momentum=0.9)", HeavyBall(0.1, 0.9, form="step")),
        ("SGD(params, lr=0.1)", GradientDescent(0.1)),
        ("torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)",
         HeavyBall(0.1, 0.9, form="step", weight_decay=1e-4)),
        ("SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)", Nesterov(0.1, 0.9, weight_decay=1e-4)),
        ("SGD(lr=0.1, dampening=0, maximize=False, foreach=None, fused=None, differentiable=False)",
         GradientDescent(0.1)),
        ("SGD(lr=ExponentialDecay(0.5, 0.9), momentum=0.9)", HeavyBall(ExponentialDecay(0.5, 0.9), 0.9, form="step")),
        ("optim.Adam()", Adam(0.001)),
        ("Adam(lr=0.1, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)", Adam(0.1, 0.8, 0.99, 1e-6, weight_decay=0.1)),
        ("adam(lr=0.1, amsgrad=False, capturable=False)", Adam(0.1)),
        ("Adam(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)", Adam(0.1, weight_decay=0.1, decoupled=True)),
        ("AdamW(lr=0.1)", AdamW(0.1, weight_decay=0.01)),
        ("torch.optim.AdamW(weight_decay=0)", AdamW(weight_decay=0.0)),
        ("NAdam(betas=(0.8, 0.9))", NAdam(0.002, 0.8, 0.9, momentum_decay=0.004)),
        ("torch.optim.NAdam(momentum_decay=0.01)", NAdam(0.002, momentum_decay=0.01)),
        ("Adam(0.1, beta1=0.5)", Adam(0.1, 0.5)),
    ],
)  # fmt: skip
def test_torch_style(text: str, rule: Rule) -> None:
    assert to_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "SGD(lr=0.1)",
        "SGD()",
        "SGD(lr=0.1, weight_decay=0.2)",
        "SGD(lr=0.1, momentum=0.9)",
        "SGD(lr=0.1, momentum=0.9, weight_decay=0.2)",
        "SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.2)",
        "Adam(lr=0.1)",
        "torch.optim.Adam()",
        "Adam(lr=0.1, betas=(0.5, 0.9), eps=0.01, weight_decay=0.2)",
        "Adam(lr=0.1, weight_decay=0.2, decoupled_weight_decay=True)",
        "torch.optim.AdamW()",
        "AdamW(lr=0.1, weight_decay=0.2)",
        "torch.optim.NAdam()",
        "NAdam(lr=0.1, betas=(0.5, 0.9), momentum_decay=0.1, weight_decay=0.2)",
        "NAdam(lr=0.1, weight_decay=0.2, decoupled_weight_decay=True)",
    ],
)
def test_torch_style_takes_torchs_steps(text: str, request: pytest.FixtureRequest) -> None:
    """The same gradients, twenty steps, in double precision."""
    torch = pytest.importorskip("torch")
    from layda.rule import Stepper

    call = text.split("(", 1)[1].removesuffix(")")
    name = text.split("(", 1)[0].removeprefix("torch.optim.")
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # or NAdam keeps the product of its momenta in single precision
    request.addfinalizer(lambda: torch.set_default_dtype(usual))
    weight = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    keywords = eval(f"dict({call})", {"__builtins__": {}, "dict": dict})  # noqa: S307  # the list above
    optimizer = getattr(torch.optim, name)([weight], **keywords)
    stepper = Stepper(to_rule(text))
    position: Any = 1.0
    state = stepper.start(stepper.numbers, position)
    for t in range(20):
        gradient = float(np.cos(3.0 * t) + position)
        position, state = stepper.step(stepper.numbers, float(t), position, gradient, state)
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        assert position == pytest.approx(weight.item(), rel=1e-12, abs=1e-14)


def test_torchs_defaults_are_those_of_the_installed_torch() -> None:
    torch = pytest.importorskip("torch")
    from layda.specs.torch_style import _DEFAULTS, _IGNORED

    for name, ours in _DEFAULTS.items():
        parameters = inspect.signature(getattr(torch.optim, name)).parameters
        theirs = {key: value.default for key, value in parameters.items() if key != "params"}
        assert {key: theirs[key] for key in ours} == ours, name
        assert set(theirs) == set(ours) | (_IGNORED & set(theirs)), name


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("SGD(lr=0.1, dampening=0.5)", SpecError,
         "SGD: dampening=0.5 has no counterpart here; allowed is dampening=0.0; leave it out"),
        ("Adam(lr=0.1, amsgrad=True)", SpecError,
         "Adam: amsgrad=True has no counterpart here; allowed is amsgrad=False; leave it out"),
        ("SGD(lr=0.1, maximize=True)", SpecError,
         "SGD: maximize=True has no counterpart here; allowed is maximize=False; leave it out"),
        ("SGD(lr=0.1, nesterov=1)", SpecError, "SGD: nesterov is 1; allowed are True and False"),
        ("SGD(lr=0.1, nesterov=True)", SpecError,
         "SGD: nesterov=True with momentum=0 is refused by torch too; write momentum=0.9, for example"),
        ("SGD(lr=ExponentialDecay(), momentum=0.9, nesterov=True)", SpecError,
         "SGD: nesterov=True takes the same steps as a rule here only while lr and momentum are numbers; received a "
         "schedule; write nesterov:learning_rate=… for Nesterov's rule under a schedule"),
        ("SGD(lr=0.1, momentums=0.9)", UnknownNameError,
         "torch.optim.SGD has no option 'momentums'; did you mean momentum?"),
        ("SGD(0.1, 0.9)", SpecError,
         "SGD has 2 values without a name; allowed is one, the learning rate; write key=value"),
        ("SGD(0.1, lr=0.1)", SpecError, "SGD: lr is given twice; give it once"),
        ("Adam(betas=0.9)", SpecError, "Adam: betas is 0.9; allowed are two numbers; write betas=(0.9, 0.999)"),
        ("Adam(lr=0.1, beta1=0.9)", UnknownNameError,
         "torch.optim.Adam has no option 'beta1'; torch calls it betas; write torch's names throughout, or layda's, "
         "such as adam:learning_rate=0.1,beta1=0.9"),
        ("torch.optim.Adamm()", UnknownNameError,
         "torch.optim's 'Adamm' is not known here; did you mean Adam or NAdam or AdamW?"),
        ("SGD(lr=-0.1)", SettingError, "GradientDescent: learning_rate is -0.1; allowed is a finite number, 0 or more"),
    ],
)  # fmt: skip
def test_torch_style_refused(text: str, kind: type[LaydaError], message: str) -> None:
    assert refused(text, kind) == message
