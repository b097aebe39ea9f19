"""A poll that finds nothing: what it asks of the platforms, and of the database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sync import services
from sync.engine.execute import execute
from sync.models import Flow, Run
from sync.sandbox.pair import Pair
from tests.engine.both import make_both

PAST = timedelta(minutes=10)  # longer than the overlap


@pytest.fixture
def flow(transactional_db: None, pair: Pair) -> Flow:
    """Both sides were read to their ends long ago."""
    for number in range(3):
        pair.servicenow.add("incident", short_description=f"Printer {number} on fire")
    flow = make_both(pair)
    assert poll(flow).created == 3
    for side in (pair.servicenow, pair.salesforce):
        side.skew_clock(PAST)
    poll(flow)
    return flow


def poll(flow: Flow) -> Run:
    return execute(services.request_run(flow=flow, by=None, enqueue=False).pk)


def test_a_quiet_poll_is_one_call_a_side(flow: Flow, pair: Pair) -> None:
    for side in (pair.servicenow, pair.salesforce):
        side.reset_counters()

    run = poll(flow)

    assert (run.status, run.read) == ("succeeded", 0)
    assert (pair.servicenow.counters.calls, pair.salesforce.counters.calls) == (1, 1)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the plans of SQLite")
def test_a_quiet_poll_walks_through_no_links(flow: Flow) -> None:
    with CaptureQueriesContext(connection) as asked:
        poll(flow)

    plans = [plan for query in asked for plan in plans_of(query["sql"]) if "sync_recordlink" in plan]

    assert any("links_by_incident (servicenow_number=? AND flow_id=? AND state=?)" in plan for plan in plans)
    # Whether there is a link at all is answered by the first entry of an index.
    at_length = [plan for plan in plans if "SCAN" in plan or "USING INDEX links_of_a_flow" in plan]
    assert at_length == []


def plans_of(sql: str) -> list[str]:
    if not sql.startswith("SELECT"):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return [row[-1] for row in cursor.fetchall()]
