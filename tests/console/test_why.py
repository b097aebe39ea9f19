"""Why is this value here? What one field's page tells, and to whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mappings.apply import compile_mapping
from mappings.explaining import explain
from mappings.models import ValueMap
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, ValueMapSpec
from sync import revisions
from sync.models import AuditEntry, Event, RecordLink
from tests.console import seed
from tests.console.test_configuration import change_url

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def link(flow) -> RecordLink:
    return seed.link(flow, 1)


@pytest.fixture
def status(flow):
    return flow.rows.get(salesforce="Status")


def wrote(link, row, sent="Working", *, source="2", under="New", minutes=0, **given) -> Event:
    """An event of ours that wrote the field so many minutes ago."""
    at = timezone.now() - timedelta(minutes=minutes)
    made = seed.event(link, seed.run(link.flow, at, revision=link.flow.revision), at=at, **given)
    item = {"row": str(row.pk), "field": row.salesforce, "source": source, "under": under, "sent": sent}
    made.detail = {"fields": [item]}
    made.save()
    return made


def why_url(link, row) -> str:
    return reverse("admin:sync_recordlink_why", args=[link.pk]) + f"?row={row.pk}"


def entries(page) -> list:
    return page.context["why"].entries


def text(page) -> str:
    return " ".join(page.content.decode().split())


def test_it_tells_the_source_the_steps_the_result_and_what_stood_there_before(as_role, link, status):
    event = wrote(link, status)
    page = as_role("operator").get(why_url(link, status))

    (entry,) = entries(page)
    assert (entry.under, entry.source, entry.sent) == ("New", "2", "Working")
    assert [(step.how, step.value) for step in entry.steps] == [
        ('value_map(state, "incident-state-case-status")', "Working")
    ]
    body = text(page)
    assert f"run {event.run_id:,}" in body
    assert "revision 1" in body
    assert "by Alice" in body
    assert "As far as is known it still stands in Salesforce." in body


def test_the_steps_are_those_of_the_revision_that_wrote_not_of_todays(as_role, flow, link, status):
    wrote(link, status)
    states = ValueMap.objects.get(name="incident-state-case-status")
    states.entries.filter(servicenow="2").update(salesforce="In Progress")
    revisions.publish(flow, author_id=None, author_name="Bob", reason="")

    (entry,) = entries(as_role("operator").get(why_url(link, status)))
    assert entry.steps[0].value == "Working"
    assert entry.differs == ""


def test_what_somebody_changed_between_two_writes_of_ours_is_seen_from_the_second(as_role, link, status):
    wrote(link, status, "New", source="1", under="", minutes=9)
    wrote(link, status, "Working", source="2", under="Escalated", minutes=5)
    wrote(link, status, "Closed", source="6", under="Working", minutes=2)

    newest, middle, first = entries(as_role("operator").get(why_url(link, status)))
    assert first.after == "Changed in Salesforce to “Escalated” before the next write."
    assert middle.after == "It stood until the next write."
    assert newest.after == "Since then both sides agreed on “Working” without a write of ours."


def test_what_a_dry_run_would_have_written_is_told_apart(as_role, link, status):
    event = wrote(link, status)
    type(event.run).objects.filter(pk=event.run_id).update(mode="dry")
    page = as_role("operator").get(why_url(link, status))

    assert not entries(page)[0].landed
    assert "dry run: not written" in text(page)


def test_a_field_that_was_never_written_says_so(as_role, link, flow):
    page = as_role("operator").get(why_url(link, flow.rows.get(salesforce="Subject")))

    assert "We have not written this field of this record" in text(page)


@pytest.mark.parametrize("role", ["viewer", "mapping editor", "auditor"])
def test_who_may_not_see_values_sees_neither_the_button_nor_the_page(as_role, link, status, role):
    person = as_role(role)

    assert person.get(why_url(link, status)).status_code == 403
    assert "Why?" not in person.get(change_url(link)).content.decode()
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


def test_looking_is_one_line_of_the_audit_log_a_person_record_and_hour(as_role, link, status, flow):
    operator = as_role("operator")
    assert why_url(link, status) in operator.get(change_url(link)).content.decode()
    for row in (status, flow.rows.get(salesforce="Subject"), status):
        operator.get(why_url(link, row))

    assert AuditEntry.objects.get(action="payload.opened").object_id == str(link.pk)


def test_an_unknown_field_or_record_is_no_page(as_role, link, status):
    operator = as_role("operator")

    assert operator.get(why_url(link, status)[:-4] + "0000").status_code == 404
    assert operator.get(reverse("admin:sync_recordlink_why", args=["x"])).status_code == 403


def test_script_in_a_value_is_text(as_role, link, status):
    wrote(link, status, SCRIPT, source=SCRIPT * 1000, under=SCRIPT)
    body = as_role("operator").get(why_url(link, status)).content.decode()

    assert SCRIPT not in body
    assert "&lt;script&gt;" in body


def test_a_long_history_is_looked_through_page_by_page_at_a_fixed_cost(as_role, link, status):
    run = seed.run(link.flow, timezone.now())
    wrote(link, status, "New")
    for _ in range(201):
        seed.event(link, run, field_names="Subject")
    operator, url = as_role("operator"), why_url(link, status)
    Event.objects.exclude(field_names="Status").first()
    operator.get(url)
    with CaptureQueriesContext(connection) as queries:
        page = operator.get(url)

    assert len(queries) <= 26, [query["sql"][:120] for query in queries]
    older = page.context["why"].older
    assert any(entry.sent == "New" for entry in entries(operator.get(f"{url}&before={older}")))


def test_the_records_page_shows_both_sides_with_their_age_and_who_wrote_last(as_role, link, status):
    event = wrote(link, status)
    seed.dead_letter(link)
    letter = link.dead_letters.get()
    letter.content = {
        "message": "",
        "value": "8",
        "source": {"state": "8"},
        "target": {"Status": "Escalated"},
    }
    letter.save()
    RecordLink.objects.update(servicenow_read_at=timezone.now() - timedelta(minutes=3))
    page = as_role("operator").get(change_url(link), {"values": "1"})

    line = next(line for line in page.context["lines"] if line.salesforce_field == "Status")
    assert (line.servicenow, line.agreed, line.salesforce) == ("8", "2 ↔ Working", "Escalated")
    assert (line.status, line.wrote) == ("changed", event)
    assert "read <time" in page.content.decode()


def test_a_records_page_costs_a_fixed_number_of_queries(as_role, link, status):
    for number in range(60):
        wrote(link, status, minutes=number)
    operator, url = as_role("operator"), change_url(link) + "?values=1"
    operator.get(url)
    with CaptureQueriesContext(connection) as queries:
        operator.get(url)

    assert len(queries) <= 34, [query["sql"][:120] for query in queries]


# The steps by themselves


def steps(transform: str, raw, to: str = "salesforce", *, servicenow=("state",), **row):
    states = ValueMapSpec("states", {"2": "Working"}, {"Working": "2"})
    field = FieldSpec("r", servicenow, "Status", transform=transform, **row)
    spec = MappingSpec(Direction.TO_SALESFORCE, (field,), {"states": states})
    (compiled,) = compile_mapping(spec, Environment()).rows
    return explain(compiled, spec, Environment(), raw, to)


def test_a_formula_is_told_call_by_call_from_the_inside_out():
    found = steps('upper(map(trim(state), "states"))', " 2 ")

    assert [(step.how, step.value) for step in found] == [
        ("trim(state)", "2"),
        ('value_map(trim(state), "states")', "Working"),
        ('upper(value_map(trim(state), "states"))', "WORKING"),
    ]
    assert found[1].value_map == "states"


def test_the_way_back_is_told_from_the_outside_in():
    found = steps("value_map", "Working", "servicenow", value_map="states")

    assert [(step.how, step.value) for step in found] == [('value_map(state, "states"), backwards', "2")]


def test_a_step_that_makes_no_value_says_why():
    (step,) = steps("value_map", "8", value_map="states")

    assert (step.value, step.problem) == (None, "ServiceNow value '8' is not in the value map states.")


def test_what_is_carried_as_it_is_has_no_steps():
    assert steps("copy", "2") == []


def test_the_default_of_an_empty_field_is_a_step():
    assert [step.value for step in steps("copy", "", default="None given")] == ["None given"]
