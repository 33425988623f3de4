"""The multi-tensor kernel for GPUs: run by a processor its text gives the processor's bits; NVRTC compiles it."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from layda.backends import cuda, elements
from layda.backends.elements import CLEAN, JOB, Array, ElementPass
from layda.backends.elements_cuda import (
    CLEAN_ROW,
    PLACED,
    THREADS,
    finite_source,
    kernel_source,
    place_source,
    round_of,
)
from layda.errors import ComputationError
from layda.program import Graph
from layda.rule import Stepper
from tests.cases import RULES
from tests.on_processor import Built, needs_compiler

pytest.importorskip("torch", exc_type=ImportError)
from layda.torch.plan import step_program

KINDS = {
    "float32": ("float32", "float32", "float32"),
    "float64": ("float64", "float64", "float64"),
    "bfloat16": ("bfloat16", "bfloat16", "float32"),
    "bfloat16, float32 slots": ("bfloat16", "float32", "float32"),
    "float32, bfloat16 slots": ("float32", "bfloat16", "float32"),
    "float16, float32 slots": ("float16", "float32", "float32"),
    "float16": ("float16", "float16", "float32"),
    "float64, bfloat16 slots": ("float64", "bfloat16", "float64"),
}
"""What parameters and gradients are kept in, what slots are, and what is computed in."""

_WORD = {"float64": np.float64, "float32": np.float32, "bfloat16": np.uint16, "float16": np.float16}
_SIZES = (1, 3, 31, 32, 100, 2048, 2049, 9000, 0, 17000)


def _task(rule, kinds, stochastic=True):
    program = step_program(Stepper(rule), False, False)
    own, slots, dtype = KINDS[kinds]
    kept = [own, own, *[slots] * (len(program.arrays) - 2)]
    arrays = tuple(
        Array(name, kind, stochastic and name != "gradient" and kind == "bfloat16")
        for name, kind in zip(program.arrays, kept, strict=True)
    )
    return ElementPass(program.parts.varying, arrays, program.parts.scalars, dtype)


def _product(runs):
    """Every rule once, with kinds that go round; with --runs 8 every pair."""
    for index, rule in enumerate(RULES):
        for place, kinds in enumerate(KINDS):
            if (index + place) % len(KINDS) < runs:
                yield rule, kinds, (index + place // 2) % 4 != 3


class _Memory:
    """Tensors of a pass, the table over them, and units of work."""

    def __init__(self, task, rng, unit, wild=False):
        self.task, self.rows = task, len(_SIZES)
        self.arrays = [[self._row(array, size, row, rng, wild) for row, size in enumerate(_SIZES)]
                       for array in task.arrays]  # fmt: skip
        self.scalars = rng.normal(0.5, 0.2, (self.rows, max(1, len(task.scalars)))).astype(task.dtype)
        self.numbers = rng.integers(0, 1000, self.rows)
        self.units = np.array(
            [(row, at, min(at + unit, size)) for row, size in enumerate(_SIZES) for at in range(0, size, unit)],
            np.int64,
        )

    def _row(self, array, size, row, rng, wild):
        """Numbers of usual size; some rows begin where no vector may, in one array or in all."""
        kind = _WORD[array.kept]
        shift = (0, 0, 1, 0, 3)[row % 5] if array.name == "gradient" or row % 2 else 0
        room = np.empty(size + 24, kind)
        start = (-room.ctypes.data // room.itemsize) % (16 // room.itemsize) + shift
        held = room[start : start + size]
        values = rng.normal(size=size) * 10.0 ** rng.integers(-9 if wild else -3, 5 if wild else 2, size)
        if wild:
            values[rng.random(size) < 0.05] = rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0])
        with np.errstate(over="ignore"):
            held[:] = _bits(values) if array.kept == "bfloat16" else values.astype(kind)
        return held

    def table(self):
        places = [[row.ctypes.data for row in array] for array in self.arrays]
        return np.array([*places, [row.ctypes.data for row in self.scalars], self.numbers], np.int64)

    def copy(self):
        other = object.__new__(_Memory)
        other.__dict__.update(self.__dict__)
        other.arrays = [[_moved(row) for row in array] for array in self.arrays]
        return other


def _moved(row):
    """A copy that lies as the original does, modulo 16 bytes."""
    room = np.empty(len(row) + 32, row.dtype)
    start = ((row.ctypes.data - room.ctypes.data) // row.itemsize) % (16 // row.itemsize)
    room[start : start + len(row)] = row
    return room[start : start + len(row)]


def _bits(values):
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def _unbitten(kept, row):
    return (row.astype(np.uint32) << 16).view(np.float32) if kept == "bfloat16" else row


def _on_lanes(memory, kernel, key):
    """By the processor's own kernel; the flag."""
    table, bounds = memory.table(), np.array([0, len(memory.units)], np.int64)
    words = {"batches": 1, "bounds": bounds.ctypes.data, "units": memory.units.ctypes.data, "flag": CLEAN,
             "columns": table.ctypes.data, "count": memory.rows, "key": key}  # fmt: skip
    job = np.array([words.get(name, 0) for name in JOB], np.int64)
    kernel.run(job.ctypes.data)
    return int(job[JOB.index("flag")])


