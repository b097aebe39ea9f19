"""Calls side by side while their input is still being made, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Workers:
    """A thread pool made at first use. `width` calls run at once; a stream holds no more than that many results."""

    def __init__(self, width: int, name: str) -> None:
        self.width = width
        self._name = name
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[A], B], inputs: Sequence[A]) -> Iterator[B]:
        """Results in order. One input is served in the caller's thread."""
        if len(inputs) < 2 or self.width < 2:
            return map(function, inputs)
        return self._started().map(function, inputs)

    def stream(self, function: Callable[[A], Sequence[B]], inputs: Iterable[A]) -> Iterator[B]:
        """Results as they come, in any order; the next input is drawn while earlier ones are under way.

        Abandoning the iterator cancels what has not started; what has started runs to its end.
        """
        running: set[Future[Sequence[B]]] = set()
        try:
            for item in inputs:
                running.add(self._started().submit(function, item))
                full = len(running) >= self.width
                done, running = wait(running, timeout=None if full else 0, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool:
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.width, thread_name_prefix=self._name)
            return self._pool
