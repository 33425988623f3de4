"""Names of settings: torch's where they mean the same, hints where they do not, refusals of what nothing would read."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from layda.errors import SettingError
from layda.rules import ALL
from layda.schedules import ExponentialDecay
from layda.torch.names import advice, keys_of
from tests.torch.infos import INFOS, Clipped

torch = pytest.importorskip("torch")

from torch.optim import lr_scheduler as by_torch  # noqa: E402

import layda.torch as lt  # noqa: E402

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
both_paths = pytest.mark.parametrize("fused", [None, False])
PAIRED = ("Adam", "AdamW", "NAdam", "Lion")
STEPS = 12


def _parameter() -> Any:
    return torch.nn.Parameter(torch.tensor([1.5, -0.75], dtype=torch.float64))


def _push(step: int) -> Any:
    return torch.tensor([0.3 * step - 1.0, 1.0 + 0.1 * step], dtype=torch.float64)


def _walk(optimizer: Any, x: Any, count: int = 4) -> Any:
    for step in range(count):
        x.grad = _push(step)
        optimizer.step()
    return x.detach().clone()


# --- betas and eps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRED)
def test_the_pair_by_any_of_its_names(name: str) -> None:
    """One by one as the rule has them, or as torch has them; to the constructor or to a group."""
    make, ends = getattr(lt, name), []
    for settings in ({"beta1": 0.8, "beta2": 0.99}, {"betas": (0.8, 0.99)}, {"betas": [0.8, 0.99]}):
        for own, groups in ((settings, {}), ({}, settings), ({"beta1": 0.3}, settings)):
            x = _parameter()
            optimizer = make([{"params": [x], **groups}], 0.1, **own)
            assert optimizer.param_groups[0]["betas"] == (0.8, 0.99)
            assert "beta1" not in optimizer.param_groups[0]
            ends.append(_walk(optimizer, x))
    x = _parameter()
    optimizer = make([{"params": [x], "beta1": 0.8}], 0.1, beta2=0.99)
    ends.append(_walk(optimizer, x))
    x = _parameter()
    optimizer = make([x], 0.1)
    optimizer.param_groups[0]["betas"] = [0.8, 0.99]
    ends.append(_walk(optimizer, x))
    assert all(torch.equal(one, ends[0]) for one in ends)
    assert not torch.equal(ends[0], _walk(make([x], 0.1), x))


def test_epsilon_by_either_name() -> None:
    for made in (
        lt.Adam([_parameter()], epsilon=0.5),
        lt.Adam([_parameter()], eps=0.5),
        lt.Adam([{"params": [_parameter()], "eps": 0.5}]),
    ):
        assert made.param_groups[0]["epsilon"] == 0.5
    assert lt.Adam([_parameter()], betas=None, eps=None).rule == lt.Adam([_parameter()]).rule


def test_a_call_of_torchs_adam_means_the_same_here() -> None:
    settings = {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.1}
    for name in ("Adam", "AdamW", "NAdam"):
        x, y = _parameter(), _parameter()
        torch.set_default_dtype(torch.float64)  # torch's NAdam keeps its product of momenta in the default dtype
        try:
            theirs = _walk(getattr(torch.optim, name)([x], **settings), x, STEPS)
        finally:
            torch.set_default_dtype(torch.float32)
        torch.testing.assert_close(_walk(getattr(lt, name)([y], **settings), y, STEPS), theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"betas": (0.8, 0.99), "beta1": 0.8}, r"betas and beta1 are both given .* leave beta1 out"),
        ({"eps": 1e-8, "epsilon": 1e-8}, r"eps and epsilon are both given"),
        ({"betas": 0.8}, r"betas is 0\.8; allowed is a pair"),
        ({"betas": (0.8, 0.9, 0.99)}, r"betas is \(0\.8, 0\.9, 0\.99\); allowed is a pair"),
        ({"betas": (0.8, 1.5)}, r"beta2 is 1\.5; allowed is"),
    ],
)
def test_what_is_no_pair(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        lt.Adam([_parameter()], **settings)
    with pytest.raises(SettingError, match=told):
        lt.Adam([{"params": [_parameter()], **settings}])
    if set(settings) == {"betas"}:
        x = _parameter()
        optimizer = lt.Adam([x])
        before = _walk(optimizer, x, 2)
        optimizer.param_groups[0].update(settings)
        with pytest.raises(SettingError, match=told):
            _walk(optimizer, x)
        assert torch.equal(x, before)


@both_paths
def test_schedules_and_tensors_in_the_pair(fused: bool | None) -> None:
    """A schedule of layda's for β₁ shows as a number; a tensor is read at every step."""
    decay = ExponentialDecay(0.9, 0.9)
    x, y, z = _parameter(), _parameter(), _parameter()
    first, other = lt.Adam([x], 0.1, beta1=decay, fused=fused), lt.Adam([y], 0.1, fused=fused)
    tensor = torch.tensor(0.9, dtype=torch.float64)
    third = lt.Adam([{"params": [z], "betas": (tensor, 0.999)}], 0.1, fused=fused)
    for step in range(6):
        shown = first.param_groups[0]["betas"]
        assert shown[1] == 0.999
        other.param_groups[0]["betas"] = shown
        tensor.fill_(shown[0])
        for one, optimizer in ((x, first), (y, other), (z, third)):
            one.grad = _push(step)
            optimizer.step()
    assert torch.equal(x, y)
    assert torch.equal(x, z)
    assert first.param_groups[0]["betas"][0] < 0.6
    first.param_groups[0]["betas"] = (0.5, 0.999)
    with pytest.raises(SettingError, match="betas follows"):
        first.step()


