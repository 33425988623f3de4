"""The kernel for GPUs: its text does on a processor what the lanes do, bit for bit; NVRTC compiles it without spills.

Where there is a GPU, its bits are compared with the processor's.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from layda.backends import cuda
from layda.backends.cuda_source import kernel_source
from layda.errors import ComputationError, SettingError
from layda.objectives import black_box, formula
from layda.rule import Hyperparameter, Rule, Slot, Stepper
from layda.run.engine import Engine
from layda.run.ensemble import ensemble
from layda.run.lane_programs import QUARTER_STARTS
from layda.run.sweep import sweep
from layda.settings import hyperparameter
from tests.cases import RULES, SMALL_CLASSICS, classic

pytest.importorskip("xarray")
_ARCHITECTURES = ("sm_80", "sm_90")


def _has_core() -> bool:
    try:
        import cuda.core  # noqa: F401 - cuda alone may be cuda-bindings
    except ImportError:
        return False
    return True


needs_nvrtc = pytest.mark.skipif(not _has_core(), reason="the extra [gpu] is not installed")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to run the kernel's text with")


def _has_gpu() -> bool:
    try:
        return bool(cuda.devices())
    except ImportError:
        return False


needs_gpu = pytest.mark.skipif(not _has_gpu(), reason="no NVIDIA GPU")

# --- the text on a processor ------------------------------------------------------------------------------------------

_SHIM = """
#include <cmath>
#include <cstring>
#define __device__ static
#define __global__
#define __launch_bounds__(...)
static double __longlong_as_double(long long v) { double d; std::memcpy(&d, &v, 8); return d; }
static long long __double_as_longlong(double d) { long long v; std::memcpy(&v, &d, 8); return v; }
static unsigned long long atomicAdd(unsigned long long *p, unsigned long long v) { auto was = *p; *p += v; return was; }
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """From a kernel's text to its function, run by one thread of the processor."""
    folder = tmp_path_factory.mktemp("kernels")
    known = {}

    def build(source):
        key = hashlib.sha256(source.encode()).hexdigest()[:16]
        if key not in known:
            path = folder / f"{key}.cpp"
            path.write_text(_SHIM + source)
            command = ["g++", "-O1", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-w", str(path), "-o"]
            subprocess.run([*command, str(path.with_suffix(".so"))], check=True)  # noqa: S603 - our own text
            known[key] = ctypes.CDLL(str(path.with_suffix(".so"))).roll
        return known[key]

    return build


@pytest.fixture
def on_processor(built, monkeypatch):
    """``device="cuda"`` runs the kernel's text here."""

    def at(array):
        return ctypes.c_void_p(array.ctypes.data)

    def number(value):
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())

    def launch(plan, packed, starts):
        read, written = (at(packed.columns), at(packed.scalars)), [at(array) for array in packed.written]
        queue = np.zeros(1, np.uint64)
        arguments = packed.arguments(read, written, at(queue))
        built(kernel_source(plan, starts))(
            *(number(value) if isinstance(value, np.generic) else value for value in arguments)
        )

    monkeypatch.setattr(cuda, "launch", launch)
    monkeypatch.setattr(cuda, "require", lambda: None)


def _same(objective, rule, starts, **options):
    wanted = ensemble(objective, rule, starts, **options)
    found = ensemble(objective, rule, starts, device="cuda", **options)
    assert wanted.identical(found), f"{objective.name} {rule} {options}"


def _plan(objective, rule, **options):
    stepper = Stepper(rule)
    varying = ("learning_rate",) if "learning_rate" in stepper.numbers else ()
    settings = {"steps": 1000, "tolerance": 1e-6, "check_every": 10, "keep": ("verdict",), "radius": 1e-3, **options}
    target = classic(objective) if isinstance(objective, str) else objective
    engine = Engine(target, stepper, varying, **settings)
    return engine._plan(8.0, tuple(sorted((number, (value, value)) for number, value in stepper.numbers.items())))


def _source(objective, rule, **options):
    return kernel_source(_plan(objective, rule, **options), QUARTER_STARTS)


def _case(index):
    rng = np.random.default_rng(index)
    objective = classic(SMALL_CLASSICS[index % len(SMALL_CLASSICS)])
    low, high = np.array(objective.box).T
    starts = rng.uniform(low, high, size=(40, objective.dimension)) * rng.choice([1.0, 1.0, 20.0], size=(40, 1))
    rule = RULES[index % len(RULES)]
    options = {"steps": int(rng.choice([0, 1, 3, 60, 256, 300])), "tolerance": float(rng.choice([0.0, 1e-6, 1e-3])),
               "fast": bool(rng.integers(2))}  # fmt: skip
    if isinstance(rule.learning_rate, float):
        options["learning_rate"] = np.geomspace(1e-4, 3.0, 40)
    return objective, rule, starts, options


