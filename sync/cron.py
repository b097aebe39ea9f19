"""Cron expressions: five fields, or six with the seconds last, in a flow's time zone. Pure: no clock, no database."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter


class CronError(ValueError):
    """Not a schedule; the message says what to write."""


def parse_cron(text: str) -> str:
    """The expression with single spaces. Raises CronError."""
    fields = text.split()
    if len(fields) not in (5, 6):
        raise CronError(
            f"{text!r} is not a schedule: it has {len(fields)} fields; write five like '*/5 * * * *', "
            "or six with the seconds last."
        )
    if not croniter.is_valid(" ".join(fields)):
        raise CronError(
            f"{text!r} is not a schedule: write five fields like '*/5 * * * *', or six with the seconds last."
        )
    return " ".join(fields)


def next_tick(cron: str, time_zone: str, after: datetime) -> datetime:
    """The first tick later than `after`, in UTC; wall-clock times are those of `time_zone`.

    Raises CronError, also for a schedule that never comes, such as 30 February, and for an unknown zone.
    """
    try:
        zone = ZoneInfo(time_zone)
        found: datetime = croniter(parse_cron(cron), after.astimezone(zone)).get_next(datetime)
    except (CroniterError, KeyError, OSError) as error:
        raise CronError(f"{cron!r} in {time_zone!r} gives no next time: {error}.") from error
    return found.astimezone(UTC)
