"""The fused step for GPUs without one: its own tables and kernels, run by a processor in the memory of its tensors."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("llvmlite")

import layda.torch.gpu  # noqa: E402 - where torch is
from layda.backends.elements_cuda import THREADS  # noqa: E402
from layda.errors import MissingExtraError, SettingError  # noqa: E402
from layda.rules import Adam, HeavyBall, Lion  # noqa: E402
from layda.torch import Optimizer, cuda_launch, group, step  # noqa: E402
from layda.torch.cuda_launch import CudaLaunch  # noqa: E402
from tests.cases import RULES  # noqa: E402
from tests.on_processor import Built, needs_compiler  # noqa: E402

pytestmark = needs_compiler

_SHAPES = ((3,), (), (40, 60), (5000,), (0,), (1,), (7, 3))


class _Pretended:
    """A GPU whose memory is the processor's; what is started while it captures is only written down."""

    processors, device = 2, torch.device("cpu")

    def __init__(self, folder, built):
        self.folder, self.built, self.recording = folder, built, False
        self.sent, self.graph, self.rooms = [], [], []

    def capturing(self):
        return self.recording

    def stream(self):
        return 0

    def room(self, words):
        self.rooms.append(torch.empty(words, dtype=torch.int64))  # as a graph keeps its memory
        return self.rooms[-1]

    def copy(self, array):
        return torch.from_numpy(array.copy())

    def send(self, array, to):
        assert not self.recording
        self.sent.append(array.shape)
        to.copy_(torch.from_numpy(array.copy()))

    def kernel(self, source, name):
        if source not in self.built:
            self.built[source] = Built(self.folder, source, name)
        return self.built[source]

    def start(self, kernel, blocks, arguments):
        given = (blocks, THREADS, *(int(np.int64(np.uint64(int(word) & ~(-1 << 64)))) for word in arguments))
        if self.recording:
            self.graph.append((kernel, given))
        else:
            kernel(*given)

    def replay(self):
        for kernel, given in self.graph:
            kernel(*given)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels"), {}


@pytest.fixture
def gpu(kernels, monkeypatch):
    """Launches for processors become launches for the pretended GPU, where it is ``on``."""
    found, here = _Pretended(*kernels), step.Launch
    found.on = True

    def launch(task, entries, cohorts):
        return CudaLaunch(task, entries, cohorts, found) if found.on else here(task, entries, cohorts)

    monkeypatch.setattr(step, "Launch", launch)
    return found


def _parameters(dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for shape in _SHAPES]


def _gradients(parameters, seed):
    """Some lie in one stretch of memory, as in a bucket, some across, some as the parameters."""
    generator = torch.Generator().manual_seed(seed)
    bucket = torch.randn(10_000, generator=generator).to(parameters[0].dtype)
    place = 1
    for index, parameter in enumerate(parameters):
        count = parameter.numel()
        parameter.grad = bucket[place : place + count].view(parameter.shape)
        if parameter.dim() == 2 and seed % 3 == index % 3:
            parameter.grad = parameter.grad.t().contiguous().t()
        place += count


def _same(found, wanted):
    for index, (a, b) in enumerate(zip(found.param_groups[0]["params"], wanted.param_groups[0]["params"], strict=True)):
        assert torch.equal(a, b), (index, found)
        for name, slot in wanted.state[b].items():
            assert torch.equal(found.state[a][name], slot), (index, name, found)


def _both(gpu, rule, dtype, steps=4, **options):
    """The same steps by the processor's kernels and by the GPU's text."""
    pair = [Optimizer(_parameters(dtype), rule, seed=5, **options) for _ in range(2)]
    for index in range(steps):
        for optimizer, on in zip(pair, (True, False), strict=True):
            gpu.on = on
            _gradients(optimizer.param_groups[0]["params"], index)
            optimizer.step()
    found, wanted = pair
    assert all(isinstance(launch, CudaLaunch) for launch in found._plan._launches)
    assert not any(isinstance(launch, CudaLaunch) for launch in wanted._plan._launches)
    _same(found, wanted)


_KINDS = (
    (torch.float32, None),
    (torch.bfloat16, torch.bfloat16),
    (torch.float64, None),
    (torch.float32, torch.bfloat16),
    (torch.float16, None),
    (torch.bfloat16, None),
)


def test_every_rule_steps_as_on_the_processor(gpu, runs):
    for index, rule in enumerate(RULES):
        for dtype, state_dtype in [_KINDS[(index + turn) % len(_KINDS)] for turn in range(min(runs, len(_KINDS)))]:
            _both(gpu, rule, dtype, state_dtype=state_dtype)


