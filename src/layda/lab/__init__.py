"""The lab: a page where people roll the ball themselves, served, in a notebook, or as one file.

The page computes in the browser. :mod:`layda.lab.scene` makes what it computes with, from the same programs as
everything else: tapes of objectives, rules, the stopping test and the verdict. ``static/`` holds the page's own module,
:mod:`layda.lab.page` makes files of it, and :mod:`layda.lab.answers` answers what only Python can: typed formulas and
advice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layda.lab.hosts import export
    from layda.lab.server import serve
    from layda.lab.widget import Widget

__all__ = ["Widget", "export", "serve"]

_HOMES = {"Widget": "layda.lab.widget", "export": "layda.lab.hosts", "serve": "layda.lab.server"}


def __getattr__(name: str) -> Any:
    # Looked up when first used: the widget's library and the server's are optional, and heavy.
    if name not in _HOMES:
        raise AttributeError(f"module 'layda.lab' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
