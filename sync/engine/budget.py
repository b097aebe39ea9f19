"""What a run may still spend on its connections: counted in memory, committed with its pages, shared by all workers.

Before each page the run asks; between two questions it spends what it was granted, so that no call costs a query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from django.utils import timezone

from sync.connectors.base import Call, Usage
from sync.core.budget import DAY, HOUR, Told, Window, clock_hour, hour_of, pace, rolling_day
from sync.core.records import Side
from sync.engine import bulk
from sync.errors import BudgetSpentError
from sync.models import CallCount, Connection

KEPT = timedelta(days=2)
_REACH = DAY + 3 * HOUR  # how far back counts matter, with room for clocks that differ

Key = tuple[datetime, str]  # hour, rule


@dataclass(slots=True)
class Counted:
    calls: int = 0
    allowed: int | None = None


@dataclass(slots=True)
class _Account:
    """One connection's calls that are not committed yet, and what is left of the last grant."""

    connection: Connection
    pending: dict[Key, Counted] = field(default_factory=dict)
    told: tuple[Told, int] | None = None  # what everybody used, and may use, of a rolling day
    told_anew: bool = False
    offset: timedelta = timedelta(0)  # the platform's clock minus ours
    under_way: int = 0
    page: int = 0  # calls since the last question
    grant: int | None = None  # None: no limit is known
    windows: list[Window] = field(default_factory=list)


