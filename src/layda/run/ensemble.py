"""Very many balls on one objective: arrays of starts and settings in, how each ball ended out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda._version import __version__
from layda.errors import MissingExtraError, SettingError, SpecError, nearest
from layda.measures import CONSTANTS, VERDICTS
from layda.objective import Objective, TracedObjective
from layda.rule import Rule, Stepper
from layda.run.descend import whole_number
from layda.run.engine import Engine
from layda.run.minima import known_minima
from layda.run.restart import check_restart
from layda.schedules import ExponentialDecay
from layda.settings import name_here, numbers_of, replaced
from layda.specs import to_objective, to_rule
from layda.specs.rules import rule_text

if TYPE_CHECKING:
    import xarray

__all__ = ["KEPT", "ensemble", "prepared", "run_balls"]

Array = NDArray[Any]
KEPT = ("position", "estimate", "value", "steps", "verdict", "basin")
"""What an ensemble can keep of every ball."""


def ensemble(
    objective: str | Objective | Callable[..., Any],
    rule: str | Rule | type[Rule] = "heavy-ball",
    starts: Any = None,
    *,
    settings: Mapping[str, Any] | None = None,
    decay: Any = None,
    steps: int = 1000,
    tolerance: float = CONSTANTS["tolerance"][0],
    check_every: int = int(CONSTANTS["check_every"][0]),
    keep: Sequence[str] = KEPT,
    radius: float | None = None,
    fast: bool = False,
    dtype: str = "float64",
    device: str = "cpu",
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    **numbers: Any,
) -> xarray.Dataset:
    """Roll very many balls down an objective at once.

    Every ball ends as a single :func:`layda.descend` would end it: same bits, same step, same verdict (``fast`` and
    float32 apart, which are other arithmetics).

    Args:
        objective: as in :func:`layda.descend`.
        rule: as in :func:`layda.descend`; its settings hold for all balls that nothing else is said for.
        starts: (…, dimension), or (…) for one coordinate; by default the objective's usual start. A whole number N
            draws N starts from the box (seed 0).
        settings: path -> value or array, such as ``{"momentum": [0.5, 0.9]}`` or ``{"learning_rate.decay": …}``.
        decay: δ, one or many: the learning rate decays exponentially from its value, first step included.
        steps: the budget of each ball.
        tolerance: as in :func:`layda.descend`.
        check_every: as in :func:`layda.descend`; part of what a result means, so it is stored with it.
        keep: what to keep: "position", "estimate", "value", "steps", "verdict", "basin". Without the last two no
            measures are carried along.
        radius: a settled ball is in the basin of a known minimum when every coordinate is this near; by default a
            thousandth of the box's largest side.
        fast: fused multiply-adds: other roundings, the same on every machine.
        dtype: "float64" or "float32".
        device: "cpu", or "cuda" for an NVIDIA GPU (the extra ``[gpu]``): the same bits; objectives on tables and black
            boxes stay on the CPU.
        threads: by default one for each core.
        progress: called with the number of balls done since the last call.
        numbers: ``learning_rate=…``, ``momentum=…`` and so on: short for ``settings``.

    Returns:
        A dataset over ``ball`` for one-dimensional arrays (``axis_0``, ``axis_1``, … for more: starts and settings are
        broadcast against each other as NumPy does), with what ``keep`` names. ``verdict`` holds places in
        ``layda.measures.VERDICTS``, ``basin`` places in the list of known minima, −1 for none; the attributes say the
        rest.

    Raises:
        SettingError: shapes that do not go together, settings out of range, an unknown name in ``keep``; a device that
            is not there.
        MissingExtraError: xarray, or for a GPU cuda-core, is not installed.
        ComputationError: the GPU failed.

    >>> import layda
    >>> found = layda.ensemble("x^4 - 2x^2 + x/4", "heavy-ball", [-2.0, 2.0], learning_rate=0.005, momentum=0.5)
    >>> [layda.measures.VERDICTS[code] for code in found.verdict.values]
    ['converged', 'trapped']
    """
    try:
        import xarray  # noqa: F401 - missed before the balls roll, not after
    except ImportError:
        raise MissingExtraError("xarray", "sweep", "ensemble()") from None
    target, way = to_objective(objective), to_rule(rule)
    way, given = with_decay(way, given_settings(settings, numbers), decay)
    places, values, shape = _broadcast(target, way, starts, given)
    engine_options = {
        "steps": steps, "tolerance": tolerance, "check_every": check_every, "keep": keep, "radius": radius,
        "fast": bool(fast), "dtype": dtype,
    }  # fmt: skip
    options = prepared(target, engine_options)
    found = run_balls(target, way, places, values, options, device=device, threads=threads, progress=progress)
    return _dataset(target, way, found, shape, options, values)


def prepared(objective: Objective, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an ensemble, checked.

    Raises:
        SettingError: one that is out of range.
    """
    found = dict(options)
    found["steps"] = whole_number("steps", found["steps"], 0, 2**31 - 1)
    found["check_every"] = whole_number("check_every", found["check_every"], 2, 10**9)
    tolerance = found["tolerance"]
    known = isinstance(tolerance, int | float | np.number) and not isinstance(tolerance, bool)
    if not known or not 0.0 <= float(tolerance) < 1.0:
        raise SettingError(f"tolerance is {tolerance!r}; allowed is a number from 0 (never stop early) up to 1")
    found["tolerance"] = float(tolerance)
    keep = _kept(found["keep"])
    for name in keep:
        if name not in KEPT:
            raise SettingError(f"keep names {name!r}; allowed are {', '.join(KEPT)} ({nearest(name, KEPT)})")
    if not keep:
        raise SettingError(f"keep is empty; name at least one of {', '.join(KEPT)}")
    found["keep"] = tuple(name for name in KEPT if name in keep)
    if found["dtype"] not in ("float64", "float32"):
        raise SettingError(f"dtype is {found['dtype']!r}; allowed are 'float64' and 'float32'")
    radius = found["radius"]
    if radius is None:
        radius = 1e-3 * max(high - low for low, high in objective.box)
    if isinstance(radius, bool) or not isinstance(radius, int | float | np.number) or not 0.0 < float(radius) < np.inf:
        raise SettingError(f"radius is {radius!r}; allowed is a finite number above 0")
    found["radius"] = float(radius)
    return found


