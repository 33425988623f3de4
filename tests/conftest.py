"""What all tests share: how long the campaigns run, and how Hypothesis draws."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--runs``."""
    parser.addoption("--runs", type=int, default=1, metavar="N", help="make the long campaigns N times as long")


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> int:
    """The factor by which a campaign of random runs is made longer: ``for seed in range(200 * runs)``."""
    factor: int = request.config.getoption("--runs")
    if factor < 1:
        raise pytest.UsageError(f"--runs is {factor}; it must be at least 1")
    return factor
