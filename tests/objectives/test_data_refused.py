"""Models on tables: one clear line for every bad file and setting."""

from __future__ import annotations

import builtins
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layda.errors import (
    DataError,
    FileError,
    LaydaError,
    MissingExtraError,
    SettingError,
    UnknownNameError,
)
from layda.objectives.data import data_objective, files

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

WINE = Path(__file__).resolve().parents[2] / "examples" / "wine.csv"


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


GOOD = "size,weight,colour\n1,2.5,red\n2,3.5,blue\n3,4.5,red\n4,5.5,blue\n"
BAD: list[tuple[str, str | bytes, str, type[LaydaError], str]] = [
    ("empty", "", "colour", FileError, "is empty; a table needs a header"),
    ("blank", " \n\n", "colour", FileError, "is empty; a table needs a header"),
    ("binary", b"PK\x03\x04\0\0\x08", "colour", FileError, "is no text but binary data"),
    ("utf-16", GOOD.encode("utf-16"), "colour", FileError, "is in the encoding UTF-16; allowed is UTF-8"),
    ("latin-1", GOOD.replace("red", "grün").encode("latin-1"), "colour", FileError,
     "not in the encoding UTF-8: byte 0xfc in line 2"),
    ("renamed parquet", b"PAR1\x15\x04PAR1", "colour", FileError, "is a Parquet file under another name"),
    ("long row", GOOD + "5,6.5,red,7\n", "colour", DataError, "line 6: 4 fields, but the header names 3 columns"),
    ("short row", GOOD + "5,6.", "colour", DataError, "line 6: 2 fields, but the header names 3 columns"),
    ("open quote", GOOD + '5,"6.5,red\n', "colour", FileError,
     "is no readable table: unexpected end of data in line 6"),
    ("header only", "size,weight,colour\n", "colour", DataError, "has a header but no rows below it; at least 4 rows"),
    ("one column", "size\n1\n2\n3\n4\n", "size", DataError,
     "has one column, 'size'; a target and at least one feature"),
    ("no header", "1.5,2.5,3\n1,2,3\n4,5,6\n", "3", DataError,
     r"the first line of .* holds numbers \(1.5, 2.5, 3, …\), not names"),
    ("unnamed", GOOD.replace("size", ""), "colour", DataError, r"column 1 of .* has no name; name it .*index=False"),
    ("twice", GOOD.replace("weight", " size"), "colour", DataError,
     "has two columns of the name 'size'; give every column"),
    ("no such target", GOOD, "color", UnknownNameError, "has no column 'color'; did you mean colour?"),
    ("no near target", GOOD, "zzz", UnknownNameError, "has no column 'zzz'; columns: size, weight, colour"),
    ("text", GOOD.replace("3.5", "3,5").replace(",", ";").replace("3;5", "3,5"), "colour", DataError,
     r"column 'weight' of .* holds '3,5' in row 2, which is no number; .* decimal point"),
    ("text feature", GOOD, "size", DataError, "column 'colour' of .* holds 'red' in row 1, which is no number"),
    ("question mark", GOOD.replace("4.5", "?"), "colour", DataError, r"column 'weight' of .* holds '\?' in row 3"),
    ("underscore", GOOD.replace("4.5", "4_5"), "colour", DataError, "column 'weight' of .* holds '4_5' in row 3"),
    ("missing", GOOD.replace("4.5", "").replace("5.5", "NA"), "colour", DataError,
     "column 'weight' of .* has 2 missing values, the first in row 3; fill them in"),
    ("missing target", GOOD + "5,6.5,\n", "colour", DataError,
     "column 'colour' of .* has 1 missing value, the first in row 5"),
    ("infinite", GOOD.replace("4.5", "-inf"), "colour", DataError,
     "column 'weight' of .* holds -inf in row 3; values must be finite"),
    ("overflow", GOOD.replace("4.5", "1e999"), "colour", DataError, "column 'weight' of .* holds inf in row 3"),
    ("infinite target", "a,y\n1,1.5\n2,inf\n3,1\n4,2\n", "y", DataError, "column 'y' of .* holds inf in row 2"),
    ("one class", GOOD.replace("blue", "red"), "colour", DataError, "has the single class 'red'; at least two classes"),
    ("constant number", "a,y\n1,1.5\n2,1.5\n3,1.5\n4,1.5\n", "y", DataError, "is 1.5 in every row; a target must vary"),
    ("few rows", "a,y\n1,p\n2,q\n3,p\n", "y", DataError, "has 3 rows; at least 4 are needed"),
    ("identifiers", "a,y\n1,p\n2,q\n3,r\n4,s\n", "y", DataError,
     r"has as many classes as rows \(4\); a class must come more than once"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "target", "error", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_bad_csv_is_refused_in_one_line(
    tmp_path: Path, content: str | bytes, target: str, error: type[LaydaError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        data_objective(written(tmp_path, content), target=target)
    assert "\n" not in str(caught.value)
    assert "table.csv" in str(caught.value)


def test_bad_paths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.csv").mkdir()
    cases: list[tuple[Any, type[LaydaError], str]] = [
        (tmp_path / "none.csv", FileError, "there is no file .*none.csv; check the name"),
        ("~nobody-of-that-name/none.csv", FileError, "there is no file"),
        (
            tmp_path / "folder.csv",
            FileError,
            "folder.csv is a folder; name a file in it that ends in .csv, .tsv, .parquet, .pq",
        ),
        ("x" * 5000 + ".csv", FileError, "cannot be read|there is no file"),
        ("x\0y.csv", FileError, "cannot be read|there is no file"),
        ("wnie", UnknownNameError, r"unknown table 'wnie'; did you mean wine\?"),
        ("table.xlsx", UnknownNameError, "A file's name ends in .csv, .tsv, .parquet, .pq"),
        ("", UnknownNameError, "unknown table ''; known: breast_cancer"),
        (3, SettingError, r"source is 3; allowed is a name \(breast_cancer, digits"),
    ]
    for source, error, message in cases:
        with pytest.raises(error, match=message):
            data_objective(source, target="y")
    monkeypatch.setattr(files, "LARGEST", 1000)
    with pytest.raises(FileError, match=r"has 0 MB; allowed are up to 0 MB. Take a part of its rows"):
        data_objective(WINE, target="cultivar")


def test_a_file_without_a_target_lists_its_columns(tmp_path: Path) -> None:
    message = (
        "no target is given for .*; say which column to predict with --target COLUMN .*; columns: size, weight, colour"
    )
    with pytest.raises(SettingError, match=message):
        data_objective(written(tmp_path, GOOD))


def test_a_bad_parquet_is_refused(tmp_path: Path) -> None:
    import pandas
    import pyarrow
    from pyarrow import parquet

    good = pandas.DataFrame({"a": [1.0, 2.0, 3.0, 4.0] * 9, "y": ["p", "q"] * 18})
    good.to_parquet(tmp_path / "good.parquet")
    raw = (tmp_path / "good.parquet").read_bytes()
    damaged = raw[:4] + b"\xff" * (len(raw) - 12) + raw[-8:]
    cases: list[tuple[bytes, type[LaydaError], str]] = [
        (GOOD.encode(), FileError, "is no Parquet file .*name it .csv if it is text"),
        (b"", FileError, "is empty"),
        (raw[:-30], FileError, "is cut off: a Parquet file ends with PAR1"),
        (damaged, FileError, "is a damaged Parquet file"),
        (b"PAR1PAR1", FileError, "is a damaged Parquet file"),
    ]
    for content, error, message in cases:
        with pytest.raises(error, match=message) as caught:
            data_objective(written(tmp_path, content, "bad.parquet"), target="y")
        assert "\n" not in str(caught.value)
    tables = [
        (good.assign(d=pandas.Timestamp("2024-01-01")), r"column 'd' of .* holds '2024-01-01 00:00:00' in row 1"),
        (good.assign(d=[[1, 2]] * 36), r"column 'd' of .* holds '\[1 2\]' in row 1"),
        (good.assign(d=[None] * 36), "column 'd' of .* has 36 missing values"),
        (good.iloc[:0], "has a header but no rows"),
        (good[["y"]], "has one column, 'y'"),
    ]
    for frame, message in tables:
        frame.to_parquet(tmp_path / "bad.parquet")
        with pytest.raises(DataError, match=message):
            data_objective(tmp_path / "bad.parquet", target="y")
    columns = [pyarrow.array([1.0, 2.0])] * 3
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=["a", "a", "y"]), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="has two columns of the name 'a'"):
        data_objective(tmp_path / "bad.parquet", target="y")


def test_every_cut_and_every_flipped_byte_is_read_or_refused_in_one_line(tmp_path: Path, runs: int) -> None:
    import pandas

    pandas.read_csv(WINE).iloc[::6].to_parquet(tmp_path / "wine.parquet")
    generator = np.random.default_rng(0)
    refused: list[str] = []
    for name, raw in (("a.csv", WINE.read_bytes()[:3000]), ("a.parquet", (tmp_path / "wine.parquet").read_bytes())):
        for _ in range(100 * runs):
            changed = bytearray(raw)
            for _ in range(int(generator.integers(1, 4))):
                changed[generator.integers(len(raw))] = generator.integers(256)
            if generator.random() < 0.3:
                changed = changed[: generator.integers(len(raw))]
            try:
                data_objective(written(tmp_path, bytes(changed), name), target="cultivar", held_out=0)
            except LaydaError as problem:
                refused.append(str(problem))
    assert refused
    assert not [problem for problem in refused if "\n" in problem]


def test_a_missing_library_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name.partition(".")[0] in ("pandas", "pyarrow", "sklearn"):
            raise builtins.ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    for source, library in (
        (WINE, "pandas"),
        (written(tmp_path, b"PAR1PAR1", "a.pq"), "pyarrow"),
        ("wine", "scikit-learn"),
    ):
        with pytest.raises(
            MissingExtraError, match=rf"needs the library {library}, which is not installed.*layda\[data\]"
        ):
            data_objective(source, target="cultivar")


# Bad settings

BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"model": "forest"},
     "model is 'forest'; allowed is auto, linear, logistic, softmax, network; leave it out for auto"),
    ({"model": "linear"}, "model is linear; allowed for 'cultivar' of wine, one of 3 classes, is network or softmax"),
    ({"model": "logistic"},
     "model is logistic; allowed for 'cultivar' of wine, one of 3 classes, is network or softmax"),
    ({"task": "ranking"}, "task is 'ranking'; allowed is auto, classification, regression; leave it out for auto"),
    ({"task": "regression"}, "task is 'regression'; allowed for wine is classification; leave it out"),
    ({"target": "hue"}, "target is 'hue'; allowed is cultivar, the own target of wine; leave it out"),
    ({"target": " "}, "target is ' '; allowed is the name of a column"),
    ({"target": 1.5}, "target is 1.5; allowed is the name of a column"),
    ({"l2": -1}, "l2 is -1; allowed is a number from 0 to 1e\\+06; take 0 for no penalty"),
    ({"l2": float("nan")}, "l2 is nan; allowed is a number"),
    ({"l2": "much"}, "l2 is 'much'; allowed is a number"),
    ({"hidden": 0}, "hidden is 0; allowed is a whole number from 1 to 1000; take 16"),
    ({"hidden": 2.5}, "hidden is 2.5; allowed is a whole number"),
    ({"batch": 0},
     "batch is 0; allowed is a whole number from 1 to 142; leave it out for all 142 training rows of wine"),
    ({"batch": 143}, "batch is 143; allowed is a whole number from 1 to 142"),
    ({"batch": True}, "batch is True; allowed is a whole number"),
    ({"held_out": 1.0}, "held_out is 1.0; allowed is a number from 0 to 0.9; take 0.2 for every fifth row"),
    ({"held_out": None}, "held_out is None; allowed is a number"),
    ({"seed": -1}, "seed is -1; allowed is a whole number from 0 to"),
    ({"seed": "x"}, "seed is 'x'; allowed is a whole number from 0 to"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS, ids=[str(case[0]) for case in BAD_SETTINGS])
def test_a_bad_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        data_objective("wine", **settings)


def test_a_model_of_too_many_parameters_is_refused(tmp_path: Path) -> None:
    names = ",".join(f"x{index}" for index in range(150))
    rows = [",".join(str(row * index % 7) for index in range(150)) + f",{row % 2}" for row in range(8)]
    path = written(tmp_path, "\n".join([f"{names},y", *rows]))
    with pytest.raises(SettingError, match="has 152001 parameters; allowed are 100000; take fewer"):
        data_objective(path, target="y", model="network", hidden=1000)


def test_numbers_and_text_of_a_target_decide_the_models(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(
        DataError, match=r"target 'colour' of .* holds text, such as 'red'; a regression predicts numbers"
    ):
        data_objective(path, target="colour", task="regression")
    numbers = written(tmp_path, "a,y\n" + "".join(f"{row},{row / 4}\n" for row in range(9)))
    with pytest.raises(
        SettingError, match=r"model is logistic; allowed for 'y' of table.csv, a number, is linear or network"
    ):
        data_objective(numbers, target="y", model="logistic")
