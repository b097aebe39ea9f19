"""Schedules: due rows run once, whoever ticks, and one bad row stops nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mappings.models import FieldRow
from sync import services
from sync.cron import CronError, next_tick, parse_cron
from sync.models import Flow, Run, Schedule
from sync.schedules import tick, tick_one

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("*/5 * * * *", "UTC", "2026-11-23T12:00:00Z", "2026-11-23T12:05:00Z"),
        ("* * * * * */10", "UTC", "2026-11-23T12:00:03Z", "2026-11-23T12:00:10Z"),
        ("0 8 * * *", "Europe/Berlin", "2026-11-23T12:00:00Z", "2026-11-24T07:00:00Z"),
        ("0 8 * * *", "Europe/Berlin", "2026-07-23T12:00:00Z", "2026-07-24T06:00:00Z"),
        ("0 8 * * *", "America/New_York", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"),
    ],
)
def test_a_tick_comes_at_the_wall_clock_of_the_flows_zone(cron, zone, after, expected):
    assert next_tick(cron, zone, at(after)) == at(expected)


@pytest.mark.parametrize(
    "cron", ["", "hourly", "@hourly", "61 * * * *", "* * * *", "* * * * * * *", "a b c d e"]
)
def test_what_is_no_schedule_is_refused_with_a_sentence(cron):
    with pytest.raises(CronError, match="is not a schedule"):
        parse_cron(cron)


@pytest.mark.parametrize(("cron", "zone"), [("0 0 30 2 *", "UTC"), ("* * * * *", "Mars/Olympus")])
def test_a_time_that_never_comes_is_refused(cron, zone):
    with pytest.raises(CronError):
        next_tick(cron, zone, NOON)


@pytest.fixture
def schedule(incidents_flow) -> Schedule:
    return Schedule.objects.create(flow=incidents_flow, cron="*/5 * * * *", next_at=NOON)


def kinds() -> list[str]:
    return list(Run.objects.values_list("kind", flat=True))


def test_a_due_flow_is_polled_once(schedule):
    tick(NOON)
    tick(NOON)

    assert kinds() == ["poll"]
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + timedelta(minutes=5)


def test_missed_ticks_run_once(schedule):
    tick(NOON + timedelta(hours=3))

    assert kinds() == ["poll"]
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + timedelta(hours=3, minutes=5)


def test_a_tick_that_another_worker_claimed_is_left_to_it(schedule):
    read_before = Schedule.objects.select_related("flow").get()
    tick(NOON)
    Run.objects.update(status="succeeded")

    assert tick_one(read_before, NOON) is None
    assert kinds() == ["poll"]


def test_a_new_schedule_waits_for_its_first_tick(schedule):
    Schedule.objects.update(next_at=None)

    assert tick(NOON) == []
    schedule.refresh_from_db()
    assert schedule.next_at == NOON + timedelta(minutes=5)


def test_a_changed_cron_counts_at_once(schedule):
    Schedule.objects.update(next_at=NOON + timedelta(days=200))

    tick(NOON)

    schedule.refresh_from_db()
    assert schedule.next_at == NOON + timedelta(minutes=5)


def test_a_worker_whose_clock_lags_does_not_run_a_tick_again(schedule):
    tick(NOON)
    Run.objects.update(status="succeeded")

    assert tick(NOON - timedelta(seconds=20)) == []
    assert tick(NOON + timedelta(seconds=1)) == []
    assert kinds() == ["poll"]


def test_a_flow_whose_run_is_active_is_skipped(schedule, incidents_flow):
    services.request_run(flow=incidents_flow, by=None, enqueue=False)

    assert tick(NOON) == []
    schedule.refresh_from_db()
    assert schedule.next_at > NOON


@pytest.mark.parametrize(
    "idle", [{"enabled": False}, {"paused_reason": "Paused by Alice."}, {"revision": None}], ids=str
)
def test_a_flow_that_is_idle_is_not_run(schedule, idle):
    Flow.objects.update(**idle)

    assert tick(NOON) == []


@pytest.mark.parametrize("off", [{"enabled": False}, {"cron": ""}], ids=str)
def test_a_schedule_that_is_off_does_not_tick(schedule, off):
    Schedule.objects.update(**off)

    assert tick(NOON) == []


def test_a_bad_schedule_never_stops_the_others(schedule, incidents_flow):
    other = Flow.objects.create(
        name="a-bad-one",
        servicenow_connection=incidents_flow.servicenow_connection,
        salesforce_connection=incidents_flow.salesforce_connection,
        revision=incidents_flow.revision,
    )
    FieldRow.objects.create(mapping=other, servicenow="number", salesforce="Subject")
    Schedule.objects.create(flow=other, cron="61 * * * *", next_at=NOON)
    Schedule.objects.filter(flow=incidents_flow).update(next_at=NOON)

    assert [run.flow.name for run in tick(NOON)] == ["incidents-to-cases"]