def test_complex_parameters_and_ascent(gpu):
    _both(gpu, HeavyBall(0.1, 0.5), torch.complex64, maximize=True)


def test_cohorts_of_their_own_numbers(gpu):
    """A parameter whose gradient comes late has taken fewer of Adam's steps than the others."""
    pair = []
    for gpu.on in (True, False):
        parameters = _parameters(torch.float32)
        optimizer = Optimizer(parameters, Adam(0.1))
        for index in range(5):
            _gradients(parameters, index)
            if index < 2:
                parameters[2].grad = None
            optimizer.step()
        pair.append(optimizer)
    _same(*pair)


def test_what_has_not_changed_is_not_sent_again(gpu):
    parameters = _parameters(torch.float32)
    optimizer = Optimizer(parameters, HeavyBall(0.1), nonfinite="pass")
    _gradients(parameters, 1)
    for _ in range(3):
        optimizer.step()
    assert gpu.sent == [(1, len(_SHAPES)), (1, 2)]  # gradients, and the step's two numbers
    optimizer.param_groups[0]["lr"] = 0.2
    optimizer.step()
    assert gpu.sent[2:] == [(1, 2)]
    _gradients(parameters, 2)
    optimizer.step()
    assert gpu.sent[3:] == [(1, len(_SHAPES))]


def test_a_gradient_that_is_not_finite_is_found_and_named(gpu):
    named = [(f"p{index}", parameter) for index, parameter in enumerate(_parameters(torch.float32))]
    optimizer = Optimizer(named, HeavyBall(0.1))
    parameters = [parameter for _, parameter in named]
    _gradients(parameters, 1)
    parameters[5].grad.fill_(float("nan"))
    parameters[3].grad[4321] = float("inf")
    before = [parameter.detach().clone() for parameter in parameters]
    with pytest.warns(RuntimeWarning, match="'p3' has infinities or NaN"):
        optimizer.step()
    assert all(map(torch.equal, before, parameters))
    assert (optimizer.skipped, optimizer.param_groups[0]["steps"]) == (1, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rate_that_is_a_tensor_there_is_reckoned_there(gpu, monkeypatch, dtype):
    monkeypatch.setattr(group, "is_on_gpu", lambda value: isinstance(value, torch.Tensor))
    for rule in (HeavyBall(0.1), Lion(0.1, weight_decay=0.1), Adam(0.1)):
        ends = []
        for rates in ([torch.tensor(0.0)] * 4, (0.25, 0.25, 0.5, 0.1)):
            parameters = _parameters(dtype)
            optimizer = Optimizer(parameters, rule, lr=rates[0] if isinstance(rates, tuple) else None)
            for index, rate in enumerate((0.25, 0.25, 0.5, 0.1)):
                if isinstance(rates, tuple):
                    optimizer.param_groups[0]["lr"] = rate
                else:
                    optimizer.param_groups[0]["lr"] = rates[0].fill_(rate)
                _gradients(parameters, index)
                optimizer.step()
                optimizer._plan._read_here.clear()  # its launch is the GPU's, where the plan thinks it is here
            ends.append(optimizer)
        # A rate of float32 is another number than one of float64.
        for a, b in zip(ends[0].param_groups[0]["params"], ends[1].param_groups[0]["params"], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5 if dtype is torch.float32 else 1e-6, atol=1e-6)
        reckoned = [cohort.on_device is not None for cohort in ends[0]._plan._cohorts]
        assert reckoned == [not isinstance(rule, Adam)] * len(reckoned)


# --- CUDA graphs ------------------------------------------------------------------------------------------------------


def test_a_captured_step_is_the_step(gpu):
    pair = []
    for captured in (True, False):
        parameters = _parameters(torch.float32)
        optimizer = Optimizer(parameters, HeavyBall(0.1), nonfinite="pass")
        _gradients(parameters, 0)
        optimizer.step()
        _gradients(parameters, 4)  # they lie elsewhere in the graph than before it
        if captured:
            kept = [parameter.grad for parameter in parameters]
            gpu.recording = True
            optimizer.step()
            gpu.recording = False
            _gradients(parameters, 5)  # nothing that comes later touches the graph
            other = Optimizer(_parameters(torch.float32, 9), HeavyBall(0.7), nonfinite="pass")
            _gradients(other.param_groups[0]["params"], 4)
            other.step()
            gpu.replay()
            gpu.replay()
            del kept
        else:
            optimizer.step()
            optimizer.step()
        pair.append(optimizer)
    _same(*pair)


def test_every_replay_draws_new_bits(gpu):
    parameters = [torch.nn.Parameter(torch.ones(4096, dtype=torch.bfloat16))]
    optimizer = Optimizer(parameters, HeavyBall(1e-4, 0.0), nonfinite="pass")
    parameters[0].grad = torch.ones_like(parameters[0])
    optimizer.step()
    gpu.recording = True
    optimizer.step()
    gpu.recording = False
    (launch,) = optimizer._plan._launches
    ends = []
    for _ in range(3):
        with torch.no_grad():
            parameters[0].fill_(1.0)
        gpu.replay()
        launch._counter.add_(1)  # a replay does it, too
        ends.append(parameters[0].detach().clone())
    assert not torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[1], ends[2])
    assert all(abs(end.double().mean() - (1.0 - 1e-4)) < 1e-4 for end in ends)


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        (HeavyBall(0.1), {}, "nonfinite is not 'pass'.*make the optimizer with it"),
        (Adam(0.1), {"nonfinite": "pass"}, r"change every time \(beta1_power, beta2_power\).*outside of the graph"),
        (RULES[-1], {"nonfinite": "pass"}, r"change every time \(momentum.0.*schedules"),
    ],
)
def test_what_a_graph_cannot_hold_is_refused(gpu, rule, options, words):
    parameters = _parameters(torch.float32)
    optimizer = Optimizer(parameters, rule, **options)
    _gradients(parameters, 0)
    optimizer.step()
    gpu.recording = True
    before = [parameter.detach().clone() for parameter in parameters]
    with pytest.raises(SettingError, match=f"(?s)a CUDA graph is being captured.*{words}"):
        optimizer.step()
    assert all(map(torch.equal, before, parameters))


