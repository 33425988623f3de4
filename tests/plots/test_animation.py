"""Animations: whole files with the frames, sizes and times asked for, and frames that hide no shortcut."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import layda
from layda.cli import main
from layda.errors import FileError, MissingExtraError, SettingError
from layda.plots.films import find_ffmpeg
from layda.plots.stage import Stage
from layda.plots.style import RC, look

LONG = "a name that nobody would give to a contestant, $with_signs^ and%no#end:" + "momentum" * 12
RACES: dict[str, tuple[Any, Any]] = {
    "curve": ("lecture", ["gradient-descent:learning_rate=10", "heavy-ball:learning_rate=0.5"]),
    "plane": ("himmelblau", ["heavy-ball:learning_rate=0.005", "nesterov", "gradient-descent:learning_rate=5"]),
    "left its domain": ("logarithm", ["gradient-descent:learning_rate=50", "adam"]),
    "eight coordinates": ("rosenbrock:dimension=8", ["heavy-ball:learning_rate=0.0001", "adam"]),
    "infinite": ("x^4 + y^4", ["gradient-descent:learning_rate=1e300", "adam"]),
    "flat": ("0*x", ["gradient-descent"]),
    "long names": ("x^4 - 3x^2 + x/2" + " + 0*x" * 40, {LONG: "heavy-ball", "b": "adam"}),
    "twenty runs": ("booth", [f"heavy-ball:learning_rate={0.001 * k}" for k in range(1, 21)]),
}
every_race = pytest.mark.parametrize("name", RACES)


def raced(name: str, steps: int = 12) -> layda.Race:
    objective, rules = RACES[name]
    return layda.race(objective, rules, steps=steps, tolerance=0)


def staged(race: layda.Race, size: tuple[int, int] = (400, 300)) -> Stage:
    with mpl.rc_context(RC):
        return Stage(list(race.runs), size, np.arange(race.budget + 1))


def drawn_in_full(stage: Stage) -> Any:
    """The readable twin: the whole figure drawn as it stands, nothing kept."""
    for artist in stage.moving:
        artist.set_animated(False)
    stage.figure.canvas.draw()
    for artist in stage.moving:
        artist.set_animated(True)
    return np.array(stage.figure.canvas.buffer_rgba())  # type: ignore[attr-defined]


@every_race
def test_a_frame_has_the_pixels_of_the_figure_drawn_in_full(name: str) -> None:
    stage = staged(raced(name))
    with mpl.rc_context(RC):
        for step in (12, 3):
            assert np.array_equal(stage.frame(step), drawn_in_full(stage))


@every_race
@pytest.mark.parametrize("size", [(320, 240), (800, 450)])
def test_no_text_is_cut_or_covered(name: str, size: tuple[int, int]) -> None:
    race = raced(name)
    with mpl.rc_context(RC):
        stage = staged(race, size)
        stage.frame(12)
        renderer = stage.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        boxes = [text.get_window_extent(renderer) for text in stage.figure.texts if text.get_text()]
        boxes += [axis.get_tightbbox(renderer) for axis in (stage.figure.axes[0].xaxis, stage.figure.axes[0].yaxis)]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= size[0]
        assert box.y1 <= size[1]
    for one, other in itertools.combinations(boxes[:-2], 2):
        assert not one.overlaps(other)
    for axis, text in itertools.product(boxes[-2:], boxes[:-2]):
        assert not axis.overlaps(text)


@every_race
def test_a_gif_of_everything(name: str, tmp_path: Path) -> None:
    race = raced(name, steps=4)
    path = layda.animate(race, tmp_path / "race.gif", size=(320, 240))
    with Image.open(path) as film:
        assert film.size == (320, 240)
        assert film.n_frames == 1 + max(run.steps for run in race)  # type: ignore[attr-defined]


def durations(film: Any) -> list[int]:
    found = []
    for index in range(film.n_frames):
        film.seek(index)
        found.append(film.info["duration"])
    return found


def test_frames_times_and_loop(tmp_path: Path) -> None:
    run = layda.descend("lecture", "heavy-ball:learning_rate=0.5", start=2.0, steps=50, tolerance=0)
    path = layda.animate(run, tmp_path / "run.gif", size=(320, 241), frames=10, fps=30, hold=1.5)
    with Image.open(path) as film:
        assert film.n_frames == 10  # type: ignore[attr-defined]
        assert film.info["loop"] == 0
        times = durations(film)
    assert times[:4] == [30, 40, 30, 30]  # hundredths of a second, and yet thirty frames a second
    assert sum(times) == 1830
    with Image.open(layda.animate(run, tmp_path / "once.gif", size=(320, 240), loop=False, hold=0)) as film:
        assert "loop" not in film.info
        assert durations(film)[-1] in (70, 80)  # 51 frames in about four seconds: 13 a second


def test_one_palette_for_all_frames(tmp_path: Path) -> None:
    path = layda.animate(raced("plane", steps=5), tmp_path / "race.gif", size=(320, 240))
    with Image.open(path) as film:
        palettes = []
        for index in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(index)
            palettes.append({colour for _, colour in film.convert("RGB").getcolors()})
    assert len(set.union(*palettes)) <= 256
    assert all((255, 255, 255) in palette for palette in palettes)  # white is no near-white


def test_the_ball_is_where_the_run_is(tmp_path: Path) -> None:
    """In the middle of its way, and, in the file itself, at the end."""
    run = layda.descend("himmelblau", "heavy-ball:learning_rate=0.005", start=(0.0, 0.0), steps=40, tolerance=0)
    stage = staged(layda.Race(run.objective, (run,), 40), (800, 450))
    transform = stage.figure.axes[0].transData
    colour = np.array([int(look(0).colour[place : place + 2], 16) for place in (1, 3, 5)])

    def pixel(picture: Any, place: Any) -> Any:
        x, y = transform.transform(place)
        return picture[449 - int(y), int(x), :3].astype(int)

    middle = run.positions[20]
    assert np.array_equal(pixel(stage.frame(20), middle), colour)
    assert not np.array_equal(pixel(stage.background, middle), colour)
    with Image.open(layda.animate(run, tmp_path / "run.gif")) as film:
        film.seek(film.n_frames - 1)  # type: ignore[attr-defined]
        assert np.abs(pixel(np.array(film.convert("RGB")), run.position) - colour).max() <= 8


def test_what_a_frame_leaves_out_is_seen_from_the_one_before(tmp_path: Path) -> None:
    race = raced("plane")
    stage = staged(race, (320, 240))
    with Image.open(layda.animate(race, tmp_path / "race.gif", size=(320, 240))) as film, mpl.rc_context(RC):
        for step in (0, 4, 12):
            film.seek(step)
            wrong = np.abs(np.array(film.convert("RGB")).astype(int) - stage.frame(step)[:, :, :3])
            assert wrong.mean() < 1.5
            assert np.quantile(wrong, 0.999) <= 16  # 255 colours for some thousand blends


def test_the_line_of_a_loss_ends_at_its_ball() -> None:
    """The lowest value of all has no place on a logarithmic scale: the ball lies at the one before."""
    race = layda.race("rosenbrock:dimension=4", ["heavy-ball:learning_rate=0.0005"], steps=999, tolerance=0)
    stage = staged(race)
    stage.frame(999)
    line, ball = stage.moving[1:3]
    assert ball.get_visible()
    seen = line.get_xydata()[np.isfinite(line.get_ydata())]
    assert np.array_equal(seen[-1], ball.get_xydata()[0])


def test_all_runs_share_one_clock_that_ends_with_the_last() -> None:
    from layda.plots.animation import _clock

    few = list(raced("curve").runs)
    assert _clock(few, 100).tolist() == list(range(13))
    run = layda.descend("lecture", "gradient-descent:learning_rate=0.001", start=2.0, steps=1000)
    even = _clock([run], 11)
    assert even.tolist() == list(range(0, 1001, 100))
    quick = layda.descend("lecture", "gradient-descent:learning_rate=0.5", start=2.0, steps=1000)
    geared = _clock([run, quick], 100)
    assert quick.steps < 60
    assert np.searchsorted(geared, quick.steps) > 35  # not over after five frames
    assert len(geared) <= 100
    assert (geared[0], geared[-1]) == (0, 1000)
    end = layda.descend("lecture", "heavy-ball", steps=3, record="end")
    assert _clock([end], 100).tolist() == [3]
    assert _clock([end, *few], 100).tolist() == list(range(13))


@pytest.mark.parametrize("record", ["all", "end"])
def test_one_frame_alone(record: str, tmp_path: Path) -> None:
    run = layda.descend("himmelblau", "heavy-ball", steps=0 if record == "all" else 9, record=record)
    with Image.open(layda.animate(run, tmp_path / "one.gif", size=(320, 240))) as film:
        assert film.n_frames == 1  # type: ignore[attr-defined]


def test_the_same_result_gives_the_same_file(tmp_path: Path) -> None:
    race = raced("plane")
    one, other = (layda.animate(race, tmp_path / name, size=(320, 240)) for name in ("a.gif", "b.gif"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": (801, 450), "path": "a.mp4"}, r"mp4 needs even numbers of pixels \(yuv420p\): take \(802, 450\)"),
        ({"size": (80, 45)}, r"size is \(80, 45\); allowed are \(width, height\) in whole pixels from 320 × 240"),
        ({"size": 800}, "size is 800; allowed are"),
        ({"size": (800.0, 450)}, "whole pixels"),
        ({"fps": 0}, "fps is 0; allowed is a number from 1 to 50: frames per second of a gif"),
        ({"fps": 61, "path": "a.webm"}, "fps is 61; allowed is a number from 1 to 60"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"frames": 1}, "frames is 1; allowed is a whole number from 2 to 2000"),
        ({"frames": 10.0}, "frames is 10.0; allowed is a whole number"),
        ({"size": (4096, 4096), "frames": 200}, "would need more than 2 GiB of memory"),
        ({"hold": -1}, "hold is -1; allowed is a number from 0 to 60"),
        ({"hold": True}, "hold is True"),
        ({"loop": 3}, "loop is 3; allowed are True"),
        ({"path": "a.avi"}, "animations are saved as gif, mp4, webm"),
        ({"path": "nowhere/a.gif"}, "the folder .*nowhere does not exist"),
    ],
)
def test_refusals_leave_nothing(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    run = layda.descend("lecture", "heavy-ball", steps=5)
    path = tmp_path / options.pop("path", "a.gif")
    with pytest.raises((SettingError, FileError), match=words):
        layda.animate(run, path, **options)
    assert list(tmp_path.iterdir()) == []


def test_other_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"result is of type dict; animations are made of a run"):
        layda.animate({}, tmp_path / "a.gif")  # type: ignore[arg-type]


# Videos


@pytest.fixture
def ffmpeg() -> str:
    return find_ffmpeg("this test")  # skipped, with the reason, where there is none


def first_bytes(kind: str) -> tuple[int, bytes]:
    return (4, b"ftyp") if kind == "mp4" else (0, b"\x1a\x45\xdf\xa3")


def decoded(program: str, path: Path, size: tuple[int, int]) -> Any:
    command = [program, "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own arguments
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, size[1], size[0], 3)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_video(kind: str, ffmpeg: str, tmp_path: Path) -> None:
    race = raced("plane", steps=6)
    path = layda.animate(race, tmp_path / f"race.{kind}", size=(320, 240), fps=10, hold=0.5)
    place, magic = first_bytes(kind)
    assert path.read_bytes()[place : place + 4] == magic
    told = subprocess.run([ffmpeg, "-i", str(path)], capture_output=True, text=True, check=False).stderr  # noqa: S603 - likewise
    assert "yuv420p" in told
    assert "Duration: 00:00:01.20" in told
    frames = decoded(ffmpeg, path, (320, 240))
    assert len(frames) == 7 + 5
    wanted = staged(race, (320, 240)).frame(6)[:, :, :3].astype(int)
    assert np.abs(frames[-1].astype(int) - wanted).mean() < 4
    assert np.abs(frames[-1][5:230, 317].astype(int) - 255).max() <= 4  # white margins stay white
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failure_of_ffmpeg_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; print('first', 'No space left', sep=chr(10), file=sys.stderr); sys.exit(7)"
    real = subprocess.Popen
    monkeypatch.setattr("layda.plots.films.find_ffmpeg", lambda purpose: "ffmpeg")
    monkeypatch.setattr("layda.plots.animation.find_ffmpeg", lambda purpose: "ffmpeg")
    monkeypatch.setattr("subprocess.Popen", lambda command, **how: real([sys.executable, "-c", program], **how))
    with pytest.raises(FileError, match="ffmpeg ended with code 7: No space left"):
        layda.animate(raced("curve"), tmp_path / "race.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_without_ffmpeg_the_error_names_the_extra(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    path = tmp_path / f"race.{kind}"
    with pytest.raises(MissingExtraError, match=r"layda\[video\]"):
        layda.animate(raced("curve"), path)
    assert main(["race", "--save", str(path)]) == 2
    assert "layda[video]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "race.gif"
    options = ["--size", "320x240", "--fps", "20", "--hold", "1", "--once", "--steps", "10"]
    assert main(["race", "himmelblau", "--save", str(path), *options]) == 0
    assert f"wrote {path}" in capsys.readouterr().out.replace("\n", "")
    with Image.open(path) as film:
        assert film.size == (320, 240)
        assert "loop" not in film.info
        assert sum(durations(film)) == 11 * 50 + 1000
