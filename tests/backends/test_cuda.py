"""The kernel for GPUs: its text does on a processor what the lanes do, bit for bit; NVRTC compiles it without spills.

Where there is a GPU, its bits are compared with the processor's.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess

import numpy as np
import pytest

from layda.backends import cuda
from layda.backends.cuda_source import kernel_source
from layda.errors import SettingError
from layda.objectives import black_box
from layda.rule import Stepper
from layda.run.engine import Engine
from layda.run.ensemble import ensemble
from layda.run.lane_programs import QUARTER_STARTS
from layda.run.sweep import sweep
from tests.cases import RULES, SMALL_CLASSICS, classic

pytest.importorskip("xarray")
_ARCHITECTURES = ("sm_80", "sm_90")

needs_nvrtc = pytest.mark.skipif(
    pytest.importorskip("importlib.util").find_spec("cuda") is None, reason="the extra [gpu] is not installed"
)
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

    def run_block(plan, columns, scalars, count, *, steps, tolerance, split=None, starts=None):
        begin = steps if split is None or plan.watch is None else split
        watched = plan.watch.names if plan.watch and begin < steps else ()
        given = np.empty((len(plan.loop.state) + len(plan.varying), count), plan.dtype)
        for row, name in enumerate((*plan.loop.state, *plan.varying)):
            given[row] = columns[name]
        uniform = np.array([scalars[name] for name in plan.uniform] or [0.0], plan.dtype)
        ends = np.empty((len(plan.loop.state), count), plan.dtype)
        codes, last = np.empty(count, np.int32), np.empty(count, np.int32)
        notes, queue = np.empty((4, len(watched), count), plan.dtype), np.zeros(1, np.uint64)
        real = ctypes.c_double if plan.dtype == "float64" else ctypes.c_float
        whole, at = ctypes.c_longlong, lambda array: ctypes.c_void_p(array.ctypes.data)
        built(kernel_source(plan, starts or {}))(
            at(given), at(uniform), whole(count), whole(steps), whole(begin), real(tolerance), at(ends), at(codes),
            at(last), at(notes), at(queue),
        )  # fmt: skip
        return cuda.block_end(plan, ends, codes, last, notes, begin)

    monkeypatch.setattr(cuda, "run_block", run_block)


def _same(objective, rule, starts, **options):
    wanted = ensemble(objective, rule, starts, **options)
    found = ensemble(objective, rule, starts, device="cuda", **options)
    assert wanted.identical(found), f"{objective.name} {rule} {options}"


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


# --- NVRTC ------------------------------------------------------------------------------------------------------------


def _source(name, rule, **options):
    stepper = Stepper(rule)
    varying = ("learning_rate",) if "learning_rate" in stepper.numbers else ()
    settings = {"steps": 1000, "tolerance": 1e-6, "check_every": 10, "keep": ("verdict",), "radius": 1e-3, **options}
    engine = Engine(classic(name), stepper, varying, **settings)
    ranges = tuple(sorted((number, (value, value)) for number, value in stepper.numbers.items()))
    return kernel_source(engine._plan(8.0, ranges), QUARTER_STARTS)


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


@needs_nvrtc
def test_a_kernel_is_kept_and_a_damaged_one_compiled_again(neutral_environment):
    source = _source("sphere", RULES[0])
    first = cuda.compiled(source, "sm_80")
    (path,) = neutral_environment.glob("*.cubin")
    kept = path.read_bytes()
    assert cuda.compiled(source, "sm_80") == first
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert cuda.compiled(source, "sm_80").registers == first.registers
    assert path.read_bytes()[:4] != b"\x7fELF"


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
