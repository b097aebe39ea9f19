"""A record on its way through a page: what was found about it, what was planned, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sync.core.merge import Base
from sync.core.planner import FieldWrite, Plan
from sync.core.records import Change, Cursor, Operation, Outcome, Record, Side, Values, WriteResult
from sync.errors import SyncError
from sync.models import BulkJob, HandOver, Intent, RecordLink, Run
from sync.models.base import time_ordered_uuid


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record needs a person: the words of a dead letter."""

    code: str
    message: str
    field: str = ""
    value: str = ""
    rule: str = ""
    advice: str = ""
    to: Side | None = None  # where the write was meant to go; None: where the item writes


@dataclass(frozen=True, slots=True)
class Later:
    """Why a record is read and planned again by itself, and after how long."""

    reason: str
    message: str
    delay: timedelta = timedelta(0)


class Overwrote(NamedTuple):
    """What a write of ours went over without our having seen it; `seen`: who had made it and when, where that is known.

    `write.under` is the value that went under.
    """

    side: Side
    write: FieldWrite
    seen: Mapping[str, Any] = {}


@dataclass(slots=True)
class NewIntent:
    """An intent of this run before it is a row; what is about to be sent stands in its item, which it does not name."""

    run: Run
    at: datetime
    lease_token: str
    pk: UUID = field(default_factory=time_ordered_uuid)


