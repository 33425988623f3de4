"""States: of torch.optim.SGD, continued in every form; saved and resumed in a new process; their bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layda.errors import SettingError
from layda.rule import Rule
from layda.rules import HeavyBall
from layda.schedules import ODonoghueCandesMomentum
from tests.cases import RULES

torch = pytest.importorskip("torch")

import layda.torch as lt  # noqa: E402

both_paths = pytest.mark.parametrize("fused", [None, False])
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)


def _parameters() -> list[Any]:
    torch.manual_seed(1)
    return [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in (3, 2)]


def _walk(optimizer: Any, params: list[Any], first: int, last: int) -> None:
    for step in range(first, last):
        for index, one in enumerate(params):
            one.grad = one.detach() * (0.3 + index) + torch.sin(torch.arange(one.numel(), dtype=torch.float64) + step)
        optimizer.step()


# --- torch.optim.SGD --------------------------------------------------------------------------------------------------

FORMS: dict[str, Any] = {
    "velocity": lambda p, **k: lt.HeavyBall(p, form="velocity", **k),
    "step": lambda p, **k: lt.HeavyBall(p, form="step", **k),
    "average": lambda p, **k: lt.HeavyBall(p, form="average", **k),
    "Nesterov": lt.Nesterov,
    "SGD": lt.SGD,
    "GradientDescent": lt.GradientDescent,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"lr": 0.1},
    "momentum": {"lr": 0.1, "momentum": 0.9},
    "decay": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "maximize": True},
    "dampening": {"lr": 0.1, "momentum": 0.8, "dampening": 0.25},
    "nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "tensor": {"lr": torch.tensor(0.1, dtype=torch.float64), "momentum": 0.9},
}


def _continues(form: str, settings: str) -> bool:
    ahead, momentum = settings == "nesterov", "momentum" in SETTINGS[settings]
    return {"SGD": True, "GradientDescent": not momentum, "Nesterov": ahead}.get(form, not ahead)


@both_paths
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("form", FORMS)
def test_goes_on_from_torchs_sgd(form: str, settings: str, fused: bool | None) -> None:
    """Exactly, to rounding: what torch would have done from there."""
    for taken in (0, 1, 7):
        params = _parameters()
        theirs = torch.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.05}], **SETTINGS[settings])
        _walk(theirs, params, 0, taken)
        others = [one.detach().clone().requires_grad_() for one in params]
        ours = FORMS[form]([{"params": others[:1]}, {"params": others[1:]}], fused=fused)
        state = theirs.state_dict()
        if not _continues(form, settings):
            before = ours.state_dict()
            with pytest.raises(SettingError, match=r"the state is of torch\.optim\.SGD .*cannot continue"):
                ours.load_state_dict(state)
            assert ours.state_dict() == before
            continue
        ours.load_state_dict(state)
        _walk(theirs, params, taken, taken + 20)
        _walk(ours, others, taken, taken + 20)
        if settings == "dampening" and taken == 0 and form != "SGD":
            continue  # torch leaves the dampening out at its very first step, which no heavy ball does
        for a, b in zip(params, others, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_the_state_of_torch_stays_as_it_is() -> None:
    params = _parameters()
    theirs = torch.optim.SGD(params, 0.1, momentum=0.9)
    _walk(theirs, params, 0, 3)
    state = theirs.state_dict()
    kept = [state["state"][index]["momentum_buffer"].clone() for index in range(2)]
    others = _parameters()
    ours = lt.SGD(others)
    ours.load_state_dict(state)
    _walk(ours, others, 0, 3)
    assert all(torch.equal(state["state"][index]["momentum_buffer"], kept[index]) for index in range(2))
    assert "maximize" in state["param_groups"][0]


def test_an_older_state_of_torch() -> None:
    """Before torch 1.12 there was no ``maximize``."""
    params = _parameters()
    state = torch.optim.SGD(params, 0.1, momentum=0.9).state_dict()
    for name in ("maximize", "foreach", "differentiable", "fused"):
        state["param_groups"][0].pop(name)
    ours = lt.HeavyBall(params)
    ours.load_state_dict(state)
    assert ours.param_groups[0]["maximize"] is False
    assert ours.param_groups[0]["lr"] == 0.1


def test_states_of_others_are_refused() -> None:
    params = _parameters()
    ours = lt.HeavyBall(params)
    _walk(ours, params, 0, 2)
    before = [ours.state[one]["velocity"].clone() for one in params]
    for other, told in (
        (torch.optim.RMSprop(params), "an optimizer that is not layda"),
        (torch.optim.Adamax(params), "an optimizer that is not layda"),
        (torch.optim.RAdam(params), "an optimizer that is not layda"),
        (lt.Adam(params), "the state is of 'adam'"),
        (lt.HeavyBall(params[:1]), "parameter group that doesn't match"),
        (lt.HeavyBall([{"params": [one]} for one in params]), "different number of parameter groups"),
        (lt.HeavyBall(params, momentum=ODonoghueCandesMomentum(0.01)), "carries 2 numbers of schedules in the state"),
    ):
        with pytest.raises(ValueError, match=told):
            ours.load_state_dict(other.state_dict())
        assert all(torch.equal(ours.state[one]["velocity"], kept) for one, kept in zip(params, before, strict=True))
    wrong = ours.state_dict()
    wrong["state"][0]["velocity"] = torch.zeros(5)
    with pytest.raises(
        SettingError, match=r"the slot 'velocity' has shape \(5,\) in the state, and its parameter \(3,\)"
    ):
        lt.HeavyBall(_parameters()).load_state_dict(wrong)
    wrong = ours.state_dict()
    wrong["param_groups"][0]["momentum"] = 1.5
    with pytest.raises(SettingError, match=r"momentum is 1\.5; allowed is"):
        ours.load_state_dict(wrong)


@both_paths
@each_rule
def test_a_state_in_the_middle_of_schedules(rule: Rule, fused: bool | None) -> None:
    params = _parameters()
    optimizer = lt.Optimizer(params, rule, fused=fused)
    _walk(optimizer, params, 0, 5)
    others = [one.detach().clone().requires_grad_() for one in params]
    twin = lt.Optimizer(others, rule, fused=fused)
    twin.load_state_dict(optimizer.state_dict())
    _walk(optimizer, params, 5, 12)
    _walk(twin, others, 5, 12)
    assert all(map(torch.equal, params, others))
    assert twin.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


# --- in a new process -------------------------------------------------------------------------------------------------

_RUN = """
import hashlib, json, random, sys
import torch
import layda.torch as lt
from layda.schedules import ExponentialDecay


