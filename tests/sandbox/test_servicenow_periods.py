"""Laws of the calendar that queries count with, in zones with and without summer time."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.sandbox.servicenow import periods

ZONES = st.sampled_from(["UTC", "US/Pacific", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
MOMENTS = st.builds(
    lambda moment, zone: moment.replace(microsecond=0, tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone)),
    st.datetimes(datetime(1990, 1, 2), datetime(2060, 1, 1)),
    ZONES,
)
UNITS = st.sampled_from(sorted(periods.UNITS))


@given(moment=MOMENTS, unit=UNITS)
def test_a_moment_lies_in_its_own_period_and_in_no_other(moment, unit):
    start = periods.start_of(moment, unit)

    assert periods.start_of(start, unit) == start
    assert start <= moment
    assert periods.start_of(periods.shifted(start, unit, 1), unit) > start


@given(moment=MOMENTS, unit=UNITS, count=st.integers(0, 40))
def test_from_the_start_of_a_period_the_way_there_is_the_way_back(moment, unit, count):
    start = periods.start_of(moment, unit)

    assert periods.shifted(periods.shifted(start, unit, count), unit, -count) == start


@given(now=MOMENTS, unit=st.sampled_from(["Week", "Month", "Quarter", "Year"]))
def test_last_this_and_next_follow_each_other_without_a_gap(now, unit):
    def named(name):
        return periods.moment_named(name, None, now)

    edges = [
        named(f"{edge}Of{which}{unit}") for which in ("Last", "This", "Next") for edge in ("beginning", "end")
    ]

    assert edges == sorted(edges)
    for end, beginning in ((edges[1], edges[2]), (edges[3], edges[4])):
        assert (beginning.replace(tzinfo=None) - end.replace(tzinfo=None)).total_seconds() == 1


@pytest.mark.parametrize(
    ("name", "count", "found"),
    [
        ("monthsAgo", 1, "2026-02-28 13:00:00"),  # the 31st of a month that has none
        ("yearsAgoStart", 1, "2025-01-01 00:00:00"),
        ("quartersAgoEnd", 1, "2025-12-31 23:59:59"),
        ("hoursAgo", 72, "2026-03-28 12:00:00"),  # the night of the 29th is an hour short
        ("daysAgo", 3, "2026-03-28 13:00:00"),
        ("beginningOfLast7Days", None, "2026-03-24 00:00:00"),
        ("endOfLast7Days", None, "2026-03-31 23:59:59"),
        ("endOfNext2Quarters", None, "2026-09-30 23:59:59"),
        ("beginningOfThisHour", None, "2026-03-31 13:00:00"),
        ("endOfTomorrow", None, "2026-04-01 23:59:59"),
    ],
)
def test_named_moments(name, count, found):
    now = datetime(2026, 3, 31, 13, 0, tzinfo=ZoneInfo("Europe/Berlin"))

    assert str(periods.moment_named(name, count, now).replace(tzinfo=None)) == found


def test_other_names_name_no_moment():
    now = datetime(2026, 3, 31, tzinfo=ZoneInfo("UTC"))

    assert periods.moment_named("beginningOfLastFortnight", None, now) is None
    assert periods.moment_named("daysAgo", None, now) is None
