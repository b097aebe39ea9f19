"""Calls side by side while their input is still being made, with bounded memory and no more than the platform likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

# An answer is long if answers of its kind now take so many times, and so many seconds more, than the quickest of late.
LONGER_BY = 3.0
LONGER_BY_SECONDS = 1.0
_NEWEST = 0.3  # weight of the newest answer in what answers take now
_FORGETTING = 1.01  # by which the quickest grows with each answer: a platform may become slower for good


class Limit:
    """How many calls run at once: `most` at first, halved by trouble, one more after each round of good answers.

    Additive increase and multiplicative decrease, as TCP shares a line (Chiu and Jain, 1989; RFC 5681). Thread-safe.
    """

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self._width = self.most
        self._running = 0
        self._good = 0  # answers since the width last moved
        self._era = 0  # rises with each halving
        self._changed = Condition()

    @property
    def width(self) -> int:
        """Calls that may run at once now, from 1 to `most`."""
        with self._changed:
            return self._width

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Hold one of the places while the block runs; yields the era, by which its outcome is judged."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self._width)
            self._running += 1
            era = self._era
        try:
            yield era
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def served(self) -> None:
        """A call was answered well and in good time."""
        with self._changed:
            self._good += 1
            if self._width < self.most and self._good >= self._width:
                self._width, self._good = self._width + 1, 0
                self._changed.notify()

    def troubled(self, era: int | None = None) -> None:
        """The platform had too much to do. Calls that left before the last halving tell of the time before it."""
        with self._changed:
            if era is None or era == self._era:
                self._width, self._good, self._era = max(1, self._width // 2), 0, self._era + 1


@dataclass(slots=True)
class _Kind:
    quickest: float
    now: float


class Lengthening:
    """Whether answers take longer and longer. Like is compared with like: by what was asked and how much was moved."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int], _Kind] = {}
        self._lock = Lock()

    def noticed(self, what: str, moved: int, seconds: float) -> bool:
        """Take an answer of `moved` bytes, there and back, into account; whether it is one of many that grow long."""
        size = moved.bit_length() // 2  # kinds differ by a factor of four
        with self._lock:
            kind = self._kinds.setdefault((what, size), _Kind(seconds, seconds))
            kind.quickest = min(seconds, kind.quickest * _FORGETTING)
            most = max(kind.quickest * LONGER_BY, kind.quickest + LONGER_BY_SECONDS)
            kind.now += (min(seconds, 2 * most) - kind.now) * _NEWEST  # one alone, however long, is chance
            long = kind.now > most
            if long:
                kind.now = kind.quickest  # said once; what comes now is measured anew
            return long


class Workers:
    """A thread pool made at first use. A stream has no more inputs under way than the limit allows at the moment.

    With a limit of one from the start, everything happens in the caller's thread, in order.
    """

    def __init__(self, limit: Limit | int, name: str) -> None:
        self.limit = limit if isinstance(limit, Limit) else Limit(limit)
        self._name = name
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[A], B], inputs: Sequence[A]) -> Iterator[B]:
        """Results in order. One input is served in the caller's thread."""
        if len(inputs) < 2 or self.limit.most < 2:
            return map(function, inputs)
        return self._started().map(function, inputs)

    def stream(self, function: Callable[[A], Sequence[B]], inputs: Iterable[A]) -> Iterator[B]:
        """Results as they come, in any order; the next input is drawn while earlier ones are under way.

        Abandoning the iterator cancels what has not started; what has started runs to its end.
        """
        if self.limit.most < 2:
            for item in inputs:
                yield from function(item)
            return
        running: set[Future[Sequence[B]]] = set()
        try:
            for item in inputs:
                running.add(self._started().submit(function, item))
                yield from _results(running, None if len(running) >= self.limit.width else 0)
                while len(running) >= self.limit.width:  # it may have been halved meanwhile
                    yield from _results(running, None)
            while running:
                yield from _results(running, None)
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
                self._pool = ThreadPoolExecutor(self.limit.most, thread_name_prefix=self._name)
            return self._pool


def _results(running: set[Future[Sequence[B]]], timeout: float | None) -> Iterator[B]:
    """What has come to its end, waiting for the first if there is no timeout; it is taken out of `running`."""
    done, _ = wait(running, timeout=timeout, return_when=FIRST_COMPLETED)
    running -= done
    for future in done:
        yield from future.result()
