"""A sweep: every combination of starts and settings, as one labelled dataset, in memory or tile by tile on the disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda._version import __version__
from layda.errors import ComputationError, FileError, MissingExtraError, SettingError
from layda.measures import CONSTANTS
from layda.objective import Objective, TracedObjective
from layda.rule import Rule, Stepper
from layda.run.descend import whole_number
from layda.run.engine import Engine
from layda.run.ensemble import attributes, checked_device, described, given_settings, prepared, run_balls
from layda.run.grid import Grid, make_grid
from layda.run.store import FILLS, Store, open_dataset, stored_per_tile
from layda.specs import to_objective, to_rule

if TYPE_CHECKING:
    import xarray

__all__ = ["Job", "Plan", "open_sweep", "sweep"]

Array = NDArray[Any]
_MEMORY = 2**30  # bytes of results that are kept in memory without asking
_SMALL = 1 << 18  # balls per tile in memory: progress several times a second

open_sweep = open_dataset


@dataclass(frozen=True)
class Job:
    """The work of a sweep, apart from where it goes: enough to compute any tile, in this process or another one."""

    objective: Objective
    rule: Rule
    grid: Grid
    options: Mapping[str, Any]
    device: str = "cpu"

    @cached_property
    def _engine(self) -> Engine | None:
        if not isinstance(self.objective, TracedObjective):
            return None
        stepper = Stepper(self.rule)
        varying = tuple(axis.path for axis in self.grid.axes if axis.path in stepper.numbers)
        return Engine(self.objective, stepper, varying, **self.options, device=self.device)

    def tile(
        self, tile: int, threads: int | None = None, progress: Callable[[int], None] | None = None
    ) -> dict[str, Array]:
        """The arrays of one tile, in the grid's shape there."""
        starts, numbers, shape = self.grid.balls(self.grid.region(tile))
        engine = self._engine
        if engine is not None:
            known = {name: value for name, value in numbers.items() if name in engine.stepper.numbers}
            size = self.grid.largest_start
            found = engine.run(starts, known, threads, progress, ranges=self.grid.ranges, size=size)
        else:
            found = run_balls(self.objective, self.rule, starts, numbers, self.options, progress=progress)
        return {
            name: array.reshape((*shape, *array.shape[1:])).astype(FILLS[name][0], copy=False)
            for name, array in found.items()
        }


@dataclass(frozen=True)
class Plan:
    """A sweep that is written to a store: its job, and the store."""

    job: Job
    store: Store

    def compute(self, tile: int, threads: int | None = None, progress: Callable[[int], None] | None = None) -> int:
        """Compute a tile and write it; nothing but its number goes back."""
        self.store.write(tile, self.job.tile(tile, threads, progress))
        return tile


