"""What there is to roll down: classics with known minima, typed formulas, models on real tables.

>>> get("himmelblau").dimension, get("x^2 + 3y^2").coordinates
(2, ('x', 'y'))
"""

from __future__ import annotations

from layda.errors import FormulaError
from layda.objective import BlackBox, Minimum, Objective, TracedObjective, black_box, from_function
from layda.objectives.classics import CLASSICS, classic
from layda.objectives.data import data_objective
from layda.objectives.formula import parse
from layda.program import trace

__all__ = [
    "CLASSICS", "BlackBox", "Minimum", "Objective", "TracedObjective", "black_box", "classic",
    "data_objective", "formula",
    "from_function", "get",
]  # fmt: skip


def formula(text: str) -> TracedObjective:
    """An objective from a typed formula; its box is −5 to 5 in every coordinate.

    Raises:
        FormulaError: the text cannot be read; the place of the mistake is marked.

    >>> formula("x^4 - 3x^2 + x/2").coordinates
    ('x',)
    """
    found = parse(text)
    if not found.coordinates:
        raise FormulaError(
            f"{text.strip()!r} has no coordinate; write at least one letter such as x", text, 0, len(text)
        )
    box = ((-5.0, 5.0),) * len(found.coordinates)
    start = tuple(3.0 if index % 2 == 0 else 2.0 for index in range(len(found.coordinates)))
    return TracedObjective(
        name=text.strip(),
        coordinates=found.coordinates,
        box=box,
        start=start,
        program=trace(found, found.coordinates),
        equation=text.strip(),
        description="a typed formula",
    )


def get(name: str) -> TracedObjective:
    """A classic by its name, or the formula that the text is.

    >>> get("booth").name
    'booth'
    """
    return classic(name) if name in CLASSICS else formula(name)
