"""Answers lost and lanes that overtake each other, while people go on editing: nothing goes under unrecorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from sync import services
from sync.engine.execute import execute
from sync.models import Conflict, Flow, RecordLink, Run, Waiting
from sync.sandbox.pair import Pair
from tests.engine.conftest import run_now

CREATES = {"method": "POST", "path": "composite/sobjects$"}
UPDATES = {"method": "PATCH", "path": "composite/sobjects$"}


def the_case(pair: Pair) -> dict[str, Any]:
    (case,) = pair.salesforce.rows("Case")
    return dict(case)


def edits_on_record() -> list[str]:
    """What people had put into subjects that we wrote over."""
    return [conflict.values["salesforce"] for conflict in Conflict.objects.filter(field="Subject")]


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "empty"])
def test_an_edit_that_a_write_without_answer_went_over_is_on_record(
    flow: Flow, pair: Pair, kind: str
) -> None:
    incident = pair.servicenow.add("incident", short_description="Ours")
    run_now(flow)
    pair.salesforce.edit("Case", the_case(pair)["Id"], by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Ours again")
    pair.salesforce.fault(kind, **UPDATES)

    run_now(flow)
    run_now(flow)

    assert the_case(pair)["Subject"] == "Ours again"
    assert edits_on_record() == ["Theirs"]


def test_a_write_without_answer_that_went_over_nobody_is_no_conflict(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Ours")
    run_now(flow)
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Ours again")
    pair.salesforce.fault("reset_after", **UPDATES)

    run_now(flow)

    assert the_case(pair)["Subject"] == "Ours again"
    assert not Conflict.objects.exists()


def test_what_an_adoption_without_answer_went_over_is_on_record(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="Ours")
    pair.salesforce.add("Case", Subject="Theirs", ServiceNow_Sys_Id__c=incident["sys_id"])
    pair.salesforce.fault("reset_after", **UPDATES)

    run_now(flow)
    run_now(flow)

    assert the_case(pair)["Subject"] == "Ours"
    assert edits_on_record() == ["Theirs"]


def test_an_edit_that_goes_under_beside_a_field_that_fails_is_on_record(flow: Flow, pair: Pair) -> None:
    pair.servicenow.add("incident", short_description="Ours")
    run_now(flow)
    pair.salesforce.edit("Case", the_case(pair)["Id"], by="abel.tuter", Subject="Theirs")
    (incident,) = pair.servicenow.rows("incident")
    pair.servicenow.platform.migrate(
        "incident", {**incident, "state": "42", "short_description": "Ours again"}
    )

    assert run_now(flow).failed == 1

    assert the_case(pair)["Subject"] == "Ours again"
    assert edits_on_record() == ["Theirs"]


def test_a_change_made_while_a_create_is_in_doubt_follows_it(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow(overlap=1)
    pair.servicenow.skew_clock(timedelta(hours=-3))
    incident = pair.servicenow.add("incident", short_description="Before")
    pair.salesforce.fault("reset_before", times=0, **CREATES)
    run_now(flow)
    pair.servicenow.skew_clock(timedelta(hours=-2))
    pair.servicenow.edit("incident", incident["sys_id"], short_description="After")
    pair.servicenow.skew_clock(timedelta(hours=-1))
    run_now(flow)  # reads the change, and still gets no answer; its checkpoint is beyond the change
    pair.salesforce.clear_faults()
    Waiting.objects.update(due_at=timezone.now())

    run = run_now(flow)

    assert (run.status, run.created, run.updated) == ("succeeded", 1, 1)
    assert the_case(pair)["Subject"] == "After"
    assert not Waiting.objects.exists()


def test_a_record_named_for_a_resync_stays_out_if_it_is_out_of_scope(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow(servicenow_scope="category=network")
    outside = pair.servicenow.add("incident", short_description="Outside", category="software")
    inside = pair.servicenow.add("incident", short_description="Inside", category="network")

    run = run_now(flow, kind="resync", ids=[outside["sys_id"], inside["sys_id"]])

    assert (run.read, run.created, run.unchanged) == (2, 1, 1)
    assert the_case(pair)["Subject"] == "Inside"


def beside(run: Run) -> threading.Thread:
    """Work on the run in a thread, as a second worker would."""

    def work() -> None:
        try:
            execute(run.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def await_fault(pair: Pair) -> None:
    deadline = time.monotonic() + 10
    while not pair.salesforce.counters.faults:
        assert time.monotonic() < deadline, "the delayed call never came"
        time.sleep(0.01)


def test_a_lane_that_was_overtaken_does_not_write_what_it_read_before(flow: Flow, pair: Pair) -> None:
    incident = pair.servicenow.add("incident", short_description="First")
    run_now(flow)
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Second")
    pair.salesforce.reset_counters()
    pair.salesforce.fault("delay", seconds=2.0, method="POST", path="composite/sobjects/Case$")
    slow = services.request_run(flow=flow, by=None, kind="resync", enqueue=False)
    thread = beside(slow)
    await_fault(pair)
    pair.servicenow.edit("incident", incident["sys_id"], short_description="Third")
    assert run_now(flow).updated == 1

    thread.join()

    assert the_case(pair)["Subject"] == "Third"
    assert not Conflict.objects.exists()
    slow.refresh_from_db()
    assert (slow.status, slow.updated) == ("succeeded", 0)
    assert not RecordLink.objects.exclude(claim_token="").exists()


def test_two_lanes_make_one_case_of_an_incident_even_where_the_key_is_not_unique(
    make_flow: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_flow(salesforce_key="lookup")
    dialect = pair.salesforce.platform.dialect
    pair.salesforce.platform.dialect = replace(
        dialect, non_unique_fields=frozenset({"Case.ServiceNow_Sys_Id__c"})
    )
    for number in range(300):  # more than one look-up holds: one is answered early, one late
        pair.servicenow.add("incident", short_description=f"Ticket {number}")
    pair.salesforce.fault("delay", seconds=3.0, path="query.*ServiceNow_Sys_Id__c", after=1)
    slow = services.request_run(flow=flow, by=None, kind="resync", enqueue=False)
    thread = beside(slow)
    await_fault(pair)
    assert run_now(flow).created == 300

    thread.join()

    slow.refresh_from_db()
    assert (slow.status, slow.created) == ("succeeded", 0)
    assert len(pair.salesforce.rows("Case")) == RecordLink.objects.count() == 300
