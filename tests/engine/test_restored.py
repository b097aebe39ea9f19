"""The drill: a console whose database is lost an hour after its backup, and what the restored one makes of that hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from sync import audit, services
from sync.backup import restoring
from sync.engine.execute import execute
from sync.models import Conflict, DeadLetter, Flow, Reconciliation, RecordLink
from sync.models.attention import ConflictState, DeadLetterState
from sync.models.link import LinkState
from sync.sandbox.pair import Pair
from tests.engine.attaching import on_case, on_incident, put_on_incident
from tests.engine.conftest import run_now
from tests.engine.elsewhere import Do, elsewhere, here

HOUR = timedelta(hours=1)
CLOSE = {"salesforce": {"Status": "Closed"}, "servicenow": {"state": "7", "close_code": "Solution provided", "close_notes": "Gone"}}  # fmt: skip
TWO_WAY = {
    "create_in_servicenow": True, "servicenow_enter": "severity=1", "salesforce_enter": "IsEscalated = true",
    "options": {
        "deletions": {"servicenow": "close", "salesforce": "unlink", "close": CLOSE}, "attachments": {},
        "comments": {"comments": {"salesforce": "published_comment"}},
    },
    "overlap": 60,
}  # fmt: skip


class World:
    """What people do on both sides, and every value that one of them typed."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.ids: dict[str, str] = {}
        self.said: list[str] = []
        self.files: list[tuple[str, str]] = []  # name of the record, of the file
        self.typed: dict[
            tuple[str, str, str], str
        ] = {}  # side, record, field -> the last value somebody typed

    def incident(self, name: str, **fields: str) -> None:
        row = self.pair.servicenow.add(
            "incident", by="abel.tuter", short_description=name, severity="1", state="2", **fields
        )
        self.ids[name] = row["sys_id"]

    def case(self, name: str) -> None:
        row = self.pair.salesforce.add("Case", by="abel.tuter", Subject=name, IsEscalated=True)
        self.ids[name] = row["Id"]

    def of(self, name: str) -> dict[str, Any]:
        """The Case of an incident."""
        (case,) = self.pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=self.ids[name])
        return dict(case)

    def in_servicenow(self, name: str, **fields: str) -> None:
        self.pair.servicenow.edit("incident", self.ids[name], by="abel.tuter", **fields)
        self._note("servicenow", self.ids[name], fields)

    def in_salesforce(self, name: str, **fields: str) -> None:
        case = self.of(name)
        self.pair.salesforce.edit("Case", case["Id"], by="abel.tuter", **fields)
        self._note("salesforce", case["Id"], fields)

    def _note(self, side: str, id: str, fields: dict[str, str]) -> None:
        for field in ("short_description", "description", "Subject", "Description"):
            if field in fields:
                self.typed[side, id, field] = fields[field]

    def say(self, name: str, text: str) -> None:
        self.pair.servicenow.edit("incident", self.ids[name], by="abel.tuter", comments=text)
        self.said.append(text)

    def answer(self, name: str, text: str) -> None:
        case = self.of(name)["Id"]
        self.pair.salesforce.add(
            "CaseComment", by="beth.anglin", ParentId=case, CommentBody=text, IsPublished=True
        )
        self.said.append(text)

    def attach(self, name: str, file: str) -> None:
        put_on_incident(self.pair, self.ids[name], file, file.encode())
        self.files.append((name, file))

    def misheard(self) -> list[tuple[str, int, int]]:
        """What was said and does not stand once on either side."""
        here = [row["value"] for row in self.pair.servicenow.rows("sys_journal_field", element="comments")]
        there = [row["CommentBody"] for row in self.pair.salesforce.rows("CaseComment")]
        counts = [
            (text, sum(text in each for each in here), sum(text in each for each in there))
            for text in self.said
        ]
        return [each for each in counts if each[1:] != (1, 1)]

    def misfiled(self) -> list[tuple[str, str]]:
        """Files that are not once on either record, and no other beside them."""
        names = dict.fromkeys(name for name, _ in self.files)
        wanted = {
            name: sorted((file, file.encode()) for of, file in self.files if of == name) for name in names
        }
        found = [
            (
                name,
                sorted(on_incident(self.pair, self.ids[name])),
                sorted(on_case(self.pair, self.of(name)["Id"])),
            )
            for name in names
        ]
        return [(name, f"{here} {there}") for name, here, there in found if not here == there == wanted[name]]

    def lost_edits(self) -> list[tuple[str, str, str, str]]:
        """What somebody typed that stands neither where it was typed nor in a conflict on record."""
        rows = {("servicenow", row["sys_id"]): row for row in self.pair.servicenow.rows("incident")}
        rows |= {("salesforce", row["Id"]): row for row in self.pair.salesforce.rows("Case")}
        told = {
            value
            for conflict in Conflict.objects.all()
            for value in (conflict.values["servicenow"], conflict.values["salesforce"])
        }
        return [
            (side, id, field, value)
            for (side, id, field), value in self.typed.items()
            if (side, id) in rows and rows[side, id][field] != value and value not in told
        ]

    def doubles(self) -> list[str]:
        """Incidents with more than one Case, by the sandbox's own rows."""
        keys = [case["ServiceNow_Sys_Id__c"] for case in self.pair.salesforce.rows("Case")]
        return [key for key in set(keys) if key and keys.count(key) > 1]


