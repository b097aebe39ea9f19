"""Date literals: spans of whole days in the time zone of the user who asks.

Source: SOQL reference, "Date Formats and Date Literals". A week begins on Sunday, as in the US locale.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo

Days = tuple[date, date]  # half-open


def _month(day: date, months: int) -> date:
    """Return the first day of the month `months` away."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _week(day: date, weeks: int) -> date:
    return day - timedelta(days=(day.weekday() + 1) % 7) + timedelta(weeks=weeks)


def _quarter(day: date, quarters: int) -> date:
    return _month(date(day.year, (day.month - 1) // 3 * 3 + 1, 1), 3 * quarters)


def _days(day: date, first: int, after: int) -> Days:
    return day + timedelta(days=first), day + timedelta(days=after)


PLAIN: dict[str, Callable[[date], Days]] = {
    "YESTERDAY": lambda day: _days(day, -1, 0),
    "TODAY": lambda day: _days(day, 0, 1),
    "TOMORROW": lambda day: _days(day, 1, 2),
    "LAST_WEEK": lambda day: (_week(day, -1), _week(day, 0)),
    "THIS_WEEK": lambda day: (_week(day, 0), _week(day, 1)),
    "NEXT_WEEK": lambda day: (_week(day, 1), _week(day, 2)),
    "LAST_MONTH": lambda day: (_month(day, -1), _month(day, 0)),
    "THIS_MONTH": lambda day: (_month(day, 0), _month(day, 1)),
    "NEXT_MONTH": lambda day: (_month(day, 1), _month(day, 2)),
    "LAST_90_DAYS": lambda day: _days(day, -90, 1),
    "NEXT_90_DAYS": lambda day: _days(day, 1, 91),
    "LAST_QUARTER": lambda day: (_quarter(day, -1), _quarter(day, 0)),
    "THIS_QUARTER": lambda day: (_quarter(day, 0), _quarter(day, 1)),
    "NEXT_QUARTER": lambda day: (_quarter(day, 1), _quarter(day, 2)),
    "LAST_YEAR": lambda day: (date(day.year - 1, 1, 1), date(day.year, 1, 1)),
    "THIS_YEAR": lambda day: (date(day.year, 1, 1), date(day.year + 1, 1, 1)),
    "NEXT_YEAR": lambda day: (date(day.year + 1, 1, 1), date(day.year + 2, 1, 1)),
}
COUNTED: dict[str, Callable[[date, int], Days]] = {
    "LAST_N_DAYS": lambda day, n: _days(day, -n, 1),
    "NEXT_N_DAYS": lambda day, n: _days(day, 1, n + 1),
    "N_DAYS_AGO": lambda day, n: _days(day, -n, 1 - n),
    "LAST_N_WEEKS": lambda day, n: (_week(day, -n), _week(day, 0)),
    "NEXT_N_WEEKS": lambda day, n: (_week(day, 1), _week(day, n + 1)),
    "LAST_N_MONTHS": lambda day, n: (_month(day, -n), _month(day, 0)),
    "NEXT_N_MONTHS": lambda day, n: (_month(day, 1), _month(day, n + 1)),
    "LAST_N_YEARS": lambda day, n: (date(day.year - n, 1, 1), date(day.year, 1, 1)),
}


def days(name: str, count: int, today: date) -> Days:
    """Return the first day of a literal's span and the first day after it."""
    return COUNTED[name](today, count) if name in COUNTED else PLAIN[name](today)


def midnight(day: date, zone: tzinfo) -> int:
    """Return the start of a day in `zone`, in seconds since 1970 UTC."""
    return int(datetime.combine(day, time(), zone).timestamp())
