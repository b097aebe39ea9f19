"""Fields and values are offered as both platforms were last read; what is not offered can be typed."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest
from django.urls import reverse
from django.utils import timezone

from mappings.models import ValueMap
from sync.core.records import FieldSchema, Schema
from sync.engine.schemas import remember_schema
from sync.models import CachedSchema, Flow, Question
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

SERVICENOW = (
    FieldSchema("short_description", "string", "Short description", 160),
    FieldSchema("description", "string", "Description", 4000),
    FieldSchema("number", "string", "Number", 40),
    FieldSchema(
        "state",
        "integer",
        "State",
        choices=("1", "2", "3", "6", "7", "8"),
        labels=("New", "In Progress", "On Hold", "Resolved", "Closed", "Canceled"),
    ),
    FieldSchema("impact", "integer", "Impact", choices=("1", "2", "3")),
    FieldSchema("caller_id", "reference", "Caller", 32, reference_to=("sys_user",)),
    FieldSchema("sys_mod_count", "integer", "Updates", createable=False, updateable=False),
)
SALESFORCE = (
    FieldSchema("Subject", "string", "Subject", 255),
    FieldSchema("Status", "picklist", "Status", 255, restricted=True, choices=("New", "Working", "Closed", "Escalated")),
    FieldSchema("Impact__c", "string", "Impact", 40),
    FieldSchema("Description", "textarea", "Description", 32_000),
    FieldSchema("Origin", "picklist", "Origin", 255, choices=("ServiceNow", "Web")),
    FieldSchema("ServiceNow_Number__c", "string", "ServiceNow Number", 40),
    FieldSchema("ServiceNow_Sys_Id__c", "string", "ServiceNow Sys Id", 32, unique=True, external_id=True),
    FieldSchema("ContactId", "reference", "Contact ID", 18, reference_to=("Contact",)),
)  # fmt: skip


def read(flow: Flow) -> None:
    """What a run, a check or a preview keeps of both ends."""
    for connection, name, fields in (
        (flow.servicenow_connection, "incident", SERVICENOW),
        (flow.salesforce_connection, "Case", SALESFORCE),
    ):
        CachedSchema.objects.create(
            connection=connection, name=name, fetched_at=timezone.now(), fields={field.name: asdict(field) for field in fields}
        )  # fmt: skip


@pytest.fixture
def known(flow) -> Flow:
    read(flow)
    return flow


def offered(page: str, name: str) -> dict[str, str]:
    listed = re.search(rf'<datalist id="{name}"[^>]*>(.*?)</datalist>', page, re.S)
    assert listed, name
    return dict(re.findall(r'<option value="([^"]*)"(?: label="([^"]*)")?[^>]*>', listed[1]))


def test_a_field_row_offers_names_labels_types_lengths_choices_and_references_of_both_sides(as_role, known):
    page = as_role("mapping editor").get(change_url(known)).content.decode()

    here, there = offered(page, "servicenow-fields"), offered(page, "salesforce-fields")
    assert here["short_description"] == "Short description · string 160"
    assert here["caller_id"] == "Caller · reference 32 · to sys_user"
    assert here["sys_mod_count"] == "Updates · integer · read only"
    assert there["Status"] == "Status · picklist 255 · New, Working, Closed, Escalated"
    assert 'name="rows-0-servicenow"' in page
    assert page.count('list="salesforce-fields"') == known.rows.count() + 1  # and the row to be added


def test_a_field_that_is_not_offered_can_be_typed(as_role, known):
    editor = as_role("mapping editor")
    sent = {**form_of(editor, change_url(known)), "rows-1-servicenow": "u_made_up", "keep_draft": "on"}
    assert editor.post(change_url(known), sent).status_code == 302

    assert known.rows.get(salesforce="Subject").servicenow == "u_made_up"


def test_a_flow_of_which_nothing_was_read_offers_nothing_and_says_so(as_role, flow):
    editor = as_role("mapping editor")

    assert offered(editor.get(change_url(flow)).content.decode(), "servicenow-fields") == {}
    assert "Nothing is known of the fields yet" in editor.get(reverse("add_fields", args=[flow.pk])).content.decode()  # fmt: skip


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("", ["caller_id", "impact", "sys_mod_count"]),
        ("CALL", ["caller_id"]),
        ("sys_user", ["caller_id"]),
        ("x", []),
    ],
)
def test_what_no_row_names_yet_is_found_by_name_label_or_reference(as_role, known, term, found):
    page = as_role("mapping editor").get(reverse("add_fields", args=[known.pk]), {"q": term})

    assert [offer.name for offer, _, _ in page.context["found"]] == found


def test_several_fields_are_given_a_counterpart_at_once_and_become_the_draft_when_confirmed(as_role, known):
    editor, url = as_role("mapping editor"), reverse("add_fields", args=[known.pk])
    assert 'placeholder="Impact__c?"' in editor.get(url).content.decode()
    assert "Nothing is chosen" in editor.post(url, {"to-impact": " "}).content.decode()

    page = editor.post(url, {"to-impact": "Impact__c", "to-caller_id": "ContactId", "to-sys_mod_count": ""})
    assert page.context["counts"]["added"] == 2
    assert known.rows.count() == 5
    sent = {name: page.context[name] for name in ("seen", "source")} | {"rows": page.context["sent"]}
    editor.post(reverse("sheet", args=["fields", known.pk]), sent)

    assert list(known.rows.values_list("servicenow", "salesforce"))[-2:] == [
        ("impact", "Impact__c"),
        ("caller_id", "ContactId"),
    ]
    assert Flow.objects.get().revision == known.revision


def test_a_value_map_offers_the_values_of_the_mapped_fields_and_names_those_it_lacks(as_role, known):
    states = ValueMap.objects.get()
    page = as_role("mapping editor").get(change_url(states)).content.decode()

    here = offered(page, "servicenow-values")
    assert list(here) == ["1", "2", "3", "6", "7", "8"]
    assert here["8"] == "Canceled"
    assert list(offered(page, "salesforce-values")) == ["New", "Working", "Closed", "Escalated"]
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("incident.state")[2][:600]))
    assert told.strip().startswith("unmapped 8 Canceled")
    assert 'list="servicenow-values"' in page


def test_values_that_nobody_looks_up_need_no_entry(as_role, known):
    """The flow goes to Salesforce alone: Escalated is never looked up."""
    told = as_role("mapping editor").get(change_url(ValueMap.objects.get())).content.decode()
    assert "no value is missing" in told.partition("Case.Status")[2][:400]

    Flow.objects.update(direction="both")
    told = as_role("administrator").get(change_url(ValueMap.objects.get())).content.decode()
    assert "Escalated" in told.partition("Case.Status")[2][:600]


INCIDENT = {
    "id": "012000000000001AAA",
    "name": "Incident",
    "label": "Incident",
    "default": False,
    "choices": {"Status": ["New", "Working"]},
}
REQUEST = {
    "id": "012000000000002AAA",
    "name": "Request",
    "label": "Request",
    "default": True,
    "choices": {"Status": ["New", "Closed"]},
}


def test_lists_offer_what_the_record_types_have_that_the_flows_records_may_get(as_role, known):
    CachedSchema.objects.filter(name="Case").update(record_types=[INCIDENT, REQUEST])
    Flow.objects.update(create_in_salesforce=True)
    editor, states = as_role("mapping editor"), change_url(ValueMap.objects.get())

    assert list(offered(editor.get(states).content.decode(), "salesforce-values")) == ["New", "Closed"]
    assert offered(editor.get(change_url(known)).content.decode(), "salesforce-fields")["Status"].endswith(
        "· New, Closed"
    )
    Flow.objects.update(create_in_salesforce=False)  # what it finds may be of either type
    told = re.search(
        r'<datalist id="salesforce-values">(.*?)</datalist>', editor.get(states).content.decode()
    )
    assert told is not None
    assert 'value="Working" label="Working · Incident only"' in told[1]
    assert "Escalated" not in told[1]


def test_fields_behind_a_reference_are_found_by_a_dot_and_become_rows_that_are_read_alone(as_role, known):
    editor, url = as_role("mapping editor"), reverse("add_fields", args=[known.pk])
    assert 'href="?q=caller_id."' in editor.get(url).content.decode()
    there = reverse("admin:sync_flow_behind", args=[known.pk])
    asked = {"side": "servicenow", "path": "caller_id"}
    assert editor.get(there, asked).json()["unread"] == "sys_user"

    assert "were not read yet" in editor.get(url, {"q": "caller_id."}).content.decode()
    assert "A worker reads the fields" in editor.post(f"{url}?q=caller_id.", {"read": "1"}).content.decode()
    assert Question.objects.get(kind="schemas").params == {"side": "servicenow", "table": "sys_user"}
    users = (FieldSchema("email", "email", "Email", 100), FieldSchema("manager", "reference", "Manager", 32, reference_to=("sys_user",)))  # fmt: skip
    remember_schema(known.servicenow_connection, Schema("sys_user", {each.name: each for each in users}))

    page = editor.get(url, {"q": "caller_id.em"})
    assert [(offer.name, offer.label) for offer, _, _ in page.context["found"]] == [
        ("caller_id.email", "Caller > Email")
    ]
    deeper = editor.get(there, {"side": "servicenow", "path": "caller_id.manager.manager"}).json()["options"]
    assert deeper[0] == ["caller_id.manager.manager.email", "Caller > Manager > Manager > Email · email 100"]
    assert (
        "at most"
        in editor.get(there, {"side": "servicenow", "path": "caller_id" + ".manager" * 5}).json()["trouble"]
    )
    assert editor.get(there, {"side": "salesforce", "path": "Contact"}).json()["unread"] == "Contact"
    chosen = editor.post(f"{url}?q=caller_id.em", {"to-caller_id.email": "Impact__c"})
    sent = {name: chosen.context[name] for name in ("seen", "source")} | {"rows": chosen.context["sent"]}
    editor.post(reverse("sheet", args=["fields", known.pk]), sent)
    added = known.rows.get(servicenow="caller_id.email")
    assert (added.salesforce, added.direction) == ("Impact__c", "to_salesforce")
