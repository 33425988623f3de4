"""How often a verdict is right: a labelled corpus, made by theory and not by what judges, against what is judged.

One line for each true label; the columns are the verdicts given. ``--seed`` draws another corpus, ``--count`` says how
many runs of each label. What was wrong is listed with the theory that gave its label.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from layda.measures import VERDICTS
from tests.corpus import drawn


def main() -> None:
    """Print the table, the shares and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=100, help="runs of each label")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.count} runs of each label")
    print(f"{'true label':<11}" + "".join(f"{kind[:9]:>10}" for kind in VERDICTS) + f"{'right':>9}", flush=True)
    right, false_converged, wrong = 0, 0, []
    for label in VERDICTS:
        found: Counter[str] = Counter()
        for number in range(options.count):
            case = drawn(label, number, options.seed)
            kind = case.run().verdict.kind
            found[kind] += 1
            if kind != label:
                wrong.append(f"{kind} instead of {case}: {case.why}")
        right += found[label]
        false_converged += found["converged"] if label != "converged" else 0
        row = "".join(f"{found[kind] or '·':>10}" for kind in VERDICTS)
        print(f"{label:<11}{row}{found[label] / options.count:>9.1%}", flush=True)
    print(f"right over all: {right / (options.count * len(VERDICTS)):.2%}; false converged: {false_converged}")
    for line in wrong:
        print("  ", line)


if __name__ == "__main__":
    main()
