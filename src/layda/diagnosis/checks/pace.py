"""Runs that were too slow: crawling or unfinished, and frozen because the learning rate vanished."""

from __future__ import annotations

import numpy as np

from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Finding, Remedy, Sentence, tell
from layda.diagnosis.proposals import proposals, remedy_of, untried
from layda.diagnosis.settings import base_rate, changed, decay_of, steady
from layda.diagnosis.trials import Proposal, best_trial
from layda.words import later

__all__ = ["pace", "reach"]

_SPARE = 1.25
"""A budget is recommended with so much to spare, since the steps needed are an extrapolation."""


def pace(seen: Examined) -> Finding | None:
    """Crawling or unfinished: α and β against what theory gives for the curvature seen."""
    run = seen.run
    kind = run.verdict.kind
    if kind not in ("crawling", "unfinished"):
        return None
    needed = float(run.verdict.evidence.get("steps_needed", np.inf))
    facts: list[Sentence] = []
    facts += _ground(seen)
    means: list[Sentence] = []
    limit = seen.limit
    if limit is not None and 0.0 < limit < np.inf:
        share = seen.rate / limit
        facts.append(
            tell(later("the largest stable learning rate is {limit}; it is {rate}"), limit=limit, rate=seen.rate)
        )
        if share < 0.1:
            means.append(tell(later("only {share} % of what is stable is used: the steps are too short"),
                              share=_two(100.0 * share)))  # fmt: skip
    if seen.flattest is not None and seen.steepest is not None and seen.steepest > 30.0 * seen.flattest:
        means.append(
            tell(later("the valley is {ratio} times as steep across as along: plain steps along it stay short, and "
                       "momentum is what helps"), ratio=_two(seen.steepest / seen.flattest))
        )  # fmt: skip
    remedies: list[Remedy] = []
    best = best_trial(seen, list(proposals(seen)))
    if best is not None and (best.settled or best.run.value < run.value):
        remedies.append(remedy_of(seen, best))
    if kind == "unfinished" and needed < 1e9:
        budget = int(_SPARE * (run.steps + needed)) + 1
        why = tell(later("or the same settings with more steps"))
        remedies.append(Remedy(run.rule, {}, (why,), steps=budget))
    if not remedies:
        remedies = [untried(seen, proposal) for proposal in list(proposals(seen))[:1]]
    return Finding("pace", tuple(facts), tuple(means), tuple(remedies))


def _ground(seen: Examined) -> list[Sentence]:
    """The curvature, in a sentence."""
    if seen.steepest is None:
        return []
    if seen.flattest is None:
        return [tell(later("the largest curvature on its way is {steepest}"), steepest=seen.steepest)]
    return [
        tell(later("the curvature goes from {flattest} to {steepest}"), flattest=seen.flattest, steepest=seen.steepest)
    ]


def _two(number: float) -> float:
    """Two figures: all that an extrapolation is worth."""
    return float(f"{number:.2g}")


def reach(seen: Examined) -> Finding | None:
    """Frozen: the distance that the sum of the learning rates allows, against the distance needed; the least δ."""
    run = seen.run
    if run.verdict.kind != "frozen":
        return None
    if run.verdict.evidence["largest_rate"] == 0.0:
        facts = (tell(later("the learning rate is 0 at every step")),)
        means = (tell(later("a ball that takes no step arrives nowhere")),)
        best = best_trial(seen, [Proposal(steady(p.rule), p.reasons) for p in proposals(seen)])
        return Finding("reach", facts, means, () if best is None else (remedy_of(seen, best),))
    allowed, needed = _distances(seen)
    found = [
        tell(
            later("the learning rate fell from {largest} to {rate}"),
            largest=float(run.verdict.evidence["largest_rate"]), rate=float(run.verdict.evidence["rate"]),
        )
    ]  # fmt: skip
    if np.isfinite(needed):
        found.append(
            tell(later("the sum of its steps allows {allowed}, and about {needed} was needed"), allowed=allowed,
                 needed=needed)
        )  # fmt: skip
    means = (
        tell(later("the brake came before the arrival: the ball is held by its learning rate, not by the ground")),
    )
    slower = list(_slower(seen, allowed, needed))
    best = best_trial(seen, [*slower, *proposals(seen)])
    remedies = () if best is None else (remedy_of(seen, best),)
    return Finding("reach", tuple(found), means, remedies or tuple(untried(seen, one) for one in slower[:1]))


def _distances(seen: Examined) -> tuple[float, float]:
    """The way that the rates allow, and the way that was needed (infinite when nothing tells)."""
    run = seen.run
    evidence = run.verdict.evidence
    with np.errstate(all="ignore"):
        gone = float(np.sum(np.max(np.abs(np.diff(run.positions, axis=0)), axis=1))) if len(run.positions) > 1 else 0.0
    gone = gone or float(evidence["extent"])
    rest = float(evidence["distance"])
    if not np.isfinite(rest) and run.verdict.better is not None:
        rest = float(np.max(np.abs(np.array(run.verdict.better.position) - run.position)))
    return gone, gone + rest


def _slower(seen: Examined, allowed: float, needed: float) -> list[Proposal]:
    """The least δ whose rates sum up to enough, then nearer to 1, then no decay at all."""
    rule, decay = seen.run.rule, decay_of(seen.run.rule)
    found: list[Proposal] = []
    if decay is not None and np.isfinite(needed) and needed > 0.0:
        least = 1.0 - (1.0 - decay) * allowed / needed
        why = tell(later("the sum of the rates grows like 1/(1 − δ), so δ must be at least {least}"), least=least)
        for share in (0.5, 0.1, 0.02):
            found.append(Proposal(changed(rule, decay=1.0 - share * (1.0 - least)), (why,)))
    why = tell(later("without a decay nothing holds it"))
    return [*found, Proposal(changed(steady(rule), rate=base_rate(rule)), (why,))]
