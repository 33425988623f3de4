"""The page's own arithmetic in Chromium: positions, answers, verdicts and sentences are Python's, bit for bit."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import layda
from layda.backends.tape import tape, untaped
from layda.diagnosis import describe
from layda.diagnosis.energies import energy
from layda.lab.page import STATIC
from layda.lab.scene import dumps, scene
from layda.lab.settings import choice_of, made, rule_named
from layda.measures.weights import past_weights
from layda.objectives import CLASSICS
from layda.program.operations import operations
from layda.rule import Stepper
from layda.rules import ALL
from tests.lab.pages import asked_of_modules, browsed, modules, needs_chromium

WAYS = [(rule.name, word) for rule in ALL for word in choice_of(rule)[1]]
STEPS = 500

_HARNESS = """
import { Engine } from "/engine.js";
import { energiesOf, weightsOf } from "/memory.js";
import { sentence, speakerOf } from "/words.js";

const packed = (numbers) => {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

window.rolled = (scene, cases) => {
  const engine = new Engine(scene);
  return cases.map((one) => {
    const objective = scene.objectives.find((known) => known.name === one.objective);
    const variant = engine.variant(one.rule, one.word), model = engine.model(objective, variant);
    const ball = { rule: one.rule, word: one.word, numbers: { ...variant.defaults, ...one.numbers } };
    const path = engine.path(objective, ball, one.start, one.steps), verdict = engine.verdict(objective, ball, path);
    const energies = energiesOf(model, ball.numbers, path);
    return {
      kind: verdict.kind, steps: path.step,
      positions: packed(path.positions), values: packed(path.values), estimates: packed(path.estimates),
      weights: packed(weightsOf(model, ball.numbers, path, Math.min(path.step, 30), 30)),
      total: energies && packed(energies.total),
      told: ["en", "vi"].map((language) => sentence(verdict, path, objective, ball, speakerOf(scene, language))),
    };
  });
};
window.ready = true;
"""


def rolled(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the page's modules make of these runs."""
    call = "(cases) => window.rolled(window.scene, cases)"
    return list(asked_of_modules(_HARNESS, map(layda.objectives.get, CLASSICS), call, cases))


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text))


def bits(numbers: Any) -> list[int]:
    """The bits of numbers, all NaN alike."""
    found = np.ascontiguousarray(numbers, dtype=np.float64).ravel().copy()
    found[np.isnan(found)] = np.nan
    return list(found.view(np.int64))


@lru_cache(maxsize=1)
def cases() -> list[dict[str, Any]]:
    """Every rule on every classic, from drawn starts, with drawn rates, damped and not."""
    rng = np.random.default_rng(6)
    found = []
    for name in CLASSICS:
        objective = layda.objectives.get(name)
        low, high = np.array(objective.box).T
        for rule, word in WAYS:
            decay = float(rng.choice([1.0, rng.uniform(0.5, 1.0)]))
            numbers = {"learning_rate.initial": float(10 ** rng.uniform(-3.5, 0.5)), "learning_rate.decay": decay}
            start = list(objective.start) if rng.random() < 0.3 else [float(x) for x in rng.uniform(low, high)]
            found.append(
                {"objective": name, "rule": rule, "word": word, "numbers": numbers, "start": start, "steps": STEPS}
            )
    return found


def run_of(case: dict[str, Any]) -> layda.Trajectory:
    """The same run in Python; without damping its rate is a plain number, which is the same bits and fewer words."""
    rule = made(rule_named(case["rule"]), case["word"], case["numbers"])
    if case["numbers"]["learning_rate.decay"] == 1.0:
        rule = replace(rule, learning_rate=case["numbers"]["learning_rate.initial"])  # type: ignore[call-arg]
    return layda.descend(case["objective"], rule, start=case["start"], steps=case["steps"])


@needs_chromium
def test_paths_verdicts_and_sentences_are_those_of_python() -> None:
    for case, seen in zip(cases(), rolled(cases()), strict=True):
        run = run_of(case)
        assert (seen["kind"], seen["steps"]) == (run.verdict.kind, run.steps), case
        assert bits(unpacked(seen["positions"])) == bits(run.positions), case
        assert bits(unpacked(seen["values"])) == bits(run.values), case
        assert bits(unpacked(seen["estimates"])) == bits(run.estimates), case
        for language, told in zip(("en", "vi"), seen["told"], strict=True):
            assert told == describe(run, notes=False, language=language), case


