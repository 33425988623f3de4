"""The page's machines against the same loops written by hand: python benchmarks/page.py; needs Chromium.

Paths: heavy ball, Nesterov, Adam and plain descent, 500 steps each, on Himmelblau's function. Maps: 160 × 100 cells
over (α, β), 200 heavy-ball steps each, beside two twins: blocks of lanes as the page has them, and one ball at a time
in local variables; neither keeps rows for a verdict. All in one page, by turns; medians of 15, the first map apart.
"The same ends": cells in which all three end at the same step.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import layda
from layda.lab.page import STATIC
from layda.lab.scene import dumps, scene

HERE = Path(__file__).parent / "page"
NAMES = ("himmelblau", "rastrigin")
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]


def opened(browser: Any) -> Any:
    """A page with the modules, answered from memory."""
    page = browser.new_page()
    files = {path.name: path.read_text(encoding="utf-8") for path in (*STATIC.glob("*.js"), *HERE.glob("*.js"))}
    files[""] = '<!doctype html><script type="module" src="/measure.js"></script>'

    def answer(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        kind = "text/javascript" if name else "text/html"
        route.fulfill(body=files.get(name, ""), content_type=kind)

    page.route("http://lab.test/**", answer)
    page.goto("http://lab.test/")
    page.wait_for_function("() => window.ready")
    data = dumps(scene([layda.objectives.get(name) for name in NAMES]))
    page.evaluate("(text) => { window.scene = JSON.parse(text); }", data)
    return page


def main() -> None:
    """Print both tables."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        found = opened(browser).evaluate("() => window.paths(window.scene)")
        print("four paths of 500 steps on Himmelblau's function, ms")
        print(f"  the page: first {found['first']:.1f}, warm {found['warm']:.2f}")
        print(f"  by hand: first {found['firstHand']:.1f}, warm {found['hand']:.3f}")
        print(f"  ratio, warm: {found['warm'] / found['hand']:.1f}")
        print("maps of 160 × 100 cells, 200 heavy-ball steps, ms")
        for name in NAMES:
            one = opened(browser).evaluate("(name) => window.maps(window.scene, name)", name)
            print(f"  {name}: rolling {one['rolling']:.0f} (first {one['first']:.0f}), verdicts {one['judging']:.0f}")
            print(f"    longest slice {one['longest']:.1f} (first map {one['firstLongest']:.1f})")
            print(f"    by hand in blocks {one['hand']:.0f}, one ball at a time {one['alone']:.0f}")
            print(f"    ratios of rolling: {one['rolling'] / one['hand']:.2f}, {one['rolling'] / one['alone']:.2f}")
            print(f"    the same ends: {one['same']:.2%}")
        browser.close()


if __name__ == "__main__":
    main()
