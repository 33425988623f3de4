"""States of torch's Adams, continued; states of torch's SGD that a form would forget."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from layda.errors import SettingError
from layda.schedules import ExponentialDecay

torch = pytest.importorskip("torch")

import layda.torch as lt  # noqa: E402

both_paths = pytest.mark.parametrize("fused", [None, False])


@pytest.fixture(autouse=True)
def _double() -> Any:
    torch.set_default_dtype(torch.float64)  # torch's NAdam keeps its product of momenta in the default dtype
    yield
    torch.set_default_dtype(torch.float32)


def _parameters() -> list[Any]:
    torch.manual_seed(1)
    return [torch.randn(size, requires_grad=True) for size in ((3,), (2, 2), (), (0,))]


def _walk(optimizer: Any, params: list[Any], first: int, last: int) -> None:
    for step in range(first, last):
        for index, one in enumerate(params):
            if index != 2 or step >= 2:  # one whose gradient comes late
                one.grad = one.detach() * (0.3 + index) + torch.sin(torch.arange(one.numel()) + step).view_as(one)
        optimizer.step()


SETTINGS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "adam": ("Adam", ("Adam", "AdamW"), {"lr": 0.1}),
    "adam, all": (
        "Adam",
        ("Adam", "AdamW"),
        {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ),
    "adam, tensor": ("Adam", ("Adam",), {"lr": torch.tensor(0.1, dtype=torch.float64)}),
    "adamw": ("AdamW", ("Adam", "AdamW"), {"lr": 0.1, "weight_decay": 0.1}),
    "nadam": ("NAdam", ("NAdam",), {"lr": 0.1, "momentum_decay": 0.01, "weight_decay": 0.1}),
    "nadam, decoupled": ("NAdam", ("NAdam",), {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1}),
}


@both_paths
@pytest.mark.parametrize("settings", SETTINGS)
def test_goes_on_from_torchs_adams(settings: str, fused: bool | None) -> None:
    """Exactly, to rounding: what torch would have done from there."""
    name, heirs, given = SETTINGS[settings]
    for heir in heirs:
        for taken in (0, 1, 7):
            params = _parameters()
            theirs = getattr(torch.optim, name)([{"params": params[:1]}, {"params": params[1:], "lr": 0.05}], **given)
            _walk(theirs, params, 0, taken)
            state = theirs.state_dict()
            kept = copy.deepcopy(state)
            others = [one.detach().clone().requires_grad_() for one in params]
            ours = getattr(lt, heir)([{"params": others[:1]}, {"params": others[1:]}], fused=fused)
            ours.load_state_dict(state)
            assert ours.param_groups[1]["lr"] == 0.05
            _walk(theirs, params, taken, taken + 20)
            _walk(ours, others, taken, taken + 20)
            for a, b in zip(params, others, strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
            again = getattr(torch.optim, name)(_split(_parameters()))
            again.load_state_dict(kept)  # nobody wrote into it


def _split(params: list[Any]) -> list[dict[str, Any]]:
    return [{"params": params[:1]}, {"params": params[1:]}]


@pytest.mark.parametrize(("heir", "name"), [("Adam", "Adam"), ("AdamW", "AdamW")])
def test_an_older_state_of_torch(heir: str, name: str) -> None:
    """It does not say how it decays weights, and counts steps in whole numbers: its namesake knows."""
    params = _parameters()
    theirs = getattr(torch.optim, name)(params, 0.1, weight_decay=0.1)
    _walk(theirs, params, 0, 3)
    state = copy.deepcopy(theirs.state_dict())
    for old in ("maximize", "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"):
        state["param_groups"][0].pop(old, None)
    for slots in state["state"].values():
        slots["step"] = int(slots["step"])
    others = [one.detach().clone().requires_grad_() for one in params]
    ours = getattr(lt, heir)(others)
    ours.load_state_dict(state)
    _walk(theirs, params, 3, 9)
    _walk(ours, others, 3, 9)
    for a, b in zip(params, others, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_bfloat16_parameters_have_float32_slots_from_then_on() -> None:
    params = [torch.ones(5, dtype=torch.bfloat16, requires_grad=True)]
    theirs = torch.optim.Adam(params, 0.1)
    params[0].grad = torch.ones_like(params[0])
    theirs.step()
    ours = lt.Adam(params)
    ours.load_state_dict(theirs.state_dict())
    assert ours.state[params[0]]["mean"].dtype == torch.float32
    assert torch.equal(ours.state[params[0]]["mean"].bfloat16(), theirs.state[params[0]]["exp_avg"])
    ours.step()


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_schedules_of_layda_begin(name: str, before: int) -> None:
    params = _parameters()
    theirs = torch.optim.Adam(params, 0.5) if name == "Adam" else torch.optim.SGD(params, 0.5, momentum=0.9)
    _walk(theirs, params, 0, 3)
    ours = getattr(lt, name)(params, ExponentialDecay(0.1, 0.5))
    _walk(ours, params, 0, before)
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["lr"] == 0.05
    _walk(ours, params, 3, 4)
    assert ours.param_groups[0]["lr"] == 0.025


@pytest.mark.parametrize(
    ("name", "settings", "heir"),
    [
        ("Adam", {"amsgrad": True}, "Adam"),
        ("AdamW", {"amsgrad": True}, "AdamW"),
        ("NAdam", {}, "Adam"),
        ("Adam", {}, "NAdam"),
        ("Adam", {}, "Lion"),
        ("Adam", {}, "HeavyBall"),
    ],
)
def test_what_no_rule_continues(name: str, settings: dict[str, Any], heir: str) -> None:
    params = _parameters()
    theirs = getattr(torch.optim, name)(params, **settings)
    _walk(theirs, params, 0, 2)
    ours = getattr(lt, heir)(params)
    _walk(ours, params, 0, 2)
    before = repr(ours.state_dict())
    with pytest.raises(SettingError, match=r"of one of torch's Adams .*cannot continue; allowed are adam and adamw"):
        ours.load_state_dict(theirs.state_dict())
    assert repr(ours.state_dict()) == before


# --- torch.optim.SGD at a rate of zero --------------------------------------------------------------------------------


def _at_zero() -> tuple[Any, list[Any]]:
    params = _parameters()
    theirs = torch.optim.SGD(params, 0.1, momentum=0.9)
    _walk(theirs, params, 0, 3)
    theirs.param_groups[0]["lr"] = 0.0
    return theirs, params


@pytest.mark.parametrize("make", [lt.HeavyBall, lambda p: lt.HeavyBall(p, form="velocity")])
def test_a_buffer_at_a_rate_of_zero_is_not_forgotten(make: Any) -> None:
    theirs, params = _at_zero()
    ours = make(params)
    before = ours.state_dict()
    with pytest.raises(SettingError, match=r"lr=0\.0.*would forget.*take form='step' or layda\.torch\.SGD"):
        ours.load_state_dict(theirs.state_dict())
    assert ours.state_dict() == before


@pytest.mark.parametrize("make", [lambda p: lt.HeavyBall(p, form="step"), lt.SGD,
                                  lambda p: lt.HeavyBall(p, form="average")])  # fmt: skip
def test_what_the_remedy_does(make: Any) -> None:
    """The rate comes back, and so does torch's motion."""
    theirs, params = _at_zero()
    others = [one.detach().clone().requires_grad_() for one in params]
    ours = make(others)
    ours.load_state_dict(theirs.state_dict())
    _walk(theirs, params, 3, 5)
    _walk(ours, others, 3, 5)
    factor = 10.0 if ours.param_groups[0].get("form") == "average" else 1.0
    theirs.param_groups[0]["lr"], ours.param_groups[0]["lr"] = 0.1, 0.1 * factor
    _walk(theirs, params, 5, 12)
    _walk(ours, others, 5, 12)
    for a, b in zip(params, others, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_buffer_that_is_at_rest_may_be_forgotten() -> None:
    params = _parameters()
    theirs = torch.optim.SGD(params, 0.0, momentum=0.9)
    for one in params:
        one.grad = torch.zeros_like(one)
    theirs.step()
    ours = lt.HeavyBall(params)
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["lr"] == 0.0
    assert not ours.state[params[0]]["velocity"].any()


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "NAdam"])
def test_a_group_keeps_what_is_the_user_s_and_a_scheduler_s(kind: str) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.ones(3)
    groups = [{"params": [parameter], "name": "encoder", "lr_scale": 0.5}]
    settings = {"momentum": 0.9} if kind == "SGD" else {}
    theirs = getattr(torch.optim, kind)(groups, lr=0.01, **settings)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.01, total_steps=10)
    theirs.step()
    scheduler.step()
    ours = getattr(lt, kind)([parameter], lr=0.01)
    ours.load_state_dict(theirs.state_dict())
    assert (ours.param_groups[0]["name"], ours.param_groups[0]["lr_scale"]) == ("encoder", 0.5)
    torch.optim.lr_scheduler.OneCycleLR(ours, 0.01, total_steps=10, last_epoch=1)
    ours.step()


def test_a_state_tells_the_run_that_is_in_force() -> None:
    optimizer = lt.HeavyBall([torch.nn.Parameter(torch.ones(3))], seed=3)
    optimizer.param_groups[0]["run"] = {"rounding": "nearest", "seed": 99, "skipped": 0}
    assert optimizer.state_dict()["param_groups"][0]["run"]["seed"] == 3
