"""Runs: one descent, a race of several, SciPy's ``minimize``, and results as plain data with files of their own."""

from __future__ import annotations

from layda.run.descend import descend
from layda.run.files import load, save
from layda.run.race import Race, race
from layda.run.result import Trajectory, Verdict
from layda.run.scipy import scipy_method

__all__ = ["Race", "Trajectory", "Verdict", "descend", "load", "race", "save", "scipy_method"]
