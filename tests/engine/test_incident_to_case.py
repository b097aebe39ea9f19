"""The main job: an incident becomes a Case, and stays in step."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from sync.models import Event, Flow, Intent, RecordLink, RemoteCall
from sync.sandbox.pair import Pair
from tests.engine.conftest import run_now


def test_an_incident_becomes_a_case(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer on fire", impact="1", urgency="1")

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert (run.status, run.read, run.created) == ("succeeded", 1, 1)
    assert case["Subject"] == "Printer on fire"
    assert (case["Status"], case["Priority"], case["Origin"]) == ("New", "Critical", "ServiceNow")
    assert case["ServiceNow_Sys_Id__c"] == incident["sys_id"]
    assert case["ServiceNow_Number__c"] == incident["number"]
    assert incident["sys_id"] in case["ServiceNow_URL__c"]


def test_the_pair_is_linked_with_a_base_and_told_in_an_event(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer on fire")

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    link = RecordLink.objects.get()
    assert (link.servicenow_id, link.salesforce_id) == (incident["sys_id"], case["Id"])
    assert (link.servicenow_number, link.salesforce_number) == (incident["number"], case["CaseNumber"])
    subject = flow.rows.get(salesforce="Subject")
    assert link.base[str(subject.pk)] == ["Printer on fire", "Printer on fire"]
    event = Event.objects.get(run=run)
    assert (event.outcome, event.revision_id, event.link_id) == ("created", flow.revision_id, link.pk)
    assert not Intent.objects.exists()
    assert RemoteCall.objects.filter(run=run, method="POST", status=200).count() == 1


def test_a_second_run_with_nothing_changed_writes_nothing(flow: Flow, pair: Pair) -> None:
    for number in range(5):
        pair.servicenow.add("incident", short_description=f"Ticket {number}")
    run_now(flow)
    pair.salesforce.reset_counters()

    run = run_now(flow)

    assert (run.status, run.unchanged, run.created, run.updated) == ("succeeded", 5, 0, 0)
    assert pair.salesforce.counters.writes == 0


def test_a_changed_incident_updates_only_what_changed(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(flow)
    pair.salesforce.edit(
        "Case", pair.salesforce.rows("Case")[0]["Id"], by="abel.tuter", Subject="Nur ein Drucker"
    )
    pair.servicenow.edit("incident", incident["sys_id"], by="beth.anglin", state="2")

    run = run_now(flow)

    (case,) = pair.salesforce.rows("Case")
    assert run.updated == 1
    assert (case["Status"], case["Subject"]) == ("Working", "Nur ein Drucker")


@pytest.mark.filterwarnings("ignore:No directory at")
def test_the_page_of_a_record_tells_what_stood_there_and_what_it_came_from(
    flow: Flow, pair: Pair, admin_client: Client
) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(flow)
    pair.servicenow.edit("incident", incident["sys_id"], state="2")
    run_now(flow)

    page = reverse("admin:sync_recordlink_change", args=[RecordLink.objects.get().pk])
    (newest, *_) = admin_client.get(page, {"values": "1"}).context["events"]

    assert newest[1] == [{"field": "Status", "was": "New", "sent": "Working", "source": "2", "note": ""}]
