"""`manage.py prune`: what has had its time goes, what somebody still goes by stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from sync import pruning
from sync.models import (
    ActionRun,
    ActionStep,
    AuditEntry,
    DeadLetter,
    Event,
    Flow,
    HourlyTotal,
    Question,
    RemoteCall,
    Run,
)
from sync.models.action import ACTION_OVER, ActionStatus
from sync.models.base import time_ordered_uuid

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()


def days_ago(days: int):
    return NOW - timedelta(days=days)


def history(flow: Flow, days: int, *, letters: str = "closed") -> Run:
    """A run of so many days ago with all that it leaves behind."""
    at = days_ago(days)
    run = Run.objects.create(flow=flow, kind="poll", status="succeeded", started_at=at, finished_at=at)
    Event.objects.create(
        id=time_ordered_uuid(at),
        flow=flow,
        run=run,
        at=at,
        side="salesforce",
        operation="update",
        outcome="updated",
    )
    RemoteCall.objects.create(
        id=time_ordered_uuid(at), run=run, connection=flow.salesforce_connection, at=at,
        method="POST", path="/composite", status=200, milliseconds=9,
    )  # fmt: skip
    DeadLetter.objects.create(
        flow=flow, run=run, side="salesforce", record_id=f"{days}", state=letters, first_at=at, last_at=at,
        closed_at=None if letters == "open" else at, operation="update",
    )  # fmt: skip
    question = Question.objects.create(kind="count", flow=flow, state="answered")
    Question.objects.filter(pk=question.pk).update(asked_at=at)
    HourlyTotal.objects.create(flow=flow, hour=at, side="salesforce", outcome="updated", count=1)
    return run


@pytest.fixture
def flow(incidents_flow: Flow) -> Flow:
    for days in (400, 200, 100, 10, 1):
        history(incidents_flow, days)
    return incidents_flow


def left(model: type[models.Model]) -> int:
    return model._default_manager.count()


def test_what_is_older_goes_and_totals_stay(command, flow: Flow) -> None:
    ended = command("prune", "--days", "90")

    assert (ended.status, ended.data["rows"]) == (
        0, {"events": 3, "calls": 3, "dead letters": 3, "questions": 3, "details of actions": 0, "runs": 2},
    )  # fmt: skip
    assert [left(model) for model in (Event, DeadLetter, Question, HourlyTotal)] == [2, 2, 2, 5]
    assert command("prune", "--days", "90").data["rows"]["events"] == 0


def test_the_first_run_and_the_last_of_a_lane_stay(command, flow: Flow) -> None:
    first, last = (Run.objects.order_by(order).values_list("pk", flat=True)[0] for order in ("pk", "-pk"))

    command("prune", "--days", "1")

    assert set(Run.objects.values_list("pk", flat=True)) == {first, last}


def test_what_is_open_or_under_way_stays_however_old(command, flow: Flow) -> None:
    history(flow, 300, letters="open")
    waits = Run.objects.create(
        flow=flow, kind="poll", status="deferred", finished_at=days_ago(300), resume_at=NOW
    )
    history(flow, 0)

    command("prune", "--days", "30")

    assert DeadLetter.objects.filter(state="open").count() == 1
    assert Run.objects.filter(pk=waits.pk).exists()


def test_a_dry_run_counts_what_would_go_and_leaves_all(command, flow: Flow) -> None:
    before = left(AuditEntry)

    ended = command("prune", "--days", "90", "--audit", "90", "--dry-run")

    assert ended.told.startswith(
        "Would delete 3 events, 3 calls, 3 dead letters, 3 questions, 0 details of actions, 2 runs, 0 audit entries"
    )
    assert (left(Event), left(Run), left(AuditEntry)) == (5, 5, before)


def test_who_pruned_is_in_the_audit_log_which_stays_whole(command, flow: Flow) -> None:
    command("prune", "--days", "90")

    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.after["events"]) == ("history.pruned", 3)
    assert "(command line)" in entry.actor_name
    assert command("verify_audit").status == 0


def test_the_audit_log_is_pruned_only_where_it_is_named(command, flow: Flow) -> None:
    before = left(AuditEntry)

    assert "audit entries" not in command("prune", "--days", "500").data["rows"]
    assert (
        command("prune", "--days", "500", "--audit", "1").data["rows"]["audit entries"] == 0
    )  # none is that old

    assert left(AuditEntry) == before


def test_an_age_of_no_days_is_refused(command, flow: Flow) -> None:
    assert command("prune", "--days", "0").status == 2
    assert left(Event) == 5


def test_interrupted_it_keeps_what_it_did_on_record(flow: Flow) -> None:
    steps = pruning.prune(days_ago(90))
    assert next(steps) == ("events", 3)
    steps.close()

    assert (left(Event), left(RemoteCall)) == (2, 5)
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert entry.after["calls"] == 0


def test_an_action_that_is_over_keeps_the_row_by_which_it_is_not_done_again(command, flow: Flow) -> None:
    settled = {"done", "skipped", "dropped"}
    for status in ActionStatus.values:
        action(flow, status, days=200)
    recent = action(flow, "done", days=10)

    ended = command("prune", "--days", "90")

    assert ended.data["rows"]["details of actions"] == 3
    removed = ActionRun.objects.exclude(details_removed_at=None)
    assert {row.status for row in removed} == settled
    assert {(row.state, row.revision, row.steps.count()) for row in removed} == {(None, None, 0)}
    kept = ActionRun.objects.filter(details_removed_at=None)
    assert {row.status for row in kept} == {*ActionStatus.values} - settled | {"done"}
    assert {(row.state["occasion"], row.steps.count()) for row in kept} == {("entered", 1)}
    assert recent in kept
    assert ActionRun.objects.count() == len(ActionStatus.values) + 1
    assert command("prune", "--days", "90").data["rows"]["details of actions"] == 0


def test_an_action_that_may_go_on_never_loses_its_details(flow: Flow) -> None:
    made = action(flow, "in_doubt", days=200)

    assert ActionRun.objects.remove_details([made.pk], now=NOW) == 0
    with pytest.raises(IntegrityError, match="actions_details_only_go_after_their_end"), transaction.atomic():
        ActionRun.objects.update(state_sealed=None, revision=None, details_removed_at=NOW)


def action(flow: Flow, status: str, days: int) -> ActionRun:
    """One that came to this status so many days ago, with a step."""
    at = days_ago(days)
    row = ActionRun(
        flow=flow, revision=flow.revision, action="tell", trigger="entered", side="servicenow", record_id=f"{days:032}",
        occasion=status, status=status, since=at, created_at=at, finished_at=at if status in ACTION_OVER else None,
    )  # fmt: skip
    row.state = {"occasion": "entered"}
    row.save()
    ActionStep(action_run=row, position=0, name="note", kind="post", status="done").save()
    return row
