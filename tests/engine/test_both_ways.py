"""Both ways: what people change on either side reaches the other, and nothing goes round in circles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from sync import services
from sync.core.records import Side
from sync.engine.context import derived_sys_id
from sync.engine.execute import execute
from sync.models import Conflict, Connection, DeadLetter, Flow, Intent, RecordLink, Run
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.settings import Automation
from tests.engine.both import ROWS, make_both
from tests.engine.conftest import run_now
from tests.engine.killing import let_time_pass


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    return lambda **changes: make_both(pair, **changes)


def the_case(pair: Pair) -> dict[str, Any]:
    (case,) = pair.salesforce.rows("Case")
    return dict(case)


def the_incident(pair: Pair) -> dict[str, Any]:
    (incident,) = pair.servicenow.rows("incident")
    return dict(incident)


def a_pair(flow: Flow, pair: Pair, **fields: Any) -> tuple[str, str]:
    """An incident that has become a Case, at rest; their ids."""
    incident = pair.servicenow.add("incident", **{"short_description": "Printer on fire", **fields})
    run_now(flow)
    return incident["sys_id"], the_case(pair)["Id"]


def quiet(flow: Flow, pair: Pair) -> Run:
    """A run that must write nothing on either side."""
    pair.servicenow.reset_counters()
    pair.salesforce.reset_counters()
    run = run_now(flow)
    assert (pair.servicenow.counters.writes, pair.salesforce.counters.writes) == (0, 0)
    return run


def test_a_newborn_case_comes_to_rest_at_once(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    a_pair(flow, pair)

    run = quiet(flow, pair)

    assert run.status == "succeeded"
    assert (run.updated, run.conflicts) == (0, 0)


def test_an_edit_of_the_case_reaches_the_incident(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Printer is wet now")

    run = run_now(flow)

    assert the_incident(pair)["short_description"] == "Printer is wet now"
    assert run.directions["to_servicenow"]["updated"] == 1
    quiet(flow, pair)


def test_edits_of_different_fields_on_both_sides_both_arrive(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="From the customer desk")
    pair.servicenow.edit("incident", incident, by="fred.luddy", description="From the service desk")

    run = run_now(flow)

    assert the_incident(pair)["short_description"] == "From the customer desk"
    assert the_case(pair)["Description"] == "From the service desk"
    assert run.conflicts == 0
    quiet(flow, pair)


def test_a_closed_case_resolves_its_incident_with_code_and_notes(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Status="Closed")

    run_now(flow)

    incident = the_incident(pair)
    assert incident["state"] == "6"
    assert incident["close_code"] == "Solution provided"
    assert incident["close_notes"] == "Closed by the customer desk"
    quiet(flow, pair)


def test_a_reopened_case_reopens_its_incident(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Status="Closed")
    run_now(flow)
    pair.salesforce.edit("Case", case, by="abel.tuter", Status="Working")

    run_now(flow)

    assert the_incident(pair)["state"] == "2"
    quiet(flow, pair)


def test_a_resolved_incident_closes_its_case(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    pair.servicenow.edit("incident", incident, by="fred.luddy", state="6", close_code="Solution provided", close_notes="Put out")  # fmt: skip

    run_now(flow)

    assert the_case(pair)["Status"] == "Closed"
    quiet(flow, pair)


def test_a_move_that_the_other_side_cannot_see_is_not_sent_back(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair, state="2")
    pair.salesforce.edit("Case", case, by="abel.tuter", Status="Escalated")

    run_now(flow)
    run_now(flow)

    assert (the_incident(pair)["state"], the_case(pair)["Status"]) == ("2", "Escalated")


def test_priority_is_written_as_impact_and_urgency(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    _, case = a_pair(flow, pair, impact="3", urgency="3")
    pair.salesforce.edit("Case", case, by="abel.tuter", Priority="Critical")

    run_now(flow)

    incident = the_incident(pair)
    assert (incident["impact"], incident["urgency"], incident["priority"]) == ("1", "1", "1")
    quiet(flow, pair)


def test_an_owner_becomes_the_assignee_and_a_queue_the_group(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    users = {row["Username"]: row["Id"] for row in pair.salesforce.rows("User")}
    queues = {row["DeveloperName"]: row["Id"] for row in pair.salesforce.rows("Group")}
    fred = next(row["sys_id"] for row in pair.servicenow.rows("sys_user", user_name="fred.luddy"))
    hardware = next(row["sys_id"] for row in pair.servicenow.rows("sys_user_group", name="Hardware"))

    pair.salesforce.edit("Case", case, by="abel.tuter", OwnerId=users["fred.luddy@acme.example"])
    run_now(flow)
    assert the_incident(pair)["assigned_to"] == fred
    quiet(flow, pair)

    pair.salesforce.edit("Case", case, by="abel.tuter", OwnerId=queues["Hardware_Queue"])
    run_now(flow)
    incident = the_incident(pair)
    assert (incident["assigned_to"], incident["assignment_group"]) == ("", hardware)
    quiet(flow, pair)


def test_an_escalated_case_becomes_an_incident_and_carries_its_key(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(
        create_in_servicenow=True, servicenow_enter="active=true^severity=1", salesforce_enter="IsEscalated = true"
    )  # fmt: skip
    pair.salesforce.add("Case", by="abel.tuter", Subject="Quiet", Priority="Low")
    wanted = pair.salesforce.add(
        "Case", by="abel.tuter", Subject="Loud", Priority="High", IsEscalated=True, Description="Now!"
    )

    run = run_now(flow)

    incident = the_incident(pair)
    assert (incident["short_description"], incident["description"]) == ("Loud", "Now!")
    assert (incident["impact"], incident["urgency"]) == ("1", "2")
    assert run.directions["to_servicenow"]["created"] == 1
    case = next(iter(pair.salesforce.rows("Case", Id=wanted["Id"])))
    assert case["ServiceNow_Sys_Id__c"] == incident["sys_id"]
    assert case["ServiceNow_Number__c"] == incident["number"]
    link = RecordLink.objects.get()
    assert (link.born_in, link.salesforce_number) == ("salesforce", wanted["CaseNumber"])
    assert link.servicenow_number == incident["number"]
    quiet(flow, pair)
    assert len(pair.salesforce.rows("Case")) == 2


@pytest.mark.parametrize("key", ["sys_id", "field"])
@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "truncated"])
def test_a_create_in_servicenow_without_answer_makes_one_incident(
    both: Callable[..., Flow], pair: Pair, kind: str, key: str
) -> None:
    if key == "field" and kind == "reset_before":
        pytest.skip("stays in doubt until the platform can no longer execute it")
    flow = both(create_in_servicenow=True, servicenow_enter="severity=1", salesforce_enter="IsEscalated = true", servicenow_key=key, servicenow_key_field="correlation_id")  # fmt: skip
    pair.salesforce.add("Case", by="abel.tuter", Subject="Loud", IsEscalated=True)
    pair.servicenow.fault(kind, method="POST", path="table/incident")

    run_now(flow)
    run_now(flow)

    assert the_incident(pair)["short_description"] == "Loud"
    assert RecordLink.objects.count() == 1
    assert the_case(pair)["ServiceNow_Sys_Id__c"] == the_incident(pair)["sys_id"]
    assert not Intent.objects.exists()
    quiet(flow, pair)


def test_what_another_flow_of_these_ends_is_making_gets_no_counterpart_from_this_one(
    both: Callable[..., Flow], pair: Pair
) -> None:
    making = both(
        create_in_servicenow=True, create_in_salesforce=False, salesforce_enter="IsEscalated = true"
    )
    beside = both(name="beside", direction="to_salesforce", servicenow_enter="active=true")
    run_now(making)
    case = pair.salesforce.add("Case", by="abel.tuter", Subject="Loud", IsEscalated=True)["Id"]
    wanted = derived_sys_id(Connection.objects.get(name="acme-salesforce").org_id, case)
    pair.servicenow.fault("reset_after", method="POST", path="table/incident")
    pair.servicenow.fault("status", status=503, method="GET", path=wanted, times=0)

    run_now(making)
    assert (the_incident(pair)["sys_id"], Intent.objects.count()) == (wanted, 1)
    assert run_now(beside).created == 0
    pair.servicenow.clear_faults()
    let_time_pass()
    run_now(making)

    assert the_case(pair)["ServiceNow_Sys_Id__c"] == wanted
    assert RecordLink.objects.get().flow == making
    quiet(beside, pair)


def test_both_sides_changed_the_same_field_and_a_person_is_asked(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")

    run_now(flow)

    conflict = Conflict.objects.get()
    assert conflict.state == "open"
    assert (conflict.values["servicenow"], conflict.values["salesforce"]) == ("Ours", "Theirs")
    assert conflict.values["servicenow_by"] == "fred.luddy"
    assert (the_incident(pair)["short_description"], the_case(pair)["Subject"]) == ("Ours", "Theirs")
    quiet(flow, pair)
    assert Conflict.objects.count() == 1


def test_the_side_that_the_policy_names_wins_and_the_other_value_is_on_record(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="salesforce")
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")

    run_now(flow)

    assert (the_incident(pair)["short_description"], the_case(pair)["Subject"]) == ("Theirs", "Theirs")
    conflict = Conflict.objects.get()
    assert (conflict.state, conflict.values["servicenow"]) == ("by_rule", "Ours")
    quiet(flow, pair)


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "truncated"])
def test_an_update_of_an_incident_without_answer_settles(
    both: Callable[..., Flow], pair: Pair, kind: str
) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="From the customer desk")
    pair.servicenow.fault(kind, method="PATCH", path="table/incident")

    run = run_now(flow)

    if kind == "reset_before":
        assert run.in_doubt == 1
        assert the_incident(pair)["short_description"] == "Printer on fire"
    else:
        run_now(flow)
        assert the_incident(pair)["short_description"] == "From the customer desk"
        assert not Intent.objects.exists()
        assert not Conflict.objects.exists()


def test_a_value_that_servicenow_drops_without_a_word_is_named_and_not_sent_again(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    entry = flow.rows.get(salesforce="Status").value_map.entries.get(salesforce="Escalated")
    entry.servicenow = "44"  # no such choice
    entry.save()
    services.publish_flow(flow=flow, by=None)
    pair.salesforce.edit("Case", case, by="abel.tuter", Status="Escalated")

    run = run_now(flow)

    letter = DeadLetter.objects.get()
    assert (run.failed, letter.code, letter.field) == (1, "REFUSED_SILENTLY", "state")
    assert the_case(pair)["Status"] == "Escalated"
    quiet(flow, pair)
    assert DeadLetter.objects.get(state="open").attempts == 1
    pair.salesforce.edit("Case", case, by="abel.tuter", Status="On Hold")
    run_now(flow)
    assert the_incident(pair)["state"] == "3"
    assert not DeadLetter.objects.filter(state="open").exists()


def resolve(side: Side) -> None:
    services.resolve_conflicts(conflicts=Conflict.objects.filter(state="open"), side=side, by=None)
    execute(Run.objects.active().get().pk)


@pytest.mark.parametrize(("side", "value"), [(Side.SERVICENOW, "Ours"), (Side.SALESFORCE, "Theirs")])
def test_resolving_a_conflict_writes_exactly_the_choice(
    both: Callable[..., Flow], pair: Pair, side: Side, value: str
) -> None:
    flow = both(conflict="ask")
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    run_now(flow)

    resolve(side)

    assert (the_incident(pair)["short_description"], the_case(pair)["Subject"]) == (value, value)
    assert Conflict.objects.get().state == "resolved"
    quiet(flow, pair)


def test_a_choice_holds_only_for_the_values_that_the_person_saw(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(conflict="ask")
    incident, case = a_pair(flow, pair)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    run_now(flow)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs, once more")

    resolve(Side.SERVICENOW)

    conflict = Conflict.objects.get()
    assert (conflict.state, conflict.choice) == ("open", "")
    assert conflict.values["salesforce"] == "Theirs, once more"
    assert the_case(pair)["Subject"] == "Theirs, once more"


def test_an_edit_between_look_and_write_is_not_overwritten(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both(conflict="salesforce")
    incident, case = a_pair(flow, pair)
    pair.salesforce.skew_clock(timedelta(seconds=30))  # its stamps are old enough to be trusted
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    pair.salesforce.fault("delay", method="POST", path="composite$", seconds=1.0)
    run = threading.Thread(target=lambda: (run_now(flow), connections.close_all()))
    run.start()
    deadline = time.monotonic() + 10
    while not pair.salesforce.counters.faults:
        assert time.monotonic() < deadline, "the delayed call never came"
        time.sleep(0.01)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Theirs")
    run.join()
    run_now(flow)

    assert (the_incident(pair)["short_description"], the_case(pair)["Subject"]) == ("Theirs", "Theirs")
    assert [conflict.values["servicenow"] for conflict in Conflict.objects.all()] == ["Ours"]


def test_automation_on_both_sides_against_each_other_is_stopped_and_named(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    pair.salesforce.platform.settings = replace(
        pair.salesforce.platform.settings, automations=(Automation("Case", "Subject", "Theirs"),)
    )
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")
    for _round in range(6):
        run_now(flow)
        if the_incident(pair)["short_description"] == "Theirs":  # a business rule puts it back
            pair.servicenow.edit("incident", incident, by="sync.user", short_description="Ours")

    letter = DeadLetter.objects.get(state="open")
    assert letter.code in ("FIELD_ALTERNATES", "COMES_BACK_DIFFERENT")
    assert letter.field in ("Subject", "short_description")
    quiet(flow, pair)


def test_a_one_way_field_that_automation_changes_after_each_restoring_is_left_alone_and_named(
    both: Callable[..., Flow], pair: Pair
) -> None:
    rows = tuple({**row, "direction": "to_salesforce"} for row in ROWS[:2])
    flow = both(rows=rows, drift="restore")
    incident, _ = a_pair(flow, pair)
    pair.salesforce.platform.settings = replace(
        pair.salesforce.platform.settings, automations=(Automation("Case", "Subject", "Theirs"),)
    )
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Ours")

    for _round in range(6):
        run_now(flow)

    letter = DeadLetter.objects.get(state="open")
    assert (letter.code, letter.field) == ("COMES_BACK_DIFFERENT", "Subject")
    quiet(flow, pair)


def test_a_flow_to_servicenow_alone_leaves_salesforce_untouched(
    both: Callable[..., Flow], pair: Pair
) -> None:
    rows = tuple({**row, "direction": ""} for row in ROWS if row.get("direction") != "to_salesforce")
    flow = both(
        rows=rows, direction="to_servicenow", create_in_salesforce=False, create_in_servicenow=True,
        salesforce_enter="IsEscalated = true",
    )  # fmt: skip
    case = pair.salesforce.add("Case", by="abel.tuter", Subject="Loud", IsEscalated=True)
    pair.servicenow.add("incident", short_description="Not ours to copy")
    pair.salesforce.reset_counters()
    run_now(flow)
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", Subject="Louder", IsEscalated=False)

    run = run_now(flow)

    assert {row["short_description"] for row in pair.servicenow.rows("incident")} == {
        "Louder",
        "Not ours to copy",
    }
    assert (run.updated, pair.salesforce.counters.writes) == (1, 0)
    quiet(flow, pair)


def test_records_that_meet_for_the_first_time_follow_the_adopt_policy(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both(adopt="salesforce")
    incident = pair.servicenow.add("incident", short_description="Ours", description="Only here")
    pair.salesforce.add("Case", by="abel.tuter", Subject="Theirs", ServiceNow_Sys_Id__c=incident["sys_id"])

    run_now(flow)

    assert the_incident(pair)["short_description"] == "Theirs"
    assert RecordLink.objects.count() == 1
    quiet(flow, pair)
