"""torch's ``TestOptimRenewed``, re-made: states, hooks, copies.

The table of all scenarios is in :mod:`tests.torch.test_renewed_direction`.
"""

from __future__ import annotations

import io
import pickle
from copy import deepcopy
from typing import Any

import pytest

from tests.torch.infos import INFOS, all_inputs, chosen

torch = pytest.importorskip("torch")

from torch.nn import Parameter  # noqa: E402
from torch.optim.optimizer import (  # noqa: E402
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
yes_or_no = (True, False)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def _named(params: list[Any], names: bool) -> list[Any]:
    return [(f"name{index}", one) for index, one in enumerate(params)] if names else params


def _without_names(state: dict[str, Any]) -> dict[str, Any]:
    state = deepcopy(state)
    for group in state["param_groups"]:
        group.pop("param_names", None)
    return state


def _equal(a: Any, b: Any) -> bool:
    """Plain data, tensors compared with their dtypes."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(_equal, a, b))
    return bool(type(a) is type(b) and a == b)


def _pair() -> tuple[list[Any], Any]:
    torch.manual_seed(7)
    return [Parameter(torch.randn(2, 3)), Parameter(torch.randn(2))], torch.randn(3)


def _steps(optimizer: Any, params: list[Any], data: Any, count: int) -> None:
    weight, bias = params
    for _ in range(count):
        optimizer.zero_grad()
        (weight.mv(data) + bias).pow(2).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("other_names", yes_or_no)
@pytest.mark.parametrize("names", yes_or_no)
@each_class
def test_state_dict_is_deterministic(info: Any, names: bool, other_names: bool, runs: int) -> None:
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"deterministic {info.name} {names}", runs):
        params, data = _pair()
        optimizer = info.optim_cls(_named(params, names), **given.kwargs)
        _steps(optimizer, params, data, 10)
        others = [Parameter(one.detach().clone()) for one in params]
        twin = info.optim_cls(_named(others, other_names), **deepcopy(given.kwargs))
        twin.load_state_dict(deepcopy(optimizer.state_dict()))
        for _ in range(10):
            _steps(optimizer, params, data, 1)
            _steps(twin, others, data, 1)
            assert all(map(torch.equal, params, others)), given.desc
        assert _equal(_without_names(optimizer.state_dict()), _without_names(twin.state_dict()))
        twin.param_groups.extend(twin.param_groups)  # repeated parameters look alike
        last = [_without_names(one.state_dict())["param_groups"][-1] for one in (optimizer, twin)]
        assert _equal(*last)


@each_class
def test_loads_older_states(info: Any, runs: int) -> None:
    """Settings that came later may be missing; the present ones are taken."""
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"older {info.name}", runs):
        params, data = _pair()
        optimizer = info.optim_cls(params, **given.kwargs)
        _steps(optimizer, params, data, 3)
        state = deepcopy(optimizer.state_dict())
        for group in state["param_groups"]:
            for flag in info.not_og_supported_flags:
                group.pop(flag, None)
        kept = [dict(group) for group in optimizer.param_groups]
        optimizer.load_state_dict(state)
        for before, after in zip(kept, optimizer.param_groups, strict=True):
            assert all(after[name] == value for name, value in before.items() if name != "params")
        _steps(optimizer, params, data, 1)


@pytest.mark.parametrize("other_names", yes_or_no)
@pytest.mark.parametrize("names", yes_or_no)
@each_class
def test_loads_from_and_to_names(info: Any, names: bool, other_names: bool, runs: int) -> None:
    torch.manual_seed(8)
    data = torch.rand(3, 4)
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"names {info.name}", runs, 2):
        model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 2))

        def steps(optimizer: Any, count: int, model: Any = model) -> None:
            for _ in range(count):
                optimizer.zero_grad()
                model(data).sum().backward()
                optimizer.step()

        def make(names: bool, model: Any = model, given: Any = given) -> Any:
            return info.optim_cls(model.named_parameters() if names else model.parameters(), **deepcopy(given.kwargs))

        first, second = make(names), make(other_names)
        steps(first, 3)
        second.load_state_dict(deepcopy(first.state_dict()))
        steps(second, 1)
        if names or other_names:
            expected = ["0.weight", "0.bias", "1.weight", "1.bias"]
            assert second.state_dict()["param_groups"][0]["param_names"] == expected


@pytest.mark.parametrize("names", yes_or_no)
@each_class
def test_saved_equals_loaded(info: Any, names: bool, runs: int) -> None:
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"saved {info.name}", runs):
        params, data = _pair()
        optimizer = info.optim_cls(_named(params, names), **given.kwargs)
        _steps(optimizer, params, data, 3)
        state = optimizer.state_dict()
        file = io.BytesIO()
        torch.save(state, file)
        for weights_only in (False, True):
            file.seek(0)
            assert _equal(torch.load(file, weights_only=weights_only), state)


@each_class
def test_loads_plain_numbers(info: Any) -> None:
    """Slots that all elements share may be plain numbers in a state."""
    params, data = _pair()
    optimizer = info.optim_cls(params)
    _steps(optimizer, params, data, 3)
    state = deepcopy(optimizer.state_dict())
    shared = [slot.name for slot in optimizer.group_plans()[0].stepper.shared]
    for slots in state["state"].values():
        for name in shared:
            slots[name] = slots[name].item()
    others = [Parameter(one.detach().clone()) for one in params]
    twin = info.optim_cls(others)
    twin.load_state_dict(state)
    for _ in range(3):
        _steps(optimizer, params, data, 1)
        _steps(twin, others, data, 1)
    assert all(map(torch.equal, params, others))
    assert _equal(optimizer.state_dict(), twin.state_dict())


@needs_gpu
@each_class
def test_state_moves_between_devices(info: Any) -> None:
    for given in info.optim_inputs_func():
        params, data = _pair()
        optimizer = info.optim_cls(params, **given.kwargs)
        _steps(optimizer, params, data, 3)
        state = optimizer.state_dict()
        kept = deepcopy(state)
        moved = [Parameter(one.detach().cuda()) for one in params]
        on_gpu = info.optim_cls(moved, **deepcopy(given.kwargs))
        on_gpu.load_state_dict(state)
        assert _equal(state, kept)
        shared = {slot.name for slot in optimizer.group_plans()[0].stepper.shared}
        for slots in on_gpu.state.values():
            assert all(value.device.type == ("cpu" if name in shared else "cuda") for name, value in slots.items())
        for _ in range(5):
            for a, b in zip(params, moved, strict=True):
                b.grad = a.grad.cuda()
            optimizer.step()
            on_gpu.step()
        for a, b in zip(params, moved, strict=True):
            torch.testing.assert_close(a, b.cpu())


# --- hooks ------------------------------------------------------------------------------------------------------------


def _one(info: Any, given: Any) -> Any:
    return info.optim_cls([torch.rand(2, 3, requires_grad=True)], **deepcopy(given.kwargs))


@each_class
def test_hooks_of_state_dict(info: Any, runs: int) -> None:
    def before(optimizer: Any) -> None:
        optimizer.state["test"] = 1

    def after(optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
        state["ran"] = state["state"].pop("test", None) is not None
        return state

    for given in chosen(all_inputs(info), f"hooks {info.name}", runs):
        optimizer = _one(info, given)
        handle = optimizer.register_state_dict_pre_hook(before)
        assert optimizer.state_dict()["state"]["test"] == 1
        optimizer.register_state_dict_post_hook(after)
        state = optimizer.state_dict()
        assert "test" not in state["state"]
        assert state["ran"] is True
        handle.remove()
        optimizer.state.pop("test")
        assert optimizer.state_dict()["ran"] is False


def _slower(optimizer: Any, state: dict[str, Any]) -> None:
    state["param_groups"][0]["lr"] = 0.002


def _other_state(optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
    state = deepcopy(state)
    state["param_groups"][0]["lr"] = 0.003
    return state


@each_class
def test_hooks_before_loading(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info), f"loading {info.name}", runs):
        optimizer = _one(info, given)
        state = optimizer.state_dict()
        optimizer.register_load_state_dict_pre_hook(_slower)
        optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.002
        handle = optimizer.register_load_state_dict_pre_hook(_other_state, prepend=True)
        optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.002  # the other hook comes last
        handle.remove()
        optimizer.register_load_state_dict_pre_hook(_other_state)
        optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.003


@each_class
def test_hooks_after_loading(info: Any, runs: int) -> None:
    def after(optimizer: Any) -> None:
        optimizer.state["ran before"] = optimizer.param_groups[0]["lr"] == 0.003
        optimizer.state["ran after"] = True

    for given in chosen(all_inputs(info), f"loaded {info.name}", runs):
        optimizer = _one(info, given)
        optimizer.register_load_state_dict_post_hook(after)
        optimizer.load_state_dict(optimizer.state_dict())
        assert optimizer.state["ran after"] is True
        assert bool(optimizer.state["ran before"]) is False
        optimizer.state.clear()
        optimizer.register_load_state_dict_pre_hook(_other_state)
        optimizer.load_state_dict(optimizer.state_dict())
        assert bool(optimizer.state["ran before"]) is True


@each_class
def test_hooks_of_the_step(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info), f"step {info.name}", runs):
        found: list[int] = []

        def note(number: int, found: list[int] = found) -> Any:
            return lambda optimizer, args, kwargs: found.append(number)

        ours = info.optim_cls([torch.tensor([1.0, 1.0])], **given.kwargs)
        other = torch.optim.SGD([torch.tensor([1.0, 1.0])])
        handles = [register_optimizer_step_pre_hook(note(0)), register_optimizer_step_post_hook(note(5))]
        for optimizer in (ours, other):
            handles += [optimizer.register_step_pre_hook(note(1)), optimizer.register_step_post_hook(note(2))]
        ours.step()
        assert found == [0, 1, 2, 5]
        other.step()
        ours.step()
        assert found == [0, 1, 2, 5] * 3
        for handle in handles:
            handle.remove()
        ours.step()
        assert found == [0, 1, 2, 5] * 3


@each_class
def test_a_hook_may_change_the_arguments(info: Any) -> None:
    optimizer = info.optim_cls([torch.tensor([1.0])])
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: ((opt, lambda: 7), {}))
    assert optimizer.step() == 7


# --- copies -----------------------------------------------------------------------------------------------------------


def _public(one: Any) -> set[str]:
    return {name for name in one.__dict__ if not name.startswith("_")}


@each_class
def test_deepcopy(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"copy {info.name}", runs):
        params, data = _pair()
        optimizer = info.optim_cls(params, **given.kwargs)
        _steps(optimizer, params, data, 3)
        both = deepcopy([params, optimizer])  # together, so that the copy holds the copied parameters
        others, twin = both
        assert _public(twin) == _public(optimizer)
        assert type(twin) is type(optimizer)
        assert twin.defaults.keys() == optimizer.defaults.keys()
        before = deepcopy(optimizer.state_dict())
        _steps(twin, others, data, 2)
        assert _equal(optimizer.state_dict(), before)  # independent
        _steps(optimizer, params, data, 2)
        assert all(map(torch.equal, params, others))
        assert _equal(optimizer.state_dict(), twin.state_dict())


@each_class
def test_pickle(info: Any) -> None:
    params, data = _pair()
    optimizer = info.optim_cls(params, lr=0.01, fused=False, nonfinite="pass", seed=3)
    _steps(optimizer, params, data, 3)
    others, twin = pickle.loads(pickle.dumps((params, optimizer)))
    assert _public(twin) == _public(optimizer)
    assert (twin.fused, twin.nonfinite, twin.seed, twin.rule) == (False, "pass", 3, optimizer.rule)
    _steps(twin, others, data, 2)
    _steps(optimizer, params, data, 2)
    assert all(map(torch.equal, params, others))
    assert _equal(optimizer.state_dict(), twin.state_dict())
