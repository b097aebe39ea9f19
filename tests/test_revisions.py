"""A revision is a numbered, immutable picture of a flow: equal flows give equal pictures, and runs compile from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mappings.apply import compile_mapping
from mappings.models import FieldRow, UserTable, ValueMap
from mappings.spec import Environment
from sync import revisions
from sync.models import Flow, Revision, Schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def flow(incidents_flow: Flow) -> Flow:
    """With a value map, published as revision 2."""
    states = ValueMap.objects.create(name="state")
    states.entries.create(servicenow="1", salesforce="New")
    incidents_flow.rows.create(
        position=1, servicenow="state", salesforce="Status", transform="value_map", value_map=states
    )
    publish(incidents_flow)
    return fresh(incidents_flow)


def fresh(flow: Flow) -> Flow:
    return Flow.objects.get(pk=flow.pk)


def publish(flow: Flow, reason: str = "") -> Revision:
    return revisions.publish(fresh(flow), author_id=None, author_name="Alice", reason=reason)


CHANGES: dict[str, Callable[[Flow], Any]] = {
    "a setting": lambda flow: Flow.objects.update(servicenow_enter="active=true"),
    "the direction": lambda flow: Flow.objects.update(conflict="ask"),
    "a new row": lambda flow: flow.rows.create(servicenow="number", salesforce="Number__c"),
    "a row": lambda flow: flow.rows.filter(salesforce="Subject").update(required=True),
    "the order of rows": lambda flow: flow.rows.filter(salesforce="Subject").update(position=9),
    "a row less": lambda flow: flow.rows.filter(salesforce="Subject").delete(),
    "an entry of a value map": lambda flow: ValueMap.objects.get().entries.create(
        servicenow="2", salesforce="Working"
    ),
    "a value map's default": lambda flow: ValueMap.objects.update(unmapped_to_salesforce="pass"),
    "which user table": lambda flow: Flow.objects.update(
        user_table=UserTable.objects.create(name="acme-people")
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_decides_what_a_run_does_makes_a_new_revision(flow: Flow, what: str) -> None:
    assert not revisions.differs(flow)
    CHANGES[what](flow)

    assert revisions.differs(fresh(flow))
    made = publish(flow)
    assert made.number == 3
    assert not revisions.differs(fresh(flow))


@pytest.mark.parametrize(
    "change",
    [
        lambda flow: Flow.objects.update(enabled=False, paused_reason="Storm.", health="paused"),
        lambda flow: Schedule.objects.create(flow=flow, cron="* * * * *"),
        lambda flow: UserTable.objects.create(name="acme-people").entries.create(servicenow="abel.tuter", salesforce="abel@acme.example"),
        lambda flow: ValueMap.objects.create(name="unused").entries.create(servicenow="1", salesforce="New"),
        lambda flow: ValueMap.objects.update(description="States of an incident"),
    ],
    ids=["pausing", "a schedule", "people", "another value map", "a description"],
)  # fmt: skip
def test_what_acts_at_once_or_not_at_all_makes_none(flow: Flow, change: Callable[[Flow], Any]) -> None:
    change(flow)

    assert not revisions.differs(fresh(flow))
    assert publish(flow) == flow.revision
    assert flow.revisions.count() == 2


def test_the_order_in_which_entries_were_made_makes_no_difference(flow: Flow) -> None:
    states = ValueMap.objects.get()
    states.entries.create(servicenow="2", salesforce="Working")
    before = revisions.digest(revisions.snapshot(fresh(flow)))
    states.entries.filter(servicenow="1").delete()
    states.entries.create(servicenow="1", salesforce="New")

    assert revisions.digest(revisions.snapshot(fresh(flow))) == before


def test_numbers_rise_by_one_and_a_change_undone_is_a_new_one(flow: Flow) -> None:
    Flow.objects.update(overlap=60)
    publish(flow)
    Flow.objects.update(overlap=300)
    undone = publish(flow, "Back to five minutes")

    assert list(flow.revisions.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4]
    assert undone.digest == Revision.objects.get(number=2).digest
    assert (undone.author_name, undone.reason) == ("Alice", "Back to five minutes")


def test_an_older_page_publishes_what_is_true_now_once(flow: Flow) -> None:
    """Two people save: the second holds a flow read before the first published."""
    stale = fresh(flow)
    Flow.objects.update(overlap=60)
    publish(flow)

    again = revisions.publish(stale, author_id=None, author_name="Bob", reason="")

    assert again.number == 3
    assert fresh(flow).revision == again


def test_a_revision_holds_what_was_true_when_it_was_made(flow: Flow) -> None:
    before = json.dumps(flow.revision.snapshot)
    for change in CHANGES.values():
        change(flow)
        publish(flow)

    assert json.dumps(Revision.objects.get(number=2).snapshot) == before


def test_a_revision_is_never_changed(flow: Flow) -> None:
    revision = Revision.objects.get(number=1)
    revision.reason = "Another"

    with pytest.raises(TypeError, match="never changed"):
        revision.save()
    with pytest.raises(TypeError, match="never changed"):
        Revision.objects.filter(number=1).update(reason="Another")


def test_a_run_compiles_from_the_revision_what_the_rows_say(flow: Flow) -> None:
    spec = revisions.mapping_spec(json.loads(json.dumps(flow.revision.snapshot)))
    mapping = compile_mapping(spec, Environment())

    assert [row.id for row in mapping.rows] == [str(row.pk) for row in FieldRow.objects.all()]
    assert mapping.rows[1].to_salesforce("1").value == "New"
    assert spec.value_maps["state"] == ValueMap.objects.get().spec()


def test_a_list_of_drafts_is_read_in_a_fixed_number_of_queries(
    flow: Flow, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        other = Flow.objects.create(
            name=f"other-{number}", servicenow_connection=flow.servicenow_connection,
            salesforce_connection=flow.salesforce_connection,
        )  # fmt: skip
        other.rows.create(
            servicenow="state", salesforce="Status", transform="value_map", value_map=ValueMap.objects.get()
        )

    with django_assert_num_queries(3):
        drafts = [revisions.snapshot(one) for one in revisions.with_drafts(Flow.objects.all())]
    assert drafts == [revisions.snapshot(one) for one in Flow.objects.all()]
