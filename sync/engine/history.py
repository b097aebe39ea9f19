"""Asks the platforms who changed which field when: only of records about which it matters, once a page and side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mappings.apply import CompiledRow, canonical
from sync.connectors.base import Connector
from sync.core.history import Lost, Sent, Trace, is_ruled_out, last_edit, trace
from sync.core.planner import COLUMNS, FieldWrite, PlanRow, contested
from sync.core.records import Change, Operation, Record, Side
from sync.engine.context import Context
from sync.engine.items import Item, Overwrote, values_on
from sync.engine.store import Store
from sync.models import Conflict, Intent

# How far back the edits of a conflict are looked for. Most are a few polls old, but a field that was left as somebody
# had changed it may come into a conflict much later.
LOOK_BACK = timedelta(days=30)
# How much older than by our reckoning an entry may be, because of the clocks.
CLOCK_SLACK = timedelta(seconds=10)
GRAIN = timedelta(seconds=1)  # of stamps
OVERWRITTEN = "overwritten between look and write"

# By record id, oldest first; a record without entries may be missing.
Histories = Mapping[str, Sequence[Change]]


@dataclass
class Asking:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]

    def ask(self, side: Side, ids: Sequence[str], rows: Iterable[str], since: datetime) -> Histories | None:
        """Entries of these records and field rows since a moment of the platform's time; None: not readable."""
        fields = list(dict.fromkeys(name for id in rows for name in self._fields(side, id)))
        if not ids or not fields:
            return None
        entries = self.connectors[side].history(self.context.name(side), ids, fields, since)
        if entries is None:
            return None
        found: dict[str, list[Change]] = {}
        for entry in entries:
            found.setdefault(entry.record_id, []).append(entry)
        return found

    def there(self, side: Side, moment: datetime) -> datetime:
        """A moment of ours by the platform's clock, or somewhat before it."""
        return moment + (self.connectors[side].server_now() - self.store.now()) - CLOCK_SLACK

    def _fields(self, side: Side, row_id: str) -> Sequence[str]:
        row = self.context.mapping.row(row_id)
        return () if row is None else fields_of(row, side)

    # Requests in doubt

    def of_doubts(self, items: Sequence[Item]) -> dict[Side, Histories]:
        """What the history says of records with an open update. Asked before the records are read (again)."""
        answers: dict[Side, Histories] = {}
        for side in Side:
            open_ones = {item.id_on(side): updates_on(item, side) for item in items}
            asked = [intent for intents in open_ones.values() for intent in intents]
            if not asked:
                continue
            rows = {row for intent in asked for row in intent.payload["fields"]}
            # What such a request went over may have been written as early as its record was looked at.
            since = min(intent.planned_stamp or self.there(side, intent.at) for intent in asked)
            ids = [id for id, intents in open_ones.items() if intents]
            if (answer := self.ask(side, ids, rows, since)) is not None:
                answers[side] = answer
        return answers

    def trace_of(self, intent: Intent, side: Side, changes: Sequence[Change]) -> Trace | None:
        """What the request of an intent left in the record's history; None: nothing."""
        counted = side is Side.SERVICENOW and intent.planned_count is not None
        return trace(
            changes, _sent_by(intent), self.context.own_user(side), canonical,
            over_count=intent.planned_count if counted else None,
            since=None if counted else self._earliest(intent, side),
        )  # fmt: skip

    def _earliest(self, intent: Intent, side: Side) -> datetime:
        """No request can have been executed before it was intended, nor in the version that it was planned over.

        A conditional one is planned only where the record was older than the running second.
        """
        intended = self.there(side, intent.at)
        if intent.planned_stamp is None:
            return intended
        return max(intended, intent.planned_stamp + (GRAIN if intent.conditional else timedelta(0)))

    # Conflicts

    def tell_edits(self, items: Sequence[Item], is_chosen: Callable[[CompiledRow, Item], Any]) -> None:
        """Give the items who edited each field that both sides have changed. Without such a field nothing is asked."""
        fought = [(item, rows) for item in items if (rows := self._contested(item, is_chosen))]
        known = self.store.open_conflicts(
            [item.link.pk for item, _ in fought if item.link is not None]
        ) if fought else {}  # fmt: skip
        asked: dict[str, tuple[Item, list[CompiledRow]]] = {}
        for item, rows in fought:
            assert item.link is not None
            fresh = [row for row in rows if not _is_same(known.get((item.link.pk, row.id)), row, item)]
            if fresh:
                asked[item.record.id] = (item, fresh)
        if asked:
            self._tell(list(asked.values()))

    def _contested(self, item: Item, is_chosen: Callable[[CompiledRow, Item], Any]) -> list[CompiledRow]:
        here, there = values_on(item, Side.SERVICENOW), values_on(item, Side.SALESFORCE)
        found = contested(self.context.rows, here, there, item.known_base(), canonical)
        if not found:
            return []
        ids, states = {row.id for row in found}, item.known_fields()
        return [
            row
            for row in self.context.rows
            if row.id in ids and "parked" not in states.get(row.id, {}) and not is_chosen(row, item)
        ]

    def _tell(self, asked: Sequence[tuple[Item, list[CompiledRow]]]) -> None:
        rows = [row.id for _, rows in asked for row in rows]
        since = self.store.now() - LOOK_BACK
        for side in Side:
            ids = [item.id_on(side) for item, _ in asked]
            answer = self.ask(side, ids, rows, self.there(side, since)) or {}
            for item, fields in asked:
                changes = answer.get(item.id_on(side), ())
                for row in fields if changes else ():
                    if (edit := _edit_of(row, item, side, changes)) is not None:
                        item.edits.setdefault(row.id, {})[side] = edit


