"""Reconciling by itself: nightly unless a flow says otherwise, once, whoever ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sync.models import Flow, Run
from sync.schedules import tick

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)


def kinds() -> list[tuple[str, str]]:
    return list(Run.objects.values_list("kind", "lane"))


def test_a_flow_reconciles_nightly_in_the_backfill_lane(incidents_flow):
    tick(NOON)
    before = kinds()
    tick(NIGHT)
    tick(NIGHT)

    assert (before, kinds()) == ([], [("reconcile", "backfill")])
    assert Flow.objects.get().reconcile_at == NIGHT + timedelta(days=1)


def test_the_night_is_that_of_the_flows_time_zone(incidents_flow):
    Flow.objects.update(time_zone="Asia/Tokyo")

    tick(NOON)

    assert Flow.objects.get().reconcile_at == datetime(2026, 11, 23, 18, 0, tzinfo=UTC)


def test_a_new_time_counts_at_once(incidents_flow):
    tick(NOON)
    Flow.objects.update(reconcile="30 13 * * *")

    tick(NOON + timedelta(minutes=1))

    assert Flow.objects.get().reconcile_at == NOON + timedelta(minutes=90)


def test_a_worker_whose_clock_is_behind_does_not_start_it_again(incidents_flow):
    tick(NOON)
    tick(NIGHT)
    Run.objects.update(status="succeeded")

    tick(NIGHT - timedelta(seconds=30))
    tick(NIGHT)

    assert kinds() == [("reconcile", "backfill")]


def test_a_flow_without_the_setting_or_out_of_use_never_does(incidents_flow):
    for change in ({"reconcile": ""}, {"reconcile": "0 3 * * *", "enabled": False}):
        Flow.objects.update(**change)
        tick(NOON)
        tick(NIGHT)

    assert kinds() == []


def test_missed_nights_count_as_one(incidents_flow):
    tick(NOON)

    tick(NIGHT + timedelta(days=3, hours=2))

    assert kinds() == [("reconcile", "backfill")]
    assert Flow.objects.get().reconcile_at == NIGHT + timedelta(days=4)
