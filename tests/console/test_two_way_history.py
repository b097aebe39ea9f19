"""What the record's and the run's pages tell of changes that go either way."""

from __future__ import annotations

import pytest
from django.utils import timezone

from sync.core import loops
from sync.models import Run
from tests.console import seed
from tests.console.test_configuration import change_url

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
TO_SALESFORCE, TO_SERVICENOW = (f'title="from {a} to {b}"' for a, b in (("ServiceNow", "Salesforce"), ("Salesforce", "ServiceNow")))  # fmt: skip


@pytest.fixture
def run(flow) -> Run:
    return seed.run(flow, timezone.now())


def timeline(page: str) -> str:
    return page.split("Timeline", 1)[1]


@pytest.mark.parametrize(
    ("side", "arrow", "other"),
    [("salesforce", TO_SALESFORCE, TO_SERVICENOW), ("servicenow", TO_SERVICENOW, TO_SALESFORCE)],
)
def test_an_event_shows_which_way_it_went(root, flow, run, side, arrow, other):
    link = seed.link(flow, 1)
    seed.event(link, run, side=side)

    history = timeline(root.get(change_url(link)).content.decode())
    records = root.get(change_url(run)).content.decode().split('id="events"', 1)[1]

    for page in (history, records):
        assert arrow in page
        assert other not in page


def test_a_suspected_overwrite_is_a_warning_on_both_pages(root, flow, run):
    link = seed.link(flow, 1)
    seed.event(link, run, code="overwrite_suspected")

    for page in (root.get(change_url(link)), root.get(change_url(run))):
        assert '<span class="ic-badge ic-amber">overwrite suspected</span>' in page.content.decode()


def test_notes_of_an_event_are_shown_with_its_values_alone(as_role, flow, run):
    link = seed.link(flow, 1)
    event = seed.event(link, run)
    event.detail = {**event.detail, "notes": ["Status: the platform changed the value that was written."]}
    event.save()
    operator = as_role("operator")

    assert "the platform changed the value" in operator.get(change_url(link) + "?values=1").content.decode()
    assert "the platform changed the value" not in operator.get(change_url(link)).content.decode()


def test_a_field_that_is_left_alone_is_listed_with_what_to_do(as_role, flow):
    link, row = seed.link(flow, 1), flow.rows.get(salesforce="Description")
    gone = "00000000-0000-0000-0000-000000000000"
    link.fields = {
        str(row.pk): loops.parked({}, loops.REFUSED_SILENTLY, "was", "would be"),
        gone: loops.parked({}, loops.COMES_BACK, "a", "b"),
    }
    link.save()
    operator = as_role("operator")

    page = operator.get(change_url(link)).content.decode()

    assert page.count("Left alone:") == 1
    assert "description was written, and ServiceNow kept its old value without a word." in page
    assert "Check that the value is among the field&#x27;s choices" in page
    assert "would be" not in page
    assert "Salesforce “would be”" in operator.get(change_url(link) + "?values=1").content.decode()


def test_a_records_open_conflict_leads_to_the_page_that_resolves_it(as_role, flow):
    made = seed.conflict(seed.link(flow, 1))
    operator = as_role("operator")
    page = operator.get(change_url(made.link)).content.decode()
    assert f'href="{change_url(made)}">Resolve</a>' in page

    made.choice = "servicenow"
    made.save(update_fields=["choice"])
    assert "waits for the next run" in operator.get(change_url(made.link)).content.decode()
