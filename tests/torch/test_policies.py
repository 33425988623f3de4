"""Gradients that are not finite, a GradScaler's overflows, and the answer in place of the parameters."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

import layda
from layda.errors import ComputationError, SettingError
from layda.rule import Rule
from layda.rules import Adam, HeavyBall, ScheduleFreeSGD
from layda.schedules import ExponentialDecay, SutskeverMomentum
from tests.cases import RULES
from tests.torch.infos import INFOS

torch = pytest.importorskip("torch")

import layda.torch as lt  # noqa: E402

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)
both_paths = pytest.mark.parametrize("fused", [None, False])
NAN, INF = float("nan"), float("inf")
_APART = ("params", "run")


def _parameter(values: Any, dtype: Any = torch.float32) -> Any:
    return torch.nn.Parameter(torch.as_tensor(values, dtype=dtype))


def _numbers(optimizer: Any) -> Any:
    """All that a step may change, as plain data; the count of skipped steps is looked at by itself."""
    state = optimizer.state_dict()
    return (
        [[one.detach().tolist() for one in group["params"]] for group in optimizer.param_groups],
        {key: {name: value.tolist() for name, value in slots.items()} for key, slots in state["state"].items()},
        [{name: value for name, value in group.items() if name not in _APART} for group in state["param_groups"]],
    )


# --- not finite -------------------------------------------------------------------------------------------------------


@both_paths
@each_rule
def test_all_or_nothing(rule: Rule, fused: bool | None) -> None:
    """Nothing changes anywhere, t included: the run goes on as if the step had not been asked for."""
    found = []
    for bad in (None, NAN, INF, -INF):
        params = [_parameter([1.0, -2.0]), _parameter(3.0), _parameter([[0.5] * 3] * 2)]
        groups = [{"params": params[:1]}, {"params": params[1:], "weight_decay": 0.1}]
        optimizer = lt.Optimizer(groups, rule, fused=fused)
        for step in range(5):
            for one in params:
                one.grad = 0.5 * one.detach()
            if step in (0, 3) and bad is not None:
                before = _numbers(optimizer)
                params[2].grad[1, 2] = bad
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    optimizer.step()
                assert _numbers(optimizer) == before
                assert len(optimizer.state) == (0 if step == 0 else 3)
                params[2].grad[1, 2] = 0.5 * params[2].detach()[1, 2]
            optimizer.step()
        assert optimizer.skipped == (0 if bad is None else 2)
        found.append(_numbers(optimizer))
    assert all(one == found[0] for one in found)


@both_paths
def test_time_stands_still(fused: bool | None) -> None:
    """Schedules, Adam's powers and the count of steps."""
    for rule in (Adam(ExponentialDecay(0.1, 0.5)), HeavyBall(0.1, SutskeverMomentum(0.99, 2))):
        x = _parameter([1.0])
        optimizer = lt.Optimizer([x], rule, fused=fused)
        group = optimizer.param_groups[0]
        x.grad = torch.ones(1)
        optimizer.step()
        kept = copy.deepcopy({name: value for name, value in group.items() if name not in _APART})
        state = {name: value.clone() for name, value in optimizer.state[x].items()}
        x.grad = torch.tensor([NAN])
        with pytest.warns(RuntimeWarning, match="was skipped"):
            optimizer.step()
        for _ in range(3):
            optimizer.step()
        assert {name: value for name, value in group.items() if name not in _APART} == kept
        assert all(torch.equal(value, state[name]) for name, value in optimizer.state[x].items())
        assert (optimizer.skipped, group["steps"]) == (4, 1)


@both_paths
@each_class
def test_told_once_by_name(info: Any, fused: bool | None) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    for named, told in ((True, "parameter '1.weight'"), (False, r"parameter 2 of group 0 \(shape \(1, 3\)\)")):
        optimizer = info.optim_cls(model.named_parameters() if named else model.parameters(), fused=fused)
        for one in model.parameters():
            one.grad = torch.ones_like(one)
        model[1].weight.grad[0, 1] = NAN
        model[1].bias.grad[0] = INF
        with pytest.warns(RuntimeWarning, match=f"the gradient of {told} has infinities or NaN: the step was skipped"):
            optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer.step()
        assert optimizer.skipped == 2


