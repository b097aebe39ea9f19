"""The linter on a flow's page: what it says, what it keeps from being published, and what it mends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from mappings.models import FieldRow
from sync import inspecting, linting, mending, nightly, services
from sync.core.records import FieldSchema, Schema
from sync.engine.schemas import remember_schema
from sync.models import AuditEntry, Question, Revision
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def text(name: str, length: int = 255, **given) -> FieldSchema:
    return FieldSchema(name, "string", length=length, **given)


def choices(name: str, kind: str, *values: str) -> FieldSchema:
    return FieldSchema(name, kind, length=40, restricted=True, choices=values)


SERVICENOW = (text("number", 40), text("short_description", 160), text("description", 4000),
              choices("state", "integer", "1", "2", "3", "6", "7"))  # fmt: skip
SALESFORCE = (
    text("ServiceNow_Number__c", 40), text("Subject"), text("Description", 32_000), text("ServiceNow_Sys_Id__c", 80, unique=True),
    choices("Status", "picklist", "New", "Working", "Closed"), choices("Origin", "picklist", "ServiceNow", "Web"),
)  # fmt: skip


def described(flow, *, servicenow=SERVICENOW, salesforce=SALESFORCE) -> None:
    for connection, name, fields in (
        (flow.servicenow_connection, flow.servicenow_table, servicenow),
        (flow.salesforce_connection, flow.salesforce_object, salesforce),
    ):
        remember_schema(connection, Schema(name, {each.name: each for each in fields}))


def with_parked(*without: str):
    """Both sides, where ServiceNow has a state more and some fields of Salesforce are gone."""
    states = choices("state", "integer", "1", "2", "3", "6", "7", "9")
    return {
        "servicenow": [each for each in SERVICENOW if each.name != "state"] + [states],
        "salesforce": [each for each in SALESFORCE if each.name not in without],
    }


@pytest.fixture
def row(flow):
    return lambda salesforce: FieldRow.objects.get(mapping=flow, salesforce=salesforce)


def saved(client, flow, **changes):
    return client.post(change_url(flow), {**form_of(client, change_url(flow)), **changes})


def test_a_page_whose_schemas_nobody_read_says_so_and_offers_to_read_them(root, flow):
    page = root.get(change_url(flow)).content.decode()

    assert "were not read yet, so nothing is said of them" in page
    assert "Read both schemas" in page
    root.post(reverse("admin:sync_flow_lint", args=[flow.pk]), {"ask": "schemas"})
    assert Question.objects.get(flow=flow).kind == "schemas"
    assert "asking" in root.get(reverse("admin:sync_flow_lint", args=[flow.pk])).content.decode()
    assert AuditEntry.objects.filter(action="schemas.read").count() == 1


def test_a_mapping_that_fits_is_called_ok_in_every_row(root, flow):
    described(flow)
    page = root.get(change_url(flow))

    assert page.context["lint"]["lines"] == []
    assert page.content.decode().count(">ok<") >= 6


def test_an_error_stands_beside_its_row_and_is_not_published_but_may_be_kept_as_a_draft(root, flow, row):
    described(flow, salesforce=[each for each in SALESFORCE if each.name != "Origin"])
    before = Revision.objects.count()

    refused = saved(root, flow, conflict="ask", reason="Because")

    assert refused.status_code == 200
    body = refused.content.decode()
    assert "Not published: Case of Salesforce has no field Origin" in body
    assert Revision.objects.count() == before
    kept = saved(root, flow, conflict="ask", keep_draft="on")
    assert kept.status_code == 302
    assert Revision.objects.count() == before


def test_what_changes_nothing_that_is_published_is_saved_whatever_the_linter_says(root, flow):
    described(flow, salesforce=[each for each in SALESFORCE if each.name != "Origin"])

    assert saved(root, flow, enabled="").status_code == 302
    flow.refresh_from_db()
    assert not flow.enabled


def test_a_warning_takes_a_reason_once(root, flow):
    described(flow, **with_parked())

    assert "say in Reason why" in saved(root, flow, conflict="ask").content.decode()
    assert saved(root, flow, conflict="ask", reason="Nobody parks here").status_code == 302
    revision = Revision.objects.order_by("-pk").first()
    assert [each.partition(":")[0] for each in revision.warnings] == ["unmapped_value"]
    assert saved(root, flow, conflict="newest", reason="").status_code == 302


@pytest.mark.parametrize("by", ["root", None])
def test_nobody_publishes_an_error_be_it_by_a_service_or_a_file(root, flow, by, django_user_model):
    described(flow, salesforce=[each for each in SALESFORCE if each.name != "Origin"])
    flow.conflict = "ask"
    flow.save()
    person = django_user_model.objects.get(username=by) if by else None

    with pytest.raises(services.Refused, match="has no field Origin"):
        services.publish_flow(flow=flow, by=person, reason="Because")


def test_people_argue_for_a_warning_and_a_file_is_its_own_argument(root, flow, django_user_model):
    described(flow, **with_parked())
    flow.conflict = "ask"
    flow.save()

    with pytest.raises(services.Refused, match="not published without a reason"):
        services.publish_flow(flow=flow, by=django_user_model.objects.get())
    assert services.publish_flow(flow=flow, by=None, reason="Configuration file applied").warnings


# Mending


def number(flow, code: str) -> str:
    return next(mending.number_of(each) for each in linting.lint_flow(flow).findings if each.code == code)


def test_a_missing_state_is_given_an_entry_where_a_person_says_and_waits_in_the_draft(as_role, flow):
    described(flow, **with_parked())
    editor, url = as_role("mapping editor"), reverse("admin:sync_flow_mend", args=[flow.pk])
    parked = number(flow, "unmapped_value")
    published = flow.revision_id

    asked = editor.get(url, {"finding": parked}).content.decode()
    assert "9 becomes" in asked
    assert "Adds entries of this direction to the value map incident-state-case-status" in asked
    editor.post(url, {"_form_submitted": "on", "finding": parked, "value_0": "Working"})

    (entry,) = flow.rows.get(salesforce="Status").value_map.entries.filter(servicenow="9")
    assert (entry.salesforce, entry.direction) == ("Working", "to_salesforce")
    assert linting.lint_flow(flow).findings == ()
    flow.refresh_from_db()
    assert flow.revision_id == published
    audited = AuditEntry.objects.get(action="finding.mended")
    assert audited.after["9"] == "Working"


def test_a_renamed_field_is_taken_by_its_new_name_and_the_row_stays_the_same_row(root, flow, row):
    renamed = [text("Subject__c") if each.name == "Subject" else each for each in SALESFORCE]
    described(flow, salesforce=renamed)
    held = row("Subject").pk

    root.post(reverse("admin:sync_flow_mend", args=[flow.pk]), {"_form_submitted": "on", "finding": number(flow, "unknown_field")})  # fmt: skip

    assert row("Subject__c").pk == held


def test_a_value_that_is_refused_leads_elsewhere_and_still_comes_back_as_before(root, flow):
    states = flow.rows.get(salesforce="Status").value_map
    states.entries.filter(servicenow="7").update(salesforce="Gone", direction="both")
    described(flow)

    mending.mend(flow=flow, number=number(flow, "value_refused"), by=None, chosen={"7": "Closed"})

    told = sorted(states.entries.filter(servicenow="7").values_list("salesforce", "direction"))
    assert told == [("Closed", "to_salesforce"), ("Gone", "to_servicenow")]


def test_what_a_new_record_needs_is_written_as_a_constant(root, flow, row):
    described(flow, salesforce=[*SALESFORCE, choices("Type", "picklist", "Problem")])
    needed = FieldSchema(
        "Reason__c", "picklist", length=40, required=True, restricted=True, choices=("New", "Old")
    )
    described(flow, salesforce=[*SALESFORCE, needed])

    mending.mend(flow=flow, number=number(flow, "required_unfed"), by=None, chosen={"": "Old"})

    assert (row("Reason__c").transform, row("Reason__c").value) == ("constant", "Old")
    assert linting.lint_flow(flow).errors == []


def test_a_finding_that_does_not_stand_any_more_is_not_mended_twice(root, flow):
    described(flow, salesforce=[each for each in SALESFORCE if each.name != "Origin"])
    gone = number(flow, "unknown_field")
    mending.mend(flow=flow, number=gone, by=None)

    with pytest.raises(services.Refused, match="does not stand any more"):
        mending.mend(flow=flow, number=gone, by=None)
    assert not flow.rows.filter(salesforce="Origin").exists()


def test_the_same_question_is_not_asked_twice_at_once(root, flow):
    first = inspecting.count_hits(flow=flow, by=None)

    assert inspecting.count_hits(flow=flow, by=None).pk == first.pk


# What changed over there


def changed(flow) -> None:
    """Read once, published, and read again after an administrator took a status away and renamed nothing else."""
    described(flow)
    states = [each for each in SALESFORCE if each.name != "Status"]
    described(flow, salesforce=[*states, choices("Status", "picklist", "New", "Working", "Done")])
    linting.note(flow)


def test_a_connections_page_tells_what_changed_there_since_the_time_before(root, flow):
    changed(flow)
    page = root.get(change_url(flow.salesforce_connection)).content.decode()

    assert "Case.Status no longer offers Closed and offers Done as well." in page
    url = reverse("admin:sync_connection_schemas", args=[flow.salesforce_connection.pk])
    assert "asking" in root.post(url).content.decode()
    assert Question.objects.get(connection=flow.salesforce_connection).kind == "schemas"


def test_the_overview_alerts_where_a_published_mapping_depends_on_what_changed(root, flow):
    changed(flow)

    (alert,) = [each for each in root.get(reverse("admin:index")).context["alerts"] if each.word == "changed"]

    assert alert.name == flow.name
    assert "does not offer 'Closed'" in alert.text


def test_the_menu_and_the_list_say_which_flows_have_errors_and_look_at_no_mapping_for_it(root, flow):
    url = reverse("admin:sync_flow_changelist")

    def badge() -> str:
        groups = root.get(url).context["sidebar_navigation"]
        return next(
            item.get("badge", "") for group in groups for item in group["items"] if item["title"] == "Flows"
        )

    described(flow)
    linting.note(flow)
    assert badge() == ""
    described(flow, salesforce=[each for each in SALESFORCE if each.name != "Origin"])
    assert badge() == ""  # as it was looked at last
    linting.note(flow)

    assert badge() == "1"
    assert "1 mapping error" in root.get(url, {"mapping": "errors"}).content.decode()
    described(flow)
    linting.note(flow)
    assert "1 mapping error" not in root.get(url).content.decode()


def test_a_change_of_a_field_that_no_row_names_alerts_nobody(root, flow):
    described(flow)
    described(flow, salesforce=[*SALESFORCE, text("Unused__c")])
    linting.note(flow)

    assert [
        each for each in root.get(reverse("admin:index")).context["alerts"] if each.word == "changed"
    ] == []


def test_schemas_are_read_each_night_once_and_only_where_a_flow_uses_them(flow):
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    night = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
    assert nightly.tick_schemas(noon) == []

    asked = nightly.tick_schemas(night)

    assert {each.connection for each in asked} == {flow.servicenow_connection, flow.salesforce_connection}
    assert nightly.tick_schemas(night) == []
    type(flow).objects.update(enabled=False)
    assert nightly.tick_schemas(night + timedelta(days=1)) == []
