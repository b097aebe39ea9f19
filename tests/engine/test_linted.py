"""The linter asks the sandbox: both schemas are read, records that a finding hits are counted, and changes are told."""

from __future__ import annotations

from dataclasses import replace

from mappings.models import FieldRow
from sync import inspecting, linting
from sync.models import CachedSchema, DeadLetter, Flow, LintReport
from sync.questions import answer
from tests.engine.both import make_both
from tests.engine.conftest import run_now


def asked(question) -> dict:
    answered = answer(question.pk)
    assert answered.state == "answered", answered.answer
    return answered.answer


def hits_of(flow) -> dict[str, dict]:
    """Code -> its count; the last one where several findings have a code."""
    found = asked(inspecting.count_hits(flow=flow, by=None, enqueue=False))["hits"]
    return {key.partition(":")[0]: hit for key, hit in found.items()}


def test_each_finding_says_how_many_records_of_the_live_system_it_would_hit(flow, pair):
    asked(inspecting.read_schemas(flow=flow, by=None, enqueue=False))
    for number, state in enumerate(("1", "8", "8")):
        pair.servicenow.add("incident", short_description=f"Printer {number}", state=state)
    FieldRow.objects.filter(mapping=flow, salesforce="Subject").update(
        transform="truncate(short_description, 255)"
    )
    FieldRow.objects.filter(mapping=flow, salesforce="ServiceNow_Number__c").update(
        servicenow="short_description"
    )
    pair.servicenow.add(
        "incident", short_description="A very long story that does not fit into forty characters"
    )
    FieldRow.objects.filter(mapping=flow, salesforce="Description").update(
        transform="datetime", servicenow="number"
    )

    hits = hits_of(flow)

    assert hits["unmapped_value"] == {"records": 2, "of": None}
    assert hits["length_loss"] == {"records": 1, "of": None}


def test_a_scope_bounds_what_is_counted_and_combinations_of_columns_are_counted_together(flow, pair):
    asked(inspecting.read_schemas(flow=flow, by=None, enqueue=False))
    rows = FieldRow.objects.filter(mapping=flow)
    rows.filter(salesforce="Priority").update(servicenow="impact, urgency")
    for impact, urgency, place in (("1", "1", "here"), ("2", "3", "here"), ("2", "3", "elsewhere")):
        pair.servicenow.add("incident", impact=impact, urgency=urgency, short_description=place)
    Flow.objects.filter(pk=flow.pk).update(servicenow_scope="short_description=here")

    hits = hits_of(Flow.objects.get(pk=flow.pk))

    assert hits["unmapped_value"]["records"] == 2


def test_what_an_administrator_changes_is_told_with_before_and_after_and_a_published_mapping_is_looked_at_again(
    flow, pair
):
    asked(inspecting.read_schemas(flow=flow, by=None, enqueue=False))
    assert LintReport.objects.get(flow=flow).errors == 0
    (column,) = pair.servicenow.rows("sys_dictionary", name="task", element="short_description")
    pair.servicenow.edit("sys_dictionary", column["sys_id"], by="admin", max_length="300")
    (closed,) = pair.servicenow.rows("sys_choice", name="incident", element="state", value="7")
    pair.servicenow.edit("sys_choice", closed["sys_id"], by="admin", inactive="true")
    pair.servicenow.add("sys_choice", name="incident", element="state", value="9", label="Parked")

    told = asked(inspecting.read_schemas(connection=flow.servicenow_connection, by=None, enqueue=False))

    assert told["read"] == [{"connection": "acme-servicenow", "name": "incident", "fields": told["read"][0]["fields"], "changes": 2}]  # fmt: skip
    changes = {
        each.field: (each.what, each.before, each.after)
        for each in flow.servicenow_connection.schema_changes.all()
    }
    assert changes == {"short_description": ("length", 160, 300), "state": ("choices", ["7"], ["9"])}
    codes = {each["code"] for each in LintReport.objects.get(flow=flow).findings}
    assert {"unmapped_value", "length_loss"} <= codes


def test_a_run_that_meets_a_changed_schema_keeps_what_was_read_for_the_comparison(flow, pair):
    assert run_now(flow).status == "succeeded"
    held = CachedSchema.objects.get(connection=flow.salesforce_connection)

    assert linting.lint_flow(flow).schemas["salesforce"].name == held.name == "Case"
    assert not held.stale


