"""How the outcomes of a page become rows, in bulk."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from django.db.models.base import ModelState
from django.utils import timezone

from mappings.apply import canonical
from sync.connectors.advice import rule_and_advice
from sync.core.planner import Clash, FieldWrite
from sync.core.records import Operation, Outcome, Side
from sync.core.retry import backoff
from sync.encryption import context as bound
from sync.encryption import keyring, seal_json
from sync.engine import bulk
from sync.engine.context import Context
from sync.engine.items import Failure, Item, NewIntent
from sync.models import Conflict, DeadLetter, Event, Flow, Intent, JournalEntry, RecordLink, Run, Waiting
from sync.models.attention import ConflictState, DeadLetterState
from sync.models.base import time_ordered_uuid

INTENT_COLUMNS = (
    "id", "flow_id", "run_id", "link_id", "side", "operation", "source_id", "source_number", "target_id",
    "conditional", "planned_count", "planned_stamp", "at", "lease_token", "payload_sealed",
)  # fmt: skip
_INTENT_TABLE = Intent._meta.db_table


def insert_intents(items: Sequence[Item], context: Context) -> None:
    """Insert the intents of those items that have a new one."""
    fresh = [(item, item.intent) for item in items if isinstance(item.intent, NewIntent)]
    bulk.insert(Intent, INTENT_COLUMNS, [_intent_row(item, intent, context) for item, intent in fresh])


def _intent_row(item: Item, intent: NewIntent, context: Context) -> tuple[Any, ...]:
    link, version = item.link, item.target.version if item.target else None
    source = item.source
    fields = {write.row: (write.field, write.sent, write.source, write.under) for write in item.writes}
    payload = seal_json(
        {"fields": fields, "extra": item.extra}, bound(_INTENT_TABLE, "payload_sealed", intent.pk)
    )
    return (
        intent.pk, context.flow.pk, intent.run.pk, link.pk if link else None, item.to,
        Operation.UPDATE if link else Operation.CREATE, item.source_id, source.number if source else "",
        link.end(item.to) if link else item.extra.get("sys_id", ""), item.conditional,
        version.count if version else None, version.edited_at if version else None,
        intent.at, intent.lease_token, payload,
    )  # fmt: skip


_LINK_COLUMNS = tuple(column.attname for column in RecordLink._meta.concrete_fields)


def insert_links(links: Sequence[RecordLink], now: datetime) -> None:
    for link in links:
        link.created_at = now
    bulk.insert(
        RecordLink, _LINK_COLUMNS, [[getattr(link, name) for name in _LINK_COLUMNS] for link in links]
    )
    for link in links:
        link._state.adding = False


def update_bases(items: Sequence[Item], now: datetime) -> None:
    """Move the bases of links that exist."""
    links, with_fields = [], []
    for item in items:
        assert item.link is not None
        item.link.base = {row: list(pair) for row, pair in item.known_base().items()}
        item.link.synced_at = now
        if item.fields_moved:
            item.link.fields = item.known_fields() or None
            with_fields.append(item.link)
        else:
            links.append(item.link)
    bulk.update(links, ("base_sealed", "synced_at"))
    bulk.update(with_fields, ("base_sealed", "fields_sealed", "synced_at"))


VERSIONS = (
    "servicenow_changed_at", "servicenow_mod_count", "servicenow_read_at", "salesforce_changed_at", "salesforce_edited_at",
    "salesforce_read_at", "claim_token", "claim_until",
)  # fmt: skip
# Seldom new, and to write them is to write three indexes.
INDEXED = ("servicenow_number", "salesforce_number", "state")
_indexed = attrgetter(*INDEXED)


def release_links(items: Sequence[Item]) -> None:
    """Note the versions seen and give the claims back; an open intent keeps the record from being written meanwhile."""
    renamed: list[RecordLink] = []
    others: list[RecordLink] = []
    now = timezone.now()
    for item in items:
        link = item.link
        assert link is not None
        before = _indexed(link)
        see(link, item, now)
        if item.tombstone:
            link.state = item.tombstone
        link.claim_token, link.claim_until = "", None
        # A revived link was given its state before this page was sent.
        (others if _indexed(link) == before and not item.revived else renamed).append(link)
    bulk.update(renamed, (*VERSIONS, *INDEXED))
    bulk.update(others, VERSIONS)
    if revived := [item.link.pk for item in items if item.revived and item.link is not None]:
        JournalEntry.objects.live_again(revived)


def see(link: RecordLink, item: Item, now: datetime) -> None:
    """Remember which versions of both sides were seen."""
    here, there = item.servicenow, item.salesforce
    if here is not None:
        link.servicenow_number = here.number or link.servicenow_number
        link.servicenow_changed_at = here.version.changed_at
        link.servicenow_mod_count = here.version.count
        link.servicenow_read_at = now
    if there is not None:
        link.salesforce_number = there.number or link.salesforce_number
        link.salesforce_changed_at = there.version.changed_at
        link.salesforce_edited_at = there.version.edited_at
        link.salesforce_read_at = now


_LINK_EMPTY: dict[str, Any] = {
    column.attname: None if column.primary_key else column.get_default()
    for column in RecordLink._meta.concrete_fields
}


def _link_of(values: dict[str, Any]) -> RecordLink:
    """A link that is not stored yet, from a value for each column, as unpickling makes one.

    The model's own way looks at each column for defaults and relations: a tenth of a first load's time.
    """
    link = RecordLink.__new__(RecordLink)
    link._state = ModelState()
    vars(link).update(values)
    return link


def new_link(
    item: Item,
    context: Context,
    made_at: datetime,
    *,
    other_id: str,
    born_in: Side,
    read_at: datetime | None = None,
) -> RecordLink:
    """`made_at`: named by its key, by which files and entries of new links are found. `read_at`: then, unless given."""
    flow = context.flow
    here, there = (item.record.id, other_id) if item.side is Side.SERVICENOW else (other_id, item.record.id)
    values: dict[str, Any] = _LINK_EMPTY | {
        "id": time_ordered_uuid(made_at),
        "flow_id": flow.pk,
        "born_in": born_in,
        "servicenow_connection_id": flow.servicenow_connection_id,
        "servicenow_table": context.table,
        "servicenow_id": here,
        "salesforce_connection_id": flow.salesforce_connection_id,
        "salesforce_object": context.object,
        "salesforce_id": there,
    }
    link = _link_of(values)
    see(link, item, read_at or made_at)
    return link


EVENT_COLUMNS = (
    "id", "flow_id", "run_id", "revision_id", "link_id", "at", "side", "operation", "outcome", "code",
    "servicenow_id", "servicenow_number", "salesforce_id", "salesforce_number", "field_names", "detail_sealed",
)  # fmt: skip
_EVENT_TABLE = Event._meta.db_table


def insert_events(items: Sequence[Item], context: Context, run: Run, at: datetime) -> None:
    bulk.insert(Event, EVENT_COLUMNS, [_event_row(item, context, run, at) for item in items])


def _event_row(item: Item, context: Context, run: Run, at: datetime) -> tuple[Any, ...]:
    link, pk, here, there = item.link, time_ordered_uuid(), item.servicenow, item.salesforce
    return (
        pk, context.flow.pk, run.pk, context.revision.pk, link.pk if link is not None and not item.new_link else None,
        at, item.to, item.operation, item.outcome, item.code[:80],
        item.id_on(Side.SERVICENOW), here.number if here else link.servicenow_number if link is not None else "",
        item.id_on(Side.SALESFORCE), there.number if there else link.salesforce_number if link is not None else "",
        ", ".join([write.field for write in item.writes])[:1000],
        seal_json(detail_of(item), bound(_EVENT_TABLE, "detail_sealed", pk)),
    )  # fmt: skip


def tell_settled(items: Sequence[Item], context: Context, run: Run, at: datetime) -> None:
    """What became of earlier requests, and what went under them."""
    record_overwritten(items, run, at)
    told = []
    for item in items:
        doubt = replace(
            item, writes=[], failure=None, later=None, notes=[], outcome=Outcome.IN_DOUBT, code="settled"
        )
        told += [doubt] if item.learnt else []
        item.overwrote, item.learnt = [], []
    insert_events(told, context, run, at)


def detail_of(item: Item) -> dict[str, Any]:
    """What the record's page tells: each field with what it came from, what stood there and what was sent."""
    detail: dict[str, Any] = {
        "fields": [
            {
                "row": write.row, "field": write.field, "source": write.source, "under": write.under, "sent": write.sent,
                **({"note": write.note} if write.note else {}), **({"rule": write.rule} if write.rule else {}),
            }
            for write in item.writes
        ]
    }  # fmt: skip
    if notes := [*item.learnt, *item.notes]:
        detail["notes"] = notes
    if item.failure is not None:
        detail["failure"] = {
            "message": item.failure.message,
            "field": item.failure.field,
            "advice": item.failure.advice,
        }
    if item.later is not None:
        detail["waiting"] = item.later.message
    return detail