@needs_compiler
def test_the_text_gives_the_bits_of_the_lanes(on_processor, runs):
    for index in range(20 * runs):
        objective, rule, starts, options = _case(index)
        _same(objective, rule, starts, **options)


@needs_compiler
def test_the_text_in_single_precision(on_processor):
    starts = np.random.default_rng(3).uniform(-4, 4, (50, 2))
    for name in ("himmelblau", "ackley"):
        options = {"dtype": "float32", "steps": 120, "learning_rate": np.geomspace(1e-4, 0.1, 50)}
        _same(classic(name), "heavy-ball", starts, **options)


@needs_compiler
def test_a_sweep_writes_the_same_numbers(on_processor):
    grid = {"start": {"x": np.linspace(-5, 5, 20)}, "learning_rate": np.geomspace(1e-3, 0.1, 15), "steps": 400}
    wanted = sweep("himmelblau", "heavy-ball", **grid)
    assert wanted.identical(sweep("himmelblau", "heavy-ball", device="cuda", **grid))


@dataclass(frozen=True)
class _Greek(Rule):
    """v ← βv + αg;  x ← x − γv"""

    learning_rate: Hyperparameter = hyperparameter(0.01, 0.0)
    β: Hyperparameter = hyperparameter(0.9, 0.0, 1.0)
    γ: Hyperparameter = hyperparameter(0.5, 0.0, 1.0)

    @property
    def slots(self):
        return (Slot("velocity"),)

    def step(self, position, gradient, state, ahead):
        velocity = self.β * state[0] + self.learning_rate * gradient
        return position - self.γ * velocity, (velocity,)


@needs_compiler
def test_settings_named_in_greek_are_told_apart(on_processor):
    _same(classic("himmelblau"), _Greek(), np.random.default_rng(5).uniform(-4, 4, (20, 2)), steps=60)


@needs_compiler
def test_a_constant_beyond_single_precision_is_infinite_there(on_processor):
    for text in ("x^2 + 1e300", "min(x^2, 1e300)"):
        _same(formula(text), "heavy-ball", [[1.0], [-1.0]], dtype="float32", steps=40)


def test_constants_of_single_precision_are_printed_as_they_are_rounded():
    source = _source(formula("x^2 + 1e300 + 0.1 x + 3.4028235e38"), RULES[0], dtype="float32")
    assert "(float)INFINITE" in source
    assert "0x1.99999a0000000p-4f" in source
    assert "0x1.fffffe0000000p+127f" in source


# --- the way to the GPU -----------------------------------------------------------------------------------------------


class _PretendedMemory:
    """Writes down what is asked of it."""

    def __init__(self, told):
        self.told = told

    def room(self, size):
        self.told.append("room")
        return 0

    def sent(self, array):
        self.told.append("sent")
        return 0

    def settle(self):
        self.told.append("settle")

    def fetch(self, place, array):
        self.told.append("fetch")
        return array


def _pretended(monkeypatch, launch):
    """A GPU of which nothing is true but the order in which it is asked; what it is asked."""
    told = []
    core = SimpleNamespace(LaunchConfig=dict, launch=lambda *arguments: told.append("launch") or launch())
    device = SimpleNamespace(set_current=lambda: None, properties=SimpleNamespace(multiprocessor_count=1))
    stream = SimpleNamespace(sync=lambda: told.append("sync"))
    monkeypatch.setattr(cuda, "_core", lambda: core)
    monkeypatch.setattr(cuda, "_device", lambda: (device, stream))
    monkeypatch.setattr(cuda, "_kernel", lambda plan, starts: None)
    monkeypatch.setattr(cuda, "_memory", lambda: nullcontext(_PretendedMemory(told)))
    return told


def _launched():
    plan = _plan("sphere", RULES[0])
    columns = dict.fromkeys((*plan.loop.state, *plan.varying), 0.0)
    packed = cuda.pack(plan, columns, dict.fromkeys(plan.uniform, 0.0), 5, steps=4, tolerance=0.0, split=None)
    cuda.launch(plan, packed, {})


def test_the_kernel_starts_when_its_numbers_are_there(monkeypatch):
    told = _pretended(monkeypatch, lambda: None)
    _launched()
    assert told.index("settle") > max(index for index, word in enumerate(told) if word == "sent")
    assert told[told.index("settle") :][:3] == ["settle", "launch", "sync"]
    assert set(told[told.index("sync") + 1 :]) == {"fetch"}


