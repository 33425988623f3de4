"""Verdicts held against a corpus whose labels come from theory (see tests/corpus)."""

from __future__ import annotations

from collections import Counter

import pytest

from layda.measures import VERDICTS
from layda.objective import TracedObjective
from tests.corpus import FAMILIES, SEED, Case, drawn

_COUNT = 24
"""Runs of each verdict in an ordinary test run; ``--runs 3`` and more draw other seeds, too (72 and more of each)."""


def wrong(label: str, runs: int) -> tuple[list[tuple[Case, str]], int]:
    """The cases of that label with another verdict, and how many were run."""
    found, count = [], 0
    for seed in range(SEED, SEED + runs):
        for number in range(_COUNT):
            case = drawn(label, number, seed)
            run = case.run(record="end")
            count += 1
            if run.verdict.kind != label:
                found.append((case, run.verdict.kind))
            elif case.period:
                assert run.verdict.evidence["period"] == case.period, str(case)
    return found, count


@pytest.mark.parametrize("label", VERDICTS)
def test_verdicts_are_those_of_theory(label: str, runs: int) -> None:
    found, count = wrong(label, runs)
    told = "\n".join(f"{case} -> {kind}: {case.why}" for case, kind in found)
    assert len(found) <= max(1, 0.03 * count), told
    assert not [case for case, kind in found if kind == "converged"], told


def test_the_period_three_cycle_is_found() -> None:
    for seed in range(6):
        case = drawn("cycling", 0, seed)
        assert case.family == "period three"
        run = case.run(record="end")
        assert (run.verdict.kind, run.verdict.evidence["period"]) == ("cycling", 3), str(case)


def test_the_same_seed_draws_the_same_corpus() -> None:
    for label in VERDICTS:
        one, two, other = drawn(label, 0, 1), drawn(label, 0, 1), drawn(label, 0, 2)
        assert (str(one), one.start) == (str(two), two.start)
        assert (str(one), one.start) != (str(other), other.start)
        assert FAMILIES[label]


def test_an_ensemble_gives_the_verdict_of_the_descent(runs: int) -> None:
    pytest.importorskip("xarray")
    from layda.run.ensemble import ensemble

    seen: Counter[str] = Counter()
    for label in VERDICTS:
        for number in range(4 * runs):
            case = drawn(label, number, SEED + 100)
            small = isinstance(case.objective, TracedObjective) and case.objective.dimension <= 2
            if not small or seen[label] >= 2 * runs:
                continue
            one = case.run(record="end")
            many = ensemble(case.objective, case.rule, [case.start], steps=case.steps, keep=("verdict", "steps"))
            assert VERDICTS[int(many.verdict[0])] == one.verdict.kind, str(case)
            assert int(many.steps[0]) == one.steps, str(case)
            seen[label] += 1
    assert len(seen) >= 6


@pytest.mark.parametrize(("flatness", "aside"), [(1e-5, 1e-3), (2e-6, 0.01), (1e-7, 1.0), (1e-8, 1.0), (1e-9, 1.0)])
@pytest.mark.parametrize("convex", [False, True])
def test_a_slope_that_steep_directions_hide_is_seen(flatness: float, aside: float, convex: bool) -> None:
    """While x still rings, largest values alone show nothing of the way that is left along y."""
    pytest.importorskip("xarray")
    from layda.objective import Minimum, from_function
    from layda.rules import GradientDescent
    from layda.run.descend import descend
    from layda.run.ensemble import ensemble

    valley = from_function(
        lambda x, y: 0.5 * (x * x + flatness * (y * y)), box=(-2, 2), minima=[Minimum((0.0, 0.0), 0.0)], convex=convex
    )
    run = descend(valley, GradientDescent(0.1), start=(1.0, aside), steps=2000)
    assert run.position[1] > 0.99 * aside
    assert run.verdict.kind == "crawling"
    assert run.verdict.evidence["flat_way"] > 0.5 * aside
    assert run.verdict.evidence["steps_needed"] > 10 * 2000
    many = ensemble(valley, GradientDescent(0.1), [(1.0, aside)], steps=2000)
    assert VERDICTS[int(many.verdict[0])] == "crawling"
    assert int(many.basin[0]) == -1


def test_a_flat_bottom_is_still_a_minimum() -> None:
    """Where f is flat and level, having arrived is arriving."""
    from layda.objective import from_function
    from layda.rules import HeavyBall
    from layda.run.descend import descend

    trough = from_function(lambda x, y: 0.5 * (x + y) ** 2, box=(-2, 2))
    run = descend(trough, HeavyBall(0.1, 0.5), start=(1.0, 0.5), steps=2000)
    assert run.verdict.kind == "converged"
