"""The lab's page while somebody drags, and its first paint: python benchmarks/page_frames.py; needs Chromium.

For each frame of a drag: the milliseconds of script (animation frame, events, timers) and of style and layout outside
of them, from the browser's own trace. First paint: of the exported file, each time in a new browser.
"""

from __future__ import annotations

import bisect
import math
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import layda

_SCRIPT = ("FireAnimationFrame", "TimerFire", "EventDispatch")
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
_LAYOUT = ("UpdateLayoutTree", "Layout")
RULES = (
    "heavy-ball:learning_rate=0.01,momentum=0.8", "nesterov:learning_rate=0.01,momentum=0.8", "adam:learning_rate=0.1",
    "gradient-descent:learning_rate=0.01",
)  # fmt: skip


def exported(folder: Path, objective: str) -> Path:
    """The page with four rules of 500 steps."""
    path = folder / f"{objective}.html"
    layda.export(layda.race(objective, list(RULES), steps=500), path)
    return path


def frames(browser: Any, path: Path) -> list[float]:
    """Milliseconds of script and layout in each frame while the start is dragged about."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_timeout(3000)
    session = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.send("Tracing.start", {"transferMode": "ReportEvents", "categories": "devtools.timeline"})
    box = page.query_selector("canvas.over").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 180)
    page.mouse.down()
    for k in range(300):
        x, y = 300 + 150 * math.sin(k / 15), 180 + 100 * math.cos(k / 11)
        page.mouse.move(box["x"] + x, box["y"] + y)
        page.wait_for_timeout(12)
    page.mouse.up()
    session.send("Tracing.end")
    page.wait_for_timeout(1000)
    page.close()
    return per_frame(events)


def per_frame(events: list[dict[str, Any]]) -> list[float]:
    """Layout that a script forces is part of the script's time already."""
    outer = [event for event in events if event.get("name") in _SCRIPT]
    starts = sorted(event["ts"] for event in outer if event["name"] == _SCRIPT[0])
    spent: Counter[int] = Counter()
    for event in events:
        name = event.get("name")
        inside = (
            any(one["ts"] <= event["ts"] < one["ts"] + one.get("dur", 0) for one in outer) if name in _LAYOUT else False
        )
        if name in _SCRIPT or (name in _LAYOUT and not inside):
            spent[bisect.bisect_right(starts, event["ts"])] += event.get("dur", 0)
    return sorted(value / 1000.0 for value in spent.values())


def first_paint(player: Any, path: Path) -> float:
    """Milliseconds from opening the file to its first paint, in a new browser."""
    browser = player.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_timeout(1500)
    found = page.evaluate("() => performance.getEntriesByType('paint')[0].startTime")
    browser.close()
    return float(found)


def main() -> None:
    """Print both."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        browser = player.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for objective in ("lecture", "himmelblau"):
            seen = frames(browser, exported(folder, objective))
            share = seen[int(0.95 * len(seen))]
            print(f"{objective}: {len(seen)} frames of a drag, script and layout: median {median(seen):.1f} ms, "
                  f"95% within {share:.1f} ms, longest {seen[-1]:.1f} ms")  # fmt: skip
        browser.close()
        paints = sorted(first_paint(player, exported(folder, "himmelblau")) for _ in range(7))
        low, high = paints[0], paints[-1]
        print(f"first paint of the exported file: median {median(paints):.0f} ms, from {low:.0f} to {high:.0f} ms")


if __name__ == "__main__":
    main()
