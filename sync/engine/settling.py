"""Whether requests that earlier attempts left open were executed: told by history where it can be read, else by states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mappings.apply import canonical
from sync.core.history import Trace
from sync.core.planner import COLUMNS, FieldWrite
from sync.core.records import Change, Operation, Outcome, Record, Side, Version
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN, Grounds, Look, base_of, value_of
from sync.engine.history import (
    Histories,
    is_ruled_out_by,
    record_on,
    what_went_under,
)
from sync.engine.items import Item, Later, Overwrote
from sync.models import Intent
from sync.models.attention import WaitingReason


class Settling(Grounds):
    """Learns from the records what became of earlier requests."""

    def _settle(self, item: Item, looks: Mapping[Side, Look], doubts: Mapping[Side, Histories]) -> bool:
        """Learn from the records whether earlier requests were executed; False while one may still change the pair."""
        held: list[datetime] = []
        for intent in item.found:
            side = Side(intent.side)
            end = intent.at + SEND_WITHIN + EXECUTES_WITHIN
            changes = doubts.get(side, {}).get(item.id_on(side), ())
            if intent.operation == Operation.CREATE or self._is_settled(
                item, intent, side, looks[side].at > end, changes
            ):
                intent.settled_at = looks[side].at
            elif not intent.conditional:  # a conditional one meets what is written meanwhile, and is refused
                held.append(end)
        if not held:
            return True
        delay = max(timedelta(seconds=1), max(held) - self.store.now())
        item.operation = Operation.UPDATE
        item.to = Side(next(intent.side for intent in item.found if intent.settled_at is None))
        item.wait(
            Later(WaitingReason.IN_DOUBT, "An earlier write may still take effect.", delay), Outcome.IN_DOUBT
        )
        return False

    def _is_settled(
        self, item: Item, intent: Intent, side: Side, expired: bool, changes: Sequence[Change]
    ) -> bool:
        """`changes`: the record's history, older than the record as read; none where it cannot be read."""
        record = record_on(item, side)
        assert record is not None
        found = self._asking.trace_of(intent, side, changes) if changes else None
        if found is not None:
            if not self._is_executed(item, intent, side, found):
                return False
            _took_effect(item, intent)
            return True
        if is_ruled_out_by(changes, intent, record):
            item.learnt.append("An earlier write was not executed; the record was changed since.")
            return expired or intent.conditional
        fields: Mapping[str, Sequence[Any]] = intent.payload["fields"]
        landed = [
            row
            for row, (name, sent, *_) in fields.items()
            if canonical(value_of(record, name)) == canonical(sent)
        ]
        if _shows_execution(landed, fields):
            # A request is executed whole: what shows a third value now was written, too, and edited since.
            landed += [row for row in fields if row not in landed and _is_third(record, fields[row])]
            _took_effect(item, intent)
        for row in landed:
            _landed(item, row, fields[row], side)
        if len(landed) == len(fields):
            if fields:
                _took_effect(item, intent)
                item.learnt.append("An earlier write whose answer was lost did take effect.")
            return True
        moved = _moved(intent, record.version, side)
        over = expired or (moved and intent.conditional)
        if moved:
            unknown = {row: fields[row] for row in fields if row not in landed}
            item.learnt.append("An earlier write has an unknown outcome; the record was changed since.")
            self._learn_who_is_newer(item, side, unknown)
            if over:
                item.overwrote += fought_for(item, unknown, side)
        return over

    def _learn_who_is_newer(self, item: Item, side: Side, fields: Mapping[str, Sequence[Any]]) -> None:
        """A field that shows neither what was sent nor what stood there was edited after that look; if its source is as
        it was then, nobody has edited that later. So it is known without stamps, executed or not."""
        here, there = record_on(item, side), record_on(item, side.other)
        assert here is not None
        if there is None:
            return  # deleted: nobody's edit there can be newer
        for id, values in fields.items():
            row = self.context.mapping.row(id)
            if row is None or not _is_third(here, values):
                continue
            source = there.values.get(row.target) if side is Side.SERVICENOW else row.read(there.values)
            if canonical(source) == canonical(values[2]):
                item.newer[id] = side

    @staticmethod
    def _is_executed(item: Item, intent: Intent, side: Side, found: Trace) -> bool:
        """The history holds the request: what it sent is the base, and what it went over unseen goes on record."""
        record = record_on(item, side)
        assert record is not None
        version = record.version
        shown = version.edited_at >= found.at if found.count is None else (version.count or 0) >= found.count
        if not shown:
            return False  # the record is shown as it was before: it would look as if somebody had put it back
        for row, values in intent.payload["fields"].items():
            name, sent, source, under = values
            told = not found.fields.isdisjoint(name.split(COLUMNS))
            if not told and canonical(value_of(record, name)) == canonical(under):
                continue  # kept as it was without a word, as far as anybody can tell: it is written again
            base = item.known_base().get(row)
            _landed(item, row, values, side)
            write = FieldWrite(row, name, sent, source, under, base=base)
            if (gone := what_went_under(write, side, found.lost)) is not None:
                item.overwrote.append(gone)
        item.learnt.append("An earlier write whose answer was lost did take effect.")
        return True


def _took_effect(item: Item, intent: Intent) -> None:
    if intent.operation == Operation.UPDATE:
        item.executed.add(intent.pk)


def _shows_execution(landed: Sequence[str], fields: Mapping[str, Sequence[Any]]) -> bool:
    """Whether one of the values found is new there: the request then was executed, as far as states can tell."""
    return any(canonical(fields[row][1]) != canonical(fields[row][3]) for row in landed)


def _is_third(record: Record, values: Sequence[Any]) -> bool:
    """Whether a field shows neither what was sent nor what stood there: a platform may have kept the old value silently."""
    name, sent, _, under = values
    return canonical(value_of(record, name)) not in (canonical(sent), canonical(under))


def _moved(intent: Intent, version: Version, side: Side) -> bool:
    """Whether the record is not in the version any more that the request was planned over."""
    if side is Side.SERVICENOW:
        return intent.planned_count != version.count
    return intent.planned_stamp != version.edited_at


def fought_for(item: Item, fields: Mapping[str, Sequence[Any]], side: Side) -> list[Overwrote]:
    """Values that a request was to go over although nobody had agreed to them. `fields`: those of its payload."""
    found = (
        _unagreed(item, row, values, side)
        for row, values in fields.items()
        if canonical(values[1]) != canonical(values[3])
    )
    return [each for each in found if each is not None]


def _unagreed(item: Item, row: str, values: Sequence[Any], side: Side) -> Overwrote | None:
    name, sent, source, under = values
    known = item.known_base().get(row)
    there = 1 if side is Side.SALESFORCE else 0
    if known is not None and canonical(under) == canonical(known[there]):
        return None
    lost = FieldWrite(row, name, sent, source, under, rule="answer lost", contested=True, base=known)
    return Overwrote(side, lost)


def _landed(item: Item, row: str, values: Sequence[Any], side: Side) -> None:
    """An earlier write took effect: what it sent is the base now, and what it went over must still be on record."""
    _, sent, source, _ = values
    now = base_of(side, source, sent)
    if item.known_base().get(row) == now:
        return
    if (gone := _unagreed(item, row, values, side)) is not None:
        item.overwrote.append(gone)
    item.set_base(row, now)