# --- torch's schedulers of the momentum -------------------------------------------------------------------------------

CYCLES: dict[str, Any] = {
    "OneCycleLR": lambda o: by_torch.OneCycleLR(o, 0.1, STEPS),
    "CyclicLR": lambda o: by_torch.CyclicLR(o, 0.01, 0.1, 4),
}


@pytest.mark.parametrize("cycle", CYCLES)
@each_class
def test_momentum_is_cycled_wherever_there_is_one(info: Any, cycle: str) -> None:
    """By default, with the numbers that torch's own optimizers are given; torch refuses where there is none."""
    x = _parameter()
    optimizer = info.optim_cls([x], 0.05, **({"momentum": 0.9} if info.name == "SGD" else {}))
    if not {"momentum", "betas"} & set(optimizer.defaults):
        assert info.name in ("GradientDescent", "AggregatedMomentum")
        with pytest.raises(ValueError, match="cycle_momentum"):
            CYCLES[cycle](optimizer)
        return
    theirs = torch.optim.Adam([_parameter()], 0.05)
    schedulers = [CYCLES[cycle](one) for one in (optimizer, theirs)]
    seen = set()
    for step in range(STEPS - 1):
        group = optimizer.param_groups[0]
        told = group["betas"][0] if "betas" in group else group["momentum"]
        assert (group["lr"], told) == (theirs.param_groups[0]["lr"], theirs.param_groups[0]["betas"][0])
        seen.add(told)
        x.grad = _push(step)
        optimizer.step()
        with torch.no_grad():
            theirs.param_groups[0]["params"][0].grad = _push(step)
        theirs.step()
        for scheduler in schedulers:
            scheduler.step()
    assert len(seen) > 3


@both_paths
@pytest.mark.parametrize("cycle", CYCLES)
def test_the_cycled_pair_does_what_the_equation_says(cycle: str, fused: bool | None) -> None:
    x, y = _parameter(), _parameter()
    adam, lion = lt.Adam([x], 0.1, fused=fused), lt.Lion([y], 0.1, fused=fused)
    schedulers = [CYCLES[cycle](one) for one in (adam, lion)]
    z, w = x.detach().clone(), y.detach().clone()
    m, s, n, left1, left2 = torch.zeros(2), torch.zeros(2), torch.zeros(2), 1.0, 1.0
    for step in range(STEPS - 1):
        g, group = _push(step), adam.param_groups[0]
        rate, (beta1, beta2), memory = group["lr"], group["betas"], lion.param_groups[0]["betas"][1]
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g
        left1, left2 = left1 * beta1, left2 * beta2
        z = z - rate * (m / (1 - left1)) / ((s / (1 - left2)).sqrt() + 1e-8)
        w = w - rate * torch.sign(beta1 * n + (1 - beta1) * g)
        n = memory * n + (1 - memory) * g
        x.grad = y.grad = g
        for one in (adam, lion, *schedulers):
            one.step()
    torch.testing.assert_close(x.detach(), z, rtol=0, atol=1e-13)
    torch.testing.assert_close(y.detach(), w, rtol=0, atol=1e-13)


# --- names that nothing reads -----------------------------------------------------------------------------------------

MEANT: list[tuple[str, str, str]] = [
    ("HeavyBall", "LR", "write lr"),
    ("HeavyBall", "Momentum", "write momentum"),
    ("HeavyBall", "learning_rate", "write lr"),
    ("HeavyBall", "alpha", "write lr"),
    ("HeavyBall", "wd", "write weight_decay"),
    ("HeavyBall", "decay", "write weight_decay"),
    ("HeavyBall", "weight-decay", "write weight_decay"),
    ("HeavyBall", "wieght_decay", "did you mean weight_decay"),
    ("HeavyBall", "mu", "write momentum"),
    ("HeavyBall", "beta", "write momentum"),
    ("HeavyBall", "betas", "write momentum"),
    ("HeavyBall", "momentun", "did you mean momentum"),
    ("HeavyBall", "nesterov", "take layda.torch.Nesterov"),
    ("HeavyBall", "dampening", "take layda.torch.SGD"),
    ("HeavyBall", "eps", "this rule has no such setting; it has"),
    ("Adam", "momentum", "write betas"),
    ("Adam", "amsgrad", "leave it out"),
    ("Adam", "beta_1", "write betas"),
    ("Adam", "Eps", "write epsilon"),
    ("AggregatedMomentum", "momentum", "write momenta"),
    ("GradientDescent", "momentum", "this rule has no such setting; it has"),
    ("SGD", "form", "this rule has no such setting; it has"),
]


