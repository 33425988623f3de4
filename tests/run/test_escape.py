"""Escape: shares with intervals, windows whose edges are right, regions refined."""

from __future__ import annotations

import numpy as np
import pytest

from layda.errors import SettingError
from layda.measures import VERDICTS
from layda.run.descend import descend
from layda.run.escape import escape_share, escape_windows, zoom
from layda.run.fractions import fractions, wilson
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
