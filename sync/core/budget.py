"""How many calls a limit still allows, and when it allows more: Salesforce's rolling 24 hours, ServiceNow's clock hour.

Calls are counted by the hour (UTC, the platform's clock). An hour's calls have all left a rolling day 25 hours after the
hour began: up to an hour late, and never too early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
# A window that others share frees calls that we cannot foresee; what was told of it so long ago is not held against us.
LOOK_AGAIN = HOUR

Hours = Mapping[datetime, int]  # start of the hour -> our calls in it


@dataclass(frozen=True, slots=True)
class Told:
    """What the platform said that everybody has used of a rolling day, and when (its clock)."""

    used: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """One limit at one moment. `frees`: when how many of our calls leave it, oldest first."""

    span: timedelta  # HOUR: the clock hour; DAY: any 24 hours in a row
    allowed: int
    used: int
    frees: tuple[tuple[datetime, int], ...]
    shared: bool  # with calls that are not ours

    def room(self, reserve_percent: int) -> int:
        """Calls that may be made now, leaving the reserve alone; never negative."""
        return max(0, self.allowed - self.reserve(reserve_percent) - self.used)

    def reserve(self, percent: int) -> int:
        return -(-self.allowed * percent // 100)

    def needed(self, calls: int, reserve_percent: int) -> int:
        """`calls`, but no more than the window can ever hold: who needs more begins when it is empty."""
        return max(1, min(calls, self.allowed - self.reserve(reserve_percent)))

    def frees_at(self, calls: int, reserve_percent: int, now: datetime) -> datetime:
        """When there will be room for so many calls, as far as one can tell; later than `now`."""
        missing = (
            self.needed(calls, reserve_percent) + self.reserve(reserve_percent) + self.used - self.allowed
        )
        at = now + LOOK_AGAIN
        for moment, count in self.frees:
            missing -= count
            if missing <= 0:
                at = min(at, moment) if self.shared else moment
                break
        return max(at, now + timedelta(seconds=1))


def clock_hour(allowed: int, hours: Hours, now: datetime, *, shared: bool = False) -> Window:
    """A limit that begins anew with each hour.

    Source: ServiceNow documentation, "Inbound REST API rate limiting": counted per user and hour.
    """
    hour = hour_of(now)
    used = hours.get(hour, 0)
    return Window(HOUR, allowed, used, ((hour + HOUR, used),), shared)


def rolling_day(allowed: int, hours: Hours, now: datetime, told: Told | None = None) -> Window:
    """A limit on any 24 hours in a row. What the platform told within the last hour counts before our own tally.

    Source: Salesforce, "API Request Limits and Allocations": the sum of a rolling 24-hour period, of the whole org.
    """
    inside = {hour: count for hour, count in hours.items() if _leaves(hour) > now}
    used = sum(inside.values())
    if told is not None and now - told.at < LOOK_AGAIN:
        left = sum(count for hour, count in hours.items() if told.at < _leaves(hour) <= now)
        used = max(0, told.used - left)
    frees = tuple((_leaves(hour), inside[hour]) for hour in sorted(inside))
    return Window(DAY, allowed, used, frees, shared=told is not None)


def pace(hours: Hours, now: datetime) -> float:
    """Calls an hour of late: over this hour so far and the two whole ones before it."""
    since = hour_of(now) - 2 * HOUR
    calls = sum(count for hour, count in hours.items() if since <= hour <= now)
    return calls / ((now - since) / HOUR)


def reserve_reached(window: Window, *, hourly: float, reserve_percent: int, now: datetime) -> datetime | None:
    """When `hourly` more calls an hour touch the reserve; `now` if it is touched already.

    None where they do not: a clock hour ends before, a rolling day frees as much as comes. One day is looked ahead, and
    what others use is taken to stay as it is.
    """
    ceiling = window.allowed - window.reserve(reserve_percent)
    end = now + DAY if window.span == DAY else hour_of(now) + HOUR
    used, at = float(window.used), now
    for moment, freed in (*((m, c) for m, c in window.frees if now < m < end), (end, 0)):
        if used >= ceiling:
            return at
        grown = hourly * ((moment - at) / HOUR)
        if grown > ceiling - used:
            return at + (moment - at) * ((ceiling - used) / grown)
        used, at = used + grown - freed, moment
    return None


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _leaves(hour: datetime) -> datetime:
    """When the last call of an hour has left the rolling day."""
    return hour + HOUR + DAY
