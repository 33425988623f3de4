"""The child that answers: ended when it takes too long, replaced when it breaks, never outliving its parent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from layda.lab.worker import AnswerError, Worker
from layda.objectives import formula
from tests.lab.slow_answers import trying


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(limit=3.0, answers=trying)
    yield made
    made.close()


def test_one_child_answers_until_it_is_too_slow(worker: Worker) -> None:
    first, second = worker.ask(1), worker.ask({"b": [None, "é\ud800"]})
    assert first["child"] == second["child"] != os.getpid()
    assert second["heard"] == {"b": [None, "é\ud800"]}
    assert worker.ask("sleep")["error"]["message"].startswith("the answer was not found within 3 seconds")
    assert worker.ask(2)["child"] != first["child"]


def test_a_crash_is_told_and_the_next_question_is_answered(worker: Worker) -> None:
    assert "broke off" in worker.ask("crash")["error"]["message"]
    assert worker.ask(2)["heard"] == 2


def test_a_mistake_of_ours_keeps_the_child_and_shows_no_secret(worker: Worker) -> None:
    child = worker.ask(1)["child"]
    with pytest.raises(AnswerError, match=r"^the answer failed with ZeroDivisionError, which is a mistake in layda$"):
        worker.ask("raise")
    assert worker.ask(1)["child"] == child


def test_closing_ends_a_question_under_way() -> None:
    worker = Worker(limit=300.0, answers=trying)
    worker.ask(1)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(worker.ask("sleep")))
    thread.start()
    while not worker._lock.locked():
        pass
    worker.close()
    thread.join()
    assert answers[0]["error"]["message"] == "the lab has ended"
    assert worker.ask(1)["error"]["message"] == "the lab has ended"
    worker.close()


def test_the_real_answers_come_from_the_child_and_know_the_hosts_objectives() -> None:
    own = formula("x^2 + 1")
    worker = Worker([own])
    try:
        worker.start()
        assert worker.ask({"ask": "objective", "text": "x^2 + 1"})["objective"]["name"] == "x^2 + 1"
        assert "opens no files" in worker.ask({"ask": "objective", "text": "a.py:f"})["error"]["message"]
    finally:
        worker.close()


def test_a_script_without_a_guard_is_not_run_again_and_its_child_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "sys.stdout.write('once\\n')\n"
        "from layda.lab.worker import Worker\n"
        "worker = Worker()\n"
        "assert 'error' in worker.ask({'ask': 'objective', 'text': 'x^^'})\n"
        "sys.stdout.write(f'{worker._child.pid}\\n')\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n",
        encoding="utf-8",
    )
    # The child holds the pipe as well: that this returns means that it has ended.
    done = subprocess.run(  # noqa: S603  # our own interpreter, our own script
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split()[0] == "once"
    assert done.stdout.count("once") == 1
    assert done.stderr == ""