@both_paths
@each_class
def test_raise(info: Any, fused: bool | None) -> None:
    params = [_parameter([1.0, 2.0]), _parameter([3.0])]
    optimizer = info.optim_cls(params, nonfinite="raise", fused=fused)
    for first in (True, False):
        params[0].grad, params[1].grad = torch.tensor([1.0, INF]), torch.ones(1)
        before = _numbers(optimizer)
        with pytest.raises(ComputationError, match=r"the gradient of parameter 0 of group 0 .*nothing was changed"):
            optimizer.step()
        assert _numbers(optimizer) == before
        assert (len(optimizer.state) == 0) is first
        params[0].grad = torch.ones(2)
        optimizer.step()
    assert optimizer.skipped == 0


@both_paths
@each_rule
def test_a_slot_begins_where_the_first_step_is(rule: Rule, fused: bool | None) -> None:
    """A refused first step leaves no slot behind, such as schedule-free's z at a point that was left since."""
    for policy in ("skip", "raise"):
        moved, fresh = _parameter([1.0, 2.0]), _parameter([5.0, 6.0])
        optimizer, other = (lt.Optimizer([one], rule, nonfinite=policy, fused=fused) for one in (moved, fresh))
        moved.grad = torch.tensor([NAN, 1.0])
        with pytest.warns(RuntimeWarning) if policy == "skip" else pytest.raises(ComputationError):
            optimizer.step()
        with torch.no_grad():
            moved.copy_(fresh)
        for _ in range(3):
            moved.grad = fresh.grad = torch.ones(2)
            optimizer.step()
            other.step()
        assert torch.equal(moved, fresh)


def test_a_refused_gradient_leaves_no_slot_either() -> None:
    first, table = _parameter([1.0]), torch.nn.Embedding(3, 2, sparse=True)
    optimizer = lt.ScheduleFreeSGD([first, table.weight])
    first.grad = torch.ones(1)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(SettingError, match="sparse"):
        optimizer.step()
    assert len(optimizer.state) == 0
    assert first.item() == 1.0


@both_paths
@each_class
def test_pass(info: Any, fused: bool | None) -> None:
    x, y = _parameter([1.0, 2.0]), _parameter([3.0])
    optimizer = info.optim_cls([x, y], nonfinite="pass", fused=fused)
    x.grad, y.grad = torch.tensor([NAN, 1.0]), torch.ones(1)
    optimizer.step()
    if info.name not in ("SignMomentum", "Lion", "Clipped"):  # there it depends on what the sign of NaN is
        assert x.isnan().tolist() == [True, False]
    assert x[1].item() != 2.0
    assert y.item() != 3.0
    assert (optimizer.skipped, optimizer.param_groups[0]["steps"]) == (0, 1)


