"""Answers within a time limit: they are computed in a child process, which is ended when it takes too long."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from layda.lab.answers import answer, error
from layda.lab.scene import dumps
from layda.objective import TracedObjective

__all__ = ["LIMIT", "AnswerError", "Worker"]

LIMIT = 10.0
"""Seconds for one question."""

_STARTING = 120.0
"""Seconds for the child to import what it needs; they do not count for the question."""

Answer = Callable[[Any, Sequence[TracedObjective]], dict[str, Any]]


class AnswerError(RuntimeError):
    """An answer failed for a reason that is layda's own fault; the message is a sentence."""


class Worker:
    """A child process that answers one question after the other, and is replaced when it hangs or breaks.

    It ends with its parent, however that ends.

    Args:
        own: objectives of the host's own, known to the answers by their names.
        limit: seconds for one question.
        answers: what computes an answer; a function of a module, since the child imports it.
    """

    def __init__(self, own: Sequence[TracedObjective] = (), limit: float = LIMIT, answers: Answer = answer) -> None:
        self._own = tuple(own)
        self._limit = limit
        self._answers = answers
        self._lock = threading.Lock()
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._ready = False
        self._closed = False

    def start(self) -> None:
        """Start the child, so that the first question need not wait for it; returns at once."""
        with self._lock:
            self._started()

    def ask(self, message: Any) -> dict[str, Any]:
        """The answer to a question; an answer that says so when the limit was passed or the child broke.

        Questions of several threads wait for each other.

        Args:
            message: the question, as JSON gives it.

        Raises:
            AnswerError: the answer failed with an exception that is no :class:`~layda.errors.LaydaError`.
        """
        with self._lock:
            return self._asked(message)

    def close(self) -> None:
        """End the child, also while it computes. May be called from a signal handler, and more than once."""
        self._closed = True
        if self._child is not None:
            self._child.kill()

    def _asked(self, message: Any) -> dict[str, Any]:
        try:
            pipe = self._started()
            if not self._ready:
                if not pipe.poll(_STARTING):
                    raise TimeoutError
                self._ready = pipe.recv_bytes() == b"ready"
            pipe.send_bytes(json.dumps(message).encode())
            if not pipe.poll(self._limit):
                raise TimeoutError
            found: dict[str, Any] = json.loads(pipe.recv_bytes())
        except TimeoutError:
            self._renewed()
            return error(f"the answer was not found within {self._limit:g} seconds, and the search was ended")
        except (EOFError, OSError):
            self._renewed()
            return error("the lab has ended" if self._closed else "the computation broke off; try something simpler")
        if "fault" in found:
            raise AnswerError(found["fault"])
        return found

    def _started(self) -> Connection[Any, Any]:
        if self._closed:
            raise EOFError
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._child = context.Process(
                target=_serve, args=(theirs, self._answers, self._own), name="layda lab answers", daemon=True
            )
            with _undisturbed():
                self._child.start()
            theirs.close()  # so that the end of the child is seen as the end of the pipe
            if self._closed:
                self._child.kill()
        return self._pipe

    def _renewed(self) -> None:
        """End the child, and start the next one, which imports while nobody waits."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
        if self._pipe is not None:
            self._pipe.close()
        self._child, self._pipe, self._ready = None, None, False
        if not self._closed:
            self._started()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """While the child starts: it shall not import the user's script again, nor hear Ctrl-C, which is for its parent.

    A script without an ``if __name__ == "__main__"`` would otherwise open a second lab in the child.
    """
    blocks = hasattr(signal, "pthread_sigmask")  # Windows has no masks; there the child ignores it once it runs
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocks else None
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection[Any, Any], answers: Answer, own: Sequence[TracedObjective]) -> None:
    """The child: read a question, write its answer, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send_bytes(b"ready")
    while True:
        try:
            question = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            found = dumps(answers(json.loads(question), own))
        except Exception as fault:
            found = dumps({"fault": f"the answer failed with {type(fault).__name__}, which is a mistake in layda"})
        pipe.send_bytes(found.encode("utf-8", "backslashreplace"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
