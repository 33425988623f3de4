"""``layda race``: verdicts, data, files and how it looks."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import layda
from layda.cli import main
from tests.cases import needs_tables


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def data(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(printed([*arguments, "--json"], capsys), parse_constant=pytest.fail)


def test_the_lectures_race(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(["race"], capsys)
    assert [run["verdict"] for run in found["runs"]] == [
        "crawling", "trapped", "diverged", "frozen", "trapped", "converged", "frozen", "converged",
    ]  # fmt: skip
    for run in found["runs"]:
        assert {"label", "rule", "settings", "steps", "position", "value", "verdict"} <= set(run)
    assert found["runs"][2]["value"] == "Infinity"
    assert found["runs"][1]["settings"] == {"learning_rate": 0.5}


def test_random_starts_are_repeatable(capsys: pytest.CaptureFixture[str]) -> None:
    one = data(["race", "himmelblau", "--start", "random", "--seed", "3", "--steps", "20"], capsys)
    two = data(["race", "himmelblau", "--start", "random", "--seed", "3", "--steps", "20"], capsys)
    other = data(["race", "himmelblau", "--start", "random", "--seed", "4", "--steps", "20"], capsys)
    assert one == two
    assert one["start"] != other["start"]


def test_options_reach_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(
        ["race", "x^2", "--learning-rate", "0.2", "--momentum", "0.5", "--decay", "0.9", "--start", "1"], capsys
    )
    assert [run["rule"] for run in found["runs"]] == ["gradient-descent", "heavy-ball", "nesterov"]
    assert found["runs"][1]["settings"]["momentum"] == 0.5
    assert "decay=0.9" in found["runs"][1]["settings"]["learning_rate"]
    rules = [
        "--rule",
        "SGD(lr=0.1, momentum=0.9, nesterov=True)",
        "--rule",
        "heavy-ball:form=step",
        "--rule",
        "HeavyBall(0.3)",
    ]
    found = data(["race", "x^2", *rules, "--start", "1"], capsys)
    assert [run["rule"] for run in found["runs"]] == ["nesterov", "heavy-ball", "heavy-ball"]
    assert len({run["label"] for run in found["runs"]}) == 3


def test_every_format_can_be_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    names = {
        suffix: tmp_path / f"race {suffix} ý.{suffix}" for suffix in ("png", "svg", "pdf", "csv", "nc", "json", "layda")
    }
    saves = [word for path in names.values() for word in ("--save", str(path))]
    found = data(["race", "himmelblau", "--steps", "50", *saves], capsys)
    assert names["png"].read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(names["svg"]).getroot().tag.endswith("svg")  # noqa: S314 - our own file
    assert names["pdf"].read_bytes().startswith(b"%PDF")
    assert set(pandas.read_csv(names["csv"])["label"]) == {run["label"] for run in found["runs"]}
    with xarray.open_dataset(names["nc"], engine="h5netcdf") as stored:
        assert stored["value"].shape[0] == 3
    assert json.loads(names["json"].read_text(encoding="utf-8"))["runs"] == found["runs"]
    assert [run.verdict.kind for run in layda.load(names["layda"])] == [run["verdict"] for run in found["runs"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in names.values())


TABLES = [
    [],
    ["himmelblau"],
    ["x^4 - 3x^2 + x/2"],
    pytest.param(["breast_cancer", "--steps", "60", "--learning-rate", "0.5"], marks=needs_tables),
]


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("arguments", TABLES, ids=str)
def test_it_fits_the_terminal(
    arguments: list[str], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed(["race", *arguments], capsys)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    for kind in ("converged", "unfinished"):
        assert kind[:-1] not in text.replace(kind, ""), "no verdict is cut"


@needs_tables
def test_a_table_shows_its_held_out_share(capsys: pytest.CaptureFixture[str]) -> None:
    found = data(["race", "breast_cancer", "--learning-rate", "0.6", "--steps", "400"], capsys)
    assert found["runs"][1]["report"]["held-out accuracy"] > 0.9
    assert found["goal"] > 0.0
    text = printed(["race", "breast_cancer", "--batch", "64", "--learning-rate", "0.1", "--steps", "70"], capsys)
    assert "epochs" in text
    assert "Mini-batches of 64 of 456 rows" in text


@needs_tables
def test_momentum_needs_a_third_of_the_steps_on_real_tables(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["breast_cancer"],
        [str(Path(__file__).parents[2] / "examples" / "wine.csv"), "--target", "cultivar"],
    ):
        text = printed(["race", *arguments], capsys)
        line = next(line for line in text.replace("\n", " ").split("To 1%") if "times fewer" in line)
        assert float(line.split("times fewer")[0].split(":")[-1]) >= 3.0


@pytest.mark.parametrize(
    "arguments",
    [
        ["rules"],
        ["objectives"],
        ["rules", "lion"],
        ["objectives", "himmelblau"],
        pytest.param(["objectives", "wine"], marks=needs_tables),
    ],
)
def test_lists(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert len(printed(arguments, capsys).splitlines()) > 5
    assert isinstance(data(arguments, capsys), dict)


def test_every_rule_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for rule in layda.rules.ALL:
        found = data(["rules", rule.name], capsys)
        assert found["equation"]
        assert found["source"]
        assert "learning_rate" in found["settings"]


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(["--version"], capsys) == f"layda {layda.__version__}\n"
    assert "race" in printed(["--help"], capsys)
    assert "--momentum" in printed(["race", "--help"], capsys)
    assert "race" in printed([], capsys)


def test_the_same_race_as_code(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(["race", "--code", "torch"], capsys)
    compile(text, "printed", "exec")
    assert text.startswith("# A race on lecture in PyTorch")
    assert text.count("optimizer = torch.optim.") == 7
    assert text.count("\ndef step(") == 1, "a rate that falls by 10 at every step leaves torch's form"
    for library in ("optax", "keras"):
        text = printed(["race", "x^2", "--rule", "adamw", "--steps", "3", "--code", library], capsys)
        compile(text, "printed", "exec")
        assert "AdamW" in text or "adamw" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--code", "tensorflow"], "code is printed for torch, optax, keras, not for 'tensorflow'"),
        (["--code", "torch", "--json"], "--code prints nothing but code, and --json was given too"),
        (["--code", "torch", "--diagnose"], "--code prints nothing but code, and --diagnose was given too"),
        (["--code", "torch", "--starts", "5"], "--code prints nothing but code, and --starts was given too"),
    ],
)
def test_code_that_cannot_be_printed(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["race", "x^2", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
