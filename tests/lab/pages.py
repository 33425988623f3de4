"""A small page that stands in for the real one: made-up modules, joined and served as the real ones are."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["CHROMIUM", "small_page"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

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
