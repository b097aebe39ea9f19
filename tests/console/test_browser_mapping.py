"""An administrator at work on a mapping in a real Chromium: from a field's name to records on both platforms, and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync import services
from sync.models import AuditEntry, Flow, Run
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.console.browsing import in_browser, work
from tests.engine.conftest import salesforce, servicenow

pytestmark = in_browser
ROWS = (("short_description", "Subject"), ("number", "ServiceNow_Number__c"))
LABELS = ("Printer on fire", "Mailbox is full", "Laptop is slow")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


@pytest.fixture
def carried(empty_console, pair: Pair) -> Flow:
    """Three incidents with their Cases."""
    for label in LABELS:
        pair.servicenow.add("incident", short_description=label, category="software")
    flow = Flow.objects.create(
        name="incidents-to-cases",
        servicenow_connection=servicenow(pair),
        salesforce_connection=salesforce(pair),
    )
    for position, (here, there) in enumerate(ROWS):
        flow.rows.create(position=position, servicenow=here, salesforce=there)
    services.publish_flow(flow=flow, by=None)
    services.request_run(flow=flow, by=None, enqueue=False)
    work()
    return flow


def contexts(pair: Pair) -> dict[str, str | None]:
    return {case["Subject"]: case["ServiceNow_Context__c"] for case in pair.salesforce.rows("Case")}


def test_a_field_is_mapped_mended_looked_at_published_and_rolled_back(window, carried, pair, complaints):
    from playwright.sync_api import expect

    page = window("administrator")
    flow_page = f"/admin/sync/flow/{carried.pk}/change/"
    numbers = [incident["number"] for incident in pair.servicenow.rows("incident")]

    def edit(**values: str) -> None:
        first = next(x for x in pair.servicenow.rows("incident") if x["number"] == numbers[0])
        pair.servicenow.edit("incident", first["sys_id"], **values)

    def run() -> Run:
        page.goto(flow_page)
        page.get_by_role("link", name="Run now").click()
        page.locator("#dialog").get_by_role("button", name="Run now").click()
        expect(page.get_by_text("waits for a worker")).to_be_visible()
        work()
        expect(page.locator("#run-progress").get_by_text("succeeded")).to_be_visible()
        return Run.objects.latest("pk")

    # Found by search among what both platforms were read to hold, and its counterpart typed with a slip.
    page.goto(flow_page)
    page.get_by_role("button", name="Read both schemas").click()
    expect(page.get_by_text("Reading both schemas")).to_be_visible()
    work()
    expect(page.locator("#lint").get_by_text("ServiceNow read")).to_be_visible()
    page.get_by_role("link", name="Add fields").click()
    page.get_by_role("searchbox", name="Search fields").fill("category")
    expect(page.get_by_role("row", name="Category").first).to_be_visible()
    expect(page.get_by_role("row", name="Impact")).to_be_hidden()
    box = page.get_by_role("combobox", name="Salesforce field for Category", exact=True)
    box.fill("ServiceNow_Contxt__c")
    box.press("Enter")
    expect(page.get_by_text("category – ServiceNow_Contxt__c")).to_be_visible()
    page.get_by_role("button", name="Take over").click()
    expect(page.get_by_text("incidents-to-cases: 1 added")).to_be_visible()

    # Stopped where it would be published, and mended by the fix that is offered.
    page.get_by_role("link", name="See what differs and publish").click()
    page.get_by_label("Reason").fill("The desk wants the category")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Case of Salesforce has no field ServiceNow_Contxt__c")).to_be_visible()
    assert Flow.objects.get().revision.number == 1
    page.goto(flow_page)
    page.get_by_role("link", name="Take ServiceNow_Context__c instead").click()
    page.get_by_role("button", name="Mend it").click()
    expect(page.get_by_text("Done in the draft of incidents-to-cases")).to_be_visible()
    expect(page.get_by_text("has no field ServiceNow_Contxt__c")).to_have_count(0)

    # Looked at: three records by their numbers, and what it does to all of them.
    page.get_by_role("textbox", name="Records").fill(", ".join(numbers))
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.get_by_text("reading on both sides")).to_be_visible()
    work()
    for number in numbers:
        expect(page.locator("#preview").get_by_role("link", name=number)).to_be_visible()
    row = page.locator("#preview").get_by_role("row", name="ServiceNow_Context__c")
    expect(row.get_by_text("result software")).to_have_count(3)
    page.get_by_role("button", name="Measure impact").click()
    expect(page.get_by_text("comparing both sides")).to_be_visible()
    work()
    expect(page.get_by_text("All 3 linked pairs were looked at. About 3 would be written")).to_be_visible()
    assert set(contexts(pair).values()) == {None}

    # Published with a reason, and carried over.
    page.get_by_role("link", name="See and publish").click()
    expect(page.get_by_role("cell", name="category – ServiceNow_Context__c, copy")).to_be_visible()
    page.get_by_label("Reason").fill("The desk wants the category")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Published revision 2 of incidents-to-cases.")).to_be_visible()
    assert Flow.objects.get().revision.reason == "The desk wants the category"
    edit(category="hardware")
    assert run().revision.number == 2
    others = {"Mailbox is full": "software", "Laptop is slow": "software"}  # read again within the overlap
    assert contexts(pair) == {"Printer on fire": "hardware", **others}

    # Rolled back: the field is written no more, and what was written stays.
    page.goto(f"/admin/sync/revision/{carried.revisions.get(number=1).pk}/change/")
    page.get_by_role("link", name="Roll back to this").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_text("category – ServiceNow_Context__c removed")).to_be_visible()
    dialog.get_by_label("Reason").fill("Nobody reads it")
    dialog.get_by_role("button", name="Roll back and publish").click()
    expect(page.get_by_text("is back at revision 1, published as revision 3")).to_be_visible()
    edit(category="network", short_description="Printer is out")
    assert run().revision.number == 3
    assert contexts(pair) == {"Printer is out": "hardware", **others}
    assert pair.salesforce.counters.duplicates == 0
    hers = AuditEntry.objects.filter(actor__username="administrator").order_by("number")
    told = ["flow.imported", "finding.mended", "flow.published", "flow.rolled_back", "flow.published"]
    assert [action for action in hers.values_list("action", flat=True) if action in told] == told
    assert complaints == []
