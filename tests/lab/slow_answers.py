"""Answers that a child process computes in the tests: slow ones, broken ones."""

from __future__ import annotations

import os
import time
from typing import Any

__all__ = ["trying"]


def trying(message: Any, own: Any) -> dict[str, Any]:
    """Do what the message says."""
    if message == "sleep":
        time.sleep(600)
    if message == "crash":
        os._exit(3)
    if message == "raise":
        raise ZeroDivisionError("secret")
    return {"heard": message, "child": os.getpid()}
