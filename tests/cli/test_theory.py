"""``layda theory``: numbers, reasons, pictures, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layda.cli import main
from layda.rules import ALL


@pytest.mark.parametrize("name", [rule.name for rule in ALL])
def test_every_rule_has_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", name]) == 0
    told = capsys.readouterr().out
    assert "Stable for αλ <" in told or "No theory: " in told
    assert main(["theory", name, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["linear"] == ("why" not in data)


def test_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "heavy-ball:learning_rate=0.02", "--mu", "1", "--L", "100", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["stable_below"] == pytest.approx(3.8)
    assert data["largest_curvature"] == pytest.approx(190.0)
    assert data["polynomial"] == "z² + (−β + h − 1)·z + β"
    begins = {each["regime"]: each["from"] for each in data["regimes"]}
    root = 0.9**0.5
    assert begins["underdamped"] == pytest.approx((1 - root) ** 2, rel=1e-3)
    assert begins["sign-flipping"] == pytest.approx((1 + root) ** 2, rel=1e-5)
    assert data["best"]["rate"] == pytest.approx(9 / 11)
    assert data["best"]["settings"]["momentum"] == pytest.approx((9 / 11) ** 2)
    assert data["best"]["rate_now"] == pytest.approx(root)


@pytest.mark.parametrize("name", ["gradient-descent", "nesterov", "aggregated-momentum", "quasi-hyperbolic"])
def test_a_picture_of_every_kind(name: str, tmp_path: Path) -> None:
    assert main(["theory", name, "--save", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["heavy-ball", "--mu", "1"], "--mu and --L go together"),
        (["heavy-ball", "--mu", "2", "--L", "1"], "must not be above L"),
        (["heavy-ball", "--mu", "0", "--L", "1"], "mu is 0.0; allowed is a finite number above 0"),
        (["adam", "--mu", "1", "--L", "2"], "adam is not linear"),
        (["hevy-ball"], "did you mean heavy-ball"),
        (["heavy-ball", "--save", "map.txt"], "pictures are saved as png, svg, pdf"),
    ],
)
def test_what_is_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", *arguments]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""
