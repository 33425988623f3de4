"""How often verdicts are right: theory's labels (tests/corpus) against what a descent is told, as a confusion matrix.

Run: python benchmarks/verdicts.py [--seed 7] [--count 200].
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from layda.measures import VERDICTS
from tests.corpus import Case, drawn


def told(case: Case) -> str:
    """The verdict of the run."""
    return str(case.run(record="end").verdict.kind)


def main() -> None:
    """Draw, run, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="of the corpus")
    parser.add_argument("--count", type=int, default=60, help="runs of every verdict")
    options = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    families: dict[tuple[str, str], list[int]] = {}
    begin = time.perf_counter()
    for label in VERDICTS:
        for number in range(options.count):
            case = drawn(label, number, options.seed)
            kind = told(case)
            counts[label, kind] += 1
            right = families.setdefault((label, case.family), [0, 0])
            right[0] += kind == label
            right[1] += 1
            if kind != label:
                print(f"{case}\n    told {kind}; {case.why}")
    print(f"\n{'theory':>11} | " + " ".join(f"{kind:>10}" for kind in VERDICTS) + " | right")
    for label in VERDICTS:
        row = [counts[label, kind] for kind in VERDICTS]
        shown = " ".join(f"{number or '.':>10}" for number in row)
        print(f"{label:>11} | {shown} | {counts[label, label] / options.count:.1%}")
    for (label, family), (right, whole) in families.items():
        print(f"{label:>11} | {family:<26} {right}/{whole}")
    all_right = sum(counts[label, label] for label in VERDICTS)
    false = sum(counts[label, "converged"] for label in VERDICTS if label != "converged")
    whole = options.count * len(VERDICTS)
    print(f"right: {all_right}/{whole} = {all_right / whole:.2%}; false 'converged': {false}; seed {options.seed}")
    print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
