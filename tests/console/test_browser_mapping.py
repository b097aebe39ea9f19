"""An administrator at work on a mapping in a real Chromium: from a field's name to a revision, and back."""

from __future__ import annotations

from sync.models import Flow
from tests.console.browsing import in_browser
from tests.console.test_fields import read

pytestmark = in_browser


def test_a_field_is_found_mapped_looked_at_published_and_rolled_back(open_page, console, complaints):
    from playwright.sync_api import expect

    read(console)
    page = open_page()
    page.goto(f"/admin/sync/flow/{console.pk}/change/")
    page.get_by_role("link", name="Add fields").click()
    page.get_by_role("searchbox", name="Search fields").fill("imp")
    expect(page.get_by_role("row", name="Impact")).to_be_visible()
    expect(page.get_by_role("row", name="Caller")).to_be_hidden()
    box = page.get_by_role("combobox", name="Salesforce field for Impact")
    box.fill("Impact__c")
    expect(page.get_by_text("Impact · string 40")).to_be_visible()
    box.press("Enter")

    expect(page.get_by_text("impact – Impact__c")).to_be_visible()
    page.get_by_role("button", name="Take over").click()
    expect(page.get_by_text("incidents-to-cases: 1 added")).to_be_visible()
    assert Flow.objects.get(pk=console.pk).revision.number == 2

    page.get_by_role("link", name="See what differs and publish").click()
    expect(page.get_by_role("cell", name="impact – Impact__c, copy")).to_be_visible()
    page.get_by_label("Reason").fill("Impact, too")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Published revision 3 of incidents-to-cases.")).to_be_visible()

    page.goto(f"/admin/sync/revision/{console.revisions.get(number=2).pk}/change/")
    page.get_by_role("link", name="Roll back to this").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_text("impact – Impact__c removed")).to_be_visible()
    dialog.get_by_label("Reason").fill("Nobody reads it")
    dialog.get_by_role("button", name="Roll back and publish").click()
    expect(page.get_by_text("is back at revision 2, published as revision 4")).to_be_visible()

    assert not console.rows.filter(salesforce="Impact__c").exists()
    assert Flow.objects.get(pk=console.pk).revision.number == 4
    assert complaints == []
