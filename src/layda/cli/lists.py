"""``layda rules`` and ``layda objectives``: the lists, and one entry in full."""

from __future__ import annotations

from typing import Annotated, Any

import typer

__all__ = ["objectives", "rules"]

_JSON = typer.Option("--json", help="Print one JSON object instead of text.")


def rules(
    name: Annotated[str, typer.Argument(help="A rule, to see it in full.")] = "",
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """List the rules, or show one with its equation, settings and source."""
    from layda.rules import ALL

    if name:
        from layda.specs import to_rule

        _show(_rule(type(to_rule(name))), as_json)
    else:
        _list("rules", [(cls.name, cls.equation, cls.source) for cls in ALL], ("rule", "equation", "source"), as_json)


def _rule(cls: type[Any]) -> dict[str, Any]:
    import inspect
    from dataclasses import fields

    from layda.rule import Stepper

    rule = cls()
    settings = {}
    for field in fields(cls):
        allowed = field.metadata.get("allowed")
        limits = " or ".join(allowed) if allowed else str(field.metadata.get("range", ""))
        settings[field.name] = (
            f"{getattr(rule, field.name)}  ({'yes or no' if isinstance(field.default, bool) else limits})"
        )
    return {
        "name": cls.name,
        "equation": cls.equation,
        "source": cls.source,
        "settings": settings,
        "about": inspect.cleandoc(cls.__doc__ or "").split("\n>>>")[0].strip(),
        "step": str(Stepper(rule).program()).splitlines(),
    }


def objectives(
    name: Annotated[str, typer.Argument(help="An objective, to see it in full.")] = "",
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """List the objectives, or show one with its equation, box and minima."""
    from layda.objectives import CLASSICS
    from layda.objectives.data import BUNDLED

    if name:
        from layda.specs import to_objective

        _show(_objective(to_objective(name)), as_json)
    else:
        rows = [(label, about, "classic") for label, about in CLASSICS.items()]
        rows += [(label, about, "table") for label, about in BUNDLED.items()]
        _list("objectives", rows, ("objective", "about", "kind"), as_json)


def _objective(objective: Any) -> dict[str, Any]:
    from layda.run.minima import known_minima
    from layda.run.records import plain

    few = objective.dimension <= 8
    known = known_minima(objective) if few and not objective.stochastic else None
    return {
        "name": objective.name,
        "equation": objective.equation,
        "about": objective.description,
        "source": objective.source,
        "dimension": objective.dimension,
        "coordinates": list(objective.coordinates[:8]) + (["…"] if not few else []),
        "box": plain(objective.box if few else objective.box[:1]),
        "start": plain(objective.start if few else objective.start[:1]),
        "convex": objective.convex,
        "minima": [
            {"position": plain(minimum.position), "value": plain(minimum.value)} for minimum in known.minima[:20]
        ]
        if known
        else [],
        "minima_known": str(known) if known else "none listed",
    }


def _list(title: str, rows: list[tuple[str, str, str]], heads: tuple[str, str, str], as_json: bool) -> None:
    from layda.cli.console import console, print_json

    if as_json:
        print_json({title: [dict(zip(heads, row, strict=True)) for row in rows]})
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in ("rule", "objective", "kind"))
    for row in rows:
        table.add_row(*row)
    screen = console()
    screen.print(table)
    screen.print(f"layda {title} NAME shows one in full.")


def _show(entry: dict[str, Any], as_json: bool) -> None:
    from layda.cli.console import console, print_json

    if as_json:
        print_json(entry)
        return
    screen = console()
    for key, value in entry.items():
        if value in ("", [], None):
            continue
        screen.print(key, style="bold")
        for line in _lines(value):
            screen.print(f"  {line}", soft_wrap=True)


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        width = max(len(key) for key in value)
        return [f"{key:<{width}}  {item}" for key, item in value.items()]
    if isinstance(value, list):
        return [_line(item) for item in value]
    return str(value).splitlines()


def _line(item: Any) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{key} {_line(part)}" for key, part in item.items())
    if isinstance(item, list):
        return "(" + ", ".join(_line(part) for part in item) + ")"
    return f"{item:.10g}" if isinstance(item, float) else str(item)
