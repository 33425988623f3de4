"""What theory proposes for a run, from the curvatures that were measured on its way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Outcome, Remedy, Sentence, tell
from layda.diagnosis.settings import base_momentum, base_rate, changed, decay_of, momentum_name, steady
from layda.diagnosis.trials import Proposal, Trial
from layda.rule import Rule
from layda.words import later

__all__ = ["changes", "proposals", "remedy_of", "untried"]

_DIGITS = 14.0
"""ln(1e6), the digits that the stopping test asks for: a factor √κ/2 of steps for each."""


def proposals(seen: Examined) -> Iterator[Proposal]:
    """Rules to try, the most promising first: theory's best for what was measured, then more careful ones.

    On a bowl with curvatures from μ to L the best heavy ball has α = (2/(√L + √μ))² and β = ((√κ − 1)/(√κ + 1))². Away
    from bowls L differs from place to place, and what is best on one is too fast on the other; so smaller rates follow,
    down to α = 2(1 − β)/L, with which the energy of a heavy ball never rises.
    """
    rule = steady(seen.run.rule)
    if seen.bend is None:
        yield from _scaled(seen, rule)
        return
    own = seen.momentum
    steep, flat = seen.bend, _flattest_in_time(seen)
    tunings = []
    for largest in _apart(steep, None if seen.at_end is None else seen.at_end.largest):
        tuning = seen.tuning(min(flat, largest), largest)
        if tuning is not None:
            why = tell(
                later("with curvatures from {flat} to {steep} theory's best is {rate} per step"),
                flat=min(flat, largest), steep=largest, rate=tuning.rate,
            )  # fmt: skip
            tunings.append((tuning.rule, why))
    for tuned, why in tunings:
        yield Proposal(tuned, (why,))
    limit = seen.limit
    if limit is not None and limit < float("inf"):
        half = tell(later("half of the largest stable learning rate, {limit}"), limit=limit)
        yield Proposal(changed(rule, rate=0.5 * limit), (half,))
    for tuned, why in tunings:
        careful = tell(later("a quarter of it, since the ground is no bowl"))
        yield Proposal(changed(tuned, rate=0.25 * base_rate(tuned)), (why, careful))
    for momentum in dict.fromkeys(beta for beta in (own, 0.9, 0.97, 0.5) if beta is not None and beta < 1.0):
        calm = tell(later("with 2(1 − β)/L the energy of a heavy ball never rises"))
        yield Proposal(changed(rule, rate=2.0 * (1.0 - momentum) / steep, momentum=momentum), (calm,))
    if not tunings:
        yield from _scaled(seen, rule)
    tried = tell(later("of many settings tried this was the best"))
    for momentum in (0.9, 0.0, 0.97, 0.7, 0.99):
        for scale in (0.5, 0.1, 2.0, 0.02, 0.004):
            rate = scale * (1.0 if limit is None or not 0.0 < limit < float("inf") else limit)
            yield Proposal(changed(rule, rate=rate, momentum=momentum), (tried,))


def _apart(one: float, other: float | None) -> tuple[float, ...]:
    """Both, where they differ by more than a tenth and the second is above zero."""
    return (one,) if other is None or other <= 0.0 or abs(one - other) <= 0.1 * one else (one, other)


def _flattest_in_time(seen: Examined) -> float:
    """μ, but no smaller than what can be settled within half of the budget at all: √κ·14/2 steps for 1e-6."""
    assert seen.bend is not None
    budget = 0.5 * seen.run.budget
    in_time = seen.bend / max((2.0 * budget / _DIGITS) ** 2, 1.0)
    return min(max(seen.flattest or in_time, in_time), seen.bend)


def _scaled(seen: Examined, rule: Rule) -> Iterator[Proposal]:
    """Without curvature or theory: rates whose first step is a share of the box, and the run's own, changed."""
    why = tell(later("theory has no say here, so learning rates were chosen by the length of the first step"))
    with np.errstate(all="ignore"):
        slope = float(np.max(np.abs(seen.run.objective.value_and_gradient(np.array(seen.start))[1])))
    seen.spent += 1.0
    width = max(high - low for low, high in seen.run.objective.box)
    momentum = seen.momentum
    calm = None if momentum is None else min(momentum, 0.9)
    if 0.0 < slope < float("inf"):
        for share in (1e-2, 1e-3, 1e-1):
            yield Proposal(changed(rule, rate=share * width / slope, momentum=calm), (why,))
    rate = base_rate(rule)
    for factor in (0.1, 10.0, 0.01, 100.0, 0.3, 3.0) if rate > 0.0 else ():
        yield Proposal(changed(rule, rate=factor * rate), (why,))


def changes(old: Rule, new: Rule) -> dict[str, Any]:
    """What differs between two rules, by name, as numbers: learning_rate (of a schedule its start), momentum, decay."""
    found: dict[str, Any] = {}
    if base_rate(old) != base_rate(new):
        found["learning_rate"] = base_rate(new)
    name = momentum_name(new)
    if name is not None and getattr(old, name) != getattr(new, name):
        found[name] = base_momentum(new)
    if decay_of(old) != decay_of(new):
        found["decay"] = 1.0 if decay_of(new) is None else decay_of(new)
    elif type(old.learning_rate) is not type(new.learning_rate):  # type: ignore[attr-defined]
        found["learning_rate"] = base_rate(new)
    others = {key: value for key, value in new.settings().items() if key not in ("learning_rate", name)}
    return found | {key: value for key, value in others.items() if old.settings().get(key) != value}


def remedy_of(seen: Examined, trial: Trial, *more: Sentence, **options: Any) -> Remedy:
    """The remedy that a trial has shown to help (or what it came to)."""
    run = trial.run
    rule = trial.proposal.rule
    return Remedy(
        rule, changes(seen.run.rule, rule), (*trial.proposal.reasons, *more), start=trial.proposal.start,
        outcome=Outcome(run.verdict.kind, run.steps, run.value), **options,
    )  # fmt: skip


def untried(seen: Examined, proposal: Proposal, *more: Sentence, **options: Any) -> Remedy:
    """The remedy that a proposal makes without having been tried."""
    return Remedy(
        proposal.rule, changes(seen.run.rule, proposal.rule), (*proposal.reasons, *more), start=proposal.start,
        **options,
    )  # fmt: skip
