"""Support at work in a real Chromium: from a number to the reason why a field holds what it holds."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from sync.models import Conflict, RecordLink
from tests.console.test_browser import (
    NARROW,
    WIDE,
    chromium,
    complaints,
    console,
    open_page,
    pytestmark,
)
from tests.console.test_why import wrote

__all__ = ["chromium", "complaints", "console", "open_page", "pytestmark"]
SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture
def link(console) -> RecordLink:
    found = RecordLink.objects.get(servicenow_number="INC0010003")
    row = console.rows.get(salesforce="Status")
    wrote(found, row, "New", source="1", under="", minutes=40, outcome="created")
    wrote(found, row, "Working", source="2", under=SCRIPT, minutes=3)
    RecordLink.objects.update(servicenow_read_at=timezone.now() - timedelta(minutes=3))
    return found


def test_a_number_leads_to_the_record_and_on_to_why_a_field_holds_what_it_holds(open_page, link, complaints):
    from playwright.sync_api import expect

    page = open_page()
    box = page.get_by_role("searchbox", name="Trace a record by number or id").first
    box.fill("inc0010003")
    box.press("Enter")
    expect(page.get_by_text("Last written by")).to_be_visible()

    page.get_by_role("row", name="Status").get_by_role("link", name="Why?").click()
    expect(page.get_by_text("As far as is known it still stands in Salesforce.")).to_be_visible()
    expect(page.get_by_text(f"Changed in Salesforce to “{SCRIPT}” before the next write.")).to_be_visible()
    expect(page.get_by_role("link", name="value map incident-state-case-status").first).to_be_visible()
    assert complaints == []


def test_the_arrow_keys_choose_a_side_and_enter_takes_it(open_page, console, complaints):
    from playwright.sync_api import expect

    conflict = Conflict.objects.get()
    page = open_page()
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_none_of_these_pages_is_wider_than_its_window(open_page, console, link, complaints, size, scheme):
    page = open_page(size, scheme)
    row = console.rows.get(salesforce="Status")
    for name, path in {
        "trace": "/admin/trace/?q=INC00100",
        "unknown": "/admin/trace/?q=INC0099999",
        "record": f"/admin/sync/recordlink/{link.pk}/change/?values=1",
        "why": f"/admin/sync/recordlink/{link.pk}/why/?row={row.pk}",
        "causes": "/admin/sync/deadletter/causes/",
        "conflict": f"/admin/sync/conflict/{Conflict.objects.get().pk}/change/?values=1",
    }.items():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=str(Path(folder) / f"{name}-{size[0]}-{scheme}.png"), full_page=True)
    assert complaints == []
