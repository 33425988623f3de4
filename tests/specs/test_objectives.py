"""Text -> objectives: which reading is tried first, and what is said when none fits."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from layda.errors import FileError, FormulaError, LaydaError, SettingError, SpecError, UnknownNameError
from layda.objective import TracedObjective, black_box, from_function
from layda.objectives import CLASSICS, classic
from layda.specs import to_objective

MINE = """
from layda.objective import from_function

def bowl(x, y):
    return x * x + 4 * y * y

def any_number(*x):
    return sum(value * value for value in x)

ready = from_function(lambda x: x * x, name="ready")
number = 3

class Stranger:
    pass
"""


class Table:
    """What the stand-in for the tables' machinery gives back: what it was asked for."""

    def __init__(self, source: str, options: dict[str, Any]) -> None:
        self.source, self.options = source, options


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """This room only chooses and passes on; the tables themselves are tested in theirs."""
    module = ModuleType("layda.objectives.data")
    stand_in: Any = module
    stand_in.BUNDLED = {"breast_cancer": "cells", "wine": "wines", "diabetes": "patients"}
    stand_in.data_objective = lambda source, **options: Table(source, options)
    stand_in.is_table_path = lambda text: text.lower().endswith((".csv", ".tsv", ".parquet", ".pq"))
    monkeypatch.setitem(sys.modules, "layda.objectives.data", module)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE, encoding="utf-8")
    return str(path)


