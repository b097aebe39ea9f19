"""How the outcomes of a page become rows, in bulk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from sync.connectors.advice import rule_and_advice
from sync.core.planner import FieldWrite
from sync.core.records import Operation, Outcome, Side
from sync.core.retry import backoff
from sync.encryption import context as bound
from sync.encryption import seal_json
from sync.engine import bulk
from sync.engine.context import Context
from sync.engine.items import Item, NewIntent
from sync.models import Conflict, DeadLetter, Event, Flow, Intent, RecordLink, Run, Waiting
from sync.models.attention import ConflictState, DeadLetterState
from sync.models.base import time_ordered_uuid

_rng = random.SystemRandom()


INTENT_COLUMNS = (
    "id", "flow_id", "run_id", "link_id", "side", "operation", "source_id", "source_number", "target_id",
    "planned_stamp", "at", "lease_token", "payload_sealed",
)  # fmt: skip
_INTENT_TABLE = Intent._meta.db_table


def insert_intents(items: Sequence[Item], context: Context, target: Side) -> None:
    """Insert the intents of those items that have a new one."""
    fresh = [(item, item.intent) for item in items if isinstance(item.intent, NewIntent)]
    bulk.insert(
        Intent, INTENT_COLUMNS, [_intent_row(item, intent, context, target) for item, intent in fresh]
    )


def _intent_row(item: Item, intent: NewIntent, context: Context, target: Side) -> tuple[Any, ...]:
    link = item.link
    fields = {write.row: (write.field, write.sent, write.source, write.under) for write in item.writes}
    payload = seal_json(
        {"fields": fields, "extra": item.extra}, bound(_INTENT_TABLE, "payload_sealed", intent.pk)
    )
    return (
        intent.pk, context.flow.pk, intent.run.pk, link.pk if link else None, target,
        Operation.UPDATE if link else Operation.CREATE, item.record.id, item.record.number,
        link.salesforce_id if link else "", item.target.version.edited_at if item.target else None,
        intent.at, intent.lease_token, payload,
    )  # fmt: skip


_LINK_COLUMNS = tuple(column.attname for column in RecordLink._meta.concrete_fields)


def insert_links(links: Sequence[RecordLink]) -> None:
    now = timezone.now()
    for link in links:
        link.created_at = now
    bulk.insert(
        RecordLink, _LINK_COLUMNS, [[getattr(link, name) for name in _LINK_COLUMNS] for link in links]
    )
    for link in links:
        link._state.adding = False


def update_bases(items: Sequence[Item], now: datetime) -> None:
    """Move the bases of links that exist."""
    links = []
    for item in items:
        assert item.link is not None
        item.link.base = {row: list(pair) for row, pair in item.known_base().items()}
        item.link.synced_at = now
        links.append(item.link)
    bulk.update(links, ("base_sealed", "synced_at"))


VERSIONS = (
    "servicenow_number", "servicenow_changed_at", "servicenow_mod_count", "servicenow_read_at", "salesforce_number",
    "salesforce_changed_at", "salesforce_edited_at", "salesforce_read_at", "state", "claim_token", "claim_until",
)  # fmt: skip


def release_links(items: Sequence[Item]) -> None:
    """Note the versions seen and give the claims back; an open intent keeps the record from being written meanwhile."""
    links, now = [], timezone.now()
    for item in items:
        link = item.link
        assert link is not None
        see(link, item, now)
        if item.tombstone:
            link.state = item.tombstone
        link.claim_token, link.claim_until = "", None
        links.append(link)
    bulk.update(links, VERSIONS)


def see(link: RecordLink, item: Item, now: datetime) -> None:
    """Remember which versions of both sides were seen."""
    record, target = item.record, item.target
    link.servicenow_number = record.number
    link.servicenow_changed_at = record.version.changed_at
    link.servicenow_mod_count = record.version.count
    link.servicenow_read_at = now
    if target is not None:
        link.salesforce_number = target.number or link.salesforce_number
        link.salesforce_changed_at = target.version.changed_at
        link.salesforce_edited_at = target.version.edited_at
        link.salesforce_read_at = now


_LINK_EMPTY: dict[str, Any] = {
    column.attname: None if column.primary_key else column.get_default()
    for column in RecordLink._meta.concrete_fields
}

# Takes the columns in their order: given by name, Django looks for a default for each of the others.
_link_of: Callable[..., RecordLink] = RecordLink


def new_link(item: Item, context: Context, now: datetime, *, target_id: str, born_in: Side) -> RecordLink:
    flow = context.flow
    values: dict[str, Any] = _LINK_EMPTY | {
        "id": time_ordered_uuid(),
        "flow_id": flow.pk,
        "born_in": born_in,
        "servicenow_connection_id": flow.servicenow_connection_id,
        "servicenow_table": context.table,
        "servicenow_id": item.record.id,
        "salesforce_connection_id": flow.salesforce_connection_id,
        "salesforce_object": context.object,
        "salesforce_id": target_id,
    }
    link = _link_of(*values.values())
    see(link, item, now)
    return link


EVENT_COLUMNS = (
    "id", "flow_id", "run_id", "revision_id", "link_id", "at", "side", "operation", "outcome", "code",
    "servicenow_id", "servicenow_number", "salesforce_id", "salesforce_number", "field_names", "detail_sealed",
)  # fmt: skip
_EVENT_TABLE = Event._meta.db_table


def insert_events(items: Sequence[Item], context: Context, run: Run, target: Side, at: datetime) -> None:
    bulk.insert(Event, EVENT_COLUMNS, [_event_row(item, context, run, target, at) for item in items])


def _event_row(item: Item, context: Context, run: Run, target: Side, at: datetime) -> tuple[Any, ...]:
    link, counterpart, pk = item.link, item.target, time_ordered_uuid()
    number = counterpart.number if counterpart else link.salesforce_number if link is not None else ""
    return (
        pk, context.flow.pk, run.pk, context.revision.pk, link.pk if link is not None and not item.new_link else None,
        at, target, item.operation, item.outcome, item.code[:80], item.record.id, item.record.number,
        link.salesforce_id if link is not None else "", number,
        ", ".join([write.field for write in item.writes])[:1000],
        seal_json(detail_of(item), bound(_EVENT_TABLE, "detail_sealed", pk)),
    )  # fmt: skip


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
    if item.notes:
        detail["notes"] = item.notes
    if item.failure is not None:
        detail["failure"] = {
            "message": item.failure.message,
            "field": item.failure.field,
            "advice": item.failure.advice,
        }
    if item.later is not None:
        detail["waiting"] = item.later.message
    return detail


def upsert_waiting(flow: Flow, source: Side, items: Sequence[Item], now: datetime) -> None:
    """One row a record: a newer reason updates it, and `since` stays, so that patience is counted from the first."""
    if not items:
        return
    known = {
        row.record_id: row
        for row in Waiting.objects.filter(
            flow=flow, side=source, record_id__in=[item.record.id for item in items]
        )
    }
    fresh: list[Waiting] = []
    for item in items:
        assert item.later is not None
        row = known.get(item.record.id) or Waiting(
            flow=flow, side=source, record_id=item.record.id, since=now
        )
        row.record_number = item.record.number
        if item.outcome is Outcome.CREATED:  # it came further: what it waits for now is another matter
            row.since, row.attempts = now, 0
        row.reason, row.message = item.later.reason, item.later.message[:500]
        row.due_at = now + max(
            item.later.delay, backoff(row.attempts, _rng) if row.attempts else item.later.delay
        )
        row.attempts += 1
        if row.pk is None:
            fresh.append(row)
        else:
            row.save()
    Waiting.objects.bulk_create(fresh)


def upsert_letters(context: Context, run: Run, target: Side, items: Sequence[Item], now: datetime) -> None:
    if not items:
        return
    open_ones = {
        letter.record_id: letter
        for letter in DeadLetter.objects.filter(
            flow=context.flow,
            side=target,
            state=DeadLetterState.OPEN,
            record_id__in=[item.record.id for item in items],
        )
    }
    fresh = []
    for item in items:
        letter = open_ones.get(item.record.id)
        if letter is None:
            letter = DeadLetter(
                flow=context.flow,
                side=target,
                record_id=item.record.id,
                first_at=now,
                last_at=now,
                attempts=0,
            )
            fresh.append(letter)
        _fill_letter(letter, item, context, run, now)
        if letter not in fresh:
            letter.save()
    DeadLetter.objects.bulk_create(fresh)


def _fill_letter(letter: DeadLetter, item: Item, context: Context, run: Run, now: datetime) -> None:
    failure = item.failure
    assert failure is not None
    known = rule_and_advice(failure.code)
    letter.run, letter.revision = run, context.revision
    letter.link = item.link if item.link is not None and not item.new_link else None
    letter.record_number = item.record.number
    letter.operation = item.operation if item.operation is not Operation.SKIP else Operation.CREATE
    letter.code, letter.field = failure.code[:80], failure.field[:200]
    letter.rule = (failure.rule or known.rule)[:500]
    letter.advice = (failure.advice or known.advice)[:500]
    letter.attempts += 1
    letter.last_at = now
    letter.content = {
        "message": failure.message,
        "value": failure.value,
        "source": dict(item.record.values),
        "planned": {write.field: write.sent for write in item.writes},
    }


def letter_of_waiting(context: Context, run: Run, target: Side, row: Waiting, now: datetime) -> None:
    """Patience has ended: a person has to see why this record does not come to rest."""
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


def record_conflicts(run: Run, items: Sequence[Item], now: datetime) -> None:
    """Open ones for a person, decided ones for the record; those whose cause is gone close themselves."""
    # Who had made the edit under an earlier attempt's write was read with that attempt, and is not known any more.
    Conflict.objects.bulk_create(
        [
            _overwritten(item, write, run, now, {})
            for item in items
            for write in item.overwrote
            if not item.new_link
        ]
    )
    planned = [
        item for item in items if item.plan is not None and item.link is not None and not item.new_link
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
    fresh: list[Conflict] = []
    for item in planned:
        assert item.link is not None
        assert item.plan is not None
        for row in item.plan.settled:
            if (gone := open_ones.get((item.link.pk, row))) is not None:
                gone.state, gone.resolved_at = ConflictState.GONE, now
                gone.save(update_fields=["state", "resolved_at"])
        opened = list(_open(item, open_ones, run, now))
        # A conflict that is on record already is the same one, not one more a run.
        item.known = item.outcome is Outcome.CONFLICT and not opened and not item.writes
        fresh += opened
        fresh += _decided(item, run, now)
    Conflict.objects.bulk_create(fresh)


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
        conflict.values = {
            "base": clash.base,
            "servicenow": clash.servicenow,
            "salesforce": clash.salesforce,
            **_seen(item),
        }
        if fresh:
            yield conflict
        else:
            conflict.save(update_fields=["run", "rule", "values_sealed"])


def _decided(item: Item, run: Run, now: datetime) -> Iterable[Conflict]:
    """A value that somebody had put there went under by rule: it stays on record with who and when."""
    if item.written:
        for write in item.writes:
            if write.contested:
                yield _overwritten(item, write, run, now, _seen(item))


def _overwritten(item: Item, write: FieldWrite, run: Run, now: datetime, seen: Mapping[str, Any]) -> Conflict:
    assert item.link is not None
    conflict = Conflict(
        link=item.link, row=write.row, field=write.field, at=now, run=run, rule=write.rule,
        state=ConflictState.BY_RULE, resolved_at=now,
    )  # fmt: skip
    conflict.values = {
        "base": write.base, "servicenow": write.source, "salesforce": write.under, "sent": write.sent, **seen,
    }  # fmt: skip
    return conflict


def _seen(item: Item) -> dict[str, Any]:
    target = item.target
    return {
        "servicenow_by": item.record.version.by,
        "servicenow_at": item.record.version.changed_at.isoformat(),
        "salesforce_by": target.version.by if target else "",
        "salesforce_at": target.version.edited_at.isoformat() if target else "",
    }


def jittered(seconds: float) -> timedelta:
    return timedelta(seconds=_rng.uniform(seconds / 2, seconds))
