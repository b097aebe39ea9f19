"""The calendar of queries: where an hour, a week, a quarter begins, what lies some of them away, and its parts.

All in the zone of the moment given, which is the calling user's. Names are those of the platform's `gs` functions and
of its list filters. Source: the vendor's pages on GlideSystem and on operators; sn-encoded-query for the parts of dates.
UNVERIFIED: that a week begins on Monday, and that "last 7 days" and its kin end with the day that is not over.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_FIXED = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
UNITS = frozenset(_FIXED) | frozenset(_DAYS) | frozenset(_MONTHS)
_SECOND = timedelta(seconds=1)

_SPAN = re.compile(
    r"(beginning|end)Of(This|Current|Last|Next)(\d*)(Minute|Hour|Day|Week|Month|Quarter|Year)s?"
)
_DAY = re.compile(r"(beginning|end)Of(Yesterday|Today|Tomorrow)")
_AGO = re.compile(r"(minute|hour|day|week|month|quarter|year)sAgo(Start|End)?")
_DAY_STEPS = {"Yesterday": -1, "Today": 0, "Tomorrow": 1}


def start_of(moment: datetime, unit: str) -> datetime:
    """The beginning of the unit that the moment lies in. Raises KeyError for an unknown unit."""
    if unit in _FIXED:
        return moment.replace(minute=0 if unit == "hour" else moment.minute, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in _DAYS:
        return day - timedelta(days=day.weekday() if unit == "week" else 0)
    months = _MONTHS[unit]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def shifted(moment: datetime, unit: str, count: int) -> datetime:
    """The moment so many units later: hours are counted on the clock, days and longer on the calendar.

    The 31st becomes the last day of a shorter month. Raises KeyError for an unknown unit.
    """
    if unit in _FIXED:
        return (moment.astimezone(UTC) + _FIXED[unit] * count).astimezone(moment.tzinfo)
    if unit in _DAYS:
        return moment + timedelta(days=_DAYS[unit] * count)
    years, month = divmod(moment.year * 12 + moment.month - 1 + _MONTHS[unit] * count, 12)
    return moment.replace(year=years, month=month + 1, day=min(moment.day, monthrange(years, month + 1)[1]))


def moment_named(name: str, count: int | None, now: datetime) -> datetime | None:
    """What `gs.<name>(count)` means now, such as `beginningOfLastMonth` or `daysAgoStart`; None for other names."""
    if day := _DAY.fullmatch(name):
        return _edge(day[1], start_of(now, "day"), "day", _DAY_STEPS[day[2]], 1)
    if span := _SPAN.fullmatch(name):
        return _span(span[1], span[2], int(span[3] or 0), span[4].lower(), now)
    ago = _AGO.fullmatch(name)
    if ago is None or count is None:
        return None
    moment = shifted(now, ago[1], -count)
    if ago[2] is None:
        return moment
    return _edge("end" if ago[2] == "End" else "beginning", start_of(moment, ago[1]), ago[1], 0, 1)


def _span(edge: str, which: str, several: int, unit: str, now: datetime) -> datetime:
    here = start_of(now, unit)
    if which == "Last":
        return _edge(edge, here, unit, -several, several + 1) if several else _edge(edge, here, unit, -1, 1)
    if which == "Next":
        return _edge(edge, here, unit, 1, several or 1)
    return _edge(edge, here, unit, 0, 1)


def _edge(edge: str, here: datetime, unit: str, first: int, units: int) -> datetime:
    """The first second of the span that begins `first` units from here, or the last of its `units`."""
    if edge == "beginning":
        return shifted(here, unit, first)
    return shifted(here, unit, first + units) - _SECOND


_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# The parts of a date that `gs.datePart` names. The first day of the week is Sunday, and week 0 ends before the first one.
_PARTS: dict[str, Callable[[datetime], int]] = {
    "dayofweek": lambda moment: moment.isoweekday() % 7,
    "month": lambda moment: moment.month - 1,
    "quarter": lambda moment: (moment.month + 2) // 3,
    "year": lambda moment: moment.year,
    "week": lambda moment: int(moment.strftime("%U")),
    "hour": lambda moment: moment.hour,
}


def part_of(part: str) -> Callable[[datetime], int] | None:
    """How to read the part from a date in the user's zone; None for a part that is unknown."""
    return _PARTS.get(part)


def part_named(part: str, value: str) -> int | None:
    """The number that a value stands for, such as `monday`, `june` or `12`; None when it makes no sense."""
    if part == "dayofweek":
        return _WEEKDAYS.index(value) if value in _WEEKDAYS else None
    if part == "month":
        return _MONTH_NAMES.index(value[:3]) if value[:3] in _MONTH_NAMES else None
    return int(value) if value.isascii() and value.isdigit() else None
