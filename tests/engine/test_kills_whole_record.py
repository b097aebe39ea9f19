"""Comments, files and deletions on both sides while workers are killed and answers are lost: each is carried once."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from sync.core import notes
from sync.models import Attachment, DeadLetter, Flow, JournalEntry, RecordLink
from sync.sandbox.pair import Pair
from tests.engine.attaching import carrying, case_of, on_case, on_incident, put_on_case, put_on_incident
from tests.engine.conftest import run_now
from tests.engine.killing import Moment, let_time_pass, worker_on_the_test_database
from tests.engine.test_attachments_killed import settle

# Many in the lane that brings PostgreSQL and Redis, and where KILLS says so.
KILLS = int(os.environ.get("KILLS", "25" if os.environ.get("REDIS_URL") else "3"))
RECORDS, DOOMED = 4, 2  # that live on, that people delete
DEEDS = 6  # before each kill
LOST = 0.06
OPTIONS = {
    "comments": {
        "comments": {"salesforce": "published_comment"},
        "work_notes": {"salesforce": "unpublished_comment"},
    },
    "attachments": {},
    "deletions": {
        "servicenow": "close",
        "salesforce": "close",
        "close": {
            "salesforce": {"Status": "Closed"},
            "servicenow": {
                "state": "7",
                "close_code": "Solution provided",
                "close_notes": "Its Case was deleted",
            },
        },
    },
}

pytestmark = pytest.mark.django_db(transaction=True)


class People:
    """They talk and attach on either side, and delete a record or two, each once."""

    def __init__(self, pair: Pair, incidents: list[str], doomed: list[str], rng: random.Random) -> None:
        self._pair, self._incidents, self._rng = pair, incidents, rng
        self._cases = {id: case_of(pair, id) for id in [*incidents, *doomed]}
        self.doomed, self._deeds = list(doomed), 0
        self.said: dict[bool, Counter[str]] = {
            True: Counter(),
            False: Counter(),
        }  # by whether customers see it
        self.put = 0

    def work(self) -> None:
        self._deeds += 1
        self._rng.choice((self._say, self._answer, self._attach))(self._rng.choice(self._incidents))

    def _say(self, incident: str) -> None:
        public = self._rng.random() < 0.5
        column = "comments" if public else "work_notes"
        self._pair.servicenow.edit("incident", incident, by="abel.tuter", **{column: self._text(public)})

    def _answer(self, incident: str) -> None:
        public = self._rng.random() < 0.5
        self._pair.salesforce.add(
            "CaseComment", by="beth.anglin", ParentId=self._cases[incident],
            CommentBody=self._text(public), IsPublished=public,
        )  # fmt: skip

    def _text(self, public: bool) -> str:
        text = f"Said {self._deeds}"
        self.said[public][text] += 1
        return text

    def _attach(self, incident: str) -> None:
        content, name = self._rng.randbytes(5_000), f"file {self._deeds}.bin"
        self.put += 1
        if self._rng.random() < 0.5:
            put_on_incident(self._pair, incident, name, content)
        else:
            put_on_case(self._pair, self._cases[incident], name, content)

    def delete_one(self) -> None:
        """An incident or a Case, in turn."""
        if not self.doomed:
            return
        incident = self.doomed.pop()
        if len(self.doomed) % 2:
            self._pair.servicenow.delete("incident", incident)
        else:
            self._pair.salesforce.delete("Case", self._cases[incident])


def lose_answers(pair: Pair, rng: random.Random) -> None:
    for side, path in ((pair.salesforce, "/services/data/"), (pair.servicenow, "/api/now/")):
        side.slow_down(0.005)
        for kind in ("reset_before", "reset_after"):
            side.fault(kind, path=path, probability=LOST, times=0, seed=rng.randrange(1000))
        side.fault("reset_after", path=path, method="POST")  # one for certain


def test_killed_at_random_moments_while_people_talk_attach_and_delete(pair: Pair) -> None:
    rng = random.Random(11)
    flow = carrying(pair, options=OPTIONS)
    ids = [
        str(pair.servicenow.add("incident", short_description=f"Printer {number}", state="2")["sys_id"])
        for number in range(RECORDS + DOOMED)
    ]
    run_now(flow)
    people = People(pair, ids[:RECORDS], ids[RECORDS:], rng)
    lose_answers(pair, rng)
    kills = rounds = 0
    with worker_on_the_test_database() as worker:
        while kills < KILLS and rounds < 3 * KILLS:
            rounds += 1
            for _ in range(DEEDS):
                people.work()
            people.delete_one()
            if rounds % 6 == 0:
                let_time_pass()
            kills += worker.killed_when(flow, Moment(pair, rng.randrange(6, 40), rng.uniform(0, 0.03)))

    assert kills >= KILLS
    settle(flow, pair)
    assert_said_once(pair, people)
    assert_files_once(pair, ids[:RECORDS], people)
    assert_ended(pair, ids[RECORDS:])
    assert_at_rest(flow, pair)


def assert_said_once(pair: Pair, people: People) -> None:
    """By both platforms' own rows: every text in its place on either side, once."""
    for public, column in ((True, "comments"), (False, "work_notes")):
        there = pair.salesforce.rows("CaseComment", IsPublished=public)
        here = pair.servicenow.rows("sys_journal_field", element=column)
        assert (
            Counter(notes.body(row["CommentBody"]) or row["CommentBody"] for row in there)
            == people.said[public]
        )
        assert Counter(notes.body(row["value"]) or row["value"] for row in here) == people.said[public]


def assert_files_once(pair: Pair, incidents: list[str], people: People) -> None:
    for incident in incidents:
        assert on_incident(pair, incident) == on_case(pair, case_of(pair, incident))
    assert sum(len(on_incident(pair, incident)) for incident in incidents) == people.put


def assert_ended(pair: Pair, doomed: list[str]) -> None:
    """Of each pair one record is gone and the other closed; neither was made again."""
    links = RecordLink.objects.filter(servicenow_id__in=doomed)
    assert Counter(link.state for link in links) == {"deleted_sn": 1, "deleted_sf": 1}
    for link in links:
        if link.state == "deleted_sn":
            assert pair.servicenow.rows("incident", sys_id=link.servicenow_id) == []
            assert [row["Status"] for row in pair.salesforce.rows("Case", Id=link.salesforce_id)] == [
                "Closed"
            ]
        else:
            assert [row["state"] for row in pair.servicenow.rows("incident", sys_id=link.servicenow_id)] == [
                "7"
            ]
    assert len(pair.servicenow.rows("incident")) == len(pair.salesforce.rows("Case")) == RECORDS + 1


def assert_at_rest(flow: Flow, pair: Pair) -> None:
    assert set(JournalEntry.objects.values_list("status", flat=True)) == {"done"}
    assert set(Attachment.objects.values_list("status", flat=True)) == {"done"}
    assert not DeadLetter.objects.filter(state="open").exists()
    before = pair.servicenow.counters.writes + pair.salesforce.counters.writes
    assert run_now(flow).status == "succeeded"
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == before
