"""Models on real tables: linear, logistic and softmax regression, and a small tanh network.

>>> model = data_objective("breast_cancer")
>>> model.dimension, model.coordinates[0], model.coordinates[-1], model.convex
(31, 'w[mean radius]', 'b', True)
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.objectives.data.models import LOSSES, LinearModel, Model, TanhNetwork
from layda.objectives.data.objective import DataObjective
from layda.objectives.data.tables import BUNDLED, TASKS, Table, is_table_path, read_table

__all__ = ["BUNDLED", "MODELS", "DataObjective", "Table", "data_objective", "is_table_path", "read_table"]

Array = NDArray[np.float64]
MODELS = ("auto", "linear", "logistic", "softmax", "network")
_MOST_PARAMETERS = 100_000
_TITLES = {
    "linear": "linear regression",
    "logistic": "logistic regression",
    "softmax": "softmax regression",
    "network": "a tanh network",
}


def data_objective(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    model: str = "auto",
    task: str = "auto",
    l2: float = 1e-3,
    hidden: int = 16,
    batch: int | None = None,
    held_out: float = 0.2,
    seed: int = 0,
) -> DataObjective:
    """The training loss of a model on a table, as an objective.

    ``f = mean loss + (l2/2)·|weights|²``. Every feature is standardised by the mean and standard deviation of the
    training part (so is the target of a regression, whose loss is ½·mean((prediction − y)²) in those units).

    Args:
        source: a name in ``BUNDLED``, or the path of a CSV, TSV or Parquet file.
        target: the column to predict; needed for a file.
        model: ``auto`` is ``linear`` for a number, ``logistic`` for two classes, ``softmax`` for more;
            ``network`` has one hidden layer of tanh units.
        task: ``classification``, ``regression``, or ``auto``: text and whole numbers of at most 20 distinct values are
            classes.
        l2: the weight of the penalty, 0 to 1e6. Intercepts are not penalised.
        hidden: units of the network's hidden layer, 1 to 1000; other models have none.
        batch: training rows that one step sees; all by default.
        held_out: the share of rows, of each class alike, that is kept for the report; 0 up to 0.9.
        seed: of the split, the network's start and the order of the batches; 0 to 2⁶³ − 1.

    Raises:
        SettingError: an argument is out of its range, or the model does not fit the target.
        UnknownNameError, FileError, DataError, MissingExtraError: as in :func:`read_table`.

    >>> data_objective("diabetes", batch=64).steps_per_epoch
    6
    """
    if not isinstance(source, str | os.PathLike):
        raise SettingError(
            f"source is {source!r}; allowed is a name ({', '.join(BUNDLED)}) or a path; give one of them"
        )
    _one_of("model", model, MODELS)
    _one_of("task", task, TASKS)
    column: Any = target
    if isinstance(column, bool) or not isinstance(column, str | int | None) or not str(column).strip():
        raise SettingError(f"target is {target!r}; allowed is the name of a column; give it as text")
    l2 = _number("l2", l2, 0.0, 1e6, "take 0 for no penalty")
    hidden = _whole("hidden", hidden, 1, 1000, "take 16 to begin with")
    held_out = _number("held_out", held_out, 0.0, 0.9, "take 0.2 for every fifth row")
    seed = _whole("seed", seed, 0, 2**63 - 1, "take 0 to begin with")
    table = read_table(source, None if target is None else str(target), task)
    chosen = _chosen_model(table, model)
    train, held = _split(table, held_out, seed)
    if batch is not None:
        batch = _whole(
            "batch", batch, 1, len(train), f"leave it out for all {len(train)} training rows of {table.name}"
        )
    options = {
        "source": os.fspath(source),
        "target": table.target_name,
        "model": chosen,
        "task": "regression" if table.classes is None else "classification",
        "l2": l2,
        "hidden": hidden,
        "batch": batch,
        "held_out": held_out,
        "seed": seed,
    }
    return _built(table, train, held, options)


def _built(table: Table, train: NDArray[np.intp], held: NDArray[np.intp], options: dict[str, Any]) -> DataObjective:
    mathematics = _mathematics(table, options)
    features, constant = _standardised(table.features, train)
    values = table.target if table.classes is not None else _standardised(table.target[:, None], train)[0][:, 0]
    batch = options["batch"] if options["batch"] != len(train) else None
    start = mathematics.start(np.random.default_rng([options["seed"], 0, 2]))
    coded = table.classes if mathematics.loss.name == "logistic" else None
    one = f", y = 1 for {coded[1]}" if coded else ""
    scores = "s = tanh(x·V + c)·W + b" if options["model"] == "network" else "s = x·w + b"
    return DataObjective(
        name=table.name,
        coordinates=mathematics.coordinates(table.feature_names, table.classes),
        box=((-1.0, 1.0),) * mathematics.size,
        start=tuple(float(number) for number in start),
        description=(
            f"{_TITLES[options['model']]} of {table.target_name} by {len(table.feature_names)} features; "
            f"{len(train)} rows to fit, {len(held)} held out"
        ),
        equation=f"mean({mathematics.loss.equation}) + ({options['l2']:g}/2)·|w|², {scores}{one}",
        source=BUNDLED.get(table.name, f"the file {table.name}"),
        stochastic=batch is not None,
        convex=mathematics.convex,
        notes=tuple(_notes(table, constant, batch, len(train))),
        model=mathematics,
        batch=batch,
        seed=options["seed"],
        options=tuple(options.items()),
        digest=table.digest,
        rows=_kept(features[train]),
        targets=_kept(values[train]),
        held_out_rows=_kept(features[held]),
        held_out_targets=_kept(values[held]),
    )


def _kept(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _notes(table: Table, constant: NDArray[np.intp], batch: int | None, rows: int) -> list[str]:
    found = []
    if batch is not None:
        steps = -(-rows // batch)
        found.append(f"mini-batches of {batch} of {rows} rows: {steps} steps are an epoch; values are of all rows")
    if len(constant):
        names = ", ".join(table.feature_names[index] for index in constant[:5]) + (", …" if len(constant) > 5 else "")
        found.append(f"{len(constant)} of the features do not vary in the training part and are set to 0: {names}")
    if table.classes is None:
        found.append(f"{table.target_name} is standardised: a loss of 0.5 is that of always answering the mean")
    return found


def _mathematics(table: Table, options: dict[str, Any]) -> Model:
    classes = table.classes
    kind = options["model"]
    if kind == "network":
        name = "square" if classes is None else "logistic" if len(classes) == 2 else "softmax"
    else:
        name = "square" if kind == "linear" else kind
    outputs = len(classes) if name == "softmax" and classes is not None else 1
    features = len(table.feature_names)
    found: Model
    if kind == "network":
        found = TanhNetwork(features, outputs, LOSSES[name], options["l2"], options["hidden"])
    else:
        found = LinearModel(features, outputs, LOSSES[name], options["l2"])
    if found.size > _MOST_PARAMETERS:
        raise SettingError(
            f"{table.name} with the model {kind} has {found.size} parameters; allowed are {_MOST_PARAMETERS}; "
            "take fewer features, classes or hidden units"
        )
    return found


def _chosen_model(table: Table, model: str) -> str:
    classes = table.classes
    fitting = "linear" if classes is None else "logistic" if len(classes) == 2 else "softmax"
    allowed = {fitting, "network"} | ({"softmax"} if classes is not None else set())
    if model == "auto":
        return fitting
    if model not in allowed:
        what = "a number" if classes is None else f"one of {len(classes)} classes"
        other = ", or task=" + ("classification" if classes is None else "regression")
        raise SettingError(
            f"model is {model}; allowed for {table.target_name!r} of {table.name}, {what}, is "
            f"{' or '.join(sorted(allowed))}; take one of them{other if table.name not in BUNDLED else ''}"
        )
    return model


def _split(table: Table, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row numbers to fit and to hold out, both in the table's order; of each class the same share, and never all."""
    generator = np.random.default_rng([seed, 0, 1])  # batches draw from [seed, epoch]
    groups = [np.arange(len(table.target))]
    if table.classes is not None:
        groups = [np.flatnonzero(table.target == number) for number in range(len(table.classes))]
    held: list[int] = []
    for rows in groups:
        least = 1 if table.classes is not None else 2
        count = min(round(share * len(rows)), len(rows) - least)
        held += generator.permutation(rows)[:count].tolist()
    out = np.array(sorted(held), dtype=np.intp)
    return np.setdiff1d(np.arange(len(table.target), dtype=np.intp), out), out


