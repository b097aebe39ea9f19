"""Creates of a first load by jobs of Bulk API 2.0: told apart by their key, found again by their id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mappings.models import ValueMap, ValueMapEntry
from sync import services
from sync.engine.execute import execute
from sync.models import BulkJob, DeadLetter, Flow, Intent, RecordLink, Run, Waiting
from sync.models.run import RunKind
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.salesforce.settings import Settings
from tests.engine.conftest import run_now
from tests.engine.equality import differences

INCIDENTS = 40
STUMBLES = 4


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=INCIDENTS, seed=7)) as running:
        yield running


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    flow = make_flow(servicenow_enter="", options={"bulk": "always"})
    states = ValueMap.objects.get(name="incident-state")
    ValueMapEntry.objects.create(
        value_map=states, servicenow="8", salesforce="Closed", direction="to_salesforce"
    )
    services.publish_flow(flow=flow, by=None)
    return flow


def asked(flow: Flow) -> Run:
    flow = Flow.objects.get(pk=flow.pk)
    return services.request_run(flow=flow, by=None, kind=RunKind.RESYNC, enqueue=False)


def work(run: Run, **more: Any) -> Run:
    return execute(run.pk, load_from=1, **more)


def routes(pair: Pair, end: str) -> int:
    counted = pair.salesforce.counters.by_route
    return sum(count for route, count in counted.items() if route.endswith(end))


def incidents(pair: Pair) -> int:
    return len(pair.servicenow.rows("incident"))


def slow_jobs(pair: Pair, seconds: float) -> None:
    pair.salesforce.platform.settings = Settings(bulk_running_seconds=seconds)


def test_all_cases_come_by_jobs_and_say_what_collections_would(flow: Flow, pair: Pair) -> None:
    for text in ("two\r\nlines", 'said "so", twice', "#N/A", " room around ", "Grüße, 東京 🎉", "=1+1"):
        pair.servicenow.add("incident", short_description="Odd", description=text)

    run = work(asked(flow))

    count = incidents(pair)
    assert (run.status, run.created, run.failed) == ("succeeded", count, 0)
    lines, *others = differences(pair)
    assert (others, "'two\\nlines' instead of 'two\\r\\nlines'" in lines) == ([], True)
    jobs = list(BulkJob.objects.all())
    assert 1 < len(jobs) <= 16
    assert sum(job.records for job in jobs) == count - 1  # no file can say "#N/A"
    assert all(job.closed_at for job in jobs)
    assert routes(pair, "POST composite/sobjects") <= 1
    assert not RecordLink.objects.filter(salesforce_number="").exists()
    assert not Intent.objects.exists()
    # What the file made of line ends is no change to anybody.
    pair.salesforce.reset_counters()
    assert run_now(flow, kind=RunKind.RESYNC).unchanged == count
    assert pair.salesforce.counters.writes == 0


def test_a_refused_line_is_a_dead_letter(flow: Flow, pair: Pair) -> None:
    rule = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "body": "Never on a Monday"}
    pair.salesforce.fault("records", path="jobs/ingest/", method="PATCH", share=1.0, times=1, **rule)

    run = work(asked(flow))

    first = BulkJob.objects.earliest("pk")
    letters = DeadLetter.objects.all()
    assert {letter.code for letter in letters} == {"FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    assert run.failed == len(letters) == first.records
    assert (run.status, run.created) == ("partial", incidents(pair) - first.records)


def test_a_case_that_exists_already_is_paired_without_being_tried(flow: Flow, pair: Pair) -> None:
    taken = pair.servicenow.rows("incident")[0]
    pair.salesforce.add("Case", Subject="Older", ServiceNow_Sys_Id__c=taken["sys_id"])

    run = work(asked(flow))

    assert (run.status, run.adopted, run.created) == ("succeeded", 1, incidents(pair) - 1)
    assert routes(pair, "failedResults") == 0
    assert pair.salesforce.counters.duplicates == 0
    cases = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=taken["sys_id"])
    assert [case["Subject"] for case in cases] == [taken["short_description"]]


def test_a_key_that_came_meanwhile_is_told_by_the_job_and_paired(flow: Flow, pair: Pair) -> None:
    run = work(asked(flow), slice_seconds=0)
    left = [
        row
        for row in pair.servicenow.rows("incident")
        if not RecordLink.objects.filter(servicenow_id=row["sys_id"]).exists()
    ]
    # Between the reading of the keys and the job; here: the part's keys are not read at all.
    run.partitions.update(entered=False)
    for row in left[:3]:
        pair.salesforce.add("Case", Subject="Another's", ServiceNow_Sys_Id__c=row["sys_id"])

    run = work(run)
    if Waiting.objects.exists():
        run_now(flow)

    assert run.status in ("succeeded", "partial")
    assert differences(pair) == []
    assert RecordLink.objects.count() == incidents(pair) == len(pair.salesforce.rows("Case"))


def test_a_worker_that_stops_leaves_its_job_and_the_next_one_finds_it_by_its_id(
    flow: Flow, pair: Pair
) -> None:
    slow_jobs(pair, 3)

    run = work(asked(flow), stopping=lambda: routes(pair, "/{job_id}") > 1)

    jobs = list(BulkJob.objects.filter(closed_at=None))
    assert run.is_active
    assert jobs
    assert pair.salesforce.rows("Case") == []
    open_ones = Intent.objects.count()
    assert open_ones >= jobs[0].records

    slow_jobs(pair, 0)  # those to come
    run = work(run)

    assert (run.status, run.created) == ("succeeded", incidents(pair))
    assert BulkJob.objects.get(pk=jobs[0].pk).closed_at is not None
    assert pair.salesforce.counters.created == incidents(pair)
    assert routes(pair, "failedResults") == 0  # nothing was sent twice
    assert differences(pair) == []


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
@pytest.mark.parametrize("call", ["/batches$", "jobs/ingest/[^/]+$"])
def test_a_lost_answer_of_a_jobs_steps_makes_no_second_case(
    flow: Flow, pair: Pair, call: str, kind: str
) -> None:
    pair.salesforce.fault(kind, path=call, times=1)

    ended(work(asked(flow)))

    assert pair.salesforce.counters.created == incidents(pair)
    assert pair.salesforce.counters.duplicates == 0
    assert differences(pair) == []
    assert not Intent.objects.exists()


def test_a_job_whose_abortion_was_not_answered_has_made_nothing(flow: Flow, pair: Pair) -> None:
    pair.salesforce.fault("reset_before", path="/batches$", times=1)
    pair.salesforce.fault("reset_after", method="PATCH", path="jobs/ingest/[^/]+$", times=1)

    run = ended(work(asked(flow)))

    assert run.created == pair.salesforce.counters.created == incidents(pair)
    assert not BulkJob.objects.filter(closed_at=None).exists()
    assert differences(pair) == []


def ended(run: Run) -> Run:
    """A load that stumbles goes on a minute later; here at once, and not for ever."""
    for _ in range(STUMBLES):
        if run.status == "succeeded":
            break
        assert run.status == "deferred", run.error
        Run.objects.filter(pk=run.pk).update(status="queued", resume_at=None)
        run = work(run)
    assert run.status == "succeeded", run.error
    return run


def test_a_user_who_may_not_use_jobs_creates_by_collections(flow: Flow, pair: Pair) -> None:
    pair.salesforce.fault(
        "status",
        path="jobs/ingest$",
        method="POST",
        status=400,
        times=0,
        body='[{"errorCode": "FEATURENOTENABLED", "message": "Bulk is off"}]',
    )

    run = work(asked(flow))

    assert (run.status, run.created) == ("succeeded", incidents(pair))
    assert not BulkJob.objects.exists()
