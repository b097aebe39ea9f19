"""Records that are deleted, restored, or merely vanish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync.models import Conflict, DeadLetter, Event, Flow, Intent, RecordLink, Waiting
from sync.models.link import LinkState
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now
from tests.engine.killing import let_time_pass

CLOSE = {"salesforce": {"Status": "Closed"}, "servicenow": {"state": "7", "close_code": "Solution provided", "close_notes": "Gone"}}  # fmt: skip

SUBJECT = {"servicenow": "short_description", "salesforce": "Subject"}


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    def make(deletions: dict[str, Any] | None = None, **changes: Any) -> Flow:
        return make_both(pair, options={"deletions": deletions} if deletions else {}, **changes)

    return make


def a_pair(flow: Flow, pair: Pair) -> tuple[str, str]:
    incident = pair.servicenow.add("incident", short_description="Printer on fire", state="2")
    run_now(flow)
    (case,) = pair.salesforce.rows("Case")
    return incident["sys_id"], case["Id"]


def state() -> str:
    return str(RecordLink.objects.get().state)


def writes(pair: Pair) -> int:
    return int(pair.servicenow.counters.writes + pair.salesforce.counters.writes)


def at_rest(flow: Flow, pair: Pair) -> None:
    before = writes(pair)
    run_now(flow)
    assert writes(pair) == before


def test_a_deleted_incident_closes_its_case(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both({"servicenow": "close", "close": CLOSE})
    incident, _ = a_pair(flow, pair)
    pair.servicenow.delete("incident", incident)

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert (case["Status"], state(), run.deleted) == ("Closed", LinkState.DELETED_IN_SERVICENOW, 1)
    assert "policy: close" in Event.objects.filter(outcome="deleted").get().detail["notes"][0]
    at_rest(flow, pair)
    assert not pair.servicenow.rows("incident")


def test_a_deleted_case_deletes_its_incident_where_the_policy_says_so(
    both: Callable[..., Flow], pair: Pair
) -> None:
    pair.servicenow.turn(itil_deletes_incidents=True)
    flow = both({"salesforce": "delete"})
    _, case = a_pair(flow, pair)
    pair.salesforce.delete("Case", case)

    run_now(flow)

    assert not pair.servicenow.rows("incident")
    assert state() == LinkState.DELETED_IN_SALESFORCE
    at_rest(flow, pair)
    assert not pair.salesforce.rows("Case")


@pytest.mark.parametrize(
    ("policy", "left"), [("unlink", LinkState.UNLINKED), ("ignore", LinkState.DELETED_IN_SERVICENOW)]
)
def test_the_record_that_is_left_is_left_alone(
    both: Callable[..., Flow], pair: Pair, policy: str, left: str
) -> None:
    flow = both({"servicenow": policy})
    incident, case = a_pair(flow, pair)
    pair.servicenow.delete("incident", incident)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="On my own")

    run_now(flow)

    assert state() == left
    assert not DeadLetter.objects.filter(state="open").exists()
    at_rest(flow, pair)
    assert not pair.servicenow.rows("incident")


def test_a_restored_record_brings_its_pair_back_to_life(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both({"salesforce": "close", "close": CLOSE})
    incident, case = a_pair(flow, pair)
    pair.salesforce.delete("Case", case)
    run_now(flow)
    assert pair.servicenow.rows("incident")[0]["state"] == "7"
    pair.salesforce.undelete("Case", case)

    run_now(flow)

    assert state() == LinkState.ACTIVE
    assert RecordLink.objects.get().servicenow_id == incident
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Back again")
    run_now(flow)
    assert pair.servicenow.rows("incident")[0]["short_description"] == "Back again"
    assert not Conflict.objects.filter(state="open").exists()


def test_what_only_the_record_that_is_left_ever_held_is_on_record_before_it_is_deleted(
    both: Callable[..., Flow], pair: Pair
) -> None:
    rows = (SUBJECT, {"servicenow": "description", "salesforce": "Description", "direction": "to_salesforce"})
    flow = both(
        {"servicenow": "delete"}, rows=rows, create_in_servicenow=True, salesforce_enter="Subject != null",
        servicenow_enter="short_descriptionISNOTEMPTY",
    )  # fmt: skip
    pair.salesforce.add("Case", Subject="Printer on fire", Description="Only in the Case", Status="New")
    run_now(flow)
    (incident,) = pair.servicenow.rows("incident")
    assert incident["description"] == ""
    pair.servicenow.delete("incident", incident["sys_id"])

    run_now(flow)

    assert not pair.salesforce.rows("Case")
    (gone,) = Conflict.objects.filter(field="Description")
    assert (gone.rule, gone.values["salesforce"]) == ("policy: delete", "Only in the Case")


def test_a_pair_lives_again_although_its_records_came_back_one_after_the_other(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both({"servicenow": "ignore", "salesforce": "unlink"})
    incident, case = a_pair(flow, pair)
    pair.servicenow.delete("incident", incident)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Printer still on fire")
    run_now(flow)
    assert state() == LinkState.DELETED_IN_SERVICENOW
    pair.salesforce.delete("Case", case)
    pair.servicenow.undelete("incident", incident)
    run_now(flow)
    assert state() == LinkState.DELETED_IN_SALESFORCE
    assert "stays on its own" in Event.objects.latest("at").detail["notes"][0]

    pair.salesforce.undelete("Case", case)
    run_now(flow)

    assert state() == LinkState.ACTIVE
    at_rest(flow, pair)


def test_of_a_pair_whose_records_are_both_deleted_nothing_is_left_for_a_person(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both({"servicenow": "close", "salesforce": "close", "close": CLOSE}, conflict="ask")
    incident, case = a_pair(flow, pair)
    pair.servicenow.edit(
        "incident", incident, by="fred.luddy", short_description="Says Fred", state="8", close_code="Gone",
        close_notes="Gone",
    )  # fmt: skip
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Says Abel")
    run_now(flow)
    assert Conflict.objects.get().state == "open"
    assert DeadLetter.objects.get().state == "open"
    pair.servicenow.delete("incident", incident)
    pair.salesforce.delete("Case", case)

    run_now(flow)

    assert (Conflict.objects.get().state, DeadLetter.objects.get().state) == ("gone", "closed")
    assert state() == LinkState.DELETED_IN_SERVICENOW
    at_rest(flow, pair)


def test_a_record_that_merely_vanished_is_not_taken_for_a_deleted_one(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both({"salesforce": "delete", "servicenow": "delete"})
    incident, case = a_pair(flow, pair)
    pair.servicenow.platform.access.hidden_rows.add(incident)
    pair.salesforce.edit("Case", case, by="abel.tuter", Subject="Still here")

    run_now(flow)

    assert len(pair.salesforce.rows("Case")) == 1
    assert DeadLetter.objects.get(state="open").code == "COUNTERPART_NOT_VISIBLE"
    assert state() == LinkState.ACTIVE


def test_a_sudden_shrinkage_pauses_deletions_until_a_person_allows_it(
    both: Callable[..., Flow], pair: Pair
) -> None:
    from sync import services

    flow = both({"servicenow": "delete"})
    for number in range(20):
        pair.servicenow.add("incident", short_description=f"Ticket {number}")
    run_now(flow)
    let_time_pass()
    for row in pair.servicenow.rows("incident")[:12]:
        pair.servicenow.delete("incident", row["sys_id"])

    run_now(flow)

    flow.refresh_from_db()
    assert "12 records disappeared from ServiceNow" in flow.deletions_paused
    assert len(pair.salesforce.rows("Case")) == 20
    services.allow_deletions(flow=flow, by=None)
    run_now(flow)
    assert len(pair.salesforce.rows("Case")) == 8
    flow.refresh_from_db()
    assert (flow.deletions_paused, flow.deletions_allowance) == ("", 0)


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "truncated"])
def test_a_deletion_without_answer_is_carried_over_once(
    both: Callable[..., Flow], pair: Pair, kind: str
) -> None:
    flow = both({"servicenow": "delete"})
    incident, _ = a_pair(flow, pair)
    let_time_pass()
    pair.servicenow.delete("incident", incident)
    pair.salesforce.fault(kind, method="DELETE")

    run_now(flow)
    run_now(flow)

    assert not pair.salesforce.rows("Case")
    assert state() == LinkState.DELETED_IN_SERVICENOW
    at_rest(flow, pair)


def test_what_was_made_a_moment_ago_is_deleted_once_no_request_can_make_it_again(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both({"servicenow": "delete"})
    incident, _ = a_pair(flow, pair)
    pair.servicenow.delete("incident", incident)

    run_now(flow)

    assert len(pair.salesforce.rows("Case")) == 1
    assert "may still be executed" in Waiting.objects.get().message
    let_time_pass()
    run_now(flow)
    assert not pair.salesforce.rows("Case")
    assert state() == LinkState.DELETED_IN_SERVICENOW


@pytest.mark.parametrize("policy", ["ignore", "close"])
def test_a_case_that_was_deleted_before_its_create_was_answered_is_not_made_again(
    both: Callable[..., Flow], pair: Pair, policy: str
) -> None:
    flow = both({"salesforce": policy, "close": CLOSE})
    pair.servicenow.add("incident", short_description="Printer on fire", state="2")
    pair.salesforce.fault("reset_after", method="POST", path="composite/sobjects$")
    pair.salesforce.fault("status", status=503, path="query.*ServiceNow_Sys_Id__c", times=40)
    run_now(flow)
    pair.salesforce.clear_faults()
    (case,) = pair.salesforce.rows("Case")
    assert not RecordLink.objects.exists()
    pair.salesforce.delete("Case", case["Id"])
    let_time_pass()

    run_now(flow)

    assert not pair.salesforce.rows("Case")
    (incident,) = pair.servicenow.rows("incident")
    assert (incident["state"], state()) == (
        "7" if policy == "close" else "2",
        LinkState.DELETED_IN_SALESFORCE,
    )
    assert not Intent.objects.exists()
    at_rest(flow, pair)


@pytest.mark.parametrize("deleted", ["incident", "Case"])
def test_of_a_one_way_flow_a_deletion_on_either_side_ends_the_pair(
    both: Callable[..., Flow], pair: Pair, deleted: str
) -> None:
    flow = both({"servicenow": "close", "salesforce": "unlink", "close": CLOSE}, direction="to_salesforce")
    incident, case = a_pair(flow, pair)
    if deleted == "incident":
        pair.servicenow.delete("incident", incident)
    else:
        pair.salesforce.delete("Case", case)

    run_now(flow)

    assert state() == (LinkState.DELETED_IN_SERVICENOW if deleted == "incident" else LinkState.UNLINKED)
    assert [row["Status"] for row in pair.salesforce.rows("Case")] == (
        ["Closed"] if deleted == "incident" else []
    )
    at_rest(flow, pair)


def test_a_restored_case_of_a_one_way_flow_is_followed_from_its_incidents_next_change(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both({"salesforce": "ignore"}, direction="to_salesforce")
    incident, case = a_pair(flow, pair)
    pair.salesforce.delete("Case", case)
    pair.servicenow.edit("incident", incident, short_description="Edited while it was gone")
    run_now(flow)
    assert state() == LinkState.DELETED_IN_SALESFORCE
    pair.salesforce.undelete("Case", case)
    pair.servicenow.edit("incident", incident, short_description="Printer is wet now")

    run_now(flow)

    assert state() == LinkState.ACTIVE
    assert [row["Subject"] for row in pair.salesforce.rows("Case")] == ["Printer is wet now"]
