"""Trajectories: those of torch.optim where the same rule is there, and the same bits however they are computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layda.rule import Rule, Stepper
from layda.rules import HeavyBall, Nesterov
from layda.schedules import ExponentialDecay
from tests.cases import RULES

torch = pytest.importorskip("torch")

import layda.torch as lt  # noqa: E402

STEPS = 1000
START = (1.5, -0.75)
each_rule = pytest.mark.parametrize("rule", RULES, ids=str)


def slope(x: Any, y: Any) -> tuple[Any, Any]:
    """Of a smooth convex bowl without chaos, so that rounding does not grow: peers may round in another order."""
    return x + y / 2 + x**3 / 2, 10 * y + x / 2


def walked(make: Callable[[Any], Any], sign: float = 1.0, steps: int = STEPS) -> Any:
    """The positions of an optimizer, whose gradient is the slope times the sign."""
    point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = make([point])
    found = [point.detach().clone()]
    for _ in range(steps):
        point.grad = sign * torch.stack(slope(*point.detach()))
        optimizer.step()
        found.append(point.detach().clone())
    return torch.stack(found)


# --- torch.optim and schedulefree -------------------------------------------------------------------------------------


def _sgd_settings() -> list[dict[str, Any]]:
    found = []
    for momentum, dampening, nesterov, maximize, decay in itertools.product(
        (0.0, 0.9), (0.0, 0.3), (False, True), (False, True), (0.0, 0.1)
    ):
        if not nesterov or (momentum and not dampening):
            found.append({
                "lr": 0.02, "momentum": momentum, "dampening": dampening, "nesterov": nesterov, "maximize": maximize,
                "weight_decay": decay,
            })  # fmt: skip
    return found


@pytest.mark.parametrize("settings", _sgd_settings(), ids=lambda one: "-".join(f"{value}" for value in one.values()))
def test_sgd_is_torchs(settings: dict[str, Any]) -> None:
    sign = -1.0 if settings["maximize"] else 1.0
    if settings["maximize"]:  # then weight decay pushes outwards: keep the run short of overflow
        settings = settings | {"weight_decay": settings["weight_decay"] / 100}
    theirs = walked(lambda p: torch.optim.SGD(p, **settings, foreach=False), sign)
    ours = walked(lambda p: lt.SGD(p, **settings), sign)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    assert torch.equal(walked(lambda p: lt.SGD(p, **settings, fused=False), sign, 100), ours[:101])


def _of_torch(name: str, **settings: Any) -> Any:
    return lambda p: getattr(torch.optim, name)(p, **settings, foreach=False)


def _schedule_free(**settings: Any) -> Any:
    def make(params: Any) -> Any:
        schedulefree = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
        optimizer = schedulefree.SGDScheduleFree(params, **settings, foreach=False)
        optimizer.train()
        return optimizer

    return make


_BETAS = {"betas": (0.8, 0.99), "eps": 1e-6}
_OURS = {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6}
PEERS: dict[str, tuple[Any, Any]] = {
    "gradient descent": (lambda p: lt.GradientDescent(p, 0.05), _of_torch("SGD", lr=0.05)),
    "heavy ball": (
        lambda p: lt.HeavyBall(p, 0.02, 0.9, form="step", weight_decay=0.05),
        _of_torch("SGD", lr=0.02, momentum=0.9, weight_decay=0.05),
    ),
    "heavy ball, velocity": (lambda p: lt.HeavyBall(p, 0.02, 0.9), _of_torch("SGD", lr=0.02, momentum=0.9)),
    "heavy ball, average": (
        lambda p: lt.HeavyBall(p, 0.2, 0.9, form="average"),
        _of_torch("SGD", lr=0.02, momentum=0.9),
    ),
    "nesterov": (
        lambda p: lt.Nesterov(p, 0.02, 0.9, weight_decay=0.05),
        _of_torch("SGD", lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.05),
    ),
    "adam": (lambda p: lt.Adam(p, 0.01), _of_torch("Adam", lr=0.01)),
    "adam, settings": (
        lambda p: lt.Adam(p, 0.01, **_OURS, weight_decay=0.1),
        _of_torch("Adam", lr=0.01, weight_decay=0.1, **_BETAS),
    ),
    "adam, decoupled": (
        lambda p: lt.Adam(p, 0.01, weight_decay=0.1, decoupled=True),
        _of_torch("AdamW", lr=0.01, weight_decay=0.1),
    ),
    "adamw": (lambda p: lt.AdamW(p), _of_torch("AdamW")),
    "adamw, settings": (lambda p: lt.AdamW(p, 0.01, **_OURS), _of_torch("AdamW", lr=0.01, **_BETAS)),
    "nadam": (lambda p: lt.NAdam(p), _of_torch("NAdam")),
    "nadam, settings": (
        lambda p: lt.NAdam(p, 0.01, **_OURS, momentum_decay=0.01, weight_decay=0.1),
        _of_torch("NAdam", lr=0.01, momentum_decay=0.01, weight_decay=0.1, **_BETAS),
    ),
    "nadam, decoupled": (
        lambda p: lt.NAdam(p, 0.01, weight_decay=0.1, decoupled=True),
        _of_torch("NAdam", lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    ),
    "schedule-free": (lambda p: lt.ScheduleFreeSGD(p, 0.05, 0.9), _schedule_free(lr=0.05, momentum=0.9)),
    "schedule-free, decay": (
        lambda p: lt.ScheduleFreeSGD(p, 0.05, 0.8, weight_decay=0.1),
        _schedule_free(lr=0.05, momentum=0.8, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_peers(name: str) -> None:
    ours, theirs = PEERS[name]
    torch.set_default_dtype(torch.float64)  # torch's NAdam keeps its product of momenta in the default dtype
    try:
        found = walked(theirs)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(walked(ours), found, rtol=0, atol=1e-12)


# --- NumPy ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fused", [None, False])
@each_rule
def test_numpy_gives_the_same_bits(rule: Rule, fused: bool | None) -> None:
    """The rule's program on NumPy arrays, with the same gradients."""
    stepper, program = Stepper(rule), Stepper(rule).program()
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=5)).requires_grad_()
    optimizer = lt.Optimizer([x], rule, fused=fused)
    position = x.detach().numpy().copy()
    start = stepper.start(stepper.numbers, position)
    names = [slot.name for slot in (*stepper.slots, *stepper.shared)] + list(stepper.schedule_names)
    carried = dict(zip(names, (*start.slots, *start.shared, *start.schedules), strict=True))
    for t in range(60):
        gradient = 3.0 * position + rng.normal(size=5)
        now = {"t": float(t), "position": position, "gradient": gradient}
        found = program.evaluate(stepper.numbers | carried | now)
        position, carried = found["position"], {name: found[name] for name in names}
        x.grad = torch.from_numpy(gradient)
        optimizer.step()
        assert np.array_equal(x.detach().numpy(), position), t
        for slot in stepper.slots:
            assert np.array_equal(optimizer.state[x][slot.name].numpy(), carried[slot.name]), (t, slot.name)
        for slot in stepper.shared:
            assert optimizer.state[x][slot.name].item() == carried[slot.name]


