"""``layda lab``: the page, served to one person at this computer."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from layda.errors import MissingExtraError, SettingError
from layda.lab.answers import error
from layda.lab.guard import Application, Guard
from layda.lab.hosts import Shown, first_scene
from layda.lab.page import ICON, STATIC, document, minified, style
from layda.lab.scene import dumps
from layda.lab.worker import AnswerError, Worker
from layda.run.descend import whole_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["app", "listen", "serve"]

_LOOPBACK = "127.0.0.1"
_BOOT = """import lab, { served } from "/lab.js";

const scene = await (await fetch("/scene.json")).json();
lab.render({ model: served(scene), el: document.getElementById("lab") });
"""
_PATIENCE = 0.5
"""Seconds that open connections have to end, once the server is asked to."""


def app(
    scene: Mapping[str, Any], token: str, port: int, *, ask: Callable[[Any], dict[str, Any]], folder: Path = STATIC
) -> Application:
    """The server's application, the guard around it included.

    Args:
        scene: what the page starts with.
        token: of this start; whoever has it may ask.
        port: where the server listens.
        ask: answers a question of the page, as :func:`layda.lab.answers.answer` does.
        folder: where the page's modules are.

    Raises:
        MissingExtraError: Starlette is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise MissingExtraError("starlette", "lab", "layda lab") from None

    def file(path: str, text: str, kind: str) -> Route:
        content = text.encode("utf-8", "backslashreplace")

        async def given(request: Request) -> Response:
            return Response(content, media_type=kind)

        return Route(path, given, methods=["GET"])

    async def asked(request: Request) -> Response:
        try:
            message = json.loads(await request.body())
        except (ValueError, RecursionError):
            return JSONResponse(error("the question is no JSON"), status_code=400)
        try:
            # In a thread of its own: the server answers other requests meanwhile.
            found, status = await asyncio.to_thread(ask, message), 200
        except AnswerError as fault:
            found, status = error(str(fault)), 500
        except Exception as fault:  # whatever it is, the page gets a sentence and the console stays quiet
            found = error(f"the answer failed with {type(fault).__name__}, which is a mistake in layda")
            status = 500
        text = dumps(found).encode("utf-8", "backslashreplace")
        return Response(text, status_code=status, media_type="application/json")

    routes = [
        file("/", document(scene, language=scene.get("language"), offline=False), "text/html"),
        file("/lab.js", minified(folder), "text/javascript"),
        file("/boot.js", _BOOT, "text/javascript"),
        file("/lab.css", style(folder), "text/css"),
        file("/scene.json", dumps(scene), "application/json"),
        file("/icon.svg", ICON, "image/svg+xml"),
        Route("/api/ask", asked, methods=["POST"]),
    ]
    inner = Starlette(routes=routes)
    inner.router.redirect_slashes = False  # a path is one of these to the letter, or unknown
    return Guard(inner, token, port)


def listen(port: int = 0, host: str = _LOOPBACK) -> socket.socket:
    """A socket that listens on this computer alone.

    Args:
        port: where; 0 for a free one.
        host: a loopback address.

    Raises:
        SettingError: the port is in use or not allowed, or the address could be reached from elsewhere.

    >>> listen(host="0.0.0.0")
    Traceback (most recent call last):
    layda.errors.SettingError: the lab would listen on 0.0.0.0, where others can reach it; allowed is 127.0.0.1
    """
    if not ip_address(host).is_loopback:
        raise SettingError(f"the lab would listen on {host}, where others can reach it; allowed is {_LOOPBACK}")
    port = whole_number("port", port, 0, 65535)
    found = socket.socket(socket.AF_INET)
    # On Windows SO_REUSEADDR would let two servers share a port, so there its opposite is set.
    option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
    found.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        found.bind((host, port))
        found.listen(128)
    except OSError as fault:
        found.close()
        raise SettingError(
            f"the port {port} cannot be used ({fault.strerror}); is another lab running? Name another port, or 0 for "
            "a free one"
        ) from None
    return found


def serve(
    objective: Shown = None,
    *,
    port: int = 0,
    browser: bool = True,
    language: str | None = None,
    folder: Path = STATIC,
) -> None:
    """Open the lab, and serve it until Ctrl-C (or SIGTERM).

    Args:
        objective: what is shown first; the lecture's curve by default. Text, a function or an objective, as in
            :func:`layda.descend`, of one or two coordinates.
        port: where; 0 for a free one.
        browser: whether to open it in the browser; the address is printed either way.
        language: "en" or "vi"; by default the browser's.
        folder: where the page's modules are.

    Raises:
        MissingExtraError: Starlette or uvicorn is not installed.
        SettingError: the port is in use.
        SpecError: an objective of more than two coordinates, or one that cannot be traced.
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("uvicorn", "lab", "layda lab") from None
    scene, own = first_scene(objective, language)
    token = secrets.token_urlsafe(32)
    with listen(port) as door, _Signals() as signals:
        here = door.getsockname()[1]
        worker = Worker(own)
        config = uvicorn.Config(
            app(scene, token, here, ask=worker.ask, folder=folder), http="h11", ws="none", lifespan="off",
            log_config=None, log_level="critical", access_log=False, proxy_headers=False, server_header=False,
            timeout_graceful_shutdown=0,
        )  # fmt: skip
        server = uvicorn.Server(config)
        worker.start()
        # Not in the main thread, where uvicorn would take the signals to itself and end the process by them.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, name="layda lab", daemon=True)
        thread.start()
        address = f"http://{_LOOPBACK}:{here}/?{urlencode({'token': token})}"
        sys.stdout.write(f"The lab is open at {address}\nCtrl-C ends it.\n")
        sys.stdout.flush()
        try:
            if browser:
                webbrowser.open(address)
            while thread.is_alive() and not signals.came:
                thread.join(0.1)  # waiting without an end would not hear Ctrl-C on Windows
        finally:
            worker.close()
            server.should_exit = True
            thread.join(_PATIENCE)
            server.force_exit = True
            thread.join(_PATIENCE)


class _Signals:
    """Notes Ctrl-C and SIGTERM, as long as the block lasts; outside the main thread, nothing.

    A plain attribute, since a handler that runs amid the waiting for an Event would wait for that waiting.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *fault: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        self.came = True
