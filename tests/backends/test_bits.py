"""The same bits everywhere: every rule on every small classic, 1000 steps, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

import layda
from tests.cases import BACKENDS, RULES, SMALL_CLASSICS, classic

STEPS, FIRST = 1000, 100


@pytest.mark.parametrize("name", SMALL_CLASSICS)
def test_every_rule_gives_the_same_bits(name: str, runs: int) -> None:
    """Readable and Python over all steps; NumPy, the slowest on one ball, over all of a share and the first of the
    others; Numba, whose compilation takes most of a second, over a share."""
    objective = classic(name)
    place = SMALL_CLASSICS.index(name)
    for index, rule in enumerate(RULES):
        # With --runs 20 Numba compiles every pair; otherwise a slice of them that covers every rule and every classic.
        with_numba = runs >= 20 or (index + place) % 20 < runs
        backends = BACKENDS if with_numba else BACKENDS[:-1]
        whole = runs >= 4 or (index + place) % 4 < runs  # every rule and every classic, again
        wanted = layda.descend(objective, rule, steps=STEPS, tolerance=0, backend="readable")
        for backend in backends[1:]:
            if backend == "numpy" and not whole:
                found = layda.descend(objective, rule, steps=FIRST, tolerance=0, backend=backend)
                assert same_bits(wanted.positions[: len(found.positions)], found.positions), (str(rule), backend)
                assert len(found.positions) == min(FIRST + 1, len(wanted.positions)), (str(rule), backend)
                continue
            found = layda.descend(objective, rule, steps=STEPS, tolerance=0, backend=backend)
            assert same_bits(wanted.positions, found.positions), (str(rule), backend)
            assert same_bits(wanted.estimates, found.estimates), (str(rule), backend)
            assert wanted.verdict.kind == found.verdict.kind, (str(rule), backend)
            assert wanted.steps == found.steps, (str(rule), backend)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bit for bit, −0 told from 0, any NaN equal to any other."""
    if a.shape != b.shape:
        return False
    both_nan = np.isnan(a) & np.isnan(b)
    return bool(np.all(both_nan | (a.view(np.int64) == b.view(np.int64))))


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_the_stopping_test_stops_at_the_same_step(backend: str) -> None:
    for rule in RULES:
        wanted = layda.descend("himmelblau", rule, steps=2000, backend="readable")
        found = layda.descend("himmelblau", rule, steps=2000, backend=backend) if backend != "numba" else None
        if found is not None:
            assert (wanted.steps, wanted.verdict.kind) == (found.steps, found.verdict.kind), str(rule)


def test_only_the_end_recorded_is_the_same_end() -> None:
    for steps in (0, 1, 3, 255, 256, 257, 1000):
        whole = layda.descend("lecture", "heavy-ball:learning_rate=0.5", steps=steps, tolerance=0)
        end = layda.descend("lecture", "heavy-ball:learning_rate=0.5", steps=steps, tolerance=0, record="end")
        assert end.positions.shape == (1, 1)
        assert same_bits(whole.positions[-1:], end.positions)
        assert whole.verdict.kind == end.verdict.kind
        assert whole.verdict.evidence == pytest.approx(end.verdict.evidence, nan_ok=True) or steps > 256


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(layda.errors.LaydaError, match="'numbra'; allowed"):
        layda.descend("x^2", "heavy-ball", start=1.0, backend="numbra")
