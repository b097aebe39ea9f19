"""Reading again, in slices that end and go on, by date, by name, and until the worker is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from sync import services
from sync.connectors.base import Profile
from sync.core.records import Side
from sync.engine.execute import NEXT_SLICE, SLICE, execute, resume_deferred
from sync.engine.grounds import SEND_WITHIN
from sync.models import Checkpoint, DeadLetter, Flow, RecordLink, Run, Waiting
from sync.models.run import RunKind, RunMode
from sync.sandbox.clock import ManualClock
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now

PAGE = 2
PAIRS = 7


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    return lambda **changes: make_both(pair, **changes)


def add_incidents(pair: Pair, count: int = PAIRS) -> list[dict[str, Any]]:
    return [
        pair.servicenow.add("incident", short_description=f"Printer {number} on fire")
        for number in range(count)
    ]


def in_slices(flow: Flow, **asked: Any) -> tuple[Run, list[int]]:
    """Run the flow in slices that are over at once; the ended run, and what each slice had read when it ended."""
    run = services.request_run(flow=Flow.objects.get(pk=flow.pk), by=None, enqueue=False, **asked)
    read: list[int] = []
    while run.is_active:
        run = execute(run.pk, slice_seconds=0, page_size=PAGE)
        assert run.step == (NEXT_SLICE if run.is_active else "")
        read.append(run.read)
        assert len(read) <= 4 * PAIRS, "the slices do not get on"
    return run, read


def subjects(pair: Pair) -> set[str]:
    return {case["Subject"] for case in pair.salesforce.rows("Case")}


def test_a_first_load_gets_on_with_each_slice_and_reads_every_record_once(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    add_incidents(pair)
    pair.salesforce.add("Case", Subject="Nobody's")

    run, read = in_slices(flow)

    assert (run.status, run.read, run.created) == ("succeeded", PAIRS, PAIRS)
    assert len(read) == run.slices >= 2
    assert sorted(set(read)) == read  # none stood still
    # Nothing was linked when it began, so no slice reads through Salesforce's own Cases.
    assert len(pair.salesforce.rows("Case")) == PAIRS + 1


def test_a_resync_of_both_sides_goes_on_where_its_slices_ended(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    add_incidents(pair)
    run_now(flow)
    live = {row.side: row.watermark for row in Checkpoint.objects.filter(lane="live", stream="")}

    run, read = in_slices(flow, kind=RunKind.RESYNC)

    assert (run.status, run.read, run.unchanged) == (
        "succeeded",
        2 * PAIRS,
        2 * PAIRS,
    )  # each end of each pair
    assert len(read) >= PAIRS // PAGE
    assert {row.side: row.watermark for row in Checkpoint.objects.filter(lane="live", stream="")} == live
    assert not Checkpoint.objects.filter(lane="backfill").exclude(watermark=None).exists()


def test_a_dry_run_in_slices_comes_to_its_end_and_moves_nothing(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    add_incidents(pair)

    run, _ = in_slices(flow, mode=RunMode.DRY)

    assert (run.status, run.read, run.created) == ("succeeded", PAIRS, PAIRS)
    assert pair.salesforce.rows("Case") == []
    assert not Checkpoint.objects.exclude(watermark=None, poll_started=None, poll_run=None).exists()


def test_records_that_a_person_names_are_read_in_slices_once_each(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    ids = [row["sys_id"] for row in add_incidents(pair)]

    run, _ = in_slices(flow, kind=RunKind.RESYNC, ids=ids)

    assert (run.status, run.read, run.created) == ("succeeded", PAIRS, PAIRS)


def test_a_record_can_be_named_by_either_sides_id_or_number(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    first, second, third, fourth, _ = add_incidents(pair, 5)
    run_now(flow, kind=RunKind.RESYNC, ids=[row["sys_id"] for row in (first, second, third)])
    cases = {case["Subject"]: case for case in pair.salesforce.rows("Case")}
    pair.salesforce.edit("Case", cases[second["short_description"]]["Id"], Subject="Edited 1")
    pair.salesforce.edit("Case", cases[third["short_description"]]["Id"], Subject="Edited 2")
    named = [
        first["number"],
        cases[second["short_description"]]["CaseNumber"],
        cases[third["short_description"]]["Id"][:15],
        fourth["number"],  # of no link yet: ServiceNow knows it
    ]

    run = run_now(flow, kind=RunKind.RESYNC, ids=named)

    assert (run.status, run.read, run.created, run.updated) == ("succeeded", 4, 1, 2)
    names = {row["short_description"] for row in pair.servicenow.rows("incident")}
    assert {"Edited 1", "Edited 2"} <= names
    assert len(pair.salesforce.rows("Case")) == 4


def test_a_name_that_no_side_knows_is_told(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    (incident,) = add_incidents(pair, 1)

    run = run_now(flow, kind=RunKind.RESYNC, ids=["INC9999999", "f" * 32, incident["number"]])

    assert (run.status, run.created, run.failed) == ("partial", 1, 2)
    assert "INC9999999" in run.error
    assert "f" * 32 in run.error


def test_dead_letters_are_read_again_in_the_backfill_lane(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    add_incidents(pair, 3)
    pair.salesforce.fault("records", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", path="composite/sobjects$")
    run_now(flow)
    letters = DeadLetter.objects.filter(state="open")
    assert letters.count() == 3

    (asked,) = services.resync_dead_letters(letters=letters[:2], by=None)
    run = execute(asked.pk)

    assert (run.lane, run.kind, run.status, run.created) == ("backfill", "resync", "succeeded", 2)
    assert letters.count() == 1


def test_a_span_of_dates_is_read_again_and_nothing_else(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    early, late = add_incidents(pair, 2)
    run_now(flow)
    stamp = datetime.fromisoformat(late["sys_updated_on"] + "+00:00")

    missed = run_now(flow, kind=RunKind.RESYNC, until=stamp - timedelta(hours=1))
    hit = run_now(flow, kind=RunKind.RESYNC, since=stamp - timedelta(hours=1))

    assert (missed.status, missed.read) == ("succeeded", 0)
    assert (hit.status, hit.read) == ("succeeded", 4)


def test_what_was_under_way_when_the_worker_was_told_to_stop_is_done_by_the_next_one(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    add_incidents(pair, 30)
    run_now(flow)
    for case in pair.salesforce.rows("Case"):
        pair.salesforce.edit("Case", case["Id"], Subject=f"Edited {case['CaseNumber']}")
    pair.servicenow.reset_counters()
    run = services.request_run(flow=flow, by=None, enqueue=False)

    stopped = execute(run.pk, stopping=lambda: pair.servicenow.counters.writes >= 5)

    assert (stopped.status, stopped.step) == ("running", NEXT_SLICE)
    written = pair.servicenow.counters.writes
    assert 5 <= written < 30  # only what was on its way went on

    ended = execute(run.pk)

    assert (ended.status, ended.updated, ended.deferred) == ("succeeded", 30, 0)
    assert pair.servicenow.counters.writes == 30
    assert not Waiting.objects.exists()
    assert subjects(pair) == {row["short_description"] for row in pair.servicenow.rows("incident")}


def test_a_flow_that_is_paused_stops_its_run_between_two_pages_and_goes_on_with_it(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    add_incidents(pair, 30)
    run = services.request_run(flow=flow, by=None, enqueue=False)

    def pause(run: Run) -> None:
        if run.created:
            services.pause_flow(flow=flow, by=None, reason="Change freeze")

    execute(run.pk, page_size=5, progress=pause)
    aside = execute(run.pk)
    made = len(pair.salesforce.rows("Case"))
    services.resume_flow(flow=flow, by=None)
    resume_deferred(timezone.now())
    ended = execute(run.pk)

    assert (aside.status, aside.error) == ("deferred", f"{flow.name} is paused: Change freeze")
    assert 5 <= made <= 15  # what was under way
    assert (ended.status, ended.created) == ("succeeded", 30)
    assert len(pair.salesforce.rows("Case")) == 30


def test_a_slice_ends_well_before_the_queue_would_kill_it() -> None:
    """The longest there is: a page begins as the time is up, its writes leave until the last moment, and none is answered."""
    connect, read = Profile("acme", Side.SERVICENOW, "https://acme.service-now.com", "basic").timeout

    assert SLICE + SEND_WITHIN.total_seconds() + connect + read < settings.Q_CLUSTER["timeout"] - 30


class TestWhereAFlowStarts:
    """`start` is where the first poll of either side begins."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def pair(self, clock: ManualClock) -> Iterator[Pair]:
        with start_pair(PairConfig(clock=clock)) as running:
            yield running

    def test_now_means_the_moment_of_the_first_run_even_if_that_run_goes_wrong(
        self, both: Callable[..., Flow], pair: Pair, clock: ManualClock
    ) -> None:
        flow = both(start="now", overlap=60)
        add_incidents(pair, 2)
        clock.advance(seconds=3600)
        pair.servicenow.fault("status", status=404, path="table/incident", times=1)
        assert run_now(flow).status == "failed"
        services.resume_flow(flow=flow, by=None)
        clock.advance(seconds=3600)
        pair.servicenow.add("incident", short_description="Since then")
        clock.advance(seconds=3600)

        run = run_now(flow)

        assert (run.status, run.created) == ("succeeded", 1)
        assert subjects(pair) == {"Since then"}

    def test_a_moment_means_what_was_updated_from_then_on(
        self, both: Callable[..., Flow], pair: Pair, clock: ManualClock
    ) -> None:
        add_incidents(pair, 2)
        clock.advance(seconds=3600)
        flow = both(start=clock.now().isoformat())
        pair.servicenow.add("incident", short_description="Since then")

        run_now(flow)

        assert subjects(pair) == {"Since then"}
        assert RecordLink.objects.count() == 1
