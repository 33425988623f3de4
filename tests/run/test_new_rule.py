"""A new rule is one file of at most 30 lines of code; everything then works over it, without touching the package."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from pathlib import Path

import numpy as np
import pytest

import layda
from layda.cli import main
from layda.rule import Stepper
from layda.specs import to_rule
from tests.cases import BACKENDS

SOURCE = '''
"""Heavy ball with a brake: the velocity is also shortened by a share of the gradient's size."""

from dataclasses import dataclass
from typing import ClassVar

from layda.functions import tanh
from layda.rule import Hyperparameter, Rule, Slot
from layda.settings import hyperparameter


@dataclass(frozen=True)
class Braked(Rule):
    """v ← βv + α tanh(g);  x ← x − v.

    A docstring may be as long as it likes.
    """

    equation: ClassVar[str] = "v ← βv + α tanh g;  x ← x − v"
    learning_rate: Hyperparameter = hyperparameter(0.05, 0.0)
    momentum: Hyperparameter = hyperparameter(0.8, 0.0, 1.0)

    @property
    def slots(self):
        return (Slot("velocity"),)

    def step(self, position, gradient, state, ahead):
        (velocity,) = state
        velocity = self.momentum * velocity + self.learning_rate * tanh(gradient)
        return position - velocity, (velocity,)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_rules.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def lines_of_code(source: str) -> int:
    """Lines that hold a token, docstrings aside."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            skipped |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    used = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)
        and token.string
    }
    return len(used - skipped)


def test_thirty_lines_are_enough() -> None:
    assert lines_of_code(SOURCE) <= 30


def test_every_rule_of_the_package_is_short_too() -> None:
    for path in (Path(layda.__file__).parent / "rules").glob("*.py"):
        if path.name not in ("__init__.py", "convert.py"):
            classes = path.read_text(encoding="utf-8").count("@dataclass")
            # What is known of a rule, its best settings, its heavy ball, torch's SGD or Adam, may stand beside it.
            beside = ("tuned", "as_heavy_ball", "continuing_sgd", "continuing_adam")
            known = sum(path.read_text(encoding="utf-8").count(f"def {name}(") for name in beside)
            assert lines_of_code(path.read_text(encoding="utf-8")) <= 8 + 30 * classes + 8 * known, path.name


def test_everything_runs_over_it(file: Path, tmp_path: Path) -> None:
    rule = to_rule(f"{file}:Braked:momentum=0.7")
    assert "tanh" in str(Stepper(rule).program())
    paths = [layda.descend("himmelblau", rule, steps=300, tolerance=0, backend=b).positions for b in BACKENDS]
    assert all(np.array_equal(path, paths[0]) for path in paths[1:])
    run = layda.descend("sphere", rule, steps=3000)
    assert run.verdict.kind == "converged"
    assert layda.descend("breast_cancer", rule, steps=5).positions.shape[0] == 6
    layda.save(run, tmp_path / "run.layda")
    assert layda.load(tmp_path / "run.layda").verdict.kind == "converged"


def test_the_command_line_runs_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["race", "lecture", "--rule", f"{file}:Braked", "--rule", "heavy-ball", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["rule"] for run in runs] == ["braked", "heavy-ball"]
