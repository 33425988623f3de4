"""Who may ask the lab's server, looked at before anything else: a pure ASGI layer around the whole application.

The page is for one person at this computer. Other pages that this person's browser has open can send requests to
127.0.0.1 too, and a name server can be made to say that a stranger's name is 127.0.0.1. So, in this order:

1. The Host must be 127.0.0.1 or localhost with the server's own port: 400.
2. The address printed at the start holds a token of this start. It is given once and swapped for a cookie, which no
   script can read and no other site's request carries; without the cookie: 403.
3. A request that another origin made: 403. What is no GET or HEAD needs the header ``X-Layda: 1``, which no form and no
   link can send (403), and a body of JSON (415) that is not too large (413).
4. What the application does not know: 404; a verb that it does not know there: 405.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

__all__ = ["HEADERS", "MOST_BYTES", "POLICY", "Guard", "cookie_name"]

MOST_BYTES = 64 * 1024
"""Of a request's body."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every answer."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def cookie_name(port: int) -> str:
    """Cookies do not tell ports apart, and two labs may be open at once.

    >>> cookie_name(8000)
    'layda-8000'
    """
    return f"layda-{port}"


class Guard:
    """Lets through to the application what the lab's own page asks, and refuses the rest.

    Args:
        app: the application.
        token: of this start.
        port: where the server listens.
        most_bytes: of a body.
    """

    def __init__(self, app: Application, token: str, port: int, most_bytes: int = MOST_BYTES) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = tuple(f"{host}:{port}".encode() for host in ("127.0.0.1", "localhost"))
        self._cookie = cookie_name(port)
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI hands it over."""
        if scope["type"] != "http":  # websockets, and a server that wants to tell of its start
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name.encode() for name in HEADERS}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in ours]
                message = {**message, "headers": kept + [(n.encode(), v.encode()) for n, v in HEADERS.items()]}
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await _reply(guarded, *refused)
            return
        if scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, guarded)
            return
        body = await self._body(receive)
        if body is None:
            await _reply(guarded, 413, f"the question has more than {self._most} bytes; ask a shorter one")
            return
        await self._app(scope, _replayed(body, receive), guarded)

    def _refusal(self, scope: Scope) -> tuple[Any, ...] | None:
        """Status and sentence, and headers, of what is not let through; ``None`` for what is."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        host = headers.get(b"host", [])
        if len(host) != 1 or host[0] not in self._hosts:
            return 400, "this server answers to 127.0.0.1 and localhost with its own port alone"
        reading = scope["method"] in ("GET", "HEAD")
        if scope["path"] == "/" and reading and (swap := self._swapped(scope)) is not None:
            return swap
        if not self._known(headers.get(b"cookie", [])):
            return 403, "this page belongs to the person who started it; open the address that layda lab has printed"
        origins = headers.get(b"origin", [])
        if origins and origins != [b"http://" + host[0]]:
            return 403, "the request comes from another page"
        if reading:
            return None
        sites = headers.get(b"sec-fetch-site", [])
        if sites and sites not in ([b"same-origin"], [b"none"]):
            return 403, "the request comes from another page"
        if headers.get(b"x-layda") != [b"1"]:
            return 403, "the header X-Layda: 1 is missing"
        kinds = headers.get(b"content-type", [])
        if len(kinds) != 1 or kinds[0].partition(b";")[0].strip().lower() != b"application/json":
            return 415, "a question is sent as application/json"
        lengths = headers.get(b"content-length", [b"0"])
        if len(lengths) != 1 or not lengths[0].isdigit():
            return 400, "the header Content-Length is no whole number"
        if len(lengths[0]) > 15 or int(lengths[0]) > self._most:
            return 413, f"the question has more than {self._most} bytes; ask a shorter one"
        return None

    def _swapped(self, scope: Scope) -> tuple[Any, ...] | None:
        """Where the address holds a token: the cookie for it, and the address without it."""
        try:
            query = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return 400, "the address cannot be read"
        given = [value for name, value in query if name == "token"]
        if not given:
            return None
        if len(given) != 1 or not self._is_token(given[0].encode("utf-8", "surrogateescape")):
            return 403, "the token in the address is not of this start; open the address that layda lab has printed"
        rest = urlencode([pair for pair in query if pair[0] != "token"], errors="replace")
        cookie = f"{self._cookie}={self._token.decode()}; Path=/; HttpOnly; SameSite=Strict"
        return 303, "", {"location": "/" + (f"?{rest}" if rest else ""), "set-cookie": cookie}

    def _known(self, cookies: list[bytes]) -> bool:
        # Cookies belong to all ports of this computer: those of others, however odd, must not hide ours.
        pairs = [part.strip().partition(b"=") for line in cookies for part in line.split(b";")]
        given = [value for name, _, value in pairs if name == self._cookie.encode()]
        return any(self._is_token(value) for value in given)

    def _is_token(self, given: bytes) -> bool:
        # In the same time however much of it is right, so that it cannot be found letter by letter.
        return hmac.compare_digest(given, self._token)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body, counted while it comes in, since a chunked one does not say its size; ``None``: too large."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return b""  # the asker is gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                return None
        return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _reply(send: Send, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
    body = sentence.encode()
    told = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
