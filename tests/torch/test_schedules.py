"""Schedules: torch's, whose rate does what the rule's equation says, and layda's, which nothing else may contradict."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layda
from layda.errors import SettingError
from layda.rule import Rule
from layda.rules import HeavyBall, Nesterov
from layda.schedules import ExponentialDecay, ODonoghueCandesMomentum, SutskeverMomentum, Warmup
from tests.cases import RULES

torch = pytest.importorskip("torch")

from torch.optim import lr_scheduler as by_torch  # noqa: E402

import layda.torch as lt  # noqa: E402

STEPS = 40
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)
both_paths = pytest.mark.parametrize("fused", [None, False])


def _parameter(values: Any = (1.5, -0.75)) -> Any:
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


def _push(step: int) -> Any:
    return torch.tensor([np.sin(step), 1.0 + 0.1 * step], dtype=torch.float64)


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda o: by_torch.LambdaLR(o, lambda t: 0.95**t),
    "MultiplicativeLR": lambda o: by_torch.MultiplicativeLR(o, lambda t: 0.9 if t % 3 else 1.05),
    "StepLR": lambda o: by_torch.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda o: by_torch.MultiStepLR(o, [3, 11], 0.3),
    "ConstantLR": lambda o: by_torch.ConstantLR(o, 0.25, 5),
    "LinearLR": lambda o: by_torch.LinearLR(o, 0.1, 1.0, 10),
    "ExponentialLR": lambda o: by_torch.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: by_torch.PolynomialLR(o, 30, 2.0),
    "CosineAnnealingLR": lambda o: by_torch.CosineAnnealingLR(o, 20, 0.001),
    "CosineAnnealingWarmRestarts": lambda o: by_torch.CosineAnnealingWarmRestarts(o, 6, 2),
    "ReduceLROnPlateau": lambda o: by_torch.ReduceLROnPlateau(o, patience=2, factor=0.5),
    "CyclicLR": lambda o: by_torch.CyclicLR(o, 0.01, 0.1, 5),
    "OneCycleLR": lambda o: by_torch.OneCycleLR(o, 0.1, STEPS),
    "SequentialLR": lambda o: by_torch.SequentialLR(
        o, [by_torch.ConstantLR(o, 0.1, 5), by_torch.ExponentialLR(o, 0.9)], [5]
    ),
    "ChainedScheduler": lambda o: by_torch.ChainedScheduler(
        [by_torch.ConstantLR(o, 0.5, 4), by_torch.ExponentialLR(o, 0.95)], optimizer=o
    ),
}


def test_no_scheduler_is_forgotten() -> None:
    own = {"LRScheduler", "_LRScheduler"}
    found = {
        name for name, one in vars(by_torch).items() if inspect.isclass(one) and issubclass(one, by_torch.LRScheduler)
    }
    assert found - own == set(SCHEDULERS)


def _planned(name: str) -> list[tuple[float, float]]:
    """(rate, momentum) of every step, as torch's own SGD is given them."""
    x = _parameter()
    optimizer = torch.optim.SGD([x], 0.1, momentum=0.9)
    scheduler, found = SCHEDULERS[name](optimizer), []
    for step in range(STEPS):
        found.append((float(optimizer.param_groups[0]["lr"]), float(optimizer.param_groups[0]["momentum"])))
        x.grad = _push(step)
        optimizer.step()
        scheduler.step(1.0) if name == "ReduceLROnPlateau" else scheduler.step()
    return found


def _by_formula(form: str, plan: list[tuple[float, float]]) -> Any:
    """The equations of the rule's docstring, with the rates and momenta that come."""
    x, v = _parameter().detach(), torch.zeros(2, dtype=torch.float64)
    for step, (rate, momentum) in enumerate(plan):
        g = _push(step)
        if form == "velocity":
            v = momentum * v + rate * g
            x = x - v
        elif form == "nesterov":  # torch's schedulers do not tell the next step's momentum: it is taken to stay
            v = momentum * v + rate * g
            x = x - (momentum * v + rate * g)
        elif form == "step":
            v = momentum * v + g
            x = x - rate * v
        else:
            v = momentum * v + (1.0 - momentum) * g
            x = x - rate * v
    return x


