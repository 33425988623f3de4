"""The page's scripts by TypeScript's checker: types from their comments, nothing unused."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKER = shutil.which("tsc")
HOUSE = Path(__file__).parents[2]


@pytest.mark.skipif(CHECKER is None, reason="TypeScript's tsc is not installed (npm install --global typescript)")
def test_the_types_of_the_page_hold() -> None:
    assert CHECKER is not None
    version = subprocess.run([CHECKER, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    if int(re.findall(r"\d+", version)[0]) < 5:
        pytest.skip(f"tsc is {version.strip()}; from 5 on it reads a comment's tags on one line")
    found = subprocess.run(  # noqa: S603  # found by name, our own file
        [CHECKER, "-p", str(HOUSE / "tools" / "page.jsconfig.json")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout
