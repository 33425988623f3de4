"""The models: a linear map or a small tanh network to scores, and one of three losses of the scores, in NumPy.

With S = scores(parameters, X), n rows and all weights w (the intercepts are not among them)::

    f(parameters) = (1/n) Σᵢ loss(Sᵢ, yᵢ) + (l2/2)·|w|²

Everything is float64 and IEEE: huge or non-finite parameters give infinities or NaN, never an exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOSSES", "LinearModel", "Loss", "Model", "TanhNetwork", "logistic_loss", "softmax_loss", "square_loss"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Loss:
    """A loss of scores.

    Attributes:
        name: ``square``, ``logistic`` or ``softmax``.
        mean: (scores (n, k), y (n,)) -> mean loss, and its derivative by the scores (n, k).
        mean_many: the same for many models at once: (scores (n, m, k), y (n,)) -> (m,) and (n, m, k).
        curvature: scores (n, k) -> second derivatives of the mean loss by each row's scores (n, k, k).
        predict: scores (n, k) -> predicted targets (n,): numbers, or class numbers as floats.
        equation: the loss of one row, for people.
    """

    name: str
    mean: Callable[[Array, Array], tuple[float, Array]]
    mean_many: Callable[[Array, Array], tuple[Array, Array]]
    curvature: Callable[[Array], Array]
    predict: Callable[[Array], Array]
    equation: str


def square_loss(scores: Array, y: Array) -> tuple[float, Array]:
    """½·mean((s − y)²) and (s − y)/n.

    >>> square_loss(np.array([[3.0], [1.0]]), np.array([1.0, 1.0]))[0]
    1.0
    """
    residual = scores[:, 0] - y
    return float(0.5 * np.mean(residual * residual)), (residual / len(y))[:, None]


def logistic_loss(scores: Array, y: Array) -> tuple[float, Array]:
    """mean(log(1 + eˢ) − y·s) for y in {0, 1}, and (σ(s) − y)/n.

    With t = s for y = 0 and t = −s for y = 1 the loss is log(1 + eᵗ) and its slope ±σ(t): nothing cancels, and
    nothing overflows.

    >>> logistic_loss(np.array([[-800.0]]), np.array([1.0]))[0]
    800.0
    """
    sign = 1.0 - 2.0 * y
    turned = sign * scores[:, 0]
    slope = sign * np.exp(-np.logaddexp(0.0, -turned)) / len(y)
    return float(np.mean(np.logaddexp(0.0, turned))), slope[:, None]


def softmax_loss(scores: Array, y: Array) -> tuple[float, Array]:
    """mean(log Σⱼ exp(sⱼ) − s_y) for class numbers y, and (softmax(s) − onehot(y))/n; the largest score is taken out.

    >>> float(np.exp(softmax_loss(np.array([[900.0, 900.0]]), np.array([0.0]))[0]).round(12))
    2.0
    """
    rows, chosen = np.arange(len(y)), y.astype(np.intp)
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    powers = np.exp(shifted)
    totals = np.sum(powers, axis=1)
    slope = powers / totals[:, None]
    # −Σ of the other shares instead of share − 1: no cancellation where the right class is nearly certain.
    others = powers.copy()
    others[rows, chosen] = 0.0
    slope[rows, chosen] = -np.sum(others, axis=1) / totals
    return float(np.mean(np.log(totals) - shifted[rows, chosen])), slope / len(y)


def _square_losses(scores: Array, y: Array) -> tuple[Array, Array]:
    residual = scores - y[:, None, None]
    return 0.5 * np.mean(residual[:, :, 0] ** 2, axis=0), residual / len(y)


def _logistic_losses(scores: Array, y: Array) -> tuple[Array, Array]:
    sign = (1.0 - 2.0 * y)[:, None, None]
    turned = sign * scores
    slope = sign * np.exp(-np.logaddexp(0.0, -turned)) / len(y)
    return np.mean(np.logaddexp(0.0, turned[:, :, 0]), axis=0), slope


def _softmax_losses(scores: Array, y: Array) -> tuple[Array, Array]:
    rows, chosen = np.arange(len(y)), y.astype(np.intp)
    shifted = scores - np.max(scores, axis=2, keepdims=True)
    powers = np.exp(shifted)
    totals = np.sum(powers, axis=2)
    slope = powers / totals[:, :, None]
    others = powers.copy()
    others[rows, :, chosen] = 0.0
    slope[rows, :, chosen] = -np.sum(others, axis=2) / totals
    return np.mean(np.log(totals) - shifted[rows, :, chosen], axis=0), slope / len(y)


def _square_curvature(scores: Array) -> Array:
    return np.full((len(scores), 1, 1), 1.0 / len(scores))


def _logistic_curvature(scores: Array) -> Array:
    """σ(s)·σ(−s)/n."""
    s = scores[:, 0]
    share: Array = np.exp(-np.logaddexp(0.0, s) - np.logaddexp(0.0, -s)) / len(s)
    return share[:, None, None]


def _softmax_curvature(scores: Array) -> Array:
    """(diag p − p pᵀ)/n."""
    powers = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    share = powers / np.sum(powers, axis=1, keepdims=True)
    found: Array = -share[:, :, None] * share[:, None, :]
    index = np.arange(scores.shape[1])
    found[:, index, index] += share
    found /= len(scores)
    return found


def _the_score(scores: Array) -> Array:
    found: Array = scores[:, 0]
    return found


def _above_a_half(scores: Array) -> Array:
    """1 where σ(s) > ½."""
    return (scores[:, 0] > 0.0).astype(np.float64)


def _likeliest(scores: Array) -> Array:
    found: Array = np.argmax(scores, axis=1).astype(np.float64)
    return found


LOSSES: dict[str, Loss] = {
    "square": Loss("square", square_loss, _square_losses, _square_curvature, _the_score, "½(s − y)²"),
    "logistic": Loss(
        "logistic", logistic_loss, _logistic_losses, _logistic_curvature, _above_a_half, "log(1 + eˢ) − y·s"
    ),
    "softmax": Loss("softmax", softmax_loss, _softmax_losses, _softmax_curvature, _likeliest, "log Σⱼ exp(sⱼ) − s_y"),
}
"""The losses by name."""


@dataclass(frozen=True)
class Model(ABC):
    """What turns d features into k scores, with the loss of the scores. Subclasses say how.

    Attributes:
        features: d. outputs: k; 1 for the square and logistic losses, the number of classes for softmax.
        loss: the loss of the scores. l2: the weight of the penalty, 0 or more.
    """

    features: int
    outputs: int
    loss: Loss
    l2: float

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of parameters."""

    @property
    @abstractmethod
    def convex(self) -> bool:
        """Whether f is convex in the parameters."""

    @abstractmethod
    def coordinates(self, features: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
        """Readable names of the parameters, in their order."""

    @abstractmethod
    def start(self, generator: np.random.Generator) -> Array:
        """The usual start, shape (size,)."""

    @abstractmethod
    def scores(self, parameters: Array, rows: Array) -> Array:
        """Scores (n, k) of rows (n, d)."""

    @abstractmethod
    def value_and_gradient(self, parameters: Array, rows: Array, y: Array) -> tuple[float, Array]:
        """f and ∇f on rows (n, d) with targets y (n,)."""

    def values_and_gradients(self, parameters: Array, rows: Array, y: Array) -> tuple[Array, Array]:
        """f and ∇f for many parameter vectors (m, size) at once: (m,) and (m, size); here one after the other."""
        found = [self.value_and_gradient(one, rows, y) for one in parameters]
        return np.array([value for value, _ in found]), np.array([slope for _, slope in found])

    def mean_loss(self, parameters: Array, rows: Array, y: Array) -> float:
        """The mean loss without the penalty."""
        with np.errstate(all="ignore"):
            return self.loss.mean(self.scores(parameters, rows), y)[0]

    def predict(self, parameters: Array, rows: Array) -> Array:
        """Predicted targets (n,): numbers, or class numbers as floats."""
        with np.errstate(all="ignore"):
            return self.loss.predict(self.scores(parameters, rows))


@dataclass(frozen=True)
class LinearModel(Model):
    """S = X·W + b: linear regression (square), logistic regression, softmax regression.

    Parameters: W (d, k) row by row, then b (k); d·k + k numbers, all 0 at the start.

    ``∂f/∂W = Xᵀ·D + l2·W`` and ``∂f/∂b = Σ_rows D``, where D is the derivative of the mean loss by the scores.
    """

    @property
    def size(self) -> int:
        """(d + 1)·k."""
        return (self.features + 1) * self.outputs

    @property
    def convex(self) -> bool:
        """True: a convex loss of a linear map, plus a convex penalty."""
        return True

    def coordinates(self, features: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
        """``w[feature]`` and ``b``; with several outputs ``w[feature, class]`` and ``b[class]``."""
        return (*_named("w", features, self.outputs, classes), *_named_intercepts(self.outputs, classes))

    def start(self, generator: np.random.Generator) -> Array:
        """Zeros."""
        return np.zeros(self.size)

    def scores(self, parameters: Array, rows: Array) -> Array:
        """X·W + b, shape (n, k)."""
        weights, intercepts = self._parts(parameters)
        return rows @ weights + intercepts

    def value_and_gradient(self, parameters: Array, rows: Array, y: Array) -> tuple[float, Array]:
        """f and ∇f on rows (n, d) with targets y (n,)."""
        weights, _ = self._parts(parameters)
        with np.errstate(all="ignore"):
            loss, slope = self.loss.mean(self.scores(parameters, rows), y)
            value = loss + _penalty(self.l2, weights)
            gradient = np.concatenate([(rows.T @ slope + self.l2 * weights).ravel(), slope.sum(axis=0)])
        return value, gradient

    def values_and_gradients(self, parameters: Array, rows: Array, y: Array) -> tuple[Array, Array]:
        """f and ∇f for many parameter vectors (m, size) at once, through two matrix products.

        The products' order of summation is the library's, so the last bits may differ from those of one at a time.
        """
        m, d, k = len(parameters), self.features, self.outputs
        weights = parameters[:, : d * k].reshape(m, d, k)
        with np.errstate(all="ignore"):
            scores = (rows @ weights.transpose(1, 0, 2).reshape(d, m * k)).reshape(len(rows), m, k)
            loss, slope = self.loss.mean_many(scores + parameters[:, d * k :], y)
            value = loss + (0.5 * self.l2 * np.sum(weights * weights, axis=(1, 2)) if self.l2 else 0.0)
            by_weights = (rows.T @ slope.reshape(len(rows), m * k)).reshape(d, m, k).transpose(1, 0, 2)
            by_weights = by_weights + self.l2 * weights
            gradient = np.concatenate([by_weights.reshape(m, d * k), slope.sum(axis=0)], axis=1)
        return value, gradient

    def hessian(self, parameters: Array, rows: Array) -> Array:
        """∇²f, shape (size, size): ``X̃ᵀ·diag(C_ab)·X̃`` in block (a, b), X̃ = [X, 1], and l2 at the weights' diagonal."""
        k = self.outputs
        whole = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        found = np.empty((self.features + 1, k, self.features + 1, k))
        with np.errstate(all="ignore"):
            curvature = self.loss.curvature(self.scores(parameters, rows))
            for a in range(k):
                for b in range(a + 1):
                    block = whole.T @ (curvature[:, a, b, None] * whole)
                    found[:, a, :, b] = found[:, b, :, a] = 0.5 * (block + block.T)
        matrix = found.reshape(self.size, self.size)
        weights = np.arange(self.features * k)
        matrix[weights, weights] += self.l2
        return matrix

    def _parts(self, parameters: Array) -> tuple[Array, Array]:
        cut = self.features * self.outputs
        return parameters[:cut].reshape(self.features, self.outputs), parameters[cut:]


@dataclass(frozen=True)
class TanhNetwork(Model):
    """Z = tanh(X·V + c), S = Z·W + b: one hidden layer. Not convex: exchanging hidden units gives other minima.

    Parameters: V (d, h) row by row, c (h), W (h, k) row by row, b (k).

    With D the derivative of the mean loss by the scores and E = (D·Wᵀ)∘(1 − Z²)::

        ∂f/∂V = Xᵀ·E + l2·V    ∂f/∂c = Σ_rows E    ∂f/∂W = Zᵀ·D + l2·W    ∂f/∂b = Σ_rows D

    Attributes:
        hidden: h, the number of hidden units.
    """

    hidden: int

    @property
    def size(self) -> int:
        """(d + 1)·h + (h + 1)·k."""
        return (self.features + 1) * self.hidden + (self.hidden + 1) * self.outputs

    @property
    def convex(self) -> bool:
        """False."""
        return False

    def coordinates(self, features: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
        """``v[feature, h1]``, ``c[h1]``, ``w[h1]``, ``b``; with several outputs ``w[h1, class]``, ``b[class]``."""
        units = [f"h{index + 1}" for index in range(self.hidden)]
        first = [f"v[{feature}, {unit}]" for feature in features for unit in units]
        second = _named("w", units, self.outputs, classes)
        return (*first, *(f"c[{unit}]" for unit in units), *second, *_named_intercepts(self.outputs, classes))

    def start(self, generator: np.random.Generator) -> Array:
        """Weights uniform in ±√(6/(inputs + outputs)) of their layer (Glorot and Bengio 2010, eq. 16), intercepts 0."""
        first, second = np.sqrt(6.0 / (self.features + self.hidden)), np.sqrt(6.0 / (self.hidden + self.outputs))
        v = generator.uniform(-first, first, self.features * self.hidden)
        w = generator.uniform(-second, second, self.hidden * self.outputs)
        return np.concatenate([v, np.zeros(self.hidden), w, np.zeros(self.outputs)])

    def scores(self, parameters: Array, rows: Array) -> Array:
        """tanh(X·V + c)·W + b, shape (n, k)."""
        v, c, w, b = self._parts(parameters)
        return np.tanh(rows @ v + c) @ w + b

    def value_and_gradient(self, parameters: Array, rows: Array, y: Array) -> tuple[float, Array]:
        """f and ∇f on rows (n, d) with targets y (n,)."""
        v, c, w, b = self._parts(parameters)
        with np.errstate(all="ignore"):
            z = np.tanh(rows @ v + c)
            loss, slope = self.loss.mean(z @ w + b, y)
            back = (slope @ w.T) * (1.0 - z * z)
            value = loss + _penalty(self.l2, v) + _penalty(self.l2, w)
            parts = (rows.T @ back + self.l2 * v, back.sum(axis=0), z.T @ slope + self.l2 * w, slope.sum(axis=0))
        return value, np.concatenate([part.ravel() for part in parts])

    def _parts(self, parameters: Array) -> tuple[Array, Array, Array, Array]:
        d, h, k = self.features, self.hidden, self.outputs
        v, c, w, b = np.split(parameters, np.cumsum([d * h, h, h * k]))
        return v.reshape(d, h), c, w.reshape(h, k), b


def _penalty(l2: float, weights: Array) -> float:
    """(l2/2)·|w|²; exactly 0 for l2 = 0, also where |w|² overflows."""
    return 0.5 * l2 * float(np.sum(weights * weights)) if l2 else 0.0


def _named(letter: str, inputs: Sequence[str], outputs: int, classes: Sequence[str] | None) -> list[str]:
    if outputs == 1 or classes is None:
        return [f"{letter}[{name}]" for name in inputs]
    return [f"{letter}[{name}, {label}]" for name in inputs for label in classes]


def _named_intercepts(outputs: int, classes: Sequence[str] | None) -> list[str]:
    return ["b"] if outputs == 1 or classes is None else [f"b[{label}]" for label in classes]
