"""What a state holds of a run besides settings and slots: seed, rounding, skipped steps; in every kind of state."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layda.errors import SettingError
from layda.rule import Rule
from layda.rules import HeavyBall
from layda.schedules import ExponentialDecay
from tests.cases import RULES

torch = pytest.importorskip("torch")

import torch.distributed.checkpoint as dcp  # noqa: E402
from torch.distributed.checkpoint import state_dict as states  # noqa: E402

import layda.torch as lt  # noqa: E402

both_paths = pytest.mark.parametrize("fused", [None, False])
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)


def _model() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)).bfloat16()


def _layers(model: Any) -> list[dict[str, Any]]:
    return [{"params": model[0].parameters()}, {"params": model[1].parameters(), "weight_decay": 0.01}]


def _walk(optimizer: Any, model: Any, first: int, last: int) -> None:
    for step in range(first, last):
        for index, one in enumerate(model.parameters()):
            push = torch.sin(torch.arange(one.numel()) + step + index).view_as(one)
            one.grad = (0.3 * one.detach() + push).bfloat16()
        optimizer.step()


def _alike(one: Any, other: Any) -> bool:
    return all(map(torch.equal, one.parameters(), other.parameters()))


def _plainly(optimizer: Any, model: Any, other: Any, twin: Any, tmp_path: Path) -> None:
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))


def _by_names(optimizer: Any, model: Any, other: Any, twin: Any, tmp_path: Path) -> None:
    states.set_optimizer_state_dict(twin, other, states.get_optimizer_state_dict(model, optimizer))


def _flat(optimizer: Any, model: Any, other: Any, twin: Any, tmp_path: Path) -> None:
    flat = states.StateDictOptions(flatten_optimizer_state_dict=True)
    found = states.get_optimizer_state_dict(model, optimizer, options=flat)
    assert found["param_groups.0.weight.rule"] == optimizer.rule.name
    states.set_optimizer_state_dict(twin, other, found, options=flat)


def _saved_in_parts(flat: bool) -> Callable[..., None]:
    def go(optimizer: Any, model: Any, other: Any, twin: Any, tmp_path: Path) -> None:
        options = states.StateDictOptions(flatten_optimizer_state_dict=flat)
        own = {"optimizer": states.get_optimizer_state_dict(model, optimizer, options=options)}
        dcp.save(own, checkpoint_id=tmp_path, no_dist=True)
        empty = {"optimizer": states.get_optimizer_state_dict(twin, other, options=options)}
        dcp.load(empty, checkpoint_id=tmp_path, no_dist=True)
        states.set_optimizer_state_dict(twin, other, empty["optimizer"], options=options)

    return go


WAYS: dict[str, Callable[..., None]] = {
    "plain": _plainly,
    "by names": _by_names,
    "flat": _flat,
    "in parts": _saved_in_parts(False),
    "in parts, flat": _saved_in_parts(True),
}


@both_paths
@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore:.*:FutureWarning")  # torch's, about itself
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("way", WAYS)
def test_goes_on_with_its_own_seed(way: str, rounding: str, fused: bool | None, tmp_path: Path) -> None:
    """Bit for bit, whatever seed and rounding the code that makes the optimizer gives."""
    for lr in (0.1, ExponentialDecay(0.1, 0.9)):
        model = _model()
        optimizer = lt.Adam(_layers(model), lr, seed=5, rounding=rounding, state_dtype=torch.bfloat16, fused=fused)
        _walk(optimizer, model, 0, 4)
        optimizer.skipped = 3
        twin = copy.deepcopy(model)
        other = lt.Adam(_layers(twin), lr, seed=9, state_dtype=torch.bfloat16, fused=fused)
        WAYS[way](optimizer, model, other, twin, tmp_path)
        assert (other.seed, other.rounding, other.skipped) == (5, rounding, 3)
        _walk(optimizer, model, 4, 9)
        _walk(other, twin, 4, 9)
        assert _alike(model, twin)


@pytest.mark.filterwarnings("ignore:.*:FutureWarning")
@each_rule
def test_every_rule_in_the_flat_form(rule: Rule) -> None:
    flat = states.StateDictOptions(flatten_optimizer_state_dict=True)
    model = _model()
    optimizer = lt.Optimizer(_layers(model), rule, seed=3)
    _walk(optimizer, model, 0, 3)
    twin = copy.deepcopy(model)
    other = lt.Optimizer(_layers(twin), rule)
    found = states.get_optimizer_state_dict(model, optimizer, options=flat)
    states.set_optimizer_state_dict(twin, other, found, options=flat)
    _walk(optimizer, model, 3, 6)
    _walk(other, twin, 3, 6)
    assert _alike(model, twin)


def test_without_it_the_run_would_go_on_differently() -> None:
    ends = []
    for seed in (5, 5, 9):
        model = _model()
        _walk(lt.Adam(_layers(model), 0.1, seed=seed), model, 0, 6)
        ends.append(model)
    assert _alike(ends[0], ends[1])
    assert not _alike(ends[0], ends[2])


def _aged(state: dict[str, Any]) -> dict[str, Any]:
    """As states were before: β₁ and β₂ one by one, nothing of the run, no word of schedules."""
    for group in state["param_groups"]:
        group["beta1"], group["beta2"] = group.pop("betas")
        for name in ("run", "schedules", "scheduled"):
            group.pop(name, None)
    return state


@pytest.mark.parametrize("lr", [0.1, ExponentialDecay(0.1, 0.9)], ids=str)
def test_older_states_of_layda(lr: Any) -> None:
    """They go on with the seed that the code gives."""
    model = _model()
    optimizer = lt.Adam(_layers(model), lr, beta1=0.8, seed=5)
    _walk(optimizer, model, 0, 4)
    twin = copy.deepcopy(model)
    other = lt.Adam(_layers(twin), lr, seed=5)
    other.load_state_dict(_aged(optimizer.state_dict()))
    assert other.param_groups[0]["betas"] == (0.8, 0.999)
    assert "beta1" not in other.param_groups[0]
    assert other.seed == 5
    _walk(optimizer, model, 4, 9)
    _walk(other, twin, 4, 9)
    assert _alike(model, twin)


def test_all_groups_hold_one_and_the_same() -> None:
    model = _model()
    optimizer = lt.HeavyBall(_layers(model), seed=5)
    for one in (optimizer, copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        one.seed = 7
        assert all(group["run"] is one.param_groups[0]["run"] for group in one.param_groups)
        assert one.param_groups[0]["run"] == {"rounding": "stochastic", "seed": 7, "skipped": 0}
        one.add_param_group({"params": [torch.ones(1, requires_grad=True)]})
        one.load_state_dict(one.state_dict())
        assert all(group["run"] is one.param_groups[0]["run"] for group in one.param_groups)
        one.rounding = "nearest"
        assert one.param_groups[-1]["run"]["rounding"] == "nearest"
        saved = one.state_dict()
        one.seed = 5
        assert saved["param_groups"][0]["run"]["seed"] == 7


def test_a_copy_has_its_own_seed() -> None:
    optimizer = lt.HeavyBall(_layers(_model()), seed=5)
    twin = copy.deepcopy(optimizer)
    twin.seed = 6
    assert (optimizer.seed, twin.seed) == (5, 6)


def test_rounding_changed_in_the_middle_counts() -> None:
    ends = []
    for rounding in ("stochastic", "nearest"):
        model = _model()
        optimizer = lt.HeavyBall(_layers(model), 0.1)
        _walk(optimizer, model, 0, 2)
        optimizer.rounding = rounding
        _walk(optimizer, model, 2, 6)
        ends.append(model)
    assert not _alike(*ends)


def test_a_skipped_step_is_counted_in_the_state() -> None:
    model = _model()
    optimizer = lt.HeavyBall(_layers(model))
    for one in model.parameters():
        one.grad = torch.full_like(one, float("nan"))
    with pytest.warns(RuntimeWarning, match="the step was skipped"):
        optimizer.step()
    other = lt.HeavyBall(_layers(_model()))
    other.load_state_dict(optimizer.state_dict())
    assert other.skipped == 1


@pytest.mark.parametrize(
    ("name", "value"), [("seed", -1), ("seed", True), ("seed", 1 << 32), ("rounding", "up"), ("skipped", -1)]
)
def test_what_is_not_allowed(name: str, value: Any) -> None:
    optimizer = lt.Optimizer(_layers(_model()), HeavyBall())
    before = repr(optimizer.state_dict())
    with pytest.raises(SettingError, match=f"{name} is {value!r}; allowed"):
        setattr(optimizer, name, value)
    wrong = optimizer.state_dict()
    wrong["param_groups"][0]["run"][name] = value
    with pytest.raises(SettingError, match=f"{name} is {value!r}; allowed"):
        optimizer.load_state_dict(wrong)
    assert repr(optimizer.state_dict()) == before
