"""``layda lab``: the page on which people roll the ball themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["lab"]


def lab(
    objective: Annotated[
        str | None,
        typer.Argument(
            help="What is shown first: a classic (see `layda objectives`), a formula of x, or of x and y, or "
            "file.py:name. Without it: the lecture's curve."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Where the page is served on this computer; 0 for a free port.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, or only print its address.")
    ] = True,
    language: Annotated[
        str | None, typer.Option(help="en (English) or vi (Tiếng Việt); the browser's language by default.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the page as one HTML file that needs no network, and serve nothing.")
    ] = None,
) -> None:
    """Roll the ball yourself, on a page in the browser."""
    if export is not None:
        from layda.lab.hosts import export as write

        write(objective, export, language=language)
        typer.echo(f"wrote {export}")
        return
    from layda.lab.server import serve

    serve(objective, port=port, browser=browser, language=language)
