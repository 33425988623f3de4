"""Make the pictures of the lab's page anew: python tools/page_pictures.py; needs Chromium and Playwright."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from layda.lab.hosts import first_scene
from layda.lab.page import document

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"


def _ball(rule: str, rate: float, **numbers: float) -> dict[str, Any]:
    word = "velocity" if rule == "heavy-ball" else ""
    return {
        "rule": rule,
        "word": word,
        "numbers": {"learning_rate.initial": rate, "learning_rate.decay": 1.0, **numbers},
    }


VIEWS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "one": (
        {"objective": "lecture", "start": [2.0], "steps": 300, "at": 6, "chapter": 5, "strips": ["energy", "weights"],
         "balls": [_ball("heavy-ball", 0.5, momentum=0.9)], "axes": "momentum,learning_rate.initial"},
        (1280, 1500),
    ),
    "two": (
        {"objective": "himmelblau", "start": [0.5, -1.0], "steps": 200, "at": 14,
         "strips": ["loss", "energy", "velocity"],
         "balls": [_ball("heavy-ball", 0.01, momentum=0.8), _ball("nesterov", 0.01, momentum=0.8),
                   _ball("adam", 0.1, beta1=0.9, beta2=0.999, epsilon=1e-8)]},
        (1280, 1500),
    ),
    "phone": (
        {"objective": "rosenbrock", "start": [-1.2, 1.0], "steps": 1000, "strips": ["loss"],
         "balls": [_ball("nesterov", 0.001, momentum=0.95)]},
        (360, 1500),
    ),
}  # fmt: skip


def main() -> None:
    """Every view in both languages and both sets of colours."""
    with sync_playwright() as player, tempfile.TemporaryDirectory() as folder:
        browser = player.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (state, (width, height)) in VIEWS.items():
            for language in ("en", "vi"):
                path = Path(folder) / f"{name}-{language}.html"
                path.write_text(document(first_scene(None, language, state)[0], language=language), encoding="utf-8")
                for scheme in ("light", "dark"):
                    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                    page.goto(path.as_uri())
                    page.wait_for_function(
                        "() => document.querySelector('[data-panel=map] h2 span').textContent === ''"
                    )
                    page.wait_for_timeout(500)
                    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
                    few = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                    few.save(FOLDER / f"lab-{name}-{language}-{scheme}.png", optimize=True)
                    page.close()
        browser.close()


if __name__ == "__main__":
    main()