def run(plan):
    draw = random.Random(plan["seed"])
    dtype = getattr(torch, draw.choice(["float64", "float32", "bfloat16", "float16"]))
    state_dtype = draw.choice([None, torch.bfloat16, torch.float32])
    name = draw.choice([one for one in lt.__all__ if one != "Optimizer"])
    rate = draw.choice([0.01, ExponentialDecay(0.02, 0.9)])
    settings = {"lr": rate, "state_dtype": state_dtype, "seed": draw.randrange(100)}
    settings["fused"] = draw.choice([None, False])
    settings["seed"] += bool(plan["load"])  # the state's own counts
    torch.manual_seed(plan["seed"])
    model = torch.nn.Sequential(torch.nn.Linear(5, 9), torch.nn.Tanh(), torch.nn.Linear(9, 2)).to(dtype)
    layers = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "weight_decay": 0.01}]
    optimizer = getattr(lt, name)(layers, **settings)
    scheduled = not isinstance(rate, float)
    scheduler = None if scheduled else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    first = 0
    if plan["load"]:
        state = torch.load(plan["load"], weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if scheduler is not None:
            scheduler.load_state_dict(state["scheduler"])
        first = state["step"]
    for step in range(first, plan["last"]):
        if plan["save"] and step == plan["at"]:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            state["scheduler"] = None if scheduler is None else scheduler.state_dict()
            torch.save(state, plan["save"])
        data = torch.randn(6, 5, generator=torch.Generator().manual_seed(step)).to(dtype)
        optimizer.zero_grad()
        model(data).float().pow(2).mean().backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    digest = hashlib.sha256()
    for one in model.parameters():
        digest.update(one.detach().contiguous().view(torch.uint8).numpy().tobytes())
        for slot, value in sorted(optimizer.state.get(one, {}).items()):
            digest.update(slot.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"{name} {dtype} {digest.hexdigest()}"


print(json.dumps([run(plan) for plan in json.loads(sys.argv[1])]))
"""


def _process(plans: list[dict[str, Any]]) -> list[str]:
    """What each of the runs ends with, all in one new process."""
    command = [sys.executable, "-c", _RUN, json.dumps(plans)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_resumed_in_a_new_process(runs: int, tmp_path: Path) -> None:
    """A random class, dtype, state dtype and step: the same bits at the end. 2 runs; in a campaign 50 times as many.

    The whole runs share a process; in a campaign each of them is resumed in a process of its own.
    """
    plans = []
    for seed in range(2 if runs == 1 else 50 * runs):
        file = str(tmp_path / f"{seed}.pt")
        plans.append({"seed": seed, "last": 25, "at": 1 + seed * 7919 % 23, "save": file, "load": ""})
    whole = _process(plans)
    resumed = [plan | {"save": "", "load": plan["save"]} for plan in plans]
    found = _process(resumed) if runs == 1 else [one for plan in resumed for one in _process([plan])]
    assert found == whole
    assert len(set(whole)) == len(whole)


# --- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state_dtype", [None, torch.float64, torch.float32, torch.bfloat16], ids=str)
@each_rule
def test_state_bytes(rule: Rule, state_dtype: Any) -> None:
    """One number for each slot and element, and eight bytes for each slot that all elements share."""
    usual = {torch.float64: 8, torch.float32: 4, torch.bfloat16: 4, torch.float16: 4}
    for dtype, size in usual.items():
        x = torch.ones(1000, dtype=dtype, requires_grad=True)
        optimizer = lt.Optimizer([x], rule, state_dtype=state_dtype, fused=False)  # a kernel has the same slots
        x.grad = torch.ones_like(x)
        optimizer.step()
        own = [slot for slot in rule.slots if not slot.shared]
        shared = [slot for slot in rule.slots if slot.shared]
        slots = optimizer.state[x]
        assert slots.keys() == {slot.name for slot in rule.slots}
        bytes_each = size if state_dtype is None else state_dtype.itemsize
        assert [slots[slot.name].untyped_storage().nbytes() for slot in own] == [1000 * bytes_each] * len(own)
        assert all(slots[slot.name].shape == () and slots[slot.name].dtype == torch.float64 for slot in shared)
        assert sum(slots[slot.name].nbytes for slot in shared) == 8 * len(shared)


def test_heavy_ball_takes_four_bytes_or_two() -> None:
    """As its docstring says."""
    assert "Heavy ball: 4 bytes, or 2." in str(lt.Optimizer.__doc__)
    for state_dtype, expected in ((None, 4), (torch.bfloat16, 2)):
        x = torch.ones(1000, requires_grad=True)
        optimizer = lt.Optimizer([x], HeavyBall(), state_dtype=state_dtype)
        x.grad = torch.ones(1000)
        optimizer.step()
        assert sum(value.nbytes for value in optimizer.state[x].values()) == 1000 * expected