def fields_of(row: PlanRow, side: Side) -> tuple[str, ...]:
    return row.columns if side is Side.SERVICENOW else (row.target,)


def record_on(item: Item, side: Side) -> Record | None:
    return item.servicenow if side is Side.SERVICENOW else item.salesforce


def updates_on(item: Item, side: Side) -> list[Intent]:
    """Open updates of the item's record on `side`."""
    return [intent for intent in item.found if intent.side == side and intent.operation != Operation.CREATE]


def is_ruled_out_by(changes: Sequence[Change], intent: Intent, record: Record) -> bool:
    """Whether the record as read surely does not hold what the intent's request would have done."""
    over, now = intent.planned_count, record.version.count
    if over is None or now is None:
        return False
    return is_ruled_out(changes, _sent_by(intent), canonical, over, now)


def what_went_under(write: FieldWrite, side: Side, lost: Mapping[str, Lost]) -> Overwrote | None:
    """What of a write's columns somebody else had filled meanwhile, as the conflict that records it."""
    names = write.field.split(COLUMNS)
    gone = [lost[name] for name in names if name in lost]
    if not gone:
        return None
    newest = max(gone, key=lambda each: each.at.timestamp() if each.at else 0.0)
    under: Any = gone[0].value
    if isinstance(write.sent, list):
        before = write.under if isinstance(write.under, list) else [None] * len(names)
        under = [lost[name].value if name in lost else old for name, old in zip(names, before, strict=True)]
    who = {"by": newest.by, "at": newest.at.isoformat() if newest.at else ""}
    seen = {f"{side}_{key}": value for key, value in who.items()}
    seen |= {f"{side}_field_{key}": value for key, value in who.items()}
    return Overwrote(side, write._replace(under=under, rule=OVERWRITTEN, contested=True), seen)


def _sent_by(intent: Intent) -> list[Sent]:
    found: list[Sent] = []
    for name, sent, _, under in intent.payload["fields"].values():
        if not isinstance(sent, list):
            found.append(Sent(name, sent, under))
            continue
        names = name.split(COLUMNS)
        before = under if isinstance(under, list) else [None] * len(names)
        found += [Sent(*each) for each in zip(names, sent, before, strict=True) if each[1] != each[2]]
    return found


def _edit_of(row: PlanRow, item: Item, side: Side, changes: Sequence[Change]) -> Change | None:
    record = record_on(item, side)
    assert record is not None
    shown = {name: record.values.get(name) for name in fields_of(row, side)}
    return last_edit(changes, shown, record.version, canonical)


def _is_same(conflict: Conflict | None, row: PlanRow, item: Item) -> bool:
    """Whether the conflict is on record already, over these very values: who made them was asked then."""
    if conflict is None:
        return False
    seen, x = conflict.values, row.read(values_on(item, Side.SERVICENOW))
    y = values_on(item, Side.SALESFORCE).get(row.target)
    return bool(
        canonical(seen["servicenow"]) == canonical(x) and canonical(seen["salesforce"]) == canonical(y)
    )
