"""A node's semaphores: so many REST calls run at once, so many wait, and the next is turned away with 429.

Source: KB0635398 (the set API_INT: 4 running, a queue of 50). The refusal has no rate headers; its body is not public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from sync.sandbox.servicenow.dialect import Dialect
from sync.sandbox.servicenow.errors import error
from sync.sandbox.wire import Request, Response

_API = "/api/"  # the set serves inbound REST; logins and pages have sets of their own


class Semaphores:
    """Thread-safe; how many there are is asked of the dialect at each call."""

    def __init__(self, dialect: Callable[[], Dialect]) -> None:
        self._dialect = dialect
        self._changed = Condition()
        self._running = 0
        self._waiting = 0

    @contextmanager
    def admit(self, request: Request) -> Iterator[Response | None]:
        """Hold a semaphore while the block runs; yields the refusal instead when the queue is full."""
        if not request.path.startswith(_API) or not self._dialect().semaphore_slots:
            yield None
            return
        if not self._acquire():
            yield refusal(self._dialect())
            return
        try:
            yield None
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    @property
    def load(self) -> tuple[int, int]:
        """How many calls run and how many wait at this moment."""
        with self._changed:
            return self._running, self._waiting

    def _acquire(self) -> bool:
        with self._changed:
            if not self._free() and self._waiting >= self._dialect().semaphore_queue:
                return False
            self._waiting += 1
            self._changed.wait_for(self._free)
            self._waiting -= 1
            self._running += 1
            return True

    def _free(self) -> bool:
        slots = self._dialect().semaphore_slots
        return not slots or self._running < slots

    def wake(self) -> None:
        """Look again: the dialect has changed."""
        with self._changed:
            self._changed.notify_all()


def refusal(dialect: Dialect) -> Response:
    if dialect.full_queue_answers == "json":
        return error(429, "Too Many Requests", None)
    if dialect.full_queue_answers == "empty":
        return Response.empty(429)
    page = (
        "<!DOCTYPE html><html><head><title>429</title></head><body><h1>Too Many Requests</h1></body></html>"
    )
    return Response.text(page, 429, "text/html;charset=UTF-8")
