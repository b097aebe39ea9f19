"""Several workers share a first load and are killed at any moment: no duplicate, no gap, each record counted once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mappings.models import ValueMap, ValueMapEntry
from sync import services
from sync.engine.execute import execute
from sync.models import BulkJob, Flow, Run
from sync.models.run import RunKind
from sync.questions import answer
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.killable import PAGES
from tests.engine.killing import Moment, await_that, let_time_pass, worker_on_the_test_database
from tests.engine.test_kills import assert_in_step, settle

INCIDENTS = 180
KILLS = 6
ROUNDS = 40
DEFERRALS = 3  # of a load that nobody kills any more
MOST_CALLS = 12  # of all workers before they are killed
CALLS_TO_CUT = (
    40  # and before the load is cut, which takes a count of each part: on a slow machine it never would be
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=INCIDENTS, seed=7)) as running:
        yield running


@pytest.fixture
def flow(make_flow: Callable[..., Flow]) -> Flow:
    """Pages with six creates and more go by a job, the others by a collection."""
    flow = make_flow(servicenow_enter="", options={"bulk": 6})
    states = ValueMap.objects.get(name="incident-state")
    ValueMapEntry.objects.create(
        value_map=states, servicenow="8", salesforce="Closed", direction="to_salesforce"
    )
    services.publish_flow(flow=flow, by=None)
    return flow


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.services)])
def test_workers_of_a_first_load_are_killed_and_others_go_on(flow: Flow, pair: Pair, count: int) -> None:
    rng = random.Random(count)
    flow.refresh_from_db()
    # Logged in once: who dies while he logs in is waited for longer than this test.
    answer(services.count_run(flow=flow, by=None, enqueue=False).pk)
    run = services.request_run(flow=flow, by=None, kind=RunKind.RESYNC, enqueue=False)
    pair.salesforce.slow_down(0.12)
    pair.salesforce.fault("reset_after", path="/services/data/", probability=0.02, times=0, seed=1)
    kills = 0
    with ExitStack() as stack:
        workers = [stack.enter_context(worker_on_the_test_database(number)) for number in range(count)]
        for _ in range(ROUNDS):
            started = [worker.start(flow, "load") for worker in workers]
            calls = rng.randrange(1, MOST_CALLS if run.parts else CALLS_TO_CUT)
            moment = Moment(pair, calls, rng.uniform(0, 0.05))
            await_or_end(moment, run)
            for pid in started:
                os.kill(pid, signal.SIGKILL)  # a child that has ended is still ours until it is asked for
            killed = sum(worker.ended() == -signal.SIGKILL for worker in workers)
            run = went_on(run)
            kills += killed if run.parts else 0  # whoever dies before it is cut is one of the usual dead
            if kills >= KILLS or not run.is_active:
                break

    assert kills >= KILLS
    pair.salesforce.clear_faults()
    pair.salesforce.slow_down(0)
    run = finished(run)

    assert (run.status, run.failed, run.error) == ("succeeded", 0, "")
    assert run.created == pair.salesforce.counters.created == INCIDENTS
    assert BulkJob.objects.exists()
    assert not BulkJob.objects.filter(closed_at=None).exists()
    settle(flow, pair)
    assert_in_step(flow, pair)


def await_or_end(moment: Moment, run: Run) -> None:
    await_that(
        lambda: moment() or not Run.objects.filter(pk=run.pk, status__in=("queued", "running")).exists()
    )


def finished(run: Run) -> Run:
    """As the worker would end it: a load that finds what a dead one had under way is deferred, and goes on later."""
    for _ in range(DEFERRALS):
        let_time_pass()
        run = execute(went_on(run).pk, load_from=1, page_size=PAGES["load"])
        if run.status != "deferred":
            break
    return run


def went_on(run: Run) -> Run:
    """A load that stumbled goes on a minute later; here at once."""
    Run.objects.deferred().filter(pk=run.pk).update(status="queued", resume_at=None, error="", error_code="")
    run.refresh_from_db()
    return run
