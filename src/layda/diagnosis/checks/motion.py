"""Runs that broke: thrown away, or come to where f has no value."""

from __future__ import annotations

import numpy as np

from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Finding, Remedy, Sentence, tell
from layda.diagnosis.proposals import proposals, remedy_of, untried
from layda.diagnosis.settings import base_rate, changed, steady
from layda.diagnosis.trials import Proposal, Trial, best_trial
from layda.words import later

__all__ = ["domain", "stability"]

_LADDER = 6
_TRIAL_STEPS = 10
_RACE = 4.0
"""A purse of so many budgets holds a race."""

_CALM = 0.9
_LEAST = 400.0
"""So many gradients may be spent on a run that left where f exists, however short it was."""
_BROKEN = ("diverged", "undefined")


def stability(seen: Examined) -> Finding | None:
    """Diverged: the learning rate against the largest stable one where it was steepest."""
    run = seen.run
    if run.verdict.kind != "diverged":
        return None
    rate, limit = seen.rate, seen.limit
    facts: list[Sentence] = []
    means: list[Sentence] = []
    if seen.steepest is not None:
        facts.append(tell(later("the largest curvature on its way is {steepest}"), steepest=seen.steepest))
    if limit is not None and limit < np.inf:
        ratio = rate / limit if limit > 0.0 else np.inf
        facts.append(
            tell(later("there the learning rate must stay below {limit}; it is {rate}"), limit=limit, rate=rate)
        )
        if ratio > 1.0:
            means.append(tell(later("it is {ratio} times too large: every swing is longer than the last"), ratio=ratio))
        else:
            means.append(
                tell(later("that is below the limit, but the ball comes to steeper ground than was measured, or the "
                           "ground falls without end"))
            )  # fmt: skip
    if run.objective.stochastic:
        means.append(
            tell(later("the limit is that of the whole table; mini-batches need a smaller rate: try it with the full "
                       "batch to tell one from the other"))
        )  # fmt: skip
    return Finding("stability", tuple(facts), tuple(means), _calmer(seen))


def _calmer(seen: Examined) -> tuple[Remedy, ...]:
    """By a race, if the purse holds one; else what theory calls safe, and smaller until it does not break."""
    if seen.affords(_RACE * (seen.run.budget + 1)):
        best = best_trial(seen, list(proposals(seen)))
        if best is not None and best.run.verdict.kind not in _BROKEN:
            return (remedy_of(seen, best),)
    return _ladder(seen, _safe(seen))


def _safe(seen: Examined) -> Proposal:
    """At most β = .9, and α = 2(1 − β)/L, with which a heavy ball's energy never rises; no decay that freezes it."""
    rule, momentum = steady(seen.run.rule), seen.momentum
    if seen.bend is None:
        return Proposal(changed(rule, rate=0.25 * seen.rate), ())
    calm = min(0.0 if momentum is None else momentum, _CALM)
    rate = min(2.0 * (1.0 - calm) / seen.bend, 0.5 * seen.rate if seen.momentum == calm else np.inf)
    if seen.limit is not None:
        rate = min(rate, 0.5 * seen.limit) if seen.limit > 0.0 else rate
    why = tell(later("with α = 2(1 − β)/L the energy of a heavy ball never rises, L being the curvature measured"))
    return Proposal(changed(rule, rate=rate, momentum=None if momentum is None else calm), (why,))


def _ladder(seen: Examined, proposal: Proposal, factor: float = 0.25) -> tuple[Remedy, ...]:
    """The proposal, at the largest of some falling rates with which the ball does not break for a while."""
    unbroken: Remedy | None = None
    for _ in range(_LADDER):
        steps = min(seen.run.budget, int(0.5 * seen.left) - 1)
        if steps < min(seen.run.budget, max(2 * seen.run.steps, _TRIAL_STEPS)):
            break
        run = seen.trial(proposal.rule, steps=steps)
        if run.verdict.kind not in _BROKEN:
            if run.verdict.kind in ("converged", "trapped"):
                return (remedy_of(seen, Trial(proposal, run)),)
            if steps < seen.run.budget:
                held = tell(later("it held for the {steps} steps of a trial"), steps=run.steps)
                return (untried(seen, proposal, held),) if unbroken is None else (unbroken,)
            unbroken = unbroken or remedy_of(seen, Trial(proposal, run))  # it did not come to rest: a smaller one may
        smaller = tell(later("a part of {rate}, which was too large"), rate=base_rate(proposal.rule))
        proposal = Proposal(changed(proposal.rule, rate=factor * base_rate(proposal.rule)), (smaller,))
    return (unbroken or untried(seen, proposal),)


def domain(seen: Examined) -> Finding | None:
    """Undefined: the step, the coordinate, and where along the last step f ends."""
    run = seen.run
    if run.verdict.kind != "undefined":
        return None
    evidence = run.verdict.evidence
    seen.purse = max(seen.purse, _LEAST)
    facts = [
        tell(
            later("step {step} led to {coordinate} = {value}, where f has no value"), step=run.steps,
            coordinate=str(evidence["coordinate"]), value=float(evidence["coordinate_value"]),
        )
    ]  # fmt: skip
    edge = _edge(seen, str(evidence["coordinate"]))
    if edge is not None:
        told = {name: value for name, value in edge.items() if name != "share"}
        facts.append(tell(later("on that way f exists up to {coordinate} = {edge}"), **told))
    means = (tell(later("the step was longer than the way to the edge: the learning rate is too large there")),)
    why = tell(later("half of the way to the edge, and less if that is still too far"))
    share = 0.5 if edge is None else float(edge["share"])
    smaller = Proposal(changed(steady(run.rule), rate=0.5 * share * seen.rate), (why,))
    return Finding("domain", tuple(facts), means, _ladder(seen, smaller, 0.5))


def _edge(seen: Examined, coordinate: str) -> dict[str, float | str] | None:
    """Where f ends between the last place where it had a value and the next, and at which share of that way."""
    run, index = seen.run, seen.run.objective.coordinates.index(coordinate)
    inside = np.array(seen.start) if len(run.positions) < 2 else run.positions[-2]
    outside = run.positions[-1]
    if not np.all(np.isfinite(outside)):
        return None

    def exists(place: np.ndarray) -> bool:
        with np.errstate(all="ignore"):
            return bool(run.objective.is_defined(place)) and bool(np.isfinite(run.objective.value(place)))

    if not exists(inside) or exists(outside):
        return None
    first = inside
    for _ in range(60):
        middle = 0.5 * (inside + outside)
        if exists(middle):
            inside = middle
        else:
            outside = middle
    whole = float(np.max(np.abs(run.positions[-1] - first)))
    share = float(np.max(np.abs(inside - first))) / whole if whole > 0.0 else 1.0
    return {"coordinate": coordinate, "edge": float(inside[index]), "share": share}
