"""Applying a file: one transaction, found again by name, twice is once."""

from __future__ import annotations

import pytest
from django.utils import timezone

from mappings.models import FieldRow, UserTable, ValueMap
from sync.configuration.export import export
from sync.configuration.problems import InvalidConfiguration
from sync.core.records import FieldSchema, Schema
from sync.engine.schemas import remember_schema
from sync.models import AuditEntry, Connection, Flow, Revision, Run, Schedule
from sync.services import Refused

pytestmark = pytest.mark.django_db


def told(plan) -> list[str]:
    return [f"{change.action} {change.kind} {change.name}" for change in plan.changes]


def test_a_new_file_creates_all_it_names_and_publishes_the_flow(bring_in, acme):
    plan = bring_in(acme)

    assert told(plan) == [
        "create connection acme-servicenow",
        "create connection acme-salesforce",
        "create value map incident-state-case-status",
        "create user table acme-people",
        "create flow incidents-to-cases",
        "publish flow incidents-to-cases",
    ]
    flow = Flow.objects.get()
    assert flow.revision.number == 1
    assert [row.salesforce for row in flow.rows.all()] == ["Subject", "Status", "OwnerId", "Origin"]
    assert flow.schedule.cron == "*/1 * * * *"
    assert flow.options == {"bulk": 5000}


def test_applying_twice_changes_nothing_and_publishes_nothing(bring_in, acme):
    bring_in(acme)
    audited = AuditEntry.objects.count()

    assert bring_in(acme).changes == []

    assert Revision.objects.count() == 1
    assert AuditEntry.objects.count() == audited


def test_nothing_is_applied_when_anything_is_wrong(bring_in, acme):
    with pytest.raises(InvalidConfiguration):
        bring_in(acme.replace("transform: user", "transform: users"))

    assert not Connection.objects.exists()


def test_a_dry_run_shows_the_plan_and_changes_nothing(bring_in, acme):
    plan = bring_in(acme, dry_run=True)

    assert "create flow incidents-to-cases" in told(plan)
    assert not Flow.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_changed_row_keeps_its_uuid(bring_in, acme):
    bring_in(acme)
    before = FieldRow.objects.get(salesforce="Subject").pk

    bring_in(
        acme.replace("{servicenow: short_description, salesforce", "{required: true, servicenow: short_description, salesforce")
    )  # fmt: skip

    row = FieldRow.objects.get(salesforce="Subject")
    assert (row.pk, row.required) == (before, True)


def test_a_row_turned_to_another_column_is_a_new_one_and_publishes_one_revision(bring_in, acme):
    """What both sides last agreed on was agreed of the old column."""
    bring_in(acme)
    before = FieldRow.objects.get(salesforce="Subject").pk

    plan = bring_in(
        acme.replace("{servicenow: short_description, salesforce", "{servicenow: description, salesforce")
    )

    assert FieldRow.objects.get(salesforce="Subject").pk != before
    assert told(plan) == ["update flow incidents-to-cases", "publish flow incidents-to-cases"]
    assert plan.changes[0].details == (
        "field changed: Subject: servicenow: 'short_description' → 'description'",
    )
    assert Flow.objects.get().revision.number == 2


def test_a_row_whose_direction_is_written_out_is_the_same_row(bring_in, acme):
    bring_in(acme)
    before = FieldRow.objects.get(salesforce="Origin").pk

    bring_in(acme.replace("value: ServiceNow}", "value: ServiceNow, direction: to_salesforce}"))

    assert FieldRow.objects.get(salesforce="Origin").pk == before


def test_rows_may_trade_places(bring_in, acme):
    first = "      - {servicenow: short_description, salesforce: Subject}\n"
    bring_in(acme)
    kept = set(FieldRow.objects.values_list("pk", flat=True))

    bring_in(acme.replace(first, "") + first)

    assert [row.salesforce for row in Flow.objects.get().rows.all()] == [
        "Status",
        "OwnerId",
        "Origin",
        "Subject",
    ]
    assert set(FieldRow.objects.values_list("pk", flat=True)) == kept


