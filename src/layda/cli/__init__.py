"""The command ``layda``.

Exit codes: 0 the command did its work (a ball that diverged is a result); 2 the input could not be used, with one line
on stderr; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    >>> main(["--version"])
    layda 0.1.0
    0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:  # answered before anything heavier is imported
        from layda._version import __version__

        print(f"layda {__version__}")
        return 0
    from layda.cli.app import run

    return run(given)