# --- the fused step and its readable twin -----------------------------------------------------------------------------

REAL = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
KINDS = (*REAL, torch.complex64, torch.complex128)


def _bits(tensor: Any) -> bytes:
    tensor = torch.view_as_real(tensor.detach().resolve_conj()) if tensor.is_complex() else tensor.detach()
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())


def _same(first: Any, second: Any) -> None:
    """Parameters and slots of two optimizers."""
    for a, b in zip(first.param_groups, second.param_groups, strict=True):
        assert a["steps"] == b["steps"]
        for p, q in zip(a["params"], b["params"], strict=True):
            assert _bits(p) == _bits(q)
            one, other = first.state.get(p, {}), second.state.get(q, {})
            assert one.keys() == other.keys()
            assert all(_bits(one[name]) == _bits(other[name]) for name in one)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda make: make(7, 5),
    "scalar": lambda make: make(),
    "one": lambda make: make(1),
    "empty": lambda make: make(3, 0),
    "long": lambda make: make(1037),
    "transposed": lambda make: make(6, 11).T,
    "permuted": lambda make: make(3, 4, 5).permute(2, 0, 1),
    "channels last": lambda make: make(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "sliced": lambda make: make(9, 8)[::2, 1:5],
    "row of a matrix": lambda make: make(5, 33)[2],
    "column of a matrix": lambda make: make(33, 5)[:, 2],
    "end of a vector": lambda make: make(70)[3:],
    "size one, odd stride": lambda make: make(4, 6)[1:2, ::3],
}


