"""Runs that came to rest where they should not: in a poor minimum, or on a saddle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Finding, Outcome, Remedy, Sentence, tell
from layda.diagnosis.proposals import changes, remedy_of
from layda.diagnosis.trials import Proposal, Trial
from layda.diagnosis.windows import find_escape
from layda.theory import barrier
from layda.words import later

__all__ = ["minimum", "saddle"]

_PATH_DIMENSION = 20
_NUDGE = 1e-3


def minimum(seen: Examined) -> Finding | None:
    """Trapped: the barrier, the energy that lacks, and the α or β that escapes from this start."""
    run = seen.run
    if run.verdict.kind != "trapped":
        return None
    better = run.verdict.better
    facts: list[Sentence] = []
    means: list[Sentence] = []
    if better is not None:
        facts.append(
            tell(later("it rests at f = {value}; the best minimum known has f = {best}"), value=run.value,
                 best=better.value)
        )  # fmt: skip
        found = _barrier(seen)
        if found is not None:
            facts.append(found[0])
            means.append(found[1])
    escape = find_escape(seen)
    if escape is None:
        means.append(tell(later("no learning rate and momentum that was tried leads lower from this start")))
        return Finding("minimum", tuple(facts), tuple(means), _elsewhere(seen))
    known = better is not None and escape.value <= better.value + 1e-3 * (run.value - better.value)
    found_by = tell(later("{count} balls from this start with other settings were rolled; this is well inside a "
                          "window of those that escape"), count=escape.looked)  # fmt: skip
    reasons = [found_by]
    if not known:
        reasons.append(tell(later("none of them reaches the best minimum known; this is the lowest")))
    outcome = Outcome("converged" if known else "trapped", escape.steps, escape.value)
    remedy = Remedy(
        escape.rule, changes(run.rule, escape.rule), tuple(reasons), outcome=outcome, windows=escape.windows
    )
    return Finding("minimum", tuple(facts), tuple(means), (remedy,))


def _barrier(seen: Examined) -> tuple[Sentence, Sentence] | None:
    """How high the ground rises between the two minima, and what the ball lacked."""
    run = seen.run
    better = run.verdict.better
    if better is None or run.objective.dimension > _PATH_DIMENSION:
        return None
    found = barrier(run.objective, run.position, np.array(better.position))
    if not np.isfinite(found.height):
        return None
    between = (
        tell(later("between them the ground rises to f = {height}"), height=found.height) if found.exact else
        tell(later("between them the ground rises to f = {height} at most"), height=found.height)
    )  # fmt: skip
    start = run.objective.value(np.array(seen.start))
    if start < found.height:
        lack = tell(later("it started {missing} below that: so much energy was missing"), missing=found.height - start)
    else:
        lack = tell(
            later("it started {excess} above that, and friction took it before it was over"),
            excess=start - found.height,
        )  # fmt: skip
    return between, lack


def _elsewhere(seen: Examined) -> tuple[Remedy, ...]:
    """Another start: above the best minimum known, halfway to it from the box's nearer edge."""
    run = seen.run
    better = run.verdict.better
    if better is None:
        return ()
    goal, here = np.array(better.position), np.array(seen.start)
    why = tell(later("another start, nearer to the best minimum known"))
    for share in (0.5, 0.75, 0.9):
        start = tuple(float(x) for x in here + share * (goal - here))
        trial = seen.trial(run.rule, start=start)
        if trial.verdict.kind == "converged":
            return (remedy_of(seen, Trial(Proposal(run.rule, (why,), start), trial)),)
    return ()


def saddle(seen: Examined) -> Finding | None:
    """Saddle: a nudge along the direction in which the ground falls, from the Hessian."""
    run = seen.run
    if run.verdict.kind != "saddle":
        return None
    curvature = seen.at_end
    if curvature is None:
        return None
    facts = (tell(later("along one direction the ground bends down, with curvature {smallest}"),
                  smallest=curvature.smallest),)  # fmt: skip
    means = (tell(later("the slope is zero there, so the ball stands; the least push sends it on")),)
    width = max(high - low for low, high in run.objective.box)
    best: Remedy | None = None
    why = tell(later("a nudge of {size} along the direction that falls"), size=_NUDGE * width)
    for sign in (1.0, -1.0):
        place = run.position + sign * _NUDGE * width * np.asarray(curvature.flattest)
        start = tuple(float(x) for x in place)
        trial = seen.trial(run.rule, start=start)
        remedy = remedy_of(seen, Trial(Proposal(run.rule, (why,), start), trial))
        assert remedy.outcome is not None
        if best is None or best.outcome is None or _order(remedy.outcome) < _order(best.outcome):
            best = remedy
    return Finding("saddle", facts, means, () if best is None else (replace(best),))


def _order(outcome: Outcome) -> tuple[bool, float]:
    return (outcome.kind not in ("converged", "trapped"), outcome.value)
