"""The page as people use it, in Chromium: by mouse, by keyboard alone, offline, small, still, in both languages."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layda
from layda.cli import main
from layda.lab.hosts import first_scene
from layda.lab.page import STATIC, document
from layda.lab.wording import TEXTS
from tests.lab.pages import Seen, browsed, needs_chromium

pytestmark = needs_chromium

TWO = {"objective": "himmelblau", "start": [0.5, -1.0], "steps": 150}


_SOON = """{ const later = window.setTimeout;
window.setTimeout = (work, wait, ...more) => later(work, wait < 1000 ? Math.min(wait, 30) : wait, ...more); }"""
"""The page waits for people, a third of a second after each turn of a knob; its tests need not."""


def balls(*rules: str) -> list[dict[str, Any]]:
    return [
        {"rule": rule, "word": "velocity" if rule == "heavy-ball" else "", "numbers": numbers}
        for rule, numbers in (
            (name, {"learning_rate.initial": 0.01, "learning_rate.decay": 1.0, "momentum": 0.8}) for name in rules
        )
    ]


@contextmanager
def opened(folder: Path, state: dict[str, Any] | None = None, tail: str = "", **look: Any) -> Iterator[Seen]:
    """The offline page, opened from disk; at its end it has said nothing and asked for nothing."""
    path = folder / "page.html"
    path.write_text(document(first_scene(None, None, state)[0]), encoding="utf-8")
    with browsed(path.as_uri() + tail, first=_SOON, **look) as seen:
        seen.page.wait_for_selector(".layda .verdict:not(:empty)")
        yield seen
        assert not seen.said
        assert [place for place in seen.asked if not place.startswith(("data:", "blob:"))] == [path.as_uri()]


def settled(page: Any) -> str:
    """The address's state, when the page has written it."""
    page.wait_for_timeout(120)
    return str(page.evaluate("location.hash"))


def changed(page: Any, before: str) -> str:
    """The address's state, when it is another one."""
    page.wait_for_function("(before) => location.hash !== before", arg=before, timeout=8000)
    return settled(page)  # a second change of the same turn is no answer to the next


def test_every_control_does_something_by_mouse(tmp_path: Path) -> None:
    with opened(tmp_path, {**TWO, "balls": balls("heavy-ball", "nesterov")}) as seen:
        page = seen.page
        before = settled(page)

        def does(what: str) -> None:
            nonlocal before
            try:
                before = changed(page, before)
            except Exception as fault:
                raise AssertionError(f"{what} changed nothing") from fault

        for slider in page.query_selector_all(".layda .slider:not([hidden]) input[type=range]"):
            box = slider.bounding_box()
            slider.scroll_into_view_if_needed()
            box = slider.bounding_box()
            page.mouse.click(box["x"] + 0.35 * box["width"], box["y"] + 0.5 * box["height"])
            does(slider.get_attribute("id"))
        over = page.query_selector("canvas.over")
        over.scroll_into_view_if_needed()
        box = over.bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 300, box["y"] + 150, steps=4)
        page.mouse.up()
        does("dragging the start")
        page.click("canvas.strips", position={"x": 200, "y": 60})
        does("the strips' scrubber")
        for button in ("One step back", "One step forward"):
            page.click(f'button[aria-label="{button}"]')
            does(button)
        page.click('button:text-is("Play")')
        page.wait_for_timeout(300)
        page.click('button:text-is("Pause")')
        does("playing")
        page.select_option('select[aria-label="Speed"]', "200")
        for chip in ("loss", "energy", "learning rate", "velocity", "weights of past gradients"):
            page.click(f'.chip:text-is("{chip}")')
            does(chip)
        page.click("canvas.map", position={"x": 120, "y": 60})
        does("the map")
        for button in ("Zoom in", "Zoom out", "Zoom in", "The whole map"):
            page.click(f'button[aria-label="{button}"]')
            does(button)
        page.select_option('select[aria-label="across"]', "start.0")
        does("the map's axis across")
        page.select_option('select[aria-label="up"]', "start.1")
        does("the map's axis up")
        page.select_option('select[aria-label="Colours"]', "steps")
        does("the map's colours")
        page.check('text="settings of one name move together"')
        does("linked settings")
        page.select_option('select[aria-label="form"]', "step")
        does("the form")
        page.check("input[type=radio] >> nth=1")
        does("the chosen ball")
        page.select_option('select[aria-label="rule of ball 2"]', "adam")
        does("the rule")
        page.click('button:text-is("Add a ball")')
        does("adding")
        page.click('button[aria-label="remove ball 1"]')
        does("removing")
        page.select_option(".pick select", "rastrigin")
        does("the objective")
        for number in range(1, 10):
            page.click(f".chapter >> nth={number - 1}")
            does(f"chapter {number}")
            for index in range(1, page.locator(".settings button").count()):
                page.click(f".settings button >> nth={index}")
            before = settled(page)
        page.click('button:text-is("Back")')
        does("back in the tour")
        page.click('button:text-is("Next")')
        does("on in the tour")
        page.click("summary >> nth=0")
        page.click('button:text-is("End the tour")')
        does("the tour's end")
        assert page.get_attribute("#lab", "data-theme") == "light"
        page.click('button[aria-label="Dark colours"]')
        assert page.get_attribute("#lab", "data-theme") == "dark"
        page.select_option('select[aria-label="Language"]', "vi")
        does("the language")
        assert "Các quả bóng" in page.inner_text("#lab")


