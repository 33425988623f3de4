"""Compile the catalogues (``layda.po`` -> ``layda.mo``) and say what is missing: python tools/catalogues.py.

Texts are the first arguments of ``say(…)`` and ``later(…)`` in ``src/layda``, and the names of the verdicts.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from layda.measures import VERDICTS
from layda.words import LANGUAGES, LOCALE

SOURCE = Path(__file__).parents[1] / "src" / "layda"


def texts() -> set[str]:
    """Every English text that is spoken."""
    keywords = {"say": None, "later": None}
    found = {message for _, _, message, _, _ in extract_from_dir(SOURCE, keywords=keywords)}
    return {text for text in found if isinstance(text, str)} | set(VERDICTS)


def catalogue(language: str) -> Catalog:
    """The catalogue of a language, as its ``.po`` file stands."""
    with (LOCALE / language / "LC_MESSAGES" / "layda.po").open("rb") as file:
        return read_po(file, locale=language)


def compiled(language: str) -> bytes:
    """The bytes of the ``.mo`` file."""
    stream = io.BytesIO()
    write_mo(stream, catalogue(language))
    return stream.getvalue()


def missing(language: str) -> list[str]:
    """Texts without a translation."""
    known = {message.id: message.string for message in catalogue(language) if message.id}
    return sorted(text for text in texts() if not known.get(text))


def main() -> int:
    """Compile all languages; 1 if a text lacks its translation."""
    lacking = 0
    for language in LANGUAGES:
        if language == "en":
            continue
        (LOCALE / language / "LC_MESSAGES" / "layda.mo").write_bytes(compiled(language))
        for text in missing(language):
            print(f"{language}: no translation of {text!r}")
            lacking += 1
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