def _kept(names: Any) -> tuple[Any, ...]:
    """The names in ``keep``; one may stand alone."""
    if names is None or isinstance(names, str):
        return tuple(KEPT) if names is None else (names,)
    try:
        return tuple(names)
    except TypeError:
        raise SettingError(f"keep is {names!r}; allowed are names among {', '.join(KEPT)}") from None


def given_settings(settings: Any, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The settings from both ways of giving them.

    Raises:
        SettingError: no mapping from names, or one is given in both ways.
    """
    if settings is not None and not (isinstance(settings, Mapping) and all(isinstance(name, str) for name in settings)):
        raise SettingError(f"settings is {settings!r}; allowed is a mapping from names to numbers or arrays")
    twice = sorted((settings or {}).keys() & numbers.keys())
    if twice:
        raise SettingError(f"{', '.join(twice)} is given twice: in settings and by name; leave one out")
    return {**(settings or {}), **numbers}


def run_balls(
    objective: Objective,
    rule: Rule,
    starts: Array,
    numbers: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    device: str = "cpu",
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """The arrays that ``options["keep"]`` names, one row per ball: the compiled engine, or NumPy in batches.

    Args:
        objective: what is descended.
        rule: how.
        starts: (balls, dimension).
        numbers: every number of the rule, one or one for each ball.
        options: from :func:`prepared`.
        device: as in :func:`ensemble`.
        threads: as in :func:`ensemble`.
        progress: as in :func:`ensemble`.
    """
    stepper = Stepper(rule)
    known = {name: value for name, value in numbers.items() if name in stepper.numbers}
    varying = tuple(name for name, value in known.items() if np.ndim(value))
    checked_device(objective, device)
    check_restart(objective, rule)
    if not isinstance(objective, TracedObjective):
        from layda.run.batch import run_batch

        return run_batch(objective, stepper, starts, known, options, progress=progress)
    engine = Engine(objective, stepper, varying, **options, device=device)
    return engine.run(starts, known, threads, progress)


def checked_device(objective: Objective, device: str) -> None:
    """Refuse a device that there is not, or that cannot run this objective.

    Raises:
        SettingError: an unknown device, or a GPU for an objective that is not traced.
    """
    if device not in ("cpu", "cuda"):
        raise SettingError(
            f"device is {device!r}; allowed are 'cpu' and 'cuda' ({nearest(str(device), ('cpu', 'cuda'))})"
        )
    if device == "cuda" and not isinstance(objective, TracedObjective):
        raise SettingError(
            f"device is 'cuda', but {objective.name} is no traced function (a table, or a black box); use device='cpu'"
        )


def with_decay(rule: Rule, given: dict[str, Any], decay: Any) -> tuple[Rule, dict[str, Any]]:
    """The rule with an exponentially decaying rate, and its numbers under their paths."""
    if decay is None:
        return rule, given
    rate = rule.learning_rate  # type: ignore[attr-defined]
    if not isinstance(rate, float):
        raise SettingError(f"decay is given, but the learning rate of {rule} is a schedule already; give one of both")
    if "learning_rate.decay" in given:
        raise SettingError("the decay is given twice: as decay and as learning_rate.decay; leave one out")
    changed = replace(rule, learning_rate=ExponentialDecay(rate, 0.5))  # type: ignore[call-arg]
    moved = {("learning_rate.initial" if name == "learning_rate" else name): value for name, value in given.items()}
    return changed, moved | {"learning_rate.decay": decay}


def checked_numbers(rule: Rule, given: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays of settings, every value within its range.

    Raises:
        SettingError: a path that the rule does not have, or a value that it does not allow.
    """
    known = numbers_of(rule)
    found: dict[str, Array] = {}
    for path, value in given.items():
        if path not in known:
            raise SettingError(
                f"{rule.name} has no number {path!r}; allowed are {', '.join(sorted(known))} ({name_here(path, known)})"
            )
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise SettingError(f"{path} is {value!r}; allowed are numbers, one or many") from None
        if not array.size or not np.all(np.isfinite(array)):
            raise SettingError(f"{path} holds values that are not finite (or none at all); every one must be a number")
        for end in np.unique(array) if array.size <= 4096 else (np.min(array), np.max(array)):
            _rebuilt(rule, {path: float(end)})
        found[path] = array
    return found


def _rebuilt(owner: Any, values: Mapping[str, float], prefix: str = "") -> Any:
    """The rule with these numbers, through its own checks."""
    twin = replaced(owner, values, prefix)
    parts = {}
    for item in fields(owner):
        value = getattr(twin, item.name)
        if hasattr(value, "initial_state"):
            value = _rebuilt(getattr(owner, item.name), values, f"{prefix}{item.name}.")
        parts[item.name] = value
    return type(owner)(**parts)


def _broadcast(
    objective: Objective, rule: Rule, starts: Any, given: Mapping[str, Any]
) -> tuple[Array, dict[str, Any], tuple[int, ...]]:
    places = starts_array(objective, starts)
    arrays = checked_numbers(rule, given)
    try:
        shape = np.broadcast_shapes(places.shape[:-1], *(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise SettingError(f"starts {places.shape[:-1]} and {shapes} cannot be broadcast against each other") from None
    if 0 in shape:
        raise SettingError("there is no ball: an array of starts or settings is empty")
    count = int(np.prod(shape, dtype=np.int64))
    flat = np.broadcast_to(places, (*shape, objective.dimension)).reshape(count, objective.dimension)
    numbers: dict[str, Any] = dict(numbers_of(rule))
    for path, array in arrays.items():
        numbers[path] = float(array) if array.ndim == 0 else np.broadcast_to(array, shape).reshape(count)
    return np.ascontiguousarray(flat), numbers, shape


def starts_array(objective: Objective, starts: Any) -> Array:
    """Starts as (…, dimension), every coordinate finite.

    Raises:
        SettingError: another shape, or numbers that are not finite.
    """
    if starts is None:
        return np.array(objective.start, dtype=np.float64)
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool):
        count = whole_number("starts", starts, 1, 10**9)
        low, high = np.array(objective.box).T
        return np.random.default_rng(0).uniform(low, high, size=(count, objective.dimension))
    try:
        array = np.asarray(starts, dtype=np.float64)
    except (TypeError, ValueError):
        raise SettingError(f"starts is {starts!r}; allowed are numbers, (…, {objective.dimension})") from None
    if objective.dimension == 1 and (array.ndim == 0 or array.shape[-1] != 1):
        array = array[..., None]
    if array.ndim == 0 or array.shape[-1] != objective.dimension:
        raise SettingError(
            f"starts has the shape {array.shape}; {objective.name} has {objective.dimension} coordinates "
            f"({', '.join(objective.coordinates[:6])}), so the last side must be {objective.dimension}"
        )
    if not np.all(np.isfinite(array)):
        raise SettingError("starts holds coordinates that are not finite; every one must be a number")
    return array


def attributes(objective: Objective, rule: Rule, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a dataset says of itself: enough to make it again."""
    minima = known_minima(objective).minima if {"basin", "verdict"} & set(options["keep"]) else ()
    return {
        "objective": objective.name,
        "objective_identity": objective.identity,
        "equation": objective.equation,
        "dimension": objective.dimension,
        "coordinates": json.dumps(list(objective.coordinates)),
        "box": json.dumps([list(side) for side in objective.box]),
        "rule_name": rule.name,
        "rule": _rule_words(rule),
        "budget": options["steps"],
        "tolerance": options["tolerance"],
        "check_every": options["check_every"],
        "basin_radius": options["radius"],
        "fast": int(options["fast"]),
        "dtype": options["dtype"],
        "minima": json.dumps([{"position": list(one.position), "value": one.value} for one in minima]),
        "layda_version": __version__,
    }


def _rule_words(rule: Rule) -> str:
    """Text that makes the rule again; for a rule of the user's own that no text can name, words to read."""
    try:
        return rule_text(rule)
    except SpecError:
        return str(rule)


def described(name: str) -> dict[str, Any]:
    """The attributes of one variable, in the words of the CF conventions where they have some."""
    if name == "verdict":
        return {"long_name": "verdict", "flag_values": list(range(len(VERDICTS))), "flag_meanings": " ".join(VERDICTS)}
    words = {
        "basin": "index in the list of minima, -1 for none",
        "steps": "steps taken",
        "position": "last position",
        "estimate": "the rule's answer",
        "value": "f at the rule's answer",
    }
    return {"long_name": words[name]}


def _dataset(
    objective: Objective,
    rule: Rule,
    found: Mapping[str, Array],
    shape: tuple[int, ...],
    options: Mapping[str, Any],
    values: Mapping[str, Any],
) -> xarray.Dataset:
    import xarray as xr

    dims = ("ball",) if len(shape) == 1 else tuple(f"axis_{index}" for index in range(len(shape)))
    variables = {}
    for name, array in found.items():
        vector = array.ndim == 2
        sides = (*shape, objective.dimension) if vector else shape
        variables[name] = ((*dims, "coordinate") if vector else dims, array.reshape(sides), described(name))
    coordinates: dict[str, Any] = {"coordinate": list(objective.coordinates)} if _has_vector(found) else {}
    for path, value in values.items():
        if np.ndim(value):
            coordinates[path] = (dims, np.asarray(value).reshape(shape))
    return xr.Dataset(variables, coords=coordinates, attrs=attributes(objective, rule, options))


def _has_vector(found: Mapping[str, Array]) -> bool:
    return any(array.ndim == 2 for array in found.values())
