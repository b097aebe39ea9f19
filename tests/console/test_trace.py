"""Trace: from what a person has at hand to the record's page."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sync.models import AuditEntry, DeadLetter, RecordLink, Run, Waiting
from sync.tracing import sought, trace
from tests.console import seed
from tests.console.test_configuration import change_url

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
TRACE = "/admin/trace/"
ABEL = "0035e000001AbCdAAK"  # 18 characters; the last three spell the case of the others


@pytest.fixture
def link(flow) -> RecordLink:
    return seed.link(flow, 42)


def asked(browser, typed: str):
    return browser.get(TRACE, {"q": typed})


@pytest.mark.parametrize(
    "typed",
    [
        "INC0010042", " inc0010042 ", "00001042", "1042", f"{42:032x}", f"{42:032X}",
        f"500{42:012}AAA", f"500{42:012}", f"500{42:012}aaa",
        f"https://acme.service-now.com/nav_to.do?uri=incident.do?sys_id={42:032x}",
        f"https://acme.lightning.force.com/lightning/r/Case/500{42:012}AAA/view",
    ],
)  # fmt: skip
def test_whatever_names_a_record_leads_straight_to_its_page(as_role, link, typed):
    reply = asked(as_role("viewer"), typed)

    assert (reply.status_code, reply.url) == (302, change_url(link))


def test_an_id_in_another_letter_case_is_read_as_its_suffix_spells_it():
    assert sought(ABEL.upper()).salesforce_id == sought(ABEL[:15]).salesforce_id == ABEL
    assert sought(ABEL[:15].upper()).salesforce_id != ABEL
    assert sought("abcdefghijklmno").salesforce_id == ""


def test_the_beginning_of_a_number_gives_a_short_list(as_role, flow, link):
    seed.link(flow, 43)
    page = asked(as_role("viewer"), "INC00100").content.decode()

    assert "INC0010042" in page
    assert "INC0010043" in page


def test_two_records_of_one_number_are_both_offered(as_role, flow, link):
    other = seed.link(flow, 43)
    RecordLink.objects.filter(pk=other.pk).update(servicenow_number=link.servicenow_number)
    page = asked(as_role("viewer"), link.servicenow_number).content.decode()

    assert change_url(link) in page
    assert change_url(other) in page


def test_a_record_that_was_never_created_is_found_by_its_dead_letter_or_its_wait(as_role, flow, link):
    letter = seed.dead_letter(link)
    DeadLetter.objects.update(link=None, record_id="b" * 32, record_number="INC0099999")
    Waiting.objects.create(flow=flow, side="servicenow", record_id="c" * 32, reason="reference",
                           since=timezone.now(), due_at=timezone.now())  # fmt: skip
    operator = as_role("operator")

    assert asked(operator, "INC0099999").url == change_url(letter)
    assert asked(operator, "c" * 32).url == reverse("admin:sync_waiting_changelist") + "?q=" + "c" * 32


def test_of_what_is_not_known_it_says_so_and_offers_to_read_it(as_role, link):
    page = asked(as_role("operator"), "INC0077777").content.decode()

    assert "Nothing is known of INC0077777" in page
    assert "/admin/trace/sync/?q=INC0077777" in page
    assert "Sync this now" not in asked(as_role("viewer"), "INC0077777").content.decode()


def test_a_record_is_read_by_its_name_after_a_form_that_asks(as_role, flow):
    operator, url = as_role("operator"), "/admin/trace/sync/?q=INC0077777"
    assert "Reads this one record" in operator.get(url).content.decode()
    operator.get(url, {"flow": flow.pk, "_form_submitted": "on"})
    assert not Run.objects.exists()

    reply = operator.post(url, {"flow": flow.pk, "_form_submitted": "on"})

    run = Run.objects.get()
    assert reply.url == change_url(run)
    assert (run.kind, run.params["ids"]) == ("resync", ["INC0077777"])
    assert AuditEntry.objects.get(action="run.started").actor_name == "operator"


@pytest.mark.parametrize("role", ["viewer", "mapping editor", "auditor"])
def test_who_may_not_sync_a_record_gets_a_403(as_role, flow, role):
    url = "/admin/trace/sync/?q=INC0077777"
    person = as_role(role)

    assert person.get(url).status_code == 403
    assert person.post(url, {"flow": flow.pk, "_form_submitted": "on"}).status_code == 403
    assert not Run.objects.exists()


def test_what_is_typed_is_shown_and_never_run(as_role, flow):
    page = asked(as_role("operator"), "<script>alert(1)</script>").content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;" in page.lower()


@pytest.mark.parametrize("typed", ["INC0010042", "1042", f"{42:032x}", "INC00100", "nothing"])
def test_it_costs_seven_queries_at_most(link, typed):
    with CaptureQueriesContext(connection) as queries:
        trace(typed)

    assert len(queries) <= 7


@pytest.mark.parametrize(
    "page", ["admin:index", "admin:sync_recordlink_changelist", "admin:sync_run_changelist"]
)
def test_the_box_stands_on_every_page_for_those_who_may_see_records(as_role, flow, page):
    assert 'action="/admin/trace/"' in as_role("viewer").get(reverse(page)).content.decode()


def test_the_command_palette_knows_records_too(as_role, link, django_db_setup):
    from django.core.management import call_command

    call_command("createcachetable", verbosity=0)
    reply = as_role("viewer").get(reverse("admin:search"), {"s": "inc0010042", "extended": "1"})

    assert change_url(link) in reply.content.decode()
