"""What all tests share: how long the campaigns run, and how Hypothesis draws."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples in every ordinary run, so that a red test means a change; campaigns (--runs 2 and more) draw anew.
settings.register_profile("ordinary", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("ordinary")


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


def pytest_configure(config: pytest.Config) -> None:
    """Let campaigns draw new examples, and more of them."""
    factor: int = config.getoption("--runs")
    if factor > 1:
        settings.register_profile("campaign", max_examples=50 * factor, deadline=None)
        settings.load_profile("campaign")
