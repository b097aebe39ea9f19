"""One schedule from its first step to quiet."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from django.db import transaction

from sync.core.records import Side
from sync.engine.garbage import seldom_collected
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN
from sync.models import Conflict, DeadLetter, Event, Intent, RecordLink, Run, Waiting
from sync.models.base import Lane
from sync.models.run import ACTIVE
from sync.sandbox.dialects import switches
from sync.sandbox.platform import ControlError
from tests.simulation import arrivals
from tests.simulation.flows import ACTING, EVERY, TALKING, Flows, deletes, make_flows
from tests.simulation.ledger import FIELDS, Ledger
from tests.simulation.platforms import NAMES, PEOPLE, Platforms
from tests.simulation.promises import ask
from tests.simulation.schedule import STATUSES, Schedule, Step, draw
from tests.simulation.talk import Talk
from tests.simulation.wire import Wires
from tests.simulation.workers import Parts, Setting, Worker

ROUNDS = 3  # after quiet: two may write, the third must not
SETTLED = SEND_WITHIN + EXECUTES_WITHIN + timedelta(seconds=40)  # longer than any lease and overlap
WRITES = {
    Side.SERVICENOW: {"method": "POST|PATCH", "path": "/table/(incident|problem)"},
    Side.SALESFORCE: {"method": "POST|PATCH", "path": "/composite(/sobjects)?$"},
}
READS = {
    Side.SERVICENOW: {"method": "GET", "path": "/table/incident"},
    Side.SALESFORCE: {"method": "GET|POST", "path": "/query|/sobjects/Case"},
}
FILES = {
    Side.SERVICENOW: {"path": "/attachment/"},
    Side.SALESFORCE: {"path": "/sobjects/ContentVersion"},
}
ENTRIES = {
    Side.SERVICENOW: {"method": "PATCH|GET", "path": "/table/(incident/|sys_journal_field)"},
    Side.SALESFORCE: {"method": "POST|GET", "path": "/composite/sobjects$|CaseComment|FeedItem"},
}
CALLS = {"writes": WRITES, "reads": READS, "files": FILES, "entries": ENTRIES}


@dataclass
class Bench:
    """What schedules are played on, one after another: platforms, connectors, compiled flows."""

    platforms: Platforms
    wires: Wires
    flows: Flows

    @classmethod
    def build(cls) -> Bench:
        platforms = Platforms()
        wires = Wires(platforms)
        return cls(platforms, wires, make_flows(platforms, wires))


@cache
def the_bench() -> Bench:
    """One bench a process."""
    return Bench.build()


@dataclass(frozen=True)
class Told:
    """Rows of each side, conflicts as (field, state, rule), notes of events, codes of open dead letters."""

    rows: dict[Side, list[dict[str, Any]]]
    conflicts: list[tuple[str, str, str]]
    notes: list[str]
    letters: list[str]


@dataclass
class Play:
    """`broken`: promises that did not hold, each a sentence; empty for a schedule that went well."""

    bench: Bench
    schedule: Schedule
    parts: Parts = field(default_factory=Parts)
    broken: list[str] = field(default_factory=list)
    nightly: bool = True  # whether everything is read once where polls alone cannot see what came back

    def __post_init__(self) -> None:
        schedule, platforms = self.schedule, self.bench.platforms
        platforms.empty(schedule.seed)
        for side, seconds in zip(Side, schedule.skew, strict=True):
            platforms.sides[side].skew_clock(timedelta(seconds=seconds))
        for name, reading in schedule.dialect:
            for each in platforms.sides.values():
                if name in switches(each.platform.dialect):
                    each.turn(**{name: reading})
        self.ledger = Ledger(platforms)
        platforms.clock.look = self.ledger.look_around
        self.setting = Setting(
            platforms, self.bench.wires, self.bench.flows.context(schedule.flow), self.ledger,
            schedule.page_size, schedule.history, random.Random(schedule.seed + 1), self.parts,
        )  # fmt: skip
        self.workers: dict[str, Worker] = {}
        self.number = 0
        self.made = dict.fromkeys(
            Side, 0
        )  # records that people made, of two that name each other the incident
        self.settings = EVERY[schedule.flow]
        self.restored_unseen = False  # whether something came back with its old stamps
        self.deletes = deletes(schedule.flow)
        self.talks = schedule.flow in TALKING
        self.talk = Talk(platforms, self.setting.context.exchange)
        self.acts = schedule.flow in ACTING
        self.deleted: dict[Side, list[str]] = {side: [] for side in Side}  # by people, and not restored
        self.named: set[str] = set()  # Cases that people made for an incident
        self.late: set[str] = (
            set()
        )  # of the deleted, those that an earlier request of ours may make once more
        self.untold: set[str] = set()  # of the deleted, those whose counterpart was back and not in sight yet
        self.unmet = dict.fromkeys(Side, 0)  # of the deleted, those for which another one may stand later
        self.moved: dict[str, int] = {}  # when people last deleted or restored a record, in their order
        if self.deletes:
            self.ledger.watches_deletions = True
            platforms.sides[Side.SERVICENOW].turn(itil_deletes_incidents=True)

    def run(self) -> list[str]:
        """Play, ask every promise, and leave no row behind."""
        with seldom_collected(), transaction.atomic():
            for step in self.schedule.steps:
                self.ledger.story.append(f"-- {step!r}")
                self._do(step)
                if self.setting.unexpected:
                    break
            self._quiet()
            self.broken += [
                f"unexpected {type(error).__name__}: {error}" for error in self.setting.unexpected
            ]
            if not self.broken:
                self.broken += ask(self) + (arrivals.ask(self) if self.talks else [])
            self.told = self.tell()
            transaction.set_rollback(True)
        return self.broken

    def tell(self) -> Told:
        """What stands at the end, for a test that asks more than the promises."""
        flow = self.setting.context.flow
        return Told(
            {side: [row for _, row in self.bench.platforms.rows(side)] for side in Side},
            [(each.field, each.state, each.rule) for each in Conflict.objects.filter(link__flow=flow).order_by("at", "id")],
            [note for event in Event.objects.filter(flow=flow) for note in event.detail.get("notes", ())],
            [each.code for each in DeadLetter.objects.filter(flow=flow, state="open")],
        )  # fmt: skip

    # Steps

    def _do(self, step: Step) -> None:
        getattr(self, f"_{step[0]}")(*step[1:])

    def _add(self, side: Side) -> None:
        self._as_person(side, lambda by: self._insert(side, by))
        self.made[side] += 1

    def _insert(self, side: Side, by: str, **more: Any) -> str:
        if side is Side.SERVICENOW:
            values = {"short_description": self._text("subject"), "description": self._text("note"), **more}
            return str(self.bench.platforms.sides[side].add("incident", by=by, **values)["sys_id"])
        return str(
            self.bench.platforms.sides[side].add("Case", by=by, Subject=self._text("subject"), **more)["Id"]
        )

    def _meet(self) -> None:
        """An incident and a Case that names it, each with texts of its own."""
        here = self._insert(Side.SERVICENOW, PEOPLE[Side.SERVICENOW])
        self.ledger.typed(Side.SERVICENOW, here)
        there = self._insert(Side.SALESFORCE, PEOPLE[Side.SALESFORCE], ServiceNow_Sys_Id__c=here)
        self.ledger.typed(Side.SALESFORCE, there)
        self.named.add(there)
        self.made[Side.SERVICENOW] += 1

    def _edit(self, side: Side, index: int, field: str, value: str) -> None:
        ids = [id for id, _ in self.bench.platforms.rows(side)]
        if not ids:
            return
        id = ids[index % len(ids)]
        changes = self._change(side, id, field, value)
        self._as_person(
            side, lambda by: (self.bench.platforms.sides[side].edit(NAMES[side], id, by=by, **changes), id)[1]
        )

    def _rush(self, name: str) -> None:
        """A person types over the very value that a worker is about to write."""
        call = self.workers[name].call if name in self.workers else None
        id, column = call.first_cell() if call is not None else ("", "")
        field = next(
            (field for field, columns in FIELDS.items() if call and columns[call.side] == column), ""
        )
        if call is None or field in ("", "key"):
            return
        side = call.side
        changes = self._change(side, id, field, STATUSES[side][self.number % 3])
        self._as_person(
            side, lambda by: (self.bench.platforms.sides[side].edit(NAMES[side], id, by=by, **changes), id)[1]
        )

    def _change(self, side: Side, id: str, field: str, value: str) -> dict[str, str]:
        if field != "status":
            return {FIELDS[field][side]: self._text(field, side)}
        if side is Side.SERVICENOW and value in "67":
            return {"state": value, "close_code": "Solution provided", "close_notes": "Done"}
        return {FIELDS[field][side]: value}

    def _text(self, field: str, side: Side = Side.SERVICENOW) -> str:
        """A text that nobody has typed before; of the symptom, one that is too long for the other side every other time."""
        self.number += 1
        text = f"{field[:2]}{self.number} typed by a person"
        if field == "symptom" and side is Side.SERVICENOW and self.number % 2:
            text = f"{text} {'and so on ' * 8}"[:99] + "."
        return text

    def _retype(self, side: Side, index: int, field: str, text: str) -> None:
        """A person types a text that has been there before."""
        id = [id for id, _ in self.bench.platforms.rows(side)][index]
        changes = {FIELDS[field][side]: text}
        self._as_person(
            side, lambda by: (self.bench.platforms.sides[side].edit(NAMES[side], id, by=by, **changes), id)[1]
        )

    def _as_person(self, side: Side, deed: Any) -> None:
        self.ledger.look_around()
        try:
            id = deed(PEOPLE[side])
        except ControlError as refused:
            self.ledger.story.append(f"   refused: {refused}")
            return
        self.ledger.typed(side, id)

    def _delete(self, side: Side, index: int) -> None:
        ids = [id for id, _ in self.bench.platforms.rows(side)]
        if not ids:
            return
        id = ids[index % len(ids)]
        self._as_person(side, lambda by: (self.bench.platforms.sides[side].delete(NAMES[side], id), id)[1])
        self.deleted[side].append(id)
        if self._may_come_late(side, id):
            self.late.add(id)
        if self._is_back_unseen(side, id):
            self.untold.add(id)
        self.unmet[side] += self._is_unmet(id) or id in self.late
        self.moved[id] = max(self.moved.values(), default=0) + 1

    def _is_back_unseen(self, side: Side, id: str) -> bool:
        link = RecordLink.objects.filter(**{f"{side}_id": id}).first()
        unseen = link is not None and self.bench.platforms.unseen_until(side.other, link.end(side.other))
        return bool(unseen)

    def _is_unmet(self, case: str) -> bool:
        """Whether a Case that people made for an incident is deleted before the two were a pair: the incident gets one."""
        return case in self.named and not RecordLink.objects.filter(salesforce_id=case).exists()

    def _may_come_late(self, side: Side, id: str) -> bool:
        """Whether people delete what we made while an earlier request for it, which had no answer, may still be executed."""
        late = any(step[0] == "fault" and step[1:3] == (side, "execute_late") for step in self.schedule.steps)
        link = RecordLink.objects.filter(**{f"{side}_id": id}, born_in=side.other).first()
        now = self.bench.platforms.clock.now()
        return late and link is not None and now < link.created_at + SEND_WITHIN + EXECUTES_WITHIN

    def _undelete(self, side: Side) -> None:
        """The record that was deleted last comes back."""
        if self.deleted[side]:
            id = self.deleted[side].pop()
            self.moved[id] = max(self.moved.values()) + 1
            self.restored_unseen |= side is Side.SERVICENOW
            self._as_person(
                side, lambda by: (self.bench.platforms.sides[side].undelete(NAMES[side], id), id)[1]
            )

    def _say(self, side: Side, index: int, public: bool, length: int, quoting: int) -> None:
        ids = [id for id, _ in self.bench.platforms.rows(side)]
        if ids:
            id = ids[index % len(ids)]
            self._as_person(
                side,
                lambda by: (self.talk.say(side, id, public=public, length=length, quoting=quoting), id)[1],
            )

    def _attach(self, side: Side, index: int, size: int, again: bool) -> None:
        ids = [id for id, _ in self.bench.platforms.rows(side)]
        if ids:
            id = ids[index % len(ids)]
            self._as_person(side, lambda by: (self.talk.attach(side, id, size=size, again=again), id)[1])

    def _wait(self, seconds: float) -> None:
        self.bench.platforms.clock.advance(seconds=seconds)
        self.ledger.look_around()

    def _fault(self, side: Side, kind: str, rule: dict[str, Any], where: str, after: int) -> None:
        calls = CALLS[where][side]
        self.bench.platforms.sides[side].fault(
            kind, **{"seed": self.schedule.seed, "after": after, **calls, **rule}
        )

    def _late(self, side: Side, seconds: float, times: int, name: str = "") -> None:
        self.bench.platforms.sides[side].commit_late(name or NAMES[side], seconds, times=times, by="people")

    def _start(self, name: str, lane: str) -> None:
        before = self.workers.get(name)
        if before is None or before.ended:
            self.workers[name] = Worker(name, self.setting, lane)

    def _go(self, name: str, stops: int) -> None:
        if name in self.workers:
            self.workers[name].go(stops)

    def _until(self, name: str, where: str) -> None:
        """Go on to the first stop whose name begins so."""
        if not self._seek(name, where):
            self.broken.append(f"{name} ended before it came to {where!r}")

    def _seek(self, name: str, where: str) -> bool:
        """The same, if there is such a stop."""
        worker = self.workers.get(name)
        while worker is not None and not worker.ended:
            worker.go(1)
            if worker.at.startswith(where) and not worker.ended:
                return True
        return False

    def _stop(self, name: str) -> None:
        if name in self.workers:
            self.workers[name].told_to_stop = True

    def _die(self, name: str, noticed: bool) -> None:
        if name in self.workers and not self.workers[name].ended:
            self.workers[name].die(noticed=noticed)

    # Afterwards

    def _quiet(self) -> None:
        """No more trouble: who is at work ends, time passes, and rounds run until nothing moves."""
        self.ledger.story.append("-- quiet")
        for each in self.bench.platforms.sides.values():
            each.clear_faults()
            each.platform.commits.clear()
        for worker in self.workers.values():
            worker.go()
        self._wait(SETTLED.total_seconds())
        if self.restored_unseen and self.nightly:
            self._run_through("night", Lane.BACKFILL)  # which asks for no stamps
        self.wrote: list[int] = []
        for number in range(ROUNDS):
            afresh = not self._is_unfinished(Lane.LIVE)  # or it reads what is left of an earlier poll
            self._round(number)
            if afresh and not self.wrote[-1] and not self._is_left() and self.schedule.seed % 4:
                break  # a round that found nothing to do and left nothing: the next would be the same

    def _is_left(self) -> bool:
        """Whether a later round would find something that this one did not."""
        flow = self.setting.context.flow
        left = Waiting.objects.filter(flow=flow).exists() or Intent.objects.open().filter(flow=flow).exists()
        return left or self._is_unfinished(Lane.BACKFILL)

    def _round(self, number: int) -> None:
        before = self.ledger.writes + self._talked()
        for lane in (Lane.LIVE, Lane.BACKFILL):
            if lane == Lane.LIVE or self._is_unfinished(lane):
                self._run_through(f"round {number}", lane)
        self.wrote.append(self.ledger.writes + self._talked() - before)
        self._wait(7.0)

    def _talked(self) -> int:
        return self.talk.made_by_us() if self.talks else 0

    def _is_unfinished(self, lane: str) -> bool:
        return Run.objects.filter(flow=self.setting.context.flow, lane=lane, status__in=ACTIVE).exists()

    def _run_through(self, name: str, lane: str) -> None:
        worker = Worker(name, self.setting, lane)
        worker.go()
        if not worker.worked:
            self.broken.append(f"{name}: the lane {lane} was held although its worker is gone")
        if worker.error is not None:
            self.broken.append(f"{name}: {type(worker.error).__name__}: {worker.error}")


def broken_by(bench: Bench, seeds: Iterable[int], flow: str = "") -> list[str]:
    """What the schedules of these seeds break, each with the command that plays it again."""
    again = f" ARGS='--flow {flow}'" if flow else ""
    return [
        f"make simulate SEED={seed}{again}: {found}"
        for seed in seeds
        if (found := Play(bench, draw(seed, flow)).run())
    ]