def _gradient(like: Any, layout: str, make: Callable[..., Any]) -> Any:
    """A gradient of the shape, laid out in memory in its own way."""
    if layout == "expanded":
        return make().expand(like.shape)
    if layout == "turned" and like.dim() > 1:
        return make(*reversed(like.shape)).permute(*reversed(range(like.dim())))
    if layout == "gaps":
        return make(*like.shape, 2)[..., 1]
    return make(*like.shape) if layout != "like" else torch.empty_like(like).copy_(make(*like.shape))


GRADIENTS = ("plain", "like", "turned", "gaps", "expanded")


def _run(rule: Any, fused: bool | None, dtype: Any, layouts: Any, plan: Any, **settings: Any) -> Any:
    """An optimizer of two groups after some steps. A plan says for every step which tensors have gradients, and how."""
    torch.manual_seed(11)

    def make(*shape: int) -> Any:
        return torch.randn(shape, dtype=torch.complex128 if dtype.is_complex else torch.float64).to(dtype)

    params = [LAYOUTS[layout](make).detach().requires_grad_() for layout in layouts]
    around = [one.detach() for one in params]
    groups = [{"params": params[::2]}, {"params": params[1::2], "weight_decay": 0.25}]
    optimizer = lt.Optimizer([group for group in groups if group["params"]], rule, fused=fused, **settings)
    for step in plan:
        for parameter, layout in zip(params, step, strict=True):
            parameter.grad = None if layout is None else _gradient(parameter, layout, make)
        optimizer.step()
    assert all(one.data_ptr() == own.data_ptr() for one, own in zip(params, around, strict=True))
    return optimizer


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex64], ids=str)
@each_rule
def test_fused_is_readable(rule: Rule, dtype: Any) -> None:
    """Every rule on every layout, one tensor's gradient late, one's never there."""
    layouts = list(LAYOUTS)
    plan = []
    for step in range(4):
        own: list[str | None] = [GRADIENTS[(step + index) % len(GRADIENTS)] for index in range(len(layouts))]
        own[0] = None if step < 2 else own[0]
        own[4] = None
        plan.append(own)
    settings = {"maximize": True} if str(rule).startswith("lion") else {}
    _same(*(_run(rule, fused, dtype, layouts, plan, **settings) for fused in (None, False)))


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("state_dtype", [None, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_cheap_state(state_dtype: Any, dtype: Any, rounding: str, runs: int) -> None:
    """Every pair of dtypes; the ordinary run draws the rule, a campaign takes all."""
    number = REAL.index(dtype) + 3 * (0 if state_dtype is None else state_dtype.itemsize) + len(rounding)
    layouts = ["plain", "long", "transposed", "scalar", "sliced", "channels last"]
    plan = [["plain", "like", "turned", "plain", "gaps", "like"]] * 3
    for rule in RULES if runs > 1 else (RULES[number % len(RULES)],):
        settings = {"state_dtype": state_dtype, "rounding": rounding, "seed": 5, "nonfinite": "pass"}
        _same(*(_run(rule, fused, dtype, layouts, plan, **settings) for fused in (None, False)))


@given(data=st.data())
def test_any_run(data: Any) -> None:
    """Whatever the layouts, the gradients that are there, the seed, and the number of threads."""
    rule = data.draw(st.sampled_from(RULES))
    dtype = data.draw(st.sampled_from((torch.float32, torch.float64, torch.complex128)))
    layouts = data.draw(st.lists(st.sampled_from(sorted(LAYOUTS)), min_size=1, max_size=6))
    row = st.lists(st.sampled_from((None, *GRADIENTS)), min_size=len(layouts), max_size=len(layouts))
    plan = data.draw(st.lists(row, min_size=1, max_size=5))
    seed, policy = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.sampled_from(("skip", "pass")))
    settings = {"lr": data.draw(st.one_of(st.none(), st.floats(0.0, 1e30))), "maximize": data.draw(st.booleans())}
    threads = torch.get_num_threads()
    found = []
    try:
        for fused, count in ((None, 1), (None, 2), (False, 1)):
            torch.set_num_threads(count)
            found.append(_run(rule, fused, dtype, layouts, plan, seed=seed, nonfinite=policy, **settings))
    finally:
        torch.set_num_threads(threads)
    _same(found[0], found[1])
    _same(found[0], found[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_threads_give_the_same_bits(dtype: Any) -> None:
    """More elements than one unit of work has."""
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            torch.manual_seed(12)
            params = [torch.randn(size).to(dtype).requires_grad_() for size in (100_003, 7, 40_000)]
            optimizer = lt.HeavyBall(params, state_dtype=torch.bfloat16)
            for _ in range(3):
                for one in params:
                    one.grad = torch.randn(one.shape).to(dtype)
                optimizer.step()
            found.append([_bits(one) for one in params])
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("fused", [None, False])
def test_stochastic_rounding_keeps_the_mean(fused: bool | None) -> None:
    """Steps of a sixteenth of bfloat16's spacing are lost when rounded to nearest, and kept in the mean otherwise."""
    means = {}
    for rounding in ("stochastic", "nearest"):
        x = torch.ones(20_000, dtype=torch.bfloat16, requires_grad=True)
        optimizer = lt.GradientDescent([x], lr=2.0**-11, rounding=rounding, maximize=True, fused=fused)
        for _ in range(8):
            x.grad = torch.ones_like(x)
            optimizer.step()
        means[rounding] = x.detach().double().mean().item() - 1.0
        assert len(set(x.detach().tolist())) > 1 or rounding == "nearest"
    assert means["nearest"] == 0.0
    deviation = 2.0**-7 * (8 / 16 / 20_000) ** 0.5  # of the mean, at most
    assert abs(means["stochastic"] - 8 * 2.0**-11) < 5 * deviation


def test_nothing_is_written_beside_a_slice() -> None:
    for layout in ("sliced", "row of a matrix", "column of a matrix", "end of a vector"):
        whole: list[Any] = []

        def make(*shape: int, whole: list[Any] = whole) -> Any:
            whole.append(torch.full(shape, 7.0))
            return whole[-1]

        part = LAYOUTS[layout](make).requires_grad_()
        part.grad = torch.ones(part.shape)
        optimizer = lt.HeavyBall([part], lr=1.0)
        optimizer.step()
        assert (part == 6.0).all()
        assert whole[0].sum() == 7.0 * whole[0].numel() - part.numel()


@pytest.mark.parametrize("rule", [HeavyBall(ExponentialDecay(0.5, 0.9)), Nesterov(0.1)], ids=str)
def test_groups_are_optimizers_of_their_own(rule: Rule) -> None:
    found = []
    for together in (True, False):
        torch.manual_seed(13)
        params = [torch.randn(4).requires_grad_() for _ in range(3)]
        groups = [{"params": [one], "momentum": 0.5 + index / 10} for index, one in enumerate(params)]
        optimizers = [lt.Optimizer(groups, rule)] if together else [lt.Optimizer([one], rule) for one in groups]
        for _ in range(5):
            for one in params:
                one.grad = 0.3 * one.detach()
            for optimizer in optimizers:
                optimizer.step()
        found.append([_bits(one) for one in params])
    assert found[0] == found[1]
