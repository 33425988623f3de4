"""Verdicts in words: one sentence on what happened, with its numbers, and what special settings did."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from layda.diagnosis.findings import Sentence, shown, tell
from layda.rule import Rule
from layda.run import Trajectory
from layda.schedules import ExponentialDecay
from layda.words import Say, later, speaker

__all__ = ["SHORT", "describe", "remarks"]

SHORT: dict[str, str] = {
    "converged": later("settled at a minimum, and no better one is known"),
    "trapped": later("settled at a minimum, but a better one is known"),
    "saddle": later("settled where the ground still falls to a side"),
    "frozen": later("the learning rate vanished before the ball arrived"),
    "cycling": later("goes round without getting lower"),
    "diverged": later("was thrown away to infinity"),
    "undefined": later("came to where the objective has no value"),
    "crawling": later("would need more than ten further budgets"),
    "unfinished": later("was still on its way when the budget ended"),
}
"""Verdict -> what it means, in a few words."""


def describe(run: Trajectory, *, notes: bool = True, language: str = "en") -> str:
    """One run in one sentence, with the numbers that matter, and a second one for settings at their limits.

    Args:
        run: the run.
        notes: whether to add what holds for the objective as a whole (mini-batches, finite differences).
        language: one of :data:`layda.words.LANGUAGES`.

    >>> import layda
    >>> run = layda.descend("x^2", "gradient-descent:learning_rate=0.25", start=1.0)
    >>> describe(run)
    'settled after 30 steps at a minimum; no better one is known'
    >>> describe(run, language="vi")
    'dừng lại sau 30 bước tại một cực tiểu; chưa biết cực tiểu nào tốt hơn'
    """
    say = speaker(language)
    told = [_SENTENCES[run.verdict.kind](run).spoken(say), *remarks(run, say)]
    return ". ".join([*told, *(map(say, run.verdict.notes) if notes else ())])


def _count(steps: float) -> str:
    """Two figures are all that an extrapolation is worth."""
    return f"{float(f'{steps:.2g}'):,.0f}" if steps < 1e6 else f"{steps:.1g}".replace("e+0", "e").replace("e+", "e")


def _converged(run: Trajectory) -> Sentence:
    return tell(later("settled after {steps} steps at a minimum; no better one is known"), steps=run.steps)


def _trapped(run: Trajectory) -> Sentence:
    better = run.verdict.better
    if better is None:
        return tell(later("settled after {steps} steps at a poor minimum"), steps=run.steps)
    numbers: dict[str, Any] = {"steps": run.steps, "gap": run.value - better.value}
    if len(better.position) > 3:
        return tell(
            later("settled after {steps} steps at a poor minimum; the best known one is {gap} lower"), **numbers
        )
    pairs = zip(run.objective.coordinates, better.position, strict=True)
    place = ", ".join(f"{name} = {shown(float(x))}" for name, x in pairs)
    return tell(
        later("settled after {steps} steps at a poor minimum; the best known one is {gap} lower, at {place}"),
        **numbers, place=place,
    )  # fmt: skip


def _saddle(run: Trajectory) -> Sentence:
    curvature = run.verdict.evidence.get("smallest_curvature")
    if curvature is None:
        return tell(later("settled after {steps} steps at a saddle: the ground still falls to a side"), steps=run.steps)
    return tell(
        later("settled after {steps} steps at a saddle: the ground still falls to a side (curvature {curvature})"),
        steps=run.steps, curvature=float(curvature),
    )  # fmt: skip


def _frozen(run: Trajectory) -> Sentence:
    seen = run.verdict.evidence
    gradient = float(seen["gradient"])
    if seen["largest_rate"] == 0.0:
        return tell(later("never moved: the learning rate is 0 while the gradient is {gradient}"), gradient=gradient)
    return tell(
        later("froze: the learning rate fell from {largest} to {rate} while the gradient is still {gradient}"),
        largest=float(seen["largest_rate"]), rate=float(seen["rate"]), gradient=gradient,
    )  # fmt: skip


def _cycling(run: Trajectory) -> Sentence:
    if run.objective.stochastic:
        return tell(
            later("gets no lower: every step sees another mini-batch, and their noise keeps it moving (a noise floor)")
        )
    period = run.verdict.evidence.get("period", 0)
    if period > 1:
        return tell(later("goes round with period {period} without getting lower"), period=period)
    window = int(run.verdict.evidence["window"])
    return tell(later("swings without getting lower over the last {window} steps"), window=window)


def _diverged(run: Trajectory) -> Sentence:
    if run.steps < run.budget:
        return tell(later("was thrown away to infinity at step {steps}"), steps=run.steps)
    return tell(later("is farther away from step to step after {steps} steps"), steps=run.steps)


def _undefined(run: Trajectory) -> Sentence:
    seen = run.verdict.evidence
    return tell(
        later("came at step {steps} to {coordinate} = {value}, where the objective has no value"),
        steps=run.steps, coordinate=seen["coordinate"], value=float(seen["coordinate_value"]),
    )  # fmt: skip


def _crawling(run: Trajectory) -> Sentence:
    needed = run.verdict.evidence["steps_needed"]
    if needed < 1e15:
        return tell(
            later("crawls: at this pace about {needed} more steps are needed after the first {steps}"),
            needed=_count(needed), steps=run.steps,
        )  # fmt: skip
    return tell(
        later("crawls: at this pace endlessly many more steps are needed after the first {steps}"), steps=run.steps
    )


def _unfinished(run: Trajectory) -> Sentence:
    needed = run.verdict.evidence["steps_needed"]
    if run.verdict.evidence["window"] == 0.0:
        return tell(
            later("was on its way after {steps} of {budget} steps, too few to tell how many more are needed"),
            steps=run.steps, budget=run.budget,
        )  # fmt: skip
    return tell(
        later("was on its way after {steps} steps; about {needed} more are needed"),
        steps=run.steps, needed=_count(max(needed, 1.0)),
    )  # fmt: skip


_SENTENCES = {
    "converged": _converged, "trapped": _trapped, "saddle": _saddle, "frozen": _frozen, "cycling": _cycling,
    "diverged": _diverged, "undefined": _undefined, "crawling": _crawling, "unfinished": _unfinished,
}  # fmt: skip


def remarks(run: Trajectory, say: Say | None = None) -> tuple[str, ...]:
    """What β = 1, δ = 0 and δ = 1 did, since the lecture asks, and how often a restart took the momentum away."""
    say = say or speaker()
    found: list[str] = []
    rule = run.rule
    if 1.0 in _momenta(rule):
        found.append(
            say(
                "β = 1: nothing of the velocity is ever forgotten, so the ball has no friction and does not "
                "come to rest"
            )
        )
    for field in fields(rule):
        value = getattr(rule, field.name)
        if not isinstance(value, ExponentialDecay):
            continue
        if value.decay == 0.0 and value.before_first_step:
            found.append(say("δ = 0: the learning rate became 0 before the first step, so no step was taken"))
        elif value.decay == 0.0:
            found.append(say("δ = 0: the learning rate became 0 after the first step, which was the only push"))
        if value.decay == 1.0:
            found.append(say("δ = 1: the learning rate never changed, as if nothing were damped"))
    if rule.restart != "never":
        if run.restarts == 0:
            found.append(say("it never climbed, so its momentum was never taken away"))
        elif run.restarts == 1:
            found.append(say("began anew, without momentum, once"))
        else:
            found.append(say("began anew, without momentum, {count} times", count=run.restarts))
    return tuple(found)


def _momenta(rule: Rule) -> list[Any]:
    found: list[Any] = []
    for field in fields(rule):
        if field.name in ("momentum", "beta1"):
            found.append(getattr(rule, field.name))
        elif field.name == "momenta":
            found += getattr(rule, field.name)
    return found
