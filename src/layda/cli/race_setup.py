"""From the options of ``layda race`` to a race that has been run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from layda.cli.console import Waiting
from layda.errors import SettingError, SpecError
from layda.lecture import CONTESTANTS, STEPS, TOLERANCE
from layda.objective import Objective
from layda.rule import Rule
from layda.rules import GradientDescent, HeavyBall, Nesterov
from layda.run import Race
from layda.run import race as run_all
from layda.run.descend import resolve_start
from layda.run.rates import choose_rate, rate_grid
from layda.schedules import ExponentialDecay
from layda.specs import to_objective, to_rule

__all__ = ["Outcome", "Wishes", "built", "contestants_of", "run_race", "typed_start"]

_STEPS_OF_MODELS = 2000
_NEAR = 1.01  # "there" for a model: within a hundredth of the lowest loss


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    objective: str | None
    start: str
    rules: list[str]
    learning_rate: float | None
    momentum: float | None
    decay: float | None
    steps: int | None
    tolerance: float | None
    seed: int
    tables: dict[str, Any]
    quiet: bool = False


@dataclass(frozen=True)
class Outcome:
    """A race that has been run, and what else its readers must know.

    Attributes:
        race: the race. lecture: whether it is the lecture's own.
        start: the start. seed: of a random one.
        rates: the grid from which each contestant took its best learning rate; empty where rates were given.
        goal: the loss that counts as reached, for models whose lowest loss is known.
    """

    race: Race
    lecture: bool
    start: tuple[float, ...]
    seed: int
    rates: tuple[float, ...] = ()
    goal: float | None = None


def run_race(wishes: Wishes) -> Outcome:
    """Build the objective and the contestants, and run them."""
    lecture = wishes.objective in (None, "lecture")
    typed = typed_start(wishes.start)
    objective = built(wishes.objective, wishes.tables, wishes.seed, typed)
    start = resolve_start(objective, typed, wishes.seed)
    free = not wishes.rules and wishes.learning_rate is None
    plain = free and wishes.momentum is None and wishes.decay is None
    goal = _goal(objective)
    steps = wishes.steps if wishes.steps is not None else STEPS if goal is None else _STEPS_OF_MODELS
    options: dict[str, Any] = {"start": start, "steps": steps, "seed": wishes.seed}
    if wishes.tolerance is not None:
        options["tolerance"] = wishes.tolerance
    elif lecture:
        options["tolerance"] = TOLERANCE
    if lecture and plain:
        return Outcome(run_all(objective, CONTESTANTS, **options), True, start, wishes.seed)
    contestants = [to_rule(text) for text in wishes.rules] or [GradientDescent(), HeavyBall(), Nesterov()]
    contestants = [_overridden(rule, wishes) for rule in contestants]
    rates: tuple[float, ...] = ()
    if free and steps > 0:
        contestants, rates = _at_their_best(objective, contestants, start, steps, goal, wishes)
    with Waiting(len(contestants) * steps, "racing", not wishes.quiet) as bar:
        done_before, current = 0, ""

        def progress(label: str, done: int) -> None:
            nonlocal done_before, current
            if label != current:
                done_before += steps if current else 0
                current = label
            bar.at(done_before + done, label)

        result = run_all(objective, contestants, progress=progress, **options)
    return Outcome(result, False, start, wishes.seed, rates, goal)


def contestants_of(wishes: Wishes) -> tuple[Objective, Any, bool]:
    """The objective, the contestants (the lecture's by label), and whether it is the lecture's own race."""
    lecture = wishes.objective in (None, "lecture")
    objective = built(wishes.objective, wishes.tables, wishes.seed)
    plain = not wishes.rules and wishes.learning_rate is None and wishes.momentum is None and wishes.decay is None
    if lecture and plain:
        return objective, CONTESTANTS, True
    chosen = [to_rule(text) for text in wishes.rules] or [GradientDescent(), HeavyBall(), Nesterov()]
    contestants = [_overridden(rule, wishes) for rule in chosen]
    if wishes.learning_rate is None and not wishes.rules:
        steps = wishes.steps if wishes.steps is not None else STEPS
        contestants, _ = _at_their_best(objective, contestants, objective.start, steps, _goal(objective), wishes)
    return objective, contestants, lecture


def built(objective: str | None, tables: Mapping[str, Any], seed: int, start: Any = None) -> Objective:
    """The objective as it was typed (the lecture's where nothing was), with the options of a table.

    Args:
        objective: a classic, a table, a formula or a file.
        tables: target, model, l2 and batch; ``None`` where they were not given.
        seed: of a table's held-out rows and mini-batches.
        start: as :func:`typed_start` read it; it says how many coordinates a function of one array has.
    """
    from layda.objectives.data import BUNDLED, is_table_path

    name = (objective or "").partition(":")[0]
    seeded = {"seed": seed} if name in BUNDLED or is_table_path(name) else {}
    return to_objective("lecture" if objective is None else objective, start=start, **dict(tables) | seeded)


def typed_start(text: str) -> Any:
    """The start as it was typed: numbers, "random", or ``None`` for nothing."""
    text = text.strip()
    if text in ("", "random"):
        return text or None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SpecError(
            f"--start is {text!r}; allowed are numbers with commas between them, such as 2 or 1,-1, and random"
        ) from None


def _overridden(rule: Rule, wishes: Wishes) -> Rule:
    """The contestant with --learning-rate, --momentum and --decay."""
    names = {field.name for field in fields(rule)}
    changes: dict[str, Any] = {}
    rate: Any = wishes.learning_rate
    if wishes.decay is not None:
        own = rule.learning_rate  # type: ignore[attr-defined]  # every rule has one
        initial = rate if rate is not None else getattr(own, "initial", own)
        rate = ExponentialDecay(initial, wishes.decay)
    if rate is not None:
        changes["learning_rate"] = rate
    if wishes.momentum is not None:
        if "momentum" in names:
            changes["momentum"] = wishes.momentum
        elif "beta1" in names:
            changes["beta1"] = wishes.momentum
    return replace(rule, **changes)


def _goal(objective: Objective) -> float | None:
    """1.01 of the lowest training loss, for convex models on tables."""
    lowest = getattr(objective, "reference_value", None)
    return None if lowest is None or not objective.convex else _NEAR * float(lowest())


def _at_their_best(
    objective: Objective, rules: list[Rule], start: tuple[float, ...], steps: int, goal: float | None, wishes: Wishes
) -> tuple[list[Rule], tuple[float, ...]]:
    """Every contestant at its best rate of nine."""
    rates = rate_grid(objective, start)
    chosen = []
    with Waiting(len(rules), "trying learning rates", not wishes.quiet) as bar:
        for index, rule in enumerate(rules):
            schedule = rule.learning_rate  # type: ignore[attr-defined]  # every rule has one
            if isinstance(schedule, ExponentialDecay):
                raise SettingError("--decay needs a rate to decay from; give --learning-rate as well")
            chosen.append(choose_rate(objective, rule, rates, start=start, steps=steps, target=goal).rule)
            bar.at(index + 1)
    return chosen, rates
