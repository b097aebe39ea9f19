"""A run's page: its failures lead to their records, their calls and their cure; what is asked says what it costs."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from integration_console.theme.paging import MOST
from sync.models import AuditEntry, DeadLetter, Event, RemoteCall, Run, Waiting
from tests.console import seed

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
SECRET = "Beth Anglin cannot open the payroll report <script>alert(1)</script>"


def page_of(row) -> str:
    return reverse(f"admin:sync_{row._meta.model_name}_change", args=[row.pk])


@pytest.fixture
def run(flow):
    return seed.run(flow, timezone.now(), status="partial", failed=4)


@pytest.fixture
def refused(run):
    made = seed.call(run)
    made.bodies = {"request": f'{{"records": [{{"Subject": "{SECRET}"}}]}}', "response": "<html>Bad gateway"}
    made.save()
    return made


@pytest.fixture
def letters(flow, run):
    made = [seed.dead_letter(seed.link(flow, number), run) for number in range(1, 5)]
    DeadLetter.objects.filter(pk=made[3].pk).update(
        code="FIELD_TOO_LONG", field="Subject", rule="At most 255"
    )
    return made


def test_who_may_see_values_reads_request_and_response_of_a_failure_and_that_is_noted(as_role, run, refused):
    operator = as_role("operator")
    assert page_of(refused) in operator.get(page_of(run)).content.decode()
    assert "Beth Anglin" not in operator.get(page_of(refused)).content.decode()
    assert not AuditEntry.objects.filter(action="payload.opened").exists()

    shown = operator.get(page_of(refused) + "?values=1").content.decode()

    assert "Beth Anglin cannot open the payroll report &lt;script&gt;" in shown
    assert "&lt;html&gt;Bad gateway" in shown
    assert AuditEntry.objects.get(action="payload.opened").object_id == str(refused.pk)


def test_who_may_not_see_values_reads_neither_request_nor_response(as_role, refused):
    shown = as_role("viewer").get(page_of(refused) + "?values=1").content.decode()

    assert "Beth Anglin" not in shown
    assert "your role does not include seeing them" in shown
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


@pytest.mark.parametrize(
    "body",
    ["[" * 60_000, '{"a":' * 900 + "1" + "}" * 900, '{"cut": "of', "half \ud83d", '{"half": "\\ud83d"}', "7"],
)
def test_a_body_that_cannot_be_taken_apart_is_shown_as_it_is(root, refused, body):
    refused.bodies = {"request": body}
    refused.save()

    assert root.get(page_of(refused) + "?values=1").status_code == 200


def test_one_cause_of_a_run_is_retried_and_the_other_left(as_role, run, letters):
    operator = as_role("operator")
    url = reverse("admin:sync_run_retry_failures", args=[run.pk])
    key = "UNMAPPED_VALUE · Status · Status value 8 is not mapped"
    assert "Retry 3" in operator.get(page_of(run)).content.decode()

    asked = operator.get(url, {"cause": key}).content.decode()
    assert "selected>UNMAPPED_VALUE" in asked.replace('selected=""', "selected")
    assert not Waiting.objects.exists()

    operator.post(url, {"_form_submitted": "on", "cause": key})
    assert Waiting.objects.filter(reason="retry").count() == 3
    assert DeadLetter.objects.get(state="open").code == "FIELD_TOO_LONG"
    assert "Retry 3" not in operator.get(page_of(run)).content.decode()


def test_a_cause_that_nobody_has_seen_is_no_cause(as_role, run, letters):
    url = reverse("admin:sync_run_retry_failures", args=[run.pk])
    reply = as_role("operator").post(url, {"_form_submitted": "on", "cause": "EVERYTHING"})

    assert reply.status_code == 200
    assert DeadLetter.objects.filter(state="open").count() == 4


def test_a_viewer_sees_causes_without_the_button(as_role, run, letters):
    shown = as_role("viewer").get(page_of(run)).content.decode()

    assert "Status value 8 is not mapped" in shown
    assert "Retry 3" not in shown


def test_the_dialogs_say_what_the_last_run_of_the_flow_cost(as_role, run):
    seed.link(run.flow, 1)
    told = as_role("operator").get(reverse("admin:sync_flow_run_now", args=[run.flow_id])).content.decode()

    assert f"run {run.pk:,}, read 412 records in 2 s with 3 calls to ServiceNow and 9 to Salesforce." in told


def test_no_list_counts_or_pages_further_than_ten_thousand_rows(root, run):
    more = MOST + 10
    Event.objects.bulk_create(
        Event(flow=run.flow, run=run, at=timezone.now(), side="salesforce", operation="update", outcome="updated")
        for _ in range(more)
    )  # fmt: skip
    RemoteCall.objects.bulk_create(
        RemoteCall(run=run, connection=run.flow.salesforce_connection, at=timezone.now(), method="POST",
                   path="/x", status=200, milliseconds=1) for _ in range(more)
    )  # fmt: skip

    assert "of more than 10,000" in root.get(page_of(run)).content.decode()
    last = root.get(page_of(run) + "?p=999")
    assert (last.context["page"].number, len(last.context["page"])) == (200, 50)
    calls = root.get(reverse("admin:sync_remotecall_changelist"))
    assert calls.context["cl"].result_count == MOST
    assert "filter or search to reach them" in calls.content.decode()


def test_an_action_on_a_run_that_is_gone_is_not_found(root, run):
    url = reverse("admin:sync_run_cancel", args=[run.pk + 1])

    assert root.get(url).status_code == 404
    assert Run.objects.get(pk=run.pk).cancel_requested is False