def test_a_changed_value_map_publishes_the_flows_that_use_it(bring_in, acme):
    bring_in(acme)

    plan = bring_in(acme.replace("salesforce: New}", "salesforce: Open}"))

    assert told(plan) == ["update value map incident-state-case-status", "publish flow incidents-to-cases"]
    assert plan.changes[0].details == (
        "entry removed: '1' – 'New' (both)",
        "entry added: '1' – 'Open' (both)",
    )


def test_answers_of_a_value_map_may_trade_places(bring_in, acme):
    bring_in(acme)

    bring_in(
        acme.replace('"1", salesforce: New', '"1", salesforce: No').replace(
            "3, salesforce: No", "3, salesforce: New"
        )
    )

    assert ValueMap.objects.get().spec().to_salesforce == {"1": "No", "3": "New"}


def test_a_changed_schedule_is_no_new_revision(bring_in, acme):
    bring_in(acme)
    Schedule.objects.update(next_at=timezone.now())

    plan = bring_in(acme.replace("*/1 * * * *", "*/5 * * * *"))

    assert told(plan) == ["update flow incidents-to-cases"]
    assert Schedule.objects.get().next_at is None


def test_secrets_come_from_the_environment_and_never_show(bring_in, acme):
    plan = bring_in(acme)

    assert Connection.objects.get(name="acme-servicenow").secrets == {
        "client_id": "alice",
        "client_secret": "open sesame",
    }
    shown = "".join(map(str, plan.changes)) + str(list(AuditEntry.objects.values_list("before", "after")))
    assert "open sesame" not in shown


def test_an_unset_variable_keeps_the_stored_secret_and_says_so(bring_in, acme):
    bring_in(acme)

    plan = bring_in(acme, environ={"SN_ID": "alice", "SN_SECRET": "new", "SF_ID": "bob"})

    assert Connection.objects.get(name="acme-salesforce").secrets["client_secret"] == "abracadabra"
    assert Connection.objects.get(name="acme-servicenow").secrets["client_secret"] == "new"
    assert any("SF_SECRET is not set: the stored secret is kept" in notice for notice in plan.notices)


def test_a_new_address_makes_the_connection_untested(bring_in, acme):
    bring_in(acme)
    Connection.objects.update(health="ok")

    bring_in(acme.replace("https://acme.my.salesforce.com", "https://acme--test.my.salesforce.com"))

    assert dict(Connection.objects.values_list("name", "health")) == {
        "acme-servicenow": "ok",
        "acme-salesforce": "unknown",
    }


def test_a_new_fallback_is_looked_up_anew(bring_in, acme):
    bring_in(acme)
    UserTable.objects.update(fallback_salesforce_id="00G000000000001AAA")

    bring_in(acme.replace("to_salesforce: it_queue", "to_salesforce: Hardware_Queue"))

    assert UserTable.objects.get().fallback_salesforce_id == ""


def test_what_the_file_does_not_name_stays_unless_pruned(bring_in, acme):
    bring_in(acme)
    smaller = acme[: acme.index("user_tables:")]

    assert bring_in(smaller).changes == []
    assert told(bring_in(smaller, pruning=True)) == [
        "delete flow incidents-to-cases",
        "delete user table acme-people",
    ]


def test_a_flow_that_ran_is_disabled_instead_of_deleted(bring_in, acme):
    bring_in(acme)
    flow = Flow.objects.get()
    Run.objects.create(flow=flow, kind="manual", status="succeeded", revision=flow.revision)

    plan = bring_in(acme[: acme.index("user_tables:")], pruning=True)

    flow.refresh_from_db()
    assert not flow.enabled
    assert "user table acme-people: still in use, so it stays." in plan.notices


def test_a_disabled_flow_stays_disabled_when_the_file_does_not_say(bring_in, acme):
    bring_in(acme)
    Flow.objects.update(enabled=False)

    bring_in(acme)

    assert not Flow.objects.get().enabled


def test_each_change_is_in_the_audit_log(bring_in, acme):
    bring_in(acme)

    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {
        "connection.created",
        "connection.secrets_changed",
        "value_map.created",
        "user_table.created",
    } <= actions
    assert {"flow.created", "flow.published"} <= actions


