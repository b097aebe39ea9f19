"""Killed at any point and started again, with answers lost on the way: no duplicate, no gap."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from mappings.models import ValueMap, ValueMapEntry
from sync import services
from sync.engine.execute import execute
from sync.models import Flow, Intent, RecordLink, Run, Waiting
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.conftest import run_now
from tests.engine.equality import differences
from tests.engine.killing import Moment, Worker, await_that, let_time_pass, worker_on_the_test_database

INCIDENTS = 420
KILLS = 14
MOST_CALLS = 14  # of a worker before its kill
ROUNDS = 60  # a worker that ends before its kill does not count
CREATES = {"method": "POST", "path": "composite/sobjects$"}
COLLECTIONS = 3  # of at most 200 records
TWO_COLLECTIONS = INCIDENTS - 200  # records in two of them at least
UPDATES = {"method": "PATCH", "path": "composite/sobjects$"}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=INCIDENTS)) as running:
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


@pytest.fixture
def worker(flow: Flow) -> Iterator[Worker]:
    with worker_on_the_test_database() as worker:
        yield worker


def test_killed_at_random_moments_with_answers_lost_it_makes_no_duplicate_and_no_gap(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    rng = random.Random(20)
    pair.salesforce.slow_down(0.01)
    for kind in ("reset_before", "reset_after"):
        pair.salesforce.fault(
            kind, path="/services/data/", probability=0.05, times=0, seed=rng.randrange(1000)
        )
    # One for certain: how often chance strikes depends on how far the workers get between their kills.
    pair.salesforce.fault("reset_after", path="/services/data/")
    kills = 0
    for _ in range(ROUNDS):
        people_work(pair, rng)
        kills += worker.killed_when(flow, Moment(pair, rng.randrange(MOST_CALLS), rng.uniform(0, 0.05)))
        if kills >= KILLS:
            break

    settle(flow, pair)

    assert kills >= KILLS
    assert pair.salesforce.counters.faults > 0
    assert_in_step(flow, pair)


def test_killed_after_the_intents_were_committed_and_before_anything_arrived(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    pair.salesforce.fault("status", status=503, seconds=10, times=0, **CREATES)

    assert worker.killed_when(flow, lambda: Intent.objects.count() == INCIDENTS)

    assert pair.salesforce.rows("Case") == []
    pair.salesforce.clear_faults()
    settle(flow, pair)
    assert_in_step(flow, pair)


def test_killed_after_the_cases_were_made_and_before_that_was_recorded(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    pair.salesforce.fault("status", status=503, seconds=10, after=2, times=0, **CREATES)

    assert worker.killed_when(flow, lambda: pair.salesforce.counters.created >= TWO_COLLECTIONS)

    assert not RecordLink.objects.exists()
    pair.salesforce.clear_faults()
    settle(flow, pair)
    assert_in_step(flow, pair)


def test_creates_that_arrive_after_their_worker_died_and_another_took_over_make_no_second_case(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    pair.salesforce.fault("delay", seconds=1.5, times=0, **CREATES)
    assert worker.killed_when(flow, lambda: pair.salesforce.counters.faults == COLLECTIONS)

    settle(flow, pair)

    await_that(lambda: creates(pair) >= 2 * COLLECTIONS)
    assert_in_step(flow, pair)


def test_killed_between_updates_and_their_record_the_next_run_goes_on_with_what_arrived(
    flow: Flow, pair: Pair, worker: Worker
) -> None:
    run_now(flow)
    describe(pair, "Seen by Abel")
    pair.salesforce.reset_counters()
    pair.salesforce.fault("status", status=503, seconds=10, after=2, times=0, **UPDATES)
    assert worker.killed_when(flow, lambda: pair.salesforce.counters.writes >= TWO_COLLECTIONS)
    arrived = pair.salesforce.counters.writes
    pair.salesforce.clear_faults()
    describe(pair, "Seen by Beth")

    run_on(flow)

    # What the dead worker's claims held is free at once; only what may still be executed has to wait.
    seen = [case["Description"] for case in pair.salesforce.rows("Case")]
    assert (seen.count("Seen by Beth"), Waiting.objects.count()) == (arrived, INCIDENTS - arrived)
    settle(flow, pair)
    assert_in_step(flow, pair)


def people_work(pair: Pair, rng: random.Random) -> None:
    """New incidents come in, old ones are edited."""
    for number in range(5):
        pair.servicenow.add(
            "incident", by="beth.anglin", short_description=f"Printer {number} on fire", impact="2"
        )
    for incident in rng.sample(pair.servicenow.rows("incident", active="true"), 20):
        pair.servicenow.edit(
            "incident", incident["sys_id"], by="abel.tuter", description=f"Seen again: {rng.randrange(10**6)}"
        )


def describe(pair: Pair, text: str) -> None:
    for incident in pair.servicenow.rows("incident"):
        pair.servicenow.edit("incident", incident["sys_id"], description=text)


def creates(pair: Pair) -> int:
    """Collections of creates that the org has executed."""
    routes = pair.salesforce.counters.by_route
    return sum(
        calls
        for route, calls in routes.items()
        if route.startswith("POST") and route.endswith("composite/sobjects")
    )


def settle(flow: Flow, pair: Pair) -> None:
    """Run on with nothing lost any more, and once more when no request of the dead can be executed any more."""
    pair.salesforce.clear_faults()
    pair.salesforce.slow_down(0)
    run_on(flow)
    let_time_pass()
    run_on(flow)


def run_on(flow: Flow) -> None:
    for run in Run.objects.active().filter(flow=flow):
        execute(run.pk)
    run_now(flow)


def assert_in_step(flow: Flow, pair: Pair) -> None:
    assert pair.salesforce.counters.duplicates == 0
    assert differences(pair) == []
    assert RecordLink.objects.count() == len(pair.servicenow.rows("incident"))
    assert not RecordLink.objects.filter(salesforce_number="").exists()
    assert not Intent.objects.exists()
    assert not Waiting.objects.exists()
    assert not RecordLink.objects.filter(claim_until__gt=timezone.now()).exists()
    pair.salesforce.reset_counters()
    run = run_now(flow)
    assert (run.status, run.created, run.updated) == ("succeeded", 0, 0)
    assert pair.salesforce.counters.writes == 0
