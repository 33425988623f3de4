"""``layda lecture``: the lecture's chapters, run and told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["lecture"]


def lecture(
    chapter: Annotated[int | None, typer.Argument(help="1 to 9; all of them without it.")] = None,
    language: Annotated[str, typer.Option(help="en (English) or vi (Tiếng Việt).")] = "en",
    save: Annotated[
        Path | None,
        typer.Option(help="A folder for texts and pictures, and for the whole set one HTML document; made if missing."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Run the lecture's chapters: what it says, what happens, and where it holds."""
    from layda.cli.console import Waiting, console, print_json
    from layda.lecture import CHAPTERS, Chapter
    from layda.lecture import chapter as run_chapter
    from layda.words import speaker

    speaker(language)  # an unknown language is refused before anything is computed
    numbers = range(1, len(CHAPTERS) + 1) if chapter is None else [chapter]
    if save is not None:
        _make_folder(save)
    told: list[Chapter] = []
    with Waiting(len(numbers), "", shown=as_json or save is not None) as bar:
        for number in numbers:
            found = run_chapter(number, language)
            told.append(found)
            if not as_json:
                _tell(console(), found, language)
            if save is not None:
                _write(found, language, save)
            bar.at(len(told), found.title)
    if save is not None and chapter is None:
        _write_document(told, language, save)
    if as_json:
        print_json({"language": language, "chapters": [_data(one) for one in told]})


def _make_folder(folder: Path) -> None:
    from layda.errors import FileError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder {folder} cannot be made: {error.strerror}; name another one") from None


def _tell(screen: Any, chapter: Any, language: str) -> None:
    from rich import box
    from rich.table import Table

    from layda.words import speaker

    say = speaker(language)
    screen.print(f"{chapter.number}. {chapter.title} ({say('lecture {time}', time=chapter.time)})", style="bold")
    for paragraph in chapter.text:
        screen.print(paragraph)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for head in chapter.head:
        table.add_column(head, overflow="fold")
    for row in chapter.rows:
        table.add_row(*row)
    screen.print(table)
    screen.print(f"{say('Question')}: {chapter.question}")
    screen.print(f"{say('Answer')}: {chapter.answer}")
    for note in chapter.footnotes:
        screen.print(f"* {note}")
    screen.print("")


def _write(chapter: Any, language: str, folder: Path) -> None:
    from layda.lecture.document import plain_text
    from layda.run.files import whole_file

    name = f"chapter-{chapter.number}-{language}"
    chapter.figure(folder / f"{name}.png")
    with whole_file(folder / f"{name}.txt") as draft:
        draft.write_text(plain_text(chapter, language), encoding="utf-8")


def _write_document(chapters: Any, language: str, folder: Path) -> None:
    from layda.lecture import document
    from layda.run.files import whole_file

    with whole_file(folder / f"lecture-{language}.html") as draft:
        draft.write_text(document(chapters, language), encoding="utf-8")


def _data(chapter: Any) -> dict[str, Any]:
    from layda.run.records import plain

    return {
        "number": chapter.number,
        "title": chapter.title,
        "time": chapter.time,
        "text": list(chapter.text),
        "table": {"head": list(chapter.head), "rows": [list(row) for row in chapter.rows]},
        "question": chapter.question,
        "answer": chapter.answer,
        "footnotes": list(chapter.footnotes),
        "picture": chapter.picture,
        "runs": [
            {
                "label": label,
                "rule": run.rule.name,
                "steps": run.steps,
                "position": plain(run.position),
                "value": plain(run.value),
                "verdict": run.verdict.kind,
            }
            for label, run in chapter.runs.items()
        ],
        "data": plain(chapter.data),
    }
