"""Desks in the console: the routing table's page, the record's page and list, and the hand-over's dialog."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from mappings.models import Desk, FieldRow, Route, RoutingTable
from sync import services
from sync.models import AuditEntry, Flow, HandOver, Placement, RecordLink, Run
from tests.console import seed
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
OWNER = {
    "servicenow": "assigned_to, assignment_group",
    "salesforce": "OwnerId",
    "transform": "user",
    "direction": "both",
}


@pytest.fixture
def table(db) -> RoutingTable:
    made = RoutingTable.objects.create(name="desks")
    for number, name in enumerate(("Network", "Hardware")):
        Desk.objects.create(
            table=made, position=number, name=name, servicenow=name, salesforce=f"{name}_Queue"
        )
    Route.objects.create(table=made, side="servicenow", field="category", value="network", desk="Network")
    return made


@pytest.fixture
def astray(flow, table) -> RecordLink:
    """A pair that belongs to Network and stands on Hardware."""
    Desk.objects.filter(name="Network").update(servicenow_id="a" * 32, salesforce_id="00G000000000001AAA")
    Desk.objects.filter(name="Hardware").update(servicenow_id="b" * 32, salesforce_id="00G000000000002AAA")
    Flow.objects.filter(pk=flow.pk).update(routing_table=table)
    link = seed.link(flow, 7)
    row = Placement(
        link=link, belongs="Network", here="Hardware", there="Hardware", wrong=True, group_id="b" * 32,
        owner_id="00G000000000002AAA", seen_at=timezone.now(),
    )  # fmt: skip
    row.seen = {"servicenow": {"category": "network"}, "salesforce": None}
    row.save()
    return link


def publish_both_ways(flow: Flow) -> None:
    """As published: the owner and work notes go both ways."""
    flow.rows.update(direction="to_salesforce")
    FieldRow.objects.create(mapping=flow, position=9, **OWNER)
    comments = {"comments": {"work_notes": {"salesforce": "unpublished_comment"}}}
    Flow.objects.filter(pk=flow.pk).update(direction="both", options=comments)
    services.publish_flow(flow=flow, by=None)


def test_a_record_on_the_wrong_desk_says_who_has_it_and_is_found_in_the_list(as_role, astray):
    viewer = as_role("viewer")

    page = " ".join(viewer.get(change_url(astray)).content.decode().split())
    assert "It belongs to <b>Network</b>" in page
    assert page.count("desk Hardware</span>") == 2
    assert "Hand over" not in page

    listed = reverse("admin:sync_recordlink_changelist")
    assert [row.pk for row in viewer.get(f"{listed}?desk=wrong").context["cl"].result_list] == [astray.pk]
    assert astray.pk not in [row.pk for row in viewer.get(f"{listed}?desk=right").context["cl"].result_list]
    assert "Hardware, not Network" in viewer.get(listed).content.decode()


def test_an_operator_hands_it_over_with_a_reason_and_nothing_is_sent_from_here(as_role, astray):
    publish_both_ways(Flow.objects.get(pk=astray.flow_id))
    operator = as_role("operator")
    action = reverse("admin:sync_recordlink_hand_over", args=[astray.pk])

    dialog = operator.get(action).content.decode()
    assert '<option value="Network" selected>' in dialog
    assert "(has it now)" in dialog
    assert not HandOver.objects.exists()
    operator.post(action, {"_form_submitted": "on", "to": "Network", "reason": ""})
    assert not HandOver.objects.exists()

    operator.post(action, {"_form_submitted": "on", "to": "Network", "reason": "They have the cables."})

    order = HandOver.objects.get()
    assert (order.from_desk, order.to_desk, order.by_name, order.state) == (
        "Hardware",
        "Network",
        "operator",
        "asked",
    )
    assert b"cables" not in bytes(order.reason_sealed)
    assert AuditEntry.objects.get(action="record.handed_over").actor_name == "operator"
    assert Run.objects.filter(kind="retry", flow=astray.flow_id, status="queued").exists()
    page = operator.get(change_url(astray)).content.decode()
    assert "operator hands it over to <b>Network</b>" in page
    assert "They have the cables." not in page  # until values are opened
    assert "They have the cables." in operator.get(f"{change_url(astray)}?values=1").content.decode()
    assert "Hand back" not in page

    HandOver.objects.update(state="done")
    back = operator.get(reverse("admin:sync_recordlink_hand_back", args=[astray.pk])).content.decode()
    assert "back to Hardware?" in back


@pytest.mark.parametrize("role", ["viewer", "auditor", "mapping editor"])
def test_only_those_who_may_hand_over(as_role, astray, role):
    assert as_role(role).get(reverse("admin:sync_recordlink_hand_over", args=[astray.pk])).status_code == 403


def test_a_refusal_is_told_in_the_dialog(as_role, astray):
    action = reverse("admin:sync_recordlink_hand_over", args=[astray.pk])
    given = {"_form_submitted": "on", "to": "Network", "reason": "Cables."}
    page = as_role("operator").post(action, given, follow=True).content.decode()
    assert "does not map the owner both ways" in page
    assert not HandOver.objects.exists()


def test_a_table_is_edited_by_rows_and_a_route_to_no_desk_is_refused(as_role, table):
    editor = as_role("mapping editor")
    sent = form_of(editor, change_url(table))

    page = editor.post(change_url(table), {**sent, "routes-0-desk": "Nobody"}).content.decode()
    assert "There is no desk &#x27;Nobody&#x27; in this table." in page
    page = editor.post(change_url(table), {**sent, "desks-1-salesforce": "Network_Queue"}).content.decode()
    assert "Another desk has the queue &#x27;Network_Queue&#x27; already." in page

    editor.post(change_url(table), {**sent, "routes-0-value": "lan"})
    assert Route.objects.get().value == "lan"
    entry = AuditEntry.objects.get(action="routing_table.changed")
    assert entry.after["routes"] == {"ServiceNow category = lan": "Network"}
    assert as_role("viewer").get(change_url(table)).status_code == 200
