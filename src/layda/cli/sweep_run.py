"""From the options of ``layda sweep`` to a map that has been computed, shown and saved."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import typer

from layda.cli.console import console, print_json
from layda.errors import FileError, MissingExtraError, SettingError, SpecError
from layda.run.fractions import fractions
from layda.run.store import open_dataset
from layda.run.sweep import sweep
from layda.specs import to_objective, to_rule
from layda.specs.axes import to_named_values, to_values

__all__ = ["Wishes", "box_axes", "run_sweep"]

_PICTURES = (".png", ".svg", ".pdf")
_SHOWN = ("verdict", "basin", "steps", "value", "windows")
_PATIENCE = "10s"  # for the scheduler to answer


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line."""

    objective: str
    start: list[str]
    rule: str
    learning_rate: str
    momentum: str
    decay: str
    settings: list[str]
    steps: int
    tolerance: float | None
    keep: str
    out: Path | None
    resume: bool
    tile: str
    per_tile: int | None
    scheduler: str
    threads: int | None
    fast: bool
    float32: bool
    device: str
    show: str
    save: list[Path]
    as_json: bool
    tables: dict[str, Any] = field(default_factory=dict)


def box_axes(objective: str, size: int) -> list[str]:
    """Starts along the objective's box, for one or two coordinates."""
    target = to_objective(objective)
    if target.dimension > 2:
        raise SettingError(
            f"{target.name} has {target.dimension} coordinates; a picture of basins needs one or two. Use layda sweep "
            "with --start for two of them"
        )
    return [f"{name}={low!r}:{high!r}:{size}" for name, (low, high) in zip(target.coordinates, target.box, strict=True)]


def run_sweep(wishes: Wishes) -> None:
    """Compute, save, show."""
    _check_files(wishes)
    objective, rule = to_objective(wishes.objective, **wishes.tables), to_rule(wishes.rule, files=True)
    options = _options(wishes, objective)
    _check_sides(wishes, options)
    client = _client(wishes.scheduler)
    total = _total(options)
    try:
        with _Bar(total, not wishes.as_json) as bar:
            found = sweep(objective, rule, client=client, progress=bar.advance, **options)
    except KeyboardInterrupt:
        if wishes.out is not None:
            words = f"stopped; what is finished in {wishes.out} is safe. Go on with the same command and --resume"
        else:
            words = "stopped; nothing was kept (with --out the finished part would have been)"
        sys.stderr.write(f"layda: {words}\n")
        raise typer.Exit(130) from None
    finally:
        if client is not None:
            client.close()
    if wishes.tile:
        _say_tiles(wishes)
        return
    shown = wishes.show or next((name for name in _SHOWN if name in found.data_vars), "")
    for path in wishes.save:
        _save(found, path, shown)
    if wishes.as_json:
        print_json(as_data(found) | {"saved": [str(path) for path in wishes.save]})
    else:
        _show(found, wishes)


def _options(wishes: Wishes, objective: Any) -> dict[str, Any]:
    only = objective.coordinates[0] if objective.dimension == 1 else None
    starts: dict[str, Any] = {}
    for text in wishes.start:
        name, values = to_named_values(text, "--start", only)
        if name in starts:
            raise SpecError(f"--start names {name} twice")
        starts[name] = values
    settings: dict[str, Any] = {}
    for name, text in (("learning_rate", wishes.learning_rate), ("momentum", wishes.momentum)):
        if text:
            settings[name] = to_values(text, f"--{name.replace('_', '-')}")
    for text in wishes.settings:
        name, values = to_named_values(text, "--set")
        settings[name.replace("-", "_")] = values
    options: dict[str, Any] = {
        "start": starts or None,
        "settings": settings,
        "decay": to_values(wishes.decay, "--decay") if wishes.decay else None,
        "steps": wishes.steps,
        "keep": _names(wishes.keep),
        "out": wishes.out,
        "resume": wishes.resume,
        "tile": _tile(wishes.tile),
        "threads": wishes.threads,
        "fast": wishes.fast,
        "dtype": "float32" if wishes.float32 else "float64",
        "device": wishes.device,
    }
    if wishes.per_tile is not None:
        options["per_tile"] = wishes.per_tile
    if wishes.tolerance is not None:
        options["tolerance"] = wishes.tolerance
    return options


def _tile(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if match is None:
        raise SpecError(f"--tile is {text!r}; allowed is I/N, such as 3/16")
    return int(match[1]), int(match[2])


def _client(address: str) -> Any:
    if not address:
        return None
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("dask", "sweep", "--scheduler") from None
    try:
        return Client(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(f"--scheduler is {address!r}, and nothing answers there ({error})") from None


def _total(options: dict[str, Any]) -> int:
    many = [*(options["start"] or {}).values(), *options["settings"].values(), options["decay"]]
    return int(np.prod([np.size(value) for value in many if value is not None], dtype=np.int64))


class _Bar:
    """Balls done, their rate and the time left; on stderr, gone at the end."""

    def __init__(self, total: int, shown: bool) -> None:
        self._total, self._shown = total, shown and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Bar:
        if self._shown:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.percentage:>3.0f}%"), BarColumn(), TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            )  # fmt: skip
            self._bar = Progress(*columns, console=console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total, rate="")
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, balls: int) -> None:
        """So many more are done."""
        if self._bar is not None:
            self._bar.advance(self._task, balls)
            speed = self._bar.tasks[0].speed
            self._bar.update(self._task, rate=f"{speed:.3g} balls/s" if speed else "")


