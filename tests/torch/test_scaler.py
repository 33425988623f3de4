"""torch.amp.GradScaler: scaled gradients, overflows, several optimizers, clipping; torch.optim.SGD beside us."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")

import layda.torch as lt  # noqa: E402
from tests.cases import RULES  # noqa: E402

FUSED = pytest.mark.parametrize("fused", [None, False], ids=["fused", "readable"])


def net(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))


def loss(model: Any, step: int) -> Any:
    draw = torch.Generator().manual_seed(step)
    x, y = torch.randn(10, 4, generator=draw), torch.randn(10, 3, generator=draw)
    return ((model(x) - y) ** 2).mean()


def scaler(**settings: Any) -> Any:
    return torch.amp.GradScaler("cpu", **({"init_scale": 2.0**12, "growth_interval": 3} | settings))


def descend(
    model: Any, optimizer: Any, scale: Any, steps: range, bad: tuple[int, ...] = (), clip: bool = False
) -> None:
    """Training as torch's documentation writes it; some steps overflow."""
    for step in steps:
        optimizer.zero_grad()
        scale.scale(loss(model, step) * (float("inf") if step in bad else 1.0)).backward()
        if clip:
            scale.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        scale.step(optimizer)
        scale.update()


def numbers(model: Any) -> list[Any]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def close(one: Any, other: Any) -> None:
    for own, its in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own, its, rtol=2e-6, atol=1e-7)


@FUSED
@pytest.mark.parametrize("clip", [False, True], ids=["scaled", "unscaled and clipped"])
@pytest.mark.parametrize("bad", [(), (0,), (0, 1, 5), (4, 11)], ids=str)
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_same_as_torch_with_the_same_scaler(nesterov: bool, bad: Any, clip: bool, fused: bool | None) -> None:
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.01}
    model, other = net(), net()
    scale, its = scaler(), scaler()
    optimizer = lt.SGD(model.parameters(), fused=fused, **settings)
    descend(model, optimizer, scale, range(20), bad, clip)
    descend(other, torch.optim.SGD(other.parameters(), **settings), its, range(20), bad, clip)
    close(model, other)
    assert scale.get_scale() == its.get_scale()
    assert optimizer.skipped == len(bad)
    assert optimizer.param_groups[0]["steps"] == 20 - len(bad)


