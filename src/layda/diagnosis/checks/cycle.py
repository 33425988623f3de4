"""Runs that go round without getting lower."""

from __future__ import annotations

import numpy as np

from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Finding, Sentence, tell
from layda.diagnosis.proposals import proposals, remedy_of, untried
from layda.diagnosis.settings import changed, steady
from layda.diagnosis.trials import Proposal, best_trial
from layda.words import later

__all__ = ["cycle"]

_FALL = 1e-3
"""A decay is proposed that takes the learning rate down to this share over the budget."""


def cycle(seen: Examined) -> Finding | None:
    """Cycling: at the limit, without friction, kept moving by noise, or caught in a cycle of the ground's own."""
    run = seen.run
    if run.verdict.kind != "cycling":
        return None
    evidence = run.verdict.evidence
    period = int(evidence.get("period", 0))
    width = float(evidence["displacement_4"])
    facts = [tell(later("over its last {window} steps the longest is {width}, and none gets it lower"),
                  window=int(evidence["window"]), width=width)]  # fmt: skip
    if period > 1:
        facts.append(tell(later("it comes back to the same places every {period} steps"), period=period))
    means, why = _reason(seen)
    steps = max(run.budget, 2)
    fading = changed(steady(run.rule), decay=float(_FALL ** (1.0 / steps)))
    fades = tell(later("a learning rate that fades lets the swing fade with it"))
    if run.objective.stochastic:
        return Finding("cycle", tuple(facts), means, (untried(seen, Proposal(fading, (fades,))),))
    tries = [*_calmed(seen, why), *proposals(seen), Proposal(fading, (fades,))]
    best = best_trial(seen, tries)
    return Finding("cycle", tuple(facts), means, () if best is None else (remedy_of(seen, best),))


def _reason(seen: Examined) -> tuple[tuple[Sentence, ...], Sentence]:
    """Why it goes round, and what a calmer setting is good for."""
    run, limit = seen.run, seen.limit
    calmer = tell(later("shorter steps and more friction let the swing die down"))
    if run.objective.stochastic:
        return (tell(later("every step sees another mini-batch, and their noise keeps it moving")),), calmer
    if seen.momentum is not None and seen.momentum >= 1.0:
        return (tell(later("β = 1: nothing of the velocity is ever forgotten, so nothing brakes")),), calmer
    if limit is not None and seen.rate > 0.8 * limit:
        return (
            tell(later("the learning rate {rate} is at the limit of stability, {limit}: it steps over the valley and "
                       "back"), rate=seen.rate, limit=limit),
        ), calmer  # fmt: skip
    if limit is not None and np.isfinite(limit):
        return (
            tell(later("the learning rate is stable for every curvature seen, but not for their change from place to "
                       "place: what is best on a bowl can go round on other ground")),
        ), calmer  # fmt: skip
    return (
        tell(later("its steps do not shrink with the slope, so it swings about the minimum by their length")),
    ), calmer


def _calmed(seen: Examined, why: Sentence) -> list[Proposal]:
    """Half and a quarter of the rate; less momentum."""
    rule, rate, momentum = steady(seen.run.rule), seen.rate, seen.momentum
    found = [Proposal(changed(rule, rate=0.25 * rate), (why,))]
    if momentum is not None and momentum > 0.5:
        found.insert(
            0,
            Proposal(
                changed(rule, rate=0.5 * rate, momentum=min(0.9, 2 * momentum - 1) if momentum < 1 else 0.9), (why,)
            ),
        )
    return found
