"""A mapping that was changed makes nothing of pairs at rest, until a person has those sent again."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.models import FieldRow, ValueMapEntry
from sync import plans, renewing, services
from sync.engine.execute import execute
from sync.models import Flow, Question, RecordLink, Run
from sync.models.run import RunMode
from sync.questions import answer
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now


def publish(flow: Flow, state: str = "2", status: str = "Escalated") -> dict[str, Any]:
    """Give a state another status, publish, and have the pairs counted that this makes otherwise."""
    ValueMapEntry.objects.filter(value_map__name="incident-state", servicenow=state).update(salesforce=status)
    return published(flow)


def published(flow: Flow) -> dict[str, Any]:
    services.publish_flow(flow=Flow.objects.get(pk=flow.pk), by=None)
    question = Question.objects.filter(kind="renewal").first()
    return answer(question.pk).answer if question is not None else {}


def send(flow: Flow, mode: str = RunMode.WRITE) -> Run:
    queued = renewing.send_again(flow=Flow.objects.get(pk=flow.pk), by=None, mode=mode, enqueue=False)
    return execute(queued.pk)


def statuses(pair: Pair) -> list[str]:
    return sorted(case["Status"] for case in pair.salesforce.rows("Case"))


@pytest.fixture
def three(flow: Flow, pair: Pair) -> list[dict[str, Any]]:
    made = [
        pair.servicenow.add("incident", short_description=f"Printer {state}", state=state) for state in "122"
    ]
    run_now(flow)
    return made


def test_what_a_changed_value_map_makes_otherwise_is_counted_without_a_call_and_sent_when_asked(
    flow: Flow, pair: Pair, three: list[dict[str, Any]]
) -> None:
    before = pair.servicenow.counters.calls, pair.salesforce.counters.calls
    counted = publish(flow)
    assert (pair.servicenow.counters.calls, pair.salesforce.counters.calls) == before

    assert (counted["pairs"], counted["linked"], counted["looked"]) == (2, 3, 3)
    assert counted["fields"] == [{"field": "Status", "to": "salesforce", "pairs": 2}]
    assert counted["calls"] == {"servicenow": 0, "salesforce": 1}
    run_now(flow)
    run_now(flow, kind="resync")
    assert statuses(pair) == ["New", "Working", "Working"]
    sent = send(flow)
    assert (sent.status, sent.updated, sent.read) == ("succeeded", 2, 2)
    assert statuses(pair) == ["Escalated", "Escalated", "New"]
    assert run_now(flow).updated == 0
    with pytest.raises(services.Refused, match="No pair"):
        send(flow)
    assert answer(renewing.ask_again(flow=Flow.objects.get(), by=None, enqueue=False).pk).answer["pairs"] == 0


def test_who_was_edited_since_is_merged_as_ever(flow: Flow, pair: Pair, three: list[dict[str, Any]]) -> None:
    publish(flow)
    edited, drifted = (RecordLink.objects.get(servicenow_id=each["sys_id"]) for each in three[1:])
    pair.servicenow.edit("incident", edited.servicenow_id, state="3")
    pair.salesforce.edit("Case", drifted.salesforce_id, Status="Resolved")

    send(flow)

    found = {case["Id"]: case["Status"] for case in pair.salesforce.rows("Case")}
    assert found[edited.salesforce_id] == "On Hold"
    assert found[drifted.salesforce_id] == "Resolved"  # a person's, and the flow leaves drift alone


def test_what_no_revision_made_stays(flow: Flow, pair: Pair, three: list[dict[str, Any]]) -> None:
    """Records that met and were left as they were differ by the old mapping too."""
    link = RecordLink.objects.get(servicenow_id=three[1]["sys_id"])
    status = str(FieldRow.objects.get(mapping=flow, salesforce="Status").pk)
    pair.salesforce.edit("Case", link.salesforce_id, Status="On Hold")
    link.base = {**(link.base or {}), status: ["2", "On Hold"]}
    link.save()

    assert publish(flow)["pairs"] == 1


def test_a_change_that_nobody_sent_is_offered_with_the_next_and_one_that_makes_nothing_otherwise_is_not_counted(
    flow: Flow, pair: Pair, three: list[dict[str, Any]]
) -> None:
    Flow.objects.filter(pk=flow.pk).update(conflict="ask")
    assert published(flow) == {}
    publish(flow)
    pair.servicenow.add("incident", short_description="Later", state="2")
    run_now(flow)

    assert publish(flow, "1", "Working")["pairs"] == 3
    send(flow)
    assert statuses(pair) == ["Escalated", "Escalated", "Escalated", "Working"]


def test_it_can_be_planned_first_and_exactly_that_is_applied(
    flow: Flow, pair: Pair, three: list[dict[str, Any]]
) -> None:
    publish(flow)
    dry = send(flow, RunMode.DRY)
    assert (dry.updated, statuses(pair)) == (2, ["New", "Working", "Working"])

    applied = execute(plans.apply_plan(plan=dry.plan, by=None, enqueue=False).pk)

    assert (applied.status, applied.updated) == ("succeeded", 2)
    assert statuses(pair) == ["Escalated", "Escalated", "New"]


def test_it_goes_on_in_slices_and_sends_each_pair_once(
    flow: Flow, pair: Pair, three: list[dict[str, Any]]
) -> None:
    publish(flow)
    run = renewing.send_again(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False)
    while run.is_active:
        run = execute(run.pk, slice_seconds=0, page_size=1)

    assert (run.updated, run.unchanged) == (2, 0)
    assert statuses(pair) == ["Escalated", "Escalated", "New"]


def test_of_a_field_that_goes_both_ways_servicenow_counts(transactional_db: None, pair: Pair) -> None:
    flow = make_both(pair)
    pair.servicenow.add("incident", short_description="Printer", state="2")
    run_now(flow)

    states = ValueMapEntry.objects.filter(value_map__name="two-way-state", servicenow="2")
    states.filter(salesforce="Working").delete()
    states.update(direction="both")
    assert published(flow)["pairs"] == 1
    send(flow)

    assert statuses(pair) == ["Escalated"]
    assert run_now(flow).updated == 0