def _standardised(columns: Array, train: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """(x − mean)/std by the training rows, 0 in constant columns; and the numbers of those."""
    fitted = columns[train]
    constant = np.max(fitted, axis=0) == np.min(fitted, axis=0)
    # Divided by a power of two first, which is exact: the squares of numbers such as 1e200 would overflow.
    with np.errstate(all="ignore"):  # a held-out value may be far outside
        scaled = np.ldexp(columns, -np.frexp(np.max(np.abs(fitted), axis=0))[1])
    middle = np.mean(scaled[train], axis=0)
    spread = np.std(scaled[train], axis=0)
    usable = ~constant & (spread > 0.0)
    with np.errstate(all="ignore"):
        found = np.where(usable, (scaled - middle) / np.where(usable, spread, 1.0), 0.0)
    return found, np.flatnonzero(~usable)


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise SettingError(f"{name} is {value!r}; allowed is {', '.join(allowed)}; leave it out for {allowed[0]}")


def _whole(name: str, value: Any, low: int, high: int, remedy: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise SettingError(f"{name} is {value!r}; allowed is a whole number from {low} to {high}; {remedy}")
    return int(value)


def _number(name: str, value: Any, low: float, high: float, remedy: str) -> float:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or math.isnan(value) or not low <= value <= high:
        raise SettingError(f"{name} is {value!r}; allowed is a number from {low:g} to {high:g}; {remedy}")
    return float(value)
