"""The three tables as files: exported, previewed, taken over, and refused with what to do."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from mappings.models import FieldRow, UserTable, ValueMap
from sync import drafts, revisions
from sync.models import AuditEntry, Flow
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def url(kind: str, owner) -> str:
    return reverse("sheet", args=[kind, owner.pk])


def chosen(browser, address: str, text: str | bytes, **how):
    """The preview of a file."""
    saved = text if isinstance(text, bytes) else text.encode()
    return browser.post(address, {"file": SimpleUploadedFile("table.csv", saved), **how})


def confirmed(browser, address: str, page):
    """What a browser sends when a person takes over what the preview shows."""
    sent = {"rows": page.context["sent"], "seen": page.context["seen"], "source": page.context["source"]}
    return browser.post(address, {**sent, **({"whole": "on"} if page.context["whole"] else {})}, follow=True)


def text_of(reply) -> str:
    return reply.content.decode()


@pytest.fixture
def states(flow) -> ValueMap:
    return ValueMap.objects.get()


@pytest.fixture
def people(flow) -> UserTable:
    return UserTable.objects.get()


def test_a_file_shows_what_it_would_change_and_changes_it_once_that_is_confirmed(as_role, flow, states):
    editor, address = as_role("mapping editor"), url("value-map", states)
    page = chosen(editor, address, "servicenow;salesforce;direction\n1;Open;to_salesforce\n-5;Waiting;to_salesforce\n2;Working;to_salesforce\n")  # fmt: skip

    assert page.context["counts"] == {"added": 1, "changed": 1, "removed": 0, "unchanged": 4}
    assert "salesforce: New → Open" in text_of(page)
    assert not states.entries.filter(salesforce="Open").exists()

    done = text_of(confirmed(editor, address, page))
    assert "1 added, 1 changed, 0 removed, 4 unchanged" in done
    assert f"{reverse('drafts')}?map={states.pk}" in done
    held = dict(states.entries.values_list("servicenow", "salesforce"))
    assert (held["1"], held["-5"], held["7"]) == ("Open", "Waiting", "Closed")
    assert revisions.differs(Flow.objects.get())
    entry = AuditEntry.objects.get(action="value_map.imported")
    assert (entry.after["file"], entry.after["added"], entry.after["changed"]) == ("table.csv", 1, 1)


def test_the_whole_table_takes_out_what_the_file_does_not_have_and_keeps_its_order(as_role, states):
    editor, address = as_role("mapping editor"), url("value-map", states)
    page = chosen(editor, address, "servicenow,salesforce,direction\n7,Closed,to_salesforce\n1,New,to_salesforce\n", whole="on")  # fmt: skip
    assert page.context["counts"]["removed"] == 3
    assert "put in the order of the file" in text_of(page)

    confirmed(editor, address, page)
    assert list(states.entries.values_list("servicenow", flat=True)) == ["7", "1"]


@pytest.mark.parametrize("kind", ["fields", "value-map", "user-table"])
def test_what_is_exported_and_imported_again_changes_nothing(as_role, flow, states, people, kind):
    states.entries.create(
        servicenow="=HYPERLINK(1)", salesforce="'quoted", direction="to_salesforce", position=9
    )
    owner = {"fields": flow, "value-map": states, "user-table": people}[kind]
    editor = as_role("mapping editor")
    saved = editor.get(reverse("sheet_csv", args=[kind, owner.pk])).content

    page = chosen(editor, url(kind, owner), saved, whole="on")
    assert page.context["problems"] == []
    assert page.context["plan"].is_empty
    assert "Nothing would change" in text_of(page)
    assert AuditEntry.objects.filter(action="list.exported").count() == 1


def test_an_exported_table_runs_nothing_in_a_spreadsheet(as_role, states):
    states.entries.create(servicenow="=cmd|' /C calc'!A0", salesforce="@x", direction="to_salesforce")
    saved = text_of(as_role("viewer").get(reverse("sheet_csv", args=["value-map", states.pk])))

    assert "'=cmd|' /C calc'!A0,'@x" in saved


def test_many_rows_are_pasted_at_once_and_become_the_draft(as_role, flow):
    editor, address = as_role("mapping editor"), url("fields", flow)
    page = editor.post(address, {"typed": "impact, Impact__c\nurgency, Urgency__c\nstate, Status"})
    assert page.context["counts"] == {"added": 2, "changed": 0, "removed": 0, "unchanged": 5}
    assert "until it is published" in text_of(page)

    before = {row.pk for row in FieldRow.objects.all()}
    confirmed(editor, address, page)
    rows = list(flow.rows.values_list("servicenow", "salesforce", "transform"))
    assert rows[-2:] == [("impact", "Impact__c", "copy"), ("urgency", "Urgency__c", "copy")]
    assert before < {row.pk for row in FieldRow.objects.all()}
    assert Flow.objects.get().revision == flow.revision
    assert [change.verb for change in drafts.draft_of(Flow.objects.get()).changes] == ["added", "added"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("servicenow,salesforce,direction\nimpact,Impact__c,up\n", "Line 2: direction: Value &#x27;up&#x27; is not a valid choice."),
        ("servicenow,salesforce,value_map\nstate,State__c,incident-state\n", "Line 2: value_map: there is no value map “incident-state”. Did you mean"),
        ("servicenow,salesforce,transform\nimpact,Impact__c,uper(impact)\n", "Line 2: transform:"),
        ("servicenow,salesforce\nimpact,Impact__c\nurgency,Impact__c\n", "Line 3: salesforce: line 2 writes Impact__c already."),
        ("servicenow,salesforce,required\nimpact,Impact__c,maybe\n", "Line 2: required: “maybe” is neither yes nor no."),
        ("salesforce\nImpact__c\n", "Missing: servicenow."),
        ("servicenow,salesforce\n=1+1,Impact__c\n", "put an apostrophe before it"),
        ("servicenow,salesforce\nimpact,Größe__c\n".encode("latin-1"), "It is not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_line_with_what_to_do_and_nothing_is_saved(as_role, flow, text, told):
    before = list(FieldRow.objects.values())
    page = chosen(as_role("mapping editor"), url("fields", flow), text)

    assert told in text_of(page)
    assert "Take over" not in text_of(page)
    assert list(FieldRow.objects.values()) == before


def test_a_hundred_thousand_rows_are_refused_with_the_limit(as_role, states):
    page = chosen(as_role("mapping editor"), url("value-map", states), "servicenow,salesforce\n" + "2,New\n" * 100_000)  # fmt: skip

    assert "It has more than 10,000 rows" in text_of(page)
    assert states.entries.count() == 5


def test_values_may_change_places(as_role, people):
    people.entries.create(kind="user", servicenow="beth.anglin", salesforce="beth@acme.example")
    editor, address = as_role("mapping editor"), url("user-table", people)
    UserTable.objects.update(resolved_at=timezone.now())
    swapped = "servicenow,salesforce\nabel.tuter,beth@acme.example\nbeth.anglin,abel@acme.example\n"
    confirmed(editor, address, chosen(editor, address, swapped))

    assert dict(people.entries.filter(kind="user").values_list("servicenow", "salesforce")) == {
        "abel.tuter": "beth@acme.example",
        "beth.anglin": "abel@acme.example",
    }
    assert UserTable.objects.get().resolved_at is None


def test_a_table_that_somebody_edited_after_the_preview_is_left_alone(as_role, states):
    editor, address = as_role("mapping editor"), url("value-map", states)
    page = chosen(editor, address, "servicenow,salesforce,direction\n1,Open,to_salesforce\n")
    states.entries.filter(servicenow="1").update(salesforce="Bob was here")

    assert "was edited after the preview was made" in text_of(confirmed(editor, address, page))
    assert states.entries.get(servicenow="1").salesforce == "Bob was here"


def test_a_viewer_exports_and_imports_nothing(as_role, states):
    viewer, address = as_role("viewer"), url("value-map", states)

    assert "Import" not in text_of(viewer.get(address)).partition('id="content-main"')[2]
    assert chosen(viewer, address, "servicenow,salesforce\n1,Open\n").status_code == 403
    assert viewer.post(address, {"rows": "[]", "seen": ""}).status_code == 403


@pytest.mark.parametrize(
    ("missing", "text", "told"),
    [
        ("delete_fieldrow", "servicenow,salesforce\nshort_description,Subject\n", "remove field rows"),
        ("add_fieldrow", "servicenow,salesforce\nimpact,Impact__c\n", "add field rows"),
        ("change_fieldrow", "servicenow,salesforce,required\nshort_description,Subject,yes\n", "change field rows"),
    ],
)  # fmt: skip
def test_an_import_does_to_rows_what_the_editors_own_form_lets_them_do(as_role, flow, missing, text, told):
    editor, address = as_role("mapping editor"), url("fields", flow)
    page = chosen(editor, address, text, whole="on" if missing == "delete_fieldrow" else "")
    Group.objects.get(name="mapping editor").permissions.remove(Permission.objects.get(codename=missing))
    before = list(flow.rows.values())

    assert confirmed(editor, address, page).status_code == 403
    again = chosen(editor, address, text, whole="on" if missing == "delete_fieldrow" else "")

    assert f"Your role does not let you {told}." in text_of(again)
    assert list(flow.rows.values()) == before


def test_a_long_table_is_edited_page_by_page_and_no_other_page_is_touched(as_role, states):
    entries = [
        states.entries.model(value_map=states, servicenow=f"v{number}", salesforce=f"S{number}", position=number + 10)
        for number in range(198)
    ]  # fmt: skip
    states.entries.bulk_create(entries)
    editor, page = as_role("mapping editor"), f"{change_url(states)}?entries-page=2"
    sent = form_of(editor, page)
    assert sent["entries-TOTAL_FORMS"] == "3"
    assert sent["entries-0-servicenow"] == "v195"
    assert editor.post(page, {**sent, "entries-0-salesforce": "Elsewhere"}).status_code == 302

    assert states.entries.count() == 203
    assert [row.servicenow for row in states.entries.filter(salesforce="Elsewhere")] == ["v195"]
    assert [row.servicenow for row in states.entries.all()[:2]] == ["1", "2"]


@pytest.mark.parametrize("text", ["New\x00", "New\ud83d"])
def test_rows_with_what_no_database_takes_are_refused_however_they_arrive(as_role, states, text):
    editor, address = as_role("mapping editor"), url("value-map", states)
    seen = chosen(editor, address, "servicenow,salesforce\n9,New\n").context["seen"]
    row = {"servicenow": "9", "salesforce": text, "direction": "to_salesforce", "along": ""}

    reply = editor.post(
        address, {"rows": json.dumps([[2, row]]), "seen": seen, "source": "t.csv"}, follow=True
    )

    assert "did not arrive whole" in text_of(reply)
    assert not states.entries.filter(servicenow="9").exists()
