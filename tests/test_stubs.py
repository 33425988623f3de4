"""What type checkers read of ``layda.torch`` and ``layda.jax`` is what is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra [torch] is not installed")
pytest.importorskip("optax", reason="the extra [jax] is not installed")

TOOL = Path(__file__).parents[1] / "tools" / "stubs.py"


def _tool() -> Any:
    spec = importlib.util.spec_from_file_location("stubs", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stubs_are_up_to_date() -> None:
    for path, made in _tool().STUBS.items():
        assert path.read_text(encoding="utf-8") == made(), "run python tools/stubs.py"
