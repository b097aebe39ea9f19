"""A day of each role in a real Chromium, on the running product; and what happens when others are at work, too."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission, User
from playwright.sync_api import expect

from mappings.models import FieldRow
from sync import audit, services
from sync.actor import Actor, acting_as
from sync.core.records import FieldSchema, Schema
from sync.engine.schemas import remember_schema
from sync.models import AuditEntry, Conflict, Connection, DeadLetter, Flow, RecordLink, Revision
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.console.browsing import in_browser, person, work
from tests.console.test_fields import read
from tests.engine.both import make_both

pytestmark = in_browser


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


def test_a_viewer_sees_how_things_are_and_a_forged_link_does_nothing(open_page, console, complaints):
    page = open_page("viewer")
    expect(page.get_by_role("heading", name="1 flow needs attention")).to_be_visible()
    page.get_by_role("link", name="incidents-to-cases").first.click()
    expect(page.get_by_text("Last run:")).to_be_visible()
    expect(page.get_by_role("link", name="Run now")).to_have_count(0)
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)

    page.goto(f"/admin/sync/flow/{console.pk}/pause/?reason=Forged&_form_submitted=on")
    expect(page.get_by_text("An administrator can give you a role")).to_be_visible()
    assert Flow.objects.get(pk=console.pk).paused_reason == ""
    assert [line for line in complaints if "Failed to load resource" not in line] == []


def test_a_forged_link_asks_an_operator_and_does_nothing_by_itself(open_page, console, complaints):
    page = open_page("operator")
    page.goto(f"/admin/sync/flow/{console.pk}/pause/?reason=Forged&_form_submitted=on")

    expect(page.get_by_role("heading", name="Pause incidents-to-cases?").first).to_be_visible()
    assert Flow.objects.get(pk=console.pk).paused_reason == ""
    assert complaints == []


def test_an_operator_retries_a_whole_cause(open_page, console, complaints):
    page = open_page("operator")
    page.get_by_role("link", name="Dead letters").first.click()
    expect(
        page.get_by_role("heading", name="7 records: Status: Status value 8 is not mapped")
    ).to_be_visible()
    page.get_by_role("link", name="Retry 7").click()
    page.get_by_role("button", name="Retry all").click()

    expect(page.get_by_text("7 records are queued again.")).to_be_visible()
    expect(page.get_by_text("Nothing needs a person.")).to_be_visible()
    assert not DeadLetter.objects.filter(state="open").exists()
    assert complaints == []


def test_the_second_of_two_operators_at_one_conflict_is_told(window, console, complaints):
    conflict = Conflict.objects.get()
    first, second = window("operator"), window("administrator")
    for page in (first, second):
        page.goto(f"/admin/sync/conflict/{conflict.pk}/change/?values=1")
        expect(page.get_by_role("radio", name="ServiceNow")).to_be_visible()
    first.get_by_role("radio", name="Salesforce").check()
    first.keyboard.press("Enter")
    expect(first.get_by_text("Salesforce's value of Status is taken")).to_be_visible()

    second.get_by_role("radio", name="ServiceNow").check()
    second.keyboard.press("Enter")
    expect(second.get_by_text("operator has chosen Salesforce's value of Status meanwhile")).to_be_visible()
    assert Conflict.objects.get().choice == "salesforce"
    assert complaints == []


def test_a_button_pressed_too_late_says_why_nothing_was_done(open_page, console):
    """The letter is deleted behind an open dialog; behind another one the role is withdrawn, and then the login."""
    page = open_page("operator")
    letter = DeadLetter.objects.first()
    page.goto(f"/admin/sync/deadletter/{letter.pk}/change/")
    page.get_by_role("link", name=re.compile(r"Retry\s*$")).click()
    expect(page.locator("#dialog").get_by_role("heading")).to_be_visible()
    letter.delete()
    page.locator("#dialog").get_by_role("button", name="Retry").click()
    expect(page.get_by_text("somebody has deleted it meanwhile")).to_be_visible()

    page.goto(f"/admin/sync/flow/{console.pk}/change/")
    page.get_by_role("link", name="Pause").click()
    page.locator("#dialog").get_by_label("Reason").fill("Maintenance.")
    person("operator").groups.set([Group.objects.get(name="viewer")])
    page.locator("#dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("your role does not allow it any more")).to_be_visible()
    expect(page.get_by_role("link", name="Pause")).to_have_count(0)

    person("operator")
    page.reload()
    page.get_by_role("link", name="Pause").click()
    page.locator("#dialog").get_by_label("Reason").fill("Maintenance.")
    User.objects.filter(username="operator").update(is_active=False)
    page.locator("#dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert Flow.objects.get(pk=console.pk).paused_reason == ""


def test_a_mapping_editor_who_may_not_publish_edits_a_draft(open_page, console, complaints):
    Group.objects.get(name="mapping editor").permissions.remove(
        Permission.objects.get(codename="publish_flow")
    )
    page, url = open_page("mapping editor"), f"/admin/sync/flow/{console.pk}/change/"
    read(console)
    email = FieldSchema("email", "email", "Email", 100)
    remember_schema(console.servicenow_connection, Schema("sys_user", {"email": email}))
    page.goto(f"{url}#rows")
    kept, there = page.locator("#id_rows-0-servicenow"), page.locator("#id_rows-0-salesforce")
    before = kept.input_value(), there.input_value()
    kept.fill("caller_id.email")
    expect(page.get_by_text("Caller > Email · email 100")).to_be_visible()
    there.fill("Contact.Email")
    expect(page.get_by_text("The fields of Contact were not read yet.")).to_be_visible()
    there.fill("Origin")
    page.locator("#id_rows-0-value").focus()
    expect(page.locator("#constant-values option")).to_have_count(2)
    kept.fill(before[0])
    there.fill(before[1])
    page.locator("#id_rows-1-default").fill("(none)")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("incidents-to-cases is kept as a draft.")).to_be_visible()

    page.get_by_role("link", name="Value maps").first.click()
    page.get_by_role("link", name="incident-state-case-status").first.click()
    page.locator("#id_entries-0-salesforce").fill("Open")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(url)
    expect(page.get_by_role("link", name="draft differs")).to_be_visible()
    expect(page.get_by_role("link", name="draft differs").locator("..")).to_contain_text("(2)")
    assert Revision.objects.filter(flow=console).count() == 2
    assert FieldRow.objects.get(mapping=console, salesforce="Subject").default == "(none)"
    assert complaints == []


def test_a_mapping_editor_adds_the_missing_value_and_the_record_goes_through(window, pair, complaints):
    flow = make_both(pair)
    pair.servicenow.add("incident", short_description="Printer on fire", state="8")
    services.request_run(flow=flow, by=None, kind="manual")
    work()
    page = window("mapping editor")
    page.goto("/admin/")
    page.get_by_role("link", name="Dead letters").first.click()
    page.get_by_role("link", name="Add the missing value").click()
    expect(page.get_by_text("“8” is not in the value map two-way-state.")).to_be_visible()
    page.get_by_label("What it is in Salesforce").fill("Closed")
    page.get_by_label("Reason").fill("Cancelled incidents close their Case.")
    page.get_by_role("button", name="Add the value").click()
    expect(page.get_by_text("1 record queued again")).to_be_visible()

    work()
    assert [case["Status"] for case in pair.salesforce.rows("Case")] == ["Closed"]
    page.get_by_role("link", name="Runs").first.click()
    expect(page.get_by_role("row", name="succeeded").first).to_be_visible()
    assert complaints == []


def test_an_auditor_filters_opens_and_takes_the_log_along(open_page, console, complaints, tmp_path):
    with acting_as(Actor(name="bob", ip="10.0.0.8")):
        audit.record("payload.opened", RecordLink.objects.first())
    page = open_page("auditor")
    page.get_by_role("link", name="Audit log").first.click()
    expect(page.get_by_text("chain verified")).to_be_visible()
    page.get_by_role("link", name="Who looked at values").click()
    row = page.get_by_role("row", name="opened the values of")
    expect(row).to_contain_text("bob")

    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV").click()
    taken.value.save_as(file := tmp_path / "audit.csv")
    with Path(file).open(encoding="utf-8-sig") as lines:
        assert [line["action"] for line in csv.DictReader(lines)][0] == "payload.opened"

    row.get_by_role("link").first.click()
    expect(page.get_by_text("10.0.0.8")).to_be_visible()
    assert AuditEntry.objects.filter(action="list.exported", actor_name="auditor").exists()
    assert complaints == []


def test_an_administrator_follows_the_first_steps_to_a_proven_connection(window, pair, complaints):
    held = pair.credentials.servicenow
    page = window("administrator")
    page.goto("/admin/")
    page.get_by_role("link", name="Connect ServiceNow").click()
    page.locator("#id_name").fill("acme-servicenow")
    page.locator("#id_url").fill(pair.servicenow.url)
    page.get_by_label("Method").select_option("oauth_client_credentials")
    page.get_by_label("Client ID").fill(held.client_id)
    page.get_by_label("Client secret").fill(held.client_secret)
    page.get_by_label("CA bundle").fill(str(pair.ca_file))
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("link", name="Test connection").click()
    page.locator("#dialog").get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("A worker is testing acme-servicenow")).to_be_visible()
    work()

    expect(page.get_by_text("answers over trusted TLS").first).to_be_visible()
    assert held.client_secret not in page.content()
    page.goto("/admin/")
    expect(page.get_by_role("link", name="Connect ServiceNow")).to_have_count(0)
    assert Connection.objects.get().health == "ok"
    assert complaints == []
