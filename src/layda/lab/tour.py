"""The guided tour: the lecture's nine chapters as settings of the page, good and bad ones, with a sentence each."""

from __future__ import annotations

from typing import Any

from layda.lab.settings import made, rule_named
from layda.lecture import WORKING_DECAY
from layda.rule import Stepper
from layda.words import LANGUAGES, Say, speaker

__all__ = ["tour"]

_LEFT = -3.0


def tour() -> dict[str, list[dict[str, Any]]]:
    """Language -> chapters: title, what to look at, what to try, the settings, the question and its answer.

    >>> [chapter["title"] for chapter in tour()["en"]][:3]
    ['Gradient descent', 'The learning rate', 'Damping the rate']
    """
    return {language: [chapter(speaker(language)) for chapter in _CHAPTERS] for language in LANGUAGES}


def _ball(rule: str, word: str = "", **numbers: float) -> dict[str, Any]:
    """A ball of the page; ``rate`` and ``decay`` are those of its learning rate."""
    paths = {"rate": "learning_rate.initial", "decay": "learning_rate.decay"}
    given = {paths.get(name, name): value for name, value in numbers.items()}
    found = Stepper(made(rule_named(rule), word, given)).numbers
    return {"rule": rule, "word": word, "numbers": {path: float(value) for path, value in found.items()}}


def _state(
    balls: list[dict[str, Any]],
    strips: str,
    start: float = 2.0,
    steps: int = 200,
    objective: str = "lecture",
    **more: Any,
) -> dict[str, Any]:
    return {
        "objective": objective, "start": [start], "steps": steps, "balls": balls, "strips": strips.split(), **more,
    }  # fmt: skip


def _setting(name: str, says: str, good: bool, state: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "says": says, "good": good, "state": state}


def _plain(say: Say) -> dict[str, Any]:
    def state(start: float) -> dict[str, Any]:
        return _state(
            [_ball("gradient-descent", rate=0.5)], "loss velocity", start, axes="start.0,learning_rate.initial"
        )

    return {
        "title": say("Gradient descent"),
        "look": say("The ball always steps against the slope: θ ← θ − α∇J(θ). It stops where the slope is 0, in whatever valley it started."),
        "try": say("Drag the start across the hill at 0, and watch in which valley the ball ends."),
        "settings": [
            _setting(say("start 2"), say("ends in the poor valley: downhill is all it knows"), False, state(2.0)),
            _setting(say("start −1"), say("ends in the better valley, because it started there"), True, state(-1.0)),
            _setting(say("start 0.1"), say("just right of the hill: a hair's breadth decides"), False, state(0.1)),
        ],
        "question": say("Which starts end in the better valley?"),
        "answer": say("Those left of the hill at 0, as long as no step crosses it: the map, start against learning rate, shows where steps do."),
    }  # fmt: skip


def _rate(say: Say) -> dict[str, Any]:
    def state(rate: float) -> dict[str, Any]:
        return _state(
            [_ball("gradient-descent", rate=rate)], "loss velocity", _LEFT, axes="learning_rate.initial,start.0"
        )

    return {
        "title": say("The learning rate"),
        "look": say("α is the length of the step. The map shows for every α where the ball would end."),
        "try": say("Move α slowly up, and find where the ball begins to jump from wall to wall."),
        "settings": [
            _setting("α = 0.0001", say("too small: it hardly moves"), False, state(0.0001)),
            _setting("α = 1", say("settles within a few steps"), True, state(1.0)),
            _setting("α = 10", say("too large: thrown away"), False, state(10.0)),
        ],
        "question": say("Is there an α that is best?"),
        "answer": say("Near the floor: α = 1/f″ lands on it in one step, and above 2/f″ every step leads farther away."),
    }  # fmt: skip


def _damping(say: Say) -> dict[str, Any]:
    def state(decay: float) -> dict[str, Any]:
        ball = _ball("gradient-descent", rate=3.2, decay=decay)
        return _state([ball], "loss rate", -2.3, axes="learning_rate.decay,learning_rate.initial")

    return {
        "title": say("Damping the rate"),
        "look": say("Before every step α ← δα: large steps first, small ones later. The strip shows α falling."),
        "try": say("Move δ from 1 down to 0. Where does the ball stop short of the floor?"),
        "settings": [
            _setting("δ = 0.95", say("the first steps are too large, but α falls under the limit in time"), True, state(0.95)),
            _setting("δ = 1", say("undamped, above the limit 2/f″: round and round"), False, state(1.0)),
            _setting("δ = 0.1", say("the rates' sum is too small: frozen on the slope"), False, state(0.1)),
            _setting("δ = 0", say("α is 0 before the first step: it never moves"), False, state(0.0)),
        ],
        "question": say("What happens at δ = 0?"),
        "answer": say("Nothing at all: the rate is wiped out before the first step."),
    }  # fmt: skip


def _velocity(say: Say) -> dict[str, Any]:
    def state(momentum: float, at: int = -1) -> dict[str, Any]:
        return _state([_ball("heavy-ball", rate=0.5, momentum=momentum)], "velocity weights", steps=300, at=at)

    return {
        "title": say("The velocity"),
        "look": say("Give the step a name: v = α∇J, θ ← θ − v. With β = 0 this is plain descent; near the floor v dies out."),
        "try": say("Go through the first steps one by one, and read the numbers: v is proportional to the slope."),
        "settings": [
            _setting("β = 0", say("v keeps nothing: stuck in the poor valley"), False, state(0.0, 1)),
            _setting("β = 0.5", say("v keeps half: still not enough to climb out"), False, state(0.5)),
            _setting("β = 0.9", say("v keeps 90%: over the hill"), True, state(0.9)),
        ],
        "question": say("Would a larger number of steps help?"),
        "answer": say("No: where the slope is 0 a ball without memory stays for ever."),
    }  # fmt: skip


