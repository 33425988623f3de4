"""Consoles that are not UTF-8, Vietnamese names, and readers that go away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = '''
from dataclasses import dataclass
from layda.rule import Hyperparameter, Rule
from layda.settings import hyperparameter

@dataclass(frozen=True)
class LấyĐà(Rule):
    """x ← x − αg."""
    learning_rate: Hyperparameter = hyperparameter(0.1, 0.0)
    def step(self, position, gradient, state, ahead):
        return position - self.learning_rate * gradient, ()
'''


def run(arguments: list[str], module: str = "layda", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *(["-m", module] if module else []), *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_", "LANG"))}
    return subprocess.run(command, capture_output=True, check=False, env=kept | environment, timeout=120)  # noqa: S603


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp1258", "utf-8"])
def test_every_character_becomes_something(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "thử.py"
    file.write_text(SOURCE, encoding="utf-8")
    lines = (["race"], ["race", "lecture", "--rule", f"{file}:LấyĐà"], ["lecture", "4", "--language", "vi"])
    # One process for the three: each begins with half a second of imports.
    script = f"from layda.cli import main\nfor line in {lines!a}:\n    print('code', main(line), flush=True)"
    done = run(["-c", script], PYTHONIOENCODING=encoding, module="")
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    parts = done.stdout.decode(encoding).split("code 0")
    assert [len(part.splitlines()) > 5 for part in parts] == [True, True, True, False], done.stderr


def test_the_plain_locale() -> None:
    done = run(["race"], LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0
    assert b"converged" in done.stdout


def test_errors_too() -> None:
    done = run(["race", "động_lượng"], PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="pipes to head are a habit of POSIX shells")
def test_a_reader_that_goes_away() -> None:
    done = subprocess.run(  # noqa: S602 - our own command
        f'"{sys.executable}" -m layda objectives | head -n 1', shell=True, capture_output=True, check=False, timeout=60
    )
    assert b"Traceback" not in done.stderr