@dataclass(slots=True)
class Item:
    """`side`: whose record was read; `other`: its counterpart. `to`: the one side that this attempt writes.

    `found`: open intents that earlier attempts left; `intent`: the one this attempt makes. `base` is the base as it
    will stand after this page; None leaves the link's base alone. `fields`: likewise the states of single fields.
    """

    record: Record
    side: Side
    to: Side
    link: RecordLink | None = None
    found: Sequence[Intent] = ()
    other: Record | None = None
    operation: Operation = Operation.SKIP
    plan: Plan | None = None
    writes: list[FieldWrite] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)  # sent beside the mapped fields: the key
    intent: Intent | NewIntent | None = None
    new_link: bool = False  # the link row is not in the database yet
    base: dict[str, Base] | None = None
    base_moved: bool = False
    fields: dict[str, Any] | None = None
    fields_moved: bool = False
    conditional: bool = False  # the platform writes only if nobody has edited the record since it was read
    retried: bool = False  # a person asked: what was parked is tried again
    written: bool = False  # the platform answered that what was planned is done
    revived: bool = False  # a tombstone whose record was restored
    awaited: str = ""  # what a field refers to has no counterpart yet: the record is looked at again
    order: HandOver | None = None  # a person hands the pair over
    unfinished: bool = False  # the other side must be written too, once this one is
    reckoning: str = ""  # how the newest record was found
    reckonings: dict[str, str] = field(default_factory=dict)  # of single fields, where their history is known
    newer: dict[str, Side] = field(
        default_factory=dict
    )  # by row: who was edited later, where a request in doubt tells
    # By row: the edit on either side that made a contested field what it is, where history tells it.
    edits: dict[str, dict[Side, Change]] = field(default_factory=dict)
    # What this or an earlier attempt wrote over what somebody had put there, and on which side.
    overwrote: list[Overwrote] = field(default_factory=list)
    # What somebody had put there since the sides agreed, and what ending the pair takes away once it is done.
    at_stake: list[Overwrote] = field(default_factory=list)
    expected: dict[str, Base] = field(default_factory=dict)  # the bases once the pair is closed
    outcome: Outcome | None = None
    failure: Failure | None = None
    later: Later | None = None
    tombstone: str = ""  # the link's new state, when the counterpart is known to be deleted
    ending: str = ""  # the link's state once what is sent now is done
    notes: list[str] = field(default_factory=list)
    learnt: list[str] = field(default_factory=list)  # what the records taught of earlier requests
    executed: set[UUID] = field(default_factory=set)  # those of `found` that are updates and took effect
    code: str = ""
    known: bool = False  # what keeps it from resting is on record already, and nothing has changed since

    @property
    def servicenow(self) -> Record | None:
        return self.record if self.side is Side.SERVICENOW else self.other

    @property
    def salesforce(self) -> Record | None:
        return self.record if self.side is Side.SALESFORCE else self.other

    @property
    def source(self) -> Record | None:
        """The record that is written from; known whenever something is written."""
        return self.other if self.to is self.side else self.record

    @property
    def target(self) -> Record | None:
        """The record that is written over."""
        return self.record if self.to is self.side else self.other

    @property
    def source_id(self) -> str:
        return self.id_on(self.to.other)

    def id_on(self, side: Side) -> str:
        """The id of the pair's record on `side`; "" while there is none."""
        if self.link is not None:
            return self.link.end(side)
        return self.record.id if side is self.side else ""

    @property
    def key(self) -> tuple[Side, str]:
        """Under which a waiting record is kept: a pair's is ServiceNow's end, whichever was read."""
        if self.link is not None and not self.new_link:
            return Side.SERVICENOW, self.link.servicenow_id
        return self.side, self.record.id

    @property
    def at_rest(self) -> bool:
        """Decided before anything is sent."""
        return self.outcome is not None

    def rest(self, outcome: Outcome, *, code: str = "") -> None:
        self.outcome = outcome
        self.code = code or self.code

    def fail(self, failure: Failure) -> None:
        self.failure = failure
        self.rest(Outcome.FAILED, code=failure.code)

    def wait(self, later: Later, outcome: Outcome) -> None:
        self.later = later
        self.rest(outcome, code=later.reason)

    def known_base(self) -> dict[str, Base]:
        """Row id -> (ServiceNow value, Salesforce value), as stored or as settled on this page."""
        if self.base is None:
            stored: Mapping[str, list[Any]] = (self.link.base if self.link is not None else None) or {}
            self.base = {row: (pair[0], pair[1]) for row, pair in stored.items()}
        return self.base

    def set_base(self, row: str, pair: Base) -> None:
        self.known_base()[row] = pair
        self.base_moved = True

    def set_bases(self, pairs: Mapping[str, Base]) -> None:
        self.known_base().update(pairs)
        self.base_moved = self.base_moved or bool(pairs)

    def known_fields(self) -> dict[str, Any]:
        """Row id -> what is remembered of the field beside its base (sync.core.loops)."""
        if self.fields is None:
            self.fields = dict((self.link.fields if self.link is not None else None) or {})
        return self.fields

    def set_field(self, row: str, state: Mapping[str, Any]) -> None:
        fields = self.known_fields()
        if state:
            fields[row] = dict(state)
        else:
            fields.pop(row, None)
        self.fields_moved = True


def values_on(item: Item, side: Side) -> Values:
    """The values of the pair's record on `side`; none while there is no such record."""
    record = item.servicenow if side is Side.SERVICENOW else item.salesforce
    return record.values if record is not None else {}


@dataclass(slots=True)
class Answers:
    """What came of a page's writes, by the writes' refs; `numbers`: of the records they made, by id.

    `cut`: the process was told to stop, so that what has no result was not sent.
    """

    results: dict[str, WriteResult]
    numbers: dict[str, str]
    cut: bool = False


@dataclass(slots=True)
class Batch:
    """The records of one page between its two transactions. `cursor`: what the page's commit makes durable."""

    side: Side  # that was read
    items: list[Item]
    read_at: datetime
    cursor: Cursor | None = None
    last: bool = False
    advances: bool = False  # it belongs to a poll, whose checkpoint it moves
    answers: Future[Answers] | None = None
    fault: SyncError | None = None  # stops the run once the page is recorded
    jobs: list[BulkJob] = field(default_factory=list)  # by which some of it is sent
    seen: Sequence[Record] = ()  # all that was read, where the flow has actions to follow it
    began: datetime | None = (
        None  # before anything was looked up; what a person asks for later is not answered by it
    )

    @property
    def sending(self) -> list[Item]:
        return [item for item in self.items if item.intent is not None]
