"""The lecture as runnable chapters: each a function that returns its text, runs, table and picture as data.

>>> chapter(2).runs["α too large"].verdict.kind
'diverged'
"""

from __future__ import annotations

from collections.abc import Callable

from layda.errors import UnknownNameError
from layda.lecture.chapter import Chapter
from layda.lecture.descent import chapter_1, chapter_2, chapter_3, chapter_4
from layda.lecture.document import document
from layda.lecture.family import chapter_9
from layda.lecture.memory import chapter_7, chapter_8
from layda.lecture.momentum import chapter_5, chapter_6
from layda.lecture.race import CONTESTANTS, STEPS, TOLERANCE, WORKING_DECAY, lecture_race
from layda.words import Say, speaker

__all__ = [
    "CHAPTERS", "CONTESTANTS", "STEPS", "TOLERANCE", "WORKING_DECAY", "Chapter", "chapter", "document", "lecture_race",
]  # fmt: skip

CHAPTERS: tuple[Callable[[Say], Chapter], ...] = (
    chapter_1, chapter_2, chapter_3, chapter_4, chapter_5, chapter_6, chapter_7, chapter_8, chapter_9,
)  # fmt: skip
"""The chapters in order; each takes the function that says its texts in the reader's language."""


def chapter(number: int, language: str = "en") -> Chapter:
    """Run one chapter.

    Args:
        number: 1 to 9.
        language: "en" or "vi".

    Raises:
        UnknownNameError: no such chapter or language; the message lists them.

    >>> chapter(4, "vi").title
    'Vận tốc'
    """
    say = speaker(language)
    if number not in range(1, len(CHAPTERS) + 1):
        titles = "; ".join(f"{index} {title}" for index, title in enumerate(_TITLES, 1))
        raise UnknownNameError(f"there is no chapter {number!r}; there are {titles}")
    return CHAPTERS[number - 1](say)


_TITLES = (
    "Gradient descent", "The learning rate", "Damping the rate", "The velocity", "Momentum", "The whole method",
    "Weights of the past", "Does it climb for ever?", "Who inherited it",
)  # fmt: skip