@needs_chromium
def test_weights_and_energies_are_those_of_python() -> None:
    some = [case for case in cases() if case["objective"] in ("lecture", "himmelblau")]
    held = 0
    for case, seen in zip(some, rolled(some), strict=True):
        run = run_of(case)
        count = min(run.steps, 30)
        if run.verdict.kind != "diverged" and count:
            # The page gives the last 30 gradients of the first 30 steps, one coordinate's.
            slopes = layda.objectives.get(case["objective"]).gradients(run.positions)[:count, 0]
            expected = past_weights(run.rule, count, slopes).values
            np.testing.assert_allclose(
                unpacked(seen["weights"]), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max()
            )
            held += 1
        if seen["total"] is not None and run.verdict.kind in ("converged", "trapped"):
            np.testing.assert_allclose(unpacked(seen["total"]), energy(run).total, rtol=1e-9, atol=1e-12)
            held += 1
    assert held > 20


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_tape_read_back_is_the_program(rule: Any) -> None:
    program = Stepper(rule()).program()
    values = {name: 0.3 + 0.1 * index for index, name in enumerate(program.inputs)}
    data = json.loads(json.dumps(tape(program), allow_nan=False))
    assert untaped(data, values) == {name: float(value) for name, value in program.evaluate(values).items()}


def test_the_interpreter_knows_every_operation() -> None:
    """The numbers of the machine's cases are those of OPERATIONS; a new operation must be given its case."""
    from layda.backends.tape import OPERATIONS

    text = (STATIC / "program.js").read_text(encoding="utf-8")
    assert [int(part.split(":")[0]) for part in text.split("case ")[1:]] == list(range(2, len(OPERATIONS)))
    assert {name for name in operations() if name != "fma"} >= set(OPERATIONS) - {"input", "const"}


def test_the_printed_functions_are_up_to_date() -> None:
    from tools.page_functions import TARGET, text

    assert TARGET.read_text(encoding="utf-8") == text()


_HOST = """
import lab from "/lab.js";

const heard = {}, sent = [], values = JSON.parse(document.getElementById("values").textContent);
window.model = {
  get: (name) => values[name],
  set: (name, value) => { values[name] = value; heard[`change:${name}`]?.(); },
  save_changes: () => sent.push(JSON.parse(JSON.stringify({ state: values.state, result: values.result }))),
  on: (name, act) => { heard[name] = act; },
  off: (name) => { delete heard[name]; },
  send: ({ id }) => setTimeout(() => heard["msg:custom"]({ id, error: { message: "no", position: -1, length: 0 } })),
};
window.sent = sent;
window.heard = heard;
window.end = lab.render({ model: window.model, el: document.getElementById("lab") });
"""


@needs_chromium
def test_a_notebooks_model_is_told_and_listened_to() -> None:
    routes = modules(host=_HOST)
    values = dumps(
        {"scene": scene([layda.objectives.get("lecture"), layda.objectives.get("booth")]), "state": {"start": [1.5]}}
    )
    routes["http://lab.test/"] = (
        '<!doctype html><div id="lab" style="width: 900px"></div><script type="application/json" id="values">'
        f'{values.replace("<", chr(92) + "u003c")}</script><script type="module" src="/host.js"></script>'
    )
    with browsed("http://lab.test/", routes) as seen:
        page = seen.page
        page.wait_for_function("() => window.sent?.length > 0")
        first = page.evaluate("() => window.sent.at(-1)")
        assert first["state"]["start"] == [1.5]
        assert first["result"]["objective"] == "lecture"
        assert {"rule", "verdict", "sentence", "steps", "position", "value"} == set(first["result"]["balls"][0])
        page.evaluate(
            '() => window.model.set("state", { ...window.model.get("state"), objective: "booth", start: [1, 3] })'
        )
        page.wait_for_function('() => window.sent.at(-1).result.objective === "booth"')
        assert page.evaluate("() => window.sent.at(-1).result.balls[0].verdict") == "converged"
        page.fill(".typed input", "x^^2")
        page.keyboard.press("Enter")
        page.wait_for_function('() => document.querySelector(".mistake").textContent === "no"')
        assert page.input_value(".typed input") == "x^^2"  # it stays, to be mended
        # Keys that the page understands do not reach the notebook around it.
        page.evaluate("() => addEventListener('keydown', () => { window.reached = true; })")
        page.focus(".ball input[type=range]")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("() => window.reached === undefined")
        page.evaluate("() => window.end()")
        assert page.evaluate("() => Object.keys(window.heard).length") == 0
        assert page.evaluate("() => location.hash") == ""
        assert not seen.said