def refused(spec: Any, kind: type[LaydaError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        to_objective(spec, **options)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message or kind is FormulaError
    return message


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_is_read_by_every_spelling_of_its_name(name: str) -> None:
    for text in (name, name.upper(), name.replace("_", "-"), name.replace("_", " ").title(), name.replace("_", ""),
                 f" {name} "):  # fmt: skip
        assert to_objective(text) is classic(name, None), text


def test_a_classic_takes_a_dimension() -> None:
    assert to_objective("sphere:dimension=7") is classic("sphere", 7)
    assert to_objective("Styblinski-Tang: dimension = 3 ").name == "styblinski_tang:dimension=3"
    assert to_objective(to_objective("sphere:dimension=7").name).dimension == 7


@pytest.mark.parametrize(
    ("text", "coordinates"),
    [
        ("x^2 + 3y^2", ("x", "y")),
        ("x", ("x",)),
        ("x-y", ("x", "y")),
        ("x1", ("x1",)),
        ("f(y, x) = x - y", ("y", "x")),
        ("0.5x^2", ("x",)),
        ("sin(x) * x - 1.5", ("x",)),
    ],
)
def test_a_formula_is_read(text: str, coordinates: tuple[str, ...]) -> None:
    assert to_objective(text).coordinates == coordinates


def test_objectives_and_functions_are_taken() -> None:
    sphere = classic("sphere")
    assert to_objective(sphere) is sphere
    hidden = black_box(lambda x: float(x[0] ** 2))
    assert to_objective(hidden) is hidden
    traced = to_objective(lambda x, y: x * y)
    assert isinstance(traced, TracedObjective)
    assert traced.coordinates == ("x", "y")
    assert to_objective(sphere, target=None, model=None) is sphere


@pytest.mark.parametrize(
    ("text", "given", "source", "options"),
    [
        ("wine", {}, "wine", {}),
        ("Breast-Cancer", {}, "breast_cancer", {}),
        ("breast cancer:model=network,hidden=8", {}, "breast_cancer", {"model": "network", "hidden": 8}),
        ("wine", {"l2": 0.1, "batch": None}, "wine", {"l2": 0.1}),
        ("wine:batch=32", {"l2": 0.1}, "wine", {"batch": 32, "l2": 0.1}),
        ("a/wines.csv", {"target": "quality"}, "a/wines.csv", {"target": "quality"}),
        ("a/wines.csv:target=fixed acidity,l2=1e-2", {}, "a/wines.csv", {"target": "fixed acidity", "l2": 0.01}),
        ("wines.csv:target='a, b = c',seed=3", {}, "wines.csv", {"target": "a, b = c", "seed": 3}),
        ("wines.csv:target=driver's age,seed=3", {}, "wines.csv", {"target": "driver's age", "seed": 3}),
        ("wines.csv:target=none", {}, "wines.csv", {"target": "none"}),
        ("C:\\my data\\wines.PARQUET:held_out=0.5", {}, "C:\\my data\\wines.PARQUET", {"held_out": 0.5}),
        ("D:/wines.tsv", {}, "D:/wines.tsv", {}),
        ("wines.pq:held-out=0.5,batch=none", {}, "wines.pq", {"held_out": 0.5, "batch": None}),
    ],
)
def test_a_table_is_passed_on(text: str, given: dict[str, Any], source: str, options: dict[str, Any]) -> None:
    found: Any = to_objective(text, **given)
    assert isinstance(found, Table)
    assert (found.source, found.options) == (source, options)


def test_a_file_of_ones_own(file: str) -> None:
    bowl = to_objective(f"{file}:bowl")
    assert bowl.name == "bowl"
    assert bowl.value(np.array([1.0, 1.0])) == 5.0
    assert to_objective(f"{file}:any_number:dimension=4").dimension == 4
    assert to_objective(f"{file}:ready").name == "ready"


def test_formulas_and_classics_need_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "layda.objectives.data", None)  # importing it now fails
    assert to_objective("0.5x^2 + y").dimension == 2
    assert to_objective("himmelblau").dimension == 2
    assert to_objective("x").dimension == 1


# --- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("himelblau", UnknownNameError, "unknown objective 'himelblau'; did you mean himmelblau?"),
        ("Himelblau", UnknownNameError, "unknown objective 'Himelblau'; did you mean himmelblau?"),
        ("himelblau:dimension=2", UnknownNameError, "unknown objective 'himelblau'; did you mean himmelblau?"),
        ("brest_cancer", UnknownNameError, "unknown objective 'brest_cancer'; did you mean breast_cancer?"),
        ("dubble-well", UnknownNameError,
         "unknown objective 'dubble-well'; did you mean double_well or tilted_double_well?"),
        ("vine", UnknownNameError, "unknown objective 'vine'; did you mean wine?"),
        ("sphere:", SpecError, "'sphere:' ends with a colon; write key=value after it, or leave it out"),
        ("sphere:dimensions=2", UnknownNameError, "sphere has no setting 'dimensions'; did you mean dimension?"),
        ("sphere:dimension=0", SettingError, "sphere: dimension is 0; allowed is a whole number from 1 to 1000"),
        ("sphere:dimension=2.0", SettingError, "sphere: dimension is 2.0; allowed is a whole number from 1 to 1000"),
        ("sphere:dimension=true", SettingError, "sphere: dimension is True; allowed is a whole number from 1 to 1000"),
        ("sphere:dimension=none", SettingError, "sphere: dimension is None; allowed is a whole number from 1 to 1000"),
        ("sphere:dimension=2,dimension=3", SpecError, "sphere: dimension is given twice; give it once"),
        ("booth:dimension=3", SettingError, "booth has dimension 2; received 3"),
        ("wine:modell=network", UnknownNameError,
         "the table wine has no setting 'modell'; did you mean model?"),
        ("", SpecError, "the objective is an empty text; allowed are a name, a formula and a path; write x^2, say"),
        ("mine.py", SpecError, "'mine.py' names a Python file but nothing in it; write file.py:Name"),
        ("mine.py:bowl", FileError, "the Python file 'mine.py' does not exist; check its name and folder"),
        ("x" * 2001, SpecError, "the text has 2001 characters; allowed are at most 2000; shorten it"),
    ],
)  # fmt: skip
def test_refused(text: str, kind: type[LaydaError], message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(text, kind) == message


def test_a_word_that_is_near_nothing_lists_what_there_is() -> None:
    message = refused("qqqqqq", UnknownNameError)
    assert message.startswith("unknown objective 'qqqqqq'; known: lecture, sphere, ")
    assert message.endswith("breast_cancer, wine, diabetes")


@pytest.mark.parametrize("text", ["x +", "xyz", "exp", "x^2:dimension=2", "__import__('os')", "9^9^9^9^9x", "(" * 500])
def test_a_wrong_formula_is_the_formulas_own_error(text: str) -> None:
    refused(text, FormulaError)


@pytest.mark.parametrize(
    ("spec", "owner"),
    [
        ("sphere", "the classic sphere"),
        ("x^2", "'x^2'"),
        (classic("sphere"), "the objective sphere"),
        (lambda x: x * x, "a Python function"),
    ],
)
def test_tables_options_are_for_tables(spec: Any, owner: str) -> None:
    assert refused(spec, SettingError, model="network", l2=0.1) == (
        f"model, l2 given for {owner}, which is no table; only tables take model, l2; leave it out"
    )


def test_tables_options_for_a_file(file: str) -> None:
    assert "which is no table" in refused(f"{file}:bowl", SettingError, target="y")


def test_a_tables_setting_is_given_once_and_is_known() -> None:
    assert refused("wine:l2=1", SettingError, l2=2) == "the table wine: l2 is given twice; give it once"
    assert refused("wine", UnknownNameError, batches=2) == (
        "the table wine has no setting 'batches'; did you mean batch?"
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [(3, "of type int"), (None, "of type NoneType"), (int, "the class int"), ([1.0], "of type list")],
)
def test_other_types(spec: Any, words: str) -> None:
    assert refused(spec, SpecError) == (
        f"the objective is {words}; allowed are a name, a formula, a table's path, a function of the coordinates and "
        "an Objective; give one of them"
    )


def test_functions_that_cannot_be_traced() -> None:
    assert refused(max, SpecError).startswith("the function cannot be traced: ")
    assert "dimension=" in refused(lambda *x: x[0], SettingError)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "wines.xlsx"
    path.write_bytes(b"")
    assert refused(str(path), SpecError) == (
        f"{str(path)!r} is a file of a kind that is not read; allowed are .csv, .tsv, .parquet, .pq and file.py:name; "
        "convert it"
    )


def test_the_tables_settings_are_those_that_tables_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the tables themselves, no stand-in
    from layda.objectives.data import data_objective
    from layda.specs.objectives import _TABLE_OPTIONS

    assert set(inspect.signature(data_objective).parameters) == {"source", *_TABLE_OPTIONS}


@pytest.mark.parametrize(
    ("rest", "kind", "message"),
    [
        (":bow", UnknownNameError, "{file} has no 'bow'; did you mean bowl?; write file.py:Name"),
        (":number", SpecError,
         "{file}: number is of type int; allowed are a function of the coordinates and an Objective; name one of them"),
        (":Stranger", SpecError,
         "{file}: Stranger is a class; allowed are a function of the coordinates, an object that can be called, and an "
         "Objective; write f = Stranger() below it, say, and name f"),
        (":ready:dimension=2", SettingError,
         "{file}: ready is an objective, which takes no settings; received 'dimension=2'; leave it out"),
        (":bowl:dimension=3", SettingError, "bowl takes 2 coordinates, not 3; use *x for any number"),
        (":any_number", SettingError,
         "any_number takes any number of coordinates; say how many with a start or dimension=…"),
        (":any_number:size=3", UnknownNameError, "any_number has no setting 'size'; known: dimension"),
    ],
)  # fmt: skip
def test_what_a_file_may_lack(file: str, rest: str, kind: type[LaydaError], message: str) -> None:
    assert refused(file + rest, kind) == message.format(file=repr(file))


def test_a_file_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "failing.py"
    path.write_text("x = 1\n1 / 0\n", encoding="utf-8")
    assert refused(f"{path}:bowl", SpecError) == (
        f"the Python file {path} fails at line 2 when it is run: ZeroDivisionError: division by zero; mend the file"
    )


def test_from_function_is_what_a_file_uses(file: str) -> None:
    assert to_objective(f"{file}:bowl").identity == from_function(lambda x, y: x * x + 4 * y * y).identity
