"""Children end with their parent, however it ends, and so do the children's children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration_console.processes import Child

FAMILY = (  # a parent with a child that does not listen; both can be found by the mark
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import signal, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)', sys.argv[1]]);"
    "print('ready', flush=True); time.sleep(600)"
)


def await_true(condition: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def carrying(mark: str) -> list[int]:
    """Processes whose command line holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(entry.name))
    return found


pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks processes up in /proc")


@pytest.fixture
def mark(tmp_path) -> str:
    return f"mark-{tmp_path}"


def test_a_child_that_is_stopped_leaves_nothing_behind(mark):
    child = Child("family", [sys.executable, "-c", FAMILY, mark], pipe=True)
    assert child.output.readline() == "ready\n"
    assert await_true(lambda: len(carrying(mark)) == 3)  # leash, parent, child

    assert child.stop(grace=10)

    assert await_true(lambda: carrying(mark) == [])


def test_a_child_that_does_not_listen_is_killed(mark):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    child = Child("deaf", [sys.executable, "-c", deaf, mark], pipe=True)
    assert child.output.readline() == "ready\n"

    assert not child.stop(grace=0.3)

    assert await_true(lambda: carrying(mark) == [])


def test_the_exit_status_of_the_command_is_known():
    child = Child("seven", [sys.executable, "-c", "raise SystemExit(7)"])

    assert child.wait(20)
    assert child.status == 7
    child.stop(grace=1)


def test_a_command_killed_alone_takes_its_children_along(mark):
    child = Child("family", [sys.executable, "-c", FAMILY, mark], pipe=True)
    assert child.output.readline() == "ready\n"
    leader = next(pid for pid in carrying(mark) if os.getpgid(pid) == child.pid and pid != child.pid)

    os.kill(leader, signal.SIGKILL)

    assert await_true(child.ended)
    assert await_true(lambda: carrying(mark) == [])
    child.stop(grace=1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_nothing_outlives_a_parent_that_is_killed(mark, number):
    script = (
        "import sys, time; from integration_console.processes import Child;"
        "child = Child('family', [sys.executable, '-c', *sys.argv[1:]], pipe=True);"
        "print(child.output.readline().strip(), flush=True); time.sleep(600)"
    )
    root = Path(__file__).resolve().parent.parent
    parent = subprocess.Popen(
        [sys.executable, "-c", script, FAMILY, mark], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"

    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()

    assert await_true(lambda: carrying(mark) == [])