def sweep(
    objective: str | Objective | Callable[..., Any],
    rule: str | Rule | type[Rule] = "heavy-ball",
    *,
    start: Any = None,
    settings: Mapping[str, Any] | None = None,
    decay: Any = None,
    steps: int = 1000,
    tolerance: float = CONSTANTS["tolerance"][0],
    check_every: int = int(CONSTANTS["check_every"][0]),
    keep: Sequence[str] = ("verdict", "steps", "basin"),
    radius: float | None = None,
    fast: bool = False,
    dtype: str = "float64",
    device: str = "cpu",
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    tile: tuple[int, int] | None = None,
    per_tile: int | None = None,
    client: Any = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    **numbers: Any,
) -> xarray.Dataset:
    """Roll a ball for every combination of starts and settings.

    Args:
        objective: as in :func:`layda.descend`.
        rule: as in :func:`layda.descend`.
        start: coordinate -> value or values, such as ``{"x": np.linspace(-3, 3, 100)}``; for one coordinate the values
            alone. Coordinates that are not named start where the objective usually starts.
        settings: path -> value or values; those with many values become axes, in this order, after the starts.
        decay: δ, one or many: the learning rate decays exponentially from its value, first step included.
        steps: the budget of each ball.
        tolerance: as in :func:`layda.descend`.
        check_every: as in :func:`layda.descend`.
        keep: as in :func:`layda.ensemble`; by default "verdict", "steps" and "basin".
        radius: as in :func:`layda.ensemble`.
        fast: as in :func:`layda.ensemble`.
        dtype: as in :func:`layda.ensemble`.
        device: as in :func:`layda.ensemble`; no part of the store, whose bytes are the same.
        out: a folder for a Zarr store, usually ``something.zarr``; without it the results stay in memory (up to 1 GiB).
        resume: go on with a store that is there; without it an existing store is refused.
        tile: (I, N): only the tiles I, I + N, I + 2N, … of all (I from 1 to N), for job arrays; several jobs may write
            to one store.
        per_tile: balls in a tile at most; part of the store's layout.
        client: a ``dask.distributed.Client``, whose workers compute the tiles; they must see ``out``.
        threads: by default one for each core.
        progress: called with the number of balls done since the last call.
        numbers: ``learning_rate=…``, ``momentum=…`` and so on: short for ``settings``.

    Returns:
        A dataset over the axes (``start_x``, ``learning_rate``, …); its attributes say what it is a function of. From a
        store it is read when asked for.

    Raises:
        SettingError: an axis that does not exist, a result too large for memory.
        FileError: the store is there already, is another sweep's, or cannot be written (a full disk).
        ComputationError: workers of a cluster died; the tiles that are missing are listed.

    >>> import numpy as np
    >>> found = sweep("x^4 - 2x^2 + x/4", start=np.linspace(-2, 2, 5), learning_rate=[0.01, 0.1], momentum=0.9)
    >>> dict(found.sizes)
    {'start_x': 5, 'learning_rate': 2}
    """
    target, way = to_objective(objective), to_rule(rule)
    raw = {"steps": steps, "tolerance": tolerance, "check_every": check_every, "keep": keep, "radius": radius,
           "fast": bool(fast), "dtype": dtype}  # fmt: skip
    options = prepared(target, raw)
    given = given_settings(settings, numbers)
    part = _part(tile)
    each = None if per_tile is None else whole_number("per_tile", per_tile, 1, 2**31)
    if each is None and out is not None and (resume or part is not None):
        each = stored_per_tile(out)
    sizes = {} if out is not None and each is None else {"per_tile": each or _SMALL}
    way, grid = make_grid(target, way, start, given, decay, **sizes)
    checked_device(target, device)
    job = Job(target, way, grid, options, device)
    if out is None:
        if part is not None or client is not None or resume:
            raise SettingError("tile, client and resume need a store; say where with out='something.zarr'")
        return _in_memory(job, threads, progress)
    if device == "cuda" and client is None:  # asked before a store is made
        from layda.backends import cuda

        cuda.require()
    plan = prepare_store(job, out, resume=resume or part is not None)
    missing = [number for number in chosen_tiles(grid.tiles, part) if not plan.store.done(number)]
    if progress is not None and part is None:
        progress(sum(_count(grid, number) for number in set(range(grid.tiles)) - set(missing)))
    if client is None:
        for number in missing:
            plan.compute(number, threads, progress)
    else:
        _on_cluster(plan, missing, client, progress)
    found: xarray.Dataset = open_dataset(out)
    return found


def _part(tile: Any) -> tuple[int, int] | None:
    """(I, N), checked.

    Raises:
        SettingError: something else, or I is not from 1 to N.
    """
    if tile is None:
        return None
    try:
        index, jobs = tile
    except (TypeError, ValueError):
        raise SettingError(f"tile is {tile!r}; allowed is a pair (I, N) with I from 1 to N") from None
    jobs = whole_number("the number of jobs in tile", jobs, 1, 2**31)
    return whole_number("the job's number in tile", index, 1, jobs), jobs


def chosen_tiles(count: int, tile: tuple[int, int] | None) -> range:
    """The tiles of job I of N; all without.

    >>> list(chosen_tiles(7, (2, 3)))
    [1, 4]
    """
    return range(count) if tile is None else range(tile[0] - 1, count, tile[1])


def prepare_store(job: Job, out: str | os.PathLike[str], resume: bool) -> Plan:
    """The store for a job, made or found.

    Raises:
        FileError: it is there and ``resume`` was not asked for, or it is another sweep's.
    """
    options, grid = job.options, job.grid
    spec = {
        "objective": {"name": job.objective.name, "identity": job.objective.identity, "box": job.objective.box},
        "coordinates": list(job.objective.coordinates),
        "rule": str(job.rule),
        "start": list(grid.start),
        "numbers": dict(sorted(grid.numbers.items())),
        "axes": [axis.described() for axis in grid.axes],
        "per_tile": grid.per_tile,
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
        "layda": __version__,
    }
    store = Store(out, grid, options["keep"], job.objective.coordinates, spec)
    told = _attributes(job), {name: described(name) for name in options["keep"]}
    if store.exists():
        store.check()
        if not resume:
            raise FileError(f"{store.path} is there already; go on with it by resume=True (--resume), or name another")
        store.mend(*told)
    elif store.path.exists():
        raise FileError(f"{store.path} exists and is no sweep of layda's; name another folder")
    else:
        store.create(*told)
    return Plan(job, store)


