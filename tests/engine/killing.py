"""Workers in processes of their own, to be killed at any moment; and time that passes without anybody waiting."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import IO

from django.db import connection
from django.db.models import F

from sync.models import (
    ActionRun,
    ActionStep,
    Attachment,
    Connection,
    Flow,
    Intent,
    JournalEntry,
    RecordLink,
    Run,
    Waiting,
)
from sync.sandbox.pair import Pair

# Longer than a request may still be executed after its worker died, and than claims and leases last.
LATER = timedelta(minutes=12)
ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """Runs the flow in a process of its own, which can be killed as often as one likes."""

    def __init__(self, forking: subprocess.Popen[str]) -> None:
        assert forking.stdin is not None
        assert forking.stdout is not None
        self._orders: IO[str] = forking.stdin
        self._answers: IO[str] = forking.stdout
        self._alive: int | None = None
        self.peak = 0  # KiB that the last worker had in memory at most

    def start(self, flow: Flow, kind: str = "manual") -> int:
        self._orders.write(f"{flow.name} {kind}\n")
        self._orders.flush()
        self._alive = int(self._answers.readline())
        return self._alive

    def ended(self) -> int:
        """Its exit status, once it has ended; minus 9 if it was killed."""
        self._orders.write("\n")
        self._orders.flush()
        status, self.peak = map(int, self._answers.readline().split())
        self._alive = None
        return status

    def stop(self) -> None:
        """End what a test that failed has left at work."""
        if self._alive is not None:
            os.kill(self._alive, signal.SIGKILL)
            self.ended()

    def killed_when(self, flow: Flow, reached: Callable[[], bool], kind: str = "manual") -> bool:
        """Start it and kill it once `reached` holds; False if it ended before."""
        pid = self.start(flow, kind)
        await_that(reached)
        os.kill(pid, signal.SIGKILL)
        return self.ended() == -signal.SIGKILL


class Moment:
    """When the platforms have seen so many more calls, and so many seconds later; `meanwhile` is done ten times a second.

    Counted in calls rather than in seconds, because the worker of a busy machine is slow to begin. It has come as well when a
    run has ended.
    """

    def __init__(
        self, pair: Pair, calls: int, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        self._pair, self._meanwhile, self._seconds = pair, meanwhile, seconds
        self._calls = self._now() + calls
        self._ended, self._look = self._ends(), 0.0
        self._at: float | None = None

    def __call__(self) -> bool:
        now = time.monotonic()
        if now > self._look:
            self._look = now + 0.1
            self._meanwhile()
            if self._ends() > self._ended:
                return True
        if self._at is None and self._now() >= self._calls:
            self._at = now + self._seconds
        return self._at is not None and now >= self._at

    def _now(self) -> int:
        return self._pair.servicenow.counters.calls + self._pair.salesforce.counters.calls

    @staticmethod
    def _ends() -> int:
        return Run.objects.exclude(finished_at=None).count()


@contextmanager
def worker_on_the_test_database(number: int = 0) -> Iterator[Worker]:
    """`number`: which of several that work at the same time."""
    worker = Worker(_forking_on(database_url(), number))
    try:
        yield worker
    finally:
        worker.stop()


@cache
def _forking_on(database: str, number: int) -> subprocess.Popen[str]:
    """What forks the workers. It holds nothing of a test, so one serves all of them, until this process ends."""
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "LOG_LEVEL": "CRITICAL",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.engine.killable"]
    forking = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    atexit.register(_end, forking)
    return forking


def _end(forking: subprocess.Popen[str]) -> None:
    os.killpg(forking.pid, signal.SIGKILL)
    forking.communicate()


def database_url() -> str:
    held = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{held['NAME']}"
    login = f"{held['USER']}:{held['PASSWORD']}" if held["PASSWORD"] else held["USER"]
    return f"postgres://{login}@{held['HOST']}:{held['PORT'] or 5432}/{held['NAME']}"


def await_that(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline, "what was awaited never came"
        time.sleep(0.005)


def let_time_pass() -> None:
    """While no worker lives: what was in doubt can be executed no more, and what waited is due."""
    for model, *stamps in (
        (Intent, "at"), (Waiting, "due_at"), (RecordLink, "claim_until", "created_at"), (Run, "resume_at"),
        (Attachment, "at", "sealed_at", "due_at"), (JournalEntry, "intent_at", "due_at"),
        (ActionRun, "due_at"), (ActionStep, "intent_at", "due_at"), (Connection, "blocked_until", "circuit_open_until", "circuit_tried_until"),
    ):  # fmt: skip
        model.objects.update(**{stamp: F(stamp) - LATER for stamp in stamps})