class Ledger:
    """The budget of a run's connections. `background` work leaves the reserve alone. Thread-safe."""

    def __init__(
        self,
        connections: Mapping[Side, Connection],
        *,
        background: bool = False,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._accounts = {side: _Account(connection) for side, connection in connections.items()}
        self._background = background
        self._clock = clock
        self._lock = Lock()
        self._begun: set[tuple[object, datetime]] = set()  # hours in which old counts were thrown away

    def admit(self, side: Side) -> None:
        """Spend one call of the grant. Raises BudgetSpentError when it is used up: the call must not leave."""
        with self._lock:
            account = self._accounts[side]
            if account.grant == 0:
                least = min(self._room(account, window) for window in account.windows)
                narrow = [window for window in account.windows if self._room(account, window) == least]
                raise self._spent(side, narrow, 1)
            if account.grant is not None:
                account.grant -= 1
            account.under_way += 1

    def count(self, call: Call) -> None:
        """Take a finished call into account."""
        with self._lock:
            account = self._accounts[call.system]
            account.under_way = max(0, account.under_way - 1)
            account.page += 1
            now = self._clock()
            if call.at is not None:
                account.offset = call.at - now
            at = now + account.offset
            counted = account.pending.setdefault(_key(call.usage, at), Counted())
            counted.calls += 1
            if call.usage is None:
                return
            if call.usage.used is None:
                counted.allowed = call.usage.allowed
            else:
                account.told, account.told_anew = (Told(call.usage.used, at), call.usage.allowed), True

    def ask(self) -> None:
        """Grant what the windows allow now. Raises BudgetSpentError if that is less than the last page cost.

        The connections are as just read from the database.
        """
        stored = self._stored()
        with self._lock:
            short: BudgetSpentError | None = None
            for side, account in self._accounts.items():
                self._look(account, stored.get(account.connection.pk, {}))
                needed, account.page = max(1, account.page), 0
                scarce = [
                    window
                    for window in account.windows
                    if self._room(account, window) < window.needed(needed, self._reserve(account))
                ]
                short = short or self._blocked(side, account.connection)
                short = short or (self._spent(side, scarce, needed) if scarce else None)
        if short:
            raise short

    def save(self) -> None:
        """Commit the counts and what the platforms told, inside the caller's transaction."""
        for side in sorted(self._accounts):
            account = self._accounts[side]
            with self._lock:
                pending, account.pending = account.pending, {}
                told, account.told_anew = (account.told if account.told_anew else None), False
            self._add(account.connection, pending)
            if told is not None:
                self._show(account.connection, told[0].used, told[1])
            elif any(counted.allowed for counted in pending.values()):
                self._show_rules(account.connection, max(hour for hour, _ in pending))

    def _add(self, connection: Connection, pending: Mapping[Key, Counted]) -> None:
        rows = [
            (connection.pk, hour, rule, counted.calls, counted.allowed)
            for (hour, rule), counted in sorted(pending.items())
        ]
        bulk.add(CallCount, ("connection_id", "hour", "rule"), "calls", rows, latest="allowed")
        begun = {(connection.pk, hour) for hour, _ in pending} - self._begun
        self._begun |= begun
        for _, hour in begun:
            CallCount.objects.filter(connection=connection, hour__lt=hour - KEPT).delete()

    def _stored(self) -> Mapping[object, dict[Key, Counted]]:
        """The counts of the last day, by connection; none are read where no limit is known."""
        limited = [each.connection.pk for each in self._accounts.values() if _is_limited(each)]
        found: dict[object, dict[Key, Counted]] = {}
        if limited:
            rows = CallCount.objects.filter(connection__in=limited, hour__gte=self._clock() - _REACH)
            for row in rows:
                counted = Counted(row.calls, row.allowed)
                found.setdefault(row.connection_id, {})[row.hour, row.rule] = counted
        return found

    def _look(self, account: _Account, stored: dict[Key, Counted]) -> None:
        """Reckon the windows anew, and grant what the narrowest leaves."""
        counted = _sum(stored, account.pending)
        now = self._clock() + account.offset
        told = [each for each in (account.told, _told(account)) if each is not None]
        newest = max(told, key=lambda each: each[0].at, default=None)
        account.windows = windows(account.connection, counted, now, newest)
        rooms = [self._room(account, window) for window in account.windows]
        account.grant = min(rooms) if rooms else None

    def _room(self, account: _Account, window: Window) -> int:
        return max(0, window.room(self._reserve(account)) - account.under_way)

    def _reserve(self, account: _Account) -> int:
        return account.connection.reserve_percent if self._background else 0

    def _blocked(self, side: Side, connection: Connection) -> BudgetSpentError | None:
        until, now = connection.blocked_until, self._clock()
        if until is None or until <= now:
            return None
        return _error(
            side, f"The calls of {connection.name} are used up until {until:%H:%M} UTC.", until, now
        )

    def _spent(self, side: Side, scarce: Iterable[Window], needed: int) -> BudgetSpentError:
        account, now = self._accounts[side], self._clock()
        reserve = self._reserve(account)
        narrow = max(scarce, key=lambda window: window.frees_at(needed, reserve, now + account.offset))
        until = narrow.frees_at(needed, reserve, now + account.offset) - account.offset
        kept = f", and {narrow.reserve(reserve):,} are kept for the live lane" if reserve else ""
        text = f"{account.connection.name} has used {narrow.used:,} of {narrow.allowed:,} calls{kept}."
        return _error(side, f"{text} More are free at {until:%H:%M} UTC.", until, now)

    def _show(self, connection: Connection, used: int, allowed: int) -> None:
        told = {"calls_used": used, "calls_allowed": allowed, "calls_seen_at": self._clock()}
        bulk.change(Connection, told, id=connection.pk)

    def _show_rules(self, connection: Connection, hour: datetime) -> None:
        """Of several rules, the one that most is used of."""
        rows = CallCount.objects.filter(connection=connection, hour=hour, allowed__gt=0)
        fullest = max(rows, key=lambda row: row.calls / (row.allowed or 1), default=None)
        if fullest is not None:
            self._show(connection, fullest.calls, fullest.allowed or 0)


def windows(
    connection: Connection, counted: Mapping[Key, Counted], now: datetime, told: tuple[Told, int] | None
) -> list[Window]:
    """The limits that hold for a connection at `now` by the platform's clock: the vendor's, and its own."""
    return list(_windows(connection, counted, now, told))


def _windows(
    connection: Connection, counted: Mapping[Key, Counted], now: datetime, told: tuple[Told, int] | None
) -> Iterator[Window]:
    hours: Counter[datetime] = Counter()
    for (hour, _), each in counted.items():
        hours[hour] += each.calls
        if each.allowed and hour == hour_of(now):
            yield clock_hour(each.allowed, {hour: each.calls}, now)
    if told is not None and told[1]:
        yield rolling_day(told[1], hours, now, told[0])
    if connection.limit_requests:
        yield (clock_hour if connection.limit_per == "hour" else rolling_day)(
            connection.limit_requests, hours, now
        )


def standing(connection: Connection, now: datetime) -> list[Window]:
    """How a connection stands, for a page: its clock is taken to be ours."""
    return standings([connection], now)[connection.pk].windows


@dataclass(frozen=True, slots=True)
class Standing:
    """A connection's limits, and how many calls an hour it makes of late."""

    windows: list[Window]
    hourly: float


def standings(connections: Sequence[Connection], now: datetime) -> dict[UUID, Standing]:
    """How connections stand, by their keys, in one query; their clocks are taken to be ours."""
    counted: dict[UUID, dict[Key, Counted]] = {connection.pk: {} for connection in connections}
    for row in CallCount.objects.filter(connection__in=counted, hour__gte=now - _REACH):
        counted[row.connection_id][row.hour, row.rule] = Counted(row.calls, row.allowed)
    return {
        connection.pk: Standing(
            windows(connection, counted[connection.pk], now, _told(_Account(connection))),
            _pace(counted[connection.pk], now),
        )
        for connection in connections
    }


def _pace(counted: Mapping[Key, Counted], now: datetime) -> float:
    hours: Counter[datetime] = Counter()
    for (hour, _), each in counted.items():
        hours[hour] += each.calls
    return pace(hours, now)


def _told(account: _Account) -> tuple[Told, int] | None:
    """What any worker was last told of a rolling day, by the platform's clock."""
    row = account.connection
    if row.system != Side.SALESFORCE or row.calls_used is None or row.calls_allowed is None:
        return None
    return (
        (Told(row.calls_used, row.calls_seen_at + account.offset), row.calls_allowed)
        if row.calls_seen_at
        else None
    )


def _is_limited(account: _Account) -> bool:
    row = account.connection
    told = any(counted.allowed for counted in account.pending.values())
    return bool(row.limit_requests or row.calls_allowed or account.told or told)


def _key(usage: Usage | None, at: datetime) -> Key:
    """The hour that a call counts in: the one that ends when the platform says, or the one of its clock."""
    if usage is None:
        return hour_of(at), ""
    told = usage.resets_at is not None and at < usage.resets_at <= at + HOUR
    return hour_of(usage.resets_at - HOUR if told and usage.resets_at else at), usage.rule[:64]


def _sum(stored: Mapping[Key, Counted], pending: Mapping[Key, Counted]) -> dict[Key, Counted]:
    total = dict(stored)
    for key, new in pending.items():
        old = total.get(key, Counted())
        total[key] = Counted(old.calls + new.calls, new.allowed or old.allowed)
    return total


def _error(side: Side, text: str, until: datetime, now: datetime) -> BudgetSpentError:
    error = BudgetSpentError(
        text,
        retry_after=max(1.0, (until - now).total_seconds()),
        advice="The run goes on by itself then.",
    )
    error.system = side
    return error
