"""The rules: ways of rolling down. One file per family, mathematics only; :data:`ALL` is the one list.

>>> [rule.name for rule in ALL][:3]
['gradient-descent', 'heavy-ball', 'nesterov']
"""

from __future__ import annotations

from layda.rule import Hyperparameter, Rule, Slot
from layda.rules.adam import Adam, AdamW, NAdam
from layda.rules.aggregated_momentum import AggregatedMomentum
from layda.rules.convert import convert, convert_velocity
from layda.rules.gradient_descent import GradientDescent
from layda.rules.heavy_ball import HeavyBall
from layda.rules.nesterov import Nesterov
from layda.rules.quasi_hyperbolic import QuasiHyperbolic
from layda.rules.schedule_free import ScheduleFreeSGD
from layda.rules.sign import Lion, SignMomentum

__all__ = [
    "ALL", "Adam", "AdamW", "AggregatedMomentum", "GradientDescent", "HeavyBall", "Hyperparameter", "Lion", "NAdam",
    "Nesterov", "QuasiHyperbolic", "Rule", "ScheduleFreeSGD", "SignMomentum", "Slot", "convert", "convert_velocity",
]  # fmt: skip

ALL: tuple[type[Rule], ...] = (
    GradientDescent,
    HeavyBall,
    Nesterov,
    QuasiHyperbolic,
    AggregatedMomentum,
    Adam,
    AdamW,
    NAdam,
    Lion,
    SignMomentum,
    ScheduleFreeSGD,
)
"""Every rule, in the order in which lists and tables show them. A new rule is added here and nowhere else."""
