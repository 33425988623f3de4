"""What was the matter with a run, and what to do about it: independent checks, and advice as settings.

>>> import layda
>>> run = layda.descend("x^2", "gradient-descent:learning_rate=1.2", start=1.0)
>>> found = diagnose(run)
>>> found.kind, layda.descend("x^2", start=1.0, **found.remedy.arguments).verdict.kind
('diverged', 'converged')
"""

from __future__ import annotations

from typing import overload

from layda.diagnosis.checks import CHECKS
from layda.diagnosis.examined import Examined
from layda.diagnosis.findings import Diagnosis
from layda.errors import ComputationError, SettingError
from layda.run import Race, Trajectory, descend
from layda.run.descend import resolve_start
from layda.run.records import StoredRule

__all__ = ["diagnose", "follow"]

_PURSE = 18.0


@overload
def diagnose(result: Trajectory, *, purse: float = _PURSE) -> Diagnosis: ...
@overload
def diagnose(result: Race, *, purse: float = _PURSE) -> tuple[Diagnosis, ...]: ...


def diagnose(result: Trajectory | Race, *, purse: float = _PURSE) -> Diagnosis | tuple[Diagnosis, ...]:
    """Examine a run, or every run of a race.

    Every check is made for every run: what was seen → what it means → what to do. What can be tried out is tried out,
    so that the settings recommended are known to help from this very start, as far as the purse goes; what was not is
    marked as such.

    Args:
        result: a run or a race; also one that was loaded from a file.
        purse: gradients that may be evaluated, as a multiple of the run's own. Only the search for a way out of a local
            minimum spends more: it rolls thousands of balls.

    Returns:
        One diagnosis, or one for each run of a race. ``str()`` of it are words; ``layda.diagnosis.report`` speaks other
        languages.

    Raises:
        SettingError: something that is no run; a purse that is no number above 0.
        ComputationError: a black box, or a rule from a user's file, that was loaded from a file and cannot run again.

    >>> import layda
    >>> print(diagnose(layda.descend("x^2", "gradient-descent:learning_rate=0.25", start=1.0)))
    gradient-descent(learning_rate=0.25): settled after 30 steps at a minimum; no better one is known
      No problems found by 7 checks: domain, stability, reach, pace, cycle, saddle, minimum.
    """
    if not 0.0 < purse < float("inf"):
        raise SettingError(f"purse is {purse!r}; allowed is a finite number above 0, a multiple of the run's gradients")
    if isinstance(result, Race):
        return tuple(_one(run, purse) for run in result)
    if not isinstance(result, Trajectory):
        raise SettingError(
            f"diagnose takes a run or a race, not {type(result).__name__}; layda.descend and layda.race make them"
        )
    return _one(result, purse)


def _one(run: Trajectory, purse: float) -> Diagnosis:
    if isinstance(run.rule, StoredRule):
        raise ComputationError(
            f"{run.rule.stored_name} is a rule from a file of the user's own; a result holds no code, so its run can "
            "be shown, but not examined. Name the rule's file, run it again, and diagnose that result"
        )
    seen = Examined(run, purse * run.evaluations)
    found = tuple(finding for check in CHECKS.values() if (finding := check(seen)) is not None)
    return Diagnosis(
        run, run.label, run.verdict.kind, tuple(CHECKS), found, seen.spent, run.evaluations, tuple(seen.notes)
    )


def follow(run: Trajectory, found: Diagnosis) -> Trajectory:
    """The run again, with the first remedy of its diagnosis.

    Raises:
        SettingError: the diagnosis has no remedy.

    >>> import layda
    >>> run = layda.descend("x^2", "gradient-descent:learning_rate=1e-6", start=1.0)
    >>> follow(run, diagnose(run)).verdict.kind
    'converged'
    """
    remedy = found.remedy
    if remedy is None:
        raise SettingError(f"the diagnosis of {found.label} has no remedy to follow: {found.kind}")
    settings = run.settings
    again = {
        "start": resolve_start(run.objective, settings["start"], 0), "steps": run.budget,
        "tolerance": settings["tolerance"], "check_every": settings["check_every"], "seed": settings["seed"],
    }  # fmt: skip
    return descend(run.objective, **(again | remedy.arguments))