def _attributes(job: Job) -> dict[str, Any]:
    found = attributes(job.objective, job.rule, job.options)
    import json

    found["start"] = json.dumps(dict(zip(job.objective.coordinates, job.grid.start, strict=True)))
    found["settings"] = json.dumps(dict(sorted(job.grid.numbers.items())))
    return found


def _count(grid: Grid, tile: int) -> int:
    return int(np.prod([part.stop - part.start for part in grid.region(tile)], dtype=np.int64))


def _in_memory(job: Job, threads: int | None, progress: Callable[[int], None] | None) -> xarray.Dataset:
    try:
        import xarray as xr
    except ImportError:
        raise MissingExtraError("xarray", "sweep", "sweep()") from None
    grid, keep, names = job.grid, job.options["keep"], job.objective.coordinates
    vectors = [name for name in keep if name in ("position", "estimate")]
    each = sum(np.dtype(FILLS[name][0]).itemsize * (len(names) if name in vectors else 1) for name in keep)
    if grid.size * each > _MEMORY:
        raise SettingError(
            f"{grid.size} balls with {', '.join(keep)} take {grid.size * each / 2**30:.1f} GiB; "
            "give a store on the disk with out='something.zarr', or keep less"
        )
    arrays = {
        name: np.empty((*grid.shape, *((len(names),) if name in vectors else ())), FILLS[name][0]) for name in keep
    }
    for number in range(grid.tiles):
        found = job.tile(number, threads, progress)
        for name, array in arrays.items():
            array[grid.region(number)] = found[name]
    dims = [axis.name for axis in grid.axes]
    variables = {
        name: ([*dims, "coordinate"] if name in vectors else dims, array, described(name))
        for name, array in arrays.items()
    }
    coordinates: dict[str, Any] = {axis.name: axis.values for axis in grid.axes}
    if vectors:
        coordinates["coordinate"] = list(names)
    return xr.Dataset(variables, coords=coordinates, attrs=_attributes(job))


def _on_cluster(plan: Plan, tiles: list[int], client: Any, progress: Callable[[int], None] | None) -> None:
    """Tiles as tasks of a Dask cluster; a worker that dies costs a retry, and what fails for good is listed."""
    try:
        from distributed import as_completed
    except ImportError:
        raise MissingExtraError("dask", "sweep", "a sweep on a cluster") from None
    # The plan goes with every task: what is scattered once is gone with the workers that hold it.
    run = uuid.uuid4().hex
    tasks = {client.submit(_compute, plan, tile, retries=2, key=f"layda-{run}-{tile}"): tile for tile in tiles}
    failed: dict[int, str] = {}
    for task in as_completed(list(tasks)):  # type: ignore[no-untyped-call]
        tile = tasks[task]
        if task.status == "finished":
            if progress is not None:
                progress(_count(plan.job.grid, tile))
        else:
            failed[tile] = str(task.exception()) if task.status == "error" else task.status
    for tile in [tile for tile in failed if plan.store.done(tile)]:
        del failed[tile]  # its worker died after the marker was written
    if failed:
        first = next(iter(failed.values())).split("\n")[0]
        raise ComputationError(
            f"{len(failed)} of {len(tiles)} tiles failed: {_listed(sorted(failed))} (the first: {first}). The others "
            f"are safe in {plan.store.path}; go on with resume=True (--resume)"
        )


def _compute(plan: Plan, tile: int) -> int:
    """A cluster's task: one thread, since the cluster decides how many tasks share a machine."""
    if plan.store.done(tile):  # an earlier attempt finished it, and only the message was lost
        return tile
    return plan.compute(tile, threads=1)


def _listed(tiles: list[int]) -> str:
    return ", ".join(map(str, tiles[:20])) + (", …" if len(tiles) > 20 else "")
