"""``layda lab`` as a person starts it: it says where it is, answers there, and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from layda.cli import main
from layda.errors import MissingExtraError, SettingError
from layda.lab import server
from layda.lab.server import listen, serve
from tests.lab.pages import browsed, needs_chromium, needs_page, small_page

needs_server = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("starlette", "uvicorn")),
    reason="the extra [lab] is not installed",
)
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

SMALL = (
    "import sys\nfrom pathlib import Path\nfrom layda.lab import serve\n"
    "serve(sys.argv[2], browser=False, folder=Path(sys.argv[1]))\n"
)
REAL = "import sys\nfrom layda.cli import main\nsys.exit(main(sys.argv[1:]))\n"


@contextmanager
def started(program: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the address that it printed."""
    process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own program
        [sys.executable, "-X", "utf8", "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}$", line.strip())
        if found is None:
            process.kill()
            pytest.fail(line + "".join(process.communicate()))
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "Traceback" not in out


@needs_server
@pytest.mark.skipif(os.name == "nt", reason="Windows sends a process no SIGINT from outside")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_printed_address_opens_the_lab_until_a_signal_ends_it(tmp_path: Path, number: int) -> None:
    with (
        started(SMALL, str(small_page(tmp_path)), "x^2 + 3y^2") as (process, address),
        httpx.Client(follow_redirects=True, base_url=address.partition("?")[0]) as client,
    ):
        page = client.get(address)
        assert page.status_code == 200
        assert str(page.url) == address.partition("?")[0]
        scene = client.get("/scene.json").json()
        assert scene["objectives"][0]["name"] == "x^2 + 3y^2"
        headers = {"X-Layda": "1", "Content-Type": "application/json"}
        found = client.post("/api/ask", json={"ask": "objective", "text": "x^^"}, headers=headers)
        assert found.json()["error"]["position"] == 2
        assert httpx.get(address.partition("?")[0]).status_code == 403
        place = urlsplit(address)
        ((name, value),) = client.cookies.items()
        body = b'{"ask": "objective", "text": "sin(x)*y"}'  # whose minima are searched for in vain, for seconds
        head = (
            f"POST /api/ask HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {name}={value}\r\nX-Layda: 1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        door = (str(place.hostname), int(place.port or 0))
        # Open connections: one that asks nothing, one whose question is not whole, one that waits for its answer.
        with (
            socket.create_connection(door),
            socket.create_connection(door) as slow,
            socket.create_connection(door) as waiting,
        ):
            slow.sendall(head + body[:5])
            waiting.sendall(head + body)
            ended(process, number)


@needs_server
@needs_chromium
@pytest.mark.skipif(os.name == "nt", reason="Windows sends a process no SIGINT from outside")
def test_the_page_runs_in_a_browser_and_asks_python(tmp_path: Path) -> None:
    with (
        started(SMALL, str(small_page(tmp_path)), "himmelblau") as (process, address),
        browsed(address + "&show=map") as seen,
    ):
        seen.page.wait_for_selector("#lab[data-answer]")
        assert "nothing before it" in seen.page.get_attribute("#lab", "data-answer")
        assert seen.page.inner_text("#lab") == "himmelblau!2 2.5"
        assert seen.page.evaluate("getComputedStyle(document.getElementById('lab')).color") == "rgb(1, 2, 3)"
        assert seen.page.url == address.partition("?")[0] + "?show=map"
        assert seen.page.evaluate("document.cookie") == ""
        assert {urlsplit(place).netloc for place in seen.asked} == {urlsplit(address).netloc}
        assert not seen.said
        ended(process, signal.SIGINT)


@needs_server
@needs_page
@pytest.mark.skipif(os.name == "nt", reason="Windows sends a process no SIGINT from outside")
def test_the_command_serves_the_real_page(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def bowl(x, y):\n    return x**2 + y**4\n", encoding="utf-8")
    with (
        started(REAL, "lab", f"{mine}:bowl", "--no-browser", "--port", "0") as (process, address),
        httpx.Client(follow_redirects=True, base_url=address.partition("?")[0]) as client,
    ):
        assert client.get(address).status_code == 200
        first = client.get("/scene.json").json()["objectives"][0]
        assert first["coordinates"] == ["x", "y"]
        assert "render" in client.get("/lab.js").text
        question = {
            "ask": "advice", "objective": first["name"], "rule": "gradient-descent", "word": "", "numbers": {},
            "start": first["start"], "steps": 10, "tolerance": 1e-6, "language": "en",
        }  # fmt: skip
        headers = {"X-Layda": "1", "Content-Type": "application/json"}
        assert "advice" in client.post("/api/ask", json=question, headers=headers, timeout=120).json()
        ended(process, signal.SIGINT)


@needs_page
def test_the_command_exports_the_real_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    assert main(["lab", "himmelblau", "--export", str(target), "--language", "vi"]) == 0
    assert capsys.readouterr().out == f"wrote {target}\n"
    assert target.read_text(encoding="utf-8").startswith('<!doctype html>\n<html lang="vi">')


def test_a_port_in_use_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with listen() as door:
        port = door.getsockname()[1]
        with pytest.raises(SettingError, match=f"the port {port} cannot be used"):
            listen(port)
        assert door.getsockname()[0] == "127.0.0.1"


@needs_server
def test_the_command_names_the_port_that_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen() as door:
        port = door.getsockname()[1]
        assert main(["lab", "--no-browser", "--port", str(port)]) == 2
        assert f"the port {port} cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::"])  # noqa: S104  # refused, which is the point
def test_nobody_elsewhere_is_listened_to(host: str) -> None:
    with pytest.raises(SettingError, match="where others can reach it"):
        listen(host=host)


@pytest.mark.parametrize("port", [-1, 65536, 1.5, True, "8000"])
def test_ports_are_whole_numbers(port: Any) -> None:
    with pytest.raises(SettingError, match=r"port is .*; allowed is a whole number from 0 to 65535"):
        listen(port)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["sphere:dimension=3"], "3 coordinates"),
        (["rosenbrok"], "did you mean rosenbrock?"),
        (["x^2", "--language", "tlh"], "is not spoken here"),
        (["x^2", "--export", "nowhere/page.html", "--language", "tlh"], "is not spoken here"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--no-browser", *arguments]) == 2
    said = capsys.readouterr().err
    assert part in said or "[lab]" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("library", ["uvicorn", "starlette"])
def test_what_is_not_installed_is_named_with_its_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r'"layda\[lab\]"'):
        serve("x^2", browser=False)


@needs_server
def test_the_browser_is_opened_at_the_printed_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def interrupted(address: str) -> bool:
        opened.append(address)
        signal.raise_signal(signal.SIGINT)  # Ctrl-C while the browser starts
        return True

    monkeypatch.setattr(server.webbrowser, "open", interrupted)
    before = signal.getsignal(signal.SIGINT)
    serve("x^2", folder=small_page(tmp_path))
    assert opened[0] in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