def upsert_waiting(flow: Flow, items: Sequence[Item], now: datetime, rng: random.Random) -> None:
    """One row a record: a newer reason updates it, and `since` stays, so that patience is counted from the first."""
    if not items:
        return
    known = {
        (row.side, row.record_id): row
        for row in Waiting.objects.filter(flow=flow, record_id__in=[item.key[1] for item in items])
    }
    fresh: list[Waiting] = []
    for item in items:
        assert item.later is not None
        side, id = item.key
        row = known.get((side, id)) or Waiting(flow=flow, side=side, record_id=id, since=now)
        row.record_number = item.record.number
        if item.outcome in (
            Outcome.CREATED,
            Outcome.UPDATED,
        ):  # it came further: what it waits for now is another matter
            row.since, row.attempts = now, 0
        row.reason, row.message = item.later.reason, item.later.message[:500]
        row.due_at = now + max(
            item.later.delay, backoff(row.attempts, rng) if row.attempts else item.later.delay
        )
        row.attempts += 1
        if row.pk is None:
            fresh.append(row)
        else:
            row.save()
    Waiting.objects.bulk_create(fresh, ignore_conflicts=True)  # another lane may have put it down meanwhile


def letter_key(item: Item) -> tuple[Side, str]:
    """Where the write was to go, and the record it was to come from."""
    to = (item.failure.to if item.failure else None) or item.to
    return to, item.id_on(to.other) or item.record.id


