"""``layda weights``: numbers, pictures, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layda.cli import main
from layda.rules import ALL


@pytest.mark.parametrize("name", [rule.name for rule in ALL])
def test_every_rule_has_weights(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", name, "--count", "30"]) == 0
    assert "effective learning rate" in capsys.readouterr().out


def test_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "heavy-ball:learning_rate=0.02", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["effective_learning_rate"] == pytest.approx(0.2)
    assert data["half_life"] == pytest.approx(6.5788, abs=1e-4)
    assert data["mean_age"] == pytest.approx(9.0)
    assert len(data["weights"]) == 500
    assert main(["weights", "heavy-ball:momentum=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["half_life"] == "Infinity"


def test_a_picture_and_a_slot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "adam", "--of", "mean", "--save", str(tmp_path / "a.svg")]) == 0
    assert "wrote" in capsys.readouterr().out
    assert (tmp_path / "a.svg").stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["heavy-ball", "--of", "velocty"], "did you mean velocity"),
        (["heavy-ball", "--count", "0"], "--count"),
        (["nothing"], "nothing"),
    ],
)
def test_what_is_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *arguments]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""
