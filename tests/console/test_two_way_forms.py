"""The forms offer what a flow can do both ways, and refuse what a configuration file would be refused for."""

from __future__ import annotations

import pytest
from django.urls import reverse

from mappings.models import FieldRow, ValueMap
from sync import services
from sync.configuration.export import export
from sync.models import AuditEntry, Connection, Flow
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

# The seed's flow both ways: its constant and its one-way value map stay with one direction.
NARROWED = {"rows-3-direction": "to_salesforce", "rows-4-direction": "to_salesforce"}
BOTH = {
    "direction": "both", "create_in_servicenow": "on", "servicenow_enter": "active=true",
    "salesforce_enter": "IsEscalated = true", "servicenow_key": "field", "servicenow_key_field": "correlation_id",
    "start": "2026-11-07T00:00:00+00:00", "guard": "strict", **NARROWED,
}  # fmt: skip


def sent_by(editor, flow, **changes: str) -> dict:
    given = {**form_of(editor, change_url(flow)), **BOTH, **changes}
    return {name: value for name, value in given.items() if value != ""}


def test_a_flow_is_made_to_go_both_ways(as_role, flow):
    editor = as_role("mapping editor")
    answer = editor.post(change_url(flow), sent_by(editor, flow))

    assert answer.status_code == 302
    settings = Flow.objects.get().revision.snapshot
    assert (settings["direction"], settings["create_in_servicenow"]) == ("both", True)
    assert (settings["servicenow_key"], settings["servicenow_key_field"]) == ("field", "correlation_id")
    assert (settings["start"], settings["options"]) == ("2026-11-07T00:00:00+00:00", {"guard": "strict"})
    assert "guard: strict" in export()
    assert AuditEntry.objects.get(action="flow.changed").after["options"] == {"guard": "strict"}

    editor.post(change_url(flow), sent_by(editor, flow, guard="live"))
    assert Flow.objects.get().options == {}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"salesforce_enter": ""}, "create_in_servicenow", "each side needs its own enter"),
        ({"start": "yesterday"}, "start", "is not everything, now, or"),
        ({"start": "2026-11-07T00:00:00"}, "start", "names no offset"),
        ({"servicenow_key_field": ""}, "servicenow_key_field", "for example correlation_id"),
        ({"servicenow_key": "sys_id"}, "servicenow_key_field", "needs no field"),
        ({"direction": "to_salesforce"}, "create_in_servicenow", "writes nothing to ServiceNow"),
    ],
)
def test_what_contradicts_itself_is_told_beside_the_field(as_role, flow, changes, field, words):
    editor = as_role("mapping editor")
    answer = editor.post(change_url(flow), sent_by(editor, flow, **changes))

    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    assert words in errors[field][0]
    assert Flow.objects.get().direction == "to_salesforce"


def test_only_keys_that_work_are_offered(as_role, flow):
    form = as_role("mapping editor").get(change_url(flow)).context["adminform"].form

    assert [value for value, _ in form.fields["servicenow_key"].choices] == ["sys_id", "field"]
    assert [value for value, _ in form.fields["salesforce_key"].choices] == ["external_id", "lookup"]


def test_two_rows_that_write_one_servicenow_column_are_told_apart_from_each_other(as_role, flow):
    editor = as_role("mapping editor")
    answer = editor.post(
        change_url(flow), sent_by(editor, flow, **{"rows-2-servicenow": "short_description"})
    )

    rows = answer.context["inline_admin_formsets"][0].formset
    assert rows.errors[2]["servicenow"] == ["row 2 writes short_description already."]


def test_a_viewer_reads_the_guard_in_words(as_role, flow):
    Flow.objects.update(options={"guard": "strict"})

    assert "strict: every field, in a resync too" in as_role("viewer").get(change_url(flow)).content.decode()


def entries(*given: dict[str, str]) -> dict[str, str]:
    usual = {"servicenow": "", "salesforce": "", "direction": "both", "position": "0", "along": ""}
    rows = [{**usual, **row} for row in given]
    return {f"entries-{i}-{name}": value for i, row in enumerate(rows) for name, value in row.items()}


def test_a_value_takes_columns_along_as_lines(as_role):
    editor, url = as_role("mapping editor"), reverse("admin:mappings_valuemap_add")
    closed = {
        "servicenow": "6",
        "salesforce": "Closed",
        "along": "close_code = Solution provided\nclose_notes=Done",
    }
    given = {**form_of(editor, url), "name": "states", "entries-TOTAL_FORMS": "2"}

    again = {
        "servicenow": "6",
        "salesforce": "Resolved",
        "direction": "to_servicenow",
        "along": "close_notes=Other",
    }
    refused = editor.post(url, {**given, **entries(closed, again)})
    formset = refused.context["inline_admin_formsets"][0].formset
    assert "takes other columns along in row 1" in formset.errors[1]["along"][0]
    broken = editor.post(url, {**given, **entries(closed, {**again, "along": "close_notes"})})
    assert "column=value" in broken.context["inline_admin_formsets"][0].formset.errors[1]["along"][0]

    editor.post(url, {**given, **entries(closed, {**again, "along": ""})})

    made = ValueMap.objects.get()
    assert made.spec().along == {"6": {"close_code": "Solution provided", "close_notes": "Done"}}
    page = editor.get(change_url(made)).content.decode()
    assert page.count('<details class="ic-unfolding" open>') == 1
    assert '<details class="ic-unfolding"><summary>add columns</summary>' in page


def test_a_revision_tells_what_goes_along_with_a_value(as_role, flow):
    entry = flow.rows.get(salesforce="Status").value_map.entries.get(servicenow="6")
    entry.direction, entry.along = "both", "close_code=Solution provided"
    entry.save()
    revision = services.publish_flow(flow=flow, by=None)

    page = as_role("viewer").get(change_url(revision)).content.decode()

    assert page.count("along with close_code: Solution provided") == 1


def test_a_second_instance_is_told_beside_the_key_prefix_and_what_it_says_is_kept(as_role, incidents_flow):
    clone = Connection.objects.create(name="clone", system="servicenow", url="https://clone.service-now.com")
    other = Flow.objects.create(
        name="of-the-clone",
        servicenow_connection=clone,
        salesforce_connection=incidents_flow.salesforce_connection,
    )
    FieldRow.objects.create(mapping=other, servicenow="short_description", salesforce="Subject")
    administrator = as_role("administrator")
    sent = form_of(administrator, change_url(other))

    page = administrator.post(change_url(other), sent).content.decode()
    assert "incidents-to-cases fills Case.ServiceNow_Sys_Id__c of the same org from another instance" in page
    assert Flow.objects.get(pk=other.pk).revision is None

    administrator.post(change_url(other), {**sent, "key_prefix": "instance"})
    saved = Flow.objects.get(pk=other.pk)
    assert saved.options["key_prefix"] == saved.revision.snapshot["options"]["key_prefix"] == "instance"
    assert form_of(administrator, change_url(other))["key_prefix"] == "instance"
