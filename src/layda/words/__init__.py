"""The languages that layda speaks: English is the source, translations are gettext catalogues in ``locale/``."""

from __future__ import annotations

import gettext
from collections.abc import Callable
from pathlib import Path

from layda.errors import UnknownNameError, nearest

__all__ = ["LANGUAGES", "LOCALE", "Say", "later", "speaker"]

LANGUAGES = {"en": "English", "vi": "Tiếng Việt"}
"""Code -> the language's own name for itself."""

LOCALE = Path(__file__).parent / "locale"

Say = Callable[..., str]
"""``say("text with {number}", number=3)``: the text in the speaker's language, its numbers put in."""


def later(text: str) -> str:
    """The text itself: marks one that is spoken elsewhere, so that its translation is asked for."""
    return text


def speaker(language: str = "en") -> Say:
    """The function that says English texts in another language.

    Args:
        language: one of :data:`LANGUAGES`.

    Raises:
        UnknownNameError: a language without a catalogue.

    >>> speaker("vi")("Momentum")
    'Động lượng'
    """
    if language not in LANGUAGES:
        raise UnknownNameError(f"the language {language!r} is not spoken here; {nearest(language, LANGUAGES)}")
    catalogue: gettext.NullTranslations = gettext.NullTranslations()
    if language != "en":
        catalogue = gettext.translation("layda", LOCALE, languages=[language])

    def say(text: str, /, **values: object) -> str:
        return catalogue.gettext(text).format(**values)

    return say
