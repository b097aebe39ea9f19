"""Functions of dates and times. Pure.

ServiceNow writes `yyyy-MM-dd HH:mm:ss`, which is UTC whatever the user's zone; Salesforce writes ISO 8601.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from mappings.registry import Moment, Text, function
from mappings.text import shown
from mappings.tools import Tools
from mappings.transforms.settings import Zone
from mappings.values import Unmapped, as_text

T = TypeVar("T")


_SERVICENOW = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


def parse_servicenow_time(raw: str) -> datetime:
    """ServiceNow's `yyyy-MM-dd HH:mm:ss`, in UTC. Raises Unmapped."""
    return _parse(_servicenow_time, raw)


def _servicenow_time(text: str) -> datetime:
    """Not strptime, which takes ten times as long."""
    return _whole_time(text).replace(tzinfo=UTC)


def _whole_time(text: str) -> datetime:
    if not _SERVICENOW.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _moment(text: str) -> datetime:
    """Either platform's way to write a point in time; what names no offset is UTC."""
    if "T" not in text:
        return _servicenow_time(text)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _in_utc(text: str) -> datetime:
    """ISO 8601 as UTC without its offset."""
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)


def _parse(parser: Callable[[str], T], raw: Any) -> T:
    try:
        return parser(as_text(raw))
    except (
        ValueError,
        OverflowError,
    ) as error:  # the latter: the first and last day there is, in another zone
        if isinstance(error, Unmapped):
            raise
        raise _no_time(raw) from None


def _no_time(raw: Any) -> Unmapped:
    return Unmapped(f"{shown(raw)} is not a date or time.", code="NOT_A_DATE")


def _for_servicenow(value: Any) -> str:
    text = as_text(value)
    return _parse(_in_utc, text).isoformat(" ", "seconds") if text else ""


@function("date and time", name="datetime", inverse=_for_servicenow, carries=True)
def moment(value: Moment) -> Moment:
    """A point in time: ServiceNow's text in UTC to ISO 8601 and back, whole seconds; empty stays empty.

    >>> datetime("2026-11-23 10:00:00")
    "2026-11-23T10:00:00.000+0000"
    """
    if not value:
        return ""
    if "T" not in value:
        try:
            _whole_time(value)
        except ValueError:
            raise _no_time(value) from None
        return f"{value[:10]}T{value[11:]}.000+0000"
    # Not strftime: it writes the year 999 with three digits.
    found = _parse(_moment, value).astimezone(UTC).replace(tzinfo=None)
    return found.isoformat("T", "seconds") + ".000+0000"


@function("date", name="date")
def day(value: Moment, *, zone: Zone = "", tools: Tools) -> Moment:
    """The calendar day of a point in time, in the flow's time zone or in the one that is named; a date stays as it is.

    >>> date("2026-11-23 23:30:00", "Europe/Berlin")
    "2026-11-24"
    >>> date("2026-11-23")
    "2026-11-23"
    """
    if not value:
        return ""
    if len(value) == len("2026-11-23"):
        return _parse(date.fromisoformat, value).isoformat()
    return _parse(lambda text: _local(text, zone, tools), value).date().isoformat()


@function("time as people read it")
def local_time(value: Moment, *, zone: Zone = "", tools: Tools) -> Text:
    """A point in time as text, in the flow's time zone or in the one that is named.

    >>> local_time("2026-11-23 23:30:00", "America/New_York")
    "2026-11-23 18:30"
    """
    return (
        _parse(lambda text: _local(text, zone, tools), value).isoformat(" ", "minutes")[:16] if value else ""
    )


def _local(text: str, zone: str, tools: Tools) -> datetime:
    return _moment(text).astimezone(ZoneInfo(zone or tools.time_zone))
