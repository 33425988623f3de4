"""``layda.code``: a run, a race or a rule as a script for another library."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from layda.errors import SettingError, UnknownNameError, nearest
from layda.objective import Objective
from layda.objectives.data import DataObjective
from layda.porting.by_hand import ByHand
from layda.porting.expressions import number
from layda.porting.in_keras import Keras
from layda.porting.in_optax import Optax
from layda.porting.in_torch import Torch
from layda.porting.library import Library
from layda.porting.objectives import comment, function_of
from layda.rule import Rule
from layda.run import Race, Trajectory
from layda.run.descend import resolve_start, whole_number
from layda.schedules import Constant
from layda.specs import to_objective, to_rule

__all__ = ["LIBRARIES", "check_library", "code"]

LIBRARIES: dict[str, Library] = {"torch": Torch(), "optax": Optax(), "keras": Keras()}
"""The libraries that code is printed for."""


@dataclass(frozen=True)
class _Run:
    """What a section of the script does."""

    label: str
    rule: Rule
    start: tuple[float, ...]
    steps: int
    ending: str


def code(
    what: Trajectory | Race | Rule | type[Rule] | str,
    library: str,
    *,
    objective: str | Objective | Callable[..., Any] | None = None,
    start: Any = None,
    steps: int | None = None,
) -> str:
    """The script that does the same run in PyTorch, in JAX with optax, or in Keras 3, in float64.

    The learning rate enters where the run has it (its *form*), schedules keep their values, and the optimizer is the
    library's own wherever it takes the same steps; elsewhere the update is written out, and a comment says why. What
    cannot be had at all (adaptive restart, an objective that is Python code of your own) is said in comments that begin
    with ``NOT THE SAME`` or ``FILL IN``.

    Args:
        what: a run, a race (one section for each contestant), or a rule, its class or its text.
        library: "torch", "optax" or "keras".
        objective: for a rule: what it descends, as for :func:`layda.descend`; by default ½|x|² in place of your own.
        start: for a rule: as for :func:`layda.descend`.
        steps: for a rule: how many; 100 by default.

    Returns:
        A Python script that prints the answer and the value there.

    Raises:
        UnknownNameError: a library that is not known.
        SettingError: neither a run, a race nor a rule; ``objective``, ``start`` or ``steps`` for a run, which has
            its own; a start or steps out of range.

    >>> import layda
    >>> print(layda.code("SGD(lr=0.1, momentum=0.9)", "torch", objective="x^2", start=1.0, steps=50))
    # heavy-ball(learning_rate=0.1, momentum=0.9, form=step) on x^2 in PyTorch, as layda runs it.
    import torch
    <BLANKLINE>
    torch.set_default_dtype(torch.float64)  # as layda computes
    <BLANKLINE>
    <BLANKLINE>
    def f(position):
        (x,) = position
        return x**2
    <BLANKLINE>
    <BLANKLINE>
    position = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([position], lr=0.1, momentum=0.9)
    for _ in range(50):
        optimizer.zero_grad()
        f(position).backward()
        optimizer.step()
    print(position.tolist(), f(position).item())
    <BLANKLINE>
    """
    printer = check_library(library)
    if isinstance(what, Trajectory | Race):
        more = {"objective": objective, "start": start, "steps": steps}
        given = [name for name, value in more.items() if value is not None]
        if given:
            raise SettingError(
                f"{' and '.join(given)} were given with a run, which has its own; leave them out, or give its rule: "
                "layda.code(run.rule, …)"
            )
        runs = [_of_run(run) for run in (what.runs if isinstance(what, Race) else (what,))]
        return _script(what.objective, runs, printer, named=isinstance(what, Race))
    asked: Any = what  # whatever the annotation says
    if not (isinstance(asked, Rule | str) or (isinstance(asked, type) and issubclass(asked, Rule))):
        raise SettingError(
            f"code was asked for of {type(asked).__name__}; allowed are a run, a race, a rule or a rule's text"
        )
    rule = to_rule(what)
    target = to_objective("x^2/2" if objective is None else objective, start=start)
    if objective is None:
        target = replace(target, equation="Put your own loss here.", start=(1.0,))
    first = resolve_start(target, start, 0)
    run = _Run(rule.name, rule, first, whole_number("steps", 100 if steps is None else steps, 0, 10**9), "")
    return _script(target, [run], printer, named=False)


def check_library(name: str) -> Library:
    """The library of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in tuple(LIBRARIES):  # a list has no hash
        raise UnknownNameError(
            f"code is printed for {', '.join(LIBRARIES)}, not for {name!r}; {nearest(str(name), LIBRARIES)}"
        )
    return LIBRARIES[name]


