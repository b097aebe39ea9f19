"""The audited changes of a real instance replayed while the flow polls; in the end every Case equals its incident."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from mappings.models import UserTable, UserTableEntry
from sync.models import Flow, Intent, RecordLink, Run, Waiting
from sync.sandbox.clock import Clock, ManualClock, SystemClock
from sync.sandbox.pair import Pair, PairConfig, start_pair
from sync.sandbox.people import GROUPS, PEOPLE
from sync.sandbox.replay import Replay
from tests.engine.both import ROWS, make_both, unlike_pairs
from tests.engine.conftest import run_now
from tests.engine.equality import differences

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "servicenow-incident-events.csv"
FILE = Path(os.environ.get("INCIDENT_EVENTS") or BESIDE)
POLLS = 12
SPEED = 1000  # changes a second, where the flow polls beside the replay
OVERLAP = 5  # seconds
KNOWN = 40  # people, and as many groups, that have a counterpart; what others own goes to the fallback

pytestmark = pytest.mark.skipif(
    not FILE.is_file(), reason=f"the real events are not here: INCIDENT_EVENTS names no {FILE.name}"
)


@pytest.fixture
def clock() -> Clock:
    return ManualClock()


@pytest.fixture
def pair(clock: Clock) -> Iterator[Pair]:
    with start_pair(PairConfig(clock=clock)) as running:
        yield running


@pytest.fixture
def replay(pair: Pair) -> Replay:
    replay = Replay(pair.servicenow.platform, FILE)
    replay.introduce()
    return replay


@dataclass(frozen=True)
class Owners:
    """user_name to Username, and group to queue, for those who own most of the file's changes."""

    users: dict[str, str]
    queues: dict[str, str]


@pytest.fixture
def owners(replay: Replay) -> Owners:
    users = [person.email for person in PEOPLE if person.active_in_salesforce]
    queues = [group.developer_name for group in GROUPS]
    return Owners(
        {
            ".".join(name.lower().split()): users[position % len(users)]
            for position, name in enumerate(busiest(replay, "assigned_to"))
        },
        {
            " ".join(name.split()): queues[position % len(queues)]
            for position, name in enumerate(busiest(replay, "assignment_group"))
        },
    )


def busiest(replay: Replay, column: str) -> list[str]:
    names = Counter(event.values[column] for event in replay.events if event.values[column])
    return [name for name, _ in names.most_common(KNOWN)]


@pytest.fixture
def flow(make_flow: Callable[..., Flow], owners: Owners) -> Flow:
    """Several of the file's people share one of the org's: such entries lead one way only."""
    flow = make_flow(servicenow_enter="", overlap=OVERLAP)
    table = UserTable.objects.get(name="acme-people")
    table.entries.all().delete()
    add = partial(UserTableEntry.objects.create, table=table, direction="to_salesforce")
    for user_name, username in owners.users.items():
        add(kind="user", servicenow=user_name, salesforce=username)
    for group, queue in owners.queues.items():
        add(kind="group", servicenow=group, salesforce=queue)
    return flow


def test_after_each_poll_of_the_real_events_every_changed_case_equals_its_incident(
    flow: Flow, pair: Pair, replay: Replay, owners: Owners, clock: ManualClock
) -> None:
    slice_of = len(replay) // POLLS + 1
    updated = 0
    # The changes of a slice share one second, and the overlap spans two slices.
    while changed := set(islice(replay, slice_of)):
        clock.advance(seconds=OVERLAP / 2)
        run = run_now(flow)
        updated += run.updated
        assert run.status == "succeeded"
        assert differences(pair, owners.users, owners.queues, among=changed) == []

    assert updated > 0
    assert_in_step(flow, pair, replay, owners)


