"""``layda sweep`` and ``layda basins``: maps over starts and settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["basins", "cache", "sweep"]

_OBJECTIVE = typer.Argument(help="A classic, a formula, a table, or file.py:name; as for `layda race`.")
_RATE = typer.Option(help="α: a number, a list 0.01,0.1 or an axis 1e-3:1:200:log.")
_MOMENTUM = typer.Option(help="β: a number, a list or an axis 0:0.99:100.")
_DECAY = typer.Option(help="δ, multiplied into α at every step: a number, a list or an axis.")
_SET = typer.Option("--set", help="Any other number of the rule: beta2=0.9:0.999:50; several times.")
_SAVE = typer.Option(help="Write a picture of the map (png, svg, pdf) or the whole dataset (nc); several times.")
_JSON = typer.Option("--json", help="Print one JSON object instead of text.")


def sweep(
    objective: Annotated[str, _OBJECTIVE],
    start: Annotated[
        list[str] | None,
        typer.Option(help="x=-3:3:1000, y=0.5, …: an axis or a number for each coordinate; several times."),
    ] = None,
    rule: Annotated[str, typer.Option(help="heavy-ball, heavy-ball:form=step, file.py:MyRule, …")] = "heavy-ball",
    learning_rate: Annotated[str, _RATE] = "",
    momentum: Annotated[str, _MOMENTUM] = "",
    decay: Annotated[str, _DECAY] = "",
    setting: Annotated[list[str] | None, _SET] = None,
    steps: Annotated[int, typer.Option(help="The budget of each ball.")] = 1000,
    tolerance: Annotated[float | None, typer.Option(help="Settled: this share of the path's extent.")] = None,
    keep: Annotated[
        str, typer.Option(help="What to keep: verdict, steps, basin, value, position, estimate.")
    ] = "verdict,steps,basin",
    out: Annotated[Path | None, typer.Option(help="A folder for a Zarr store; needed for large maps.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a store that is there.")] = False,
    tile: Annotated[str, typer.Option(help="I/N: only every N-th tile, for job arrays; several jobs, one store.")] = "",
    per_tile: Annotated[int | None, typer.Option(min=1, help="Balls in a tile at most.")] = None,
    scheduler: Annotated[str, typer.Option(help="The address of a Dask scheduler, tcp://host:8786.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="By default one for each core.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Fused multiply-adds: other roundings, a bit faster.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="Single precision.")] = False,
    device: Annotated[str, typer.Option(help="cpu, or cuda for an NVIDIA GPU.")] = "cpu",
    show: Annotated[
        str, typer.Option(help="What the picture shows: verdict, steps, basin, value or windows (of escape).")
    ] = "",
    target: Annotated[str | None, typer.Option(help="For tables: the column to be predicted.")] = None,
    model: Annotated[str | None, typer.Option(help="For tables: linear, logistic, softmax or network.")] = None,
    l2: Annotated[float | None, typer.Option(help="For tables: the weight of the L2 penalty.")] = None,
    batch: Annotated[int | None, typer.Option(help="For tables: rows per mini-batch; all rows by default.")] = None,
    save: Annotated[list[Path] | None, _SAVE] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Roll a ball for every combination of starts and settings, and say what became of how many."""
    from layda.cli.sweep_run import Wishes, run_sweep

    wishes = Wishes(
        objective=objective, start=start or [], rule=rule, learning_rate=learning_rate, momentum=momentum, decay=decay,
        settings=setting or [], steps=steps, tolerance=tolerance, keep=keep, out=out, resume=resume, tile=tile,
        per_tile=per_tile, scheduler=scheduler, threads=threads, fast=fast, float32=float32, device=device,
        show=show, save=save or [], as_json=as_json,
        tables={"target": target, "model": model, "l2": l2, "batch": batch},
    )  # fmt: skip
    run_sweep(wishes)


def basins(
    objective: Annotated[str, _OBJECTIVE],
    rule: Annotated[str, typer.Option(help="As for `layda sweep`.")] = "heavy-ball",
    learning_rate: Annotated[str, typer.Option(help="α, one number.")] = "",
    momentum: Annotated[str, typer.Option(help="β, one number.")] = "",
    decay: Annotated[str, typer.Option(help="δ, one number.")] = "",
    size: Annotated[int, typer.Option(min=2, max=20000, help="Starts along each side of the box.")] = 400,
    steps: Annotated[int, typer.Option(help="The budget of each ball.")] = 1000,
    save: Annotated[list[Path] | None, _SAVE] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Which start ends in which minimum: starts over the whole box, for one or two coordinates."""
    import numpy as np

    from layda.cli.sweep_run import Wishes, box_axes, run_sweep
    from layda.errors import SettingError
    from layda.specs.axes import to_values

    for option, text in (("--learning-rate", learning_rate), ("--momentum", momentum), ("--decay", decay)):
        if text and np.size(to_values(text, option)) > 1:
            raise SettingError(f"{option} is {text}; a picture of basins takes one number. layda sweep takes many")
    axes = box_axes(objective, size)
    wishes = Wishes(
        objective=objective, start=axes, rule=rule, learning_rate=learning_rate, momentum=momentum, decay=decay,
        settings=[], steps=steps, tolerance=None, keep="verdict,steps,basin", out=None, resume=False, tile="",
        per_tile=None, scheduler="", threads=None, fast=False, float32=False, device="cpu",
        show="basin" if save else "", save=save or [], as_json=as_json,
    )  # fmt: skip
    run_sweep(wishes)


cache = typer.Typer(
    invoke_without_command=True, rich_markup_mode=None, help="What layda keeps to be faster the next time; shown."
)


@cache.callback()
def _cache(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show()


@cache.command("clear")
def clear() -> None:
    """Remove compiled kernels and found minima; the next sweep makes its own again."""
    from layda.backends.cache import cache_folder, clear_cache

    typer.echo(f"removed {_counted(clear_cache())} from {cache_folder()}")


@cache.command("show")
def show() -> None:
    """Say what is kept, how much, and where."""
    from layda.backends.cache import cache_folder, kept_files

    files = kept_files()
    typer.echo(f"{_counted(files)}, {sum(files.values()) / 1e6:.1f} MB, in {cache_folder()}")


def _counted(files: Iterable[Path]) -> str:
    """So many of each kind; a kind that is not there is not named, kernels apart."""
    from layda.backends.cache import KINDS

    counts = Counter(path.suffix for path in files)
    there = {ending: counts[ending] for ending in KINDS if counts[ending] or ending == ".o"}
    return ", ".join(f"{count} {KINDS[ending][count != 1]}" for ending, count in there.items())
