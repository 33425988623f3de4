"""What the page says: its English texts, which are the keys, and their translations as data."""

from __future__ import annotations

from layda.measures import VERDICTS
from layda.words import LANGUAGES, later, speaker

__all__ = ["SETTINGS", "TEXTS", "translations"]

SETTINGS = {
    "learning_rate.initial": later("learning rate α"),
    "learning_rate.decay": later("decay δ"),
    "momentum": later("momentum β"),
    "momenta.0": later("first momentum β₁"),
    "momenta.1": later("second momentum β₂"),
    "momenta.2": later("third momentum β₃"),
    "beta1": later("memory of the gradient β₁"),
    "beta2": later("memory of its square β₂"),
    "nu": later("share of the velocity ν"),
    "epsilon": later("least divisor ε"),
}
"""A setting's path -> what it is called."""

_PANELS = (
    later("roll the ball yourself"), later("Language"), later("Light colours"), later("Dark colours"),
    later("Objective"), later("a classic"), later("a typed function"), later("Roll on it"),
    later("or type a function of x, or of x and y"),
    later("Typing a function needs Python: run “layda lab”."),
    later("start {name}"), later("Balls"), later("rule to add"), later("Add a ball"),
    later("settings of one name move together"), later("rule of ball {number}"), later("remove ball {number}"),
    later("remove"), later("form"), later("look at this one"), later("What would help?"), later("Examining …"),
    later("No problems found."), later("Apply"), later("seen"), later("means"), later("do"), later("steps"),
    later("layda does not answer; is it still running?"),
    later("Guided tour"), later("Chapters"), later("Chapter {number}"), later("Try"), later("Question"),
    later("Back"), later("Next"), later("End the tour"),
    later("The lecture in nine chapters: what to look at, what to try, and the question before the answer."),
    later("Save"), later("Copy the link"), later("Copied."), later("The browser did not allow copying."),
    later("The same run in Python, and as a command"), later("the same run in Python"),
    later("the same run as a command"), later("Copy the Python"), later("Copy the command"),
)  # fmt: skip
_PICTURES = (
    later("The landscape with the paths of the balls"), later("Start; arrow keys move it"),
    later("Strips: what happened step by step"), later("Step by step"), later("Strips to show"),
    later("Play"), later("Pause"), later("Speed"), later("One step back"), later("One step forward"),
    later("{count} steps/s"), later("step"), later("step {step} of {steps}"),
    later("loss"), later("energy"), later("learning rate"), later("velocity"), later("weights of past gradients"),
    later("loss above the lowest known"), later("loss above the lowest seen"), later("velocity: length of the step"),
    later("stated for the heavy ball and plain descent"), later("potential"), later("kinetic"), later("total"),
    later("weights of past gradients in the step just made"),
    later("One step in numbers"), later("No step was taken."), later("from step {from} to step {to}"),
    later("what the past gives"), later("what the gradient gives"), later("their sum"),
    later("Map"), later("Where would this ball end with other settings? Click, or use the arrow keys, to go there."),
    later("Settings on the map; arrow keys move, + and − zoom"), later("outside this part of the map"),
    later("across"), later("up"), later("Colours"), later("verdict"), later("Zoom in"), later("Zoom out"),
    later("The whole map"),
    later("after at most {steps} steps"), later("0 throughout"),
    later("steps until settled: many to few"), later("did not settle"),
)  # fmt: skip
_VERDICTS = (
    later("settled after {steps} steps at a minimum; no better one is known"),
    later("settled after {steps} steps at a poor minimum; the best known one is {gap} lower, at {place}"),
    later("settled after {steps} steps at a saddle: the ground still falls to a side (curvature {curvature})"),
    later("never moved: the learning rate is 0 while the gradient is {gradient}"),
    later("froze: the learning rate fell from {largest} to {rate} while the gradient is still {gradient}"),
    later("goes round with period {period} without getting lower"),
    later("swings without getting lower over the last {window} steps"),
    later("was thrown away to infinity at step {steps}"),
    later("is farther away from step to step after {steps} steps"),
    later("came at step {steps} to {coordinate} = {value}, where the objective has no value"),
    later("crawls: at this pace about {needed} more steps are needed after the first {steps}"),
    later("crawls: at this pace endlessly many more steps are needed after the first {steps}"),
    later("was on its way after {steps} of {budget} steps, too few to tell how many more are needed"),
    later("was on its way after {steps} steps; about {needed} more are needed"),
    later("β = 1: nothing of the velocity is ever forgotten, so the ball has no friction and does not come to rest"),
    later("δ = 0: the learning rate became 0 before the first step, so no step was taken"),
)
TEXTS: tuple[str, ...] = (*_PANELS, *_PICTURES, *_VERDICTS, *VERDICTS, *SETTINGS.values())
"""Every English text of the page's scripts."""


def translations() -> dict[str, dict[str, str]]:
    """Language -> English text -> its translation; a text that stays as it is, is left out.

    >>> translations()["vi"]["Map"]
    'Bản đồ'
    """
    found: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        say = speaker(language)
        # The page puts the numbers in by itself: a number's name stands for itself here.
        spoken = {text: say(text, **{name: f"{{{name}}}" for name in _names(text)}) for text in TEXTS}
        found[language] = {text: told for text, told in spoken.items() if told != text}
    return found


def _names(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("{")[1:]]
