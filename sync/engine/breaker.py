"""The circuit breaker of each connection: a platform that does not answer is left in peace, longer each time.

Closed: calls leave. After `FAILURES` calls in a row without a sound answer it opens: nothing is sent, and runs are deferred.
When its time is over one run tries the platform (half-open): an answer closes it, another failure opens it for longer.
A refused record, a refused login and a spent budget are answers.

The shape is Michael Nygard's ("Release It!"); the state is in the connection's row, so all workers share it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from django.db.models import F, Q
from django.utils import timezone

from sync.connectors.base import Call
from sync.core.records import Side
from sync.errors import CircuitOpenError
from sync.models import Connection
from sync.models.connection import ConnectionHealth

FAILURES = (
    8  # calls in a row, of all workers: a read that fails is sent four times, so this is two runs of them
)
FIRST = 30.0  # seconds, doubled with each opening in a row
LONGEST = 900.0
TRY = timedelta(seconds=180)  # one run's, before another may try
_TOO_MANY = 429

_rng = random.SystemRandom()


def pause(openings: int, rng: random.Random) -> timedelta:
    """How long the circuit stays open the n-th time in a row: 30 s to 15 min, and up to a quarter more by chance."""
    seconds = min(LONGEST, FIRST * 2.0 ** min(openings - 1, 16))
    return timedelta(seconds=min(LONGEST, seconds * rng.uniform(1.0, 1.25)))


@dataclass(slots=True)
class _News:
    """What calls have told of one connection since it was saved."""

    failures: int = 0  # since the last answer
    answered: bool = False
    last: str = ""  # what the last failure was


class Circuit:
    """The breakers of a run's connections. Thread-safe."""

    def __init__(
        self, connections: Mapping[Side, Connection], clock: Callable[[], datetime] = timezone.now
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._news = {side: _News() for side in connections}
        self._lock = Lock()
        self.trying: set[Side] = set()  # half-open, and this run is the one that tries

    def count(self, call: Call) -> None:
        with self._lock:
            news = self._news[call.system]
            if call.failed:
                news.failures += 1
                news.last = f"HTTP {call.status}" if call.status >= 500 else call.error
            elif call.status and call.status != _TOO_MANY:
                news.failures, news.answered = 0, True

    def ask(self) -> None:
        """May the run go on? Raises CircuitOpenError with the time to wait. The connections are as just read."""
        self.save()
        for side, connection in self._connections.items():
            if connection.circuit_open_until is not None and side not in self.trying:
                self._try(side, connection, connection.circuit_open_until)

    def save(self) -> None:
        """Make durable what the calls told. A connection in good health costs nothing."""
        for side in sorted(self._connections):
            with self._lock:
                news, self._news[side] = self._news[side], _News()
            connection = self._connections[side]
            if news.answered:
                self._heard(side, connection, news)
            elif news.failures:
                self._not_heard(side, connection, connection.circuit_failures + news.failures, news)

    def is_open(self, side: str) -> CircuitOpenError | None:
        """The error to tell if nothing is sent to this platform now."""
        connection = self._connections.get(Side(side)) if side else None
        until = connection.circuit_open_until if connection else None
        if connection is None or until is None or until <= self._clock():
            return None
        return self._error(connection, until)

    def _heard(self, side: Side, connection: Connection, news: _News) -> None:
        if news.failures >= FAILURES:
            self._not_heard(side, connection, news.failures, news)
            return
        self.trying.discard(side)
        was_open = connection.circuit_open_until is not None
        if not was_open and connection.circuit_failures == news.failures:
            return
        closed = {"circuit_failures": news.failures, "circuit_open_until": None, "circuit_tried_until": None}
        healthy = {"health": ConnectionHealth.OK, "health_message": "", "health_at": self._clock()}
        self._update(connection, {**closed, **(healthy if was_open else {})})

    def _not_heard(self, side: Side, connection: Connection, failures: int, news: _News) -> None:
        if failures < FAILURES and side not in self.trying:
            self._update(connection, {"circuit_failures": failures})
            return
        self.trying.discard(side)
        self._open(connection, failures, news)

    def _open(self, connection: Connection, failures: int, news: _News) -> None:
        now = self._clock()
        until = now + pause(connection.circuit_openings + 1, _rng)
        text = f"{connection.name} did not answer {failures:,} calls in a row ({news.last})."
        changes = {
            "circuit_failures": failures, "circuit_open_until": until, "circuit_tried_until": None,
            "health": ConnectionHealth.FAILING, "health_message": text[:500], "health_at": now,
        }  # fmt: skip
        closed = Q(circuit_open_until=None) | Q(circuit_open_until__lte=now)  # else another worker was first
        opened = Connection.objects.filter(closed, pk=connection.pk).update(
            **changes, circuit_openings=F("circuit_openings") + 1
        )
        if opened:
            _set(connection, {**changes, "circuit_openings": connection.circuit_openings + 1})
        else:
            connection.refresh_from_db(fields=["circuit_open_until", "circuit_openings", "health_message"])

    def _try(self, side: Side, connection: Connection, until: datetime) -> None:
        now = self._clock()
        if now < until:
            raise self._error(connection, until)
        free = Q(circuit_tried_until=None) | Q(circuit_tried_until__lte=now)
        row = Connection.objects.filter(free, pk=connection.pk, circuit_open_until=until)
        if not row.update(circuit_tried_until=now + TRY):
            raise self._error(connection, connection.circuit_tried_until or now + TRY)
        self.trying.add(side)

    def _error(self, connection: Connection, until: datetime) -> CircuitOpenError:
        error = CircuitOpenError(
            f"{connection.health_message} Nothing is sent to it until {until:%H:%M:%S} UTC.".strip(),
            retry_after=max(1.0, (until - self._clock()).total_seconds()),
            advice="The run goes on by itself then. See whether the platform is up; Test connection tries it at once.",
        )
        error.system = connection.system
        return error

    def _update(self, connection: Connection, changes: Mapping[str, object]) -> None:
        Connection.objects.filter(pk=connection.pk).update(**changes)
        _set(connection, changes)


def _set(connection: Connection, changes: Mapping[str, object]) -> None:
    for name, value in changes.items():
        setattr(connection, name, value)