def _by_text(memory, built, key, blocks=3, counter=None, skip=None):
    table, task = memory.table(), memory.task
    names = [array.name for array in task.arrays]
    kept = [index for index, name in enumerate(names) if name in task.program.output_names]
    moving = np.ascontiguousarray(table[[index for index in range(len(names)) if index not in kept]])
    begins = np.arange(memory.rows, dtype=np.int64) * memory.scalars.shape[1]
    columns = np.array([*table[kept], begins, memory.numbers], np.int64)
    at = [0 if word is None else word.ctypes.data for word in (counter, skip)]
    tables = (moving.ctypes.data, columns.ctypes.data, memory.scalars.ctypes.data, memory.units.ctypes.data)
    built(blocks, THREADS, *tables, len(memory.units), memory.rows, key, *at)


def _equal(found, wanted):
    for array, own, other in zip(found.task.arrays, found.arrays, wanted.arrays, strict=True):
        for row, (a, b) in enumerate(zip(own, other, strict=True)):
            a, b = _unbitten(array.kept, a), _unbitten(array.kept, b)
            np.testing.assert_array_equal(a, b, err_msg=f"{array} row {row}")
            there = ~np.isnan(a)
            np.testing.assert_array_equal(np.signbit(a[there]), np.signbit(b[there]))


@needs_compiler
def test_the_text_gives_the_bits_of_the_lanes(tmp_path, runs):
    for index, (rule, kinds, stochastic) in enumerate(_product(runs)):
        task, rng = _task(rule, kinds, stochastic), np.random.default_rng(index)
        built = Built(tmp_path, kernel_source(task), "take_step")
        for unit, wild in ((4096, False), (32, True)):
            memory = _Memory(task, rng, unit, wild)
            before, twin = memory.copy(), memory.copy()
            for key in (7, 0xFFFFFFFF - index):
                _on_lanes(memory, elements.kernel(task), key)
                _by_text(twin, built, key, blocks=1 + index % 5)
                _equal(twin, memory)
            assert any((a != b).any() for a, b in zip(before.arrays[0], twin.arrays[0], strict=True)), f"{rule} {kinds}"


def _copying(kept, stochastic=False, dtype="float32"):
    """From one array to another, unchanged but for rounding."""
    graph = Graph()
    x, zero = graph.input("x"), graph.input("out")
    program = graph.program(("x", "out"), {"out": x + zero})
    return ElementPass(program, (Array("x", dtype), Array("out", kept, stochastic)), (), dtype)


