"""The best settings for quadratics whose curvatures lie between μ and L.

Closed forms are declared by the rules themselves (``Rule.tuned``); for a rule without one they are found numerically,
and said to be. With κ = L/μ:

======================  ====================  ============================  ==================
rule                    α                     β                             factor per step
======================  ====================  ============================  ==================
gradient descent        2/(L + μ)             –                             (κ − 1)/(κ + 1)
heavy ball              (2/(√L + √μ))²        ((√κ − 1)/(√κ + 1))²          (√κ − 1)/(√κ + 1)
Nesterov                4/(3L + μ)            (q − 2)/(q + 2), q = √(3κ+1)  1 − 2/q
======================  ====================  ============================  ==================

Sources: Polyak 1964 and 1987, §1.4; Lessard, Recht and Packard 2016, arXiv:1408.3595, Proposition 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.rule import Rule
from layda.settings import Range, numbers_of
from layda.specs import to_rule
from layda.theory.linear import LinearSystem, linear_system, with_numbers
from layda.theory.stability import _check_range, stability_limit, worst_rate

__all__ = ["Tuning", "best_settings"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tuning:
    """The best settings of a rule for curvatures from μ to L.

    Attributes:
        rule: the rule with the settings. settings: path -> number, of those that were chosen.
        rate: the guaranteed factor per step, the largest ρ over [μ, L].
        closed_form: whether the settings are a known formula; found numerically otherwise.
        source: where the formula comes from, or how they were found.
    """

    rule: Rule
    settings: Mapping[str, float]
    rate: float
    closed_form: bool
    source: str

    @property
    def steps_per_digit(self) -> float:
        """Steps for every further decimal place: ln 10/−ln ρ."""
        if self.rate <= 0.0:
            return 0.0
        return float(np.log(10.0) / -np.log(self.rate)) if self.rate < 1.0 else float("inf")


def best_settings(rule: str | Rule | type[Rule], mu: float, L: float) -> Tuning:  # noqa: N803 - the field's names
    """The settings with the smallest guaranteed factor per step on quadratics with curvatures from μ to L.

    Args:
        rule: a linear rule; its constants and its weight decay are kept.
        mu: μ > 0, the smallest curvature.
        L: L ≥ μ, the largest.

    Raises:
        NotLinearError: theory says nothing about this rule.
        SettingError: numbers out of range.

    >>> found = best_settings("heavy-ball", 1.0, 100.0)
    >>> {name: round(value, 6) for name, value in found.settings.items()}, round(found.rate, 6), found.closed_form
    ({'learning_rate': 0.033058, 'momentum': 0.669421}, 0.818182, True)
    """
    _check_range(mu, L)
    return _best(to_rule(rule), float(mu), float(L))


@lru_cache(maxsize=1024)
def _best(rule: Rule, mu: float, steepest: float) -> Tuning:
    linear_system(rule)
    known = None if rule.decays_weights else rule.tuned(mu, steepest)
    if known is not None:
        settings, source = known
        tuned = with_numbers(rule, settings)
        return Tuning(tuned, settings, worst_rate(tuned, mu, steepest), True, source)
    return _searched(rule, mu, steepest)


def _free(rule: Rule) -> dict[str, Range]:
    """The numbers that may be chosen: the learning rate, and those between two finite ends (momenta and their kin)."""
    found: dict[str, Range] = {}
    limits = {field.name: field.metadata.get("range", Range()) for field in fields(rule)}
    for path in numbers_of(rule):
        limit = limits[path.partition(".")[0]]
        if path != "weight_decay" and (path == "learning_rate" or np.isfinite(limit.low + limit.high)):
            found[path] = limit
    return found


def _searched(rule: Rule, mu: float, steepest: float) -> Tuning:
    """The simplex method of Nelder and Mead from several starts, over log α and the logits of the bounded numbers."""
    from scipy.optimize import minimize

    system, free = linear_system(rule), _free(rule)
    paths = [path for path in free if path != "learning_rate"]
    grid = np.geomspace(mu, steepest, 17)

    def settings(x: Array) -> dict[str, float]:
        found = {"learning_rate": float(np.exp(x[0]))}
        for path, value in zip(paths, x[1:], strict=True):
            share = 1.0 / (1.0 + np.exp(-value))
            found[path] = float(free[path].low + share * (free[path].high - free[path].low))
        return found

    def loss(x: Array) -> float:
        if not np.all(np.abs(x) < 50.0):
            return 1e3
        with np.errstate(all="ignore"):
            rate = float(np.max(system.spectral_radius(grid, settings(x))))
        return rate if np.isfinite(rate) else 1e3

    best: Any = None
    root = np.sqrt(steepest / mu)
    for share in (max(((root - 1.0) / (root + 1.0)) ** 2, 0.05), 0.5):
        for place in _starts(rule, system, paths, share, steepest, mu):
            for _ in range(2):  # a simplex that has collapsed on a kink is opened again
                found = minimize(loss, place, method="Nelder-Mead",
                                 options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 400 * len(place)})  # fmt: skip
                place = found.x
            if best is None or found.fun < best.fun:
                best = found
    chosen = settings(best.x)
    tuned = with_numbers(rule, chosen)
    return Tuning(tuned, chosen, worst_rate(tuned, mu, steepest), False, "found numerically (Nelder and Mead 1965)")


def _starts(
    rule: Rule, system: LinearSystem, paths: list[str], share: float, steepest: float, mu: float
) -> list[Array]:
    """All bounded numbers at the same share or spread up to it, each with a rate below its own limit."""
    found = []
    for shares in (np.full(len(paths), share), np.linspace(0.1, share, len(paths)) if len(paths) > 1 else None):
        if shares is None:
            continue
        given = dict(zip(paths, shares.tolist(), strict=True))
        limit = stability_limit(with_numbers(rule, given), steepest)
        rate = 0.5 * limit if 0.0 < limit < np.inf else 2.0 / (steepest + mu)
        found.append(np.concatenate([[np.log(rate)], np.log(shares / (1.0 - shares))]))
    return found
