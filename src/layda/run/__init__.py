"""Runs: one descent, a race, ensembles and sweeps of millions, SciPy's ``minimize``, and files for results."""

from __future__ import annotations

from layda.run.descend import descend
from layda.run.ensemble import ensemble
from layda.run.files import load, save
from layda.run.fractions import fractions
from layda.run.race import Race, race
from layda.run.result import Trajectory, Verdict
from layda.run.scipy import scipy_method
from layda.run.sweep import open_sweep, sweep

__all__ = [
    "Race", "Trajectory", "Verdict", "descend", "ensemble", "fractions", "load", "open_sweep", "race", "save",
    "scipy_method", "sweep",
]  # fmt: skip
