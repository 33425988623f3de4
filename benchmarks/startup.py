"""How long people wait: ``layda --version``, ``import layda``, ``layda race``; each beside what it cannot go below.

Run: python benchmarks/startup.py [--repeats 15]. Medians of whole processes, taken in turns in one run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import layda": [sys.executable, "-c", "import layda"],
    "import layda, first descent": [
        sys.executable, "-c", "import layda; layda.descend('x^4 - 2x^2', 'heavy-ball', start=2.0)",
    ],
    "import torch": [sys.executable, "-c", "import torch"],
    "import optax": [sys.executable, "-c", "import optax"],
    "layda --version": [sys.executable, "-m", "layda", "--version"],
    "layda race": [sys.executable, "-m", "layda", "race"],
    "layda race himmelblau": [sys.executable, "-m", "layda", "race", "himmelblau"],
}  # fmt: skip
SLOW = ("import torch", "import optax")


def once(command: list[str]) -> float | None:
    """Seconds of one process; ``None`` where it fails (a peer that is not installed)."""
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own commands
    return time.perf_counter() - begin if done.returncode == 0 else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(repeats + 1):  # the first turn warms the disk's cache and does not count
        for name, command in COMMANDS.items():
            if name in SLOW and turn > 3:
                continue
            seconds = once(command)
            if turn and seconds is not None:
                times[name].append(seconds)
    for name, seconds in times.items():
        shown = f"{statistics.median(seconds):7.3f} s" if seconds else "not installed"
        print(f"{name:<30}{shown}")
    ratio = statistics.median(times["import layda"]) / statistics.median(times["import numpy"])
    print(f"import layda / import numpy   {ratio:7.2f}")


if __name__ == "__main__":
    main()
