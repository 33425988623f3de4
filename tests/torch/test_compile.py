"""torch.compile around a training step: the same numbers, and nothing is compiled anew when a setting changes.

The step is a call between two compiled graphs, as a kernel of its own that settings are handed to.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")
pytest.importorskip("torch._dynamo", reason="this torch has no compiler")

import layda.torch as lt  # noqa: E402
from layda.schedules import ExponentialDecay  # noqa: E402
from tests.cases import RULES  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Counting:
    """A backend that runs graphs as they are and counts how many it was given."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))


def batch(step: int) -> tuple[Any, Any]:
    draw = torch.Generator().manual_seed(step)
    return torch.randn(6, 4, generator=draw), torch.randn(6, 2, generator=draw)


def training(model: Any, optimizer: Any) -> Callable[[Any, Any], None]:
    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        value = ((model(x) - y) ** 2).mean()
        value.backward()
        optimizer.step()

    return step


def trained(make: Callable[[Any], Any], backend: Any, between: Callable[[Any, int], None] | None = None) -> Any:
    """Eight steps; compiled where there is a backend."""
    model = net()
    optimizer = make(model.parameters())
    step = training(model, optimizer)
    if backend is not None:
        step = torch.compile(step, backend=backend)
    for index in range(8):
        step(*batch(index))
        if between is not None:
            between(optimizer, index)
    return [parameter.detach() for parameter in model.parameters()], optimizer


def slower(optimizer: Any, index: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = 0.1 / (index + 2)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_and_plain_training_are_the_same(backend: str) -> None:
    for make in (lt.HeavyBall, lt.Adam):
        plain, _ = trained(make, None)
        compiled, optimizer = trained(make, backend)
        for own, other in zip(compiled, plain, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-7)
        assert optimizer.param_groups[0]["steps"] == 8


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_compiles_once(rule: Any) -> None:
    backend = Counting()
    plain, _ = trained(lambda parameters: lt.Optimizer(parameters, rule), None)
    counts = []
    compiled, _ = trained(
        lambda parameters: lt.Optimizer(parameters, rule), backend, lambda _, index: counts.append(backend.graphs)
    )
    assert all(map(torch.equal, compiled, plain))
    assert counts == [1] * 8


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ for torch's compiler")
def test_with_inductor(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, runs: int) -> None:
    if runs < 2:
        pytest.skip("g++ takes ten seconds for the two graphs: a campaign (--runs 2) waits for it")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    plain, _ = trained(lt.HeavyBall, None, slower)
    compiled, _ = trained(lt.HeavyBall, "inductor", slower)
    for own, other in zip(compiled, plain, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def graphs_after(make: Callable[[Any], Any], between: Callable[[Any, int], None]) -> list[tuple[int, int]]:
    """How many graphs, and pieces of Python, have been compiled after each step."""
    backend, counts = Counting(), []
    pieces = torch._dynamo.utils.counters["frames"]
    before = pieces["total"]

    def count(optimizer: Any, index: int) -> None:
        counts.append((backend.graphs, pieces["total"] - before))
        between(optimizer, index)

    trained(make, backend, count)
    return counts


def other_momentum(optimizer: Any, index: int) -> None:
    optimizer.param_groups[0]["momentum"] = 0.9 - 0.01 * index


def tensor_filled(optimizer: Any, index: int) -> None:
    optimizer.param_groups[0]["lr"].fill_(0.1 / (index + 2))


CHANGES = {
    "lr": (lambda parameters: lt.HeavyBall(parameters, lr=0.1), slower),
    "momentum": (lambda parameters: lt.HeavyBall(parameters, lr=0.1), other_momentum),
    "tensor lr": (lambda parameters: lt.HeavyBall(parameters, lr=torch.tensor(0.1)), tensor_filled),
    "schedule": (lambda parameters: lt.HeavyBall(parameters, lr=ExponentialDecay(0.1, 0.9)), lambda *_: None),
    "adam's lr": (lambda parameters: lt.Adam(parameters, lr=0.1), slower),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_setting_compiles_nothing_and_counts(name: str) -> None:
    make, change = CHANGES[name]
    counts = graphs_after(make, change)
    assert counts == [counts[0]] * 8
    assert counts[0][0] == 1
    plain, _ = trained(make, None, change)
    compiled, _ = trained(make, Counting(), change)
    assert all(map(torch.equal, compiled, plain))
    if name != "schedule":
        kept, _ = trained(make, None)
        assert not all(map(torch.equal, kept, plain))


def test_where_the_peer_compiles_anew() -> None:
    """torch.optim.SGD with numbers: one graph more where one changes (pytorch#107076, #163093)."""

    def later(change: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        return lambda optimizer, index: change(optimizer, index) if index >= 3 else None

    for change in (slower, other_momentum):
        theirs = graphs_after(lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.95), later(change))
        ours = graphs_after(lambda parameters: lt.SGD(parameters, lr=0.1, momentum=0.95), later(change))
        assert ours[-1] == ours[0]
        assert theirs[3][0] < theirs[-1][0]


@pytest.mark.parametrize("alone", [False, True], ids=["the step alone", "method"])
def test_only_the_step_compiled(alone: bool) -> None:
    found = []
    for backend in (None, "eager"):
        model = net()
        optimizer = lt.HeavyBall(model.parameters(), lr=0.1)
        step: Any = optimizer.step if alone else lambda optimizer=optimizer: optimizer.step()
        if backend is not None:
            step = torch.compile(step, backend=backend)
        for index in range(5):
            optimizer.zero_grad()
            x, y = batch(index)
            ((model(x) - y) ** 2).mean().backward()
            step()
            slower(optimizer, index)
        found.append([parameter.detach() for parameter in model.parameters()])
        assert optimizer.param_groups[0]["steps"] == 5
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
def test_a_scheduler_inside(lr: Any) -> None:
    """CosineAnnealingLR steps within the compiled function."""
    found = []
    for backend in (None, Counting()):
        model = net()
        optimizer = lt.HeavyBall(model.parameters(), lr=lr.clone() if isinstance(lr, torch.Tensor) else lr)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)
        training_step = training(model, optimizer)

        def both(x: Any, y: Any, own: Any = training_step, scheduler: Any = scheduler) -> None:
            own(x, y)
            scheduler.step()

        step: Any = both if backend is None else torch.compile(both, backend=backend)
        for index in range(8):
            step(*batch(index))
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.0, abs=1e-7)
        found.append([parameter.detach() for parameter in model.parameters()])
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_a_skipped_step_in_compiled_training() -> None:
    model = net()
    optimizer = lt.HeavyBall(model.parameters())
    step = torch.compile(training(model, optimizer), backend="eager")
    step(*batch(0))
    kept = [parameter.detach().clone() for parameter in model.parameters()]
    x, y = batch(1)
    with pytest.warns(RuntimeWarning, match="the step was skipped"):
        step(x * float("nan"), y)
    assert all(map(torch.equal, kept, [parameter.detach() for parameter in model.parameters()]))
    assert optimizer.skipped == 1


def test_a_compiled_model_and_a_plain_step() -> None:
    plain, _ = trained(lt.Adam, None)
    model = net()
    optimizer = lt.Adam(model.parameters())
    step = training(torch.compile(model, backend="aot_eager"), optimizer)
    for index in range(8):
        step(*batch(index))
    for own, other in zip(model.parameters(), plain, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-7)
