"""``layda race file.py:name``: each kind of file works, or ends with one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from layda.cli import main

MINE = """
import numpy as np
from layda.objectives import black_box
from layda.rules import HeavyBall

def bowl(p): return (p**2).sum()
def indexed(p): return p[0]**2 + 3*p[1]**2
def apart(x, y): return x**2 + 2*y**2
def many(*x): return sum(v * v for v in x)
def failing(x, y): raise ValueError("of my own:\\nin two lines")
def vector(x, y): return np.array([1.0, 2.0])
def nothing(x): x + 1
def text(x): return "3"
def pair(x, y): return x, y
def no_coordinate(): return 3

class Bowl:
    def __call__(self, p): return np.sum(p**2)

made = Bowl()
number = 3

def late(p): return 1.0 / len(p[2:])
black = black_box(lambda p: float(abs(p[0]) + p[1]**2), dimension=2)
black_late = black_box(late, dimension=2)
black_none = black_box(lambda p: None, dimension=2)
"""
FILES = {
    "mine.py": MINE, "broken.py": "def f(x:\n    return x\n", "missing.py": "import no_such_module_anywhere\n",
    "stops.py": "x = 1 / 0\n", "leaves.py": "raise SystemExit(3)\n",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, words in FILES.items():
        (tmp_path / name).write_text(words, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


WORKING = [
    "mine.py:bowl --start 1,1", "mine.py:bowl:dimension=3", "mine.py:indexed --start 1,1", "mine.py:apart",
    "mine.py:many --start 1,2,3", "mine.py:made --start 1,1", "mine.py:black", "mine.py:apart --start random",
]  # fmt: skip
REFUSED = {
    "mine.py:bowl": "say how many coordinates the one array holds: by the start, or by dimension=2",
    "mine.py:indexed": "it indexes a value that is one number",
    "mine.py:made": "say how many coordinates the one array holds",
    "mine.py:many": "say how many with a start or dimension=…",
    "mine.py:apart --start 1,2,3": "start has 3 numbers; apart has 2 coordinates (x, y)",
    "mine.py:failing": "line 10: def failing(x, y): raise ValueError",
    "mine.py:vector": "returned an array of shape (2,); an objective returns one number",
    "mine.py:nothing": "nothing returned None",
    "mine.py:text": "'3' (str) cannot take part",
    "mine.py:pair": "an objective returns one number; pair returned 2",
    "mine.py:no_coordinate": "no_coordinate takes no coordinate",
    "mine.py:Bowl": "Bowl is a class; allowed are a function of the coordinates",
    "mine.py:number": "number is of type int",
    "mine.py:bowll --start 1,1": "'mine.py' has no 'bowll'; did you mean bowl",
    "mine.py:black_late": "the Python file mine.py fails at line 23 (late): ZeroDivisionError: ",
    "mine.py:black_none": "returned None; it must return one number",
    "mine.py": "names a Python file but nothing in it; write file.py:Name",
    "absent.py:f": "the Python file 'absent.py' does not exist",
    "broken.py:f": "broken.py fails at line 1 when it is run: SyntaxError",
    "missing.py:f": "missing.py fails at line 1 when it is run: ModuleNotFoundError",
    "stops.py:f": "stops.py fails at line 1 when it is run: ZeroDivisionError",
    "leaves.py:f": "leaves.py fails at line 1 when it is run: SystemExit",
}
CODE = ["", "torch", "optax", "keras"]


def arguments(text: str, code: str) -> list[str]:
    return ["race", *text.split(), "--steps", "20", "--learning-rate", "0.1", *(["--code", code] if code else [])]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("text", WORKING)
def test_works(text: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(text, code)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    if code:
        compile(captured.out, "printed", "exec")
        assert "def f(" in captured.out
    else:
        assert "gradient-descent" in captured.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(text, code)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("layda: ")
    assert captured.err.count("\n") == 1
    assert REFUSED[text] in captured.err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "line", ["tune mine.py:bowl --start 1,1", "sweep mine.py:bowl:dimension=2 --start x=-1:1:3 --start y=1",
             "race mine.py:bowl:dimension=2 --starts 3 --steps 5"],
)  # fmt: skip
def test_other_commands_take_functions_of_one_array(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0, capsys.readouterr().err


def test_an_error_of_our_own_is_no_fault_of_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("layda.objective._gradient_by_differences", broken)
    with pytest.raises(RuntimeError, match="ours"):
        main(["race", "mine.py:black", "--learning-rate", "0.1"])
