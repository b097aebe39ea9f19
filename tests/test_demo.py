"""The demo with real processes: it shows what it promises, and takes everything down again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from integration_console.demo.place import MARK, claim_directory, environment, free_port
from integration_console.processes import manage
from tests.migrated import copied
from tests.test_processes import await_true
from tests.test_worker import with_variable

IN_PROC = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks processes up in /proc")


@pytest.fixture
def stage(tmp_path) -> dict[str, str]:
    """The environment of a demo in a directory of its own."""
    return environment(tmp_path, os.environ)


@pytest.fixture
def begun_before(stage, tmp_path) -> dict[str, str]:
    """The same where the database is migrated already, as at every start but the first."""
    copied(tmp_path / "demo.sqlite3")
    return stage


@contextmanager
def demo(stage: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        manage("demo", "--incidents=10", *arguments),
        env=stage, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def left_over(stage: dict[str, str]) -> list[int]:
    return with_variable(f"{MARK}={stage[MARK]}")


@IN_PROC
def test_once_ends_with_the_runs_json_and_leaves_no_process(stage):
    with demo(stage, "--once", "--json") as process:
        out, _ = process.communicate(timeout=120)

    summary = json.loads(out.splitlines()[-1])
    assert process.returncode == 0
    assert summary["flow"] == "incidents-to-cases"
    assert summary["created"] > 0
    assert await_true(lambda: left_over(stage) == [])


@IN_PROC
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_serves_until_told_to_stop_and_ends_every_child(begun_before, number):
    stage = begun_before
    with demo(stage) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("Console: "))
        with urlopen(line.split()[1] + "healthz") as answer:
            assert answer.status == 200
        for system in ("  ServiceNow: ", "  Salesforce: "):
            line = next(line for line in process.stdout if line.startswith(system))
            assert "/__sandbox__/ui/?link=" in line

        process.send_signal(number)

        assert process.wait(60) == 0
    assert await_true(lambda: left_over(stage) == [])


@IN_PROC
def test_a_start_that_fails_half_way_says_why_and_leaves_no_process(begun_before):
    stage = begun_before
    with demo({**stage, "GUNICORN_CMD_ARGS": "--no-such-option"}) as process:
        _, err = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "The demo's web ended" in err
    assert await_true(lambda: left_over(stage) == [])


def test_a_taken_port_is_not_taken_again():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        assert free_port(port) != port


def test_two_demos_have_a_directory_each(tmp_path):
    first = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys, pathlib; from integration_console.demo.place import claim_directory;"
            "print(claim_directory(pathlib.Path(sys.argv[1])).name, flush=True); sys.stdin.read()",
            str(tmp_path),
        ],
        cwd=Path(__file__).resolve().parent.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "demo\n"

        assert claim_directory(tmp_path).name == "demo-2"
        first.communicate("")


def test_the_demo_keeps_away_from_the_real_installation(tmp_path):
    real = {"DATABASE_URL": "postgres://acme/console", "REDIS_URL": "redis://acme", "SECRET_KEY": "kept"}

    found = environment(tmp_path, real)

    assert found["DATABASE_URL"] == f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    assert (found["REDIS_URL"], found["SECRET_KEY"]) == ("", "kept")
