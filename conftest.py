"""A neutral environment for every test, the examples in docstrings included."""

from __future__ import annotations

import doctest
import os
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

from layda.errors import MissingExtraError

# Their modules import the framework at once; without it their examples cannot even be collected.
_NEED = {"torch": "torch", "jax": "optax"}
_HELPERS = {"torch": ["infos.py", "two_processes.py"], "jax": ["problems.py"]}  # of their tests
collect_ignore_glob = [
    path
    for room, library in _NEED.items()
    if find_spec(library) is None
    for path in (f"src/layda/{room}/*", *(f"tests/{room}/{name}" for name in _HELPERS[room]))
]

os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib; subprocesses inherit it


@pytest.fixture(autouse=True)
def neutral_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Take away what a user's shell may set; what is compiled is kept for all tests of a process: its folder."""
    for name in list(os.environ):
        if name.startswith("LAYDA_") or name in {"NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"}:
            monkeypatch.delenv(name)
    cache = tmp_path_factory.getbasetemp() / "kept"
    monkeypatch.setenv("LAYDA_CACHE_DIR", str(cache))
    return cache


@pytest.fixture
def own_cache(
    neutral_environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A cache of the test's own, empty, for tests of what is kept; returns its folder."""
    cache = tmp_path_factory.mktemp("cache", numbered=True)
    monkeypatch.setenv("LAYDA_CACHE_DIR", str(cache))
    return cache


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip, with the reason, what needs a library that is not installed."""
    try:
        return (yield)
    except MissingExtraError as error:
        pytest.skip(str(error))
    except doctest.UnexpectedException as error:
        if not issubclass(error.exc_info[0], MissingExtraError):
            raise
        pytest.skip(str(error.exc_info[1]))
