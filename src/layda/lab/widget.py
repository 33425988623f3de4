"""The page as a widget of Jupyter, marimo and other notebooks, through anywidget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from layda.errors import MissingExtraError, SpecError
from layda.lab.answers import error
from layda.lab.hosts import Shown, ball, first_scene
from layda.lab.page import minified, style
from layda.lab.scene import dumps
from layda.lab.worker import AnswerError, Worker
from layda.measures import CONSTANTS
from layda.rule import Rule
from layda.run.descend import resolve_start, whole_number
from layda.specs import to_objective

__all__ = ["Widget"]


def Widget(  # noqa: N802  # used like the class that it makes one of
    objective: Shown = None,
    rules: Sequence[str | Rule | type[Rule]] = ("heavy-ball",),
    *,
    start: Sequence[float] | float | None = None,
    steps: int = 200,
    tolerance: float = CONSTANTS["tolerance"][0],
    language: str | None = None,
    limit: float = 10.0,
) -> Any:
    """The lab as a widget: the last line of a notebook's cell shows it.

    Its traits are synced both ways: ``state``, what the page shows as a dict of ``objective``, ``start``, ``steps``,
    ``tolerance`` and ``balls`` (each with ``rule``, ``word`` and ``numbers``), and ``result``, a dict that the page
    writes: under "balls", for each the verdict, the steps, the position and the value at the end. ``scene`` is what the
    page computes with.

    Args:
        objective: what is shown first, as in :func:`layda.descend`; the lecture's curve by default.
        rules: a ball for each, as in :func:`layda.descend`.
        start: where they start; by default the objective's usual start.
        steps: the budget of each.
        tolerance: of the stopping test.
        language: "en" or "vi"; by default the browser's.
        limit: seconds for an answer of Python's to a question of the page.

    Returns:
        An ``anywidget.AnyWidget``.

    Raises:
        MissingExtraError: anywidget is not installed.
        SpecError: an objective of more than two coordinates, or a rule that the page cannot express.
        SettingError: a start or a budget that is not allowed.

    >>> shown = Widget("himmelblau", ["nesterov"], start=(1.0, -1.0))
    >>> shown.state["start"], shown.state["balls"][0]["rule"]
    ([1.0, -1.0], 'nesterov')
    """
    made = _class()
    target = to_objective("lecture" if objective is None else objective)
    if target.dimension > 2:
        raise SpecError(f"{target.name} has {target.dimension} coordinates; the page shows functions of one or two")
    state = {
        "objective": target.name,
        "start": list(resolve_start(target, start, 0)),
        "steps": whole_number("steps", steps, 0, 100_000),
        "tolerance": float(tolerance),
        "balls": [ball(rule) for rule in rules],
    }
    scene, own = first_scene(target, language)
    # Through JSON's own words for numbers that are not finite, which JSON itself does not have.
    return made(scene=json.loads(dumps(scene)), state=state, worker=Worker(own, limit))


@lru_cache(maxsize=1)
def _class() -> Any:
    """The class of the widgets; made when first asked for, since its library is optional."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingExtraError("anywidget", "lab", "layda.lab.Widget") from None

    class LabWidget(anywidget.AnyWidget):
        """A view of the page, with Python behind it."""

        _esm = minified()
        _css = style()
        scene = traitlets.Dict().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)
        result = traitlets.Dict().tag(sync=True)

        def __init__(self, worker: Worker, **traits: Any) -> None:
            super().__init__(**traits)
            self._worker = worker
            self.on_msg(_answered)

        def close(self) -> None:
            """Remove the view, and end the process that answers."""
            self._worker.close()
            super().close()

    return LabWidget


def _answered(widget: Any, content: Any, buffers: Any) -> None:
    """Answer a message {"id": n, "ask": …} by {"id": n, …}."""
    message = content if isinstance(content, dict) else {}
    number = message.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str):
        return  # nobody waits for an answer without a number
    try:
        found = widget._worker.ask({name: value for name, value in message.items() if name != "id"})
    except AnswerError as fault:
        found = error(str(fault))
    widget.send({**found, "id": number})
