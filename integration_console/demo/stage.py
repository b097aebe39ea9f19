"""The demo's processes: the sandbox pair, the web console, the worker; each ends with the demo, however it ends."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from integration_console.processes import Child, manage

ARRIVALS = 6  # new incidents a minute, while it serves
STOP_SECONDS = 8.0
START_SECONDS = 60.0


class StageError(Exception):
    """A process of the demo did not start, or ended; the message says which, and where its log is."""


class Stage:
    """Starts children and stops them all again in reverse order when the block ends."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stack = ExitStack()
        self._children: list[Child] = []

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def sandbox(self, *, incidents: int, arriving: bool) -> dict[str, Any]:
        """Start the pair; returns its addresses and credentials, as its command prints them."""
        command = [  # past manage.py: the pair needs nothing of Django, which takes longer to load than it to start
            sys.executable, "-m", "sync.sandbox.cli", "--json", f"--incidents={incidents}",
            f"--arrivals={ARRIVALS if arriving else 0}", f"--directory={self.directory}",
        ]  # fmt: skip
        child = self._start("sandbox", command, pipe=True)
        line = child.output.readline()
        if not line:
            child.wait(START_SECONDS)
            raise self._fallen(child)
        pair: dict[str, Any] = json.loads(line)
        return pair

    def web(self, port: int) -> None:
        """Start the console and wait until it answers."""
        command = [
            sys.executable, "-m", "gunicorn", "integration_console.wsgi:application", f"--bind=127.0.0.1:{port}",
            "--worker-class=gthread", "--threads=8", "--log-level=warning",
        ]  # fmt: skip
        child = self._start("web", command)
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if child.ended() or time.monotonic() > deadline:
                raise self._fallen(child)
            time.sleep(0.1)

    def worker(self) -> None:
        self._start("worker", manage("worker", f"--stop-within={STOP_SECONDS - 3:.0f}"))

    def watch(self) -> None:
        """Return only by an exception: the signal that ends the demo, or StageError if a child ended."""
        while True:
            for child in self._children:
                if child.ended():
                    raise self._fallen(child)
            time.sleep(0.5)

    def _start(self, name: str, command: list[str], *, pipe: bool = False) -> Child:
        log = self.directory / f"{name}.log"
        log.unlink(missing_ok=True)
        child = Child(name, command, environ=os.environ, pipe=pipe, log=log)
        self._children.append(child)
        self._stack.callback(child.stop, grace=STOP_SECONDS)
        return child

    def _fallen(self, child: Child) -> StageError:
        log = self.directory / f"{child.name}.log"
        last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        return StageError(f"The demo's {child.name} ended (status {child.status}): {last[:500]} (log: {log})")


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
