"""The platforms' clock, injected everywhere: no sandbox code asks the operating system for the time.

A clock also keeps appointments, so that what happens later (a request still queued, a step of the clock) happens
at the same moment under a real clock and under a virtual one.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock
from typing import Protocol

Deed = Callable[[], object]


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware and in UTC."""
        ...

    def call_at(self, moment: datetime, deed: Deed) -> None:
        """Do something when the clock shows `moment`; at once when that has passed."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_at(self, moment: datetime, deed: Deed) -> None:
        """The deed runs on a thread of its own, which ends with the process."""
        timer = threading.Timer(max(0.0, (moment - self.now()).total_seconds()), deed)
        timer.daemon = True
        timer.start()


class ManualClock:
    """A clock that stands still until it is told to move.

    Moving forwards keeps the appointments on the way, in their order and each at its own moment, on the thread that
    moves the clock.
    """

    def __init__(self, start: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)
        self._lock = Lock()
        self._order = count()  # appointments of one moment are kept as they were made
        self._appointments: list[tuple[datetime, int, Deed]] = []

    def now(self) -> datetime:
        return self._now

    def call_at(self, moment: datetime, deed: Deed) -> None:
        with self._lock:
            if moment > self._now:
                heapq.heappush(self._appointments, (moment, next(self._order), deed))
                return
        deed()

    def advance(self, step: timedelta | None = None, *, seconds: float = 0.0) -> datetime:
        """Move by so much; of two threads that do so at once, the one that goes farther is followed."""
        start = self._now
        goal = start + (step or timedelta()) + timedelta(seconds=seconds)
        self._move(goal, backwards=goal < start)
        return self._now

    def set(self, moment: datetime) -> None:
        """Move to `moment`, forwards or backwards."""
        self._move(moment.astimezone(UTC), backwards=True)

    def _move(self, goal: datetime, *, backwards: bool) -> None:
        while (deed := self._next_until(goal, backwards)) is not None:
            deed()

    def _next_until(self, goal: datetime, backwards: bool) -> Deed | None:
        """Move to the next appointment and return its deed, or to the goal if there is none before it."""
        with self._lock:
            if self._appointments and self._appointments[0][0] <= goal:
                moment, _, deed = heapq.heappop(self._appointments)
                self._now = max(self._now, moment)
                return deed
            self._now = goal if backwards else max(self._now, goal)
            return None


class OffsetClock:
    """Another clock, wrong by an amount that may change: each platform has its own, as real servers do."""

    def __init__(self, base: Clock, offset: timedelta = timedelta()) -> None:
        self._base = base
        self.offset = offset

    def now(self) -> datetime:
        return self._base.now() + self.offset

    def unshifted(self) -> datetime:
        """The time on the clock that is right."""
        return self._base.now()

    def step(self, offset: timedelta, after: float = 0.0) -> None:
        """Be wrong by `offset`, from now on or in so many seconds."""
        self.call_in(after, lambda: setattr(self, "offset", offset))

    def call_in(self, seconds: float, deed: Deed) -> None:
        """Do something after so many seconds, counted by the clock that is right."""
        self._base.call_at(self._base.now() + timedelta(seconds=seconds), deed)
