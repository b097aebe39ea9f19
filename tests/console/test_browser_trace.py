"""Support at work in a real Chromium: from a number to the reason why a field holds what it holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sync.models import Conflict, RecordLink, Run
from sync.models.base import time_ordered_uuid
from tests.console.browsing import in_browser
from tests.console.test_why import wrote

pytestmark = in_browser
SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture
def link(console) -> RecordLink:
    found = RecordLink.objects.get(servicenow_number="INC0010003")
    row = console.rows.get(salesforce="Status")
    first, second = (time_ordered_uuid(timezone.now() + timedelta(seconds=after)) for after in (1, 2))
    wrote(found, row, "New", source="1", under="", minutes=40, outcome="created", id=first)
    wrote(found, row, "Working", source="2", under=SCRIPT, minutes=3, id=second)
    RecordLink.objects.update(servicenow_read_at=timezone.now() - timedelta(minutes=3))
    return found


def test_support_goes_from_a_number_to_the_reason_and_sends_the_record_again(open_page, link, complaints):
    from playwright.sync_api import expect

    Run.objects.active().update(status="cancelled", finished_at=timezone.now())
    page = open_page("operator")
    box = page.get_by_role("searchbox", name="Trace a record by number or id").first
    box.fill("inc0010003")
    box.press("Enter")
    expect(page.get_by_text("Last written by")).to_be_visible()

    page.get_by_role("row", name="Status").get_by_role("link", name="Why?").click()
    expect(page.get_by_text("As far as is known it still stands in Salesforce.")).to_be_visible()
    expect(page.get_by_text(f"Changed in Salesforce to “{SCRIPT}” before the next write.")).to_be_visible()
    expect(page.get_by_role("link", name="value map incident-state-case-status").first).to_be_visible()

    page.go_back()
    page.get_by_role("link", name="Sync now").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_role("heading", name="Sync INC0010003")).to_be_visible()
    dialog.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("waits for a worker")).to_be_visible()
    assert Run.objects.active().get().asked_by_name == "operator"
    assert complaints == []


def test_the_arrow_keys_choose_a_side_and_enter_takes_it(open_page, console, complaints):
    from playwright.sync_api import expect

    conflict = Conflict.objects.get()
    page = open_page("operator")
    page.goto(f"/admin/sync/conflict/{conflict.pk}/change/?values=1")
    expect(page.get_by_role("radio", name="ServiceNow")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Salesforce")).to_be_checked()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Salesforce's value of Status is taken")).to_be_visible()
    conflict.refresh_from_db()
    assert conflict.choice == "salesforce"
    assert complaints == []
