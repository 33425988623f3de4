"""``layda tune``: settings for a rule on an objective, and why these."""

from __future__ import annotations

from typing import Annotated, Any

import typer

__all__ = ["tune"]


def tune(
    objective: Annotated[
        str, typer.Argument(help="A classic, a bundled table, a CSV or Parquet file, a formula, or file.py:name.")
    ],
    rule: Annotated[
        str, typer.Option(help="What is to be tuned: heavy-ball, adam:beta2=0.99, file.py:MyRule, …")
    ] = "heavy-ball",
    start: Annotated[
        str, typer.Option(help="Where the balls start: one number for each coordinate, such as 2 or 1,-1; or random.")
    ] = "",
    steps: Annotated[int, typer.Option(help="The most steps that a candidate may take.")] = 1000,
    tolerance: Annotated[
        float, typer.Option(help="At the target: this share of the gap between f at the start and at the bottom.")
    ] = 1e-6,
    goal: Annotated[float | None, typer.Option(help="The value of f to be reached, instead of that share.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a random start, of the held-out rows and of mini-batches.")] = 0,
    target: Annotated[str | None, typer.Option(help="For tables: the column to be predicted.")] = None,
    model: Annotated[str | None, typer.Option(help="For tables: linear, logistic, softmax or network.")] = None,
    l2: Annotated[
        float | None, typer.Option(help="For tables: the weight of the L2 penalty; 0.001 by default.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="For tables: rows per mini-batch; all rows by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Recommend a learning rate and a momentum: from the curvature, from theory, and by a short race."""
    from layda.cli.console import Waiting, print_json
    from layda.cli.race_setup import built, typed_start
    from layda.cli.tune_show import as_data, show
    from layda.diagnosis import tune as tuned

    tables: dict[str, Any] = {"target": target, "model": model, "l2": l2, "batch": batch}
    built_objective = built(objective, tables, seed, typed_start(start))
    options: dict[str, Any] = {"start": typed_start(start), "steps": steps, "tolerance": tolerance, "seed": seed}
    with Waiting(40 * steps, "racing", not as_json) as bar:
        found = tuned(built_objective, rule, target=goal, progress=bar.at, **options)
    asked = {"objective": objective, "start": start, "steps": steps, "seed": seed, **tables}
    if as_json:
        print_json(as_data(found, asked))
    else:
        show(found, asked)
