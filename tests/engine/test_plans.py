"""A dry run's plan: kept as it was found, approved by somebody else, and written exactly so or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.db import connections

from sync import drafts, plans, services
from sync.actor import Actor, acting_as
from sync.engine.execute import execute
from sync.models import AuditEntry, Flow, Intent, Plan, PlanItem, Run, Waiting
from sync.models.run import RunMode
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now
from tests.engine.killing import Worker, await_that, let_time_pass, worker_on_the_test_database

pytestmark = pytest.mark.django_db(transaction=True)


def dry(flow: Flow, **asked: Any) -> Plan:
    run = run_now(flow, mode=RunMode.DRY, **asked)
    return Plan.objects.get(run=run)


def applied(plan: Plan) -> Run:
    return execute(plans.apply_plan(plan=plan, by=None, enqueue=False).pk)


def fates(plan: Plan) -> dict[str, str]:
    """By the number of the incident."""
    return dict(PlanItem.objects.filter(plan=plan).values_list("servicenow_number", "fate"))


def incidents(pair: Pair, count: int) -> list[dict[str, str]]:
    made = [
        pair.servicenow.add("incident", short_description=f"Printer {number}", impact="1", urgency="1")
        for number in range(count)
    ]
    return made


def subjects(pair: Pair) -> list[str]:
    return sorted(case["Subject"] for case in pair.salesforce.rows("Case"))


def test_a_dry_run_keeps_for_each_record_and_field_what_stands_there_and_what_would(
    flow: Flow, pair: Pair
) -> None:
    [old] = incidents(pair, 1)
    run_now(flow)
    pair.servicenow.edit("incident", old["sys_id"], short_description="Printer on fire")
    new = pair.servicenow.add("incident", short_description="Mailbox is full")

    plan = dry(flow)

    update, create = sorted(plan.items.all(), key=lambda item: item.operation, reverse=True)
    assert (update.operation, update.servicenow_number, update.field_names) == (
        "update",
        old["number"],
        "Subject",
    )
    [field] = update.content["fields"]
    assert (field["source"], field["now"], field["will"]) == (
        "Printer on fire",
        "Printer 0",
        "Printer on fire",
    )
    assert (create.operation, create.servicenow_number) == ("create", new["number"])
    assert {each["field"]: each["will"] for each in create.content["fields"]}["Subject"] == "Mailbox is full"
    assert b"Mailbox" not in bytes(create.content_sealed or b"Mailbox")


def test_applied_it_writes_what_was_planned_and_the_next_run_has_nothing_left(flow: Flow, pair: Pair) -> None:
    [old] = incidents(pair, 1)
    run_now(flow)
    pair.servicenow.edit("incident", old["sys_id"], short_description="Printer on fire")
    pair.servicenow.add("incident", short_description="Mailbox is full")
    plan = dry(flow)

    run = applied(plan)

    plan.refresh_from_db()
    assert (run.kind, run.lane, run.status, run.created, run.updated) == (
        "apply",
        "backfill",
        "succeeded",
        1,
        1,
    )
    assert (plan.stage, set(fates(plan).values())) == ("applied", {"applied"})
    assert subjects(pair) == ["Mailbox is full", "Printer on fire"]
    assert pair.salesforce.counters.duplicates == 0
    after = run_now(flow)
    assert (after.created, after.updated) == (0, 0)


def test_what_came_later_is_not_part_of_the_plan(flow: Flow, pair: Pair) -> None:
    [old] = incidents(pair, 1)
    run_now(flow)
    pair.servicenow.edit("incident", old["sys_id"], short_description="Printer on fire")
    plan = dry(flow)
    incidents(pair, 1)
    pair.servicenow.edit("incident", old["sys_id"], description="Third floor")

    applied(plan)

    [case] = pair.salesforce.rows("Case")
    assert (case["Subject"], case["Description"]) == ("Printer on fire", None)
    run_now(flow)
    assert len(pair.salesforce.rows("Case")) == 2
    assert "Third floor" in [case["Description"] for case in pair.salesforce.rows("Case")]


@pytest.mark.parametrize("which", ["target", "source"])
def test_what_moved_since_is_left_and_named_and_the_rest_is_written(
    flow: Flow, pair: Pair, which: str
) -> None:
    one, two = incidents(pair, 2)
    run_now(flow)
    for incident in (one, two):
        pair.servicenow.edit("incident", incident["sys_id"], short_description=f"{incident['number']} is out")
    plan = dry(flow)
    if which == "target":
        case = next(c for c in pair.salesforce.rows("Case") if c["ServiceNow_Sys_Id__c"] == one["sys_id"])
        pair.salesforce.edit("Case", case["Id"], Subject="Carol was here")
    else:
        pair.servicenow.edit("incident", one["sys_id"], short_description="Carol was here")

    run = applied(plan)

    assert fates(plan) == {one["number"]: "stale", two["number"]: "applied"}
    stale = PlanItem.objects.get(plan=plan, fate="stale")
    assert (stale.code, stale.moved) == ("MOVED", "Subject")
    expected = "Carol was here" if which == "target" else "Printer 0"
    assert subjects(pair) == sorted([expected, f"{two['number']} is out"])
    assert (run.status, run.error_code) == ("partial", "stale")
    assert not Waiting.objects.exists()


def test_a_record_that_somebody_made_or_took_away_meanwhile_is_left(flow: Flow, pair: Pair) -> None:
    one, two, three = incidents(pair, 3)
    plan = dry(flow)
    run_now(flow, kind="resync", ids=[one["sys_id"]])
    pair.servicenow.delete("incident", two["sys_id"])

    applied(plan)

    assert fates(plan) == {one["number"]: "stale", two["number"]: "stale", three["number"]: "applied"}
    assert subjects(pair) == ["Printer 0", "Printer 2"]
    assert pair.salesforce.counters.duplicates == 0


def test_a_record_that_exists_already_is_adopted_as_planned(flow: Flow, pair: Pair) -> None:
    [incident] = incidents(pair, 1)
    pair.salesforce.add("Case", Subject="Theirs", ServiceNow_Sys_Id__c=incident["sys_id"])
    pair.salesforce.skew_clock(timedelta(seconds=30))
    plan = dry(flow, kind="resync", ids=[incident["sys_id"]])
    assert plan.items.get().operation == "adopt"

    applied(plan)

    assert fates(plan) == {incident["number"]: "applied"}
    assert subjects(pair) == ["Printer 0"]


def test_a_pair_whose_record_was_deleted_is_closed_as_planned_and_not_if_it_came_back(
    transactional_db: None, pair: Pair
) -> None:
    closing = {"servicenow": "close", "close": {"salesforce": {"Status": "Closed"}}}
    both = make_both(pair, servicenow_enter="impact=1", options={"deletions": closing})
    one, two = incidents(pair, 2)
    run_now(both)
    pair.salesforce.skew_clock(timedelta(minutes=30))
    for incident in (one, two):
        pair.servicenow.delete("incident", incident["sys_id"])
    ids = [case["Id"] for case in pair.salesforce.rows("Case")]
    plan = dry(both, kind="resync", ids=ids)
    assert set(plan.items.values_list("operation", "field_names")) == {("update", "Status")}
    pair.servicenow.undelete("incident", two["sys_id"])

    applied(plan)

    closed = {case["ServiceNow_Sys_Id__c"]: case["Status"] for case in pair.salesforce.rows("Case")}
    assert closed == {one["sys_id"]: "Closed", two["sys_id"]: "New"}
    assert sorted(plan.items.values_list("fate", flat=True)) == ["applied", "stale"]


def test_both_sides_of_a_pair_are_planned_and_written(transactional_db: None, pair: Pair) -> None:
    both = make_both(pair, servicenow_enter="impact=1")
    [incident] = incidents(pair, 1)
    run_now(both)
    [case] = pair.salesforce.rows("Case")
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Printer is out")
    pair.salesforce.edit("Case", case["Id"], Status="Working")

    plan = dry(both)
    assert sorted(plan.items.values_list("side", "field_names")) == [
        ("salesforce", "Subject"),
        ("servicenow", "state"),
    ]
    applied(plan)

    assert set(plan.items.values_list("fate", flat=True)) == {"applied"}
    assert subjects(pair) == ["Printer is out"]
    assert pair.servicenow.rows("incident")[0]["state"] == "2"
    assert not Waiting.objects.exists()


def test_an_edit_between_the_look_and_the_write_is_not_overwritten(flow: Flow, pair: Pair) -> None:
    [incident] = incidents(pair, 1)
    run_now(flow)
    pair.salesforce.skew_clock(timedelta(seconds=30))  # its stamps are old enough to be trusted
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Printer is out")
    plan = dry(flow)
    pair.salesforce.fault("delay", method="POST", path="composite$", seconds=1.0)

    def work() -> None:
        applied(plan)
        connections.close_all()

    apply = threading.Thread(target=work)
    apply.start()
    await_that(lambda: pair.salesforce.counters.faults > 0)
    [case] = pair.salesforce.rows("Case")
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Theirs")
    apply.join()

    assert subjects(pair) == ["Theirs"]
    assert fates(plan) == {incident["number"]: "stale"}
    assert not Waiting.objects.exists()


def planned(flow: Flow, pair: Pair, count: int, *, create: bool) -> Plan:
    """Of so many incidents: to make their Cases, or to carry over an edit of each."""
    made = incidents(pair, count)
    if not create:
        run_now(flow)
        for incident in made:
            pair.servicenow.edit("incident", incident["sys_id"], description="Seen")
    return dry(flow)


@pytest.fixture
def worker(flow: Flow) -> Iterator[Worker]:
    with worker_on_the_test_database() as worker:
        yield worker


@pytest.mark.parametrize("create", [True, False])
def test_killed_between_a_write_and_its_record_it_goes_on_and_doubles_nothing(
    flow: Flow, pair: Pair, worker: Worker, create: bool
) -> None:
    plan = planned(flow, pair, 420, create=create)
    run = plans.apply_plan(plan=plan, by=None, enqueue=False)
    pair.salesforce.reset_counters()
    writes = (
        {"method": "POST", "path": "composite/sobjects$"}
        if create
        else {"method": "POST", "path": "composite$"}
    )
    pair.salesforce.fault("status", status=503, seconds=10, after=1, times=0, **writes)

    assert worker.killed_when(flow, lambda: pair.salesforce.counters.writes > 0, kind="apply")
    assert Intent.objects.exists()
    pair.salesforce.clear_faults()
    execute(run.pk)
    let_time_pass()
    run.refresh_from_db()

    assert run.status in ("succeeded", "partial")
    assert set(fates(plan).values()) == {"applied"}
    assert pair.salesforce.counters.duplicates == 0
    assert len(pair.salesforce.rows("Case")) == 420
    if not create:
        assert {case["Description"] for case in pair.salesforce.rows("Case")} == {"Seen"}
    after = run_now(flow)
    assert (after.created, after.updated) == (0, 0)


@pytest.mark.parametrize("create", [True, False])
def test_killed_and_cancelled_it_is_gone_on_with_by_applying_again_and_doubles_nothing(
    flow: Flow, pair: Pair, worker: Worker, create: bool
) -> None:
    plan = planned(flow, pair, 230, create=create)
    run = plans.apply_plan(plan=plan, by=None, enqueue=False)
    pair.salesforce.reset_counters()
    path = "composite/sobjects$" if create else "composite$"
    pair.salesforce.fault("status", status=503, seconds=10, after=1, times=0, method="POST", path=path)
    assert worker.killed_when(flow, lambda: pair.salesforce.counters.writes > 0, kind="apply")
    pair.salesforce.clear_faults()
    services.cancel_run(run=run, by=None)
    assert execute(run.pk).status == "cancelled"

    applied(plan)

    assert set(fates(plan).values()) == {"applied"}
    assert pair.salesforce.counters.duplicates == 0
    assert len(pair.salesforce.rows("Case")) == 230
    let_time_pass()
    after = run_now(flow)
    assert (after.created, after.updated) == (0, 0)


def test_killed_and_published_anew_it_stops_and_the_live_lane_settles_what_was_sent(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    incidents(pair, 230)
    plan = dry(flow)
    run = plans.apply_plan(plan=plan, by=None, enqueue=False)
    pair.salesforce.reset_counters()
    pair.salesforce.fault("status", status=503, seconds=10, after=1, times=0, method="POST", path="composite/sobjects$")  # fmt: skip
    assert worker.killed_when(flow, lambda: pair.salesforce.counters.writes > 0, kind="apply")
    pair.salesforce.clear_faults()
    sent = len(pair.salesforce.rows("Case"))
    flow.rows.filter(salesforce="Origin").update(value="Web")
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)

    assert execute(run.pk).error_code == "published_anew"

    assert len(pair.salesforce.rows("Case")) == sent < 230
    let_time_pass()
    run_now(flow)
    assert len(pair.salesforce.rows("Case")) == 230
    assert pair.salesforce.counters.duplicates == 0


@pytest.mark.parametrize(("create", "fault"), [(True, "reset_after"), (False, "execute_late")])
def test_an_answer_that_is_lost_doubles_nothing_and_what_became_of_it_is_found_out(
    flow: Flow, pair: Pair, create: bool, fault: str
) -> None:
    [incident] = incidents(pair, 1)
    if not create:
        run_now(flow)
        pair.salesforce.skew_clock(timedelta(seconds=30))
        pair.servicenow.edit("incident", incident["sys_id"], short_description="Printer is out")
    plan = dry(flow)
    pair.salesforce.fault(
        fault, method="POST", path="composite/sobjects$" if create else "composite$", seconds=0.3, times=1
    )

    run = applied(plan)

    assert fates(plan)[incident["number"]] in ("applied", "in_doubt")
    assert (run.status == "partial") == ("in_doubt" in fates(plan).values())
    let_time_pass()
    run_now(flow)
    after = run_now(flow)
    assert (after.created, after.updated, after.in_doubt) == (0, 0, 0)
    assert subjects(pair) == ["Printer 0" if create else "Printer is out"]
    assert pair.salesforce.counters.duplicates == 0


def test_a_record_that_was_deleted_where_it_would_be_written_does_not_come_back(
    flow: Flow, pair: Pair
) -> None:
    one, two = incidents(pair, 2)
    run_now(flow)
    for incident in (one, two):
        pair.servicenow.edit("incident", incident["sys_id"], short_description=f"{incident['number']} is out")
    plan = dry(flow)
    case = next(c for c in pair.salesforce.rows("Case") if c["ServiceNow_Sys_Id__c"] == one["sys_id"])
    pair.salesforce.delete("Case", case["Id"])

    run = applied(plan)

    assert fates(plan) == {one["number"]: "stale", two["number"]: "applied"}
    assert subjects(pair) == [f"{two['number']} is out"]
    assert run.status == "partial"


def beside_each_other(count: int, deed: Any) -> list[Any]:
    """What each of so many threads got, or was refused with."""
    got: list[Any] = []
    ready = threading.Barrier(count)

    def one() -> None:
        try:
            ready.wait()
            got.append(deed())
        except services.Refused as refused:
            got.append(refused)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_of_two_who_apply_at_once_one_does(flow: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    plan = dry(flow)

    got = beside_each_other(2, lambda: plans.apply_plan(plan=plan, by=None, enqueue=False))

    [run] = [each for each in got if isinstance(each, Run)]
    [refused] = [each for each in got if isinstance(each, services.Refused)]
    assert str(refused) == f"Run {run.pk:,} is applying it."
    execute(run.pk)
    assert subjects(pair) == ["Printer 0"]


def test_published_anew_while_it_waits_for_a_worker_nothing_of_it_is_written(flow: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    plan = dry(flow)
    run = plans.apply_plan(plan=plan, by=None, enqueue=False)
    flow.rows.filter(salesforce="Origin").update(value="Acme")
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)

    run = execute(run.pk)

    assert (run.status, run.error_code) == ("cancelled", "published_anew")
    assert subjects(pair) == []
    assert set(fates(plan).values()) == {"planned"}
    flow.refresh_from_db()
    assert (flow.paused_reason, flow.health) == ("", "healthy")  # it is the plan that is out of date
    with pytest.raises(services.Refused, match="published anew"):
        plans.apply_plan(plan=plan, by=None)


def test_a_plan_of_a_revision_that_was_rolled_back_stands_no_more(flow: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    flow.rows.filter(salesforce="Origin").update(value="Acme")
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)
    plan = dry(flow)
    first = flow.revisions.get(number=1)
    drafts.roll_back(revision=first, by=None, reason="Back", seen=drafts.way_back(first).digest)

    with pytest.raises(services.Refused, match="published anew"):
        plans.apply_plan(plan=plan, by=None)


# Approval


def person(name: str, *permissions: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def careful(flow: Flow) -> Flow:
    """A flow that demands approval."""
    flow.options = {**flow.options, plans.APPROVAL: True}
    flow.save(update_fields=["options"])
    services.publish_flow(flow=flow, by=None)
    return Flow.objects.get(pk=flow.pk)


def asked_by(flow: Flow, user: User) -> Plan:
    with acting_as(Actor(user_id=user.pk, name=user.username, ip="10.0.0.7")):
        run = services.request_run(flow=flow, by=user, mode=RunMode.DRY, enqueue=False)
    return Plan.objects.get(run=execute(run.pk))


def test_a_plan_is_applied_only_after_somebody_else_approved_it(careful: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    alice = person("alice", "run_flow", "apply_plan", "approve_plan")
    bob = person("bob", "approve_plan")
    plan = asked_by(careful, alice)

    with pytest.raises(services.Refused, match="demands that somebody else approves"):
        plans.apply_plan(plan=plan, by=alice, enqueue=False)
    with pytest.raises(services.Refused, match="You asked for this plan"):
        plans.approve(plan=plan, by=alice)
    with acting_as(Actor(user_id=bob.pk, name="bob", ip="10.0.0.8")):
        plans.approve(plan=plan, by=bob)

    execute(plans.apply_plan(plan=plan, by=alice, enqueue=False).pk)
    assert subjects(pair) == ["Printer 0"]
    entry = AuditEntry.objects.get(action="plan.approved")
    assert entry.actor_name == "bob"


def test_approving_and_applying_take_permissions_of_their_own(careful: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    plan = asked_by(careful, person("alice", "run_flow"))
    carol = person("carol", "run_flow", "resync_flow", "publish_flow")

    for deed in (plans.approve, plans.apply_plan):
        with pytest.raises(PermissionDenied):
            deed(plan=plan, by=carol)


def test_turning_the_demand_off_in_the_draft_frees_no_plan(careful: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    plan = asked_by(careful, person("alice", "run_flow"))
    Flow.objects.filter(pk=careful.pk).update(options={})

    with pytest.raises(services.Refused, match="demands"):
        plans.apply_plan(plan=plan, by=None, enqueue=False)


def test_a_plan_of_an_older_mapping_and_one_that_was_applied_stand_no_more(flow: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    first, second = dry(flow), dry(flow)
    applied(first)
    with pytest.raises(services.Refused, match="applied already"):
        plans.apply_plan(plan=first, by=None)
    flow.rows.filter(salesforce="Origin").update(value="Acme")
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)

    with pytest.raises(services.Refused, match="published anew"):
        plans.apply_plan(plan=second, by=None)
    assert Run.objects.filter(kind="apply").count() == 1


def test_what_was_begun_before_anybody_demanded_approval_is_not_gone_on_with_without_it(
    flow: Flow, pair: Pair
) -> None:
    incidents(pair, 1)
    alice, bob = person("alice", "run_flow", "apply_plan", "cancel_run"), person("bob", "approve_plan")
    plan = asked_by(flow, alice)
    services.cancel_run(run=plans.apply_plan(plan=plan, by=alice, enqueue=False), by=alice)
    Flow.objects.filter(pk=flow.pk).update(options={**flow.options, plans.APPROVAL: True})

    assert list(plans.awaiting_approval()) == [plan]
    with pytest.raises(services.Refused, match="demands that somebody else approves"):
        plans.apply_plan(plan=plan, by=alice, enqueue=False)
    plans.approve(plan=plan, by=bob)
    assert not plans.awaiting_approval()

    execute(plans.apply_plan(plan=plan, by=alice, enqueue=False).pk)
    assert subjects(pair) == ["Printer 0"]


def test_those_that_wait_are_the_ones_that_somebody_could_approve(careful: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    alice, bob = person("alice", "run_flow"), person("bob", "approve_plan")
    first, second = asked_by(careful, alice), asked_by(careful, alice)
    assert set(plans.awaiting_approval()) == {first, second}

    plans.approve(plan=first, by=bob)
    assert list(plans.awaiting_approval()) == [second]
    Flow.objects.filter(pk=careful.pk).update(options={})  # the published revision still demands it
    assert list(plans.awaiting_approval()) == [second]
    services.publish_flow(flow=Flow.objects.get(pk=careful.pk), by=None)
    assert not plans.awaiting_approval()


def test_of_two_who_approve_at_once_one_is_noted(careful: Flow, pair: Pair) -> None:
    incidents(pair, 1)
    plan = asked_by(careful, person("alice", "run_flow"))
    bob = person("bob", "approve_plan")

    got = beside_each_other(2, lambda: plans.approve(plan=plan, by=bob))

    assert sorted(str(each) for each in got) == ["None", "bob has approved it already."]
    assert AuditEntry.objects.filter(action="plan.approved").count() == 1
