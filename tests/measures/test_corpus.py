"""Verdicts against a labelled corpus that theory made (tests/corpus); for figures see benchmarks/verdicts.py."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from layda.measures import VERDICTS
from layda.objective import TracedObjective
from layda.rule import Rule
from layda.rules import ALL
from layda.schedules import Schedule
from tests.corpus import FAMILIES, SEED, Case, drawn

COUNT = 60


@pytest.mark.parametrize("label", VERDICTS)
def test_verdicts_are_those_of_theory(label: str, runs: int) -> None:
    """Of each class at least 97% (over all 99%), and never converged where theory says otherwise."""
    wrong = []
    for number in range(COUNT * runs):
        case = drawn(label, number, SEED + runs - 1)
        kind = case.run().verdict.kind
        if kind != label:
            wrong.append((kind, str(case)))
    assert not [told for kind, told in wrong if kind == "converged"], "a false converged"
    assert len(wrong) <= 0.03 * COUNT * runs, wrong


def test_the_period_of_the_counterexample_is_three() -> None:
    periodic = [case for number in range(COUNT) if (case := drawn("cycling", number)).period]
    assert len(periodic) >= 5
    for case in periodic:
        verdict = case.run().verdict
        assert (verdict.kind, verdict.evidence["period"]) == ("cycling", case.period), str(case)


def test_an_ensemble_gives_the_same_verdicts() -> None:
    """A sample of the traced runs with few coordinates, each as an ensemble of one."""
    import layda

    pytest.importorskip("xarray")
    for label in VERDICTS:
        looked = 0
        for number in range(COUNT):
            case = drawn(label, number)
            if not isinstance(case.objective, TracedObjective) or len(case.start) > 2:
                continue
            found = layda.ensemble(case.objective, case.rule, [case.start], steps=case.steps, keep=("verdict",))
            assert VERDICTS[int(found.verdict.values[0])] == case.run().verdict.kind, str(case)
            looked += 1
            if looked == 3:
                break
        assert looked, label


def _cases() -> list[Case]:
    return [drawn(label, number) for label in VERDICTS for number in range(COUNT)]


def test_the_corpus_is_as_wide_as_it_says() -> None:
    cases = _cases()
    rules = {type(case.rule) for case in cases}
    assert rules == set(ALL)
    dimensions = {len(case.start) for case in cases}
    assert min(dimensions) == 1
    assert max(dimensions) == 100
    assert any(case.objective.stochastic for case in cases)
    scheduled = [case for case in cases if _scheduled(case.rule)]
    assert len(scheduled) >= 40
    sizes = [np.log10(max(abs(x) for x in case.start) or 1.0) for case in cases]
    assert min(sizes) < -4
    assert max(sizes) > 4
    assert all(count >= COUNT for count in Counter(case.label for case in cases).values())
    assert all(len(families) >= 3 for families in FAMILIES.values())


def _scheduled(rule: Rule) -> bool:
    return any(isinstance(value, Schedule) for value in rule.settings().values())


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    assert str(drawn("crawling", 3)) == str(drawn("crawling", 3))
    assert drawn("crawling", 3).start == drawn("crawling", 3).start
    assert drawn("crawling", 3, 5).start != drawn("crawling", 3).start
