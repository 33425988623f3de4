"""A small page that stands in for the real one: made-up modules, joined and served as the real ones are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from layda.lab.page import STATIC
from layda.lab.scene import dumps, scene
from layda.objective import TracedObjective

__all__ = ["CHROMIUM", "Seen", "asked_of_modules", "browsed", "modules", "needs_chromium", "needs_page", "small_page"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or find_spec("playwright") is None, reason="Chromium or Playwright is not installed"
)
needs_page = pytest.mark.skipif(
    not (STATIC / "lab.js").is_file() or not (STATIC / "lab.css").is_file(), reason="the page's lab.js is not here yet"
)

_FILES = {
    "lab.js": """// The host's side.
import { shown } from "./view.js";
import * as figures from "./figures.js";

/** @param {any} scene */
export function offline(scene) {
  return { get: (name) => ({ scene, state: scene.state ?? {} })[name], set() {}, on() {}, off() {}, send() {} };
}

export const served = (scene) => {
  const model = offline(scene);
  model.send = async (message) => {
    const reply = await fetch("/api/ask", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Layda": "1" },
      body: JSON.stringify(message),
    });
    return reply.json();
  };
  return model;
};

async function render({ model, el }) {
  const scene = model.get("scene");
  el.textContent = `${shown(scene.objectives[0].name)} ${figures.TWO / 2 + figures.half(3)}`;
  el.title = `a  // no comment, ${[1, 2].map((x) => `</script> ${x}`).join("  ")}`;
  const found = await model.send({ ask: "objective", text: "x^^" });
  if (found) el.dataset.answer = found.error.message;
}

export default { render };
""",
    "view.js": """import { half } from "./figures.js";

const PATTERN = /[/"'`]+/g; // a regular expression with quotes
let called = 0;
export function shown(name) {
  called++
  return name.replace(PATTERN, "") + "!" + half(4) + (called > 1 ? "again" : "")
}
""",
    "figures.js": """/* What "view" and "lab" count with. */
export const ONE = 1, TWO = 2;
export const half = (x) => x / 2;
""",
    "lab.css": "/* plain */\n#lab {\n  color: rgb(1, 2, 3);\n}\n",
}


def small_page(folder: Path) -> Path:
    """Write the modules; what they show is ``himmelblau!2 2.5``."""
    for name, text in _FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


class Seen(NamedTuple):
    """A page in Chromium: what it asked for, and what it said on the console."""

    page: Any
    asked: list[str]
    said: list[str]


def _answered(text: str, kind: str) -> Callable[[Any], None]:
    return lambda route: route.fulfill(body=text, content_type=kind)


@contextmanager
def browsed(address: str, routes: dict[str, str] | None = None, first: str = "", **look: Any) -> Iterator[Seen]:
    """Open an address in Chromium.

    Args:
        address: of the page.
        routes: addresses that are answered from memory: path -> text.
        first: JavaScript that runs before the page's own.
        look: of the browser, such as ``viewport`` or ``reduced_motion``.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        # Without its own sandbox it runs as root too, as continuous integration does.
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_context(**{"locale": "en", **look}).new_page()
            for place, text in (routes or {}).items():
                page.route(place, _answered(text, "text/javascript" if place.endswith(".js") else "text/html"))
            seen = Seen(page, [], [])
            page.on("request", lambda request: seen.asked.append(request.url))
            page.on("console", lambda message: seen.said.append(message.text))
            page.on("pageerror", lambda fault: seen.said.append(str(fault)))
            if first:
                page.add_init_script(first)
            page.goto(address)
            yield seen
        finally:
            browser.close()


def modules(**more: str) -> dict[str, str]:
    """The page's own modules as routes under http://lab.test/, and further ones by their names without ``.js``."""
    routes = {f"http://lab.test/{path.name}": path.read_text(encoding="utf-8") for path in STATIC.glob("*.js")}
    return routes | {f"http://lab.test/{name}.js": text for name, text in more.items()}


def asked_of_modules(harness: str, objectives: Iterable[TracedObjective], call: str, given: Any) -> Any:
    """What a harness over the page's modules answers.

    Args:
        harness: a module that sets ``window.ready`` when it is.
        objectives: of ``window.scene``.
        call: a JavaScript function of ``given``.
        given: what it is asked, as JSON.
    """
    routes = modules(harness=harness)
    routes["http://lab.test/"] = '<!doctype html><script type="module" src="/harness.js"></script>'
    with browsed("http://lab.test/", routes) as seen:
        seen.page.wait_for_function("() => window.ready")
        data = dumps(scene(list(objectives)))
        seen.page.evaluate("(text) => { window.scene = JSON.parse(text); }", data)
        return seen.page.evaluate(call, given)
