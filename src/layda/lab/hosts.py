"""What every host of the page needs: the scene that it opens with, and a result as one offline page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from layda.errors import SettingError, SpecError, UnknownNameError, nearest
from layda.lab.page import document
from layda.lab.scene import scene
from layda.lab.settings import expressed
from layda.objective import Objective, TracedObjective
from layda.objectives import CLASSICS, classic
from layda.rule import Rule
from layda.rules import ALL
from layda.run import Race, Trajectory
from layda.run.files import whole_file
from layda.specs import to_objective, to_rule
from layda.words import LANGUAGES

__all__ = ["Shown", "ball", "export", "first_scene", "state_of"]

Shown = str | Objective | Callable[..., Any] | None
"""What a host is asked to show: as in :func:`layda.descend`; ``None`` for the lecture's curve."""


def first_scene(
    objective: Shown = None, language: str | None = None, state: dict[str, Any] | None = None
) -> tuple[dict[str, Any], tuple[TracedObjective, ...]]:
    """The scene with an objective shown first, the classics behind it, and the objectives that no text names.

    Args:
        objective: what is shown first.
        language: "en" or "vi"; by default the page asks the browser.
        state: what the page opens with.

    Raises:
        SpecError: an objective of more than two coordinates, or one that cannot be traced.
        UnknownNameError: a language that is not spoken.
    """
    if language is not None and language not in LANGUAGES:
        raise UnknownNameError(f"the language {language!r} is not spoken here; {nearest(language, LANGUAGES)}")
    classics = [found for name in CLASSICS if (found := classic(name)).dimension <= 2]
    first = classics[0] if objective is None else to_objective(objective)
    if not isinstance(first, TracedObjective):
        raise SpecError(
            f"{first.name} cannot be written down as a program, so that no page can compute it; the lab shows "
            "classics, formulas and Python functions of one or two coordinates"
        )
    others = [found for found in classics if found.name != first.name]
    known = any(found.identity == first.identity and found.name == first.name for found in classics)
    data = scene([first, *others])
    if language is not None:
        data["language"] = language
    if state is not None:
        data["state"] = state
    return data, () if known else (first,)


def ball(rule: str | Rule | type[Rule]) -> dict[str, Any]:
    """A rule as the page's state holds it: its name, its word and its numbers.

    Args:
        rule: as in :func:`layda.descend`.

    Raises:
        SpecError: the page cannot express it: another schedule than an exponential decay, a restart, a weight decay
            that is not the rule's own, a rule of the user's own.

    >>> ball("nesterov:momentum=0.5")["numbers"]
    {'learning_rate.initial': 0.01, 'learning_rate.decay': 1.0, 'momentum': 0.5}
    """
    made = to_rule(rule)
    found = expressed(made)
    if found is None:
        raise SpecError(
            f"{made} cannot be set on the page, which has layda's own rules with constant settings and an "
            f"exponentially decaying learning rate ({', '.join(known.name for known in ALL)})"
        )
    word, numbers = found
    return {"rule": made.name, "word": word, "numbers": numbers}


def state_of(result: Trajectory | Race) -> dict[str, Any]:
    """The state in which the page shows a result: objective, start, steps, tolerance, and the balls.

    Args:
        result: a run or a race.

    Raises:
        SpecError: a rule that the page cannot express.
    """
    runs: Sequence[Trajectory] = [result] if isinstance(result, Trajectory) else result.runs
    settings = runs[0].settings
    return {
        "objective": result.objective.name,
        "start": [float(x) for x in settings["start"]],
        "steps": result.budget,
        "tolerance": float(settings["tolerance"]),
        "balls": [ball(run.rule) for run in runs],
    }


def export(result: Trajectory | Race | Shown, path: str | os.PathLike[str], *, language: str | None = None) -> None:
    """Write the lab as one HTML file that opens from disk, asks nobody for anything, and still recomputes.

    Args:
        result: a run or a race, which the page opens with; or an objective, as in :func:`layda.descend`.
        path: the file; an old one of that name is replaced in one moment.
        language: "en" or "vi"; by default the browser's.

    Raises:
        SpecError: more than two coordinates, or a rule that the page cannot express.
        FileError: the file cannot be written.

    >>> import layda, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     layda.export(layda.descend("sphere:dimension=3", steps=5), pathlib.Path(folder) / "page.html")
    Traceback (most recent call last):
    layda.errors.SpecError: sphere:dimension=3 has 3 coordinates; the page shows functions of one or two
    """
    if isinstance(result, Trajectory | Race):
        objective: Shown = result.objective
        data, _ = first_scene(objective, language)
        data["state"] = state_of(result)
        runs = [result] if isinstance(result, Trajectory) else result.runs
        # The page looks as often as the run did whether it has settled.
        every = {int(run.settings["check_every"]) for run in runs}
        if len(every) != 1:
            raise SettingError(f"the runs of the race check at different steps ({every}); export each by itself")
        data["constants"]["check_every"] = every.pop()
    else:
        data, _ = first_scene(result, language)
    text = document(data, language=language)
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
