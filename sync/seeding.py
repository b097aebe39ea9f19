"""A long history, made up: what pages, backups and pruning are measured against. Nothing of it was ever on a platform.

Rows are written in batches of several thousand, and consistently: the hourly totals are those of the events, the counts of a
run are those of its events, and what is encrypted in a console in use is encrypted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from mappings.models import FieldRow
from sync import audit, revisions
from sync.engine import bulk
from sync.models import (
    Conflict,
    Connection,
    DeadLetter,
    Event,
    Flow,
    HourlyTotal,
    Reconciliation,
    RecordLink,
    RemoteCall,
    Run,
    Waiting,
)
from sync.models.base import UUIDKey, time_ordered_uuid
from sync.models.reconciliation import ReconciliationState

PREFIX = "seeded-"  # names of connections and flow; a database that holds others is somebody's
DAYS = 30  # over which the history is spread
A_RUN = 1_000  # events of a run
WRITING_CALLS = 9  # of a run, each a collection of records
AT_ONCE = 5_000
CONFLICTS = 500
WAITING = 200
ENTRIES = 1_000  # of the audit log, at most: they are chained, so one after the other
FIELDS = (
    ("number", "ServiceNow_Number__c"),
    ("short_description", "Subject"),
    ("description", "Description"),
    ("state", "Status"),
)
# Outcome, operation, code, how many of a hundred.
MIX = (
    ("created", "create", "", 20),
    ("updated", "update", "", 74),
    ("failed", "update", "UNMAPPED_VALUE", 3),
    ("conflict", "update", "", 1),
    ("waiting", "create", "reference", 2),
)
DEALT = tuple(kind for *kind, share in MIX for _ in range(share))
# Code, field, rule, advice of the dead letters; the first is the largest group.
CAUSES = (
    ("UNMAPPED_VALUE", "Status", "Status value 8 is not mapped", "Add 8 to the value map, then retry."),
    ("UNMAPPED_VALUE", "Status", "Status value 8 is not mapped", "Add 8 to the value map, then retry."),
    (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Priority",
        "Not a value of the picklist",
        "Map it to one that is.",
    ),
    ("STRING_TOO_LONG", "Subject", "At most 255 characters", "Truncate it in the mapping."),
    ("INACTIVE_OWNER_OR_USER", "OwnerId", "The owner is not active", "Name a queue as fallback."),
)
Say = Callable[[str], None]


class NotEmpty(Exception):
    """The database holds connections that were not made here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    events: int
    links: int
    dead_letters: int


@dataclass(slots=True)
class History:
    """What is written one after the other; `now` is where the history ends (UTC)."""

    sizes: Sizes
    now: datetime
    flow: Flow
    rows: list[str]
    runs: list[Run] = field(default_factory=list)
    totals: Counter[tuple[datetime, str]] = field(default_factory=Counter)

    def at(self, position: int, of: int) -> datetime:
        """When the `position`th of so many things happened: evenly, the last one just now."""
        return self.now - timedelta(days=DAYS) * (1 - (position + 1) / of)


def refuse_real() -> None:
    """Raises NotEmpty where a connection is not one of ours: made-up history must not stand beside a real one."""
    real = Connection.objects.exclude(name__startswith=PREFIX).order_by("name").first()
    if real is not None:
        raise NotEmpty(
            f"This database holds the connection {real.name}: history is made up in an empty database only. "
            "Name another one with DATABASE_URL."
        )
    if Connection.objects.exists():
        raise NotEmpty("This database was seeded already: drop it, or name another one with DATABASE_URL.")


def seed(sizes: Sizes, say: Say) -> dict[str, int]:
    """Write it all; returns how many rows of what. Raises NotEmpty."""
    refuse_real()
    history = _begin(sizes)
    made: dict[str, int] = {}
    for name, step in STEPS.items():
        made[name] = step(history)
        say(f"{made[name]:,} {name}")
    audit.record("history.seeded", history.flow, after=made)
    return made


