"""The platforms' clock, injected everywhere: no sandbox code asks the operating system for the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware and in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)
        self._lock = Lock()

    def now(self) -> datetime:
        return self._now

    def advance(self, step: timedelta | None = None, *, seconds: float = 0.0) -> datetime:
        with self._lock:
            self._now += (step or timedelta()) + timedelta(seconds=seconds)
            return self._now

    def set(self, moment: datetime) -> None:
        """Move to `moment`, forwards or backwards."""
        with self._lock:
            self._now = moment.astimezone(UTC)


class OffsetClock:
    """Another clock, wrong by a fixed amount: each platform has its own, as real servers do."""

    def __init__(self, base: Clock, offset: timedelta = timedelta()) -> None:
        self._base = base
        self.offset = offset

    def now(self) -> datetime:
        return self._base.now() + self.offset
