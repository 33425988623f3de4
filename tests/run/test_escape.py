"""Escape: shares with intervals, windows whose edges are right, regions refined."""

from __future__ import annotations

import json

import numpy as np
import pytest

from layda.errors import SettingError
from layda.measures import VERDICTS
from layda.objective import from_function
from layda.run.descend import descend
from layda.run.ensemble import ensemble
from layda.run.escape import escape_share, escape_windows, zoom
from layda.run.fractions import fractions, wilson
from layda.run.store import FILLS
from layda.run.sweep import sweep

pytest.importorskip("xarray")


def _escapes(beta):
    run = descend("lecture", f"heavy-ball:learning_rate=0.05,momentum={beta!r}", start=2.0)
    return run.verdict.kind == "converged"


def test_windows_are_right_on_both_sides_of_every_edge():
    found = escape_windows("lecture", "heavy-ball:learning_rate=0.05", start=2.0, count=400, width=1e-5)
    assert found.smallest == found.intervals[0][0]
    for low, high in found.intervals:
        assert _escapes(low)
        assert _escapes(high)
        if low > 0.0:
            assert not _escapes(low - 2e-5)
        if high < 0.99:
            assert not _escapes(high + 2e-5)


def test_more_momentum_traps_again():
    found = escape_windows("lecture", "heavy-ball:learning_rate=0.5", start=2.0, count=1500, width=1e-4)
    assert len(found.intervals) > 1
    assert found.widest in found.intervals


def test_shares_have_intervals_that_hold_them():
    found = sweep("lecture", "heavy-ball", start=np.linspace(-3, 3, 40), learning_rate=0.05, momentum=[0.0, 0.9, 0.95])
    shares = escape_share(found, over=["start_x"])
    assert shares.share.dims == ("momentum",)
    assert np.all((shares.low <= shares.share) & (shares.share <= shares.high))
    exact = (found.verdict == VERDICTS.index("converged")).mean("start_x")
    assert np.array_equal(shares.share, exact)


def test_wilson_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((0, 10), (3, 10), (10, 10), (517, 1000)):
        interval = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        low, high = wilson(k, n)
        assert (float(low), float(high)) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize("by", ["verdict", "basin"])
def test_fractions_sum_to_one(by):
    starts = {"x": np.linspace(-5, 5, 20), "y": np.linspace(-5, 5, 20)}
    found = sweep("himmelblau", "heavy-ball", start=starts, learning_rate=[0.005, 0.02])
    table = fractions(found, by, over=["start_x", "start_y"])
    assert np.allclose(table.share.sum(by), 1.0)
    assert table["count"].sum(by).values.tolist() == [400, 400]
    with pytest.raises(SettingError, match="the sides are"):
        fractions(found, by, over=["start_z"])


def test_a_region_refined_agrees_with_the_map_it_comes_from():
    whole = sweep("lecture", "heavy-ball", start=2.0, learning_rate=np.linspace(0.1, 1, 10), momentum=[0.5, 0.7, 0.9])
    fine = zoom(whole, {"learning_rate": (0.1, 1.0), "momentum": (0.5, 0.9)}, 1 / 18)
    assert dict(fine.sizes) == {"learning_rate": 19, "momentum": 19}
    assert np.array_equal(fine.verdict.values[::2, 0], whole.verdict.values[:, 0])
    assert fine.rule == whole.rule
    with pytest.raises(SettingError, match="the sides are"):
        zoom(whole, {"decay": (0.0, 1.0)}, 0.1)


def test_a_region_refined_keeps_every_setting_of_the_map():
    rule = "heavy-ball:form=step,weight_decay=1e-3,learning_rate=0.1234567890123"
    whole = sweep(
        "lecture", rule, start=2.0, decay=[0.99, 0.999, 1.0], momentum=np.linspace(0.5, 0.9, 5), tolerance=1e-5
    )
    fine = zoom(whole, {"decay": (0.99, 1.0), "momentum": (0.5, 0.9)}, 0.25)
    assert fine.verdict.dims == whole.verdict.dims == ("momentum", "decay")
    for name in ("verdict", "steps"):  # at both ends of the decay
        assert np.array_equal(fine[name].values[:, [0, -1]], whole[name].values[:, [0, -1]])
    assert fine.settings == whole.settings
    assert fine.rule == whole.rule
    assert "0.1234567890123" in fine.rule
    schedule = sweep("lecture", "nesterov:learning_rate=InverseTimeDecay(initial=0.2)", momentum=[0.5, 0.7, 0.9])
    assert zoom(schedule, {"momentum": (0.5, 0.7)}, 0.5).rule == schedule.rule