@needs_compiler
@pytest.mark.parametrize("kept", ["float16", "bfloat16"])
def test_rounding_at_every_edge(tmp_path, kept):
    """Every number of 16 bits, the middle between it and the next, and a little to both sides."""
    task = _copying(kept)
    every = np.arange(1 << 16, dtype=np.uint16)
    values = every.view(np.float16).astype(np.float32) if kept == "float16" else _unbitten(kept, every)
    with np.errstate(invalid="ignore", over="ignore"):
        middle = values + (np.roll(values, -1) - values) * np.float32(0.5)
        x = np.concatenate(
            [values, middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(0))]
        )
    x = np.ascontiguousarray(x, np.float32)
    out = np.zeros(len(x), _WORD[kept])
    lanes = out.copy()
    units = np.array([(0, 0, len(x))], np.int64)
    for into, run in ((out, "text"), (lanes, "lanes")):
        memory = object.__new__(_Memory)
        memory.__dict__ |= {"task": task, "rows": 1, "arrays": [[x], [into]], "scalars": np.zeros((1, 1), np.float32),
                            "numbers": np.zeros(1, np.int64), "units": units}  # fmt: skip
        if run == "text":
            _by_text(memory, Built(tmp_path, kernel_source(task), "take_step"), 0)
        else:
            _on_lanes(memory, elements.kernel(task), 0)
    np.testing.assert_array_equal(_unbitten(kept, out), _unbitten(kept, lanes))
    np.testing.assert_array_equal(_unbitten(kept, out[: 1 << 16]), values)


@needs_compiler
def test_a_set_flag_leaves_everything_as_it_is(tmp_path):
    task = _task(RULES[0], "float32")
    memory = _Memory(task, np.random.default_rng(0), 4096)
    before, built = memory.copy(), Built(tmp_path, kernel_source(task), "take_step")
    _by_text(memory, built, 0, skip=np.array([1.0], np.float32))
    _equal(memory, before)
    _by_text(memory, built, 0, skip=np.array([0.0], np.float32))
    assert (memory.arrays[0][5] != before.arrays[0][5]).any()


@needs_compiler
def test_a_counter_draws_new_bits(tmp_path):
    task = _task(RULES[0], "bfloat16")
    memory = _Memory(task, np.random.default_rng(0), 4096)
    built, ends = Built(tmp_path, kernel_source(task), "take_step"), []
    for counter in (0, 1, 1):
        ends.append(memory.copy())
        _by_text(ends[-1], built, 5, counter=np.array([counter], np.int32))
    _equal(ends[1], ends[2])
    assert (ends[0].arrays[0][5] != ends[1].arrays[0][5]).any()


@needs_compiler
@pytest.mark.parametrize("kept", list(_WORD))
def test_the_search_finds_the_first_row(tmp_path, kept):
    graph = Graph()
    program = graph.program(("x",), {"x": graph.input("x") * 1.0})
    task = ElementPass(program, (Array("x", kept),), (), "float64" if kept == "float64" else "float32")
    built, rng = Built(tmp_path, finite_source(kept), "look_for"), np.random.default_rng(3)
    memory = _Memory(task, rng, 4096)
    filled = [row for row, size in enumerate(_SIZES) if size]
    for trial in range(60):
        spoilt = [int(row) for row in rng.choice(filled, trial % 3, replace=False)]
        own = memory.copy()
        for row in spoilt:
            bad = np.array([rng.choice([np.inf, -np.inf, np.nan])])
            own.arrays[0][row][rng.integers(_SIZES[row])] = _bits(bad)[0] if kept == "bfloat16" else bad[0]
        flag, table = np.array([CLEAN_ROW], np.int32), own.table()
        given = (2, THREADS, table.ctypes.data, own.units.ctypes.data, len(own.units), flag.ctypes.data)
        built(*given, np.ones(1, np.int32).ctypes.data)
        assert flag[0] == CLEAN_ROW
        built(*given, 0)
        assert flag[0] == min(spoilt, default=CLEAN_ROW), spoilt
        assert _on_lanes(own, elements.finite(kept), 0) == min(spoilt, default=CLEAN)


