"""A record on its way through a page: what was found about it, what was planned, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sync.core.merge import Base
from sync.core.planner import FieldWrite, Plan
from sync.core.records import Cursor, Operation, Outcome, Record, WriteResult
from sync.errors import SyncError
from sync.models import Intent, RecordLink, Run
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


@dataclass(frozen=True, slots=True)
class Later:
    """Why a record is read and planned again by itself, and after how long."""

    reason: str
    message: str
    delay: timedelta = timedelta(0)


@dataclass(slots=True)
class NewIntent:
    """An intent of this run before it is a row; what is about to be sent stands in its item, which it does not name."""

    run: Run
    at: datetime
    lease_token: str
    pk: UUID = field(default_factory=time_ordered_uuid)


@dataclass(slots=True)
class Item:
    """`found`: the open intent an earlier attempt left; `intent`: the one this attempt makes.

    `base` is the base as it will stand after this page; None leaves the link's base alone.
    """

    record: Record
    link: RecordLink | None = None
    found: Intent | None = None
    target: Record | None = None
    operation: Operation = Operation.SKIP
    plan: Plan | None = None
    writes: list[FieldWrite] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)  # sent beside the mapped fields: the key
    intent: Intent | NewIntent | None = None
    new_link: bool = False  # the link row is not in the database yet
    base: dict[str, Base] | None = None
    base_moved: bool = False
    written: bool = False  # the platform answered that what was planned is done
    overwrote: list[FieldWrite] = field(
        default_factory=list
    )  # an earlier attempt's, over what somebody had put there
    outcome: Outcome | None = None
    failure: Failure | None = None
    later: Later | None = None
    tombstone: str = ""  # the link's new state, when the answer said that the counterpart is deleted
    notes: list[str] = field(default_factory=list)
    code: str = ""
    known: bool = False  # what keeps it from resting is on record already, and nothing has changed since

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


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of a page's writes, by the writes' refs; `numbers`: of the records they made, by Salesforce Id."""

    results: Mapping[str, WriteResult] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """The records of one page between its two transactions. `cursor`: what the page's commit makes durable."""

    items: list[Item]
    read_at: datetime
    cursor: Cursor | None = None
    last: bool = False
    advances: bool = False  # it belongs to a poll, whose checkpoint it moves
    answers: Future[Answers] | None = None
    fault: SyncError | None = None  # stops the run once the page is recorded

    @property
    def sending(self) -> list[Item]:
        return [item for item in self.items if item.intent is not None]