@transaction.atomic
def _begin(sizes: Sizes) -> History:
    ends = {
        system: Connection.objects.create(name=f"{PREFIX}{system}", system=system, url=f"https://{host}")
        for system, host in (
            ("servicenow", "seeded.service-now.com"),
            ("salesforce", "seeded.my.salesforce.com"),
        )
    }
    flow = Flow.objects.create(
        name=f"{PREFIX}incidents-to-cases", enabled=False,
        servicenow_connection=ends["servicenow"], salesforce_connection=ends["salesforce"],
    )  # fmt: skip
    for position, (here, there) in enumerate(FIELDS):
        FieldRow.objects.create(mapping=flow, position=position, servicenow=here, salesforce=there)
    revisions.publish(flow, author_id=None, author_name="seed_history", reason="Made up")
    flow = Flow.objects.select_related("revision").get(pk=flow.pk)
    rows = [str(key) for key in flow.rows.order_by("position").values_list("pk", flat=True)]
    return History(sizes, timezone.now(), flow, rows)


def _written(rows: Iterator[Any]) -> int:
    """Insert rows of one model, each batch in a transaction of its own; returns how many."""
    count = 0
    while batch := list(islice(rows, AT_ONCE)):
        _insert(type(batch[0]), batch)
        count += len(batch)
    return count


@transaction.atomic
def _insert(model: type[models.Model], batch: list[Any]) -> None:
    """Rows with a key of our making go the engine's way, which takes a quarter of the time for a million."""
    if not issubclass(model, UUIDKey):
        model._default_manager.bulk_create(batch)
        return
    columns = tuple(column.attname for column in model._meta.concrete_fields)
    bulk.insert(model, columns, list(map(attrgetter(*columns), batch)))


def _ends(number: int) -> dict[str, str]:
    return {
        "servicenow_id": f"{number:032x}", "servicenow_number": f"INC{number:07}",
        "salesforce_id": f"500{number:012}AAA", "salesforce_number": f"{number:08}",
    }  # fmt: skip


def _link_key(history: History, number: int) -> UUID:
    """The key of a link, the same whenever it is asked for: two hundred thousand are not kept in memory."""
    began = history.now - timedelta(days=DAYS)
    return UUID(int=(int(began.timestamp() * 1000) << 80) | (7 << 76) | (0b10 << 62) | number)


def _links(history: History) -> int:
    flow, many = history.flow, history.sizes.links

    def rows() -> Iterator[RecordLink]:
        for number in range(many):
            at = history.at(number, many)
            link = RecordLink(
                id=_link_key(history, number), flow=flow, born_in="servicenow", servicenow_table="incident",
                salesforce_object="Case", servicenow_connection_id=flow.servicenow_connection_id,
                salesforce_connection_id=flow.salesforce_connection_id, created_at=at, synced_at=at, **_ends(number),
            )  # fmt: skip
            texts = (link.servicenow_number, "Printer on fire", "It still burns.", "2")
            link.base = {key: [text, text] for key, text in zip(history.rows, texts, strict=True)}
            yield link

    return _written(rows())


