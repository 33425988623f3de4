"""The fused step on a GPU, where there is one: the bits of the readable twin, CUDA graphs, streams."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("no NVIDIA GPU", allow_module_level=True)
pytest.importorskip("cuda.core", reason="the extra [gpu] is not installed")

from layda.errors import SettingError  # noqa: E402
from layda.rules import Adam, AggregatedMomentum, HeavyBall, Lion, Nesterov, QuasiHyperbolic, SignMomentum  # noqa: E402
from layda.torch import Optimizer  # noqa: E402
from layda.torch.cuda_launch import CudaLaunch  # noqa: E402
from tests.cases import RULES  # noqa: E402

_SHAPES = ((3,), (), (40, 60), (500_001,), (0,), (7, 3), (1024, 1024))
_KINDS = (
    (torch.float32, None),
    (torch.float64, None),
    (torch.bfloat16, torch.bfloat16),
    (torch.float32, torch.bfloat16),
    (torch.bfloat16, None),
    (torch.float16, None),
)
_CAPTURABLE = (
    HeavyBall(0.1),
    HeavyBall(0.1, form="step", weight_decay=0.1),
    Nesterov(0.1),
    QuasiHyperbolic(0.1),
    AggregatedMomentum(0.1),
    Lion(0.01),
    SignMomentum(0.01),
)


def _parameters(dtype, device="cuda"):
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator).to(device, dtype)) for shape in _SHAPES]


def _gradients(parameters, seed):
    """Those of odd number lie in one stretch of memory, as in a bucket, where no vector begins."""
    generator = torch.Generator().manual_seed(seed)
    for index, parameter in enumerate(parameters):
        values = torch.randn(parameter.shape, generator=generator).to(parameter.device, parameter.dtype)
        bucket = torch.empty(values.numel() + 1, dtype=values.dtype, device=values.device)
        parameter.grad = bucket[1:].view(values.shape).copy_(values) if index % 2 else values


def _points(optimizer):
    return [parameter.detach() for group in optimizer.param_groups for parameter in group["params"]]


def _same(found, wanted):
    torch.cuda.synchronize()
    for index, (a, b) in enumerate(zip(_points(found), _points(wanted), strict=True)):
        assert torch.equal(a, b), (index, found)


def _fused(optimizer):
    return all(isinstance(launch, CudaLaunch) for launch in optimizer._plan._launches) and not optimizer._plan._others


@pytest.mark.parametrize(("dtype", "state_dtype"), _KINDS)
def test_the_bits_of_the_readable_twin(dtype, state_dtype):
    for rule in RULES:
        pair = [
            Optimizer(_parameters(dtype), rule, seed=3, state_dtype=state_dtype, fused=fused) for fused in (True, False)
        ]
        for index in range(5):
            for optimizer in pair:
                _gradients(_params(optimizer), index)
                optimizer.step()
        assert _fused(pair[0])
        _same(*pair)


def _params(optimizer):
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_bits_of_the_processor(dtype):
    pair = [
        Optimizer(_parameters(dtype, device), HeavyBall(0.1), seed=3, state_dtype=dtype) for device in ("cuda", "cpu")
    ]
    for index in range(5):
        for optimizer in pair:
            _gradients(_params(optimizer), index)
            optimizer.step()
    for a, b in zip(*map(_points, pair), strict=True):
        assert torch.equal(a.cpu(), b)


def test_kinds_and_devices_side_by_side():
    places = [("cuda:0", torch.float32), ("cuda:0", torch.bfloat16), ("cpu", torch.float32)]
    if torch.cuda.device_count() > 1:
        places.append(("cuda:1", torch.float32))
    pair = []
    for fused in (None, False):
        parameters = [parameter for device, dtype in places for parameter in _parameters(dtype, device)]
        optimizer = Optimizer(parameters, HeavyBall(0.1), fused=fused)
        for index in range(3):
            _gradients(parameters, index)
            optimizer.step()
        pair.append(optimizer)
    assert len(pair[0]._plan._launches) == len(places)
    assert torch.cuda.current_device() == 0
    _same(*pair)


def test_it_runs_on_the_current_stream():
    """The gradient is made on a stream that is kept busy; the step must come after it, and the copy after the step."""
    parameter = torch.nn.Parameter(torch.zeros(1 << 20, device="cuda"))
    optimizer = Optimizer([parameter], HeavyBall(1.0, 0.0), nonfinite="pass")
    parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    for _ in range(20):
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000)
            parameter.grad.fill_(-1.0)
            optimizer.step()
            parameter.grad.zero_()
    torch.cuda.synchronize()
    assert torch.equal(parameter.detach(), torch.full_like(parameter, 20.0))


def test_a_gradient_that_is_not_finite_is_found():
    parameters = _parameters(torch.float32)
    optimizer = Optimizer([(f"p{index}", parameter) for index, parameter in enumerate(parameters)], HeavyBall(0.1))
    _gradients(parameters, 0)
    parameters[3].grad[-1] = float("inf")
    before = [parameter.detach().clone() for parameter in parameters]
    with pytest.warns(RuntimeWarning, match="'p3' has infinities or NaN"):
        optimizer.step()
    assert all(map(torch.equal, before, parameters))


# --- CUDA graphs ------------------------------------------------------------------------------------------------------


def _captured(optimizer):
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        optimizer.step()
    return graph


@pytest.mark.parametrize("rule", _CAPTURABLE, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_captured_step_follows_a_rate_that_is_a_tensor(rule, dtype):
    pair = []
    for captured in (True, False):
        parameters = _parameters(dtype)
        rate = torch.tensor(0.25, dtype=torch.float64, device="cuda")
        optimizer = Optimizer(parameters, rule, lr=rate, nonfinite="pass", fused=captured)
        _gradients(parameters, 0)
        optimizer.step()
        graph = _captured(optimizer) if captured else None
        for step, value in enumerate((0.25, 0.125, 0.5)):
            rate.fill_(value)
            for parameter in parameters:
                parameter.grad.mul_(step + 1)
            if graph is None:
                optimizer.step()
            else:
                graph.replay()
        pair.append(optimizer)
    _same(*pair)


def test_nothing_that_comes_later_touches_a_graph():
    parameters = _parameters(torch.float32)
    twins = [torch.nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    optimizer, twin = (Optimizer(own, HeavyBall(0.1), nonfinite="pass") for own in (parameters, twins))
    for own, chosen in ((parameters, optimizer), (twins, twin)):
        _gradients(own, 0)
        chosen.step()
    kept = [parameter.grad for parameter in parameters]
    graph = _captured(optimizer)
    _gradients(parameters, 1)
    optimizer.param_groups[0]["lr"] = 0.7
    optimizer.step()
    _gradients(twins, 1)
    twin.param_groups[0]["lr"] = 0.7
    twin.step()
    twin.param_groups[0]["lr"] = 0.1
    for parameter, gradient in zip(twins, kept, strict=True):
        parameter.grad = gradient.clone()
    for _ in range(2):
        graph.replay()
        twin.step()
    _same(optimizer, twin)


def test_every_replay_draws_new_bits():
    parameter = torch.nn.Parameter(torch.ones(1 << 16, dtype=torch.bfloat16, device="cuda"))
    optimizer = Optimizer([parameter], HeavyBall(1e-4, 0.0), nonfinite="pass")
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    graph, ends = _captured(optimizer), []
    for _ in range(2):
        with torch.no_grad():
            parameter.fill_(1.0)
        graph.replay()
        ends.append(parameter.detach().clone())
    assert not torch.equal(*ends)
    assert all(abs(float(end.double().mean()) - (1.0 - 1e-4)) < 2e-5 for end in ends)


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        (HeavyBall(0.1), {}, "nonfinite is not 'pass'"),
        (Adam(0.1), {"nonfinite": "pass"}, "numbers that change every time"),
    ],
)
@pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")
def test_what_a_graph_cannot_hold_is_refused(rule, options, words):
    parameters = _parameters(torch.float32)
    optimizer = Optimizer(parameters, rule, **options)
    _gradients(parameters, 0)
    optimizer.step()
    with pytest.raises(SettingError, match=words):
        _captured(optimizer)
