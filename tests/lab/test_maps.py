"""The page's maps: every cell, rolled in lanes, has the kind, the steps and the last value of its own single path."""

from __future__ import annotations

from typing import Any

import layda
from layda.lab.page import STATIC
from layda.lab.scene import dumps, scene
from tests.lab.pages import browsed, needs_chromium

_HARNESS = """
import { Engine } from "/engine.js";
import { MapJob } from "/map.js";

window.mapped = (scene, cases, slice) => {
  const engine = new Engine(scene), wrong = [];
  let cells = 0;
  for (const { objective: name, rule, word, x, y, steps, decay } of cases) {
    const objective = scene.objectives.find((one) => one.name === name), variant = engine.variant(rule, word);
    const way = { rule, word, numbers: { ...variant.defaults, "learning_rate.decay": decay } };
    const columns = 11, rows = 9, { tolerance } = engine;
    const options = { x, y, columns, rows, start: objective.start, steps, tolerance };
    const job = new MapJob(engine, objective, way, options);
    while (!job.work(slice));
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, cells++) {
        const { numbers, start } = job.cell(column, row), own = { ...way, numbers }, at = row * columns + column;
        const path = engine.path(objective, own, start, steps), verdict = engine.verdict(objective, own, path);
        const seen = [scene.verdicts[job.kinds[at]], job.steps[at], job.values[at]];
        const expected = [verdict.kind, path.step, path.values[path.step]];
        const same = seen.every((value, k) => Object.is(value, expected[k])) && job.shown(column, row) === at;
        if (!same) wrong.push({ name, rule, word, seen, expected });
      }
  }
  return { cells, wrong: wrong.slice(0, 5) };
};
window.ready = true;
"""

NAMES = ("himmelblau", "rastrigin", "double_well", "logarithm", "plateau", "period_three")
WAYS = (
    ("heavy-ball", "velocity"), ("heavy-ball", "step"), ("heavy-ball", "average"), ("nesterov", ""), ("adam", ""),
    ("nadam", ""), ("schedule-free", ""), ("gradient-descent", ""), ("aggregated-momentum", ""), ("lion", ""),
)  # fmt: skip


def _side(name: str, objective: Any) -> dict[str, Any]:
    if name.startswith("start."):
        low, high = objective.box[int(name[6:])]
        return {"kind": "start", "path": "", "index": int(name[6:]), "low": low, "high": high, "log": False}
    low, high = {"learning_rate.initial": (1e-4, 10.0), "learning_rate.decay": (0.8, 1.0)}.get(name, (0.0, 1.0))
    return {"kind": "setting", "path": name, "index": -1, "low": low, "high": high, "log": name.endswith("initial")}


def cases() -> list[dict[str, Any]]:
    """Every pair of axes that matters, for every way: settings, starts, and both; short, within a window, beyond it."""
    found = []
    for name in NAMES:
        objective = layda.objectives.get(name)
        for rule, word in WAYS:
            second = "momentum" if rule in ("heavy-ball", "nesterov", "schedule-free") else "learning_rate.decay"
            pairs = [("learning_rate.initial", second), ("start.0", "learning_rate.initial")]
            pairs += [("start.0", "start.1")] if objective.dimension == 2 else []
            for (x, y), steps in zip(pairs, (60, 400, 1), strict=False):
                found.append({
                    "objective": name, "rule": rule, "word": word, "steps": steps, "decay": 0.999,
                    "x": _side(x, objective), "y": _side(y, objective),
                })  # fmt: skip
    return found


def mapped(given: list[dict[str, Any]], slice_ms: float) -> Any:
    routes = {f"http://lab.test/{path.name}": path.read_text(encoding="utf-8") for path in STATIC.glob("*.js")}
    routes["http://lab.test/harness.js"] = _HARNESS
    routes["http://lab.test/"] = '<!doctype html><script type="module" src="/harness.js"></script>'
    with browsed("http://lab.test/", routes) as seen:
        seen.page.wait_for_function("() => window.ready")
        data = dumps(scene([layda.objectives.get(name) for name in NAMES]))
        seen.page.evaluate("(text) => { window.scene = JSON.parse(text); }", data)
        return seen.page.evaluate("([cases, slice]) => window.mapped(window.scene, cases, slice)", [given, slice_ms])


@needs_chromium
def test_every_cell_is_its_own_path() -> None:
    found = mapped(cases(), 50)
    assert found["cells"] > 10_000
    assert found["wrong"] == []


@needs_chromium
def test_small_slices_change_nothing() -> None:
    found = mapped(cases()[::7], 0)
    assert found["cells"] > 1_000
    assert found["wrong"] == []
