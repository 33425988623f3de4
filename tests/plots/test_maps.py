"""Maps: legends in words, hatching where it diverges, both languages, only what the dataset holds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from layda.errors import SettingError
from layda.plots.maps import VERDICT_COLOURS, draw_map
from layda.plots.sides import edges, percent
from layda.run.sweep import sweep

pytest.importorskip("xarray")


@pytest.fixture(scope="module")
def dataset():
    return sweep("himmelblau", "heavy-ball", start={"x": np.linspace(-5, 5, 20), "y": np.linspace(-5, 5, 15)},
                 learning_rate=[0.01, 0.1], keep=("verdict", "steps", "basin", "value"))  # fmt: skip


def _words(figure):
    room = figure.axes[0]
    legend = room.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


@pytest.mark.parametrize("what", ["verdict", "basin", "steps", "value"])
@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_map_is_drawn(dataset, what, language, tmp_path):
    figure = draw_map(dataset, what, select={"learning_rate": 0.01}, language=language)
    figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000
    assert figure.axes[0].get_xlabel() == ("start x" if language == "en" else "điểm xuất phát x")


def test_what_diverges_is_hatched_and_named(dataset):
    wild = draw_map(dataset, select={"learning_rate": 0.1})
    assert any("diverged" in words for words in _words(wild))
    hatched = [drawn for drawn in wild.axes[0].collections if getattr(drawn, "hatches", None)]
    assert hatched
    tame = dataset.isel(start_x=slice(8, 12), start_y=slice(6, 10))
    assert not any("diverged" in words for words in _words(draw_map(tame, select={"learning_rate": 0.01})))


def test_shares_in_the_legend_are_those_of_the_map(dataset):
    figure = draw_map(dataset, select={"learning_rate": 0.01})
    share = float((dataset.verdict.isel(learning_rate=0) == 0).mean())
    assert any(f"({percent(share)})" in words for words in _words(figure))


def test_minima_are_marked_where_starts_are_the_axes(dataset):
    lines = draw_map(dataset, "basin", select={"learning_rate": 0.01}).axes[0].lines
    assert len(lines[0].get_xdata()) == 4


def test_rates_by_equal_ratios_get_a_logarithmic_axis():
    found = sweep("lecture", "heavy-ball", start=2.0, learning_rate=np.geomspace(1e-3, 1, 20), momentum=[0.1, 0.5, 0.9])
    room = draw_map(found).axes[0]
    assert (room.get_xscale(), room.get_yscale()) == ("log", "linear")
    assert (room.get_xlabel(), room.get_ylabel()) == ("learning rate α", "momentum β")


def test_one_side_makes_a_strip():
    found = sweep("lecture", "heavy-ball", start=2.0, learning_rate=0.05, momentum=np.linspace(0, 0.99, 50))
    assert draw_map(found).axes[0].get_xlabel() == "momentum β"


def test_every_verdict_has_a_colour_of_its_own():
    assert len(set(VERDICT_COLOURS.values())) == len(VERDICT_COLOURS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"what": "colour"}, "this dataset holds"),
        ({"select": {"momentum": 0.5}}, "the sides are"),
        ({"x": "momentum", "select": {"learning_rate": 0.1}}, "no side 'momentum'"),
        ({}, "one or two sides"),
        ({"select": {"learning_rate": 0.2}}, r"holds from 0\.01 to 0\.1"),
        ({"select": {"learning_rate": float("nan")}}, r"holds from 0\.01 to 0\.1"),
        ({"select": {"learning_rate": "0.01"}}, "allowed is a number"),
    ],
)
def test_what_cannot_be_drawn_says_so(dataset, arguments, words):
    with pytest.raises(SettingError, match=words):
        draw_map(dataset, **arguments)


def test_balls_without_sides_are_no_map():
    from layda.run.ensemble import ensemble

    found = ensemble("himmelblau", "heavy-ball", 30, steps=10)
    with pytest.raises(SettingError, match=r"layda\.sweep"):
        draw_map(found)


def test_the_title_names_the_value_that_was_taken(dataset):
    assert "α = 0.01," in draw_map(dataset, select={"learning_rate": 0.012}).axes[0].get_title("left") + ","
    assert "α = 0.1," in draw_map(dataset, select={"learning_rate": 0.1 + 1e-12}).axes[0].get_title("left") + ","
    assert "α = 0.1" in draw_map(dataset.isel(learning_rate=1)).axes[0].get_title("left")


def test_values_in_any_order_are_drawn_where_they_are():
    rates, momenta = [1.0, 0.01, 0.3], [0.9, 0.0, 0.5, 0.7]
    mixed = sweep("lecture", start=2.0, learning_rate=rates, momentum=momenta)
    rising = sweep("lecture", start=2.0, learning_rate=sorted(rates), momentum=sorted(momenta))
    for what in ("verdict", "steps"):
        drawn, expected = (draw_map(found, what).axes[0].collections[0] for found in (mixed, rising))
        assert np.array_equal(drawn.get_array().filled(-1), expected.get_array().filled(-1))
        assert np.array_equal(drawn.get_coordinates(), expected.get_coordinates())
        assert np.all(np.diff(drawn.get_coordinates()[0, :, 0]) > 0)


def test_cells_do_not_reach_beyond_what_a_setting_may_be():
    assert edges("momentum", np.array([0.0, 0.5, 1.0]))[[0, -1]].tolist() == [0.0, 1.0]
    assert edges("decay", np.array([0.9, 0.99]))[-1] == 1.0
    assert edges("learning_rate", np.array([0.0, 2.0])).tolist() == [0.0, 1.0, 3.0]
    assert edges("start_x", np.array([0.0, 2.0])).tolist() == [-1.0, 1.0, 3.0]
    found = sweep("lecture", start=2.0, learning_rate=[0.1, 0.2], momentum=np.linspace(0, 1, 11), steps=50)
    room = draw_map(found, x="momentum").axes[0]
    assert room.get_xlim() == (0.0, 1.0)


def test_coordinates_that_are_nothing_beside_the_box_read_0(dataset):
    minima = json.dumps([{"position": [-1.306, 7.388e-11], "value": 0.0}] * 4)
    figure = draw_map(dataset.assign_attrs(minima=minima), "basin", select={"learning_rate": 0.01})
    assert any("minimum at (-1.31, 0)" in words for words in _words(figure))


@pytest.fixture
def unfinished(tmp_path):
    pytest.importorskip("zarr")
    axes = {"learning_rate": [0.01, 0.02, 0.3, 0.4], "momentum": [0.5, 0.6, 0.9, 0.95]}
    return sweep("lecture", start=2.0, **axes, steps=300, keep=("verdict", "steps", "basin", "value"),
                 out=tmp_path / "part.zarr", per_tile=4, tile=(1, 4))  # fmt: skip


@pytest.mark.parametrize("what", ["verdict", "steps", "basin", "value"])
@pytest.mark.parametrize("language", ["en", "vi"])
def test_cells_that_are_not_there_yet_are_blank(unfinished, what, language):
    figure = draw_map(unfinished, what, language=language)
    assert {"en": "not computed: 75% of all", "vi": "chưa tính: 75% của tất cả"}[language] in _words(figure)
    blank = figure.axes[0].collections[-1]
    assert blank.get_array().mask.sum() == 4
    assert blank.get_cmap()(0.0) == (1.0, 1.0, 1.0, 1.0)


def test_shares_are_of_the_cells_that_are_there(unfinished):
    there = unfinished.verdict.values.ravel()
    there = there[there != 255]
    for code in np.unique(there):
        share = percent(float((there == code).mean()))
        assert any(f"({share})" in words for words in _words(draw_map(unfinished)))
