"""The page's maps: every cell, rolled in lanes, has the kind, the steps and the end of its own single path.

The end is compared bit for bit: the last value and place, the box and the largest rate before it, and all evidence.
"""

from __future__ import annotations

from typing import Any

import layda
from tests.lab.pages import asked_of_modules, needs_chromium

_HARNESS = """
import { Engine } from "/engine.js";
import { MapJob } from "/map.js";
import { highestBefore } from "/verdict.js";

window.mapped = (scene, cases, slice) => {
  const engine = new Engine(scene), wrong = [];
  let cells = 0;
  for (const { objective: name, rule, word, x, y, steps, decay } of cases) {
    const objective = scene.objectives.find((one) => one.name === name), variant = engine.variant(rule, word);
    const way = { rule, word, numbers: { ...variant.defaults, "learning_rate.decay": decay } };
    const columns = 11, rows = 9, { tolerance } = engine;
    const options = { x, y, columns, rows, start: objective.start, steps, tolerance };
    const job = new MapJob(engine, objective, way, options), judge = job.judge.bind(job), { lanes } = job, ends = [];
    const end = (path, { evidence }) => [
      ...path.positions.slice(-objective.coordinates.length), ...path.low, ...path.high, path.topRate,
      highestBefore(path, scene.constants.window), ...Object.values(evidence),
    ];
    job.judge = (lane) => {
      const path = lanes.view(lane);
      ends[job.block[lanes.ball[lane]]] = end(path, engine.verdict(objective, way, path));
      judge(lane);
    };
    while (!job.work(slice));
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, cells++) {
        const { numbers, start } = job.cell(column, row), own = { ...way, numbers }, at = row * columns + column;
        const path = engine.path(objective, own, start, steps), verdict = engine.verdict(objective, own, path);
        const seen = [scene.verdicts[job.kinds[at]], job.steps[at], job.values[at], ...ends[at]];
        const expected = [verdict.kind, path.step, path.values[path.step], ...end(path, verdict)];
        const equal = seen.length === expected.length && seen.every((value, k) => Object.is(value, expected[k]));
        const same = equal && job.shown(column, row) === at;
        if (!same) wrong.push({ name, rule, word, seen, expected });
      }
  }
  return { cells, wrong: wrong.slice(0, 5) };
};
window.ready = true;
"""

# A bowl that ends at a wall: beyond it f and its gradient are finite, and `defined` alone says that a ball is lost.
WALLED = layda.objective.from_function(
    lambda x, y: x * x + 4.0 * y * y, box=(-3.0, 3.0), start=(-2.0, 1.0), defined=lambda x, y: x < 1.5, name="walled"
)
CLASSICS = ("himmelblau", "rastrigin", "double_well", "logarithm", "plateau", "period_three")
OBJECTIVES = {name: layda.objectives.get(name) for name in CLASSICS} | {"walled": WALLED}
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
    for name, objective in OBJECTIVES.items():
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
    call = "([cases, slice]) => window.mapped(window.scene, cases, slice)"
    return asked_of_modules(_HARNESS, OBJECTIVES.values(), call, [given, slice_ms])


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
