"""Windows: what is drawn is what escapes, named in words; both languages; what cannot be drawn says so."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

import layda
from layda.errors import SettingError
from layda.measures import VERDICTS
from layda.plots.windows import draw_windows
from layda.run.escape import Windows, escape_share, escape_windows
from layda.run.store import FILLS

pytest.importorskip("xarray")

_FOUND = Windows("momentum", ((0.7, 0.9), (0.93, 0.931)), 1e-6, 4000, 2.5e-4, low=0.2, high=0.95)


@pytest.fixture(scope="module")
def plane():
    axes = {"learning_rate": np.linspace(0.2, 1.2, 30), "momentum": np.linspace(0.8, 0.99, 40)}
    return layda.sweep("lecture", start=2.0, **axes, steps=600, keep=("verdict",))


def _words(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_windows_that_were_searched_for():
    figure = layda.plot(_FOUND)
    words = _words(figure)
    assert words[0] == "escapes: 27%"  # 0.201 of 0.75
    assert "does not escape: 73%" in words
    assert "windows: 2" in words
    assert "smallest value that escapes: 0.7" in words
    assert "widest window: 0.7 to 0.9" in words
    assert figure.axes[0].get_xlim() == (0.2, 0.95)
    spans = sorted(patch.get_x() for patch in figure.axes[0].patches)
    assert spans == pytest.approx([0.7, 0.93])


def test_no_window_at_all():
    words = _words(draw_windows(Windows("decay", (), 1e-6, 10, 0.1, low=0.5, high=1.0)))
    assert words == ["does not escape: 100%", "windows: 0"]


def test_the_title_names_what_was_searched():
    found = escape_windows(
        "lecture", "heavy-ball:learning_rate=0.05", start=2.0, low=0.5, high=0.95, count=50, width=1e-3
    )
    figure = layda.plot(found)
    assert figure.axes[0].get_title("left") == "lecture, heavy-ball(learning_rate=0.05, form=velocity), start = 2"
    assert _words(figure)[0] == f"escapes: {100 * found.share:.0f}%"
    assert figure.axes[0].get_xlim() == (0.5, 0.95)
    assert layda.plot(_FOUND).axes[0].get_title("left") == ""


@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_plane_tells_three_kinds_apart(plane, language, tmp_path):
    figure = draw_windows(plane, language=language)
    figure.savefig(tmp_path / "plane.png")
    share = float((plane.verdict == VERDICTS.index("converged")).mean())
    assert _words(figure)[0] == {"en": "escapes", "vi": "thoát ra"}[language] + f": {100 * share:.0f}%"
    assert len(_words(figure)) == 3
    room = figure.axes[0]
    assert (room.get_xlabel(), room.get_ylabel()) == (
        ("momentum β", "learning rate α") if language == "en" else ("động lượng β", "tốc độ học α")
    )
    turned = draw_windows(plane, along="learning_rate").axes[0]
    assert turned.get_xlabel() == "learning rate α"


def test_a_strip_shows_what_escapes(plane):
    part = plane.sel(learning_rate=0.5, method="nearest")
    figure = draw_windows(plane, select={"learning_rate": 0.5})
    hits = part.verdict.values == VERDICTS.index("converged")
    blue = [patch for patch in figure.axes[0].patches if to_hex(patch.get_facecolor()) == "#0072b2"]
    assert len(blue) == np.sum(np.diff(np.concatenate([[False], hits]).astype(int)) == 1)
    half = 0.5 * float(plane.momentum[1] - plane.momentum[0])
    inside = [any(p.get_x() < beta < p.get_x() + p.get_width() for p in blue) for beta in plane.momentum.values]
    assert inside == hits.tolist()
    assert min(p.get_width() for p in blue) >= 2 * half * 0.999


def test_shares_are_drawn_from_none_to_all(plane):
    shares = escape_share(plane.expand_dims(start_x=[1.9, 2.0]), over=["start_x"])
    figure = layda.plot(shares)
    assert figure.axes[1].get_ylabel() == "share of balls that escape"
    assert figure.axes[0].collections[0].get_clim() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"along": "decay"}, "sides of many values"),
        ({"select": {"decay": 1.0}}, "the sides are"),
        ({"select": {"learning_rate": 7.0}}, "this dataset holds from"),
    ],
)
def test_what_cannot_be_drawn_says_so(plane, arguments, words):
    with pytest.raises(SettingError, match=words):
        draw_windows(plane, **arguments)


def test_windows_have_one_setting():
    with pytest.raises(SettingError, match="these windows are of momentum"):
        draw_windows(_FOUND, along="learning_rate")
    with pytest.raises(SettingError, match="need verdicts"):
        draw_windows(layda.sweep("x^2", start=[1.0, 2.0], steps=5, keep=("steps",)))
    with pytest.raises(SettingError, match="no setting"):
        draw_windows(layda.ensemble("x^2", "heavy-ball", [1.0, 2.0], steps=5))


@pytest.mark.parametrize("select", [{}, {"learning_rate": 0.3}])
def test_what_is_not_there_yet_is_blank(plane, select):
    part = plane.copy(deep=True)
    part["verdict"][:, 10:30] = FILLS["verdict"][1]
    figure = draw_windows(part, select=select)
    assert _words(figure)[-1] == "not computed: 50% of all"
    rolled = part if not select else part.sel(learning_rate=0.3, method="nearest")
    codes = rolled.verdict.values.ravel()
    share = float((codes[codes != 255] == VERDICTS.index("converged")).mean())
    assert _words(figure)[0] == f"escapes: {100 * share:.0f}%"


def test_shares_over_many_starts_are_not_titled_with_one():
    found = layda.sweep("lecture", start=np.linspace(-2, 2, 5), learning_rate=[0.1, 0.2], momentum=[0.5, 0.9], steps=50)
    title = layda.plot(escape_share(found, over="start_x")).axes[0].get_title("left")
    assert title == "lecture, heavy-ball"