def before_the_backup(world: World, console: Do) -> None:
    for name in (
        "quiet", "moved", "returned", "ours came first", "asked", "both", "in doubt", "deleted and seen", "deleted unseen",
        "case deleted", "edited elsewhere",
    ):  # fmt: skip
        world.incident(name)
    world.incident("no such state")
    world.pair.servicenow.edit("incident", world.ids["no such state"], state="8")
    world.incident("healed later")
    world.pair.servicenow.edit("incident", world.ids["healed later"], state="8")
    console("make", **TWO_WAY)
    console("run")
    world.in_servicenow("asked", description="said the desk")
    world.in_salesforce("asked", Description="said the customer")
    console("run")
    world.attach("quiet", "quiet.txt")
    console("run")
    # The last run before the backup sends two writes whose answers never come.
    world.in_servicenow("in doubt", short_description="before the backup")
    world.incident("born in doubt")
    for side in (world.pair.servicenow, world.pair.salesforce):
        side.skew_clock(-HOUR + timedelta(minutes=1))
    for path in ("composite$", "composite/sobjects$"):
        world.pair.salesforce.fault("reset_after", method="POST", path=path)
    world.pair.salesforce.fault("status", status=503, path="composite/sobjects/Case|query", after=1, times=40)
    console("run")
    world.pair.salesforce.clear_faults()
    assert console("open_intents") == 2


def the_lost_hour(world: World, console: Do) -> None:
    console("let_time_pass")
    console("run")
    # Carried over and known to the console that will be lost.
    world.in_servicenow("moved", short_description="moved once")
    world.in_servicenow("returned", short_description="away")
    world.in_salesforce("ours came first", Subject="from Salesforce")
    world.in_servicenow("in doubt", short_description="after the backup")
    world.pair.servicenow.edit("incident", world.ids["healed later"], state="2")
    world.incident("new incident")
    world.say("moved", "said in the lost hour")
    world.answer("returned", "answered in the lost hour")
    world.attach("moved", "moved.txt")
    world.case("new case")
    world.pair.servicenow.delete("incident", world.ids["deleted and seen"])
    console("take", side="salesforce")
    console("let_time_pass")
    console("run")
    console("run")
    assert world.of("moved")["Subject"] == "moved once"
    assert world.of("returned")["Subject"] == "away"
    # Nobody carries this over: the console is gone.
    world.in_servicenow("returned", short_description="returned")  # as it was when it was backed up
    world.in_servicenow("ours came first", short_description="edited after our own write")
    world.in_salesforce("in doubt", Subject="edited meanwhile")
    world.in_servicenow("both", short_description="the desk's")
    world.in_salesforce("both", Subject="the customer's")
    world.in_servicenow("edited elsewhere", description="only here")
    world.pair.servicenow.edit(
        "incident", world.ids["new incident"], severity="3"
    )  # it does not enter any more
    world.in_servicenow("new incident", description="and was edited")
    world.say("new incident", "said to nobody")
    world.answer("quiet", "answered to nobody")
    world.attach("new incident", "new.txt")
    world.incident("unseen")
    world.pair.servicenow.delete("incident", world.ids["deleted unseen"])
    world.pair.salesforce.delete("Case", world.of("case deleted")["Id"])


