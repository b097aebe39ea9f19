"""The worker with real processes: tasks run, a stuck or dead queue is replaced, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from integration_console.processes import manage
from sync import services
from sync.engine.execute import NEXT_SLICE
from sync.models import Connection, Run, Worker
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.worker import Patience, Supervisor
from tests.engine.both import make_both, unlike_pairs
from tests.engine.conftest import run_now
from tests.engine.killing import database_url
from tests.test_processes import await_true

EDITS = 60

IN_PROC = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks processes up in /proc")


def with_variable(text: str) -> list[int]:
    """Processes that were started with this text in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Installation:
    """Workers on the test's database, and all that they have started."""

    def __init__(self, mark: str) -> None:
        self._environ = {"REDIS_URL": "", "STARTED_BY": mark}
        self._mark = mark

    def worker(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return worker_of_its_own(**self._environ)

    def row(self, process: subprocess.Popen[bytes]) -> tuple[datetime | None, int]:
        """When the canary last came through the worker's queue, and how often the queue was restarted."""
        rows = Worker.objects.filter(name__endswith=f":{process.pid}")
        return rows.values_list("canary_at", "restarts").first() or (None, 0)

    def processes(self) -> list[int]:
        return with_variable(f"STARTED_BY={self._mark}")


@pytest.fixture
def installation(transactional_db, tmp_path) -> Installation:
    call_command("createcachetable", verbosity=0)
    return Installation(str(tmp_path))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


@IN_PROC
def test_a_worker_runs_tasks_and_ends_all_its_children_when_told(installation):
    with installation.worker() as worker:
        assert await_true(lambda: installation.row(worker)[0] is not None, seconds=60)
        assert len(installation.processes()) >= 4  # worker, leash, queue and its processes

        worker.send_signal(signal.SIGTERM)

        assert worker.wait(60) == 0
        assert await_true(lambda: installation.processes() == [])
        assert installation.row(worker) == (None, 0)  # it took its row along


@IN_PROC
def test_a_killed_worker_leaves_no_orphan(installation):
    with installation.worker() as worker:
        assert await_true(lambda: installation.row(worker)[0] is not None, seconds=60)

        worker.kill()
        worker.wait()

        assert await_true(lambda: installation.processes() == [])


@IN_PROC
def test_a_queue_that_was_killed_is_replaced_with_all_its_processes(installation):
    with installation.worker() as worker:
        assert await_true(lambda: installation.row(worker)[0] is not None, seconds=60)
        canary = installation.row(worker)[0]
        leash, queue, *rest = sorted(set(installation.processes()) - {worker.pid})

        os.kill(queue, signal.SIGKILL)

        assert await_true(lambda: installation.row(worker)[1] == 1, seconds=60)
        assert await_true(lambda: installation.row(worker)[0] not in (None, canary), seconds=60)
        assert not {leash, queue, *rest} & set(installation.processes())


@IN_PROC
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_told_to_stop_leaves_its_run_to_the_next_one_within_seconds(pair):
    call_command("createcachetable", verbosity=0)
    flow = make_both(pair)
    Connection.objects.update(concurrency=2)
    for number in range(EDITS):
        pair.servicenow.add("incident", short_description=f"Printer {number} on fire")
    run_now(flow)
    for case in pair.salesforce.rows("Case"):
        pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject=f"Edited {case['CaseNumber']}")
    pair.servicenow.reset_counters()
    pair.servicenow.slow_down(0.5)  # all of them would take a quarter of a minute
    run = services.request_run(flow=flow, by=None)

    with worker_of_its_own() as worker:
        assert await_true(lambda: pair.servicenow.counters.writes >= 4, seconds=60)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    run.refresh_from_db()
    assert (run.status, run.step) == ("running", NEXT_SLICE)
    assert pair.servicenow.counters.writes < EDITS

    pair.servicenow.slow_down(0)
    with worker_of_its_own():
        assert await_true(lambda: Run.objects.get(pk=run.pk).finished_at is not None, seconds=60)
    assert Run.objects.get(pk=run.pk).status == "succeeded"
    assert pair.servicenow.counters.writes == EDITS  # each once
    assert unlike_pairs(pair) == []


@contextmanager
def worker_of_its_own(**environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on the test's own database."""
    held = {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "tests.settings", "WORKERS": "1"}
    process = subprocess.Popen(
        manage("worker"),
        env={**os.environ, **held, **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.django_db(transaction=True)
def test_a_queue_through_which_nothing_comes_is_restarted():
    silent = [sys.executable, "-c", "import time; time.sleep(600)"]
    supervisor = Supervisor(command=silent, patience=Patience(idle=0.5, stop=0.2, stuck=0.2))

    def work() -> None:
        supervisor.run()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        restarted = await_true(lambda: Worker.objects.filter(name=supervisor.name, restarts__gt=0).exists())
    finally:
        supervisor.stop.set()
        thread.join()

    assert restarted
