"""Bad input: one clear line, exit code 2, nothing on stdout, nothing written."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from layda.cli import main
from tests.cases import needs_tables

TABLE = "a,b,y\n" + "".join(f"{i},{i * i % 7},{2 * i + 1}\n" for i in range(12))

HOSTILE = [
    "__import__('os').system('true')", "().__class__.__bases__", "x.__class__", "x.real", "lambda: 0",
    "[x for x in (1,)]", "{x: 1}", "{1, 2}", "(x for x in y)", "x if y else z",
    "x := 3", "f'{x}'", "'abc'", "b'abc'", "x; y",
    "import os",
    "exec('1')", "eval('1')", "open('/etc/passwd')", "print(x)", "getattr(x, 'real')", "x[0]", "x[0:1]", "*x", "**x",
    "f(*x)", "sin(x=1)", "sin()", "sin(x, y)", "unknown(x)", "9**9**9", "x**9**9**9", "x^1000000", "x" + "^2" * 200,
    "(" * 10_000 + "x" + ")" * 10_000, "-" * 10_000 + "x", "1" * 5000, "0x10 + x",
    "x" + "+x" * 20_000, "1e999999 * x",
    "x = 3", "x == 3", "x is None", "not x", "~x", "x @ y", "x << 2", "x // ", "x +", ")", "(x", "x\x00y", "yield x",
    "await x", "None", "True", "…", "...", "\\", "`x`", "$x", "x?", "@x", "#x", "x y z !", "∑x", "x'", "π()",
    "where(x)",
    "where(x, 1)", "sqrt", "sin", "1..2", "0/0/", "😀", "x\u202ey",
]  # fmt: skip


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused, and return its line."""
    begin = time.perf_counter()
    code = main(arguments)
    seconds = time.perf_counter() - begin
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("layda: ")
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    assert "Traceback" not in captured.err
    assert seconds < 30, "generous: this is no benchmark, but a hang must not pass"
    return captured.err


def test_there_are_enough_hostile_formulas() -> None:
    assert len(set(HOSTILE)) >= 40


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_formula(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["race", "--save", str(tmp_path / "a.png"), "--", text], capsys)
    assert len(line) < 700
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", HOSTILE[:30], ids=range(30))
def test_a_hostile_rule(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["race", "lecture", f"--rule=heavy-ball:momentum={text}"], capsys)