class TestBesideTheReplay:
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()

    def test_every_case_equals_its_incident_after_the_real_events_came_while_the_flow_was_polling(
        self, flow: Flow, pair: Pair, replay: Replay, owners: Owners
    ) -> None:
        stop = threading.Event()
        playing = threading.Thread(target=replay.run, args=(stop,), kwargs={"speed": SPEED})
        playing.start()
        try:
            polls = 0
            while playing.is_alive():
                run_now(flow)
                polls += 1
        finally:
            stop.set()
            playing.join()

        assert polls > 1
        run_now(flow)
        assert_in_step(flow, pair, replay, owners)


class Desk:
    """Abel's desk in Salesforce answers about every third Case that has just come in or changed."""

    def __init__(self, pair: Pair, rng: random.Random) -> None:
        self._pair, self._rng, self.answers = pair, rng, 0

    def answer(self, numbers: set[str]) -> int:
        """Work on Cases of these incidents, as far as there are any; returns how many were touched."""
        cases = {case["ServiceNow_Number__c"]: case for case in self._pair.salesforce.rows("Case")}
        chosen = [cases[number] for number in sorted(numbers & set(cases)) if self._rng.random() < 1 / 3]
        for case in chosen:
            self.answers += 1
            change = {"Description": f"Answer {self.answers}"}
            if case["Status"] != "Closed":
                change |= self._rng.choice(
                    ({}, {"Status": "Working"}, {"Status": "On Hold"}, {"Priority": "High"})
                )
            self._pair.salesforce.edit("Case", case["Id"], by="abel.tuter", **change)
        return len(chosen)


class TestBothWays:
    @pytest.fixture
    def flow(self, transactional_db: None, pair: Pair) -> Flow:
        rows = tuple(row for row in ROWS if row["salesforce"] not in ("OwnerId", "Origin"))
        return make_both(pair, rows=rows, overlap=OVERLAP)

    def test_each_state_that_stood_when_it_was_read_is_passed_on_and_nothing_is_echoed(
        self, flow: Flow, pair: Pair, replay: Replay, clock: ManualClock
    ) -> None:
        desk = Desk(pair, random.Random(3))
        slice_of = len(replay) // (2 * POLLS) + 1
        while changed := set(islice(replay, slice_of)):
            answered = desk.answer(changed)
            clock.advance(seconds=OVERLAP / 2)  # a Case that was edited this very second is left alone
            run = run_now(flow)
            assert run.status == "succeeded"
            # Poll by poll the sides agree, so each state follows the one before; and only what people did is written.
            assert unlike_pairs(pair) == []
            there, here = run.directions["to_salesforce"], run.directions.get("to_servicenow", {})
            assert there["created"] + there["updated"] <= len(changed)
            assert here.get("updated", 0) <= answered

        assert desk.answers > 100
        incidents = {event.values["number"] for event in replay.events}
        assert len(pair.salesforce.rows("Case")) == len(incidents) == RecordLink.objects.count()
        for side in (pair.servicenow, pair.salesforce):
            side.reset_counters()
        for _ in range(3):
            clock.advance(seconds=OVERLAP / 2)
            assert run_now(flow).status == "succeeded"
        assert (pair.servicenow.counters.writes, pair.salesforce.counters.writes) == (0, 0)


def assert_in_step(flow: Flow, pair: Pair, replay: Replay, owners: Owners) -> None:
    """One Case an incident, all equal under the mapping, nothing left over, and silence from now on."""
    assert pair.salesforce.counters.duplicates == 0
    assert differences(pair, owners.users, owners.queues) == []
    incidents = {event.values["number"] for event in replay.events}
    assert len(incidents) == len(pair.salesforce.rows("Case")) == RecordLink.objects.count()
    owned = {case["OwnerId"] for case in pair.salesforce.rows("Case")}
    assert len(owned) > len(GROUPS)  # persons and queues, not the fallback alone
    assert not Intent.objects.exists()
    assert not Waiting.objects.exists()
    assert not Run.objects.exclude(status="succeeded").exists()
    pair.salesforce.reset_counters()
    last = run_now(flow)
    assert (last.status, last.created, last.updated) == ("succeeded", 0, 0)
    assert pair.salesforce.counters.writes == 0