@pytest.mark.parametrize(("name", "written", "told"), MEANT)
def test_at_construction(name: str, written: str, told: str) -> None:
    make = getattr(lt, name)
    with pytest.raises(SettingError, match=f"a param group has '{written}'.*{told}"):
        make([{"params": [_parameter()], written: 0.5}])
    if written == "eps" or not written.isidentifier() or name == "SGD":
        return
    with pytest.raises(TypeError) as caught:
        make([_parameter()], **{written: 0.5})
    assert str(caught.value).startswith(f"{name}: ")
    assert "its arguments are (params, lr" in str(caught.value)
    if name != "Adam":  # there betas are an argument beside beta1 and beta2
        assert f"{written}: {told}" in str(caught.value)


@both_paths
@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize(("name", "written", "told"), [*MEANT, ("Adam", "beta1", "write betas")])
def test_written_later(name: str, written: str, told: str, before: int, fused: bool | None) -> None:
    """Before the first step and between two; nothing is changed, and without it the run goes on."""
    x = _parameter()
    optimizer = getattr(lt, name)([x], 0.1, fused=fused)
    there = _walk(optimizer, x, before)
    optimizer.param_groups[0][written] = 0.5
    for _ in range(2):
        x.grad = _push(before)
        with pytest.raises(SettingError, match=f"a param group has '{written}'.*{told}"):
            optimizer.step()
    assert torch.equal(x, there)
    del optimizer.param_groups[0][written]
    optimizer.step()
    assert not torch.equal(x, there)


def test_what_belongs_to_the_optimizer() -> None:
    for name in ("nonfinite", "state_dtype", "rounding", "seed", "fused"):
        with pytest.raises(SettingError, match="give it to the optimizer, for all groups"):
            lt.HeavyBall([{"params": [_parameter()], name: None}])
    with pytest.raises(SettingError, match="the rule 'adam'; allowed is 'heavy-ball'"):
        lt.HeavyBall([{"params": [_parameter()], "rule": "adam"}])


@each_class
def test_a_users_own_names_are_welcome(info: Any) -> None:
    """What torch's schedulers, timm and other optimizers keep in a group."""
    own = ("name", "lr_scale", "lr_mult", "group_name", "step", "initial_lr", "max_lr", "min_lr", "base_momentum",
           "max_momentum", "swa_lr", "no_decay", "layer", "is_bias", "foreach", "capturable", 3)  # fmt: skip
    x = _parameter()
    optimizer = info.optim_cls([{"params": [x], **dict.fromkeys(own, 0.5)}])
    _walk(optimizer, x, 2)
    y = _parameter()
    other = info.optim_cls([y])
    _walk(other, y, 1)
    other.param_groups[0].update(dict.fromkeys(own, 0.5))
    _walk(other, y, 1)
    assert optimizer.param_groups[0]["name"] == 0.5


def test_groups_of_another_optimizer() -> None:
    """They are dicts like any others; what is one for a run stays each one's own."""
    first = lt.Adam([_parameter()], betas=(0.5, 0.9), seed=3)
    second = lt.Adam(first.param_groups, seed=4)
    assert second.param_groups[0]["betas"] == (0.5, 0.9)
    assert (first.seed, second.seed) == (3, 4)
    assert second.param_groups[0]["run"]["seed"] == 4


def test_no_rules_own_name_is_refused() -> None:
    for rule in (*ALL, Clipped):
        known = tuple(keys_of(rule))
        assert all(advice(name, known) == f"write {name}" for name in known)
        assert all(advice(name.upper(), known) == f"write {name}" for name in known)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_repr_shows_what_is_not_as_usual() -> None:
    x = _parameter()
    usual = repr(lt.HeavyBall([x], 0.1))
    assert usual.startswith("HeavyBall (\nParameter Group 0\n")
    assert usual.endswith("    weight_decay: 0.0\n    rule: HeavyBall\n)")
    optimizer = lt.HeavyBall(
        [x], state_dtype=torch.bfloat16, nonfinite="raise", rounding="nearest", seed=7, fused=False
    )
    optimizer.skipped = 2
    assert repr(optimizer).endswith(
        "    rule: HeavyBall\n    nonfinite: raise\n    state_dtype: torch.bfloat16\n    rounding: nearest\n"
        "    seed: 7\n    fused: False\n    skipped: 2\n)"
    )
    assert "run:" not in repr(optimizer)


def test_the_package_shows_its_public_names() -> None:
    assert dir(lt) == sorted(lt.__all__)
    assert all(inspect.isclass(getattr(lt, name)) for name in dir(lt))
