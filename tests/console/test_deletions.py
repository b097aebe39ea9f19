"""Deletions in the console: the policies as controls, what waits for a person, and how a pair ended, in plain words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from sync import questions, revisions, services
from sync.configuration.export import export
from sync.models import AuditEntry, Connection, Event, Flow, RecordLink, Worker
from sync.models.link import LinkState
from sync.sandbox.pair import PairConfig, start_pair
from tests.console import seed
from tests.console.test_actions import CONFIRMED, action_url
from tests.console.test_configuration import change_url, form_of
from tests.engine.both import make_both
from tests.engine.conftest import run_now

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
REASON = "60 records disappeared from ServiceNow at once; a run carries over 50 at most unasked."
CLOSE = {
    "deletions_servicenow": "close",
    "closing_salesforce": "Status=Closed\nIsEscalated = false\nRank__c=5",
}


def save(editor, flow, **changes):
    return editor.post(change_url(flow), {**form_of(editor, change_url(flow)), **changes})


# The form


def test_policies_and_closing_values_are_set_and_published(as_role, flow):
    editor = as_role("mapping editor")
    assert save(editor, flow, **CLOSE).status_code == 302

    closing = {"salesforce": {"Status": "Closed", "IsEscalated": False, "Rank__c": 5}}
    wanted = {"deletions": {"servicenow": "close", "close": closing}}
    saved = Flow.objects.get()
    assert (saved.options, saved.revision.snapshot["options"]) == (wanted, wanted)
    assert AuditEntry.objects.get(action="flow.changed").after["options"] == wanted
    assert "servicenow: close" in export()

    save(editor, flow, deletions_servicenow="ignore", closing_salesforce="")
    assert Flow.objects.get().options == {}


def test_saving_another_setting_keeps_policies_as_they_are(as_role, flow):
    kept = {"deletions": {"salesforce": "unlink", "close": {"salesforce": {"Code__c": "5", "Note__c": None}}}}
    Flow.objects.update(options=kept)

    save(as_role("mapping editor"), flow, guard="strict")

    assert Flow.objects.get().options == {**kept, "guard": "strict"}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"deletions_servicenow": "close"}, "closing_salesforce", "which values close a record of Salesforce"),
        ({"deletions_salesforce": "close"}, "closing_servicenow", "which values close a record of ServiceNow"),
        ({"closing_servicenow": "state"}, "closing_servicenow", "not of the form field=value"),
        ({"closing_servicenow": "close code=7"}, "closing_servicenow", "not of the form field=value"),
        ({"closing_servicenow": "state="}, "closing_servicenow", "Give the value that goes into state"),
        ({"closing_salesforce": "Status=1\nStatus=2"}, "closing_salesforce", "stands there twice"),
    ],
)  # fmt: skip
def test_what_cannot_close_a_record_is_told_beside_the_field(as_role, flow, changes, field, words):
    answer = save(as_role("mapping editor"), flow, **changes)

    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    assert words in errors[field][0]
    assert Flow.objects.get().options == {}


def test_a_viewer_reads_the_policies_in_words(as_role, flow):
    Flow.objects.update(
        options={"deletions": {"servicenow": "close", "close": {"salesforce": {"Status": "Closed"}}}}
    )
    page = as_role("viewer").get(change_url(flow)).content.decode()

    assert "close it: give it the values below" in page
    assert "Status=Closed" in page


# What waits for a person


@pytest.fixture
def withheld(flow) -> Flow:
    Flow.objects.update(deletions_paused=REASON, options={"deletions": {"servicenow": "delete"}})
    flow.refresh_from_db()
    revisions.publish(flow, author_id=None, author_name="Alice", reason="")
    return flow


def test_the_overview_and_the_list_show_that_a_flow_waits_for_a_person(root, withheld):
    Worker.objects.create(name="console-1", started_at=timezone.now(), seen_at=timezone.now())
    overview = root.get(reverse("admin:index"))

    assert "deletions paused" in overview.content.decode()
    assert overview.context["headline"]["text"] == "1 flow needs attention"
    assert "deletions paused" in root.get(reverse("admin:sync_flow_changelist")).content.decode()


def test_an_operator_allows_them_after_reading_what_will_be_done(as_role, withheld):
    operator = as_role("operator")
    page = operator.get(change_url(withheld)).content.decode()
    asked = operator.get(action_url(withheld, "allow_deletions")).content.decode()

    assert REASON in page
    assert action_url(withheld, "allow_deletions") in page
    assert "Where a record was deleted in ServiceNow, its Case in Salesforce is deleted, too." in asked
    assert Flow.objects.get().deletions_paused == REASON

    after = operator.post(action_url(withheld, "allow_deletions"), CONFIRMED, follow=True).content.decode()
    assert Flow.objects.get().deletions_paused == ""
    assert action_url(withheld, "allow_deletions") not in after
    entry = AuditEntry.objects.get(action="deletions.allowed")
    assert (entry.actor_name, entry.before) == ("operator", {"reason": REASON})


@pytest.mark.parametrize("role", ["viewer", "mapping editor", "auditor"])
def test_who_may_not_pause_a_flow_sees_the_reason_and_no_button(as_role, withheld, role):
    person = as_role(role)
    page = person.get(change_url(withheld)).content.decode()

    assert REASON in page
    assert action_url(withheld, "allow_deletions") not in page
    assert person.post(action_url(withheld, "allow_deletions"), CONFIRMED).status_code == 403
    assert Flow.objects.get().deletions_paused == REASON


# How a pair ended


def ended(flow: Flow, state: str, side: str, note: str) -> RecordLink:
    link = seed.link(flow, 1)
    RecordLink.objects.update(state=state)
    event = Event(
        flow=flow, link=link, at=datetime(2026, 11, 23, 23, 10, tzinfo=UTC), side=side, operation="delete",
        outcome="deleted",
    )  # fmt: skip
    event.detail = {"fields": [], "notes": [note]}
    event.save()
    return link


@pytest.mark.parametrize(
    ("state", "left", "note", "words"),
    [
        ("deleted_sn", "salesforce", "policy: close.", "Deleted in ServiceNow. On 23 Nov 2026, 23:10 UTC its Case was closed by policy."),
        ("deleted_sf", "servicenow", "policy: delete.", "Deleted in Salesforce. On 23 Nov 2026, 23:10 UTC its incident was deleted as well"),
        ("deleted_sf", "servicenow", "policy: ignore.", "its incident was left as it is, by policy. Nothing is written to this pair"),
        ("unlinked", "salesforce", "policy: unlink.", "Deleted in ServiceNow. On 23 Nov 2026, 23:10 UTC its Case was unlinked by policy. Each"),
        ("deleted_sf", "salesforce", "Salesforce answers that it was deleted.", "Deleted in Salesforce. Noticed on 23 Nov"),
    ],
)  # fmt: skip
def test_the_records_page_tells_how_the_pair_ended(as_role, flow, state, left, note, words):
    link = ended(flow, state, left, note)

    assert words in as_role("viewer").get(change_url(link)).content.decode()


def test_a_living_pair_has_no_end(as_role, flow):
    assert as_role("viewer").get(change_url(seed.link(flow, 1))).context["ending"] == ""


def test_from_the_form_to_a_case_that_was_closed_and_a_warning_while_the_audit_is_hidden(
    transactional_db, root
):
    with start_pair(PairConfig()) as pair:
        flow = make_both(pair)
        rows = {"rows-5-direction": "to_salesforce", "rows-6-direction": "to_salesforce"}
        save(root, flow, deletions_servicenow="close", closing_salesforce="Status=Closed", **rows)
        flow.refresh_from_db()
        incident = pair.servicenow.add("incident", short_description="Printer on fire", state="2")
        run_now(flow)
        pair.servicenow.delete("incident", incident["sys_id"])
        run_now(flow)

        assert pair.salesforce.rows("Case")[0]["Status"] == "Closed"
        link = RecordLink.objects.get()
        assert link.state == LinkState.DELETED_IN_SERVICENOW
        page = root.get(change_url(link)).content.decode()
        assert "its Case was closed by policy" in page
        assert {
            finding["status"] for finding in findings_of(flow) if "delete_audit" in finding["code"]
        } == set()
        pair.servicenow.platform.access.hidden_rows |= {
            row["sys_id"] for row in pair.servicenow.rows("sys_audit_delete")
        }
        (warning,) = (finding for finding in findings_of(flow) if finding["code"] == "delete_audit")
        assert warning["status"] == "warning"
        assert flow.name in warning["text"]
        # Likewise where comments are carried and the journal is not shown.
        Flow.objects.update(options={"comments": {"comments": {"salesforce": "published_comment"}}})
        pair.servicenow.edit("incident", pair.servicenow.add("incident")["sys_id"], comments="Hello")
        assert not [each for each in findings_of(flow) if each["code"] in ("journal", "delete_audit")]
        pair.servicenow.platform.access.closed_tables.add("sys_journal_field")
        (warning,) = (finding for finding in findings_of(flow) if finding["code"] == "journal")
        assert "not found by" in warning["text"]


def findings_of(flow: Flow) -> list[dict[str, str]]:
    connection = Connection.objects.get(pk=flow.servicenow_connection_id)
    asked = services.test_connection(connection=connection, by=None, enqueue=False)
    found: list[dict[str, str]] = questions.answer(asked.pk).answer["findings"]
    return found