def _runs(history: History) -> int:
    many = -(-history.sizes.events // A_RUN)
    for number in range(many):
        size = min(A_RUN, history.sizes.events - number * A_RUN)
        dealt = Counter(
            DEALT[position % len(DEALT)][0] for position in range(number * A_RUN, number * A_RUN + size)
        )
        began = history.at(number * A_RUN + size - 1, history.sizes.events)
        history.runs.append(
            Run(
                flow=history.flow, kind="poll", status="partial" if dealt["failed"] else "succeeded", read=size,
                revision_id=history.flow.revision_id, created=dealt["created"], updated=dealt["updated"],
                failed=dealt["failed"], conflicts=dealt["conflict"], waiting=dealt["waiting"], calls_servicenow=3,
                calls_salesforce=WRITING_CALLS, started_at=began, progress_at=began, finished_at=began + timedelta(seconds=2),
                phases={"read": 0.9, "map": 0.1, "look_up": 0.3, "write": 0.8, "record": 0.3},
            )
        )  # fmt: skip
    _written(iter(history.runs))
    history.runs = list(Run.objects.filter(flow=history.flow).order_by("id"))
    return many


def _events(history: History) -> int:
    many, links = history.sizes.events, history.sizes.links

    def rows() -> Iterator[Event]:
        for position in range(many):
            outcome, operation, code = DEALT[position % len(DEALT)]
            number, at = position * 7919 % links, history.at(position, many)
            history.totals[at.replace(minute=0, second=0, microsecond=0), outcome] += 1
            event = Event(
                id=time_ordered_uuid(at), flow=history.flow, run=history.runs[position // A_RUN],
                revision_id=history.flow.revision_id, link_id=_link_key(history, number), at=at, side="salesforce",
                operation=operation, outcome=outcome, code=code, field_names="Status", **_ends(number),
            )  # fmt: skip
            event.detail = {"fields": [{"row": history.rows[3], "field": "Status", "source": "2", "under": "New",
                                        "sent": "Working", "note": ""}]}  # fmt: skip
            yield event

    return _written(rows())


def _totals(history: History) -> int:
    return _written(
        HourlyTotal(flow=history.flow, hour=hour, side="salesforce", outcome=outcome, count=count)
        for (hour, outcome), count in history.totals.items()
    )


def _letters(history: History) -> int:
    many = min(history.sizes.dead_letters, history.sizes.links)

    def rows() -> Iterator[DeadLetter]:
        for number in range(many):
            code, name, rule, advice = CAUSES[number % len(CAUSES)]
            at = history.at(number, many)
            letter = DeadLetter(
                id=time_ordered_uuid(at), flow=history.flow, run=history.runs[number * len(history.runs) // many],
                link_id=_link_key(history, number), side="salesforce", record_id=f"{number:032x}",
                record_number=f"INC{number:07}", operation="update", code=code, field=name, rule=rule, advice=advice,
                first_at=at, last_at=at, revision_id=history.flow.revision_id,
            )  # fmt: skip
            letter.content = {
                "value": "8",
                "message": rule,
                "values": {"Subject": "Printer on fire", "Status": "8"},
            }
            yield letter

    return _written(rows())


def _conflicts(history: History) -> int:
    many = min(CONFLICTS, history.sizes.links)

    def rows() -> Iterator[Conflict]:
        for number in range(many):
            at = history.at(number, many)
            row = Conflict(id=time_ordered_uuid(at), link_id=_link_key(history, number), run=history.runs[-1],
                           row=UUID(history.rows[3]), field="Status", at=at)  # fmt: skip
            row.values = {"base": ["2", "Working"], "servicenow": "6", "salesforce": "Escalated"}
            yield row

    return _written(rows())


def _calls(history: History) -> int:
    """Those that wrote in each run, and one more of every fifth that failed, as in a console that has had bad hours."""

    def rows() -> Iterator[RemoteCall]:
        for number, run in enumerate(history.runs):
            for _ in range(WRITING_CALLS):
                yield _call(history, run, 200)
            if number % 5 == 0:
                failed = _call(history, run, 503)
                failed.error = "SERVER_UNAVAILABLE"
                failed.bodies = {"request": '{"records": []}', "response": "Too busy."}
                yield failed

    return _written(rows())


def _call(history: History, run: Run, status: int) -> RemoteCall:
    at = run.started_at or history.now
    return RemoteCall(
        id=time_ordered_uuid(at), run=run, connection_id=history.flow.salesforce_connection_id, at=at, method="POST",
        path="/services/data/v64.0/composite/sobjects", status=status, milliseconds=212, request_id="4f2c",
    )  # fmt: skip


def _waiting(history: History) -> int:
    many = min(WAITING, history.sizes.links)
    return _written(
        Waiting(flow=history.flow, side="servicenow", record_id=f"{number:032x}", record_number=f"INC{number:07}",
                reason="reference", message="The caller has no contact yet", since=history.now, due_at=history.now)
        for number in range(many)
    )  # fmt: skip


def _statements(history: History) -> int:
    links = history.sizes.links
    return _written(
        Reconciliation(flow=history.flow, run=run, state=ReconciliationState.DONE, as_of=run.started_at or history.now,
                       finished_at=run.finished_at, in_scope=links, paired=links, read_servicenow=links,
                       read_salesforce=links)
        for run in history.runs[-DAYS:]
    )  # fmt: skip


@transaction.atomic
def _entries(history: History) -> int:
    many = min(ENTRIES, history.sizes.events // A_RUN)
    for number in range(many):
        audit.record("run.started", history.runs[number % len(history.runs)], after={"kind": "poll"})
    return many


STEPS: dict[str, Callable[[History], int]] = {
    "links": _links,
    "runs": _runs,
    "events": _events,
    "hourly totals": _totals,
    "dead letters": _letters,
    "conflicts": _conflicts,
    "calls": _calls,
    "waiting records": _waiting,
    "statements": _statements,
    "audit entries": _entries,
}
