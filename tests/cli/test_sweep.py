"""``layda sweep``, ``basins``, ``cache`` and ``race --starts``: what they print, write and refuse."""

from __future__ import annotations

import json

import pytest

from layda.cli import main
from layda.errors import SpecError
from layda.specs.axes import to_named_values, to_values

pytest.importorskip("xarray")


def _run(*arguments):
    return main(list(arguments))


def test_a_map_is_counted_and_drawn(tmp_path, capsys):
    picture, data = tmp_path / "map.png", tmp_path / "map.nc"
    code = _run("sweep", "lecture", "--start", "2", "--learning-rate", "1e-3:1:12:log", "--momentum", "0:0.95:9",
                "--save", str(picture), "--save", str(data))  # fmt: skip
    out = capsys.readouterr().out
    assert code == 0
    assert "108 balls (learning_rate 12 × momentum 9)" in out
    assert "trapped" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    import xarray

    with xarray.open_dataset(data, engine="h5netcdf") as found:
        assert dict(found.sizes) == {"learning_rate": 12, "momentum": 9}


def test_json_is_one_object(capsys):
    assert _run("sweep", "himmelblau", "--start", "x=-4:4:5", "--start", "y=1", "--decay", "0.9,0.99", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["axes"]["start_x"] == {"count": 5, "first": -4.0, "last": 4.0}
    assert sum(row["count"] for row in data["verdict"]) == 10
    assert data["attributes"]["budget"] == 1000


def test_a_store_is_resumed_and_shared_by_jobs(tmp_path, capsys):
    pytest.importorskip("zarr")
    out = str(tmp_path / "map.zarr")
    grid = ["sweep", "himmelblau", "--start", "x=-4:4:20", "--start", "y=-4:4:20", "--per-tile", "50", "--out", out]
    assert _run(*grid, "--tile", "1/2") == 0
    assert _run(*grid, "--tile", "2/2") == 0
    assert "the tiles 2/2" in capsys.readouterr().out
    assert _run(*grid) == 2
    assert "--resume" in capsys.readouterr().err
    assert _run(*grid, "--resume") == 0
    assert "400 balls" in capsys.readouterr().out


def test_basins(tmp_path, capsys):
    picture = tmp_path / "basins.svg"
    assert _run("basins", "himmelblau", "--size", "30", "--learning-rate", "0.01", "--save", str(picture)) == 0
    assert "minimum 0 at (3, 2)" in capsys.readouterr().out
    assert "<svg" in picture.read_text(encoding="utf-8")
    assert _run("basins", "quadratic") in (0, 2)


def test_a_race_from_many_starts(tmp_path, capsys):
    table = tmp_path / "race.csv"
    assert _run("race", "--starts", "60", "--save", str(table)) == 0
    out = capsys.readouterr().out
    assert "60 starts drawn from the box (seed 0)" in out
    assert "diverged" in out
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1 + 60 * 8
    assert _run("race", "himmelblau", "--starts", "40", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in data["contestants"]] == ["gradient-descent", "heavy-ball", "nesterov"]
    assert _run("race", "himmelblau", "--starts", "1") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 start drawn" in out
    assert "best learning rate of nine from the usual start" in out
    assert all(sum(one["count"] for one in row["shares"]) == 40 for row in data["contestants"])


def test_the_cache_is_shown_and_cleared(capsys, own_cache):
    assert _run("sweep", "x^4 + y^4 - 2x^2 - 3y^2 + x y/5", "--start", "x=-4:4:400", "--json") == 0
    capsys.readouterr()
    assert _run("cache", "show") == 0
    shown = capsys.readouterr().out
    assert "compiled kernel" in shown
    assert ", 1 search for minima, " in shown
    assert _run("cache", "clear") == 0
    assert capsys.readouterr().out.startswith("removed " + shown.split(", 0.")[0])
    assert _run("cache", "show") == 0
    assert capsys.readouterr().out.startswith("0 compiled kernels, 0.0 MB, in ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "himmelblau", "--start", "2"], "for which coordinate"),
        (["sweep", "himmelblau", "--start", "z=1:2:3"], "no coordinate 'z'"),
        (["sweep", "himmelblau", "--start", "x=1:2"], "LOW:HIGH:COUNT"),
        (["sweep", "himmelblau", "--start", "x=1:2:0"], "count must be"),
        (["sweep", "himmelblau", "--start", "x=1:2:1e9"], "no whole number"),
        (["sweep", "himmelblau", "--start", "x=1:nan:3"], "finite"),
        (["sweep", "himmelblau", "--learning-rate", "0:1:5:log"], "above 0"),
        (["sweep", "himmelblau", "--learning-rate", "__import__('os')"], "no number"),
        (["sweep", "himmelblau", "--momentum", "0:2:5"], "allowed is"),
        (["sweep", "himmelblau", "--set", "friction=1:2:3"], "friction"),
        (["sweep", "himmelblau", "--keep", "verdicts"], "verdict"),
        (["sweep", "himmelblau", "--tile", "1/2"], "--out"),
        (["sweep", "himmelblau", "--tile", "a/2", "--out", "m.zarr"], "I/N"),
        (["sweep", "himmelblau", "--save", "map.txt"], "endings"),
        (["sweep", "himmelblau", "--save", "nowhere/map.png"], "does not exist"),
        (["sweep", "himmelblau", "--show", "colour"], "allowed are"),
        (["sweep", "himmelblau", "--out", "nowhere/map.zarr", "--start", "x=1:2:3"], "does not exist"),
        (["sweep", "himmelblau", "--scheduler", "tcp://127.0.0.1:1", "--out", "m.zarr"], "--scheduler"),
        (["basins", "rosenbrok"], "rosenbrock"),
        (["race", "--starts", "10", "--start", "2"], "exclude"),
        (["race", "--starts", "10", "--save", "a.png"], ".nc or .csv"),
    ],
)
def test_what_is_refused(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("layda.cli.sweep_run._PATIENCE", "0.3s")
    assert _run(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "lecture", "--show", "value", "--save", "OUT.png"], "--show value needs --keep with value"),
        (["sweep", "lecture", "--show", "steps"], "name the picture with --save"),
        (["sweep", "lecture", "--keep", "position", "--save", "OUT.png"], "a picture shows verdict"),
        (["sweep", "lecture", "--start", "0:1:2", "--learning-rate", "0.1,0.2", "--momentum", "0,0.5", "--save",
          "OUT.png"], "a picture has two sides"),
        (["basins", "himmelblau", "--learning-rate", "0.01:0.1:3"], "a picture of basins takes one number"),
        (["sweep", "lecture", "--out", "OUT.zarr", "--tile", "1/2", "--json"], "--resume without --tile"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_before_the_balls_roll(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("layda.cli.sweep_run.sweep", lambda *_, **__: pytest.fail("rolled"))
    assert _run(*(text.replace("OUT", str(tmp_path / "map")) for text in arguments)) == 2
    assert words in capsys.readouterr().err


def test_a_table_of_ones_own_is_swept(tmp_path, capsys):
    pytest.importorskip("sklearn")
    table = tmp_path / "own.csv"
    table.write_text(
        "a,b,y\n" + "".join(f"{i % 7},{i % 5},{int(i % 7 > i % 5)}\n" for i in range(40)), encoding="utf-8"
    )
    arguments = ["sweep", str(table), "--target", "y", "--l2", "0.01", "--learning-rate", "0.1,1", "--steps", "50"]
    assert _run(*arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out)["axes"]["learning_rate"]["count"] == 2


def test_the_cache_alone_is_shown(capsys, own_cache):
    assert _run("cache") == 0
    assert " compiled kernel" in capsys.readouterr().out


def test_axes_are_read():
    assert to_values(" 0.5 ", "--x") == 0.5
    assert to_values("1, 2,3", "--x").tolist() == [1.0, 2.0, 3.0]
    assert to_values("0:1:3:lin", "--x").tolist() == [0.0, 0.5, 1.0]
    assert to_named_values("0:1:2", "--x", only="x")[0] == "x"
    with pytest.raises(SpecError, match="LOW:HIGH:COUNT"):
        to_values("1:2:3:4", "--x")
