"""Rows that refer to records of other flows: parents come before their children, and who has none yet waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sync import services
from sync.models import DeadLetter, Flow, RecordLink, Waiting
from sync.sandbox.pair import Pair
from tests.engine.both import ROWS, make_both
from tests.engine.conftest import run_now
from tests.engine.test_both_ways import quiet

pytestmark = pytest.mark.django_db(transaction=True)
PARENT = {"servicenow": "parent", "salesforce": "ParentId", "transform": "link", "value": "both-ways"}


@pytest.fixture
def family(pair: Pair) -> Flow:
    """Only what has the word "enters" in it gets a Case."""
    return make_both(pair, rows=(*ROWS, PARENT), servicenow_enter="short_descriptionLIKEenters")


def incident(pair: Pair, subject: str, **fields: Any) -> str:
    return str(pair.servicenow.add("incident", short_description=subject, **fields)["sys_id"])


def case_of(pair: Pair, sys_id: str) -> dict[str, Any]:
    cases = {row["ServiceNow_Sys_Id__c"]: row for row in pair.salesforce.rows("Case")}
    return dict(cases.get(sys_id) or {})


def test_a_child_gets_the_counterpart_of_its_parent_whichever_comes_first(family: Flow, pair: Pair) -> None:
    child = incident(pair, "Printer enters")
    parent = incident(pair, "Fire enters")
    pair.servicenow.edit("incident", child, parent=parent)

    run_now(family)

    assert case_of(pair, child)["ParentId"] == case_of(pair, parent)["Id"]
    assert not Waiting.objects.exists()
    quiet(family, pair)


def test_a_child_waits_in_sight_for_a_parent_without_counterpart_and_goes_on_when_it_has_one(
    family: Flow, pair: Pair
) -> None:
    parent = incident(pair, "Fire")
    child = incident(pair, "Printer enters", parent=parent)

    run = run_now(family)

    waiting = Waiting.objects.get()
    assert (run.waiting, waiting.reason, waiting.record_id) == (1, "reference", child)
    assert waiting.message == f"'{parent}' has no counterpart in the flow both-ways yet."
    assert not pair.salesforce.rows("Case")
    pair.servicenow.edit("incident", parent, short_description="Fire enters")
    run_now(family)

    assert case_of(pair, child)["ParentId"] == case_of(pair, parent)["Id"]
    assert not Waiting.objects.exists()


def test_the_other_fields_of_a_pair_go_on_while_a_reference_waits(family: Flow, pair: Pair) -> None:
    parent = incident(pair, "Fire")
    child = incident(pair, "Printer enters")
    run_now(family)

    pair.servicenow.edit("incident", child, parent=parent, short_description="Printer enters, smoking")
    run_now(family)

    case = case_of(pair, child)
    assert (case["Subject"], case["ParentId"]) == ("Printer enters, smoking", None)
    assert Waiting.objects.get().reason == "reference"
    pair.servicenow.edit("incident", parent, short_description="Fire enters")
    run_now(family)

    assert case_of(pair, child)["ParentId"] == case_of(pair, parent)["Id"]
    assert not Waiting.objects.exists()
    quiet(family, pair)


def test_a_person_in_salesforce_who_chooses_another_parent_moves_the_incident_too(
    family: Flow, pair: Pair
) -> None:
    old, new = incident(pair, "Fire enters"), incident(pair, "Flood enters")
    child = incident(pair, "Printer enters", parent=old)
    run_now(family)

    pair.salesforce.edit("Case", case_of(pair, child)["Id"], ParentId=case_of(pair, new)["Id"])
    run_now(family)

    shown = {row["sys_id"]: row["parent"] for row in pair.servicenow.rows("incident")}
    assert shown[child] == new
    quiet(family, pair)


def test_patience_for_a_parent_ends_with_a_dead_letter(family: Flow, pair: Pair) -> None:
    child = incident(pair, "Printer enters", parent=incident(pair, "Fire"))
    run_now(family)
    Waiting.objects.update(since=timezone.now() - timedelta(days=30), due_at=timezone.now())

    run_now(family)

    letter = DeadLetter.objects.get(state="open")
    assert (letter.record_id, letter.code) == (child, "PATIENCE_ENDED")
    assert "has no counterpart in the flow both-ways yet" in letter.content["message"]


def test_a_circle_of_parents_waits_in_sight_until_somebody_breaks_it(family: Flow, pair: Pair) -> None:
    fire, smoke = incident(pair, "Fire enters"), incident(pair, "Smoke enters")
    pair.servicenow.edit("incident", fire, parent=smoke)
    pair.servicenow.edit("incident", smoke, parent=fire)

    run_now(family)

    assert {row.record_id for row in Waiting.objects.filter(reason="reference")} == {fire, smoke}
    assert not pair.salesforce.rows("Case")
    pair.servicenow.edit("incident", fire, parent="")
    run_now(family)

    assert case_of(pair, smoke)["ParentId"] == case_of(pair, fire)["Id"]
    assert not Waiting.objects.exists()
    quiet(family, pair)


def test_a_parent_whose_pair_has_ended_is_none(family: Flow, pair: Pair) -> None:
    parent = incident(pair, "Fire enters")
    run_now(family)
    RecordLink.objects.update(state="unlinked")

    incident(pair, "Printer enters", parent=parent)
    run = run_now(family)

    assert (run.waiting, len(pair.salesforce.rows("Case"))) == (1, 1)


def test_a_parent_that_another_flow_of_the_same_table_and_object_follows_has_a_counterpart(
    family: Flow, pair: Pair
) -> None:
    desk = make_both(pair, name="desk", servicenow_enter="short_descriptionLIKEdesk")
    parent = incident(pair, "Fire at the desk")
    child = incident(pair, "Printer enters", parent=parent)
    run_now(desk)
    assert RecordLink.objects.get().flow == desk

    run_now(family)

    assert case_of(pair, child)["ParentId"] == case_of(pair, parent)["Id"]
    assert not Waiting.objects.exists()


def test_a_row_that_refers_to_no_flow_of_these_two_systems_stops_the_flow(family: Flow, pair: Pair) -> None:
    family.rows.filter(transform="link").update(value="customers")
    services.publish_flow(flow=family, by=None)

    run = run_now(family)

    assert (run.status, run.error_code) == ("failed", "bad_reference")
    assert "the flow customers, and there is no such flow" in run.error
