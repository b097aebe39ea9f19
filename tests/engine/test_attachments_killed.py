"""Files put on both sides while workers are killed and answers are lost: each arrives once, and none is missing."""

from __future__ import annotations

import os
import random

import pytest

from sync.engine.execute import execute
from sync.models import Attachment, Flow, Run
from sync.sandbox.pair import Pair
from tests.engine.attaching import carrying, case_of, on_case, on_incident, put_on_case, put_on_incident
from tests.engine.conftest import run_now
from tests.engine.killing import Moment, let_time_pass, worker_on_the_test_database

# Many in the lane that brings PostgreSQL and Redis, and where KILLS says so.
KILLS = int(os.environ.get("KILLS", "25" if os.environ.get("REDIS_URL") else "2"))
RECORDS = 4
FILES = 3  # that people add before each kill
LOST = 0.08

pytestmark = pytest.mark.django_db(transaction=True)


class People:
    def __init__(self, pair: Pair, incidents: list[str], rng: random.Random) -> None:
        self._pair, self._incidents, self._rng = pair, incidents, rng
        self.added = 0

    def add(self) -> None:
        self.added += 1
        content = self._rng.randbytes(self._rng.choice((10, 5_000, 80_000))) + b"%d" % self.added
        incident, name = self._rng.choice(self._incidents), f"file {self.added}.bin"
        if self._rng.random() < 0.5:
            put_on_incident(self._pair, incident, name, content)
        else:
            put_on_case(self._pair, case_of(self._pair, incident), name, content)


def lose_answers(pair: Pair, rng: random.Random) -> None:
    for side, path in ((pair.salesforce, "/sobjects/ContentVersion"), (pair.servicenow, "/attachment/")):
        side.slow_down(0.005)
        for kind, more in (
            ("reset_before", {}), ("reset_after", {}), ("truncated", {}), ("execute_late", {"seconds": 0.2}),
        ):  # fmt: skip
            side.fault(kind, path=path, probability=LOST, times=0, seed=rng.randrange(1000), **more)
        side.fault("reset_after", path=path, method="POST")  # one for certain


def test_killed_at_random_moments_while_people_add_files(pair: Pair) -> None:
    rng = random.Random(5)
    flow = carrying(pair)
    incidents = [
        str(pair.servicenow.add("incident", short_description=f"Printer {number}")["sys_id"])
        for number in range(RECORDS)
    ]
    run_now(flow)
    people = People(pair, incidents, rng)
    lose_answers(pair, rng)
    kills = rounds = 0
    with worker_on_the_test_database() as worker:
        while kills < KILLS and rounds < 3 * KILLS:
            rounds += 1
            for _ in range(FILES):
                people.add()
            if rounds % 6 == 0:
                let_time_pass()
            kills += worker.killed_when(flow, Moment(pair, rng.randrange(4, 22), rng.uniform(0, 0.03)))

    assert kills >= KILLS
    settle(flow, pair)
    for incident in incidents:
        assert on_incident(pair, incident) == on_case(pair, case_of(pair, incident))
    assert sum(len(on_incident(pair, incident)) for incident in incidents) == people.added
    assert set(Attachment.objects.values_list("status", flat=True)) == {"done"}


def settle(flow: Flow, pair: Pair) -> None:
    """Nothing is lost any more, and what was under way has been executed or never will be."""
    for side in (pair.salesforce, pair.servicenow):
        side.clear_faults()
        side.slow_down(0)
    for _ in range(3):
        for run in Run.objects.active().filter(flow=flow):
            execute(run.pk)
        run_now(flow)
        let_time_pass()
    run_now(flow)
