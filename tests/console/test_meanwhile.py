"""Two people edit one flow, value map or user table: the second one is told, and nothing of either is lost."""

from __future__ import annotations

import pytest

from mappings.models import FieldRow, UserTable, ValueMap
from sync.models import Connection, Flow, Revision
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def opened(browser, url: str) -> dict:
    """The form as the browser has it, with what it showed when it was opened."""
    return {**form_of(browser, url), "opened": browser.get(url).context["opened"]}


def told(reply) -> str:
    return " ".join(reply.context["adminform"].form.non_field_errors())


def test_the_second_of_two_who_edit_a_flow_is_told_what_the_first_changed_and_keeps_what_was_typed(
    as_role, flow
):
    alice, bob, url = as_role("administrator"), as_role("mapping editor"), change_url(flow)
    of_alice, of_bob = opened(alice, url), opened(bob, url)
    alice.post(url, {**of_alice, "rows-1-default": "No subject", "conflict": "ask", "reason": "Alice's"})
    reply = bob.post(url, {**of_bob, "rows-2-default": "Nothing said", "reason": "Bob's"})

    assert reply.status_code == 200
    said = told(reply)
    assert "administrator changed this" in said
    assert "conflict: newest → ask" in said
    assert "empty becomes “No subject”" in said
    assert "Nothing of yours is lost" in said
    page = reply.content.decode()
    assert 'value="Nothing said"' in page
    assert 'value="Bob&#x27;s"' in page
    assert Revision.objects.count() == 2
    assert not FieldRow.objects.filter(default="Nothing said").exists()


def test_told_once_the_second_one_may_save_over_it(as_role, flow):
    alice, bob, url = as_role("administrator"), as_role("mapping editor"), change_url(flow)
    of_alice, of_bob = opened(alice, url), {**opened(bob, url), "rows-2-default": "Nothing said"}
    alice.post(url, {**of_alice, "conflict": "ask"})
    again = bob.post(url, of_bob).context["opened"]
    assert bob.post(url, {**of_bob, "opened": again}).status_code == 302

    assert FieldRow.objects.get(salesforce="Description").default == "Nothing said"
    assert Flow.objects.get(pk=flow.pk).conflict == "newest"


@pytest.mark.parametrize("model", [ValueMap, UserTable])
def test_a_table_that_somebody_else_saved_meanwhile_is_not_overwritten(as_role, flow, model):
    alice, bob, table = as_role("administrator"), as_role("mapping editor"), model.objects.get()
    url = change_url(table)
    of_alice, of_bob = opened(alice, url), opened(bob, url)
    alice.post(url, {**of_alice, "entries-0-salesforce": "theirs@acme.example"})
    reply = bob.post(url, {**of_bob, "entries-0-salesforce": "mine@acme.example"})

    assert "theirs@acme.example" in told(reply)
    assert "mine@acme.example" in reply.content.decode()
    held = set(table.entries.values_list("salesforce", flat=True))
    assert "theirs@acme.example" in held
    assert "mine@acme.example" not in held


def test_what_a_run_writes_or_another_page_edits_is_no_edit_of_the_flow(as_role, flow):
    bob, url = as_role("mapping editor"), change_url(flow)
    of_bob = opened(bob, url)
    Flow.objects.filter(pk=flow.pk).update(health="failing", paused_reason="Too many errors.")
    ValueMap.objects.get().entries.filter(servicenow="1").update(salesforce="Open")
    Connection.objects.update(calls_used=7)

    assert bob.post(url, {**of_bob, "patience": "60"}).status_code == 302
    assert Flow.objects.get(pk=flow.pk).patience == 60


def test_a_form_that_was_made_up_is_refused(as_role, flow):
    bob, url = as_role("mapping editor"), change_url(flow)
    reply = bob.post(url, {**opened(bob, url), "opened": "made up", "patience": "60"})

    assert "Open it again" in told(reply)
    assert Flow.objects.get(pk=flow.pk).patience == 86_400


def test_a_row_that_was_removed_meanwhile_is_told_and_stands_again_where_the_second_one_saves_it(
    as_role, flow
):
    alice, bob, url = as_role("administrator"), as_role("mapping editor"), change_url(flow)
    of_alice, of_bob = opened(alice, url), opened(bob, url)
    alice.post(url, {**of_alice, "rows-2-DELETE": "on"})
    reply = bob.post(url, {**of_bob, "rows-2-default": "Nothing said"})
    assert "description – Description" in told(reply)

    again = bob.post(url, {**of_bob, "rows-2-default": "Nothing said", "opened": reply.context["opened"]})
    assert again.status_code == 302, [
        form.errors for form in again.context["inline_admin_formsets"][0].formset
    ]
    assert FieldRow.objects.get(salesforce="Description").default == "Nothing said"
    assert flow.rows.count() == 5


def test_an_entry_that_was_removed_meanwhile_is_added_again_where_the_second_one_saves_it(as_role, flow):
    alice, bob, states = as_role("administrator"), as_role("mapping editor"), ValueMap.objects.get()
    url = change_url(states)
    of_alice, of_bob = opened(alice, url), opened(bob, url)
    alice.post(url, {**of_alice, "entries-0-DELETE": "on"})
    sent = {**of_bob, "entries-0-salesforce": "Open"}
    reply = bob.post(url, sent)
    assert bob.post(url, {**sent, "opened": reply.context["opened"]}).status_code == 302

    assert dict(states.entries.values_list("servicenow", "salesforce"))["1"] == "Open"
    assert states.entries.count() == 5
