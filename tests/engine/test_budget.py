"""Calls are counted, shared and kept within what the vendors and the operator allow; what cannot be afforded waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models import F, Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync import services
from sync.doorbell import Doorbell
from sync.engine.execute import execute, resume_deferred
from sync.models import CallCount, Connection, Flow, RemoteCall, Run, Schedule
from sync.sandbox.pair import Pair
from sync.schedules import tick
from tests.engine.conftest import run_now

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def mid_hour(pair: Pair) -> None:
    """Both platforms' clocks stand far from the full hour, when windows begin anew."""
    now = datetime.now(UTC)
    half_past = now.replace(minute=30, second=0) - now
    pair.servicenow.skew_clock(half_past)
    pair.salesforce.skew_clock(half_past)


def servicenow() -> Connection:
    return Connection.objects.get(system="servicenow")


def salesforce() -> Connection:
    return Connection.objects.get(system="salesforce")


def fill(pair: Pair, count: int) -> None:
    for number in range(count):
        pair.servicenow.add("incident", short_description=f"Ticket {number}")


def counted(connection: Connection) -> int:
    return CallCount.objects.filter(connection=connection).aggregate(sum=Sum("calls"))["sum"] or 0


def go_on(run: Run, **asked: Any) -> Run:
    """What the workers do when the run's time has come."""
    assert resume_deferred(timezone.now()) == []
    assert resume_deferred(run.resume_at or timezone.now()) == [run.pk]
    return execute(run.pk, **asked)


def next_hour() -> None:
    """An hour passes: what was counted was counted an hour ago."""
    for row in CallCount.objects.order_by("hour"):
        CallCount.objects.filter(pk=row.pk).update(hour=F("hour") - HOUR)


def test_every_call_is_counted_in_its_hour_and_none_costs_a_query(flow: Flow, pair: Pair) -> None:
    fill(pair, 60)
    run = services.request_run(flow=flow, by=None, enqueue=False)

    with CaptureQueriesContext(database) as queries:
        run = execute(run.pk, page_size=20)

    assert (counted(servicenow()), counted(salesforce())) == (run.calls_servicenow, run.calls_salesforce)
    assert run.calls_servicenow + run.calls_salesforce > 10
    pages = 60 // 20
    written = [
        query for query in queries if "sync_callcount" in query["sql"] and "SELECT" not in query["sql"]
    ]
    assert len(written) <= 4 * (pages + 2)
    hours = {row.hour for row in CallCount.objects.all()}
    assert all(hour == hour.replace(minute=0, second=0, microsecond=0) for hour in hours)


def test_a_first_load_leaves_the_reserve_to_the_live_lane(flow: Flow, pair: Pair) -> None:
    fill(pair, 1)
    pair.salesforce.spend_budget(remaining=5_000)  # of 100,000; a tenth is kept
    assert run_now(flow).status == "succeeded"
    pair.salesforce.reset_counters()
    fill(pair, 1)

    background = run_now(flow, kind="resync")

    assert (background.status, background.error_code) == ("deferred", "budget_spent")
    assert "10,000 are kept for the live lane" in background.error
    assert pair.salesforce.counters.calls == 0
    assert background.resume_at is not None
    assert background.resume_at <= timezone.now() + HOUR
    assert run_now(flow).created == 1


def test_an_operators_limit_is_kept_and_the_run_goes_on_hour_after_hour(flow: Flow, pair: Pair) -> None:
    fill(pair, 50)
    Connection.objects.filter(system="salesforce").update(limit_requests=9, limit_per="hour")
    pair.salesforce.reset_counters()
    run = services.request_run(flow=flow, by=None, enqueue=False)

    run = execute(run.pk, page_size=10)
    hours = 1
    while run.status == "deferred":
        assert run.error_code == "budget_spent"
        assert counted(salesforce()) <= 9 * hours
        next_hour()
        run = go_on(run, page_size=10)
        hours += 1

    assert (run.status, run.created, run.error) == ("succeeded", 50, "")
    assert hours > 1
    assert Run.objects.count() == 1
    assert len(pair.salesforce.rows("Case")) == 50
    assert run.read == 50  # the checkpoint stood behind what was paid for
    assert not RemoteCall.objects.filter(status=429).exists()


def test_a_rate_rule_is_learnt_from_its_headers_and_kept_without_a_refusal(flow: Flow, pair: Pair) -> None:
    fill(pair, 40)
    pair.servicenow.spend_budget(user="sync.user", limit=10)
    resync = services.request_run(flow=flow, by=None, kind="resync", enqueue=False)

    run = execute(resync.pk, page_size=3)

    assert (run.status, run.error_code) == ("deferred", "budget_spent")
    assert servicenow().calls_allowed == 10
    # One is kept, and no page is begun that may take more than are left: as many as the last one, read ahead or not.
    assert 4 <= (servicenow().calls_used or 0) <= 9
    assert not RemoteCall.objects.filter(status=429).exists()
    assert run.resume_at is not None
    assert timedelta(minutes=25) < run.resume_at - timezone.now() <= timedelta(minutes=31)
    pair.servicenow.skew_clock(timedelta(hours=1))
    pair.servicenow.spend_budget(user="sync.user", limit=100)
    assert go_on(run, page_size=3).created > 0