REFUSED = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def test_a_record_type_refuses_a_dry_run_as_it_refuses_a_write_and_the_linter_says_so_before(flow, pair):
    pair.salesforce.set_up(default_record_types=["Case.Service_Request"])
    new = pair.servicenow.add("incident", short_description="Printer", state="1", impact="3", urgency="2")
    pair.servicenow.add("incident", short_description="Parked", state="3", impact="3", urgency="2")

    dry = run_now(flow, mode="dry")
    written = run_now(flow)

    assert (dry.created, dry.failed) == (written.created, written.failed) == (1, 1)
    assert DeadLetter.objects.get().code == REFUSED
    pair.servicenow.edit("incident", new["sys_id"], state="3")
    dry, written = run_now(flow, mode="dry"), run_now(flow)
    assert (dry.updated, dry.failed) == (written.updated, written.failed) == (0, 1)
    (case,) = pair.salesforce.rows("Case")
    assert (
        pair.salesforce.rows("RecordType", Id=case["RecordTypeId"])[0]["DeveloperName"] == "Service_Request"
    )
    hits = asked(inspecting.count_hits(flow=flow, by=None, enqueue=False))["hits"]
    (parked,) = [hit for key, hit in hits.items() if "does not offer 'On Hold' for the record type" in key]
    assert parked == {"records": 2, "of": None}
    assert linting.lint_flow(flow).errors


def test_what_a_record_type_loses_is_told_and_alerts_whose_mapping_sends_it(flow, pair):
    row = pair.salesforce.rows("RecordType", DeveloperName="Incident")[0]
    FieldRow.objects.create(
        mapping=flow, position=98, salesforce="RecordTypeId", transform="constant", value=row["Id"]
    )
    asked(inspecting.read_schemas(connection=flow.salesforce_connection, by=None, enqueue=False))
    assert not linting.lint_flow(flow).errors
    types = pair.salesforce.platform.org.record_types
    types[row["Id"]] = replace(types[row["Id"]], offers={"Status": ("New", "Working")})
    other = pair.salesforce.rows("RecordType", DeveloperName="Complaint")[0]["Id"]
    types[other] = replace(types[other], active=True)
    pair.salesforce.set_up(default_record_types=["Case.Service_Request"])

    asked(inspecting.read_schemas(connection=flow.salesforce_connection, by=None, enqueue=False))

    told = [linting.in_a_sentence(each) for each in flow.salesforce_connection.schema_changes.order_by("pk")]
    assert told == [
        "Case: the record type Complaint can be given to records.",
        "Case.Status no longer offers On Hold, Resolved, Closed for the record type Incident.",
        "Case.Type offers Question, Feature Request as well for the record type Incident.",
        "Case: the record type of a new record was none and is Service_Request.",
    ]
    told = [each.text for each in linting.lint_flow(flow).findings if each.code == "record_type_refuses"]
    assert any("does not offer 'On Hold' for the record type Incident" in each for each in told)
    assert len(LintReport.objects.get(flow=flow).changes) == 2  # its rows name neither Type nor RecordTypeId


def test_reading_a_flow_reads_what_its_names_go_behind_and_a_name_that_leads_nowhere_is_found(flow, pair):
    rows = FieldRow.objects.filter(mapping=flow)
    rows.filter(salesforce="Subject").update(servicenow="caller_id.emial")

    asked(inspecting.read_schemas(flow=flow, by=None, enqueue=False))

    held = CachedSchema.objects.filter(connection=flow.servicenow_connection)
    assert set(held.values_list("name", flat=True)) == {"incident", "sys_user"}
    (finding,) = [each for each in linting.lint_flow(flow).findings if each.code == "unknown_field"]
    assert "sys_user of ServiceNow has no field emial, of caller_id.emial" in finding.text
    assert finding.fix.changes == {"servicenow": "caller_id.email"}


def test_what_lies_behind_a_reference_of_salesforce_is_read_into_servicenow(transactional_db, pair):
    """The account's name; the case itself must be edited for its change to be met."""
    rows = (
        {"servicenow": "short_description", "salesforce": "Subject"},
        {"servicenow": "description", "salesforce": "Account.Name", "direction": "to_servicenow"},
    )
    flow = make_both(pair, rows=rows, create_in_salesforce=False, create_in_servicenow=True, servicenow_enter="", salesforce_enter="")  # fmt: skip
    account = pair.salesforce.add("Account", Name="Acme")
    pair.salesforce.add("Case", Subject="Printer", AccountId=account["Id"])

    assert run_now(flow).created == 1

    assert [row["description"] for row in pair.servicenow.rows("incident")] == ["Acme"]
    asked(inspecting.read_schemas(flow=flow, by=None, enqueue=False))
    assert "unknown_field" not in {each.code for each in linting.lint_flow(flow).findings}