def test_what_a_value_takes_along_is_part_of_its_entry(bring_in, acme):
    closed = '{servicenow: "6", salesforce: Closed}'
    text = acme.replace('{servicenow: "1", salesforce: New}', closed)
    bring_in(text)

    plan = bring_in(text.replace(closed, closed.replace("}", ", along: {close_code: Solution provided}}")))

    assert plan.changes[0].details == (
        "entry removed: '6' – 'Closed' (both)",
        "entry added: '6' – 'Closed' (both), along with close_code=Solution provided",
    )
    assert ValueMap.objects.get().spec().along == {"6": {"close_code": "Solution provided"}}
    ValueMap.objects.get().entries.filter(servicenow="6").update(along=" close_code = Solution provided\n")
    assert (
        bring_in(
            text.replace(closed, closed.replace("}", ", along: {close_code: Solution provided}}"))
        ).changes
        == []
    )


def test_guard_and_start_are_settings_of_the_revision(bring_in, acme):
    bring_in(acme.replace("    schedule:", "    guard: strict\n    start: now\n    schedule:"))

    settings = Flow.objects.get().revision.snapshot
    assert settings["start"] == "now"
    assert settings["options"]["guard"] == "strict"

    plan = bring_in(acme)

    assert "start: 'now' → 'everything'" in plan.changes[0].details
    assert "guard" not in Flow.objects.get().revision.snapshot["options"]


@pytest.mark.parametrize(("said", "kept"), [("never", "never"), ("5000", 5000), ("auto", None)])
def test_bulk_is_a_setting_of_the_revision_and_is_exported_as_it_was_said(bring_in, acme, said, kept):
    bring_in(acme.replace("bulk: 5000", f"bulk: {said}"))

    assert Flow.objects.get().revision.snapshot["options"].get("bulk") == kept
    assert (f"bulk: {said}" in export()) == (kept is not None)
    assert bring_in(export()).changes == []


# What the linter says of a flow that is published


def offers(*states: str) -> None:
    """Both sides as they were read, where ServiceNow's state holds these values."""
    fields = {
        "acme-servicenow": ("incident", [
            FieldSchema("short_description", "string", length=160), FieldSchema("sys_id", "string", length=32),
            FieldSchema("state", "integer", length=40, restricted=True, choices=states),
            FieldSchema("assigned_to", "reference", length=32), FieldSchema("assignment_group", "reference", length=32),
        ]),
        "acme-salesforce": ("Case", [
            FieldSchema("Subject", "string", length=255), FieldSchema("Status", "picklist", length=40, choices=("New", "No")),
            FieldSchema("OwnerId", "reference", length=18), FieldSchema("Origin", "picklist", length=40, choices=("ServiceNow",)),
            FieldSchema("ServiceNow_Sys_Id__c", "string", length=80, unique=True, external_id=True),
        ]),
    }  # fmt: skip
    for name, (table, described) in fields.items():
        schema = Schema(table, {each.name: each for each in described})
        remember_schema(Connection.objects.get(name=name), schema)


def test_a_warning_is_listed_beforehand_takes_a_reason_once_and_is_kept_with_it(bring_in, acme):
    bring_in(acme)
    offers("1", "3", "9")
    edited = acme.replace("bulk: 5000", "bulk: 6000")

    shown = bring_in(edited, dry_run=True)
    [parked] = [each for each in shown.warnings if "9" in each]
    assert parked.startswith("incidents-to-cases: ")
    assert shown.unargued == shown.warnings
    with pytest.raises(Refused, match="say with --reason why"):
        bring_in(edited, reason="")
    assert Flow.objects.get().options == {"bulk": 5000}

    assert bring_in(edited, reason="Nobody parks here").warnings == shown.warnings
    revision = Flow.objects.get().revision
    assert (revision.number, revision.reason) == (2, "Nobody parks here")
    again = bring_in(acme, reason="")
    assert (again.warnings, again.unargued) == (shown.warnings, [])
    assert Flow.objects.get().revision.reason == "Configuration file applied"


def test_an_error_stops_the_file_at_the_line_of_its_flow_whatever_the_reason(bring_in, acme):
    bring_in(acme)
    offers("1", "3")
    edited = acme.replace("salesforce: Origin", "salesforce: Orign")

    for dry_run in (True, False):
        with pytest.raises(InvalidConfiguration, match="acme.yaml:23, .*Orign.*Origin"):
            bring_in(edited, reason="Because", dry_run=dry_run)

    assert Flow.objects.get().revision.number == 1
    assert FieldRow.objects.filter(salesforce="Origin").exists()
