"""What the pages that list many rows cost, however many there are."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sync.models import CallCount, Connection, Waiting, Worker
from tests.console import seed
from tests.worlds import rolled_back

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

# Queries of a list page with 50 rows: eight of the session and the menu's badges, the rest its own.
LIST_QUERIES = {
    "sync_flow": 14,
    "sync_run": 13,
    "sync_recordlink": 13,
    "sync_deadletter": 15,
    "sync_conflict": 14,
    "sync_waiting": 13,
    "sync_actionrun": 15,
    "sync_remotecall": 14,
    "sync_connection": 12,
    "sync_auditentry": 18,
    "sync_worker": 12,
    "mappings_valuemap": 12,
    "mappings_usertable": 12,
    "sync_plan": 14,
    "auth_user": 14,
}
OVERVIEW_QUERIES = 26


@pytest.fixture(scope="module")
def fifty(django_db_setup, django_db_blocker):
    """Fifty rows of everything that lists many; no test changes them."""
    with rolled_back(django_db_blocker):
        yield fifty_of_each(seed.flow(*seed.connections()))


def fifty_of_each(flow):
    now = timezone.now()
    for number in range(1, 51):
        link = seed.link(flow, number)
        run = seed.run(flow, now - timedelta(minutes=number))
        seed.dead_letter(link, run)
        seed.conflict(link)
        seed.doubt(link, run)
        seed.call(run)
        seed.plan(run, [link])
        Waiting.objects.create(flow=flow, side="servicenow", record_id=link.servicenow_id, reason="retry",
                               since=now, due_at=now)  # fmt: skip
        Worker.objects.create(name=f"host:{number}", started_at=now, seen_at=now)
    for number in range(49):
        seed.flow(flow.servicenow_connection, flow.salesforce_connection, f"flow-{number}")
    return flow


@pytest.mark.parametrize("name", LIST_QUERIES)
def test_a_list_asks_a_fixed_number_of_queries(root, fifty, name):
    url = reverse(f"admin:{name}_changelist")
    root.get(url)
    with CaptureQueriesContext(connection) as asked:
        assert root.get(url).status_code == 200

    assert len(asked) <= LIST_QUERIES[name], [query["sql"][:120] for query in asked]


def test_the_overview_asks_a_fixed_number_of_queries_however_many_flows(root, fifty):
    now = timezone.now()
    seed.totals(fifty, now, random.Random(1))
    for number in range(20):
        other = Connection.objects.create(
            name=f"other-{number}", system="salesforce", url="https://a.example"
        )
        CallCount.objects.create(connection=other, hour=now, calls=number)
    with CaptureQueriesContext(connection) as asked:
        root.get(reverse("admin:index"))

    assert len(asked) <= OVERVIEW_QUERIES, [query["sql"][:120] for query in asked]
