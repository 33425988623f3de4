"""A model's training loss on a table as an objective: mini-batches, a held-out part, the lowest training loss."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import ComputationError
from layda.objective import Objective
from layda.objectives.data.models import LinearModel, Model

__all__ = ["DataObjective"]

Array = NDArray[np.float64]
_MOST_FOR_NEWTON = 2000  # parameters; the Hessian of 2000 takes 32 MB and a second to solve
_GRADIENT_ENOUGH = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class DataObjective(Objective):
    """``f(parameters) = mean loss over the training rows + (l2/2)·|weights|²``.

    Built by :func:`layda.objectives.data.data_objective`. The coordinates are the model's parameters; ``box`` is −1 to
    1 in each of them: where random starts are drawn. Two are equal when their ``identity`` is.

    Attributes:
        model: the mathematics.
        rows: standardised training rows (n, d). targets: (n,), class numbers or the standardised target.
        held_out_rows: standardised by the training part, (m, d). held_out_targets: (m,); m may be 0.
        batch: rows in a mini-batch; ``None`` for all.
        seed: of the split, the network's start and the order of the batches.
        options: the arguments that :func:`~layda.objectives.data.data_objective` rebuilds it from.
        digest: SHA-256 of the table.
    """

    model: Model = field(repr=False)
    rows: Array = field(repr=False)
    targets: Array = field(repr=False)
    held_out_rows: Array = field(repr=False)
    held_out_targets: Array = field(repr=False)
    batch: int | None = None
    seed: int = 0
    options: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    digest: str = field(default="", repr=False)

    @property
    def steps_per_epoch(self) -> int:
        """How many steps see every training row once; the last batch of an epoch may be short."""
        return 1 if self.batch is None else -(-len(self.targets) // self.batch)

    def value_and_gradient(self, position: Array) -> tuple[float, Array]:
        """f and ∇f on the whole training part."""
        return self.model.value_and_gradient(self._parameters(position), self.rows, self.targets)

    def values_and_gradients(self, positions: Array) -> tuple[Array, Array]:
        """f and ∇f at each row, through one matrix product for all."""
        return self.model.values_and_gradients(np.asarray(positions, np.float64), self.rows, self.targets)

    def batch_rows(self, step: int) -> NDArray[np.intp]:
        """The numbers of the training rows that step ``step`` sees.

        Epoch e = ⌊step / steps_per_epoch⌋ goes through the permutation drawn by ``default_rng([seed, e])``.
        """
        count = len(self.targets)
        if not self.stochastic or self.batch is None:
            return np.arange(count)
        epoch, place = divmod(step, self.steps_per_epoch)
        return _permutation(self.seed, epoch, count)[place * self.batch : (place + 1) * self.batch]

    def step_gradient(self, position: Array, step: int) -> Array:
        """∇f with the mean loss over the rows of the step's batch; the penalty is in every batch's gradient."""
        if not self.stochastic:
            return self.value_and_gradient(position)[1]
        chosen = self.batch_rows(step)
        return self.model.value_and_gradient(self._parameters(position), self.rows[chosen], self.targets[chosen])[1]

    def hessian(self, position: Array) -> Array:
        """The exact second derivatives of the convex models; differences of the gradient for the network."""
        if isinstance(self.model, LinearModel):
            return self.model.hessian(self._parameters(position), self.rows)
        return super().hessian(position)

    @property
    def hessian_cost(self) -> float:
        """XᵀDX has as many products as half a gradient for each parameter."""
        return 0.5 * self.dimension if isinstance(self.model, LinearModel) else super().hessian_cost

    def report(self, position: Array) -> dict[str, float]:
        """Loss without the penalty, and the share of right answers or R², on the training and the held-out rows.

        R² = 1 − Σ(y − prediction)²/Σ(y − mean(y))²; NaN where all y are the same. Without held-out rows only the
        training figures are given.
        """
        parameters = self._parameters(position)
        found: dict[str, float] = {}
        parts = [("training", self.rows, self.targets), ("held-out", self.held_out_rows, self.held_out_targets)]
        parts = [part for part in parts if len(part[2])]
        for part, rows, y in parts:
            found[f"{part} loss"] = self.model.mean_loss(parameters, rows, y)
        for part, rows, y in parts:
            found[f"{part} {self.score_name}"] = self._score(parameters, rows, y)
        return found

    @property
    def score_name(self) -> str:
        """``accuracy`` or ``R²``."""
        return "R²" if self.model.loss.name == "square" else "accuracy"

    def settings(self) -> dict[str, Any]:
        """Plain data: the arguments of :func:`~layda.objectives.data.data_objective`, and the table's ``digest``."""
        return {**dict(self.options), "digest": self.digest}

    @property
    def identity(self) -> str:
        """SHA-256 of the table's digest with the settings; where the table lies is no part of it."""
        kept = {name: value for name, value in self.settings().items() if name != "source"}
        if isinstance(self.model, LinearModel):
            del kept["hidden"]
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.identity == other.identity if isinstance(other, DataObjective) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.identity)

    def reference_value(self) -> float:
        """f*, the lowest training loss of a convex model; computed once.

        By L-BFGS-B, then Newton's method with the exact Hessian until every slope is at most 1e-10 (up to 2000
        parameters). With l2=0 on separable classes the minimum is at infinity: the value is that of the last step.

        Raises:
            ComputationError: the model is the network, whose lowest loss nobody knows.
        """
        return self.reference[1]

    @cached_property
    def reference(self) -> tuple[Array, float]:
        """Where ``reference_value`` is taken, and the value.

        Raises:
            ComputationError: as in ``reference_value``.
        """
        if not isinstance(self.model, LinearModel):
            raise ComputationError(
                f"{self.name} with the model network has no known lowest loss: it is not convex; "
                "a known one have linear, logistic and softmax"
            )
        from scipy.optimize import minimize

        options = {"maxiter": 5000, "maxfun": 20000, "gtol": 1e-10, "ftol": 1e-15, "maxcor": 30}
        first = np.array(self.start)
        found = minimize(self.value_and_gradient, first, jac=True, method="L-BFGS-B", options=options)
        place = np.asarray(found.x, dtype=np.float64)
        if self.dimension <= _MOST_FOR_NEWTON:
            place = _newton(self, place)
        place.flags.writeable = False
        return place, self.value(place)

    def _parameters(self, position: Array) -> Array:
        return np.asarray(position, dtype=np.float64)

    def _score(self, parameters: Array, rows: Array, y: Array) -> float:
        predicted = self.model.predict(parameters, rows)
        if self.score_name == "accuracy":
            return float(np.mean(predicted == y))
        with np.errstate(all="ignore"):
            return float(1.0 - np.sum((y - predicted) ** 2) / np.sum((y - np.mean(y)) ** 2))


@lru_cache(maxsize=8)  # a run asks for the same epoch steps_per_epoch times, a race does so for each of its runs
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.intp]:
    order = np.random.default_rng([seed, epoch]).permutation(count).astype(np.intp)
    order.flags.writeable = False
    return order


def _newton(objective: DataObjective, place: Array) -> Array:
    """Newton's method with halved steps: down to slopes of 1e-10, or until rounding stops it.

    The step is the shortest solution: softmax does not change when all intercepts grow alike, so that its Hessian is
    singular in that direction.
    """
    value, slope = objective.value_and_gradient(place)
    for _ in range(50):
        if not np.max(np.abs(slope)) > _GRADIENT_ENOUGH:
            break
        step = np.linalg.lstsq(objective.hessian(place), slope, rcond=1e-14)[0]
        for halving in range(30):
            ahead = place - step * 0.5**halving
            new_value, new_slope = objective.value_and_gradient(ahead)
            # Near the minimum values differ by rounding only; there the slopes decide.
            near = new_value <= value + 1e-14 * abs(value) and np.max(np.abs(new_slope)) < np.max(np.abs(slope))
            if new_value < value or near:
                break
        else:
            break
        place, value, slope = ahead, new_value, new_slope
    return place