CASES: dict[str, tuple[list[str], str]] = {
    "objective": (["race", "himelblau"], "did you mean himmelblau?"),
    "rule": (["race", "--rule", "hevy-ball"], "did you mean heavy-ball?"),
    "key": (["race", "--rule", "heavy-ball:momentm=0.5"], "did you mean momentum?"),
    "dimension": (
        ["race", "himmelblau", "--start", "1,2,3"],
        "start has 3 numbers; himmelblau has 2 coordinates (x, y)",
    ),
    "start": (["race", "--start", "here"], "--start is 'here'; allowed are numbers"),
    "nan start": (["race", "--start", "nan"], "must be a finite number"),
    "nan rate": (["race", "--learning-rate", "nan"], "learning_rate is nan; allowed is a finite number, 0 or more"),
    "infinite rate": (["race", "--learning-rate", "inf"], "learning_rate is inf"),
    "negative rate": (["race", "--learning-rate", "-0.1"], "learning_rate is -0.1"),
    "momentum above": (["race", "--momentum", "1.01"], "momentum is 1.01; allowed is a finite number from 0 to 1"),
    "momentum below": (["race", "--momentum", "-0.1"], "momentum is -0.1"),
    "nan momentum": (["race", "--momentum", "nan"], "momentum is nan"),
    "decay above": (["race", "--decay", "1.5"], "decay is 1.5; allowed is a finite number from 0 to 1"),
    "decay below": (["race", "--decay", "-1"], "decay is -1.0"),
    "steps": (["race", "--steps", "-3"], "steps is -3; allowed is a whole number from 0"),
    "steps word": (["race", "--steps", "many"], "--steps"),
    "tolerance": (["race", "--tolerance", "2"], "tolerance is 2.0"),
    "seed": (["race", "--seed", "-1"], "--seed"),
    "ending": (["race", "--save", "a.bmp"], "allowed are png, svg, pdf, gif, mp4, webm, csv, nc, json, layda"),
    "size": (["race", "--save", "a.gif", "--size", "800"], "--size is '800'; allowed are width and height"),
    "tiny": (["race", "--save", "a.gif", "--size", "80x45"], "size is (80, 45); allowed are (width, height)"),
    "fps": (["race", "--save", "a.gif", "--fps", "nan"], "fps is nan; allowed is a number from 1 to 50"),
    "film": (["race", "--save", "a.png", "--once"], "--once is for animations, and none is saved"),
    "folder": (["race", "--save", "nowhere/a.png"], "the folder nowhere does not exist"),
    "option": (["race", "--momentun", "1"], "--momentum"),
    "lr": (["race", "--lr", "0.1"], "No such option: --lr; here it is called --learning-rate"),
    "beta": (["race", "--beta", "0.9"], "No such option: --beta; here it is called --momentum"),
    "rule without --rule": (["race", "lecture", "adam:lr=0.1"], "rules are given as --rule NAME:key=value"),
    "lr of a rule": (["race", "--rule", "heavy-ball:lr=0.1"], "here it is called learning_rate"),
    "b1 of a rule": (["race", "--rule", "adam:lr=0.1,b1=0.9"], "torch calls it betas; write torch's names throughout"),
    "set": (["sweep", "lecture", "--set", "lr=0.1,0.2"], "(here it is called learning_rate)"),
    "command": (["rase"], "race"),
    "empty": (["race", ""], "empty"),
    "blank": (["race", "   "], "empty"),
    "no coordinate": (["race", "3 + 4"], "no coordinate"),
    "file": (["race", "--rule", "missing.py:Rule"], "missing.py"),
    "file without name": (["race", "--rule", "rules.py"], "rules.py"),
    "torch option": (["race", "--rule", "SGD(lr=0.1, dampening=0.5)"], "dampening"),
    "csv missing": (["race", "missing.csv", "--target", "y"], "there is no file missing.csv"),
    "csv empty": (["race", "empty.csv", "--target", "y"], "empty.csv is empty"),
    "csv header": (["race", "header.csv", "--target", "y"], "no rows below it"),
    "csv binary": (["race", "binary.csv", "--target", "y"], "binary"),
    "csv prose": (["race", "prose.csv", "--target", "y"], "prose.csv"),
    "csv text": (["race", "text.csv", "--target", "y"], "column 'b' of text.csv holds 'seven' in row 1"),
    "csv gap": (["race", "gap.csv", "--target", "y"], "column 'b' of gap.csv has 1 missing value"),
    "csv column": (["race", "table.csv", "--target", "yy"], "no column 'yy'; did you mean y?"),
    "csv no target": (["race", "table.csv"], "--target COLUMN"),
    "parquet": (["race", "broken.parquet", "--target", "y"], "no Parquet file"),
    "truncated": (["race", "truncated.parquet", "--target", "y"], "truncated.parquet"),
    "folder as table": (["race", "folder.csv", "--target", "y"], "folder.csv"),
    "target of a classic": (["race", "booth", "--target", "y"], "no table"),
    "model": (["race", "table.csv", "--target", "y", "--model", "forest"], "model is 'forest'"),
    "rules": (["rules", "hevy-ball"], "did you mean heavy-ball?"),
    "objectives": (["objectives", "boooth"], "did you mean booth"),
    "chapter": (["lecture", "0"], "there is no chapter 0"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "header.csv").write_text("a,b,y\n", encoding="utf-8")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "prose.csv").write_text("this is no table\nat all\n", encoding="utf-8")
    (tmp_path / "text.csv").write_text(TABLE.replace("0,0,1", "0,seven,1"), encoding="utf-8")
    (tmp_path / "gap.csv").write_text(TABLE.replace("0,0,1", "0,,1"), encoding="utf-8")
    (tmp_path / "broken.parquet").write_bytes(b"hello, I am no parquet file")
    (tmp_path / "truncated.parquet").write_bytes(b"PAR1" + bytes(200))
    (tmp_path / "folder.csv").mkdir()
    return tmp_path


TABLE_CASES = [name for name in CASES if name.startswith(("csv", "parquet", "truncated", "folder as", "model"))]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_tables if name in TABLE_CASES else ()) for name in CASES]
)
def test_case(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in folder.iterdir())
    arguments, words = CASES[name]
    extra = ["--save", "out.png", "--save", "out.csv"] if arguments[0] == "race" else []
    line = refused([*arguments[:1], *extra, *arguments[1:]], capsys)
    assert words in line
    assert sorted(path.name for path in folder.iterdir()) == before, "nothing is written, nothing half"


@pytest.mark.parametrize("arguments", [["race", "himelblau"], ["race", "9**9**9"], ["race", "--momentum", "7"]])
def test_as_a_process(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "layda", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603 - our own command
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"layda: ")
