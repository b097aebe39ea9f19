"""Desks: which one a pair belongs to, which one has it, and what happens when a person hands it over."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from mappings.models import Desk, Route, RoutingTable
from sync import handing, services
from sync.actor import Actor, acting_as
from sync.models import AuditEntry, Event, Flow, HandOver, Placement, RecordLink, Waiting
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now

WORK_NOTES = {"comments": {"work_notes": {"salesforce": "unpublished_comment"}}}
DESKS = (("Network", "Network_Queue"), ("Hardware", "Hardware_Queue"), ("Service Desk", "Service_Desk"))


@pytest.fixture
def flow(transactional_db: None, pair: Pair) -> Flow:
    table = RoutingTable.objects.create(name="desks")
    for position, (group, queue) in enumerate(DESKS):
        Desk.objects.create(table=table, position=position, name=group, servicenow=group, salesforce=queue)
    for position, desk in enumerate(("network", "hardware")):
        Route.objects.create(
            table=table, position=position, side="servicenow", field="category", value=desk, desk=desk.title()
        )
    return make_both(pair, routing_table=table, options=WORK_NOTES)


def group(pair: Pair, name: str) -> str:
    return str(pair.servicenow.rows("sys_user_group", name=name)[0]["sys_id"])


def queue(pair: Pair, name: str) -> str:
    return str(pair.salesforce.rows("Group", DeveloperName=name)[0]["Id"])


def incident(pair: Pair, sys_id: str) -> dict[str, Any]:
    return dict(pair.servicenow.rows("incident", sys_id=sys_id)[0])


def case(pair: Pair, sys_id: str) -> dict[str, Any]:
    return dict(pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=sys_id)[0])


def add(pair: Pair, **fields: str) -> str:
    return str(pair.servicenow.add("incident", short_description="No network", **fields)["sys_id"])


def placed(sys_id: str) -> tuple[str, str, str, bool]:
    row = Placement.objects.get(link__servicenow_id=sys_id)
    return row.belongs, row.here, row.there, row.wrong


def link(sys_id: str) -> RecordLink:
    return RecordLink.objects.select_related("flow").get(servicenow_id=sys_id)


def notes(pair: Pair, sys_id: str) -> tuple[list[str], list[str]]:
    """What both records were told of hand-overs, without the line that says who and when."""
    here = pair.servicenow.rows("sys_journal_field", element_id=sys_id, element="work_notes")
    there = pair.salesforce.rows("CaseComment", ParentId=case(pair, sys_id)["Id"])
    return (
        [row["value"].split("\n", 1)[1] for row in here],
        [row["CommentBody"].split("\n", 1)[1] for row in there if not row["IsPublished"]],
    )


def hand_over(sys_id: str, to: str, reason: str = "They have the cables.") -> HandOver:
    with acting_as(Actor(name="Alice")):
        return handing.hand_over(link=link(sys_id), to=to, reason=reason, by=None, enqueue=False)


def test_a_pair_on_the_wrong_desk_is_known_by_its_category_although_no_row_maps_it(
    flow: Flow, pair: Pair
) -> None:
    wrong = add(pair, category="network", assignment_group=group(pair, "Hardware"))
    right = add(pair, category="hardware", assignment_group=group(pair, "Hardware"))
    free = add(pair, category="inquiry", assignment_group=group(pair, "Hardware"))

    run_now(flow)

    assert placed(wrong) == ("Network", "Hardware", "Hardware", True)
    assert placed(right) == ("Hardware", "Hardware", "Hardware", False)
    assert placed(free) == ("", "Hardware", "Hardware", False)

    pair.servicenow.edit("incident", right, by="beth.anglin", category="network")
    assert run_now(flow).updated == 0
    assert placed(right) == ("Network", "Hardware", "Hardware", True)


def test_a_hand_over_gives_both_records_to_the_desk_and_leaves_one_note_on_each(
    flow: Flow, pair: Pair
) -> None:
    fred = pair.servicenow.rows("sys_user", user_name="fred.luddy")[0]["sys_id"]
    sys_id = add(pair, category="network", assignment_group=group(pair, "Hardware"), assigned_to=fred)
    run_now(flow)

    hand_over(sys_id, "Network")
    assert run_now(flow).status == "succeeded"

    assert (incident(pair, sys_id)["assignment_group"], incident(pair, sys_id)["assigned_to"]) == (
        group(pair, "Network"),
        "",
    )
    assert case(pair, sys_id)["OwnerId"] == queue(pair, "Network_Queue")
    told = "Handed over from Hardware to Network. They have the cables."
    assert notes(pair, sys_id) == ([told], [told])
    head = pair.servicenow.rows("sys_journal_field", element_id=sys_id, element="work_notes")[0]["value"]
    assert head.startswith("Alice · ")
    assert " UTC · Integration Console [sync:" in head
    assert placed(sys_id) == ("Network", "Network", "Network", False)
    assert HandOver.objects.get().state == "done"
    assert "Handed over to Network by Alice." in str(
        [event.detail for event in Event.objects.filter(link=link(sys_id))]
    )
    assert AuditEntry.objects.get(action="record.handed_over").after == {"from": "Hardware", "to": "Network"}

    before = pair.servicenow.counters.writes + pair.salesforce.counters.writes
    for _ in range(2):
        run_now(flow)
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == before
    assert notes(pair, sys_id) == ([told], [told])


def test_it_can_be_handed_back_and_the_thread_goes_on(flow: Flow, pair: Pair) -> None:
    sys_id = add(pair, category="network", assignment_group=group(pair, "Network"))
    run_now(flow)
    hand_over(sys_id, "Hardware")
    run_now(flow)
    assert placed(sys_id) == ("Network", "Hardware", "Hardware", True)

    with acting_as(Actor(name="Bob")):
        handing.hand_back(link=link(sys_id), reason="No cable was cut.", by=None, enqueue=False)
    run_now(flow)

    assert incident(pair, sys_id)["assignment_group"] == group(pair, "Network")
    assert case(pair, sys_id)["OwnerId"] == queue(pair, "Network_Queue")
    told = [
        "Handed over from Network to Hardware. They have the cables.",
        "Handed over from Hardware to Network. No cable was cut.",
    ]
    assert notes(pair, sys_id) == (told, told)
    assert [str(order) for order in HandOver.objects.all()] == ["Hardware → Network", "Network → Hardware"]


@pytest.mark.parametrize(
    ("side", "rule"),
    [
        ("salesforce", {"method": "(PATCH|POST)", "path": "composite"}),
        ("servicenow", {"method": "PATCH", "path": "incident"}),
        ("servicenow", {"method": "PATCH", "path": "incident", "after": 1}),
        ("salesforce", {"method": "POST", "path": "CaseComment|composite/sobjects"}),
    ],
)
def test_a_lost_reply_doubles_neither_the_owner_nor_a_note(
    flow: Flow, pair: Pair, side: str, rule: dict[str, Any]
) -> None:
    sys_id = add(pair, category="network", assignment_group=group(pair, "Hardware"))
    run_now(flow)
    hand_over(sys_id, "Network")
    faulty = getattr(pair, side)
    faulty.fault("reset_after", times=1, **rule)

    for _ in range(3):
        run_now(flow)
        Waiting.objects.update(due_at="2020-01-01T00:00:00+00:00")

    assert faulty.server.gate.faults.pending() == []
    assert incident(pair, sys_id)["assignment_group"] == group(pair, "Network")
    assert case(pair, sys_id)["OwnerId"] == queue(pair, "Network_Queue")
    told = "Handed over from Hardware to Network. They have the cables."
    assert notes(pair, sys_id) == ([told], [told])
    assert HandOver.objects.get().state == "done"


def test_a_later_hand_over_replaces_one_that_nobody_has_carried_out(flow: Flow, pair: Pair) -> None:
    sys_id = add(pair, category="network", assignment_group=group(pair, "Hardware"))
    run_now(flow)
    hand_over(sys_id, "Network")
    hand_over(sys_id, "Service Desk", "After all.")

    run_now(flow)

    assert incident(pair, sys_id)["assignment_group"] == group(pair, "Service Desk")
    assert [order.state for order in HandOver.objects.all()] == ["done", "replaced"]
    assert notes(pair, sys_id)[0] == ["Handed over from Hardware to Service Desk. After all."]


def test_a_changed_table_places_every_pair_anew_with_the_next_run(flow: Flow, pair: Pair) -> None:
    sys_id = add(pair, category="network", assignment_group=group(pair, "Hardware"))
    run_now(flow)

    route = Route.objects.get(value="network")
    route.desk = "Hardware"
    route.save()
    run_now(flow)

    assert placed(sys_id) == ("Hardware", "Hardware", "Hardware", False)


def test_a_hand_over_that_cannot_be_is_refused_with_what_is_in_the_way(flow: Flow, pair: Pair) -> None:
    sys_id = add(pair, category="network")
    run_now(flow)
    Desk.objects.filter(name="Hardware").update(salesforce="No_Such_Queue")
    Desk.objects.get(name="Network").save()  # have them looked up again
    run_now(flow)

    for to, said in (
        ("Nobody", "knows no desk 'Nobody'"),
        ("Hardware", "Salesforce shows no queue 'No_Such_Queue'"),
    ):
        with pytest.raises(services.Refused, match=said):
            hand_over(sys_id, to)
    Flow.objects.filter(pk=flow.pk).update(options={})
    services.publish_flow(flow=flow, by=None)
    with pytest.raises(services.Refused, match="leaves a word on both records"):
        hand_over(sys_id, "Network")
    with pytest.raises(services.Refused, match="none to hand it back to"):
        handing.hand_back(link=link(sys_id), reason="", by=None)
    with pytest.raises(Exception, match=r"sync\.hand_over"):
        handing.hand_over(link=link(sys_id), to="Network", reason="", by=User.objects.create(username="eve"))
    assert not HandOver.objects.exists()


def test_a_table_that_names_a_field_nobody_shows_stops_the_flow_with_its_name(flow: Flow, pair: Pair) -> None:
    Route.objects.create(
        table=flow.routing_table, side="salesforce", field="Region__c", value="x", desk="Network"
    )

    run = run_now(flow)

    assert run.status == "failed"
    assert "Case has no field Region__c, by which the routing table desks tells desks." in run.error