def _momentum(say: Say) -> dict[str, Any]:
    def state(momentum: float) -> dict[str, Any]:
        ball = _ball("heavy-ball", rate=0.5, momentum=momentum)
        return _state([ball], "energy velocity", axes="momentum,learning_rate.initial", steps=300)

    return {
        "title": say("Momentum"),
        "look": say("v ← βv + α∇J: the ball keeps β of its past. Potential energy turns into kinetic energy and back; friction takes the rest."),
        "try": say("Scrub through the energies, and find the step at which the ball passes the hill."),
        "settings": [
            _setting("β = 0.9", say("carries enough over the hill, and comes to rest in the better valley"), True, state(0.9)),
            _setting("β = 0.7", say("too much friction: back into the poor valley"), False, state(0.7)),
            _setting("β = 1", say("no friction at all: it never comes to rest"), False, state(1.0)),
        ],
        "question": say("What happens at β = 1?"),
        "answer": say("Nothing is ever forgotten: the energy stays, and the ball swings for ever."),
    }  # fmt: skip


def _whole(say: Say) -> dict[str, Any]:
    def state(decay: float, rate: float = 0.5) -> dict[str, Any]:
        ball = _ball("heavy-ball", rate=rate, decay=decay, momentum=0.9)
        return _state([ball], "loss rate velocity", axes="learning_rate.decay,learning_rate.initial", steps=400)

    return {
        "title": say("The whole method"),
        "look": say("Both together: α ← δα, v ← βv + α∇J, θ ← θ − v. Momentum to get out, damping to come to rest."),
        "try": say("Look at the map of δ and α for the edge between frozen and settled."),
        "settings": [
            _setting(f"δ = {WORKING_DECAY:g}", say("crosses the hill, and settles in the better valley"), True, state(WORKING_DECAY)),
            _setting("δ = 0.1", say("the lecture's own number: α vanishes, and the ball freezes on the way"), False, state(0.1)),
            _setting("α = 2, δ = 0.1", say("a throw, not a descent: it stops wherever the throw ends"), False, state(0.1, 2.0)),
        ],
        "question": say("Could a larger α rescue δ = 0.1?"),
        "answer": say("It throws the ball farther, but still on its first two or three slopes alone, blind to all that comes after."),
    }  # fmt: skip


def _weights(say: Say) -> dict[str, Any]:
    def state(momentum: float) -> dict[str, Any]:
        return _state([_ball("heavy-ball", rate=0.05, momentum=momentum)], "velocity weights", steps=120, at=60)

    return {
        "title": say("Weights of the past"),
        "look": say("The bars show how much every past gradient counts in the step just made: αβʲ for one that is j steps old."),
        "try": say("Move β and watch the bars: how many steps until a gradient counts half?"),
        "settings": [
            _setting("β = 0.9", say("half after 6.6 steps: a memory of about ten steps"), True, state(0.9)),
            _setting("β = 0.5", say("half after one step: hardly a memory"), False, state(0.5)),
            _setting("β = 0.99", say("half after 69 steps: it remembers slopes that are long gone"), False, state(0.99)),
        ],
        "question": say("After how many steps does a gradient count half?"),
        "answer": say("After ln ½ / ln β: 6.6 steps for β = 0.9."),
    }  # fmt: skip


def _for_ever(say: Say) -> dict[str, Any]:
    def state(momentum: float, rate: float) -> dict[str, Any]:
        return _state([_ball("heavy-ball", rate=rate, momentum=momentum)], "energy velocity", steps=300, at=30)

    return {
        "title": say("Does it climb for ever?"),
        "look": say("On the way up the slope turns against the velocity, and friction takes 1 − β of it at every step."),
        "try": say("Step to the turning points: there the kinetic energy is 0, and the total is all potential."),
        "settings": [
            _setting("β = 0.9, α = 0.1", say("every turn is lower than the one before"), True, state(0.9, 0.1)),
            _setting("β = 0.99, α = 0.1", say("little friction: it swings long before it rests"), False, state(0.99, 0.1)),
        ],
        "question": say("Why does the ball not climb for ever?"),
        "answer": say("The total energy only falls, by (1 − β)/α·v² at each step; it can never climb higher than it came from."),
    }  # fmt: skip


def _heirs(say: Say) -> dict[str, Any]:
    def state(*balls: dict[str, Any]) -> dict[str, Any]:
        return _state(list(balls), "loss velocity", steps=300)

    return {
        "title": say("Who inherited it"),
        "look": say("Each rule keeps some of the past and adds something of its own; all have the same budget."),
        "try": say("Add other rules, and choose one to see its step in numbers and its weights."),
        "settings": [
            _setting(say("plain, heavy ball, Nesterov"), say("the same α: only those with a memory come over the hill"), True,
                     state(_ball("gradient-descent", rate=0.5), _ball("heavy-ball", rate=0.5, momentum=0.9),
                           _ball("nesterov", rate=0.5, momentum=0.9))),
            _setting("Adam, α = 0.5", say("its steps are as long as α itself: half a unit, and over the hill"), True,
                     state(_ball("adam", rate=0.5))),
            _setting("Lion, α = 0.02", say("every step is as long as α: it gets there, and never comes to rest"), False,
                     state(_ball("lion", rate=0.02))),
        ],
        "question": say("Do all of them need the same α?"),
        "answer": say("No: where a rule divides by the gradient's size or takes its sign, α is the length of the step itself."),
    }  # fmt: skip


_CHAPTERS = (_plain, _rate, _damping, _velocity, _momentum, _whole, _weights, _for_ever, _heirs)
