"""Programs as vectors of lanes: the bits of the readable twin, for every function and every tail."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

from layda import functions
from layda.backends import cache, native
from layda.backends.choice import run_loop
from layda.backends.mapped import _function, evaluate
from layda.backends.vector import Writer
from layda.measures import VERDICTS
from layda.program import arithmetic, bit, contracted, operation, operations, scale, trace, where
from layda.program.arithmetic import arithmetic as kind
from layda.rule import Stepper
from layda.rules import HeavyBall
from layda.run.ensemble import ensemble
from layda.run.loops import build_loop, contracted_loop, initial_state, layout
from tests.cases import BACKENDS, classic

_POINTS = np.concatenate(
    [
        [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-310, 2.0**-27, 1e8, -1e8, 1.1e8],
        [709.7, 710.0, -745.2, -746.0, 1e300, -1e300, 0.5, 1.5, 2.5, -0.5, 3.0, 1e-8],
        np.random.default_rng(1).normal(size=200) * 10.0 ** np.random.default_rng(2).integers(-12, 12, 200),
    ]
)


def _compiled(program, columns, count):
    function, width = _function(program, tuple(columns))
    room = -(-count // width) * width
    arrays = [np.ascontiguousarray(column, np.float64) for column in columns.values()]
    places = np.array([array.ctypes.data for array in arrays], np.uintp)
    out = np.empty((len(program.outputs), room))
    function(places.ctypes.data, count, room, np.zeros(1).ctypes.data, out.ctypes.data)
    return out[:, :count]


_NUMBERS = [
    name for name in operations() if not operation(name).condition and name not in ("select", "scale", "exponent")
]


@pytest.mark.parametrize("name", _NUMBERS)
def test_every_operation_has_the_bits_of_the_readable_twin(name):
    arity = operation(name).arity
    rng = np.random.default_rng(3)
    names = [f"a{index}" for index in range(arity)]
    program = trace(lambda *a: a[0].graph.apply(name, *a), names)
    points = {key: (_POINTS if index == 0 else rng.permutation(_POINTS)) for index, key in enumerate(names)}
    found = _compiled(program, points, len(_POINTS))[0]
    floats = arithmetic("float")
    wanted = [floats.apply(name, *map(float, row)) for row in zip(*points.values(), strict=True)]
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.array_equal(np.signbit(found[~np.isnan(found)]), np.signbit(np.array(wanted)[~np.isnan(found)]))


def test_bits_of_whole_numbers():
    k = np.concatenate([np.arange(-9.0, 10.0), [2.0**50 + 3, -(2.0**50) - 3, 6e7, -6e7]])
    floats = kind("float")
    for place in (0.0, 1.0, 2.0, 20.0):
        program = trace(lambda x, place=place: where(bit(x, place), 1.0, 0.0))
        wanted = [float(int(x) >> int(place) & 1) for x in k]
        assert _compiled(program, {"x": k}, len(k))[0].tolist() == wanted
        assert [program.evaluate({"x": float(x)}, floats)["value"] for x in k] == wanted
        assert program.evaluate({"x": k}, kind("numpy"))["value"].tolist() == wanted


def test_a_bit_flips_the_sign_and_chooses():
    rng = np.random.default_rng(7)
    x, k = rng.normal(size=40) * 1e8, np.floor(rng.normal(size=40) * 1e6)
    x[:3] = [0.0, -0.0, np.inf]
    program = trace(
        lambda x, k: {"flip": where(bit(k, 1.0), -x, x), "other": where(bit(k, 0.0), x, 2.0 * x)}, ["x", "k"]
    )
    found = _compiled(program, {"x": x, "k": k}, 40)
    wanted = program.evaluate({"x": x, "k": k}, kind("numpy"))
    for row, name in enumerate(("flip", "other")):
        assert np.array_equal(found[row], wanted[name])
        assert np.array_equal(np.signbit(found[row]), np.signbit(wanted[name]))


def test_scaling_by_powers_of_two_rounds_once():
    rng = np.random.default_rng(8)
    x = np.concatenate([rng.uniform(0.5, 2.0, 400), [1.0, 0.0, -0.0, np.inf, np.nan]])
    k = np.concatenate([rng.integers(-1100, 1024, 400).astype(float), [-1074.0, 5.0, 5.0, -3.0, 2.0]])
    program = trace(lambda x, k: scale(x, k))
    found = _compiled(program, {"x": x, "k": k}, len(x))[0]
    with np.errstate(all="ignore"):
        assert np.array_equal(found, np.ldexp(x, k.astype(int)), equal_nan=True)
    floats = kind("float")
    each = [program.evaluate({"x": float(a), "k": float(b)}, floats)["value"] for a, b in zip(x, k, strict=True)]
    assert np.array_equal(found, each, equal_nan=True)
    assert np.array_equal(found, program.evaluate({"x": x, "k": k}, kind("numpy"))["value"], equal_nan=True)


def test_conditions_choose():
    program = trace(lambda x, y: where((x < y) & ~(x == 0.0) | (y <= -1.0), x, y))
    y = np.random.default_rng(4).permutation(_POINTS)
    found = _compiled(program, {"x": _POINTS, "y": y}, len(y))[0]
    assert np.array_equal(found, program.evaluate({"x": _POINTS, "y": y}, kind("numpy"))["value"], equal_nan=True)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 31, 64])
def test_tails_read_only_what_is_there(count):
    program = trace(lambda x, y: functions.sin(x) * y + functions.exp(-x))
    x, y = np.random.default_rng(5).normal(size=(2, count))
    found = _compiled(program, {"x": x, "y": y}, count)[0]
    assert np.array_equal(found, program.evaluate({"x": x, "y": y})["value"])


def test_one_number_stands_for_all(monkeypatch):
    monkeypatch.setattr("layda.backends.mapped._WORTH_COMPILING", 0)
    program = trace(lambda x, y: x * y - 1.0)
    found = evaluate(program, {"x": np.arange(10.0), "y": 3.0}, 10)
    assert found["value"].tolist() == (np.arange(10.0) * 3.0 - 1.0).tolist()


def test_fused_multiply_adds_round_once():
    program = contracted(trace(lambda a, b, c: {"up": a * b + c, "down": c - a * b, "less": a * b - c}))
    assert sum(node.op == "fma" for node in program.nodes) == 0  # the product is used three times
    parts = [trace(lambda a, b, c: a * b + c), trace(lambda a, b, c: c - a * b), trace(lambda a, b, c: a * b - c)]
    rng = np.random.default_rng(6)
    a, b, c = rng.normal(size=(3, 300)) * 10.0 ** rng.integers(-150, 150, (3, 300))
    for part in parts:
        fused = contracted(part)
        assert [node.op for node in fused.nodes].count("fma") == 1
        floats = arithmetic("float")
        rows = [dict(zip("abc", map(float, row), strict=True)) for row in zip(a, b, c, strict=True)]
        wanted = [fused.evaluate(row, floats)["value"] for row in rows]
        found = _compiled(fused, {"a": a, "b": b, "c": c}, 300)[0]
        assert np.array_equal(found, wanted)


def test_every_backend_runs_fused_loops():
    objective, stepper = classic("himmelblau"), Stepper(HeavyBall(0.003))
    loop = contracted_loop(build_loop(objective, stepper))
    assert any(node.op == "fma" for node in loop.advance.nodes)
    state = initial_state(layout(2, stepper), stepper, (1.7, -2.9))
    ends = [run_loop(loop, state, stepper.numbers, backend=backend, last=300) for backend in BACKENDS]
    for end in ends[1:]:
        assert np.array_equal(ends[0].records, end.records)


_SINGLES = (0.1, -0.1, 1e300, -1e300, 3.4028235e38, 3.40282357e38, 1e-46, -1e-46, 1e-40, 2.0, 0.0, -0.0, np.inf, np.nan)


def test_constants_are_rounded_to_single_precision():
    for value in _SINGLES:
        word = re.fullmatch("<float 0x([0-9A-F]{16})>", Writer(1, "float32").number(value))[1]
        with np.errstate(over="ignore"):
            wanted = np.float32(value)
        assert np.array_equal(np.float64(wanted), struct.unpack(">d", bytes.fromhex(word))[0], equal_nan=True)
        assert np.signbit(wanted) == np.signbit(struct.unpack(">d", bytes.fromhex(word))[0])


def test_a_constant_beyond_single_precision_is_infinite_there():
    pytest.importorskip("xarray")
    options = {"steps": 200, "dtype": "float32"}
    lost = ensemble("x^2 + 1e300", "heavy-ball", [[1.0], [-0.5]], **options)
    assert lost.steps.values.tolist() == [0, 0]  # f is infinite before the first step
    assert all(VERDICTS[verdict] in ("undefined", "diverged", "unfinished") for verdict in lost.verdict.values)
    found = ensemble("min(x^2, 1e300)", "heavy-ball", [[1.0], [-0.5]], **options)
    wanted = ensemble("x^2", "heavy-ball", [[1.0], [-0.5]], **options)
    assert np.array_equal(found.position.values, wanted.position.values)
    assert np.array_equal(found.verdict.values, wanted.verdict.values)


def test_a_damaged_kernel_is_compiled_again(own_cache):
    def run(shift):
        return _compiled(trace(lambda x: x * 2.0 + shift), {"x": np.arange(5.0)}, 5)[0].tolist()

    assert run(0.125) == [0.125, 2.125, 4.125, 6.125, 8.125]
    kernels = list(cache.kept_files())
    assert kernels
    assert all(path.parent == own_cache for path in kernels)
    for path in kernels:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(bytes(data))
    native._LOADED.clear()
    _function.cache_clear()
    assert run(0.125) == [0.125, 2.125, 4.125, 6.125, 8.125]
    assert cache.clear_cache() == kernels
    assert cache.kept_files() == {}


def test_a_kept_file_under_another_name_is_not_believed(own_cache):
    first, second = (own_cache / (letter * 64 + ".o") for letter in "ab")
    cache.keep_file(first, b"one")
    assert cache.kept_file(first) == b"one"
    second.write_bytes(first.read_bytes())
    assert cache.kept_file(second) is None


def test_what_is_not_ours_is_not_removed(own_cache):
    cache.keep_file(own_cache / ("c" * 64 + ".o"), b"ours")
    (own_cache / "mine.o").write_bytes(b"theirs")
    (own_cache / ("d" * 64 + ".o")).mkdir()
    assert [path.stem[0] for path in cache.clear_cache()] == ["c"]
    assert (own_cache / "mine.o").exists()


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("LAYDA_CACHE_DIR", str(blocked / "kernels"))
    assert _compiled(trace(lambda x: x * 3.0 + 0.375), {"x": np.ones(3)}, 3)[0].tolist() == [3.375] * 3


def test_several_processes_share_the_cache(own_cache):
    code = (
        "from layda.run.ensemble import ensemble\n"
        "print(ensemble('himmelblau', 'heavy-ball', 50, steps=20).position.values.sum().hex())"
    )
    pytest.importorskip("xarray")
    environment = dict(os.environ) | {"LAYDA_CACHE_DIR": str(own_cache)}
    command = [sys.executable, "-c", code]
    jobs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - our own script
        for _ in range(3)
    ]
    outputs = {job.communicate()[0] for job in jobs}
    assert len(outputs) == 1
    assert outputs.pop().startswith(("0x", "-0x"))
    assert not list(own_cache.glob("*.tmp"))