def test_a_block_takes_as_many_bytes_of_every_kind():
    assert [round_of(kinds) for kinds in (["float64", "bfloat16"], ["float32"], ["float16"])] == [1024, 2048, 4096]


# --- NVRTC ------------------------------------------------------------------------------------------------------------


def _has_core():
    try:
        import cuda.core  # noqa: F401 - cuda alone may be cuda-bindings
    except ImportError:
        return False
    return True


needs_nvrtc = pytest.mark.skipif(not _has_core(), reason="the extra [gpu] is not installed")


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_every_rule_compiles_without_local_memory(architecture, runs):
    for index, (rule, kinds, stochastic) in enumerate(_product(runs)):
        if runs == 1 and index % 2 == (architecture == "sm_80"):
            continue
        found = cuda.compiled(kernel_source(_task(rule, kinds, stochastic)), architecture)
        assert found.code[:4] == b"\x7fELF"
        told = f"{rule} {kinds} {architecture}: {found.registers} registers"
        assert (found.stack, found.spilled) == (0, 0), told
        # Two blocks of 256 threads at least share a processor's 65536 registers: enough bytes are on their way.
        assert 16 < found.registers <= 128, told


@needs_compiler
def test_words_are_placed(tmp_path):
    to, built = np.zeros(PLACED + 1, np.int64), Built(tmp_path, place_source(), "place")
    for count in (0, 1, 63, 64):
        to[:] = -1
        built(1, 2, to.ctypes.data, count, *range(100, 100 + PLACED))
        assert to.tolist() == [*range(100, 100 + count), *[-1] * (PLACED + 1 - count)]


@pytest.mark.parametrize("stream", [0, 1234])
def test_a_kernel_is_started_on_the_stream_that_is_asked_for(monkeypatch, stream):
    told = []
    core = SimpleNamespace(
        Device=lambda index: SimpleNamespace(set_current=lambda: told.append(("device", index))),
        Stream=SimpleNamespace(from_handle=lambda handle: f"stream {handle}"),
        LEGACY_DEFAULT_STREAM="default",
        LaunchConfig=lambda grid, block: (grid, block),
        launch=lambda *given: told.append(given),
    )
    monkeypatch.setattr(cuda, "_core", lambda: core)
    cuda.start("kernel", 7, 256, stream, 1, (5, 6))
    assert told == [("device", 1), ("stream 1234" if stream else "default", (7, 256), "kernel", 5, 6)]


def test_a_kernel_that_does_not_start_is_an_error_of_ours(monkeypatch):
    def refuse(*given):
        raise OSError("CUDA_ERROR_INVALID_VALUE")

    core = SimpleNamespace(
        Device=lambda index: SimpleNamespace(set_current=lambda: None),
        LEGACY_DEFAULT_STREAM=None,
        LaunchConfig=dict,
        launch=refuse,
    )
    monkeypatch.setattr(cuda, "_core", lambda: core)
    words = "starting a kernel on the GPU failed: CUDA_ERROR_INVALID_VALUE; fused=False"
    with pytest.raises(ComputationError, match=words):
        cuda.start("kernel", 7, 256, 0, 1, ())


@needs_nvrtc
def test_kernels_arguments_are_words_of_64_bits():
    """Through cuda-core's own holder of arguments: addresses and numbers arrive as they are."""
    from cuda.core._kernel_arg_handler import ParamHolder

    held = ParamHolder((1 << 47, 0, np.int64(-3), np.uint64(1 << 63)))
    places = (ctypes.c_void_p * 4).from_address(held.ptr)
    assert [ctypes.c_int64.from_address(place).value for place in places] == [1 << 47, 0, -3, -(1 << 63)]


@needs_nvrtc
def test_the_placing_compiles():
    assert cuda.compiled(place_source(), "sm_80").stack == 0


@needs_nvrtc
@pytest.mark.parametrize("kept", list(_WORD))
def test_the_search_compiles(kept):
    found = cuda.compiled(finite_source(kept), "sm_90")
    assert (found.stack, found.spilled) == (0, 0)
    assert found.registers <= 64
