"""``layda race``: several ways of rolling down one objective, side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from layda.cli.diagnose import diagnosed, show_diagnoses
from layda.errors import SettingError

__all__ = ["race"]


def race(
    objective: Annotated[
        str | None,
        typer.Argument(
            help="A classic (see `layda objectives`), a bundled table, a CSV or Parquet file, a formula such as "
            "'x^4 - 3x^2 + x/2', or file.py:name. Without it: the lecture's curve."
        ),
    ] = None,
    start: Annotated[
        str, typer.Option(help="Where the balls start: one number for each coordinate, such as 2 or 1,-1; or random.")
    ] = "",
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            help="A contestant, several times: heavy-ball, heavy-ball:momentum=0.95,form=step, "
            "'SGD(lr=0.1, momentum=0.9)' or file.py:MyRule.",
        ),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The learning rate α of every contestant.")] = None,
    momentum: Annotated[float | None, typer.Option(help="The momentum β of every contestant that has one.")] = None,
    decay: Annotated[
        float | None, typer.Option(help="δ: the learning rate is multiplied by it at every step, before the first.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="The budget of each contestant; 1000 by default, 2000 for convex models on tables."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Settled: this share of the path's extent; 0 never stops early.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a random start, of the held-out rows and of mini-batches.")] = 0,
    target: Annotated[
        str | None, typer.Option(help="The column of a CSV or Parquet file that is to be predicted.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="For tables: linear, logistic, softmax or network; chosen by the target otherwise."),
    ] = None,
    l2: Annotated[
        float | None, typer.Option(help="For tables: the weight of the L2 penalty; 0.001 by default.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="For tables: rows per mini-batch; all rows by default.")] = None,
    starts: Annotated[
        int | None,
        typer.Option(min=1, help="Race from so many starts drawn from the box: shares instead of one anecdote."),
    ] = None,
    save: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write png, svg, pdf (pictures), gif, mp4, webm (animations), csv, nc, json or layda (the whole "
            "result); several times."
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Of animations: width and height in pixels; 800x450 by default.")] = "",
    fps: Annotated[float | None, typer.Option(help="Of animations: frames per second, 25 at most by default.")] = None,
    hold: Annotated[
        float | None, typer.Option(help="Of animations: seconds that the last frame stays; 2 by default.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Of a gif: do not begin anew at its end.")] = False,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Say of every run why it ended so, and which settings would help.")
    ] = False,
    language: Annotated[str, typer.Option(help="Of the diagnosis: en (English) or vi (Tiếng Việt).")] = "en",
    code: Annotated[
        str | None,
        typer.Option(help="Print the code that does the same runs in torch, optax or keras, instead of tables."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Let several rules roll down one objective, and say what became of each."""
    from layda.cli.race_setup import Wishes, run_race
    from layda.cli.save import check_targets, film_settings, save_all
    from layda.words import speaker

    files = save or []
    film = film_settings(size, fps, hold, once)
    check_targets(files, film)
    speaker(language)
    if code is not None:
        _check_code(code, {"--json": as_json, "--diagnose": diagnose, "--starts": starts is not None})
    tables: dict[str, Any] = {"target": target, "model": model, "l2": l2, "batch": batch}
    wishes = Wishes(
        objective=objective, start=start, rules=rule or [], learning_rate=learning_rate, momentum=momentum, decay=decay,
        steps=steps, tolerance=tolerance, seed=seed, tables=tables, quiet=as_json or code is not None,
    )  # fmt: skip
    if starts is not None:
        if diagnose:
            raise SettingError("--diagnose looks at single runs, and --starts rolls many; leave one of them out")
        from layda.cli.race_many import run_many

        run_many(wishes, starts, files, as_json)
        return
    outcome = run_race(wishes)
    save_all(outcome, files, film)
    if code is not None:
        from layda.porting import code as printed

        sys.stdout.write(printed(outcome.race, code))
        return
    if as_json:
        from layda.cli.console import print_json
        from layda.cli.save import as_data

        data = as_data(outcome) | {"saved": [str(path) for path in files]}
        if diagnose:
            from layda.diagnosis.report import as_data as told

            found = diagnosed(outcome.race.runs, quiet=True)
            data["diagnoses"] = [told(one, language) for one in found]
        print_json(data)
        return
    from layda.cli.race_show import show

    show(outcome, files)
    if diagnose:
        show_diagnoses(diagnosed(outcome.race.runs, quiet=False), language)


def _check_code(library: str, others: dict[str, bool]) -> None:
    """Refuse --code before anything is run: an unknown library, an option that prints something else."""
    from layda.porting import check_library

    check_library(library)
    for option, given in others.items():
        if given:
            raise SettingError(f"--code prints nothing but code, and {option} was given too; leave one of them out")
