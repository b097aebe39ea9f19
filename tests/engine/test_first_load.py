"""A large table is read in parts, by any number of workers; what a dead or deferred one leaves is gone on with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from mappings.models import ValueMap, ValueMapEntry
from sync import services
from sync.engine import parts
from sync.engine.execute import (
    NEXT_SLICE,
    Slice,
    _work_in_lane,
    execute,
    never,
    nobody,
    resume_deferred,
    unattended,
)
from sync.models import Flow, Intent, Partition, RecordLink, Run, Waiting
from sync.models.partition import PartitionState
from sync.models.run import RunKind
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now
from tests.engine.equality import differences

INCIDENTS = 80
PAGE = 4


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=INCIDENTS, seed=7)) as running:
        yield running


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    flow = make_flow(servicenow_enter="")
    states = ValueMap.objects.get(name="incident-state")
    ValueMapEntry.objects.create(
        value_map=states, servicenow="8", salesforce="Closed", direction="to_salesforce"
    )
    services.publish_flow(flow=flow, by=None)
    return flow


def asked(flow: Flow, **more: Any) -> Run:
    flow = Flow.objects.get(pk=flow.pk)
    return services.request_run(flow=flow, by=None, kind=RunKind.RESYNC, enqueue=False, **more)


def work(run: Run, **more: Any) -> Run:
    return execute(run.pk, page_size=PAGE, load_from=1, **more)


def incidents(pair: Pair) -> int:
    return len(pair.servicenow.rows("incident"))


def test_a_first_load_in_parts_makes_each_case_once(flow: Flow, pair: Pair) -> None:
    run = work(asked(flow))

    count = incidents(pair)
    assert (run.status, run.parts, run.expected) == ("succeeded", 16, count)
    assert (run.read, run.created) == (count, count)
    assert run.directions["to_salesforce"]["created"] == count
    assert sum(part.count("created") for part in run.partitions.all()) == count
    assert len({part.count("read") for part in run.partitions.all()}) > 1
    assert differences(pair) == []
    assert not Intent.objects.exists()
    calls = (pair.servicenow.counters.calls, pair.salesforce.counters.calls)
    assert run.calls_servicenow <= calls[0]
    assert run.calls_salesforce <= calls[1]
    assert run.calls_salesforce >= 16


def test_a_small_resync_is_not_cut(flow: Flow, pair: Pair) -> None:
    run = execute(asked(flow).pk)

    assert (run.status, run.parts, run.created) == ("succeeded", 0, incidents(pair))


def test_a_first_load_in_slices_goes_on_where_each_part_stands(flow: Flow, pair: Pair) -> None:
    run = asked(flow)
    seen: list[int] = []
    while run.is_active:
        run = work(run, slice_seconds=0)
        assert run.step == NEXT_SLICE or not run.is_active
        seen.append(run.read)

    assert (run.status, run.read, run.created) == ("succeeded", incidents(pair), incidents(pair))
    assert len(seen) > 16
    assert seen == sorted(seen)


def test_workers_side_by_side_share_the_parts_and_hold_no_record_twice(flow: Flow, pair: Pair) -> None:
    pair.salesforce.slow_down(0.02)
    run = asked(flow)
    helpers = [threading.Thread(target=helped, args=(run,)) for _ in range(2)]

    def join(run: Run) -> None:
        for helper in helpers:
            helper.start()

    work(run, ring=join)
    for helper in helpers:
        helper.join(60)

    run.refresh_from_db()
    assert (run.status, run.created) == ("succeeded", incidents(pair))
    assert run.slices > 2
    assert differences(pair) == []
    assert pair.salesforce.counters.duplicates == 0


def helped(run: Run) -> None:
    try:
        work(run)
    finally:
        connection.close()


def test_a_resync_reads_both_sides_in_parts_and_writes_nothing_new(
    transactional_db: None, pair: Pair
) -> None:
    flow = make_both(pair)
    run_now(flow)
    edited = pair.salesforce.rows("Case")[0]
    pair.salesforce.edit("Case", edited["Id"], Subject="By Beth")
    pair.salesforce.reset_counters()

    run = work(asked(flow))

    pairs = RecordLink.objects.count()
    assert {part.side for part in run.partitions.all()} == {"servicenow", "salesforce"}
    assert (run.status, run.updated, run.created) == ("succeeded", 1, 0)
    assert run.read >= 2 * pairs
    assert pair.salesforce.counters.writes == 0
    here = pair.servicenow.rows("incident", sys_id=edited["ServiceNow_Sys_Id__c"])
    assert [row["short_description"] for row in here] == ["By Beth"]


def test_the_live_lane_beside_a_first_load_neither_doubles_nor_loses(flow: Flow, pair: Pair) -> None:
    flow.start = "now"
    flow.save()
    services.publish_flow(flow=flow, by=None)
    run_now(flow)
    run = asked(flow)
    while run.is_active:
        run = work(run, slice_seconds=0)
        edit_some(pair, run.slices)
        live = run_now(flow)
        assert live.status in ("succeeded", "partial")
    Waiting.objects.update(due_at=timezone.now())

    assert run_now(flow).status == "succeeded"

    assert differences(pair) == []
    assert pair.salesforce.counters.duplicates == 0
    assert RecordLink.objects.count() == len(pair.salesforce.rows("Case")) == incidents(pair)


def edit_some(pair: Pair, turn: int) -> None:
    """Old incidents change, on either side of what is loaded already, and new ones come."""
    rows = pair.servicenow.rows("incident", active="true")
    for row in rows[turn :: len(rows) // 3]:
        pair.servicenow.edit("incident", row["sys_id"], by="abel.tuter", description=f"Seen {turn}")
    pair.servicenow.add("incident", by="beth.anglin", short_description=f"New {turn}", active="true")


def test_cancelling_ends_all_parts_and_keeps_what_was_written(flow: Flow, pair: Pair) -> None:
    run = work(asked(flow), slice_seconds=0)
    services.cancel_run(run=run, by=None)

    run = work(run)

    assert (run.status, run.error_code) == ("cancelled", "cancelled")
    assert 0 < run.created == len(pair.salesforce.rows("Case")) < incidents(pair)


def test_pausing_the_flow_defers_the_load_which_goes_on_afterwards(flow: Flow, pair: Pair) -> None:
    run = work(asked(flow), slice_seconds=0)
    services.pause_flow(flow=flow, by=None, reason="Maintenance")
    run = work(run)
    assert (run.status, run.error_code) == ("deferred", "flow_idle")

    services.resume_flow(flow=flow, by=None)
    assert resume_deferred(timezone.now()) == [run.pk]
    run = work(run)

    assert (run.status, run.created) == ("succeeded", incidents(pair))


def test_an_outage_defers_the_load_instead_of_failing_it(flow: Flow, pair: Pair) -> None:
    run = work(asked(flow), slice_seconds=0)
    pair.servicenow.fault("status", status=500, path="/api/now/v2/table/incident", times=0)
    run = work(run)
    assert run.status == "deferred"
    assert run.resume_at is not None
    pair.servicenow.clear_faults()
    flow.servicenow_connection.__class__.objects.update(circuit_open_until=None, circuit_failures=0)

    Run.objects.update(resume_at=timezone.now())
    assert resume_deferred(timezone.now()) == [run.pk]
    run = work(run)

    assert (run.status, run.created, run.error) == ("succeeded", incidents(pair), "")
    assert differences(pair) == []


def test_a_load_is_unattended_while_a_part_is_free_and_attended_while_all_are_held(flow: Flow) -> None:
    run = work(asked(flow), slice_seconds=0)
    now = timezone.now()
    assert unattended(now) == [run.pk]
    held = []
    while (taken := parts.claim(run, now, queued=False)) is not None:
        held.append(taken)

    assert unattended(now) == []
    assert len(held) == run.partitions.filter(state=PartitionState.OPEN).count()
    assert len({lease.token for _, lease in held}) == len(held)
    # A worker whose lease ran out holds nothing.
    Partition.objects.filter(pk=held[0][0].pk).update(until=now)
    assert unattended(timezone.now()) == [run.pk]


def test_one_process_of_each_worker_is_left_to_the_live_lane(flow: Flow, settings: Any) -> None:
    from sync.models import Worker

    run = work(asked(flow), slice_seconds=0)
    now = timezone.now()
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 3}
    Worker.objects.create(name="host:1", started_at=now, seen_at=now)

    taken = [parts.claim(run, now, queued=True) for _ in range(4)]

    assert [each is not None for each in taken] == [True, True, False, False]
    assert parts.claim(run, now, queued=False) is not None  # whoever runs it by hand has a process of his own


def test_the_first_poll_of_a_large_table_leaves_it_to_a_first_load_and_follows_what_changes(
    flow: Flow, pair: Pair
) -> None:
    poll = services.request_run(flow=Flow.objects.get(pk=flow.pk), by=None, kind=RunKind.POLL, enqueue=False)

    poll = execute(poll.pk, load_from=50, first_load=services.begin_first_load)

    assert (poll.status, poll.created) == ("succeeded", 0)
    load = Run.objects.get(kind=RunKind.RESYNC)
    assert (load.lane, load.status, load.params) == ("backfill", "queued", {"first": True})
    # Whatever happens before the load has read it is the live lane's, and both may meet it.
    pair.servicenow.add("incident", by="beth.anglin", short_description="New")
    edited = pair.servicenow.rows("incident")[3]
    pair.servicenow.edit("incident", edited["sys_id"], by="abel.tuter", description="Edited")
    assert run_now(flow).created == 2
    load = work(load)
    assert load.status == "succeeded"
    assert all(part.entered for part in load.partitions.all())  # although links were made meanwhile
    assert differences(pair) == []
    assert pair.salesforce.counters.duplicates == 0


def test_a_first_poll_of_a_small_table_reads_it_itself(flow: Flow, pair: Pair) -> None:
    poll = services.request_run(flow=Flow.objects.get(pk=flow.pk), by=None, kind=RunKind.POLL, enqueue=False)

    poll = execute(poll.pk, first_load=services.begin_first_load)

    assert (poll.status, poll.created, Run.objects.count()) == ("succeeded", incidents(pair), 1)


def test_a_worker_that_comes_when_another_has_just_cut_the_run_does_not_end_it(
    flow: Flow, pair: Pair
) -> None:
    run = asked(flow)

    ended = work(Run.objects.get(pk=run.pk), slice_seconds=0)
    assert ended.parts == 16
    assert run.parts == 0  # as that worker has read it

    _work_in_lane(run, Slice(lambda run: None, None, never, PAGE, 1, nobody, None))

    assert Run.objects.get(pk=run.pk).status == "running"
    ended = work(ended)

    assert (ended.status, ended.created) == ("succeeded", incidents(pair))
