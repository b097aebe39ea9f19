"""Pages with more rows behind them than a list pages through: what they read, and what they leave unsorted and uncounted."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from integration_console.theme.filters import values_of
from integration_console.theme.lists import in_order
from integration_console.theme.paging import MOST
from sync import seeding
from sync.models import DeadLetter, RecordLink, Run
from sync.tracing import sought
from tests.worlds import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

RECORDS, LETTERS, CALLS, AUDIT, ACTIONS, CONFLICTS = (
    f"/admin/sync/{name}/"
    for name in ("recordlink", "deadletter", "remotecall", "auditentry", "actionrun", "conflict")
)


@pytest.fixture(scope="module")
def long(django_db_setup, django_db_blocker):
    """A person who may see everything, and more records than a list counts; no test changes them."""
    with rolled_back(django_db_blocker):
        seeding.seed(seeding.Sizes(events=2_000, links=MOST + 1, dead_letters=1_001), lambda line: None)
        client = Client()
        client.force_login(User.objects.create_superuser("long", password="correct horse"))
        yield client


@contextmanager
def plans():
    """Yields (statement, plan) of each question asked meanwhile, with its own parameters."""
    found = []

    def explain(execute, sql, params, many, context):
        if sql.startswith(("SELECT", "WITH")) and not many:
            cursor = connection.connection.cursor()
            cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%s", "?"), params or ())
            found.append((sql, [row[3] for row in cursor.fetchall()]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found


def test_the_menu_counts_to_a_thousand_and_says_that_there_are_more(long):
    menu = long.get(reverse("admin:sync_worker_changelist")).context["sidebar_navigation"]
    badges = {item["title"]: item.get("badge") for group in menu for item in group["items"]}

    assert badges["Dead letters"] == "1,000+"
    assert badges["Conflicts"] == "500"
    assert badges["Runs"] is None


# Page, table, and of the plans of what is asked of that table: what must not stand in any.
SORTS, SCANS = "USE TEMP B-TREE FOR ORDER BY", "SCAN {}$"
BEGINNINGS = r"SCAN {}|number>\?.*" + SORTS
PLANS = {
    "the Overview reads totals by flow and hour": ("/admin/", "sync_hourlytotal", r"SCAN {}"),
    "the Overview counts runs at work by their status": ("/admin/", "sync_run", SCANS),
    "the Overview counts open conflicts alone": ("/admin/", "sync_conflict", SCANS),
    "the Overview counts questions without their answers": ("/admin/", "sync_question", SCANS),
    "the Overview counts actions in doubt alone": ("/admin/", "sync_actionrun", SCANS),
    "a record is searched by its number": (f"{RECORDS}?q=INC0000042", "sync_recordlink", r"SCAN {}"),
    "a beginning that all have ends with its index": (f"{RECORDS}?q=INC0", "sync_recordlink", BEGINNINGS),
    "a beginning is traced to the end of a few": ("/admin/trace/?q=INC0", "sync_recordlink", BEGINNINGS),
    "records that ended are few": (f"{RECORDS}?state__exact=deleted_sf", "sync_recordlink", rf"SCAN {{}}|{SORTS}"),
    "the oldest records are read backwards": (f"{RECORDS}?p=200", "sync_recordlink", SORTS),
    "failed calls are few": (f"{CALLS}?result=failed", "sync_remotecall", rf"{SCANS}|{SORTS}"),
    "calls without answer are few": (f"{CALLS}?result=no_answer", "sync_remotecall", rf"{SCANS}|{SORTS}"),
    "runs of a status come in their order": ("/admin/sync/run/?status__exact=failed", "sync_run", rf"{SCANS}|{SORTS}"),
    "open conflicts come in their order": (f"{CONFLICTS}?state__exact=open", "sync_conflict", SORTS),
    "who acted is looked up": (f"{AUDIT}?actor_name=alice", "sync_auditentry", rf"{SCANS}|{SORTS}"),
    "what letters may be filtered by is looked up": (LETTERS, "sync_deadletter", "DISTINCT"),
    "what conflicts may be filtered by is looked up": (CONFLICTS, "sync_conflict", "DISTINCT"),
    "what the audit log may be filtered by is looked up": (AUDIT, "sync_auditentry", "DISTINCT"),
    "what calls may be filtered by is known": (CALLS, "sync_remotecall", "DISTINCT"),
    "what actions may be filtered by is looked up": (ACTIONS, "sync_actionrun", "DISTINCT"),
}  # fmt: skip


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL reads small tables whole, whatever indexes there are"
)
@pytest.mark.parametrize("story", PLANS)
def test_a_page_reads_by_an_index_and_not_the_whole_table(long, story):
    url, table, unwanted = PLANS[story]
    with plans() as asked:
        assert long.get(url).status_code == 200
    of_table = [(sql, steps) for sql, steps in asked if f'FROM "{table}"' in sql]

    assert of_table
    bad = re.compile(unwanted.format(table), re.MULTILINE | re.DOTALL)
    assert [(sql[:200], steps) for sql, steps in of_table if bad.search("\n".join(steps))] == []


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL reads small tables whole, whatever indexes there are"
)
@pytest.mark.parametrize("asked", ["", "?outcome=failed"])
def test_the_events_of_a_run_are_read_newest_first_however_many_it_has(long, asked):
    with plans() as found:
        long.get(reverse("admin:sync_run_change", args=[Run.objects.first().pk]) + asked)
    steps = [step for sql, plan in found if 'FROM "sync_event"' in sql and "ORDER BY" in sql for step in plan]

    assert any("events_of_a_run" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


def test_more_rows_than_a_list_pages_through_are_not_sorted_by_what_no_index_has(long):
    by_status = long.get(f"{RECORDS}?o=2")
    newest = [link.pk for link in long.get(RECORDS).context["cl"].result_list]

    assert [link.pk for link in by_status.context["cl"].result_list] == newest
    assert "More than 10,000 rows: filter or search first" in by_status.content.decode()


def test_fewer_rows_are_sorted_by_any_column_and_any_number_by_an_indexed_one(long):
    found = long.get(f"{RECORDS}?q=INC000004&o=6").context["cl"].result_list
    oldest = long.get(f"{RECORDS}?o=0").context["cl"].result_list

    assert [link.synced_at for link in found] == sorted(link.synced_at for link in found)
    assert len(found) == 10
    assert oldest[0].servicenow_number == "INC0000000"


def test_the_audit_log_says_so_too(long):
    assert "console/list_unsorted.html" in {page.name for page in long.get(AUDIT).templates}


def test_every_order_that_is_promised_has_its_index():
    assert {"servicenow_number", "salesforce_number", "id"} <= in_order(RecordLink)
    assert not {"synced_at", "born_in", "state"} & in_order(RecordLink)
    assert "last_at" in in_order(DeadLetter)


def test_a_filter_offers_each_value_once_and_in_order(long):
    told = values_of(DeadLetter._meta.get_field("code"))

    assert told == sorted(set(DeadLetter.objects.values_list("code", flat=True)))
    assert len(told) == 4


@pytest.mark.parametrize(("typed", "found"), [
    ("inc0000042", 1), ("INC000004", 10), ("42", 1), ("INC", MOST), (f"{42:032X}", 1), ("500000000000042", 1),
    ("500000000000042AAA", 1), ("50000000000004", 10), ("nothing", 0), ("%", 0),
])  # fmt: skip
def test_the_box_above_the_records_takes_what_trace_takes(long, typed, found):
    listed = long.get(RECORDS, {"q": typed}).context["cl"]

    assert listed.result_count == found


@pytest.mark.parametrize(
    "url", [f"{LETTERS}?code=%00a", f"{AUDIT}?action=%00", f"{LETTERS}export.csv?field=%00"]
)
def test_a_filter_that_no_database_takes_is_refused_as_any_that_is_none(long, url):
    assert long.get(url).headers["Location"].endswith("?e=1")


def test_a_trace_reads_past_a_character_that_no_database_takes(long):
    assert sought("INC00\x0000042").number == "INC0000042"
    assert long.get("/admin/trace/?q=INC00%0000042").url == reverse(
        "admin:sync_recordlink_change", args=[RecordLink.objects.get(servicenow_number="INC0000042").pk]
    )
