"""layda: gradient descent with momentum, runnable, visible, explained.

>>> import layda
>>> run = layda.descend("x^4 - 2x^2", layda.rules.HeavyBall(0.02, 0.9), start=2.0)
>>> run.verdict.kind
'converged'

A rule (``layda.rules``) and an objective (``layda.objectives``) are written once, as mathematics; runs, pictures,
files and the command line are derived from them. Names are looked up when they are first used, so ``import layda``
costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from layda._version import __version__

if TYPE_CHECKING:
    from layda import (
        errors,
        functions,
        jax,
        lab,
        lecture,
        measures,
        objectives,
        plots,
        program,
        rules,
        schedules,
        specs,
        theory,
        torch,
    )
    from layda.diagnosis import describe, diagnose, energy, follow
    from layda.diagnosis.tune import tune
    from layda.lab.hosts import export
    from layda.objective import Minimum, Objective
    from layda.plots import animate, plot
    from layda.porting import code
    from layda.rule import Rule, Slot
    from layda.run.descend import descend
    from layda.run.ensemble import ensemble
    from layda.run.escape import escape_share, escape_windows, zoom
    from layda.run.files import load, save
    from layda.run.fractions import fractions
    from layda.run.race import Race, race
    from layda.run.result import Trajectory, Verdict
    from layda.run.scipy import scipy_method
    from layda.run.sweep import open_sweep, sweep

_HOMES = {
    "Minimum": "layda.objective",
    "Objective": "layda.objective",
    "Race": "layda.run",
    "Rule": "layda.rule",
    "Slot": "layda.rule",
    "Trajectory": "layda.run",
    "Verdict": "layda.run",
    "animate": "layda.plots",
    "code": "layda.porting",
    "descend": "layda.run",
    "describe": "layda.diagnosis",
    "diagnose": "layda.diagnosis",
    "energy": "layda.diagnosis",
    "follow": "layda.diagnosis",
    "ensemble": "layda.run",
    "escape_share": "layda.run.escape",
    "escape_windows": "layda.run.escape",
    "export": "layda.lab",
    "fractions": "layda.run",
    "load": "layda.run",
    "open_sweep": "layda.run",
    "plot": "layda.plots",
    "race": "layda.run",
    "save": "layda.run",
    "scipy_method": "layda.run",
    "sweep": "layda.run",
    "tune": "layda.diagnosis",
    "zoom": "layda.run.escape",
}
_ROOMS = (
    "errors", "functions", "jax", "lab", "lecture", "measures", "objectives", "plots", "program", "rules", "schedules",
    "specs", "theory", "torch",
)  # fmt: skip

__all__ = [
    "Minimum", "Objective", "Race", "Rule", "Slot", "Trajectory", "Verdict", "__version__", "animate", "code",
    "descend", "describe", "diagnose", "energy", "ensemble", "errors", "escape_share", "escape_windows", "export",
    "follow", "fractions", "functions", "jax", "lab", "lecture", "load", "measures", "objectives", "open_sweep", "plot",
    "plots", "program", "race", "rules", "save", "schedules", "scipy_method", "specs", "sweep", "theory", "torch",
    "tune", "zoom",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
    if name in _ROOMS:
        return import_module(f"layda.{name}")
    raise AttributeError(f"module 'layda' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
