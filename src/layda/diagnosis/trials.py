"""A short race between remedies, within a purse: the proposals of theory first, then what lies around the best.

A trial is better that settles at a better minimum, then one that settles after fewer steps, then one that ends lower.
Once one has settled, later ones get no more steps than it took.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Sentence, tell
from layda.diagnosis.settings import base_momentum, base_rate, changed
from layda.rule import Rule
from layda.run import Trajectory
from layda.words import later

__all__ = ["Proposal", "Trial", "best_trial", "neighbours"]

_RANK = {"converged": 0, "trapped": 1, "saddle": 3}
_UNSETTLED, _BROKEN = 2, 4
_ROUNDS = 12
_FIRST = 2
_HALVINGS = 4
_HEATS = ((8, 0.3, 8), (2, 0.4, 3))
"""Heats: the part of the budget, the share of the purse, how many go on."""


@dataclass(frozen=True)
class Proposal:
    """A rule to try. reasons: why. steps: another budget; start: another start."""

    rule: Rule
    reasons: tuple[Sentence, ...]
    start: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Trial:
    """A proposal and what became of it."""

    proposal: Proposal
    run: Trajectory

    @property
    def rank(self) -> tuple[float, float, float]:
        """Smaller is better."""
        run = self.run
        kind = run.verdict.kind
        if not np.isfinite(run.value) or kind in ("diverged", "undefined"):
            return (_BROKEN, np.inf, np.inf)
        place = _RANK.get(kind, _UNSETTLED)
        if place == 0:
            return (0, run.steps, run.value)
        return (place, run.value, run.steps)

    @property
    def settled(self) -> bool:
        """Whether it came to rest in a minimum."""
        return self.run.verdict.kind in ("converged", "trapped")


def best_trial(seen: Examined, proposals: Sequence[Proposal], rounds: int = _ROUNDS) -> Trial | None:
    """The best of the proposals and of what lies around it; ``None`` when the purse holds no trial.

    The first proposals are tried to their end. If none of them settles in the best minimum, all are tried for an eighth
    of the budget, the better ones for half of it, the best to the end; then what lies around the best, as long as that
    gets better.

    Args:
        seen: the run, with its purse.
        proposals: what to try, the most promising first.
        rounds: how often the neighbourhood of the best is searched while nothing has settled in the best minimum;
            afterwards once more.
    """
    race = _Race(seen)
    for proposal in proposals[:_FIRST]:
        race.enter_halved(proposal)
    if not race.arrived:
        race.enter(_heats(seen, proposals[_FIRST:]))
    factor = 2.0
    for _ in range(rounds):
        before, arrived = race.best, race.arrived
        if before is None:
            break
        race.enter(list(neighbours(before.proposal, factor)))
        if arrived:
            break
        if race.best is before:
            factor = factor**0.5
    return race.best


class _Race:
    """Trials to the end of the budget, and the best of them."""

    def __init__(self, seen: Examined) -> None:
        self.seen = seen
        self.best: Trial | None = None
        self._tried: set[Rule] = set()

    @property
    def arrived(self) -> bool:
        """Whether one has settled in the best minimum that is known."""
        return self.best is not None and self.best.run.verdict.kind == "converged"

    def enter_halved(self, proposal: Proposal) -> None:
        """Try it, and half its learning rate as long as the ball is thrown away: that is known after a few steps."""
        for _ in range(_HALVINGS):
            trial = self._try(proposal)
            if trial is None or trial.rank[0] != _BROKEN:
                break
            half = tell(later("half of it, since with the whole the ball was thrown away"))
            smaller = changed(proposal.rule, rate=0.5 * base_rate(proposal.rule))
            proposal = Proposal(smaller, (*proposal.reasons[:1], half), proposal.start)

    def enter(self, proposals: Sequence[Proposal]) -> None:
        """Try them, as far as the purse goes; once one has arrived, none gets more steps than it took."""
        for proposal in proposals:
            self._try(proposal)

    def _try(self, proposal: Proposal) -> Trial | None:
        steps = self.seen.run.budget
        if self.best is not None and self.arrived:
            steps = min(steps, self.best.run.steps)
        if proposal.rule in self._tried or not self.seen.affords(steps + 1):
            return None
        self._tried.add(proposal.rule)
        trial = Trial(proposal, self.seen.trial(proposal.rule, steps=steps, start=proposal.start))
        if self.best is None or trial.rank < self.best.rank:
            self.best = trial
        return trial


def _heats(seen: Examined, proposals: Sequence[Proposal]) -> list[Proposal]:
    """The best of many, by short trials whose length grows as their number falls (successive halving).

    Source: Jamieson and Talwalkar 2016, arXiv:1502.07943.
    """
    left = list({proposal.rule: proposal for proposal in proposals}.values())
    for part, share, keep in _HEATS:
        steps = max(seen.run.budget // part, 1)
        places = min(len(left), int(share * seen.left / (steps + 1)))
        trials = [Trial(one, seen.trial(one.rule, steps=steps, start=one.start)) for one in left[:places]]
        trials.sort(key=lambda trial: trial.rank)
        left = [trial.proposal for trial in trials[:keep]]
    return left


def neighbours(proposal: Proposal, factor: float = 2.0) -> Iterator[Proposal]:
    """α or 1 − β a factor smaller and larger, and both together where the effective rate α/(1 − β) stays."""
    rule = proposal.rule
    rate, momentum = base_rate(rule), base_momentum(rule)
    why = tell(later("a short race around it found this one better"))

    def beside(scale: float, keep: float | None) -> Proposal:
        return Proposal(changed(rule, rate=scale * rate, momentum=keep), (*proposal.reasons[:1], why), proposal.start)

    yield beside(1.0 / factor, momentum)
    yield beside(factor, momentum)
    if momentum is not None:
        less = 1.0 - min(factor * (1.0 - momentum), 1.0)
        more = 1.0 - (1.0 - momentum) / factor
        yield beside(1.0, less)
        yield beside(1.0, more)
        yield beside(1.0 / factor, more)
        yield beside(factor, less)
