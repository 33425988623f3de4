"""Verdicts in words: one sentence on what happened, with its numbers, and what special settings did."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from layda.rule import Rule
from layda.run import Trajectory
from layda.schedules import ExponentialDecay

__all__ = ["SHORT", "describe", "remarks"]

SHORT: dict[str, str] = {
    "converged": "settled at a minimum, and no better one is known",
    "trapped": "settled at a minimum, but a better one is known",
    "saddle": "settled where the ground still falls to a side",
    "frozen": "the learning rate vanished before the ball arrived",
    "cycling": "goes round without getting lower",
    "diverged": "was thrown away to infinity",
    "undefined": "came to where the objective has no value",
    "crawling": "would need more than ten further budgets",
    "unfinished": "was still on its way when the budget ended",
}
"""Verdict -> what it means, in a few words."""


def describe(run: Trajectory, *, notes: bool = True) -> str:
    """One run in one sentence, with the numbers that matter, and a second one for settings at their limits.

    Args:
        run: the run.
        notes: whether to add what holds for the objective as a whole (mini-batches, finite differences).

    >>> import layda
    >>> describe(layda.descend("x^2", "gradient-descent:learning_rate=0.25", start=1.0))
    'settled after 30 steps at a minimum; no better one is known'
    """
    return ". ".join([_SENTENCES[run.verdict.kind](run), *remarks(run), *(run.verdict.notes if notes else ())])


def _number(value: Any) -> str:
    return f"{float(value):.4g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def _count(steps: float) -> str:
    """Two figures are all that an extrapolation is worth."""
    return f"{float(f'{steps:.2g}'):,.0f}" if steps < 1e6 else f"{steps:.1g}".replace("e+0", "e").replace("e+", "e")


def _converged(run: Trajectory) -> str:
    return f"settled after {run.steps} steps at a minimum; no better one is known"


def _trapped(run: Trajectory) -> str:
    better = run.verdict.better
    known = "" if better is None else f"; the best known one is {_number(run.value - better.value)} lower{_place(run)}"
    return f"settled after {run.steps} steps at a poor minimum{known}"


def _place(run: Trajectory) -> str:
    better = run.verdict.better
    if better is None or len(better.position) > 3:
        return ""
    names = run.objective.coordinates
    return ", at " + ", ".join(f"{name} = {_number(x)}" for name, x in zip(names, better.position, strict=True))


def _saddle(run: Trajectory) -> str:
    curvature = run.verdict.evidence.get("smallest_curvature")
    shown = "" if curvature is None else f" (curvature {_number(curvature)})"
    return f"settled after {run.steps} steps at a saddle: the ground still falls to a side{shown}"


def _frozen(run: Trajectory) -> str:
    seen = run.verdict.evidence
    if seen["largest_rate"] == 0.0:
        return f"never moved: the learning rate is 0 while the gradient is {_number(seen['gradient'])}"
    return (
        f"froze: the learning rate fell from {_number(seen['largest_rate'])} to {_number(seen['rate'])} "
        f"while the gradient is still {_number(seen['gradient'])}"
    )


def _cycling(run: Trajectory) -> str:
    if run.objective.stochastic:
        return "gets no lower: every step sees another mini-batch, and their noise keeps it moving (a noise floor)"
    period = run.verdict.evidence.get("period", 0)
    if period > 1:
        return f"goes round with period {period} without getting lower"
    return f"swings without getting lower over the last {int(run.verdict.evidence['window'])} steps"


def _diverged(run: Trajectory) -> str:
    if run.steps < run.budget:
        return f"was thrown away to infinity at step {run.steps}"
    return f"is farther away from step to step after {run.steps} steps"


def _undefined(run: Trajectory) -> str:
    seen = run.verdict.evidence
    return (
        f"came at step {run.steps} to {seen['coordinate']} = {_number(seen['coordinate_value'])}, "
        "where the objective has no value"
    )


def _crawling(run: Trajectory) -> str:
    needed = run.verdict.evidence["steps_needed"]
    shown = f"about {_count(needed)} more" if needed < 1e15 else "endlessly many more"
    return f"crawls: at this pace {shown} steps are needed after the first {run.steps}"


def _unfinished(run: Trajectory) -> str:
    needed = run.verdict.evidence["steps_needed"]
    if run.verdict.evidence["window"] == 0.0:
        return f"was on its way after {run.steps} of {run.budget} steps, too few to tell how many more are needed"
    return f"was on its way after {run.steps} steps; about {_count(max(needed, 1.0))} more are needed"


_SENTENCES = {
    "converged": _converged, "trapped": _trapped, "saddle": _saddle, "frozen": _frozen, "cycling": _cycling,
    "diverged": _diverged, "undefined": _undefined, "crawling": _crawling, "unfinished": _unfinished,
}  # fmt: skip


def remarks(run: Trajectory) -> tuple[str, ...]:
    """What β = 1, δ = 0 and δ = 1 did, since the lecture asks."""
    found: list[str] = []
    rule = run.rule
    if 1.0 in _momenta(rule):
        found.append(
            "β = 1: nothing of the velocity is ever forgotten, so the ball has no friction and does not come to rest"
        )
    for field in fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, ExponentialDecay) and value.decay == 0.0:
            when = (
                "before the first step, so no step was taken"
                if value.before_first_step
                else "after the first step, which was the only push"
            )
            found.append(f"δ = 0: the learning rate became 0 {when}")
        if isinstance(value, ExponentialDecay) and value.decay == 1.0:
            found.append("δ = 1: the learning rate never changed, as if nothing were damped")
    return tuple(found)


def _momenta(rule: Rule) -> list[Any]:
    found: list[Any] = []
    for field in fields(rule):
        if field.name in ("momentum", "beta1"):
            found.append(getattr(rule, field.name))
        elif field.name == "momenta":
            found += getattr(rule, field.name)
    return found