def test_windows_know_what_was_searched():
    found = escape_windows(
        "lecture", "heavy-ball:learning_rate=0.05", start=2.0, low=0.5, high=0.95, count=300, width=1e-4
    )
    assert (found.low, found.high, found.objective, found.start) == (0.5, 0.95, "lecture", "2")
    assert found.rule == "heavy-ball(learning_rate=0.05, form=velocity)"
    assert found.share == pytest.approx(sum(b - a for a, b in found.intervals) / 0.45)
    assert 0.0 < found.share < 1.0
    faster = escape_windows("himmelblau", start=[1, 2], vary="decay", low=0.9, high=1.0, count=3, momentum=0.5, steps=9)
    assert faster.start == "(1, 2)"
    assert faster.rule == "heavy-ball(learning_rate=0.01, momentum=0.5, form=velocity)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 1}, "count is 1"),
        ({"count": 2.5}, r"count is 2\.5"),
        ({"low": "0"}, "low is '0'"),
        ({"high": float("inf")}, "high is inf"),
        ({"width": None}, "width is None"),
        ({"low": 0.9, "high": 0.1}, "low must be below high"),
        ({"settings": {"momentum": 0.5}}, "momentum is what varies"),
        ({"momentum": 0.5}, "momentum is what varies"),
        ({"vary": "decay", "decay": 0.9}, "decay is what varies"),
        ({"vary": "decay", "settings": {"learning_rate.decay": 0.9}}, "decay is what varies"),
        ({"keep": ("steps",)}, "keep them; leave it out"),
        ({"start": [1.0, 2.0]}, "start has 2 numbers"),
    ],
)
def test_searches_that_cannot_be_made_say_so(options, words):
    with pytest.raises(SettingError, match=words):
        escape_windows("lecture", **options)


@pytest.fixture(scope="module")
def plane():
    return sweep("lecture", start=np.linspace(-3, 3, 8), learning_rate=0.05, momentum=[0.0, 0.9, 0.95], steps=300)


