"""How the outcomes of a page become rows, in bulk."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.utils import timezone

from sync.connectors.advice import rule_and_advice
from sync.core.records import Operation, Outcome, Side
from sync.engine.context import Context
from sync.engine.items import Item
from sync.models import Conflict, DeadLetter, Event, Flow, Intent, RecordLink, Run, Waiting
from sync.models.attention import ConflictState, DeadLetterState

_rng = random.SystemRandom()


def insert_intents(intents: Sequence[Intent]) -> None:
    Intent.objects.bulk_create(intents)


def insert_links(links: Sequence[RecordLink]) -> None:
    RecordLink.objects.bulk_create(links)


def insert_events(events: Sequence[Event]) -> None:
    Event.objects.bulk_create(events)


def update_bases(items: Sequence[Item], now: datetime) -> None:
    """Move the bases of links that exist."""
    links = []
    for item in items:
        assert item.link is not None
        item.link.base = {row: list(pair) for row, pair in item.known_base().items()}
        item.link.synced_at = now
        links.append(item.link)
    update_many(links, ("base_sealed", "synced_at"))


VERSIONS = (
    "servicenow_number", "servicenow_changed_at", "servicenow_mod_count", "servicenow_read_at", "salesforce_number",
    "salesforce_changed_at", "salesforce_edited_at", "salesforce_read_at", "state", "claim_token", "claim_until",
)  # fmt: skip


def release_links(items: Sequence[Item]) -> None:
    """Note the versions seen and give the claims back; an open intent keeps the record from being written meanwhile."""
    links = []
    for item in items:
        link = item.link
        assert link is not None
        see(link, item)
        if item.tombstone:
            link.state = item.tombstone
        link.claim_token, link.claim_until = "", None
        links.append(link)
    update_many(links, VERSIONS)


def see(link: RecordLink, item: Item) -> None:
    """Remember which versions of both sides were seen."""
    now = timezone.now()
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


def update_many(rows: Sequence[models.Model], columns: Sequence[str]) -> None:
    """One prepared UPDATE by key for all rows: bulk_update's CASE over thousands of rows takes seconds."""
    if not rows:
        return
    meta = rows[0]._meta
    fields = [meta.get_field(name) for name in columns]
    key = meta.pk
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    statement = f"UPDATE {quote(meta.db_table)} SET {assignments} WHERE {quote(key.column)} = %s"  # noqa: S608
    values = [
        [
            *(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields),
            key.get_db_prep_save(row.pk, connection),
        ]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)


def new_link(item: Item, context: Context, *, target_id: str, born_in: Side) -> RecordLink:
    flow = context.flow
    link = RecordLink(
        flow=flow,
        born_in=born_in,
        servicenow_connection_id=flow.servicenow_connection_id,
        servicenow_table=context.table,
        servicenow_id=item.record.id,
        salesforce_connection_id=flow.salesforce_connection_id,
        salesforce_object=context.object,
        salesforce_id=target_id,
    )
    see(link, item)
    return link


def event_of(item: Item, context: Context, run: Run, target: Side, at: datetime) -> Event:
    link, counterpart = item.link, item.target
    event = Event(
        flow=context.flow,
        run=run,
        revision=context.revision,
        link=link if link is not None and not item.new_link else None,
        at=at,
        side=target,
        operation=item.operation,
        outcome=item.outcome,
        code=item.code[:80],
        servicenow_id=item.record.id,
        servicenow_number=item.record.number,
        salesforce_id=link.salesforce_id if link is not None else "",
        salesforce_number=counterpart.number if counterpart else (link.salesforce_number if link is not None else ""),
        field_names=", ".join(write.field for write in item.writes)[:1000],
    )
    event.detail = detail_of(item)
    return event


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
        detail["failure"] = {"message": item.failure.message, "field": item.failure.field, "advice": item.failure.advice}
    if item.later is not None:
        detail["waiting"] = item.later.message
    return detail


def upsert_waiting(flow: Flow, source: Side, items: Sequence[Item], now: datetime) -> None:
    """One row a record: a newer reason updates it, and `since` stays, so that patience is counted from the first."""
    if not items:
        return
    known = {
        row.record_id: row
        for row in Waiting.objects.filter(flow=flow, side=source, record_id__in=[item.record.id for item in items])
    }
    fresh = []
    for item in items:
        assert item.later is not None
        row = known.get(item.record.id) or Waiting(flow=flow, side=source, record_id=item.record.id, since=now)
        row.record_number = item.record.number
        row.reason, row.message = item.later.reason, item.later.message[:500]
        row.attempts += 1
        row.due_at = now + item.later.delay
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
            flow=context.flow, side=target, state=DeadLetterState.OPEN, record_id__in=[item.record.id for item in items]
        )
    }
    fresh = []
    for item in items:
        letter = open_ones.get(item.record.id)
        if letter is None:
            letter = DeadLetter(
                flow=context.flow, side=target, record_id=item.record.id, first_at=now, last_at=now, attempts=0
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
    planned = [item for item in items if item.plan is not None and item.link is not None and not item.new_link]
    if not planned:
        return
    by_link = {item.link.pk: item for item in planned if item.link is not None}
    open_ones = {
        (conflict.link_id, str(conflict.row)): conflict
        for conflict in Conflict.objects.filter(link_id__in=list(by_link)[:900], state=ConflictState.OPEN)
    }
    fresh: list[Conflict] = []
    for item in planned:
        assert item.link is not None
        assert item.plan is not None
        for row in item.plan.settled:
            if (gone := open_ones.get((item.link.pk, row))) is not None:
                gone.state, gone.resolved_at = ConflictState.GONE, now
                gone.save(update_fields=["state", "resolved_at"])
        fresh += _open(item, open_ones, run, now)
        fresh += _decided(item, run, now)
    Conflict.objects.bulk_create(fresh)


def _open(item: Item, open_ones: dict[tuple[Any, str], Conflict], run: Run, now: datetime) -> Iterable[Conflict]:
    assert item.plan is not None
    assert item.link is not None
    for clash in item.plan.clashes:
        conflict = open_ones.get((item.link.pk, clash.row))
        fresh = conflict is None
        conflict = conflict or Conflict(link=item.link, row=clash.row, field=clash.field, at=now)
        conflict.run, conflict.rule = run, clash.rule
        conflict.values = {"base": clash.base, "servicenow": clash.servicenow, "salesforce": clash.salesforce, **_seen(item)}
        if fresh:
            yield conflict
        else:
            conflict.save(update_fields=["run", "rule", "values_sealed"])


def _decided(item: Item, run: Run, now: datetime) -> Iterable[Conflict]:
    """A value that somebody had put there went under by rule: it stays on record with who and when."""
    if item.outcome not in (Outcome.UPDATED, Outcome.CONFLICT, Outcome.ADOPTED):
        return
    assert item.link is not None
    for write in item.writes:
        if not write.contested:
            continue
        conflict = Conflict(
            link=item.link, row=write.row, field=write.field, at=now, run=run, rule=write.rule,
            state=ConflictState.BY_RULE, resolved_at=now,
        )  # fmt: skip
        conflict.values = {
            "base": write.base, "servicenow": write.source, "salesforce": write.under,
            "sent": write.sent, **_seen(item),
        }  # fmt: skip
        yield conflict


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
