"""The lists that tests run over. A new rule, objective or backend is covered the day it is added to its own list."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layda.objectives import CLASSICS, classic
from layda.rule import Rule
from layda.rules import ALL, HeavyBall
from layda.schedules import ExponentialDecay, ODonoghueCandesMomentum, SutskeverMomentum

__all__ = ["BACKENDS", "RESTARTING", "RULES", "SMALL_CLASSICS", "classic", "compiled_values", "needs_tables"]

BACKENDS = ("readable", "python", "numpy", "numba")
"""Everything that runs a loop; "readable" is the twin that the others are held against."""

RULES: tuple[Rule, ...] = (
    *(rule() for rule in ALL),
    HeavyBall(form="step"),
    HeavyBall(form="average"),
    HeavyBall(ExponentialDecay(0.5, 0.98), SutskeverMomentum(0.95, 25), weight_decay=0.01),
    HeavyBall(0.001, ODonoghueCandesMomentum(0.01), weight_decay=0.1, decoupled=True),
)
"""Every rule with its usual settings, the forms of the heavy ball, schedules and both kinds of weight decay."""


def _restarting() -> tuple[Rule, ...]:
    """Every rule of the list above with every scheme of adaptive restart that it takes, fast enough to climb."""
    found = []
    for rule, scheme in itertools.product(RULES, ("gradient", "function")):
        kept = {"decoupled": False, "weight_decay": 0.1} if rule.decays_weights and rule.decoupled else {}
        rate = rule.learning_rate
        if rule.slots:
            rate = max(rate, 0.05) if isinstance(rate, float) else rate
            found.append(replace(rule, restart=scheme, learning_rate=rate, **kept))
    return tuple(found)


RESTARTING = _restarting()
"""Rules that begin anew."""

SMALL_CLASSICS = tuple(name for name in CLASSICS if classic(name).dimension <= 2)


def _installed(*libraries: str) -> bool:
    for library in libraries:
        try:
            __import__(library)
        except ImportError:
            return False
    return True


needs_tables = pytest.mark.skipif(
    not _installed("pandas", "pyarrow", "sklearn"), reason="the extra [data] is not installed"
)
"""For tests that read tables through the command line."""


def compiled_values(program: Any, columns: dict[str, np.ndarray]) -> np.ndarray:
    """The value of a program of one output at every row of the columns, by its vector code."""
    from layda.backends.mapped import _function

    function, width = _function(program, tuple(columns))
    arrays = [np.ascontiguousarray(column, np.float64) for column in columns.values()]
    count = len(arrays[0])
    room = -(-count // width) * width
    places = np.array([array.ctypes.data for array in arrays], np.uintp)
    out = np.empty((1, room))
    function(places.ctypes.data, count, room, np.zeros(1).ctypes.data, out.ctypes.data)
    return out[0, :count]
