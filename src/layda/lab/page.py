"""The page as files: one script, one style sheet, and the whole of it as one HTML document that needs no network."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from layda.errors import SpecError, UnknownNameError, nearest
from layda.lab.javascript import declared, shortened
from layda.lab.scene import dumps
from layda.words import LANGUAGES

__all__ = ["ICON", "STATIC", "document", "minified", "script", "style"]

STATIC = Path(__file__).parent / "static"
"""The folder of the page's modules; ``lab.js`` is the one that a host asks."""

_ENTRY = "lab.js"
_NAMES = re.compile(r'import \{ ([\w$]+(?:, [\w$]+)*) \} from "\./([\w-]+\.js)";')
_WHOLE = re.compile(r'import \* as ([\w$]+) from "\./([\w-]+\.js)";')
_DEFAULT = re.compile(r"^export default [^\n]+;[ \t]*$", re.MULTILINE)
_LIST = re.compile(r"^export \{ ([\w$]+(?:, [\w$]+)*) \};[ \t]*$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|let|var|function|class|async) )", re.MULTILINE)

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<path d="M3 6c4 0 7 20 13 20S25 6 29 6" fill="none" stroke="#0072b2" stroke-width="3" stroke-linecap="round"/>'
    '<circle cx="9.5" cy="11" r="4.5" fill="#d55e00"/></svg>'
)
"""A ball in its valley."""


class _Module(NamedTuple):
    """One module, read: what it takes from others, what it declares and gives, and its text without either."""

    name: str
    needs: tuple[str, ...]
    taken: tuple[tuple[str, str], ...]  # (name, module)
    wholes: tuple[tuple[str, str], ...]  # (name for all of it, module)
    declares: tuple[str, ...]
    exports: tuple[str, ...]
    body: str


def script(folder: Path = STATIC) -> str:
    """All modules as one, with the exports of ``lab.js``: ``{ render }`` as the default, as anywidget wants it.

    A module writes its imports at its top, one statement a line: ``import { a, b } from "./x.js";`` or
    ``import * as named from "./x.js";``. No two modules may declare the same name at their top.

    Args:
        folder: where the modules are.

    Raises:
        SpecError: a module that is missing or that cannot be joined; the sentence names it.
    """
    ordered: dict[str, _Module] = {}
    _collect(folder, _ENTRY, ordered, ())
    owners: dict[str, str] = {}
    parts: list[str] = []
    for module in ordered.values():
        for name, source in module.taken:
            if name not in ordered[source].exports:
                raise SpecError(f"{module.name} imports {name}, which {source} does not export")
        for name in module.declares:
            if owners.setdefault(name, module.name) != module.name:
                raise SpecError(
                    f"{owners[name]} and {module.name} both declare {name} at their top; rename one of them"
                )
        for name, source in module.wholes:
            owner = f"{source}, whole"  # several modules may call it so
            if owners.setdefault(name, owner) != owner:
                raise SpecError(
                    f"{owners[name]} and {module.name} both declare {name} at their top; rename one of them"
                )
            line = f"const {name} = Object.freeze({{ {', '.join(ordered[source].exports)} }});"
            parts += [] if line in parts else [line]
        parts.append(module.body.strip("\n"))
    if ordered[_ENTRY].exports:
        parts.append(f"export {{ {', '.join(ordered[_ENTRY].exports)} }};")
    return "\n".join(parts) + "\n"