@both_paths
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.complex64], ids=str)
def test_found_wherever_it_is(dtype: Any, fused: bool | None) -> None:
    for size in (1, 5, 64, 1037):
        for place in sorted({0, size // 2, size - 1}):
            for bad in (NAN, -INF, complex(0.0, INF) if dtype.is_complex else INF):
                x = torch.zeros(2, size, dtype=dtype)[1].requires_grad_()
                optimizer = lt.HeavyBall([x], nonfinite="raise", fused=fused)
                x.grad = torch.ones(size, dtype=dtype)
                x.grad[place] = bad
                with pytest.raises(ComputationError):
                    optimizer.step()
                x.grad[place] = torch.finfo(dtype).max  # large is finite
                optimizer.step()


# --- GradScaler -------------------------------------------------------------------------------------------------------


@both_paths
@each_class
def test_grad_scaler(info: Any, fused: bool | None) -> None:
    """The same run as without one; overflows are skipped, by the scaler's rule, in silence."""
    found = []
    for scaled in (True, False):
        x = _parameter([1.0, -2.0, 0.5])
        optimizer = info.optim_cls([x], fused=fused, nonfinite="raise")
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2, enabled=scaled)
        for step in range(6):
            optimizer.zero_grad()
            loss = (x**2).sum()
            if step == 2:
                if not scaled:
                    continue
                loss = loss * INF
            scaler.scale(loss).backward()
            if step == 4:
                scaler.unscale_(optimizer)  # then the scale is 1
            scaler.step(optimizer)
            scaler.update()
        found.append(x.detach().clone())
        assert optimizer.skipped == int(scaled)
        assert optimizer.param_groups[0]["steps"] == 5
    assert torch.equal(*found)


# --- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@each_rule
def test_estimates_are_the_rules_answer(rule: Rule, dtype: Any) -> None:
    run = layda.descend("x^2/2 + 5*y^2", rule, start=(1.5, -0.75), steps=7, tolerance=0)
    x = _parameter([1.5, -0.75], dtype)
    optimizer = lt.Optimizer([x], rule)
    for step in range(8):
        bits = x.detach().clone()
        with optimizer.estimates():
            if dtype is torch.float64:
                assert x.tolist() == run.estimates[step].tolist()
            else:
                assert torch.allclose(x.double(), torch.from_numpy(run.estimates[step]), rtol=0.1, atol=0.02)
        assert torch.equal(x, bits)
        x.grad = x.detach() * torch.tensor([1.0, 10.0], dtype=dtype)
        optimizer.step()


@both_paths
def test_estimates_give_back_the_very_bits(fused: bool | None) -> None:
    whole = torch.tensor([[1.0, -0.0, 3.0], [4.0, 5.0, 6.0]])
    x = whole[:, ::2].requires_grad_()
    z = torch.tensor([1.0 + 2.0j], requires_grad=True)
    never = _parameter([7.0])
    optimizer = lt.ScheduleFreeSGD([x, z, never], 0.1, fused=fused)
    for _ in range(3):
        x.grad, z.grad = torch.ones(2, 2), torch.ones(1, dtype=torch.complex64)
        optimizer.step()
    kept = [whole.clone(), z.detach().clone()]
    with optimizer.estimates():
        assert not torch.equal(whole, kept[0])
        assert whole[:, 1].tolist() == [-0.0, 5.0]
        assert torch.equal(x, optimizer.state[x]["average"])
        assert torch.equal(z, optimizer.state[z]["average"])
        assert never.item() == 7.0
    assert whole.view(torch.int32).equal(kept[0].view(torch.int32))
    assert torch.equal(z, kept[1])


def test_inside_estimates() -> None:
    x = _parameter([1.0])
    optimizer = lt.ScheduleFreeSGD([x], 0.1)
    for _ in range(3):
        x.grad = torch.ones(1)
        optimizer.step()
    state, value = optimizer.state_dict(), x.item()
    with optimizer.estimates():
        inside = x.item()
        for what, told in (
            (optimizer.step, r"step\(\) inside estimates"),
            (lambda: optimizer.step(lambda: pytest.fail("the closure was called")), r"step\(\) inside estimates"),
            (optimizer.state_dict, r"state_dict\(\) inside estimates"),
            (lambda: optimizer.load_state_dict(state), r"load_state_dict\(\) inside estimates"),
            (lambda: optimizer.estimates().__enter__(), r"estimates\(\) inside estimates"),
            (lambda: copy.deepcopy(optimizer), r"inside estimates"),
        ):
            with pytest.raises(SettingError, match=told):
                what()
            assert x.item() == inside
    assert x.item() == value
    optimizer.step()
    assert x.item() != value


def test_an_exception_inside_estimates() -> None:
    x = _parameter([1.0])
    optimizer = lt.Nesterov([x], 0.1)
    x.grad = torch.ones(1)
    optimizer.step()
    value = x.item()

    def failing() -> None:
        with optimizer.estimates():
            assert x.item() != value
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        failing()
    assert x.item() == value
    optimizer.step()
    assert optimizer.param_groups[0]["steps"] == 2


def test_estimates_before_the_first_step() -> None:
    x = _parameter([1.0])
    with lt.Optimizer([x], ScheduleFreeSGD()).estimates():
        assert x.item() == 1.0


# --- autograd ---------------------------------------------------------------------------------------------------------


@both_paths
def test_autograd_hears_of_the_step(fused: bool | None) -> None:
    """A graph that used the old values refuses to go back through the new ones."""
    for shape in ((3,), ()):
        x = torch.ones(shape, requires_grad=True)
        loss = (x * x).sum()
        x.grad = torch.ones(shape)
        lt.HeavyBall([x], fused=fused).step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@each_class
def test_differentiable(info: Any) -> None:
    """d x₃ / d α by autograd is what differences give."""

    def end(rate: Any) -> Any:
        x = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True).clone()
        optimizer = info.optim_cls([x], lr=rate, differentiable=True)
        for _ in range(3):
            x.grad = 0.5 * x
            optimizer.step()
        return x.sum()

    rate = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    end(rate).backward()
    h = 1e-6
    with torch.no_grad():
        difference = (end(0.1 + h) - end(0.1 - h)) / (2 * h)
    assert rate.grad.item() == pytest.approx(difference.item(), rel=1e-5, abs=1e-8)