def test_a_refusal_of_the_platform_stops_all_calls_to_it_and_to_it_alone(flow: Flow, pair: Pair) -> None:
    fill(pair, 1)
    pair.servicenow.spend_budget(user="sync.user", limit=10, used=10)

    run = run_now(flow)

    assert (run.status, run.error_code) == ("deferred", "HTTP_429")
    assert run.resume_at is not None
    blocked = servicenow().blocked_until
    assert blocked is not None
    assert abs(run.resume_at - blocked) < timedelta(seconds=5)
    pair.servicenow.reset_counters()
    assert (run_now(flow).status, run_now(flow, kind="resync").status) == ("deferred", "deferred")
    assert pair.servicenow.counters.calls == 0
    assert servicenow().blocked_until == blocked
    assert salesforce().blocked_until is None
    flow.refresh_from_db()
    assert (flow.health, "used up until" in flow.health_message) == ("behind", True)


def test_what_other_workers_spent_counts(flow: Flow, pair: Pair) -> None:
    fill(pair, 1)
    Connection.objects.filter(system="salesforce").update(limit_requests=1000, limit_per="24h")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for hours_ago, calls in ((26, 5000), (23, 600), (1, 400)):
        CallCount.objects.create(connection=salesforce(), hour=hour - hours_ago * HOUR, calls=calls)
    pair.salesforce.reset_counters()

    run = run_now(flow)

    assert (run.status, pair.salesforce.counters.calls) == ("deferred", 0)
    assert "1,000 of 1,000" in run.error
    assert run.resume_at is not None
    assert timedelta(0) < run.resume_at - (hour + HOUR) < 2 * HOUR  # when those of 23 hours ago have left


def test_old_counts_are_forgotten(flow: Flow, pair: Pair) -> None:
    for days in (1, 4):
        CallCount.objects.create(
            connection_id=salesforce_id(flow), hour=timezone.now() - timedelta(days=days)
        )
    fill(pair, 1)

    run_now(flow)

    oldest = CallCount.objects.order_by("hour")[0].hour
    assert timedelta(hours=23) < timezone.now() - oldest < timedelta(days=2)


def salesforce_id(flow: Flow) -> Any:
    return flow.salesforce_connection_id


# Deferred runs


@pytest.fixture
def deferred(flow: Flow, pair: Pair) -> Run:
    fill(pair, 1)
    Connection.objects.filter(system="servicenow").update(blocked_until=timezone.now() + HOUR)
    return run_now(flow)


def test_the_schedule_makes_no_run_beside_one_that_goes_on_by_itself(deferred: Run) -> None:
    now = timezone.now()
    Schedule.objects.update_or_create(flow=deferred.flow, defaults={"cron": "* * * * *", "next_at": now})
    Flow.objects.update(reconcile="")  # the two hours below may hold its night

    assert tick(now) == []
    assert [run.kind for run in tick(now + 2 * HOUR)] == ["poll"]


def test_a_deferred_run_is_rung_for_when_its_time_has_come(deferred: Run) -> None:
    rings: list[tuple[object, ...]] = []
    doorbell = Doorbell(ring=lambda *work: rings.append(work))

    doorbell.answer_lost(timezone.now())
    assert rings == []
    Connection.objects.update(blocked_until=None)
    doorbell.answer_lost(timezone.now() + HOUR)

    assert rings == [("sync.tasks.execute_run", deferred.pk)]
    run = execute(deferred.pk)
    assert (run.status, run.created, run.error, run.resume_at) == ("succeeded", 1, "", None)


def test_a_deferred_run_ends_where_a_later_one_did_its_work(deferred: Run) -> None:
    Connection.objects.update(blocked_until=None)
    assert run_now(deferred.flow).status == "succeeded"

    assert resume_deferred(timezone.now() + 2 * HOUR) == []

    deferred.refresh_from_db()
    assert (deferred.status, deferred.resume_at) == ("deferred", None)


def test_a_deferred_run_of_named_records_is_done_even_so(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Named")
    Connection.objects.filter(system="servicenow").update(blocked_until=timezone.now() + HOUR)
    named = run_now(flow, kind="resync", ids=[incident["sys_id"]])
    Connection.objects.update(blocked_until=None)
    pair.servicenow.add("incident", short_description="Other")
    assert run_now(flow, kind="resync").status == "succeeded"

    run = go_on(named)

    assert (run.status, run.read) == ("succeeded", 1)


def test_a_deferred_run_waits_for_the_active_one_and_for_its_flow(deferred: Run) -> None:
    later = timezone.now() + 2 * HOUR
    dry = services.request_run(flow=deferred.flow, by=None, mode="dry", enqueue=False)
    assert resume_deferred(later) == []
    services.cancel_run(run=dry, by=None)
    services.pause_flow(flow=deferred.flow, by=None, reason="Change freeze")
    assert resume_deferred(later) == []

    services.resume_flow(flow=deferred.flow, by=None)

    assert resume_deferred(later) == [deferred.pk]


def test_a_deferred_run_may_be_cancelled(deferred: Run) -> None:
    services.cancel_run(run=deferred, by=None)

    assert resume_deferred(timezone.now() + 2 * HOUR) == []
    deferred.refresh_from_db()
    assert deferred.status == "cancelled"
    with pytest.raises(services.Refused):
        services.cancel_run(run=deferred, by=None)


def test_records_that_a_spent_budget_kept_from_leaving_wait_as_long(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow()
    fill(pair, 3)
    Connection.objects.filter(system="salesforce").update(limit_requests=1, limit_per="hour")

    run = run_now(flow)

    assert run.status == "deferred"
    assert pair.salesforce.rows("Case") == []
    rings: list[Any] = []
    Doorbell(ring=lambda *work: rings.append(work)).answer_lost(timezone.now() + timedelta(minutes=1))
    assert (rings, Run.objects.active().count()) == ([], 0)