@pytest.mark.parametrize("name", SCHEDULERS)
def test_torchs_schedulers_do_what_the_equation_says(name: str) -> None:
    plan = _planned(name)
    assert len(set(plan)) > 1
    for form, fused in itertools.product(("velocity", "step", "average", "nesterov"), (None, False)):
        x = _parameter()
        if form == "nesterov":
            optimizer = lt.Nesterov([x], 0.1, 0.9, fused=fused)
        else:
            optimizer = lt.HeavyBall([x], 0.1, 0.9, form=form, fused=fused)
        scheduler = SCHEDULERS[name](optimizer)
        for step in range(STEPS):
            group = optimizer.param_groups[0]
            assert (group["lr"], group["momentum"]) == plan[step]
            x.grad = _push(step)
            optimizer.step()
            scheduler.step(1.0) if name == "ReduceLROnPlateau" else scheduler.step()
        torch.testing.assert_close(x.detach(), _by_formula(form, plan), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_torchs_schedulers_with_torchs_sgd(name: str) -> None:
    """The same run as torch's own, cycled momenta included."""
    ends = []
    for make in (lt.SGD, torch.optim.SGD):
        x = _parameter()
        optimizer = make([x], 0.1, momentum=0.9, dampening=0.25, weight_decay=0.01)
        scheduler = SCHEDULERS[name](optimizer)
        for step in range(STEPS):
            x.grad = _push(step)
            optimizer.step()
            scheduler.step(1.0) if name == "ReduceLROnPlateau" else scheduler.step()
        ends.append(x.detach())
    torch.testing.assert_close(*ends, rtol=0, atol=1e-13)


def test_cycles_momentum_only_where_there_is_one() -> None:
    optimizer = lt.HeavyBall([_parameter()], 0.1, 0.9)
    by_torch.OneCycleLR(optimizer, 0.1, STEPS, base_momentum=0.5, max_momentum=0.75)
    assert optimizer.param_groups[0]["momentum"] == 0.75
    with pytest.raises(ValueError, match="cycle_momentum"):
        by_torch.OneCycleLR(lt.GradientDescent([_parameter()]), 0.1, STEPS)
    by_torch.OneCycleLR(lt.GradientDescent([_parameter()]), 0.1, STEPS, cycle_momentum=False)


@both_paths
@each_rule
def test_a_scheduler_with_every_rule(rule: Rule, fused: bool | None) -> None:
    """A scheduler of torch's and the same numbers written into the group by hand give the same bits."""
    if isinstance(rule.learning_rate, layda.schedules.Schedule):
        pytest.skip("it has a schedule of its own")
    ends = []
    for by_hand in (False, True):
        x = _parameter()
        optimizer = lt.Optimizer([x], rule, fused=fused)
        rate = optimizer.param_groups[0]["lr"]
        scheduler = None if by_hand else by_torch.StepLR(optimizer, 2, 0.5)
        for step in range(9):
            x.grad = _push(step)
            optimizer.step()
            if scheduler is None:
                optimizer.param_groups[0]["lr"] = rate * 0.5 ** ((step + 1) // 2)
            else:
                scheduler.step()
        ends.append(x.detach())
    assert torch.equal(*ends)


# --- layda's ----------------------------------------------------------------------------------------------------------


@both_paths
@pytest.mark.parametrize(
    "rule",
    [
        HeavyBall(ExponentialDecay(0.05, 0.9), 0.9),
        HeavyBall(Warmup(5, 0.05), SutskeverMomentum(0.95, 4), form="step"),
        Nesterov(0.02, ODonoghueCandesMomentum(0.01)),
        Nesterov(0.02, SutskeverMomentum(0.99, 3), weight_decay=ExponentialDecay(0.1, 0.9)),
    ],
    ids=str,
)
def test_laydas_schedules_are_those_of_a_descent(rule: Rule, fused: bool | None) -> None:
    """The same positions as ``layda.descend``, and the group shows what comes next."""
    run = layda.descend("x^2/2 + 5*y^2", rule, start=(1.5, -0.75), steps=30, tolerance=0)
    x = _parameter()
    optimizer = lt.Optimizer([x], rule, fused=fused)
    group = optimizer.param_groups[0]
    for step in range(30):
        assert all(isinstance(group[name], float) for name in ("lr", "momentum", "weight_decay"))
        x.grad = x.detach() * torch.tensor([1.0, 10.0], dtype=torch.float64)
        optimizer.step()
        assert x.tolist() == run.positions[step + 1].tolist()
    assert group["steps"] == 30


def test_lr_takes_a_schedule() -> None:
    ends = []
    for make in (
        lambda p: lt.Optimizer(p, HeavyBall(ExponentialDecay(0.1, 0.5))),
        lambda p: lt.HeavyBall(p, ExponentialDecay(0.1, 0.5)),
        lambda p: lt.HeavyBall(p, lr=ExponentialDecay(0.1, 0.5)),
        lambda p: lt.HeavyBall([{"params": p, "lr": ExponentialDecay(0.1, 0.5)}], lr=7.0),
    ):
        x = _parameter()
        optimizer = make([x])
        for step in range(4):
            x.grad = _push(step)
            optimizer.step()
        ends.append(x.detach())
    assert all(torch.equal(one, ends[0]) for one in ends)


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_two_schedules_of_the_rate_are_refused(name: str, steps: int) -> None:
    x = _parameter()
    optimizer = lt.HeavyBall([x], ExponentialDecay(0.1, 0.9))
    for step in range(steps):
        x.grad = _push(step)
        optimizer.step()
    SCHEDULERS[name](optimizer)
    x.grad, before = _push(steps), x.detach().clone()
    if name == "ReduceLROnPlateau":  # it writes nothing before it has seen a plateau
        optimizer.param_groups[0]["lr"] *= 0.5
    with pytest.raises(
        SettingError, match=r"follows ExponentialDecay.*something else sets it.*allowed is one of the two"
    ):
        optimizer.step()
    assert torch.equal(x, before)


def test_two_schedules_of_the_momentum_are_refused() -> None:
    x = _parameter()
    optimizer = lt.HeavyBall([x], 0.1, SutskeverMomentum(0.9))
    by_torch.OneCycleLR(optimizer, 0.1, STEPS)
    x.grad = _push(0)
    with pytest.raises(SettingError, match="momentum follows SutskeverMomentum"):
        optimizer.step()


@both_paths
def test_torchs_rate_beside_laydas_momentum(fused: bool | None) -> None:
    x, y = _parameter(), _parameter()
    optimizer = lt.HeavyBall([x], 0.1, SutskeverMomentum(0.95, 3), fused=fused)
    other = lt.HeavyBall(
        [y], ExponentialDecay(0.1, 0.5, before_first_step=False), SutskeverMomentum(0.95, 3), fused=fused
    )
    scheduler = by_torch.ExponentialLR(optimizer, 0.5)
    for step in range(10):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(other.param_groups[0]["lr"])
        x.grad = y.grad = _push(step)
        optimizer.step()
        other.step()
        scheduler.step()
    torch.testing.assert_close(x.detach(), y.detach(), rtol=0, atol=1e-14)


@both_paths
def test_every_group_has_its_own_time(fused: bool | None) -> None:
    """A group that joins later begins its schedule then."""
    first, late, alone = _parameter(), _parameter(), _parameter()
    optimizer = lt.HeavyBall([first], ExponentialDecay(0.1, 0.5), fused=fused)
    for step in range(3):
        first.grad = _push(step)
        optimizer.step()
    optimizer.add_param_group({"params": [late], "lr": ExponentialDecay(0.1, 0.5)})
    other = lt.HeavyBall([alone], ExponentialDecay(0.1, 0.5), fused=fused)
    for step in range(3):
        late.grad = alone.grad = _push(step)
        optimizer.step()
        other.step()
    assert torch.equal(late, alone)
    assert [group["steps"] for group in optimizer.param_groups] == [6, 3]