def test_the_first_step_is_not_captured(gpu):
    parameters = _parameters(torch.float32)
    optimizer = Optimizer(parameters, HeavyBall(0.1), nonfinite="pass")
    _gradients(parameters, 0)
    gpu.recording = True
    with pytest.raises(SettingError, match="take a step before the capture"):
        optimizer.step()


def test_a_flag_on_the_gpu_keeps_everything_as_it_is(gpu):
    parameters = _parameters(torch.float32)
    optimizer = Optimizer(parameters, HeavyBall(0.1), nonfinite="pass")
    _gradients(parameters, 0)
    optimizer.step()
    (launch,) = optimizer._plan._launches
    launch.skip = torch.tensor(1.0)
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer.step()
    assert all(map(torch.equal, before, parameters))
    launch.skip.zero_()
    optimizer.step()
    assert not torch.equal(before[2], parameters[2])


# --- what is asked first ----------------------------------------------------------------------------------------------


def test_without_the_extra_it_is_said_once(monkeypatch):
    def missing():
        raise MissingExtraError("cuda-core", "gpu", "device='cuda'")

    monkeypatch.setattr("layda.backends.cuda.compiler_version", missing)
    layda.torch.gpu.available.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"no kernels for GPUs: .*cuda-core.*slower readable path"):
        assert not layda.torch.gpu.available()
    assert not layda.torch.gpu.available()
    layda.torch.gpu.available.cache_clear()


def test_kernels_for_another_kind_of_gpu_are_not_made(monkeypatch):
    monkeypatch.setattr(torch.version, "hip", "6.0")
    layda.torch.gpu.available.cache_clear()
    with pytest.warns(RuntimeWarning, match="made for AMD's GPUs"):
        assert not layda.torch.gpu.available()
    layda.torch.gpu.available.cache_clear()


def test_units_fill_the_gpu_and_cover_everything():
    for counts in ([5, 0, 3000], [20_000_000], [64] * 300, [2048 * 132 * 8 * 2]):
        units = cuda_launch._units(counts, 2048, 132)
        for row, count in enumerate(counts):
            own = units[units[:, 0] == row]
            assert own[:, 1].tolist() == [0, *own[:-1, 2]][: len(own)]
            assert (own[-1, 2] if len(own) else 0) == count
        assert (units[:, 1] % 2048 == 0).all()
        assert (units[:, 2] - units[:, 1]).max() <= 4 * 2048
    assert len(cuda_launch._units([2048 * 132 * 8], 2048, 132)) == 132 * 8
