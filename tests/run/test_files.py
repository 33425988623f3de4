"""Results in files: equal when loaded, whole or not there, damage found, no code run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import layda
from layda.errors import ComputationError, FileError
from tests.cases import RULES

RULE_FILE = '''
from dataclasses import dataclass
from layda.rule import Hyperparameter, Rule
from layda.settings import hyperparameter

raise_on_import = {raises}
if raise_on_import:
    raise RuntimeError("a result's loading imported the file")

@dataclass(frozen=True)
class Own(Rule):
    """x ← x − αg."""
    learning_rate: Hyperparameter = hyperparameter(0.1, 0.0)
    def step(self, position, gradient, state, ahead):
        return position - self.learning_rate * gradient, ()
'''


def assert_same(a: layda.Trajectory, b: layda.Trajectory) -> None:
    for name in ("positions", "estimates", "values", "learning_rates"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True), name
    assert list(a.states) == list(b.states)
    assert all(np.array_equal(a.states[name], b.states[name], equal_nan=True) for name in a.states)
    assert (a.label, a.steps, a.budget, a.evaluations) == (b.label, b.steps, b.budget, b.evaluations)
    assert a.verdict.kind == b.verdict.kind
    assert dict(a.verdict.evidence) == pytest.approx(dict(b.verdict.evidence), nan_ok=True)
    assert a.verdict.better == b.verdict.better


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_comes_back(rule: layda.Rule, tmp_path: Path) -> None:
    run = layda.descend("himmelblau", rule, steps=50)
    layda.save(run, tmp_path / "run.layda")
    loaded = layda.load(tmp_path / "run.layda")
    assert isinstance(loaded, layda.Trajectory)
    assert_same(run, loaded)
    assert loaded.rule == rule
    again = layda.descend(loaded.objective, loaded.rule, steps=50)
    assert np.array_equal(again.positions, run.positions)


def test_a_race_comes_back(tmp_path: Path) -> None:
    race = layda.race("logarithm", ["gradient-descent:learning_rate=50", "heavy-ball"], steps=30)
    race.save(tmp_path / "race.layda")
    loaded = layda.load(tmp_path / "race.layda")
    assert isinstance(loaded, layda.Race)
    assert loaded.budget == 30
    for a, b in zip(race, loaded, strict=True):
        assert_same(a, b)


def test_a_model_on_a_table_reads_its_table_again_and_only_the_same_one(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("a,b,y\n" + "\n".join(f"{i},{i * i % 7},{2 * i + 1}" for i in range(30)) + "\n", encoding="utf-8")
    objective = layda.objectives.data_objective(str(table), target="y", task="regression")
    run = layda.descend(objective, "heavy-ball", steps=20)
    layda.save(run, tmp_path / "run.layda")
    loaded = layda.load(tmp_path / "run.layda")
    assert loaded.objective.value(loaded.position) == run.value
    table.write_text(table.read_text(encoding="utf-8").replace("29,", "31,"), encoding="utf-8")
    changed = layda.load(tmp_path / "run.layda")
    with pytest.raises(FileError, match="not the one that this result was computed from"):
        changed.objective.value(changed.position)


def test_a_black_box_comes_back_and_refuses_evaluation(tmp_path: Path) -> None:
    box = layda.objectives.black_box(lambda x: float(x @ x), dimension=2)
    run = layda.descend(box, "heavy-ball", start=(1.0, 2.0), steps=20)
    layda.save(run, tmp_path / "run.layda")
    loaded = layda.load(tmp_path / "run.layda")
    assert_same(run, loaded)
    with pytest.raises(ComputationError, match="was a black box when this result was saved"):
        loaded.objective.value(loaded.position)


def test_loading_never_imports_the_users_file(tmp_path: Path) -> None:
    source = tmp_path / "own.py"
    source.write_text(RULE_FILE.format(raises=False), encoding="utf-8")
    run = layda.descend("x^2", f"{source}:Own", start=1.0, steps=5)
    layda.save(run, tmp_path / "run.layda")
    source.write_text(RULE_FILE.format(raises=True), encoding="utf-8")
    loaded = layda.load(tmp_path / "run.layda")
    assert_same(run, loaded)
    assert str(loaded.rule) == str(run.rule)
    program = loaded.rule.program
    assert program.evaluate({"position": 1.0, "gradient": 2.0, "learning_rate": 0.1, "t": 0.0})["position"] == 0.8
    with pytest.raises(ComputationError, match="holds no code"):
        layda.descend("x^2", loaded.rule, start=1.0)


def test_every_flipped_byte_is_found(tmp_path: Path, runs: int) -> None:
    layda.save(layda.descend("x^2", "heavy-ball", start=1.0, steps=20), tmp_path / "run.layda")
    data = (tmp_path / "run.layda").read_bytes()
    whole = layda.load(tmp_path / "run.layda")
    generator = np.random.default_rng(0)
    damaged = tmp_path / "damaged.layda"
    for _ in range(100 * runs):
        place, bit = int(generator.integers(len(data))), int(generator.integers(8))
        damaged.write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
        try:
            found = layda.load(damaged)
        except FileError:
            continue
        assert_same(whole, found)  # a bit that carries nothing (a time stamp) may change; a number may not


def test_truncated_files_and_other_files_are_refused(tmp_path: Path) -> None:
    layda.save(layda.descend("x^2", "heavy-ball", start=1.0, steps=20), tmp_path / "run.layda")
    data = (tmp_path / "run.layda").read_bytes()
    bad = tmp_path / "bad.layda"
    for size in (0, 1, 10, len(data) // 2, len(data) - 1):
        bad.write_bytes(data[:size])
        with pytest.raises(FileError):
            layda.load(bad)
    bad.write_text("hello", encoding="utf-8")
    with pytest.raises(FileError, match="not a whole result file"):
        layda.load(bad)
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("header.json", json.dumps({"format": "something else"}))
    with pytest.raises(FileError):
        layda.load(bad)
    with pytest.raises(FileError, match="does not exist"):
        layda.load(tmp_path / "missing.layda")
    with pytest.raises(FileError, match="is a folder"):
        layda.load(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "run.layda"
    run = layda.descend("x^2", "heavy-ball", start=1.0, steps=5)
    layda.save(run, target)
    before = target.read_bytes()

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", broken)
    with pytest.raises(FileError, match="No space left"):
        layda.save(run, target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.layda"]
    with pytest.raises(FileError, match="does not exist; make it first"):
        layda.save(run, tmp_path / "nowhere" / "run.layda")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a signal of POSIX systems")
def test_a_kill_leaves_a_whole_file(tmp_path: Path, runs: int) -> None:
    """A process that saves again and again is killed at a random moment: the file is the old or the new one, whole."""
    target = tmp_path / "run.layda"
    program = (
        "import sys, layda\n"
        "run = layda.descend('rosenbrock', 'heavy-ball:learning_rate=0.0002', steps=2000, tolerance=0)\n"
        "layda.save(run, sys.argv[1])\nprint('ready', flush=True)\n"
        "while True:\n    layda.save(run, sys.argv[1])\n"
    )
    generator = np.random.default_rng(1)
    for _ in range(3 * runs):
        command = [sys.executable, "-c", program, str(target)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own program
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"ready"
        time.sleep(float(generator.uniform(0.0, 0.2)))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert layda.load(target).steps == 2000
