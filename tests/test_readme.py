"""The README is true: its commands and its Python run, and say what it says they say."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from layda.cli import main
from layda.measures import VERDICTS
from tests.cases import needs_tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [line.split("  #")[0].strip() for line in "".join(blocks("sh")).splitlines() if line.strip()]


def test_there_are_commands_and_code() -> None:
    assert len(COMMANDS) >= 8
    assert len(blocks("python")) >= 3


TABLES = ("breast_cancer", ".csv")
MAPS = ("layda sweep", "layda basins", "--starts", "layda.sweep", "layda.ensemble")
needs_maps = pytest.mark.skipif(find_spec("xarray") is None, reason="the extra [sweep] is not installed")


needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="the extra [torch] is not installed")
needs_jax = pytest.mark.skipif(find_spec("optax") is None, reason="the extra [jax] is not installed")


def _marks(text: str) -> list[Any]:
    needs = (
        (TABLES, needs_tables),
        (MAPS, needs_maps),
        (("import torch",), needs_torch),
        (("import optax",), needs_jax),
    )
    return [mark for words, mark in needs if any(word in text for word in words)]


@pytest.mark.parametrize("command", [pytest.param(line, marks=_marks(line)) for line in COMMANDS])
def test_command(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    assert words[0] == "layda"
    assert main(words[1:]) == 0
    for path in [after for before, after in pairwise(words) if before == "--save"]:
        assert (tmp_path / path).stat().st_size > 0


@pytest.mark.parametrize("code", [pytest.param(code, marks=_marks(code)) for code in blocks("python")])
def test_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own text
    wanted = [
        comment.split("# ", 1)[1] for comment in code.splitlines() if comment.startswith("print(") and "# " in comment
    ]
    lines = printed.getvalue().splitlines()
    assert len(lines) == len(wanted)
    for line, comment in zip(lines, wanted, strict=True):
        assert re.fullmatch(re.escape(comment).replace("…", ".*"), line), line


def test_the_sentences_shown_are_those_of_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    commands = (["race"], ["diagnose", str(ROOT / "examples" / "stuck.layda")])
    for command, block in zip(commands, blocks("text"), strict=True):
        main(command)
        said = " ".join(capsys.readouterr().out.split())
        for sentence in re.split(r"\n(?=\S|  \w)", block):
            assert " ".join(sentence.split()) in said


def test_every_verdict_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE) == list(VERDICTS)


def test_every_path_that_is_named_exists() -> None:
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).exists(), path