def _collect(folder: Path, name: str, ordered: dict[str, _Module], path: tuple[str, ...]) -> None:
    """The module after those that it needs."""
    if name in path:
        raise SpecError(f"the modules {' → '.join((*path, name))} import each other in a circle; move what they share")
    if name in ordered:
        return
    try:
        source = (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        asked = f", which {path[-1]} imports," if path else ""
        raise SpecError(f"the page's module {name}{asked} is missing from {folder.name}; install layda anew") from None
    module = _read(name, source)
    for needed in module.needs:
        _collect(folder, needed, ordered, (*path, name))
    ordered[name] = module


def _read(name: str, source: str) -> _Module:
    taken: list[tuple[str, str]] = []
    wholes: list[tuple[str, str]] = []
    kept = []
    for number, line in enumerate(source.splitlines(), start=1):
        if not re.match(r"import\b(?! *\()", line):
            kept.append(line)
        elif names := _NAMES.fullmatch(line.strip()):
            taken += [(word, names[2]) for word in names[1].split(", ")]
        elif whole := _WHOLE.fullmatch(line.strip()):
            wholes.append((whole[1], whole[2]))
        else:
            raise SpecError(
                f"{name}, line {number}: {line.strip()[:60]!r} cannot be joined; write import {{ a, b }} from "
                '"./x.js"; or import * as a from "./x.js"; on one line'
            )
    body = "\n".join(kept)
    listed = [word for found in _LIST.finditer(body) for word in found[1].split(", ")]
    body = _LIST.sub("", body)
    if name != _ENTRY and _DEFAULT.search(body):
        raise SpecError(f"{name} has a default export, which only {_ENTRY} may have; give it a name")
    names_declared = list(declared(_DEFAULT.sub("", body)))
    body = _EXPORT.sub("", body)
    if strange := re.search(r"^export (?!default)[^\n]*", body, re.MULTILINE):
        raise SpecError(f"{name}: {strange[0][:60]!r} cannot be joined; write export before a declaration")
    return _Module(
        name,
        tuple(dict.fromkeys(source for _, source in taken + wholes)),
        tuple(taken),
        tuple(wholes),
        tuple(word for word, _ in names_declared),
        tuple(dict.fromkeys([word for word, exported in names_declared if exported] + listed)),
        body,
    )


@lru_cache(maxsize=4)
def minified(folder: Path = STATIC) -> str:
    """:func:`script` without comments and needless spaces.

    Args:
        folder: where the modules are.
    """
    return shortened(script(folder)) + "\n"


@lru_cache(maxsize=4)
def style(folder: Path = STATIC) -> str:
    """The style sheet, without comments, indents and blank lines.

    Args:
        folder: where ``lab.css`` is.
    """
    path = folder / "lab.css"
    if not path.is_file():
        raise SpecError(f"the page's style sheet {path.name} is missing from {folder.name}; install layda anew")
    # A comment's signs within a text of the sheet ("/*") would end here; ours holds none.
    plain = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "\n".join(line.strip() for line in plain.splitlines() if line.strip()) + "\n"


def document(
    scene: Mapping[str, Any], *, language: str | None = None, offline: bool = True, folder: Path = STATIC
) -> str:
    """The page as one HTML document.

    Args:
        scene: of :func:`layda.lab.scene.scene`, also with a "state".
        language: what it speaks at first; by default the browser's language, where it is spoken here.
        offline: whether all of it stands in the document, which then asks nobody for anything; otherwise the document
            names the files that the server gives out.
        folder: where the modules are.

    Raises:
        UnknownNameError: a language that is not spoken.
    """
    if language is not None and language not in LANGUAGES:
        raise UnknownNameError(f"the language {language!r} is not spoken here; {nearest(language, LANGUAGES)}")
    head = (
        f'<!doctype html>\n<html lang="{html.escape(language or "en")}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    )
    title = "<title>layda</title>\n"
    if not offline:
        return (
            f'{head}{title}<link rel="icon" href="/icon.svg" type="image/svg+xml">\n'
            '<link rel="stylesheet" href="/lab.css">\n</head>\n<body>\n<div id="lab"></div>\n'
            '<script type="module" src="/boot.js"></script>\n</body>\n</html>\n'
        )
    told = dict(scene) if language is None else {**scene, "language": language}
    # Whatever a name or an equation holds, it cannot end the element that it stands in.
    data = dumps(told).replace("<", "\\u003c").encode("utf-8", "backslashreplace").decode("utf-8")
    boot = (
        'render({ model: offline(JSON.parse(document.getElementById("scene").textContent)), '
        'el: document.getElementById("lab") });\n'
    )
    code = re.sub(r"<(/script|!--)", r"<\\\1", minified(folder) + boot, flags=re.IGNORECASE)
    sheet = style(folder).replace("</", "<\\/")
    icon = base64.b64encode(ICON.encode()).decode()
    policy = (
        f"default-src 'none'; script-src '{_digest(code)}'; style-src '{_digest(sheet)}'; img-src data: blob:; "
        "worker-src 'none'; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )
    return (
        f'{head}<meta http-equiv="Content-Security-Policy" content="{policy}">\n{title}'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n<style>{sheet}</style>\n</head>\n<body>\n'
        f'<div id="lab"></div>\n<script type="application/json" id="scene">{data}</script>\n'
        f'<script type="module">{code}</script>\n</body>\n</html>\n'
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
