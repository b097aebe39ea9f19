"""Both ways, killed again and again with answers lost and people at work on either side: no duplicate, no gap."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from sync.engine.execute import execute
from sync.models import Conflict, DeadLetter, Flow, Intent, RecordLink, Run, Waiting
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.engine.both import ROWS, make_both, unlike_pairs
from tests.engine.conftest import run_now
from tests.engine.killing import Moment, Worker, let_time_pass, worker_on_the_test_database

# Fifty in the lane that brings PostgreSQL and Redis, and where KILLS says so.
KILLS = int(os.environ.get("KILLS", "50" if os.environ.get("REDIS_URL") else "8"))
ROUNDS = 3 * KILLS  # a worker that ends before its kill does not count
CALM = 5  # after so many rounds, what was in doubt can be executed no more
MOST_CALLS = 18  # of a worker before its kill
LOST = 0.05
INCIDENTS = 40
CASES = 10

pytestmark = pytest.mark.django_db(transaction=True)


class People:
    """Fred's desk works in ServiceNow and Abel's in Salesforce, each on its own records and on the other's."""

    def __init__(self, pair: Pair, rng: random.Random) -> None:
        self._pair, self._rng, self._deeds = pair, rng, 0

    def work(self) -> None:
        self._deeds += 1
        deed = self._rng.choice((self._edit_incident, self._edit_case, self._open_incident, self._open_case))
        deed(f"{deed.__name__.strip('_').replace('_', ' ')} {self._deeds}")

    def _open_incident(self, text: str) -> None:
        self._pair.servicenow.add(
            "incident", by="fred.luddy", short_description=text, impact="2", urgency="2"
        )

    def _open_case(self, text: str) -> None:
        self._pair.salesforce.add("Case", by="abel.tuter", Subject=text, Priority="High", IsEscalated=True)

    def _edit_incident(self, text: str) -> None:
        incident = self._rng.choice(self._pair.servicenow.rows("incident"))
        change = self._rng.choice(
            ({"short_description": text}, {"description": text}, {"impact": "1"}, {"state": "3"})
        )
        self._pair.servicenow.edit("incident", incident["sys_id"], by="fred.luddy", **change)

    def _edit_case(self, text: str) -> None:
        case = self._rng.choice(self._pair.salesforce.rows("Case"))
        change = self._rng.choice(
            ({"Subject": text}, {"Description": text}, {"Priority": "Low"}, {"Status": "Working"})
        )
        self._pair.salesforce.edit("Case", case["Id"], by="abel.tuter", **change)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        for number in range(INCIDENTS):
            running.servicenow.add("incident", short_description=f"Printer {number} on fire")
        for number in range(CASES):
            running.salesforce.add("Case", Subject=f"Escalated {number}", Priority="High", IsEscalated=True)
        yield running


@pytest.fixture
def flow(pair: Pair) -> Flow:
    rows = tuple(row for row in ROWS if row["salesforce"] != "OwnerId")
    return make_both(
        pair, rows=rows, create_in_servicenow=True, servicenow_enter="active=true", salesforce_enter="IsEscalated = true"
    )  # fmt: skip


@pytest.fixture
def worker(flow: Flow) -> Iterator[Worker]:
    with worker_on_the_test_database() as worker:
        yield worker


def test_killed_at_random_moments_while_both_sides_work(flow: Flow, pair: Pair, worker: Worker) -> None:
    rng = random.Random(7)
    people = People(pair, rng)
    lose_answers(pair, rng)
    kills = rounds = 0
    while kills < KILLS and rounds < ROUNDS:
        rounds += 1
        for _ in range(4):
            people.work()
        if rounds % CALM == 0:
            let_time_pass()
        kind = "resync" if rounds % 4 == 0 else "manual"
        moment = Moment(pair, rng.randrange(MOST_CALLS), rng.uniform(0, 0.03), people.work)
        kills += worker.killed_when(flow, moment, kind)

    assert kills >= KILLS
    assert pair.servicenow.counters.faults
    assert pair.salesforce.counters.faults
    settle(flow, pair)
    assert_in_step(flow, pair)


def lose_answers(pair: Pair, rng: random.Random) -> None:
    for side, path in ((pair.salesforce, "/services/data/"), (pair.servicenow, "/api/now/")):
        side.slow_down(0.005)
        for kind in ("reset_before", "reset_after"):
            side.fault(kind, path=path, probability=LOST, times=0, seed=rng.randrange(1000))
        # One for certain: how often chance strikes depends on how far the workers get between their kills.
        side.fault("reset_after", path=path)


def settle(flow: Flow, pair: Pair) -> None:
    """Go on with nothing lost any more, and again once no request of the dead can be executed any more."""
    for side in (pair.salesforce, pair.servicenow):
        side.clear_faults()
        side.slow_down(0)
    for _ in range(3):
        for run in Run.objects.active().filter(flow=flow):
            execute(run.pk)
        run_now(flow)
        let_time_pass()


def assert_in_step(flow: Flow, pair: Pair) -> None:
    assert (pair.salesforce.counters.duplicates, pair.servicenow.counters.duplicates) == (0, 0)
    assert unlike_pairs(pair) == []
    assert RecordLink.objects.count() == len(pair.servicenow.rows("incident"))
    assert not DeadLetter.objects.filter(state="open").exists()
    assert not Conflict.objects.filter(state="open").exists()
    assert not Intent.objects.exists()
    assert not Waiting.objects.exists()
    for side in (pair.salesforce, pair.servicenow):
        side.reset_counters()
    run = run_now(flow)
    assert run.status == "succeeded"
    assert (pair.salesforce.counters.writes, pair.servicenow.counters.writes) == (0, 0)
