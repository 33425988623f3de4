"""The whole lecture as one HTML document with its pictures inside: it opens offline and asks nobody for anything."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from layda.lecture.chapter import Chapter
from layda.words import speaker

__all__ = ["document", "plain_text"]

_STYLE = """
body { font: 17px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; } .time { color: #595959; font-weight: normal; font-size: .8em; }
img { max-width: 100%; height: auto; } table { border-collapse: collapse; font-size: .85em; margin: 1rem 0; }
th, td { border-bottom: 1px solid #c8c8c8; padding: .25rem .6rem; text-align: left; vertical-align: top; }
.scroll { overflow-x: auto; } details { margin: 1rem 0; } summary { cursor: pointer; } .note { font-size: .85em; color: #444; }
@media print { body { font-size: 11pt; max-width: none; margin: 0; } section { break-inside: avoid-page; }
 h2 { break-after: avoid; } figure, table { break-inside: avoid; }
 details::details-content { content-visibility: visible; height: auto; } }
"""


def document(chapters: Sequence[Chapter], language: str = "en") -> str:
    """The chapters as one HTML document.

    Args:
        chapters: as :func:`layda.lecture.chapter` returns them, in the same language.
        language: of the document's own words.

    >>> from layda.lecture import chapter
    >>> document([chapter(4)]).startswith("<!DOCTYPE html>")
    True
    """
    say = speaker(language)
    title = say("The lecture on momentum, chapter by chapter")
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="{language}">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(say('Every number below was computed by the run that it speaks of.'))}</p>",
    ]
    for one in chapters:
        parts += _section(one, language)
    return "\n".join([*parts, "</body>", "</html>", ""])


def _section(chapter: Chapter, language: str) -> list[str]:
    say = speaker(language)
    time = say("lecture {time}", time=chapter.time)
    return [
        f'<section id="chapter-{chapter.number}">',
        f'<h2>{chapter.number}. {escape(chapter.title)} <span class="time">({escape(time)})</span></h2>',
        *(f"<p>{escape(paragraph)}</p>" for paragraph in chapter.text),
        f'<figure><img src="data:image/png;base64,{_png(chapter)}" alt="{escape(chapter.picture)}">',
        f"<figcaption>{escape(chapter.picture)}</figcaption></figure>",
        '<div class="scroll"><table>',
        "<thead><tr>" + "".join(f'<th scope="col">{escape(cell)}</th>' for cell in chapter.head) + "</tr></thead>",
        "<tbody>",
        *("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in chapter.rows),
        "</tbody></table></div>",
        f"<p><strong>{escape(say('Question'))}:</strong> {escape(chapter.question)}</p>",
        f"<details><summary>{escape(say('Show the answer'))}</summary><p>{escape(chapter.answer)}</p></details>",
        *(f'<p class="note">* {escape(note)}</p>' for note in chapter.footnotes),
        "</section>",
    ]


def _png(chapter: Chapter) -> str:
    stream = io.BytesIO()
    chapter.figure().savefig(stream, format="png")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def plain_text(chapter: Chapter, language: str = "en") -> str:
    """A chapter as plain text: its paragraphs, table, question, answer and notes.

    >>> from layda.lecture import chapter
    >>> plain_text(chapter(4)).splitlines()[0]
    '4. The velocity (lecture 5:34–8:11)'
    """
    say = speaker(language)
    widths = [max(len(row[column]) for row in (chapter.head, *chapter.rows)) for column in range(len(chapter.head))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (chapter.head, *chapter.rows)
    ]
    lines = [f"{chapter.number}. {chapter.title} ({say('lecture {time}', time=chapter.time)})", ""]
    for paragraph in chapter.text:
        lines += [paragraph, ""]
    lines += [*table, "", f"{say('Question')}: {chapter.question}", f"{say('Answer')}: {chapter.answer}"]
    return "\n".join([*lines, *(f"* {note}" for note in chapter.footnotes), ""])
