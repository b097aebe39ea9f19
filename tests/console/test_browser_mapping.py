"""An administrator at work on a mapping in a real Chromium: from a field's name to a revision, and back."""

from __future__ import annotations

from dataclasses import asdict

from sync.core.records import FieldSchema
from sync.models import CachedSchema, Flow
from tests.console.browsing import in_browser
from tests.console.test_fields import read

pytestmark = in_browser


def complete(flow: Flow) -> None:
    """What the flow maps besides, or it could not be published."""
    key = FieldSchema(
        "ServiceNow_Sys_Id__c", "string", "ServiceNow Sys Id", 80, unique=True, external_id=True
    )
    others = {
        "incident": [FieldSchema("number", "string", "Number", 40), FieldSchema("description", "string", "Description", 4_000)],
        "Case": [
            key, FieldSchema("ServiceNow_Number__c", "string", "ServiceNow Number", 40),
            FieldSchema("Description", "textarea", "Description", 32_000), FieldSchema("Origin", "picklist", "Case Origin"),
        ],
    }  # fmt: skip
    for name, fields in others.items():
        kept = CachedSchema.objects.get(name=name)
        kept.fields = {**{field.name: asdict(field) for field in fields}, **kept.fields}
        kept.save()


def test_a_field_is_found_mapped_looked_at_published_and_rolled_back(open_page, console, complaints):
    from playwright.sync_api import expect

    read(console)
    complete(console)
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
