"""What the Overview says of flows, of calls and of silence, and how it renews itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from integration_console.theme.flow_lines import flows, silent_since
from sync.models import CallCount, Checkpoint, Connection, Flow, HourlyTotal, Revision, Run, Schedule, Worker
from tests.console import seed

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@pytest.fixture
def now():
    return timezone.now()


def read(flow, side, at):
    Checkpoint.objects.create(flow=flow, lane="live", side=side, completed_at=at)


def test_each_side_says_how_far_it_is_behind(root, flow, now):
    read(flow, "servicenow", now - timedelta(minutes=2, seconds=5))
    read(flow, "salesforce", now - timedelta(hours=3))
    line = root.get(reverse("admin:index")).context["flows"][0]

    assert [(side, behind) for side, behind, _ in line["behind"]] == [
        ("servicenow", "2 min"),
        ("salesforce", "3 h"),
    ]


def test_a_flow_that_has_missed_three_of_its_ticks_and_ten_minutes_is_silent(flow, now):
    read(flow, "servicenow", now - timedelta(minutes=11))
    assert silent_since(flows()[0], now) == now - timedelta(minutes=11)

    Schedule.objects.update(cron="*/10 * * * *")
    assert silent_since(flows()[0], now) is None  # one tick, at most two, have passed
    assert silent_since(flows()[0], now + timedelta(minutes=30)) is not None


def test_a_flow_that_is_paused_off_or_at_work_is_not_silent(flow, now):
    read(flow, "servicenow", now - timedelta(hours=5))
    at_work = seed.run(flow, now, status="running", finished_at=None)
    assert silent_since(flows()[0], now) is None

    at_work.delete()
    for still in ({"paused_reason": "Maintenance."}, {"paused_reason": "", "enabled": False}):
        Flow.objects.update(**still)
        assert silent_since(flows()[0], now) is None


def test_a_silent_flow_makes_the_headline_amber_and_is_among_the_alerts(root, flow, now):
    Worker.objects.create(name="host:1", started_at=now, seen_at=now)
    read(flow, "servicenow", now - timedelta(hours=5))
    page = root.get(reverse("admin:index"))

    assert page.context["headline"]["colour"] == "amber"
    assert [(alert.word, alert.name) for alert in page.context["alerts"]] == [("silent", flow.name)]


def test_what_pauses_many_flows_for_one_reason_is_told_once_with_all_of_them(root, flow):
    other = seed.flow(flow.servicenow_connection, flow.salesforce_connection, "changes-to-tasks")
    Flow.objects.update(paused_reason="ServiceNow refused the login.", health="paused")

    told = [alert for alert in root.get(reverse("admin:index")).context["alerts"] if alert.word == "paused"]

    assert [(alert.text, {alert.name, *(name for name, _ in alert.along)}) for alert in told] == [
        ("ServiceNow refused the login.", {flow.name, other.name})
    ]


def test_a_flow_shows_its_last_fourteen_days_and_the_conflicts_of_one(root, flow, now):
    hour = now.replace(minute=0, second=0, microsecond=0)
    for days, outcome, count in (
        (0, "updated", 40),
        (0, "conflict", 2),
        (13, "failed", 7),
        (20, "updated", 999),
    ):
        HourlyTotal.objects.create(
            flow=flow, hour=hour - timedelta(days=days), side="salesforce", outcome=outcome, count=count
        )
    line = root.get(reverse("admin:index")).context["flows"][0]

    assert line["spark"].words == "40 synced and 9 failed or in conflict in 14 days"
    assert [(bar.x, bar.colour) for bar in line["spark"].bars] == [(0, "red"), (91, "green"), (91, "red")]
    assert (line["updated"], line["conflicts"]) == (40, 2)


def test_each_connection_says_when_its_reserve_is_reached_at_this_pace(root, flow, now):
    hour = now.replace(minute=0, second=0, microsecond=0)
    Connection.objects.update(calls_used=None, calls_allowed=None, limit_requests=1_000, limit_per="24h")
    for back in (1, 2):
        CallCount.objects.create(
            connection=flow.salesforce_connection, hour=hour - timedelta(hours=back), calls=300
        )
    quiet, busy = sorted(
        root.get(reverse("admin:index")).context["budgets"], key=lambda line: line["percent"]
    )

    assert (quiet["window"].used, quiet["reached"]) == (0, None)
    assert busy["window"].used == 600
    assert now < busy["reached"] <= now + timedelta(hours=2)


def test_the_oldest_waiting_job_is_told_beside_the_workers(root, flow, now):
    waiting = seed.run(flow, now, status="queued", started_at=None, finished_at=None)
    Run.objects.filter(pk=waiting.pk).update(created_at=now - timedelta(minutes=7))

    assert "1 run queued, oldest 7 min" in root.get(reverse("admin:index")).content.decode()


def test_the_last_reconcile_is_the_first_line_even_where_there_was_none(root, flow):
    body = root.get(reverse("overview")).content.decode()

    assert body.index("Not reconciled yet") < body.index("No worker is running")


def test_the_overview_renews_itself_while_it_is_seen(root, flow):
    body = root.get(reverse("overview")).content.decode()

    assert 'hx-trigger="every 30s [!document.hidden]"' in body
    assert "<html" not in body


def test_who_lost_the_role_or_the_login_meanwhile_is_given_no_data(client, as_role, flow):
    viewer = as_role("viewer")
    assert flow.name in viewer.get(reverse("overview")).content.decode()

    User.objects.get(username="viewer").groups.clear()
    for browser in (viewer, client):
        reply = browser.get(reverse("overview"), headers={"HX-Request": "true"})
        assert (reply.status_code, reply.headers["HX-Refresh"], reply.content) == (403, "true", b"")


def test_a_flow_never_read_is_awaited_from_the_day_it_was_published(flow, now):
    assert silent_since(flows()[0], now) is None
    published = Revision.objects.get(flow=flow).created_at

    assert silent_since(flows()[0], now + timedelta(hours=1)) == published