def upsert_letters(context: Context, run: Run, items: Sequence[Item], now: datetime) -> None:
    if not items:
        return
    open_ones = {
        (letter.side, letter.record_id): letter
        for letter in DeadLetter.objects.filter(
            flow=context.flow,
            state=DeadLetterState.OPEN,
            record_id__in=[letter_key(item)[1] for item in items],
        )
    }
    fresh = []
    for item in items:
        to, id = letter_key(item)
        letter = open_ones.get((to, id))
        if letter is None:
            letter = DeadLetter(
                flow=context.flow, side=to, record_id=id, first_at=now, last_at=now, attempts=0
            )
            fresh.append(letter)
        _fill_letter(letter, item, context, run, now)
        if letter not in fresh:
            letter.save()
    DeadLetter.objects.bulk_create(fresh, ignore_conflicts=True)  # likewise


def _fill_letter(letter: DeadLetter, item: Item, context: Context, run: Run, now: datetime) -> None:
    failure = item.failure
    assert failure is not None
    known = rule_and_advice(failure.code)
    letter.run, letter.revision = run, context.revision
    letter.link = item.link if item.link is not None and not item.new_link else None
    from_here = letter.side == Side.SALESFORCE
    source, target = (item.servicenow, item.salesforce) if from_here else (item.salesforce, item.servicenow)
    letter.record_number = source.number if source else item.record.number
    letter.operation = item.operation if item.operation is not Operation.SKIP else Operation.CREATE
    letter.code, letter.field = failure.code[:80], failure.field[:200]
    letter.rule = (failure.rule or known.rule)[:500]
    letter.cause = _cause(failure)
    letter.advice = (failure.advice or known.advice)[:500]
    letter.attempts += 1
    letter.last_at = now
    letter.content = {
        "message": failure.message,
        "value": failure.value,
        "source": dict(source.values) if source else {},
        "target": dict(target.values) if target else {},
        "planned": {write.field: write.sent for write in item.writes},
    }


