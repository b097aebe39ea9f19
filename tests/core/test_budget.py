"""Windows of calls: what is left, what is kept, and when more is free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.core.budget import (
    HOUR,
    LOOK_AGAIN,
    Told,
    Window,
    clock_hour,
    hour_of,
    pace,
    reserve_reached,
    rolling_day,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = NOON + timedelta(minutes=20)


def ago(hours: int) -> datetime:
    return NOON - timedelta(hours=hours)


def test_an_hour_begins_anew_at_the_full_hour() -> None:
    window = clock_hour(100, {NOON: 90, ago(1): 100}, NOW)

    assert (window.used, window.room(0)) == (90, 10)
    assert window.frees_at(20, 0, NOW) == NOON + HOUR


def test_the_reserve_is_kept_from_those_who_leave_it_alone() -> None:
    window = clock_hour(100, {NOON: 85}, NOW)

    assert (window.room(0), window.room(10), window.reserve(10)) == (15, 5, 10)
    assert clock_hour(100, {NOON: 95}, NOW).room(10) == 0


def test_a_rolling_day_frees_the_calls_of_an_hour_a_day_after_its_end() -> None:
    window = rolling_day(100, {ago(25): 50, ago(24): 30, ago(2): 60}, NOW)

    assert window.used == 90
    assert window.frees_at(20, 0, NOW) == NOON + HOUR  # those of 11:00 to 12:00 on the day before
    assert window.frees_at(50, 0, NOW) == ago(2) + 25 * HOUR


def test_what_the_platform_told_lately_counts_before_our_own_tally() -> None:
    told = Told(used=990, at=NOW - timedelta(minutes=5))
    window = rolling_day(1000, {NOON: 10}, NOW, told)

    assert window.room(0) == 10
    assert window.frees_at(50, 0, NOW) == NOW + LOOK_AGAIN  # others free calls that we cannot foresee


def test_what_was_told_an_hour_ago_is_not_held_against_us() -> None:
    assert rolling_day(1000, {NOON: 10}, NOW, Told(used=1000, at=NOW - LOOK_AGAIN)).room(0) == 990


def test_our_calls_that_have_left_since_are_taken_off_what_was_told() -> None:
    told = Told(used=1000, at=NOON - timedelta(minutes=10))

    assert rolling_day(1000, {ago(25): 300, ago(3): 100}, NOW, told).room(0) == 300


def test_who_needs_more_than_a_window_can_hold_begins_when_it_is_empty() -> None:
    window = clock_hour(10, {}, NOW)

    assert window.needed(25, 0) == 10
    assert clock_hour(10, {NOON: 3}, NOW).frees_at(25, 0, NOW) == NOON + HOUR


calls = st.dictionaries(st.integers(0, 30).map(ago), st.integers(0, 500), max_size=31)
percents = st.integers(0, 100)


@given(calls, st.integers(1, 1000), st.integers(1, 2000), percents, st.booleans())
def test_when_the_window_is_said_to_free_calls_there_is_room(
    hours: dict[datetime, int], allowed: int, needed: int, reserve: int, by_hour: bool
) -> None:
    def at(moment: datetime) -> Window:
        return (clock_hour if by_hour else rolling_day)(allowed, hours, moment)

    now = at(NOW)
    wanted = now.needed(needed, reserve)
    if now.allowed - now.reserve(reserve) < wanted or now.room(reserve) >= wanted:
        return
    free = now.frees_at(needed, reserve, NOW)

    assert at(free).room(reserve) >= wanted
    assert at(free - timedelta(seconds=1)).room(reserve) < wanted


@given(calls, st.integers(1, 1000), percents)
def test_room_and_reserve_and_used_calls_never_exceed_what_is_allowed(
    hours: dict[datetime, int], allowed: int, reserve: int
) -> None:
    for window in (clock_hour(allowed, hours, NOW), rolling_day(allowed, hours, NOW)):
        assert 0 <= window.room(reserve) <= window.room(0) <= allowed
        assert window.room(reserve) == max(0, allowed - window.reserve(reserve) - window.used)


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_hour_holds_its_moment(moment: datetime) -> None:
    assert hour_of(moment) <= moment < hour_of(moment) + HOUR


def test_the_pace_is_that_of_this_hour_and_the_two_before() -> None:
    assert round(pace({NOON: 20, ago(1): 90, ago(2): 30, ago(3): 9_999}, NOW)) == 60


def test_a_reserve_is_reached_when_what_is_left_is_used_at_this_pace() -> None:
    window = rolling_day(1000, {ago(1): 600}, NOW)

    assert reserve_reached(window, hourly=150, reserve_percent=10, now=NOW) == NOW + 2 * HOUR
    assert reserve_reached(window, hourly=0, reserve_percent=10, now=NOW) is None
    assert reserve_reached(window, hourly=0, reserve_percent=40, now=NOW) == NOW


def test_calls_that_leave_the_day_in_time_keep_the_reserve_untouched() -> None:
    window = rolling_day(1000, {ago(24): 800}, NOW)  # they leave at 13:00

    assert reserve_reached(window, hourly=30, reserve_percent=10, now=NOW) is None


def test_an_hour_that_ends_before_reaches_nothing() -> None:
    window = clock_hour(100, {NOON: 50}, NOW)

    assert reserve_reached(window, hourly=30, reserve_percent=10, now=NOW) is None
    assert reserve_reached(window, hourly=120, reserve_percent=10, now=NOW) == NOW + HOUR / 3


@given(
    hours=st.dictionaries(st.integers(0, 24).map(ago), st.integers(0, 2_000), max_size=25),
    hourly=st.floats(0, 5_000),
    percent=st.integers(0, 100),
)
def test_a_faster_pace_never_reaches_the_reserve_later(
    hours: dict[datetime, int], hourly: float, percent: int
) -> None:
    window = rolling_day(10_000, hours, NOW)
    slow = reserve_reached(window, hourly=hourly, reserve_percent=percent, now=NOW)
    fast = reserve_reached(window, hourly=hourly * 2, reserve_percent=percent, now=NOW)

    assert slow is None or (fast is not None and NOW <= fast <= slow + timedelta(seconds=1))