@FUSED
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_scale_of_two_to_a_power_changes_no_bit(rule: Any, fused: bool | None) -> None:
    """Also where it changes on the way; float64, so that no gradient comes near the smallest numbers."""
    model, other = net().double(), net().double()
    optimizer = lt.Optimizer(model.parameters(), rule, fused=fused)
    plain = lt.Optimizer(other.parameters(), rule, fused=fused)
    for step in range(12):
        for own, taking in ((model, optimizer), (other, plain)):
            taking.zero_grad()
            draw = torch.Generator().manual_seed(step)
            x = torch.randn(10, 4, generator=draw, dtype=torch.float64)
            value = (own(x) ** 2).mean()
            if taking is optimizer:
                optimizer.grad_scale, optimizer.found_inf = torch.tensor(2.0 ** (12 + step // 3)), torch.tensor(0.0)
                (value * optimizer.grad_scale.double()).backward()
            else:
                value.backward()
            taking.step()
    assert all(map(torch.equal, numbers(model), numbers(other)))


@FUSED
@pytest.mark.parametrize("policy", ["skip", "raise", "pass"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_an_overflow_on_the_first_step_leaves_nothing(rule: Any, policy: str, fused: bool | None) -> None:
    """Where torch’s fused SGD leaves a buffer of uninitialised memory. No warning: the scaler has said it."""
    model, other = net(), net()
    before = numbers(model)
    optimizer = lt.Optimizer(model.parameters(), rule, nonfinite=policy, fused=fused)
    begun = copy.deepcopy(optimizer.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        descend(model, optimizer, scale := scaler(), range(1), bad=(0,))
    assert all(map(torch.equal, before, numbers(model)))
    assert not optimizer.state
    begun["param_groups"][0]["run"]["skipped"] = 1
    assert str(optimizer.state_dict()) == str(begun)
    assert scale.get_scale() == 2.0**11
    assert not hasattr(optimizer, "grad_scale")
    assert not hasattr(optimizer, "found_inf")
    descend(model, optimizer, scale, range(1, 4))
    plain = lt.Optimizer(other.parameters(), rule, fused=fused)
    descend(other, plain, scaler(init_scale=2.0**11), range(1, 4))
    assert all(map(torch.equal, numbers(model), numbers(other)))


@FUSED
def test_gradients_are_not_written(fused: bool | None) -> None:
    """They stay scaled, where torch's scaler does not unscale them itself."""
    for settings in ({}, {"nesterov": True}, {"maximize": True}, {"weight_decay": 0.1}):
        model, scale = net(), scaler()
        optimizer = lt.SGD(model.parameters(), momentum=0.9, fused=fused, **settings)
        scale.scale(loss(model, 0)).backward()
        kept = [parameter.grad.clone() for parameter in model.parameters()]
        scale.step(optimizer)
        now = [parameter.grad for parameter in model.parameters()]
        assert all(map(torch.equal, kept, now))


@FUSED
def test_scaled_and_unscaled_steps_take_turns(fused: bool | None) -> None:
    """With unscale_ the scaler hands over no scale: one program and the other, one state."""
    model, other, scale = net(), net(), scaler(growth_interval=1000)
    optimizer, theirs = (
        lt.SGD(model.parameters(), momentum=0.9, fused=fused),
        torch.optim.SGD(other.parameters(), momentum=0.9),
    )
    for step in range(8):
        descend(model, optimizer, scale, range(step, step + 1), clip=step % 2 == 0)
        descend(other, theirs, its := scaler(), range(step, step + 1), clip=step % 2 == 0)
        assert its.get_scale() == scale.get_scale()
    close(model, other)


@FUSED
def test_several_optimizers_one_overflows(fused: bool | None) -> None:
    """Each has findings of its own: one skips, the other goes on, as with torch's."""
    found = []
    for kind, settings in ((lt.SGD, {"fused": fused}), (torch.optim.SGD, {})):
        model, scale = net(), scaler()
        both = [kind(layer.parameters(), lr=0.1, momentum=0.9, **settings) for layer in (model[0], model[2])]
        for step in range(6):
            for optimizer in both:
                optimizer.zero_grad()
            scale.scale(loss(model, step)).backward()
            if step in (0, 3):
                model[2].weight.grad[0, 0] = float("nan")
            for optimizer in both:
                scale.step(optimizer)
            scale.update()
        found.append(model)
        if kind is lt.SGD:
            assert [optimizer.skipped for optimizer in both] == [0, 2]
            assert [optimizer.param_groups[0]["steps"] for optimizer in both] == [6, 4]
    close(*found)


@FUSED
def test_several_groups_skip_together(fused: bool | None) -> None:
    model, scale = net(), scaler()
    optimizer = lt.HeavyBall([{"params": layer.parameters()} for layer in (model[0], model[2])], fused=fused)
    descend(model, optimizer, scale, range(2))
    before = numbers(model)
    optimizer.zero_grad()
    scale.scale(loss(model, 2)).backward()
    model[2].bias.grad[-1] = float("inf")
    scale.step(optimizer)
    assert all(map(torch.equal, before, numbers(model)))
    assert [group["steps"] for group in optimizer.param_groups] == [2, 2]


@FUSED
def test_half_precision_parameters(fused: bool | None) -> None:
    """float16 gradients scaled by 2¹²: unscaled in float32, so that what float16 cannot hold is not lost."""
    parameter = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float16))
    optimizer = lt.HeavyBall([parameter], lr=1.0, momentum=0.5, fused=fused)
    optimizer.grad_scale, optimizer.found_inf = torch.tensor(2.0**12), torch.tensor(0.0)
    parameter.grad = torch.tensor([2.0**-16], dtype=torch.float16)
    optimizer.step()
    assert optimizer.state[parameter]["velocity"].item() == 2.0**-28


def test_a_scaler_that_is_off() -> None:
    model, other = net(), net()
    descend(model, lt.HeavyBall(model.parameters()), scaler(enabled=False), range(5))
    optimizer = lt.HeavyBall(other.parameters())
    for step in range(5):
        optimizer.zero_grad()
        loss(other, step).backward()
        optimizer.step()
    assert all(map(torch.equal, numbers(model), numbers(other)))


def test_a_step_that_overflows_is_cheap_to_forget() -> None:
    """The plan is made again after a skipped step, and is the same."""
    model, scale = net(), scaler()
    optimizer = lt.Adam(model.parameters())
    descend(model, optimizer, scale, range(6), bad=(2, 3))
    other, its = net(), scaler(init_scale=scale.get_scale(), growth_interval=1000)
    plain = lt.Adam(other.parameters())
    for step in (0, 1, 4, 5):
        descend(other, plain, its, range(step, step + 1))
    close(model, other)