# Codes of values that many records have in common; of others each record has its own, and all would be causes of their own.
_SHARED = ("UNMAPPED_VALUE", "UNMAPPED_USER", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")


def _cause(failure: Failure) -> str:
    """What tells the value from others without showing it; a new encryption key makes another of it."""
    if failure.code not in _SHARED or not failure.value:
        return ""
    return keyring().mac("cause of a dead letter", failure.value.encode())[:32]


def letter_of_waiting(context: Context, run: Run, row: Waiting, now: datetime) -> None:
    """Patience has ended: a person has to see why this record does not come to rest."""
    target = Side(row.side).other
    DeadLetter.objects.filter(
        flow=context.flow, side=target, state=DeadLetterState.OPEN, record_id=row.record_id
    ).update(state=DeadLetterState.CLOSED, closed_at=now)
    letter = DeadLetter(
        flow=context.flow, run=run, revision=context.revision, side=target, record_id=row.record_id,
        record_number=row.record_number, operation=Operation.UPDATE, code="PATIENCE_ENDED", first_at=row.since, last_at=now,
        attempts=row.attempts, rule="A record waits no longer than the flow's patience.",
        advice="See whether the record still exists and the integration user may read it, then retry or ignore.",
    )  # fmt: skip
    letter.content = {"message": f"It waited since {row.since:%Y-%m-%d %H:%M} UTC: {row.message}"}
    letter.save()


def record_conflicts(context: Context, run: Run, items: Sequence[Item], now: datetime) -> None:
    """Open ones for a person, decided ones for the record; those whose cause is gone close themselves."""
    record_overwritten(items, run, now)
    # What was made on this very page met no counterpart that it could differ from.
    planned = [
        item
        for item in items
        if item.plan is not None and item.other is not None and item.link is not None and not item.new_link
    ]
    if not planned:
        return
    by_link = {item.link.pk: item for item in planned if item.link is not None}
    keys = list(by_link)
    open_ones = {
        (conflict.link_id, str(conflict.row)): conflict
        for start in range(0, len(keys), 900)
        for conflict in Conflict.objects.filter(
            link_id__in=keys[start : start + 900], state=ConflictState.OPEN
        )
    }
    mapped = {row.id for row in context.rows}
    forgotten = [conflict.pk for (_, row), conflict in open_ones.items() if row not in mapped]
    if forgotten:
        Conflict.objects.filter(pk__in=forgotten).update(state=ConflictState.GONE, resolved_at=now, run=run)
    fresh: list[Conflict] = []
    for item in planned:
        assert item.link is not None
        assert item.plan is not None
        written = {write.row for write in item.writes} if item.written else set()
        planned_rows = {write.row for to in Side for write in item.plan.writes(to)}
        unwritten = planned_rows - written
        for row in item.plan.settled:
            if row not in unwritten and (gone := open_ones.get((item.link.pk, row))) is not None:
                gone.state = ConflictState.RESOLVED if gone.choice else ConflictState.GONE
                gone.run, gone.resolved_at = run, now
                gone.save(update_fields=["state", "resolved_at", "run"])
        opened = list(_open(item, open_ones, run, now))
        # A conflict that is on record already is the same one, not one more a run.
        item.known = item.outcome is Outcome.CONFLICT and not opened and not item.writes
        fresh += opened
        fresh += _decided(item, run, now)
    Conflict.objects.bulk_create(fresh)


def record_overwritten(items: Sequence[Item], run: Run, now: datetime) -> None:
    """What a write of ours went over unseen."""
    # Who had made the edit under an earlier attempt's write was read with that attempt; only history still knows it.
    gone = [
        _overwritten(item, side, write, run, now, seen)
        for item in items
        for side, write, seen in item.overwrote
        if not item.new_link
    ]
    if gone:
        Conflict.objects.bulk_create(gone)


def forget_conflicts(items: Sequence[Item], now: datetime) -> None:
    """Of a pair that has ended nothing is left to be decided."""
    links = [item.link.pk for item in items if item.link is not None]
    if links:
        Conflict.objects.filter(link__in=links, state=ConflictState.OPEN).update(
            state=ConflictState.GONE, resolved_at=now
        )


def _open(
    item: Item, open_ones: dict[tuple[Any, str], Conflict], run: Run, now: datetime
) -> Iterable[Conflict]:
    assert item.plan is not None
    assert item.link is not None
    for clash in item.plan.clashes:
        conflict = open_ones.get((item.link.pk, clash.row))
        fresh = conflict is None
        conflict = conflict or Conflict(link=item.link, row=clash.row, field=clash.field, at=now)
        conflict.run, conflict.rule = run, clash.rule
        if fresh or _differs(conflict, clash):
            conflict.choice = ""  # what was chosen was chosen over other values
        conflict.values = {
            "base": clash.base,
            "servicenow": clash.servicenow,
            "salesforce": clash.salesforce,
            **_known_edits({} if fresh else conflict.values, clash),
            **_seen(item, clash.row),
        }
        if fresh:
            yield conflict
        else:
            conflict.save(update_fields=["run", "rule", "choice", "values_sealed"])


def _differs(conflict: Conflict, clash: Clash) -> bool:
    """Whether either side shows another value than the open conflict; if not, it may have been decided just now."""
    return any(
        canonical(conflict.values[side]) != canonical(now)
        for side, now in (("servicenow", clash.servicenow), ("salesforce", clash.salesforce))
    )


def _decided(item: Item, run: Run, now: datetime) -> Iterable[Conflict]:
    """A value that somebody had put there went under by rule: it stays on record with who and when."""
    if item.written:
        for write in item.writes:
            if write.contested:
                yield _overwritten(item, item.to, write, run, now, _seen(item, write.row))


def _overwritten(
    item: Item, to: Side, write: FieldWrite, run: Run, now: datetime, seen: Mapping[str, Any]
) -> Conflict:
    assert item.link is not None
    conflict = Conflict(
        link=item.link, row=write.row, field=write.field, at=now, run=run, rule=write.rule,
        state=ConflictState.BY_RULE, resolved_at=now,
    )  # fmt: skip
    here, there = (write.source, write.under) if to is Side.SALESFORCE else (write.under, write.source)
    conflict.values = {
        "base": write.base, "servicenow": here, "salesforce": there, "sent": write.sent, "written_to": to, **seen,
    }  # fmt: skip
    return conflict


def _known_edits(before: Mapping[str, Any], clash: Clash) -> dict[str, Any]:
    """Who made a value that the open conflict was about already was asked then."""
    same = [side for side in Side if before and before[side] == getattr(clash, side)]
    names = [f"{side}_field_{what}" for side in same for what in ("by", "at")]
    return {name: before[name] for name in names if name in before}


def _seen(item: Item, row: str) -> dict[str, Any]:
    """Who had changed the records and when; of the field itself, where history tells it."""
    here, there = item.servicenow, item.salesforce
    edits: dict[str, Any] = {}
    for side, edit in item.edits.get(row, {}).items():
        edits |= {f"{side}_field_by": edit.by, f"{side}_field_at": edit.at.isoformat()}
    return {
        **edits,
        "servicenow_by": here.version.by if here else "",
        "servicenow_at": here.version.changed_at.isoformat() if here else "",
        "salesforce_by": there.version.by if there else "",
        "salesforce_at": there.version.edited_at.isoformat() if there else "",
        "reckoning": item.reckonings.get(row, item.reckoning),
    }


def jittered(seconds: float, rng: random.Random) -> timedelta:
    return timedelta(seconds=rng.uniform(seconds / 2, seconds))
