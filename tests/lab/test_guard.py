"""Nobody but the lab's own page is answered: every route × every kind of stranger × every verb."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from layda.lab import guard
from layda.lab.answers import answer
from layda.lab.guard import HEADERS, MOST_BYTES, POLICY, cookie_name
from layda.lab.worker import AnswerError
from tests.lab.pages import small_page

pytest.importorskip("starlette", reason="the extra [lab] is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

PORT, TOKEN = 8123, "right-token"
HOST = f"127.0.0.1:{PORT}"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
READING = ("GET", "HEAD")
COOKIE = {"cookie": f"{cookie_name(PORT)}={TOKEN}"}
OWN = {"x-layda": "1", "content-type": "application/json"}
SCENE = {"objectives": [{"name": "him\ud800mel</script>"}]}


def application(folder: Path, ask: Callable[[Any], dict[str, Any]] = answer) -> Any:
    from layda.lab.server import app

    return app(SCENE, TOKEN, PORT, ask=ask, folder=folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return application(small_page(tmp_path_factory.mktemp("page")))


def ask(app: Any, verb: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
    async def once() -> Any:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.request(verb, path, headers=headers, **options)

    return asyncio.run(once())


def routes(app: Any) -> dict[str, frozenset[str]]:
    """What the application itself lists, and a path that it does not know."""
    known = {route.path: frozenset(route.methods) for route in app._app.routes}
    return {
        **known,
        "/unknown": frozenset(),
        "/lab.js/": frozenset(),
        "/LAB.js": frozenset(),
        "/static/lab.js": frozenset(),
    }


def checked(reply: Any, status: int, part: str = "") -> None:
    assert (reply.status_code, part in reply.text) == (status, True), (reply.status_code, reply.text[:200])
    for name, value in HEADERS.items():
        assert reply.headers.get_list(name) == [value]


def test_the_routes_are_these_and_none_takes_a_part_of_its_path(served: Any) -> None:
    known = {route.path: frozenset(route.methods) for route in served._app.routes}
    reading = frozenset(READING)
    assert known == {
        "/": reading, "/lab.js": reading, "/boot.js": reading, "/lab.css": reading, "/scene.json": reading,
        "/icon.svg": reading, "/api/ask": frozenset({"POST"}),
    }  # fmt: skip
    assert not any("{" in path for path in known)


STRANGERS: dict[str, tuple[dict[str, str], int, str]] = {
    "another host": ({"host": f"evil.example:{PORT}", **COOKIE, **OWN}, 400, "127.0.0.1"),
    "another port": ({"host": "127.0.0.1:80", **COOKIE, **OWN}, 400, "127.0.0.1"),
    "no port": ({"host": "127.0.0.1", **COOKIE, **OWN}, 400, "127.0.0.1"),
    "a host that begins like ours": ({"host": f"{HOST}.evil.example", **COOKIE, **OWN}, 400, "127.0.0.1"),
    "no cookie": (OWN, 403, "belongs to the person"),
    "a wrong cookie": ({"cookie": f"{cookie_name(PORT)}=wrong", **OWN}, 403, "belongs to the person"),
    "a cookie of another port": ({"cookie": f"{cookie_name(1)}={TOKEN}", **OWN}, 403, "belongs to the person"),
    "an empty cookie": ({"cookie": f"{cookie_name(PORT)}=", **OWN}, 403, "belongs to the person"),
    "a foreign origin": ({"origin": "http://evil.example", **COOKIE, **OWN}, 403, "another page"),
    "a hidden origin": ({"origin": "null", **COOKIE, **OWN}, 403, "another page"),
    "an origin of another port": ({"origin": "http://127.0.0.1:1", **COOKIE, **OWN}, 403, "another page"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("stranger", STRANGERS)
def test_every_route_refuses_every_stranger(served: Any, stranger: str, verb: str) -> None:
    headers, status, part = STRANGERS[stranger]
    for path in routes(served):
        checked(ask(served, verb, path, headers), status, "" if verb == "HEAD" else part)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("token", ["wrong", "", TOKEN[:-1], TOKEN + "x", "%FF", "é"])
def test_a_wrong_token_in_the_address_opens_nothing(served: Any, token: str, verb: str) -> None:
    for path in routes(served):
        reply = ask(served, verb, path, OWN, params={"token": token})
        checked(reply, 403)
        assert "set-cookie" not in reply.headers


WRITING = [verb for verb in VERBS if verb not in READING]


@pytest.mark.parametrize("verb", WRITING)
@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({"content-type": "application/json"}, 403, "X-Layda"),
        ({"content-type": "application/json", "x-layda": "0"}, 403, "X-Layda"),
        ({**OWN, "sec-fetch-site": "cross-site"}, 403, "another page"),
        ({**OWN, "sec-fetch-site": "same-site"}, 403, "another page"),
        ({"x-layda": "1"}, 415, "application/json"),
        ({"x-layda": "1", "content-type": "text/plain"}, 415, "application/json"),
        ({"x-layda": "1", "content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ({**OWN, "content-length": "many"}, 400, "Content-Length"),
        ({**OWN, "content-length": str(MOST_BYTES + 1)}, 413, "bytes"),
        ({**OWN, "content-length": "9" * 5000}, 413, "bytes"),
    ],
)
def test_what_writes_must_come_from_the_page(
    served: Any, verb: str, headers: dict[str, str], status: int, part: str
) -> None:
    for path in routes(served):
        checked(ask(served, verb, path, {**COOKIE, **headers}), status, part)


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_paths_and_verbs_are_refused_to_the_page_itself(served: Any, verb: str) -> None:
    for path, verbs in routes(served).items():
        reply = ask(served, verb, path, {**COOKIE, **OWN}, content=b"{}" if verb not in READING else None)
        checked(reply, 200 if verb in verbs else 405 if verbs else 404)


def test_hosts_and_origins_of_our_own_are_let_in(served: Any) -> None:
    for host in (HOST, f"localhost:{PORT}"):
        headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin", **COOKIE, **OWN}
        checked(ask(served, "POST", "/api/ask", headers, json={"ask": "objective", "text": "x^2"}), 200, '"objective"')
    headers = {"host": HOST, "origin": f"http://localhost:{PORT}", **COOKIE, **OWN}
    checked(ask(served, "POST", "/api/ask", headers, json={}), 403, "another page")


def test_two_hosts_in_one_request_are_refused(served: Any) -> None:
    headers = httpx.Headers([("host", HOST), ("host", HOST), *COOKIE.items()])
    checked(ask(served, "GET", "/", headers), 400)  # type: ignore[arg-type]


def test_the_token_is_swapped_once_for_a_cookie_that_no_script_reads(served: Any) -> None:
    reply = ask(served, "GET", f"/?show=map&token={TOKEN}&language=vi&x=a%0D%0Ab")
    checked(reply, 303)
    assert reply.headers["location"] == "/?show=map&language=vi&x=a%0D%0Ab"
    cookie = reply.headers["set-cookie"]
    assert cookie == f"{cookie_name(PORT)}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    page = ask(served, "GET", reply.headers["location"], {"cookie": cookie.partition(";")[0]})
    checked(page, 200, '<div id="lab">')
    assert TOKEN not in page.text
    assert ask(served, "GET", f"/?token={TOKEN}").headers["location"] == "/"
    for again in (f"/?token={TOKEN}&token={TOKEN}", f"/?token={TOKEN}&token=x"):
        checked(ask(served, "GET", again), 403)
    checked(ask(served, "GET", f"/lab.js?token={TOKEN}"), 403)
    checked(ask(served, "POST", f"/?token={TOKEN}", OWN, json={}), 403)


def test_tokens_are_compared_in_constant_time(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def noted(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(guard, "hmac", type("Noted", (), {"compare_digest": staticmethod(noted)}))
    checked(ask(served, "GET", "/", {"cookie": f"{cookie_name(PORT)}=cookie"}), 403)
    checked(ask(served, "GET", "/?token=address"), 403)
    assert compared == [b"cookie", b"address"]


def test_the_policy_allows_nothing_unsafe_and_nobody_else() -> None:
    assert POLICY.startswith("default-src 'none';")
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert not re.search(r"https?:", POLICY)


def test_the_page_has_no_script_or_style_of_its_own(served: Any) -> None:
    text = ask(served, "GET", "/", COOKIE).text
    assert re.findall(r"<script[^>]*>", text) == ['<script type="module" src="/boot.js">']
    assert "<style" not in text
    assert " on" not in re.sub(r">[^<]*<", "><", text)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {"/boot.js", "/lab.css", "/icon.svg"}


def test_bodies_are_counted_while_they_come_in(served: Any) -> None:
    taken = 0

    async def pieces(count: int) -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(count):
            taken += 1
            yield b" " * 1024

    reply = ask(served, "POST", "/api/ask", {**COOKIE, **OWN}, content=pieces(1000))
    checked(reply, 413, "bytes")
    assert taken <= MOST_BYTES // 1024 + 2
    checked(ask(served, "POST", "/api/ask", {**COOKIE, **OWN}, content=pieces(MOST_BYTES // 1024)), 400, "no JSON")
    checked(ask(served, "POST", "/api/ask", {**COOKIE, **OWN}, content=b"{" * (MOST_BYTES + 1)), 413, "bytes")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60000, b"\xff\xfe", b"1" * 5000])
def test_what_is_no_json_is_refused(served: Any, body: bytes) -> None:
    checked(ask(served, "POST", "/api/ask", {**COOKIE, **OWN}, content=body), 400, "no JSON")


@pytest.mark.parametrize("fault", [ZeroDivisionError("secret"), AnswerError("a sentence")])
def test_a_mistake_of_ours_is_a_sentence_without_a_traceback(
    fault: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(message: Any) -> dict[str, Any]:
        raise fault

    reply = ask(application(small_page(tmp_path), broken), "POST", "/api/ask", {**COOKIE, **OWN}, json={})
    checked(reply, 500, '"error"')
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    said = capsys.readouterr()
    assert said.out + said.err == ""


def test_websockets_are_closed(served: Any) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(served({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]
