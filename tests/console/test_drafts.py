"""Draft, compare, publish together, roll back: on the pages where a person does it."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from mappings.models import FieldRow, ValueMap
from sync import drafts, revisions
from sync.models import AuditEntry, Connection, Flow, Revision
from tests.console import seed
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def roll_back_url(revision: Revision) -> str:
    return reverse("admin:sync_revision_roll_back", args=[revision.pk])


def confirmed(browser, url: str, reason: str = "It was better before"):
    """Open the dialog, and confirm what it shows."""
    form = browser.get(url).context["form"]
    return browser.post(url, {"_form_submitted": "on", "reason": reason, "seen": form["seen"].value()}, follow=True)  # fmt: skip


def publish(flow: Flow, reason: str = "Next") -> Revision:
    return revisions.publish(Flow.objects.get(pk=flow.pk), author_id=None, author_name="Alice", reason=reason)


@pytest.fixture
def states(flow) -> ValueMap:
    return ValueMap.objects.get(name="incident-state-case-status")


@pytest.fixture
def second(flow, states) -> Flow:
    """Another flow that uses the value map, with another Salesforce field than the first for its key."""
    made = seed.flow(flow.servicenow_connection, flow.salesforce_connection, "problems-to-cases")
    Flow.objects.filter(pk=made.pk).update(enabled=False)
    return made


@pytest.fixture
def changed(flow, states) -> Flow:
    """Revision 2 has a row less, a row more, another default, another policy and another entry than revision 1."""
    flow.rows.filter(salesforce="Description").delete()
    flow.rows.filter(salesforce="Subject").update(default="No subject")
    flow.rows.create(position=9, servicenow="impact", salesforce="Impact__c")
    states.entries.filter(servicenow="1").update(salesforce="Open")
    Flow.objects.filter(pk=flow.pk).update(conflict="ask")
    publish(flow, "Impact, too")
    return Flow.objects.get(pk=flow.pk)


def test_a_flow_kept_as_a_draft_is_saved_and_runs_go_on_as_before(as_role, flow):
    editor = as_role("mapping editor")
    sent = {**form_of(editor, change_url(flow)), "rows-1-default": "(none)", "keep_draft": "on"}
    page = editor.post(change_url(flow), sent, follow=True).content.decode()

    assert "Runs use revision 1 until it is published" in page
    head = editor.get(change_url(flow)).content.decode()
    assert re.search(r"draft differs</span> \(1\)</a>", head)
    assert FieldRow.objects.get(salesforce="Subject").default == "(none)"
    assert Revision.objects.count() == 1
    entry = AuditEntry.objects.get(action="flow.drafted")
    assert "(none)" in str(entry.after)


def test_what_is_saved_by_somebody_who_may_not_publish_is_a_draft(as_role, flow):
    editor = as_role("mapping editor")
    Group.objects.get(name="mapping editor").permissions.remove(
        Permission.objects.get(codename="publish_flow")
    )
    sent = {**form_of(editor, change_url(flow)), "rows-1-default": "(none)"}
    page = editor.post(change_url(flow), sent, follow=True).content.decode()

    assert "is kept as a draft. Runs use revision 1" in page
    assert FieldRow.objects.get(salesforce="Subject").default == "(none)"
    assert Revision.objects.count() == 1


def test_any_two_revisions_stand_side_by_side_with_what_differs_and_nothing_else(as_role, changed):
    viewer = as_role("viewer")
    url = reverse("compare_revisions", args=[changed.pk])
    told = viewer.get(url, {"from": "1", "to": "2"}).context["changes"]

    assert [(change.part, change.what, change.verb) for change in told] == [
        ("settings", "on conflict", "changed"),
        ("fields", "description – Description", "removed"),
        ("fields", "short_description – Subject", "changed"),
        ("fields", "impact – Impact__c", "added"),
        ("incident-state-case-status", "1", "changed"),
    ]
    assert (told[-1].before, told[-1].after) == ("→ New", "→ Open")
    back = viewer.get(url, {"from": "2", "to": "1"}).context["changes"]
    assert {(change.what, change.before, change.after) for change in back} == {
        (change.what, change.after, change.before) for change in told
    }
    assert "No difference" in viewer.get(url, {"from": "2", "to": "draft"}).content.decode()
    assert viewer.get(url, {"from": "7", "to": "draft"}).status_code == 404


def test_rolling_back_says_what_it_changes_and_publishes_the_old_revision_as_the_next(as_role, changed):
    editor, first = as_role("mapping editor"), Revision.objects.get(number=1)
    asked = editor.get(roll_back_url(first)).content.decode()
    assert "impact – Impact__c removed" in asked
    assert "description – Description added" in asked
    assert Revision.objects.count() == 2

    page = confirmed(editor, roll_back_url(first)).content.decode()

    assert "is back at revision 1, published as revision 3" in page
    made = Revision.objects.get(number=3)
    assert made.snapshot == first.snapshot
    assert (made.author_name, made.reason) == ("mapping.editor", "It was better before")
    flow = Flow.objects.get(pk=changed.pk)
    assert flow.revision == made
    assert not revisions.differs(flow)
    done = AuditEntry.objects.get(action="flow.rolled_back")
    assert done.after["to"] == "revision 1"
    assert AuditEntry.objects.filter(action="value_map.changed").count() == 1


def test_rows_that_come_back_are_the_rows_that_they_were(as_role, changed):
    before = {row["id"] for row in Revision.objects.get(number=1).snapshot["fields"]}
    confirmed(as_role("mapping editor"), roll_back_url(Revision.objects.get(number=1)))

    assert {str(pk) for pk in FieldRow.objects.values_list("pk", flat=True)} == before


def test_rolling_back_to_what_runs_use_takes_the_draft_back(as_role, flow):
    editor = as_role("mapping editor")
    assert "Roll back to this" not in editor.get(change_url(flow.revision)).content.decode()
    flow.rows.filter(salesforce="Subject").delete()
    assert "Roll back to this" in editor.get(change_url(flow.revision)).content.decode()

    confirmed(editor, roll_back_url(flow.revision))

    assert not revisions.differs(Flow.objects.get())
    assert Revision.objects.count() == 1


def test_a_shared_value_map_goes_back_for_the_others_too_and_the_dialog_names_them(as_role, second, changed):
    publish(second)
    editor, first = as_role("mapping editor"), changed.revisions.get(number=1)
    asked = editor.get(roll_back_url(first)).content.decode()
    assert "The value map incident-state-case-status goes back for problems-to-cases, too" in asked

    confirmed(editor, roll_back_url(first))
    assert [draft.flow.name for draft in drafts.drafted(Flow.objects.all())] == ["problems-to-cases"]


def test_a_revision_whose_connection_no_longer_exists_is_refused_with_what_to_do(as_role, changed):
    old = Connection.objects.create(name="acme-test", system="salesforce", url="https://acme--test.my.salesforce.com")  # fmt: skip
    Flow.objects.filter(pk=changed.pk).update(salesforce_connection=old)
    there = publish(changed)
    Flow.objects.filter(pk=changed.pk).update(salesforce_connection=changed.salesforce_connection_id)
    publish(changed)
    old.delete()
    editor, before = as_role("mapping editor"), list(FieldRow.objects.values())
    assert "It cannot be done" in editor.get(roll_back_url(there)).content.decode()
    page = confirmed(editor, roll_back_url(there)).content.decode()

    assert "used a Salesforce connection that no longer exists" in page
    assert "Make a connection to the same system" in page
    assert list(FieldRow.objects.values()) == before
    assert not AuditEntry.objects.filter(action="flow.rolled_back").exists()


def test_a_flow_that_was_edited_after_the_dialog_was_opened_is_not_rolled_back(as_role, changed):
    editor, first = as_role("mapping editor"), Revision.objects.get(number=1)
    seen = editor.get(roll_back_url(first)).context["form"]["seen"].value()
    changed.rows.filter(salesforce="Subject").update(default="Bob was here")
    reply = editor.post(roll_back_url(first), {"_form_submitted": "on", "reason": "Back", "seen": seen}, follow=True)  # fmt: skip

    assert "was edited after you asked" in reply.content.decode()
    assert FieldRow.objects.get(salesforce="Subject").default == "Bob was here"


def test_an_edited_value_map_leads_to_the_drafts_of_all_its_flows_and_they_are_published_together(
    as_role, flow, second, states
):
    editor = as_role("mapping editor")
    sent = {**form_of(editor, change_url(states)), "entries-0-salesforce": "Open"}
    told = editor.post(change_url(states), sent, follow=True).content.decode()
    url = f"{reverse('drafts')}?map={states.pk}"
    assert url in told

    page = editor.get(url)
    shown = [draft for draft, _, _ in page.context["shown"]]
    assert [draft.flow.name for draft in shown] == ["incidents-to-cases", "problems-to-cases"]
    assert "→ New" in page.content.decode()
    chosen = {f"digest-{draft.flow.pk}": draft.digest for draft in shown}
    chosen |= {"flow": [str(draft.flow.pk) for draft in shown], "reason": "New is Open now"}
    done = editor.post(url, chosen, follow=True).content.decode()

    assert "Published revision 2 of incidents-to-cases, revision 2 of problems-to-cases." in done
    assert "Everything is published" in done
    assert set(Revision.objects.filter(number=2).values_list("reason", flat=True)) == {"New is Open now"}
    assert drafts.drafted(Flow.objects.all()) == []


def test_of_a_flow_the_others_that_share_what_differs_are_offered_with_it(as_role, flow, second, states):
    states.entries.filter(servicenow="1").update(salesforce="Open")
    page = as_role("viewer").get(reverse("drafts"), {"flow": second.pk})

    assert len(page.context["shown"]) == 2
    assert "<button" not in page.content.decode().partition('id="content-main"')[2].partition("</section>")[0]


def test_drafts_that_somebody_edited_meanwhile_are_not_published_and_neither_are_the_others(
    as_role, flow, second, states
):
    states.entries.filter(servicenow="1").update(salesforce="Open")
    editor, url = as_role("mapping editor"), reverse("drafts")
    shown = [draft for draft, _, _ in editor.get(url).context["shown"]]
    flow.rows.filter(salesforce="Subject").update(default="Bob was here")
    sent = {f"digest-{draft.flow.pk}": draft.digest for draft in shown}
    sent |= {"flow": [str(draft.flow.pk) for draft in shown], "reason": "New is Open now"}
    page = editor.post(url, sent).content.decode()

    assert "The draft of incidents-to-cases was edited after you opened this page" in page
    assert not Revision.objects.filter(number=2).exists()


def test_a_viewer_publishes_nothing(as_role, flow):
    flow.rows.filter(salesforce="Subject").delete()
    sent = {"flow": [str(flow.pk)], f"digest-{flow.pk}": drafts.draft_of(flow).digest, "reason": "Mine"}

    assert as_role("viewer").post(reverse("drafts"), sent).status_code == 403
    assert Revision.objects.count() == 1