def _check_files(wishes: Wishes) -> None:
    for path in wishes.save:
        if path.suffix not in (*_PICTURES, ".nc"):
            raise SettingError(f"--save is {path}; allowed are the endings {', '.join((*_PICTURES, '.nc'))}")
        if not path.resolve().parent.is_dir():
            raise FileError(f"the folder {path.parent} does not exist; make it first or name another one")
    if wishes.show and wishes.show not in _SHOWN:
        raise SettingError(f"--show is {wishes.show!r}; allowed are {', '.join(_SHOWN)}")
    if wishes.show and not wishes.save:
        raise SettingError("--show says what the picture shows; name the picture with --save map.png")
    needed = "verdict" if wishes.show == "windows" else wishes.show
    if needed and needed not in _names(wishes.keep):
        raise SettingError(f"--show {wishes.show} needs --keep with {needed} among the others, and it is {wishes.keep}")
    if wishes.tile and wishes.out is None:
        raise SettingError("--tile needs a store that the jobs share; name it with --out")
    if wishes.tile and (wishes.save or wishes.as_json):
        raise SettingError(
            "--tile computes a part of the map, which is neither drawn nor printed as JSON; when all are finished, "
            "--resume without --tile does both"
        )


def _check_sides(wishes: Wishes, options: dict[str, Any]) -> None:
    """A picture has two sides at most; it is refused before the balls roll, not after."""
    if not any(path.suffix in _PICTURES for path in wishes.save):
        return
    named = {**(options["start"] or {}), **options["settings"], "decay": options["decay"]}
    sides = [name for name, values in named.items() if values is not None and np.size(values) > 1]
    if len(sides) > 2:
        raise SettingError(
            f"a picture has two sides, and {', '.join(sides)} have many values each; give one value to all but two, or "
            "save the whole as .nc and draw parts of it by layda.plot(…, select={…})"
        )
    if not set(_SHOWN) & set(_names(wishes.keep)):
        raise SettingError(f"a picture shows verdict, basin, steps or value, and --keep is {wishes.keep}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _save(found: Any, path: Path, shown: str) -> None:
    from layda.run.files import whole_file

    if path.suffix == ".nc":
        with whole_file(path) as draft:
            found.to_netcdf(draft, engine="h5netcdf")
        return
    from layda.plots import plot

    plot(found, path, what=shown)


def _say_tiles(wishes: Wishes) -> None:
    assert wishes.out is not None
    typer.echo(f"the tiles {wishes.tile} of {wishes.out} are finished")
    open_dataset(wishes.out).close()


def as_data(found: Any) -> dict[str, Any]:
    """The map in plain data: its axes, what became of how many, and what it is a function of."""
    data: dict[str, Any] = {
        "axes": {
            str(name): {
                "count": int(found.sizes[name]),
                "first": float(found[name].values[0]),
                "last": float(found[name].values[-1]),
            }
            for name in found.dims
            if name != "coordinate"
        },
        "attributes": {name: _plain(value) for name, value in found.attrs.items()},
    }
    for by in ("verdict", "basin"):
        if by in found:
            data[by] = shares(found, by)
    return data


def shares(found: Any, by: str) -> list[dict[str, Any]]:
    """What became of how many: name, count, share and its 95% interval; the most frequent first."""
    table = fractions(found, by)
    rows = [
        {
            "name": str(kind),
            "count": int(table["count"].sel({by: kind})),
            "share": float(table["share"].sel({by: kind})),
            "low": float(table["low"].sel({by: kind})),
            "high": float(table["high"].sel({by: kind})),
        }
        for kind in table[by].values
    ]
    return sorted((row for row in rows if row["count"]), key=lambda row: -row["count"])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _show(found: Any, wishes: Wishes) -> None:
    import json

    from rich.table import Table

    out = console()
    sides = [f"{name} {found.sizes[name]}" for name in found.dims if name != "coordinate"]
    balls = int(np.prod([found.sizes[name] for name in found.dims if name != "coordinate"], dtype=np.int64))
    out.print(f"{found.attrs['objective']}, {_fixed(found)}", soft_wrap=True)
    out.print(
        f"{balls} balls ({' × '.join(sides) or 'one'}), at most {found.attrs['budget']} steps each", soft_wrap=True
    )
    minima = json.loads(found.attrs["minima"])
    for by, head in (("verdict", "what became of them"), ("basin", "where they settled")):
        if by not in found:
            continue
        table = Table(box=None, pad_edge=False)
        table.add_column(head)
        table.add_column("balls", justify="right")
        table.add_column("share", justify="right")
        table.add_column("95% interval of the share", justify="right")
        for row in shares(found, by):
            name = row["name"] if by == "verdict" else _minimum(int(row["name"]), minima)
            table.add_row(name, str(row["count"]), f"{row['share']:.2%}", f"{row['low']:.2%} … {row['high']:.2%}")
        out.print()
        out.print(table)
    if wishes.out is not None:
        out.print(f"\nstored in {wishes.out}", soft_wrap=True)
    for path in wishes.save:
        out.print(f"saved {path}", soft_wrap=True)


def _fixed(found: Any) -> str:
    """The rule with the settings that are the same for all balls."""
    import json

    rule = str(found.attrs["rule_name"])
    names = {"learning_rate.initial": "learning_rate", "learning_rate.decay": "decay"}
    settings = {names.get(path, path): value for path, value in json.loads(found.attrs["settings"]).items()}
    kept = [
        f"{name} {value:.6g}" for name, value in settings.items()
        if name not in found.dims and not (name == "weight_decay" and value == 0.0)
    ]  # fmt: skip
    return ", ".join([rule, *kept])


def _minimum(index: int, minima: list[dict[str, Any]]) -> str:
    if index < 0:
        return "in no known minimum"
    place = ", ".join(f"{x:.4g}" for x in minima[index]["position"][:4])
    return f"minimum {index} at ({place}), f = {minima[index]['value']:.4g}"
