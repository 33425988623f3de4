"""Fractions: Wilson's interval against SciPy's and by its meaning, counts against a count by hand, what is refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from layda.errors import MissingExtraError, SettingError
from layda.measures import VERDICTS
from layda.run.fractions import fractions, wilson
from layda.run.store import FILLS
from layda.run.sweep import open_sweep, sweep

xr = pytest.importorskip("xarray")


@pytest.fixture
def dataset():
    draw = np.random.default_rng(7)
    shape = (12, 9, 4)
    return xr.Dataset(
        {
            "verdict": (("start_x", "start_y", "momentum"), draw.integers(0, 7, shape).astype(np.uint8)),
            "basin": (("start_x", "start_y", "momentum"), draw.integers(-1, 3, shape).astype(np.int16)),
            "steps": (("start_x", "start_y", "momentum"), draw.integers(1, 99, shape).astype(np.int32)),
        },
        coords={"start_x": np.linspace(-1, 1, 12), "start_y": np.linspace(-2, 2, 9), "momentum": [0.0, 0.5, 0.9, 0.99]},
        attrs={"objective": "f", "minima": json.dumps([{"position": [0.0, 0.0], "value": 0.0}] * 3)},
    )


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (1, 10**6), (517, 1000)])
def test_wilson_is_scipys_at_every_confidence(count, total, confidence):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
    low, high = wilson(count, total, confidence)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)


def test_wilsons_ends_are_where_the_score_test_rejects():
    """By its definition an end p has |share - p| = z √(p(1 - p)/n); z of 95% is 1.959964 in every table."""
    n = 40
    for count in range(1, n):
        for end in wilson(count, n):
            assert abs(count / n - end) == pytest.approx(1.959963984540054 * np.sqrt(end * (1 - end) / n), rel=1e-9)


def test_wilson_takes_arrays_and_knows_nothing_of_no_balls():
    low, high = wilson([0, 5, 10], 10)
    assert low[0] == 0.0
    assert high[2] == 1.0
    assert np.all(np.diff(low) > 0)
    assert np.allclose(low + high[::-1], 1.0)  # what is true of a share holds for its complement
    assert [float(end) for end in wilson(0, 0)] == [0.0, 1.0]


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, float("nan"), "0.95", None, True])
def test_confidence_outside_its_range_is_refused(dataset, confidence):
    with pytest.raises(SettingError, match="between 0 and 1"):
        fractions(dataset, confidence=confidence)


@pytest.mark.parametrize("by", ["verdict", "basin"])
@pytest.mark.parametrize("over", [None, [], ["start_x"], ["start_y", "start_x"], ("momentum",)])
def test_shares_sum_to_one_and_lie_in_their_intervals(dataset, by, over):
    table = fractions(dataset, by, over)
    gone = set(dataset[by].dims) if over is None else set(over)
    assert set(table.share.dims) == {by} | (set(dataset[by].dims) - gone)
    assert np.allclose(table.share.sum(by), 1.0)
    total = int(np.prod([dataset.sizes[name] for name in gone], dtype=int))
    assert (table["count"].sum(by) == total).all()
    assert table.attrs["total"] == total
    assert ((table.low >= 0) & (table.low <= table.share) & (table.share <= table.high) & (table.high <= 1)).all()


def test_counts_are_those_of_a_count_by_hand(dataset):
    table = fractions(dataset, over=["start_x", "start_y"])
    assert table.verdict.values.tolist() == list(VERDICTS)
    for index, beta in enumerate(dataset.momentum.values):
        codes = dataset.verdict.values[:, :, index].ravel().tolist()
        expected = [codes.count(code) for code in range(len(VERDICTS))]
        assert table["count"].sel(momentum=beta).values.tolist() == expected


def test_basins_go_by_number_and_none_is_always_told(dataset):
    assert fractions(dataset, "basin").basin.values.tolist() == [-1, 0, 1, 2]
    somewhere = dataset.assign(basin=dataset.basin.where(dataset.basin >= 0, 0))
    table = fractions(somewhere, "basin")
    assert int(table["count"].sel(basin=-1)) == 0


def test_many_balls_without_coordinates_are_counted():
    balls = xr.Dataset({"verdict": ("ball", np.array([0, 0, 5, 8], dtype=np.uint8))})
    table = fractions(balls)
    assert float(table.share.sel(verdict="converged")) == 0.5
    assert float(table.share.sel(verdict="trapped")) == 0.0


def test_more_confidence_is_a_wider_interval(dataset):
    wide, narrow = fractions(dataset, confidence=0.999), fractions(dataset, confidence=0.5)
    assert (wide.low <= narrow.low).all()
    assert (wide.high >= narrow.high).all()


@pytest.mark.parametrize(
    ("by", "over", "words"),
    [
        ("steps", None, "allowed are verdict and basin"),
        ("colour", None, "must hold it"),
        ("verdict", ["decay"], "sides"),
        ("verdict", "decay", "over names 'decay'"),
        ("verdict", ["momentum", "momentum"], "twice"),
    ],
)
def test_what_cannot_be_counted_says_so(dataset, by, over, words):
    with pytest.raises(SettingError, match=words):
        fractions(dataset, by, over)


def test_a_missing_variable_is_named(dataset):
    with pytest.raises(SettingError, match="must hold it"):
        fractions(dataset.drop_vars("basin"), "basin")


def test_without_xarray_the_error_names_the_extra(dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(MissingExtraError, match=r"layda\[sweep\]"):
        fractions(dataset)


def test_one_side_may_be_named_alone(dataset):
    assert fractions(dataset, over="momentum").identical(fractions(dataset, over=["momentum"]))


@pytest.mark.parametrize("by", ["verdict", "basin"])
def test_balls_that_are_not_there_yet_are_left_out(dataset, by):
    whole = fractions(dataset.isel(start_x=slice(0, 3)), by, over=["start_x", "start_y"])
    part = dataset.copy(deep=True)
    part[by][3:] = FILLS[by][1]
    part[by][:, :, 3] = FILLS[by][1]
    missing = 12 * 9 * 4 - 3 * 9 * 3
    with pytest.warns(UserWarning, match=f"{missing} of 432 balls are missing"):
        table = fractions(part, by, over=["start_x", "start_y"])
    assert table.attrs["missing"] == missing
    assert table["total"].values.tolist() == [27, 27, 27, 0]
    for name in ("count", "share", "low", "high"):
        assert table[name].isel(momentum=slice(0, 3)).equals(whole[name].isel(momentum=slice(0, 3)))
    assert np.isnan(table.share.isel(momentum=3)).all()
    with pytest.warns(UserWarning, match="are missing"):
        assert float(fractions(part, by).share.sum()) == pytest.approx(1.0)


def test_an_unfinished_store_is_counted_by_what_it_holds(tmp_path):
    pytest.importorskip("zarr")
    axes = {"learning_rate": [0.01, 0.02, 0.3, 0.4], "momentum": [0.5, 0.9]}
    sweep("lecture", start=2.0, **axes, steps=300, out=tmp_path / "part.zarr", per_tile=2, tile=(1, 4))
    found = open_sweep(tmp_path / "part.zarr")
    with pytest.warns(UserWarning, match="6 of 8 balls are missing") as told:
        table = fractions(found)
    assert told[0].filename == __file__
    assert int(table["count"].sum()) == int(table["total"]) == 2
    assert float(table.share.sum()) == 1.0