def test_what_was_counted_over_is_no_longer_told(plane):
    assert json.loads(escape_share(plane, over="momentum").attrs["start"]) == {"x": 2.0}
    shares = escape_share(plane, over="start_x")
    assert json.loads(shares.attrs["start"]) == {}
    assert shares.attrs["settings"] == plane.attrs["settings"]
    assert json.loads(escape_share(plane.assign_attrs(settings='{"momentum": 1}')).attrs["settings"]) == {}
    assert shares.identical(escape_share(plane, over=["start_x"]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"over": ["momentum", "momentum"]}, "twice"),
        ({"over": "decay"}, "over names 'decay'; the sides are start_x, momentum"),
        ({"confidence": "0.9"}, "between 0 and 1"),
        ({"confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_shares_that_cannot_be_counted_say_so(plane, options, words):
    with pytest.raises(SettingError, match=words):
        escape_share(plane, **options)
    with pytest.raises(SettingError, match="holds steps, basin"):
        escape_share(plane.drop_vars("verdict"), **options)


def test_balls_that_are_not_there_yet_are_no_part_of_a_share(plane):
    part = plane.copy(deep=True)
    part["verdict"][:5, 1] = FILLS["verdict"][1]
    part["verdict"][:, 2] = FILLS["verdict"][1]
    with pytest.warns(UserWarning, match="13 of 24 balls are missing"):
        shares = escape_share(part, over="start_x")
    hits = plane.verdict.values == VERDICTS.index("converged")
    assert shares.share.values[:2].tolist() == [hits[:, 0].mean(), hits[5:, 1].mean()]
    assert np.isnan(shares.share.values[2])
    assert shares["total"].values.tolist() == [8, 3, 0]
    assert (float(shares.low[2]), float(shares.high[2])) == (0.0, 1.0)


@pytest.fixture
def evil(tmp_path):
    """A Python file that leaves a mark when it is run."""
    mark, file = tmp_path / "mark", tmp_path / "evil.py"
    file.write_text(
        f"open({str(mark)!r}, 'w').close()\nfrom layda.rules import HeavyBall\nclass Rule(HeavyBall): pass\n"
        "def f(x): return x * x\n"
    )
    return file, mark


@pytest.mark.parametrize(
    ("what", "name"), [("rule", ":HeavyBall"), ("objective", ":f"), ("rule", ""), ("objective", "")]
)
def test_a_file_that_a_dataset_names_is_not_run(plane, evil, what, name):
    file, mark = evil
    with pytest.raises(SettingError, match=f"pass {what}=… yourself"):
        zoom(plane.assign_attrs({what: f" {file}{name} "}), {"momentum": (0.0, 0.9)}, 0.5)
    assert not mark.exists()
    if name:
        zoom(plane, {"momentum": (0.0, 0.9)}, 0.5, **{what: f"{file}{name}"})
        assert mark.exists()


def test_a_region_refined_keeps_the_radius_of_the_basins():
    whole = sweep("lecture", start=np.linspace(-3, 3, 5), learning_rate=0.3, momentum=[0.0, 0.5], steps=20, radius=0.7)
    fine = zoom(whole, {"momentum": (0.0, 0.5)}, 0.25)
    assert fine.basin_radius == 0.7
    assert np.array_equal(fine.basin.values[:, [0, -1]], whole.basin.values)
    assert zoom(whole, {}, 0.5, radius=0.1).basin_radius == 0.1


def test_what_was_chosen_before_is_kept(plane):
    fine = zoom(plane.isel(momentum=1), {"start_x": (-3.0, 3.0)}, 1 / 7)
    assert json.loads(fine.attrs["settings"])["momentum"] == 0.9
    assert np.array_equal(fine.verdict.values, plane.verdict.values[:, 1])
    mixed = sweep("lecture", start=2.0, learning_rate=[1.0, 0.01, 0.3], momentum=[0.5], steps=20)
    side = zoom(mixed, {}, 0.5)
    assert side.learning_rate.values.tolist() == [0.01, 0.505, 1.0]
    assert side.momentum.values.tolist() == [0.5]


def test_a_region_of_a_formula_needs_no_more():
    whole = sweep("x^4 - 2x^2 + x/4", start=[-1.0, 0.5, 2.0], momentum=[0.0, 0.9], steps=50)
    assert zoom(whole, {"start_x": (-1.0, 2.0)}, 0.5).objective_identity == whole.objective_identity


def test_objectives_that_a_name_does_not_stand_for_must_be_given():
    def lecture(x):
        return x * x

    whole = sweep(lambda x: x * x, start=[1.0, 2.0], steps=9)
    with pytest.raises(SettingError, match="pass objective=…"):
        zoom(whole, {"start_x": (1.0, 2.0)}, 0.5)
    assert zoom(whole, {"start_x": (1.0, 2.0)}, 0.5, objective=lambda x: x * x).sizes["start_x"] == 3
    with pytest.raises(SettingError, match=r"another one than what 'lecture' stands for here; pass objective=…"):
        zoom(sweep(lecture, start=[1.0, 2.0], steps=9), {"start_x": (1.0, 2.0)}, 0.5)
    wide = from_function(lambda x: x * x, box=(-9, 9), name="x^2")
    with pytest.raises(SettingError, match="another one than what"):
        zoom(sweep(wide, start=[1.0, 2.0], steps=9), {}, 0.5)
    named = sweep("sphere:dimension=3", start={"x": [1.0, 2.0]}, steps=9)
    assert zoom(named, {}, 0.5).objective_identity == named.objective_identity
    with pytest.raises(SettingError, match="cannot be made from its name"):
        zoom(whole.assign_attrs(objective="no such thing"), {}, 0.5)
    with pytest.raises(SettingError, match="cannot be made from its text"):
        zoom(whole.assign_attrs(objective="x^2", rule="no such thing"), {}, 0.5)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({"momentum": 0.5}, "allowed are two finite numbers"),
        ({"momentum": (0.1, 0.2, 0.3)}, "allowed are two finite numbers"),
        ({"momentum": "ab"}, "allowed are two finite numbers"),
        ({"momentum": (0.0, float("inf"))}, "allowed are two finite numbers"),
        ({"momentum": (float("nan"), 1.0)}, "allowed are two finite numbers"),
        ({"momentum": (0.5, 0.5)}, "must be below"),
    ],
)
def test_regions_that_are_none_say_so(plane, region, words):
    with pytest.raises(SettingError, match=words):
        zoom(plane, region, 0.5)


def test_only_maps_are_refined(plane):
    with pytest.raises(SettingError, match=r"needs a map from layda\.sweep.*no attribute settings, start"):
        zoom(ensemble("lecture", "heavy-ball", [1.0, 2.0], steps=9), {}, 0.5)
    with pytest.raises(SettingError, match=r"this dataset holds share, low, high"):
        zoom(escape_share(plane, over="start_x"), {}, 0.5)
    for width in (0.0, 2.0, "0.1", float("nan")):
        with pytest.raises(SettingError, match="width is"):
            zoom(plane, {}, width)