def after_the_restoration(world: World) -> None:
    flow = Flow.objects.get()
    assert flow.restored_from is not None
    letters = DeadLetter.objects.filter(state=DeadLetterState.OPEN)
    assert set(letters.values_list("record_id", flat=True)) == {
        world.ids["no such state"],
        world.ids["healed later"],
    }
    assert Conflict.objects.get(state=ConflictState.OPEN).values["salesforce"] == "said the customer"
    incidents, cases = (
        len(rows) for rows in (world.pair.servicenow.rows("incident"), world.pair.salesforce.rows("Case"))
    )

    for _ in range(2):
        run_now(flow)

    # One Case more, of the incident that came when nobody was there, and nothing twice.
    assert len(world.pair.servicenow.rows("incident")) == incidents
    assert len(world.pair.salesforce.rows("Case")) == cases + 1
    assert world.doubles() == []
    assert world.lost_edits() == []
    assert world.misheard() == []
    assert world.misfiled() == []
    # What was linked in the lost hour is found again, also where it does not enter any more, and followed.
    held = {link.servicenow_id: link for link in RecordLink.objects.filter(state=LinkState.ACTIVE)}
    assert {
        world.ids[name] for name in ("new incident", "healed later", "born in doubt", "unseen")
    } <= held.keys()
    (born,) = [link for link in held.values() if link.salesforce_id == world.ids["new case"]]
    assert born.servicenow_id in {row["sys_id"] for row in world.pair.servicenow.rows("incident")}
    # Our own echo does not go over what somebody put back: a person is asked.
    assert (
        world.pair.servicenow.rows("incident", sys_id=world.ids["returned"])[0]["short_description"]
        == "returned"
    )
    open_ones = Conflict.objects.filter(state=ConflictState.OPEN)
    asked = {conflict.link.servicenow_id for conflict in open_ones}
    assert world.ids["returned"] in asked
    # What was decided in the lost hour is agreed on, and closes.
    assert world.ids["asked"] not in asked
    # Where only one side was touched since the backup, nobody is asked.
    assert world.of("edited elsewhere")["Description"] == "only here"
    assert world.of("moved")["Subject"] == "moved once"
    assert asked.isdisjoint({world.ids["edited elsewhere"], world.ids["moved"], world.ids["quiet"]})
    # Deletions of the lost hour end their pairs by policy.
    states = {link.servicenow_id: link.state for link in RecordLink.objects.exclude(state=LinkState.ACTIVE)}
    assert states == {
        world.ids["deleted and seen"]: LinkState.DELETED_IN_SERVICENOW,
        world.ids["deleted unseen"]: LinkState.DELETED_IN_SERVICENOW,
        world.ids["case deleted"]: LinkState.UNLINKED,
    }
    assert letters.get().record_id == world.ids["no such state"]
    assert Flow.objects.get().restored_from is None
    # From here on it is a console like any other.
    for side in (world.pair.servicenow, world.pair.salesforce):
        side.reset_counters()
    run_now(flow)
    assert (world.pair.servicenow.counters.writes, world.pair.salesforce.counters.writes) == (0, 0)
    row = Reconciliation.objects.get(run=execute(services.reconcile(flow=flow, by=None, enqueue=False).pk))
    assert (row.missing, row.orphaned, row.unequal, row.twins) == (0, 0, 0, 0), row.sentence
    assert list(audit.verify()) == []


@pytest.fixture
def world(pair: Pair) -> World:
    for side in (pair.servicenow, pair.salesforce):
        side.skew_clock(-HOUR)
    return World(pair)


def drill(world: World, console: Do, file: Path) -> None:
    before_the_backup(world, console)
    console("back_up", file=str(file))
    for side in (world.pair.servicenow, world.pair.salesforce):
        side.skew_clock(timedelta(0))
    the_lost_hour(world, console)


def restore(file: Path) -> None:
    contents = restoring.check(file, progress=lambda done, total: None)
    services.restore(contents=contents, resume=False, progress=lambda done, total: None)
    services.resume_flow(flow=Flow.objects.get(), by=None)


def test_a_console_that_lost_its_database_an_hour_after_the_backup_goes_on(
    transactional_db: None, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "console.backup"
    drill(world, here(world.pair), file)
    call_command(
        "flush", interactive=False, verbosity=0
    )  # what the database held is lost, and a new one is made

    restore(file)

    assert Flow.objects.get().restored_from is not None
    after_the_restoration(world)


@pytest.mark.services
def test_a_console_on_sqlite_goes_on_on_postgresql(
    transactional_db: None, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "console.backup"
    with elsewhere(world.pair, f"sqlite:///{tmp_path / 'lost.sqlite3'}") as console:
        drill(world, console, file)

    restore(file)

    assert Flow.objects.get().restored_from is not None
    after_the_restoration(world)


def test_a_one_way_flow_finds_what_it_linked_and_undoes_what_it_carried_in_the_lost_hour(
    world: World, make_flow: Callable[..., Flow], tmp_path: Path
) -> None:
    flow, file = make_flow(overlap=60, servicenow_enter="severity=1"), tmp_path / "console.backup"
    world.incident("returned")
    run_now(flow)
    call_command("backup", str(file), stdout=StringIO())
    for side in (world.pair.servicenow, world.pair.salesforce):
        side.skew_clock(timedelta(0))
    world.in_servicenow("returned", short_description="away")
    world.incident("left")
    world.incident("mourned")
    run_now(flow)
    world.pair.salesforce.delete("Case", world.of("mourned")["Id"])
    assert world.of("returned")["Subject"] == "away"
    world.in_servicenow("returned", short_description="returned")
    world.pair.servicenow.edit("incident", world.ids["left"], severity="3", short_description="edited since")
    call_command("flush", interactive=False, verbosity=0)

    restore(file)
    run_now(flow)

    assert world.of("returned")["Subject"] == "returned"
    assert world.of("left")["Subject"] == "edited since"
    assert (
        len(world.pair.salesforce.rows("Case")) == 2
    )  # what was made and deleted in that hour stays deleted
    assert RecordLink.objects.get(servicenow_id=world.ids["mourned"]).state == LinkState.DELETED_IN_SALESFORCE
    # As far as the bases tell, somebody may have typed what was written over: it is on record.
    assert {conflict.values["salesforce"] for conflict in Conflict.objects.all()} == {"away", "left"}
