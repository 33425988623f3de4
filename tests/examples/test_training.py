"""The training examples run, and say what they say: losses fall, peers of the same rule agree, pictures are made."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="the extra [data] is not installed")

FOLDER = Path(__file__).parents[2] / "examples" / "training"
OWN = ("comparison", "torch_rules", "digits", "digits_torch", "digits_jax", "characters_torch")


@pytest.fixture
def unpolished() -> Iterator[None]:
    """XLA compiles every contestant's step anew, and each takes twenty: it need not polish them."""
    with contextlib.suppress(ImportError):
        import jax

        before = jax.config.read("jax_disable_most_optimizations")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", before)
        return
    yield


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import an example as it imports itself, and forget it afterwards."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    yield importlib.import_module
    for name in OWN:
        sys.modules.pop(name, None)


def _lines(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.splitlines() if "±" in line and ";" not in line]
    return {line[:28].strip(): line[28:].split() for line in lines}


@pytest.mark.usefixtures("unpolished")
@pytest.mark.parametrize("name", ["digits_torch", "characters_torch", "digits_jax"])
def test_it_runs_and_draws(name: str, load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optax" if name.endswith("jax") else "torch", reason="the framework's extra is not installed")
    picture = tmp_path / "picture.png"
    load(name).main(["--quick", "--save", str(picture)])
    told = capsys.readouterr().out
    lines = _lines(told.partition("What a state in bfloat16")[0])
    assert len(lines) == 11
    assert all("nan" not in words and "inf" not in words for words in lines.values())
    peer = "optax.sgd" if name.endswith("jax") else "torch SGD"
    assert lines["heavy ball"][1] == lines[peer][1]  # the same rule, the same batches: the same final loss
    assert "What a state in bfloat16 changes the final loss by" in told
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_rule_is_named(load: Any) -> None:
    pytest.importorskip("torch", reason="the extra [torch] is not installed")
    with pytest.raises(SystemExit, match="no rule is called havy ball; known are gradient descent, heavy ball"):
        load("digits_torch").main(["--quick", "--rules", "havy ball"])


@pytest.mark.parametrize("net", ["digits, multilayer perceptron (PyTorch)", "digits, convolutional net (PyTorch)"])
def test_every_rule_learns_the_digits(net: str, load: Any) -> None:
    pytest.importorskip("torch", reason="the extra [torch] is not installed")
    example, rules = load("digits_torch"), load("torch_rules").RULES
    for rule, grid in rules.items():
        found = example.training(net, 120, rule, grid[2 if rule != "schedule-free" else 0], 0)
        assert found.losses[-1] < 0.7 * found.losses[0], rule
        assert found.held_out > 60.0, rule


def test_a_short_state_learns_as_well(load: Any, runs: int) -> None:
    """For every rule with a state."""
    pytest.importorskip("torch", reason="the extra [torch] is not installed")
    example, comparison = load("digits_torch"), load("comparison")
    net = "digits, multilayer perceptron (PyTorch)"
    for name, rule in comparison.SHORT.items():
        rate = comparison.GRID[rule][2 if rule != "schedule-free" else 0]
        grids = {rule: (rate,), name: (rate,)}
        found = comparison.compare(net, "%", lambda *one: example.training(net, 120, *one), grids, 5 * runs).outcomes
        pairs = zip(found[name], found[rule], strict=True)
        change, _ = comparison.spread([short.final - long.final for short, long in pairs])
        _, noise = comparison.spread([one.final for one in found[rule]])
        assert abs(change) < noise, rule


def test_every_rule_can_be_set_beside_its_short_state(load: Any) -> None:
    comparison = load("comparison")
    given = comparison.options("", 20).parse_args(["--bfloat16"])
    everything = comparison.GRID | {name: comparison.GRID[rule] for name, rule in comparison.SHORT.items()}
    assert set(comparison.chosen(given, everything)) == set(everything) - {"gradient descent"}
