"""``layda diagnose``: what was the matter with the runs in a file, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from layda.diagnosis import Diagnosis
    from layda.run import Trajectory

__all__ = ["diagnose", "diagnosed", "show_diagnoses"]


def diagnose(
    file: Annotated[Path, typer.Argument(help="A result, as `layda race … --save result.layda` writes it.")],
    run: Annotated[
        list[str] | None, typer.Option(help="Only the run with this label, several times; all by default.")
    ] = None,
    language: Annotated[str, typer.Option(help="en (English) or vi (Tiếng Việt).")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Say why runs ended as they did, and which settings would help."""
    from layda.errors import UnknownNameError, nearest
    from layda.run import Race, load
    from layda.words import speaker

    speaker(language)
    result: Any = load(file)
    runs: list[Trajectory] = list(result.runs) if isinstance(result, Race) else [result]
    wanted = run or [one.label for one in runs]
    for label in wanted:
        if label not in [one.label for one in runs]:
            known = nearest(label, [one.label for one in runs])
            raise UnknownNameError(f"--run {label!r}: {file} holds no run of that name; {known}")
    found = diagnosed([one for one in runs if one.label in wanted], quiet=as_json)
    if as_json:
        from layda.cli.console import print_json
        from layda.diagnosis.report import as_data

        print_json({"file": str(file), "language": language, "runs": [as_data(one, language) for one in found]})
    else:
        show_diagnoses(found, language)


def diagnosed(runs: Sequence[Trajectory], quiet: bool) -> list[Diagnosis]:
    """The diagnoses, with a bar while they are made."""
    from layda.cli.console import Waiting
    from layda.diagnosis import diagnose as examine

    found = []
    with Waiting(len(runs), "examining", not quiet) as bar:
        for index, run in enumerate(runs):
            bar.at(index, run.label)
            found.append(examine(run))
    return found


def show_diagnoses(found: Sequence[Diagnosis], language: str) -> None:
    """Print them, each in a few lines as wide as the screen."""
    from layda.cli.console import console
    from layda.diagnosis import report

    screen = console()
    for index, one in enumerate(found):
        if index:
            screen.print()
        screen.print(report(one, language, min(screen.width, 120)), soft_wrap=True)
        text = None if one.remedy is None else one.remedy.text
        if text is not None and one.remedy is not None and one.remedy.changes:
            screen.print(f'  --rule "{text}"', soft_wrap=True)