def test_everything_is_reached_by_keyboard_alone(tmp_path: Path) -> None:
    with opened(tmp_path, {**TWO, "balls": balls("heavy-ball", "nesterov")}) as seen:
        page = seen.page
        wanted = page.evaluate(
            """() => [...document.querySelectorAll('#lab :is(button, select, input, summary, pre, [tabindex])')]
            .filter((one) => !one.disabled && one.checkVisibility() && one.type !== 'radio').length"""
        )
        reached = set()
        for _ in range(wanted + 40):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => { const one = document.activeElement; if (!one || one === document.body) return null;
                const all = [...document.querySelectorAll('#lab *')], look = getComputedStyle(one);
                const seen = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2;
                return [all.indexOf(one), one.type === 'radio', seen]; }"""
            )
            if found is None:
                continue
            assert found[2], f"element {found[0]} has no visible focus"
            if not found[1]:
                reached.add(found[0])
        assert len(reached) == wanted
        for selector, key in (
            (".stage .knob", "ArrowRight"), (".stage .knob", "Shift+ArrowUp"), ("[data-panel=map] .knob", "ArrowLeft"),
            ("[data-panel=map] .knob", "+"), (".ball input[type=range]", "ArrowRight"),
            (".transport input", "ArrowLeft"),
        ):  # fmt: skip
            before = settled(page)
            page.focus(selector)
            page.keyboard.press(key)
            changed(page, before)
        page.focus('button:text-is("Play")')
        page.keyboard.press("Space")
        page.wait_for_timeout(200)
        page.keyboard.press("Space")
        before = settled(page)
        page.focus(".ball input[type=number]")
        page.keyboard.press("Control+a")
        page.keyboard.type("0.0123")
        page.keyboard.press("Enter")
        assert "learning_rate.initial%3D0.0123" in changed(page, before)


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tmp_path: Path, language: str, scheme: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    state = {**TWO, "balls": balls("heavy-ball", "nesterov"), "chapter": 3, "at": 7}
    with opened(tmp_path, state, color_scheme=scheme, locale=language) as seen:
        seen.page.click("[data-panel=save] summary")
        # axe is put into the page from outside, which its content policy forbids to scripts of the page alone.
        found = axe.run(seen.page)
        assert not found.response["violations"], found.generate_report()
        assert seen.page.get_attribute("#lab", "lang") == language


def test_a_link_holds_everything(tmp_path: Path) -> None:
    state = {
        **TWO, "balls": balls("heavy-ball", "nesterov"), "chosen": 1, "linked": True, "at": 12,
        "axes": "start.0,start.1",
        "strips": ["energy", "weights"], "colour": "steps", "window": [-1.5, 1.25, -2.0, 0.1], "chapter": 4,
    }  # fmt: skip
    with opened(tmp_path, state) as seen:
        first = settled(seen.page)
        told = seen.page.inner_text(".side")
    with opened(tmp_path, None, first) as seen:
        assert settled(seen.page) == first
        assert seen.page.inner_text(".side") == told
    with opened(
        tmp_path, None, "#o=no_such&x=1,,&n=-5&b=none~~&b=adam~~beta1=7~beta2=x&k=1e99&m=<&w=no&z=3,1,0,0&l=xx&%%%"
    ) as seen:
        assert "[" in seen.page.inner_text("#lab") or seen.page.inner_text("#lab")
        assert "nan" not in settled(seen.page).lower()


def test_what_is_turned_is_kept_and_what_is_shown_is_in_force(tmp_path: Path) -> None:
    with opened(tmp_path, {**TWO, "balls": balls("heavy-ball")}, "#l=__proto__&z=300,400,0,1") as seen:
        page, field = seen.page, ".ball .slider:nth-of-type(4) input[type=number]"
        before = settled(page)
        page.fill(field, "0.5")
        page.press(field, "Enter")
        before = changed(page, before)
        page.fill(field, "5")
        page.press(field, "Enter")
        before = changed(page, before)
        assert page.input_value(field) == "1"
        page.fill(field, "0.5")
        page.press(field, "Enter")
        before = changed(page, before)
        page.focus('select[aria-label="rule of ball 1"]')
        page.select_option('select[aria-label="rule of ball 1"]', "nesterov")
        assert "momentum%3D0.5" in changed(page, before)
        assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "rule of ball 1"
        page.click('button:text-is("Play")')
        page.select_option(".pick select", "lecture")
        page.wait_for_timeout(300)
        assert "k=" not in settled(page)
        assert page.inner_text(".transport .wide") == "Play"


def test_nothing_moves_by_itself_and_less_where_that_is_asked(tmp_path: Path) -> None:
    with opened(tmp_path, TWO) as seen:
        before = seen.page.inner_text(".counter")
        seen.page.wait_for_timeout(600)
        assert seen.page.inner_text(".counter") == before
    with opened(tmp_path, TWO, reduced_motion="reduce") as seen:
        assert seen.page.query_selector('button:text-is("Play")') is None
        assert seen.page.query_selector('button[aria-label="One step forward"]') is not None


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
@pytest.mark.parametrize("language", ["en", "vi"])
def test_no_width_cuts_anything(tmp_path: Path, width: int, language: str) -> None:
    state = {**TWO, "balls": balls("heavy-ball", "nesterov"), "chapter": 6}
    with opened(tmp_path, state, viewport={"width": width, "height": 800}, locale=language) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        cut = seen.page.evaluate(
            """() => [...document.querySelectorAll('#lab :is(button, label, p, h1, h2, h3, li, summary, output)')]
            .filter((one) => one.checkVisibility() && !one.closest('.sr') && getComputedStyle(one).display !== 'inline')
            .filter((one) => one.scrollWidth > one.clientWidth + 1)
            .map((one) => one.outerHTML.slice(0, 120))"""
        )
        assert cut == []


def test_panels_may_be_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, TWO, "?show=picture,balls") as seen:
        shown = [panel.get_attribute("data-panel") for panel in seen.page.query_selector_all("[data-panel]")]
        assert shown == ["picture", "balls"]
        seen.asked.clear()
        seen.asked.append((tmp_path / "page.html").as_uri())


def test_what_is_saved_is_what_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(tmp_path, {**TWO, "balls": balls("heavy-ball", "nesterov")}) as seen:
        page, files = seen.page, {}
        for kind in ("PNG", "SVG", "CSV"):
            with page.expect_download() as waiting:
                page.click(f'button:text-is("{kind}")')
            files[kind] = Path(waiting.value.path()).read_bytes()
            assert waiting.value.suggested_filename == f"layda-himmelblau.{kind.lower()}"
        page.click("[data-panel=save] summary")
        code, command = [one.inner_text() for one in page.query_selector_all("pre")]
    assert files["PNG"].startswith(b"\x89PNG")
    assert files["SVG"].startswith(b"<svg")
    assert not re.search(rb' (?:d|x|y|width|height)="[^"]*NaN', files["SVG"])
    rows = list(csv.DictReader(io.StringIO(files["CSV"].decode())))
    run = layda.descend("himmelblau", layda.rules.HeavyBall(0.01, 0.8), start=TWO["start"], steps=TWO["steps"])
    first = [row for row in rows if row["ball"] == "1"]
    assert [[float(row["x"]), float(row["y"])] for row in first] == run.positions.tolist()
    # The command is run as it stands; the Python says the same settings.
    arguments = [part.strip("'") for part in re.findall(r"'[^']*'|\S+", command.replace("\\\n", " "))][1:]
    assert main([*arguments, "--json"]) == 0
    assert f'"steps": {run.steps}' in capsys.readouterr().out
    made = layda.specs.to_rule(re.findall(r"HeavyBall\(.*\)", code)[0].replace('"', ""))
    assert np.array_equal(
        layda.descend("himmelblau", made, start=TWO["start"], steps=TWO["steps"]).positions, run.positions
    )


def test_the_page_says_nothing_without_a_translation() -> None:
    said = set()
    for path in STATIC.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        said |= set(re.findall(r'\bsay\(\s*"((?:[^"\\]|\\.)*)"', text))
        said |= set(re.findall(r'\bconst text = "((?:[^"\\]|\\.)*)"', text))
    assert said
    assert said <= set(TEXTS)
