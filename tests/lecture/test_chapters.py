"""The chapters: what each claims is what its own runs did, in both languages."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import layda
from layda.cli import main
from layda.lecture import CHAPTERS, Chapter, chapter, document
from layda.lecture.momentum import energies
from layda.measures.energies import balance, kinetic, mass
from layda.measures.weights import weights_of_past
from layda.rules import HeavyBall
from layda.words import LANGUAGES, LOCALE, speaker

ROOT = Path(__file__).parents[2]
NUMBERS = range(1, len(CHAPTERS) + 1)


@cache
def told(number: int, language: str = "en") -> Chapter:
    return chapter(number, language)


@pytest.mark.parametrize("number", NUMBERS)
def test_both_languages_tell_the_same_runs(number: int) -> None:
    english, vietnamese = told(number), told(number, "vi")
    assert [run.verdict.kind for run in english.runs.values()] == [run.verdict.kind for run in vietnamese.runs.values()]
    assert len(english.text) == len(vietnamese.text)
    assert len(re.findall(r"[.!?…:](?:\s|$)", " ".join(english.text))) >= 2
    for one, other in zip((*english.text, english.question), (*vietnamese.text, vietnamese.question), strict=True):
        assert one != other
        assert sorted(numbers(one)) == sorted(numbers(other)), "the same numbers in both languages"


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)


@pytest.mark.parametrize("number", NUMBERS)
def test_pictures_are_drawn_and_described(number: int, tmp_path: Path) -> None:
    one = told(number)
    one.figure(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert len(one.picture) > 40


def test_1_every_ball_stays_in_its_valley() -> None:
    for run in told(1).runs.values():
        if run.objective.dimension == 1:
            start, end = run.positions[0, 0], run.position[0]
            assert run.verdict.kind == ("converged" if end < 0 else "trapped")
            assert (start < 0) == (end < 0)
        else:
            assert run.verdict.kind == "converged"


def test_2_three_rates() -> None:
    assert [run.verdict.kind for run in told(2).runs.values()] == ["crawling", "converged", "diverged"]
    assert told(2).data["limit"] == pytest.approx(20 / 9)


def test_3_damping() -> None:
    data, runs = told(3).data, told(3).runs
    rates = runs["δ = 0.95"].learning_rates
    assert rates[data["below"]] < 0.4 <= rates[data["below"] - 1]
    assert [runs[f"δ = {d}"].verdict.kind for d in ("0", "0.1", "1")] == ["frozen", "frozen", "diverged"]
    assert runs["δ = 0"].positions.min() == runs["δ = 0"].positions.max() == 1.0
    low, high = data["works"]
    assert runs["δ = 0.9"].verdict.kind == "converged"
    assert low < 0.9 < high < 1.0
    for delta, reach in data["reach"].items():
        moved = np.abs(np.diff(runs[f"δ = {delta:g}"].positions[:, 0]))
        assert float(np.sum(moved)) <= reach * (1 + 1e-12), delta


def test_4_the_velocity_changes_nothing() -> None:
    plain, velocity = told(4).runs.values()
    assert np.array_equal(plain.positions, velocity.positions)
    assert velocity.verdict.kind == "trapped"
    assert velocity.verdict.better.position == (-2.0,)


def test_5_energies() -> None:
    data, runs = told(5).data, told(5).runs
    assert data["same"]
    assert runs["β = 0.9"].verdict.kind == "converged"
    assert runs["β = 1"].verdict.kind == "cycling"
    assert 0.99 < data["swing"] < 1.2, "nothing is lost"
    slide = runs["β = 1 on a slope"]
    steps = np.arange(1001)
    assert np.allclose(slide.positions[:, 0], -0.5 * steps * (steps + 1) / 2), "a sum of sums"


def test_the_energy_balance_is_exact() -> None:
    run = layda.descend("lecture", HeavyBall(0.5, 0.9), steps=200, tolerance=0)
    x, f = run.positions[:, 0], run.values
    g = run.objective.gradients(run.positions)[:, 0]
    d = np.diff(x, prepend=x[0])
    total = f + kinetic(mass(0.9, 0.5), d)
    bregman = f[1:] - f[:-1] - g[:-1] * d[1:]
    assert np.max(np.abs(np.diff(total) - balance(0.9, 0.5, d[1:], d[:-1], bregman))) < 1e-14


def test_6_the_whole_method() -> None:
    data = told(6).data
    assert data["total"] == pytest.approx(0.05555556, rel=1e-6)
    assert data["coast"] == pytest.approx(0.5555556, rel=1e-6)
    assert [run.verdict.kind for run in told(6).runs.values()][:2] == ["frozen", "converged"]
    for shares in (data["against_plain"], data["against_damped"]):
        assert sum(shares) == pytest.approx(1.0)
        assert shares[0] > 5 * shares[2], "better far more often than worse"


def test_7_weights() -> None:
    data = told(7).data
    assert data["beta_0.9"][:4] == pytest.approx([1.0, 0.9, 0.81, 0.729])
    assert data["ratios"] == pytest.approx([1.0, 9.0, 81.0, 729.0])
    assert np.all(np.diff(data["working"]) < 0.0)


def test_weights_explain_the_displacement() -> None:
    run = layda.descend("lecture", HeavyBall(0.5, 0.9), steps=40, tolerance=0)
    g = run.objective.gradients(run.positions)[:, 0]
    weights = weights_of_past(HeavyBall(0.5, 0.9), 40)
    assert run.velocities[40, 0] == pytest.approx(float(np.dot(weights, g[:40][::-1])), abs=1e-13)


def test_8_the_swing() -> None:
    data, run = told(8).data, told(8).runs["whole method"]
    assert run.verdict.kind == "converged"
    assert np.all(np.diff(data["energies"]) < 0.0)
    first = data["turns"][0]
    assert sum(data["parts"].values()) == pytest.approx(run.velocities[first + 1, 0], abs=1e-12)
    assert run.velocities[first, 0] * run.velocities[first + 1, 0] < 0.0
    assert data["counts"] == {"0.2": 16, "0.1": 22}
    assert 0.9**16 < 0.2 < 0.9**15
    potential, motion = energies(run)
    assert potential[0] + motion[0] == pytest.approx(0.4)


def test_9_the_family() -> None:
    one = told(9)
    assert len(one.rows) == len(layda.rules.ALL)
    assert all(row[2] and row[3] for row in one.rows), "every rule says what it took and added"
    assert "heavy-ball" in one.data["escaped"]
    assert "gradient-descent" not in one.data["escaped"]


def test_no_text_lacks_its_translation() -> None:
    pytest.importorskip("babel", reason="Babel is not installed")
    spec = importlib.util.spec_from_file_location("catalogues", ROOT / "tools" / "catalogues.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert len(tool.texts()) > 100
    for language in set(LANGUAGES) - {"en"}:
        assert tool.missing(language) == []
        stored = (LOCALE / language / "LC_MESSAGES" / "layda.mo").read_bytes()
        assert stored == tool.compiled(language), "run tools/catalogues.py"
        for message in tool.catalogue(language):
            if message.id:
                assert sorted(re.findall(r"\{\w+\}", message.id)) == sorted(re.findall(r"\{\w+\}", message.string))
                assert speaker(language)(message.id, **dict.fromkeys(re.findall(r"\{(\w+)\}", message.id), 1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_document_stands_alone(language: str) -> None:
    html5lib = pytest.importorskip("html5lib", reason="html5lib is not installed")
    text = document([told(number, language) for number in NUMBERS], language)
    parser = html5lib.HTMLParser(strict=True)  # raises on anything that is no valid HTML
    tree = parser.parse(text)
    assert parser.errors == []
    images = [node for node in tree.iter() if node.tag.endswith("img")]
    assert len(images) == len(CHAPTERS)
    assert all(node.get("alt") and node.get("src").startswith("data:image/png;base64,") for node in images)
    assert not re.search(r"""(?:src|href)="(?!data:)|@import|url\(|<script|<link""", text), (
        "it asks nobody for anything"
    )


def test_the_command_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lecture", "4", "--language", "vi", "--save", str(tmp_path / "out")]) == 0
    assert "Vận tốc" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["chapter-4-vi.png", "chapter-4-vi.txt"]
    assert main(["lecture", "2", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["chapters"][0]["runs"][2]["verdict"] == "diverged"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["10"], "there is no chapter 10; there are 1 Gradient descent"), (["1", "--language", "fr"], "known: en, vi")],
)
def test_what_is_unknown_is_refused_with_the_list(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lecture", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_the_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads((ROOT / "examples" / "lecture.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == 1 + len(CHAPTERS)
    room: dict[str, object] = {}
    for cell in (cells[0], cells[2], cells[4]):  # the chapters themselves are run by the tests above
        exec(compile(cell, "lecture.ipynb", "exec"), room)  # noqa: S102 - our own notebook
    assert "5:34" in capsys.readouterr().out