def _of_run(run: Trajectory) -> _Run:
    answer = ", ".join(f"{x:.6g}" for x in run.position[:4]) + (", …" if len(run.position) > 4 else "")
    ending = f"layda: {run.verdict.kind} after {run.steps} steps at ({answer}), f = {run.value:.6g}"
    return _Run(run.label, run.rule, tuple(run.settings["start"]), run.steps, ending)


def _script(objective: Objective, runs: Sequence[_Run], library: Library, named: bool) -> str:
    how = "A race" if named else str(runs[0].rule)
    body = [*function_of(objective, library)]
    imports: list[str] = []
    batches = objective.stochastic and isinstance(objective, DataObjective)
    for run in runs:
        more, lines = _section(run, library, named, batches)
        imports += [one for one in more if one not in imports]
        body += ["", "", *lines]
    text = "\n".join(body)
    if "data_objective(" in text:
        imports.append("from layda.objectives.data import data_objective")
    if "math." in text:
        imports.insert(0, "import math")
    own = list(library.imports)
    place = own.index("") if "" in own else len(own)
    standard = [one for one in imports if one == "import math"]
    third = sorted({*own[:place], *(one for one in imports if one != "import math")}, key=_import_order)
    head = _comment(f"{how} on {objective.name} in {library.title}, as layda runs it.")
    head += [*standard, *([""] if standard else []), *third, *own[place:]]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join([*head, "", "", text])) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(comment(text), 110, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line


def _section(run: _Run, library: Library, named: bool, batches: bool) -> tuple[list[str], list[str]]:
    """One run: further imports, and the lines."""
    rule = _plain(run.rule)
    lines = _comment(f"{run.label}: {rule}") if named else []
    if rule.restart != "never":
        lines += _comment(
            f"NOT THE SAME: restart={rule.restart!r} begins anew by a question about all coordinates at once, which no "
            "optimizer here asks; these are the steps without restarts."
        )
        rule = replace(rule, restart="never")
    numbers, long = _start(run.start)
    way = library.way(rule, run.steps)
    shown = json.dumps(comment(run.label), ensure_ascii=False) + ", " if named else ""
    if isinstance(way, str):
        return [], [*lines, *long, *_written_out(run, rule, library, way, numbers, batches, shown)]
    for setting in way.functions:
        lines += _function(setting.written(run.steps, library.plain is None))
    lines += [*long, library.start(numbers, by_hand=False), *_comment(" ".join(way.notes))]
    lines += way.optimizer
    lines += library.loop(way, run.steps, batches)
    lines += [*way.answer, *_comment(run.ending)]
    made = any(line.startswith("answer = ") for line in way.answer)
    return list(way.imports), [*lines, library.shown("answer" if made else "position", shown)]


def _start(position: tuple[float, ...]) -> tuple[str, list[str]]:
    """The list of the start's coordinates, and the lines that must come before where it is long."""
    texts = [repr(float(x)) for x in position]
    if len(texts) > 4 and len(set(texts)) == 1:
        return f"[{texts[0]}] * {len(texts)}", []
    if len(texts) <= 8:
        return f"[{', '.join(texts)}]", []
    rows = textwrap.wrap(", ".join(texts) + ",", 106)
    return "start", ["start = [", *(f"    {row}" for row in rows), "]"]


def _written_out(
    run: _Run, rule: Rule, library: Library, why: str, numbers: str, batches: bool, shown: str
) -> list[str]:
    hand = ByHand(rule, library.arrays, library.plain)
    lines = _comment(f"{why}: the step is written out.")
    lines += hand.constants()
    for setting in hand.scheduled:
        lines += _function(setting.written(run.steps, library.plain is None))
    lines += ["", "", *hand.step(), "", ""]
    lines.append(library.start(numbers, by_hand=True))
    if hand.slots:
        lines.append(f"state = {hand.state(library.zeros, 'position')}")
    else:
        lines.append("state = ()")
    lines += library.loop_by_hand(hand, run.steps, batches)
    answer = hand.answer(number(float(run.steps)))
    return [*lines, *answer, *_comment(run.ending), library.shown("answer" if answer else "position", shown)]


def _function(lines: list[str]) -> list[str]:
    return ["", "", *lines, "", ""] if lines else []


def _plain(rule: Rule) -> Rule:
    """Schedules that never change as the numbers that they are."""
    changes: dict[str, Any] = {}
    for item in fields(rule):
        value = getattr(rule, item.name)
        if isinstance(value, Constant):
            changes[item.name] = value.constant
        elif isinstance(value, tuple) and any(isinstance(one, Constant) for one in value):
            changes[item.name] = tuple(one.constant if isinstance(one, Constant) else one for one in value)
    return replace(rule, **changes) if changes else rule