def test_a_gpu_that_fails_is_an_error_of_ours(monkeypatch):
    def fail():
        raise OSError("CUDA_ERROR_LAUNCH_TIMEOUT:\nthe kernel took too long")

    _pretended(monkeypatch, fail)
    words = r"running 5 balls on the GPU failed: CUDA_ERROR_LAUNCH_TIMEOUT: the kernel took too long; try fewer balls"
    with pytest.raises(ComputationError, match=words) as told:
        _launched()
    assert isinstance(told.value.__cause__, OSError)


# --- NVRTC ------------------------------------------------------------------------------------------------------------


@needs_nvrtc
@pytest.mark.parametrize("name", SMALL_CLASSICS)
def test_every_rule_compiles_for_every_classic_without_local_memory(name, runs):
    """With --runs 20 every pair, for both kinds of GPU; otherwise a share that has every rule and every classic."""
    place = SMALL_CLASSICS.index(name)
    for index, rule in enumerate(RULES):
        if runs < 20 and (index + place) % 5 >= runs:
            continue
        for architecture in _ARCHITECTURES:
            found = cuda.compiled(_source(name, rule), architecture)
            assert found.code[:4] == b"\x7fELF"
            assert (found.stack, found.spilled) == (0, 0), f"{name} {rule} {architecture}: {found.registers} registers"
            assert 16 < found.registers <= 255


@needs_nvrtc
def test_fused_and_single_precision_compile_too():
    for options in ({"fast": True}, {"dtype": "float32"}, {"tolerance": 0.0, "keep": ("position",)}):
        for name in ("himmelblau", "ackley"):
            found = cuda.compiled(_source(name, RULES[1], **options), "sm_90")
            assert (found.stack, found.spilled) == (0, 0)


def _refuse(*arguments):
    raise AssertionError("compiled again")


@needs_nvrtc
def test_a_kernel_is_kept_and_a_damaged_one_compiled_again(own_cache, monkeypatch):
    source = _source("sphere", RULES[0])
    first = cuda.compiled(source, "sm_80")
    (path,) = own_cache.glob("*.cubin")
    kept = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("cuda.core.Program", _refuse)
        assert cuda.compiled(source, "sm_80") == first
        damaged = kept[:-1] + bytes([kept[-1] ^ 1])
        path.write_bytes(damaged)
        with pytest.raises(ComputationError, match="compiled again"):
            cuda.compiled(source, "sm_80")
    assert path.read_bytes() == damaged
    again = cuda.compiled(source, "sm_80")
    assert (again.registers, again.stack, again.spilled) == (first.registers, first.stack, first.spilled)
    assert path.read_bytes() != damaged
    with monkeypatch.context() as patched:
        patched.setattr("cuda.core.Program", _refuse)
        assert cuda.compiled(source, "sm_80") == again


@needs_nvrtc
@pytest.mark.parametrize(("source", "architecture"), [("no C++", "sm_80"), ("__device__ int x;", "sm_10")])
def test_what_nvrtc_refuses_is_an_error_of_ours(source, architecture):
    with pytest.raises(ComputationError, match=f"kernel for {architecture} failed: .*NVRTC_ERROR.*device='cpu'"):
        cuda.compiled(source, architecture)


def test_without_a_gpu_the_error_says_what_to_do(monkeypatch):
    if _has_gpu():
        pytest.skip("there is a GPU")
    with pytest.raises((SettingError, ImportError), match=r"use device='cpu'|needs the library cuda-core"):
        ensemble("himmelblau", "heavy-ball", 10, device="cuda")
    with pytest.raises(SettingError, match="allowed are 'cpu' and 'cuda'"):
        ensemble("himmelblau", "heavy-ball", 10, device="tpu")
    table = black_box(lambda x: float(x[0] ** 2), dimension=1, box=(-1.0, 1.0))
    with pytest.raises(SettingError, match="no traced function"):
        ensemble(table, device="cuda")


# --- a GPU ------------------------------------------------------------------------------------------------------------


@needs_gpu
def test_a_gpu_gives_the_bits_of_the_processor(runs):
    for index in range(60 * runs):
        objective, rule, starts, options = _case(index)
        _same(objective, rule, starts, **options)


@needs_gpu
def test_many_balls_on_a_gpu():
    starts = np.random.default_rng(4).uniform(-5, 5, (1_000_000, 2))
    _same(classic("himmelblau"), "heavy-ball", starts, learning_rate=np.geomspace(1e-4, 0.05, 1_000_000))


@pytest.mark.skipif(_has_gpu(), reason="there is a GPU")
@needs_nvrtc
def test_without_a_gpu_no_store_is_made(tmp_path):
    with pytest.raises(SettingError, match="use device='cpu'"):
        sweep("sphere", start={"x": [1.0, 2.0]}, out=tmp_path / "map.zarr", device="cuda")
    assert list(tmp_path.iterdir()) == []
