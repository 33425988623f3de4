"""``layda weights``: how much each past gradient counts in a rule's next step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from layda.measures.weights import Weights

__all__ = ["weights"]


def weights(
    rule: Annotated[str, typer.Argument(help="A rule, such as adam, heavy-ball:momentum=0.95 or file.py:MyRule.")],
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many steps the rule has taken.")] = 500,
    of: Annotated[
        str, typer.Option(help="What they count in: displacement (the last step), position (the whole way) or a slot.")
    ] = "displacement",
    show: Annotated[int, typer.Option(min=1, help="How many of the newest are shown.")] = 12,
    save: Annotated[Path | None, typer.Option(help="Draw them as png, svg or pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Say how much each past gradient counts, and how long a rule remembers."""
    from layda.cli.console import print_json
    from layda.measures.weights import past_weights
    from layda.specs import to_rule

    found = past_weights(to_rule(rule), count, of=of)
    if save is not None:
        from layda.plots import plot

        plot(found, save)
    if as_json:
        print_json(_data(found) | {"saved": None if save is None else str(save)})
        return
    _show(found, show)
    if save is not None:
        typer.echo(f"wrote {save}")


def _data(found: Weights) -> dict[str, Any]:
    from layda.run.records import plain

    return {
        "rule": found.rule,
        "of": found.of,
        "linear": found.linear,
        "weights": plain(found.values),
        "total": plain(found.total),
        "effective_learning_rate": plain(found.effective_learning_rate),
        "half_life": plain(found.half_life),
        "mean_age": plain(found.mean_age),
    }


def _show(found: Weights, show: int) -> None:
    import numpy as np

    from layda.cli.console import console

    screen = console()
    screen.print(found.rule, style="bold", soft_wrap=True)
    asked = {"displacement": "the last step", "position": "the whole way"}.get(found.of, found.of)
    screen.print(f"Weights of past gradients in {asked}, newest first, after {len(found.values)} steps:")
    shown = found.values[:show]
    largest = float(np.max(np.abs(shown))) or 1.0
    room = max(min(screen.width, 100) - 26, 10)
    for age, value in enumerate(shown.tolist()):
        bar = "█" * round(room * abs(value) / largest)
        screen.print(f"{age:>5}  {value:>12.6g}  {bar}", no_wrap=True, overflow="crop")
    if not found.linear:
        screen.print("The rule is not linear in its gradients: these are derivatives along gradients of 1.")
    if found.of == "displacement":
        screen.print(f"effective learning rate  {found.effective_learning_rate:.6g}")
    else:
        screen.print(f"total  {found.total:.6g}")
    screen.print(f"half-life  {_steps(found.half_life)};  mean age  {_steps(found.mean_age)}")


def _steps(number: float) -> str:
    if number != number:
        return "none: the weights cancel"
    return f"{number:.4g} steps" if number < 1e300 else "longer than what was looked at"
