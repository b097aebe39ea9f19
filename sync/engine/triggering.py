"""What a page's records set off: actions are planned, and what was seen of records is kept, in the page's own transaction.

So a crash loses none and doubles none: a transition is told by what was seen before, and that moves with what it sets off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mappings.values import Unmapped
from sync.core import texts
from sync.core.actions import OWN_NAMES, Action, On
from sync.core.records import Operation, Outcome, Record, Side
from sync.core.triggers import Look, Triggered, look_at, seen, stamp
from sync.engine import bulk
from sync.engine.agenda import tally, tell_intended
from sync.engine.bulk import chunks
from sync.engine.context import Context
from sync.engine.history import record_on
from sync.engine.items import Batch, Item
from sync.engine.occasions import data_key, occasion_of
from sync.engine.store import Store
from sync.models import ActionRun, Checkpoint, RecordLink, Watch
from sync.models.base import Lane

EVERYTHING = "everything"  # value of a flow's start
STREAM = "actions"  # the checkpoint that says since when records are looked at, and for what


@dataclass(frozen=True, slots=True)
class Planned:
    """An action set off, before it is a row."""

    triggered: Triggered
    record: Record
    link: RecordLink | None = None


def plan(store: Store, batch: Batch) -> None:
    """Inside the page's transaction, after its links were written."""
    context = store.context
    planned = [each for item in batch.items for each in _by_writes(context, item)]
    planned += _by_looks(store, batch)
    _insert(store, planned)


# What we have written ourselves


def follow_executed(store: Store, items: Sequence[Item]) -> None:
    """Inside the transaction in which earlier updates are settled, that took effect though their answer was lost: no later look
    finds that out again."""
    context = store.context
    _insert(store, [
        each
        for item in items
        for intent in item.found
        if intent.settled_at is not None and intent.pk in item.executed
        for each in _following(context, item, On.UPDATED, Side(intent.side), "as")
    ])  # fmt: skip


def _by_writes(context: Context, item: Item) -> list[Planned]:
    return [each for on, to in _written(item) for each in _following(context, item, on, to, "over")]


def _following(context: Context, item: Item, on: On, to: Side, which: str) -> list[Planned]:
    """What follows a write on `to`. `which`: whether its record there is known as it was before the write, or after. Of one version
    of the source there may be several: when a conflict is decided, or what a person changed is put back."""
    record, there = record_on(item, to.other), record_on(item, to)
    if record is None:
        return []
    version = f" {which} {stamp(there)}" if there is not None else ""
    occasion = "created" if on is On.CREATED else f"updated {stamp(record)}{version}"
    return [
        Planned(Triggered(action, occasion), record, item.link)
        for action in context.actions.actions
        if action.trigger.on is on and action.trigger.side is to and meets(context, to.other, record)(action)
    ]


def _written(item: Item) -> list[tuple[On, Side]]:
    """What we have done, and on which side. A birth may be found out later than it was, from either record and with a write
    that follows it: where the pair was born tells which of the two we made."""
    found = []
    born = any(intent.operation == Operation.CREATE for intent in item.found) and item.link is not None
    if item.outcome is Outcome.CREATED or (born and item.written):
        found.append((On.CREATED, Side(item.link.born_in).other if item.link is not None else item.to))
    if item.outcome is Outcome.UPDATED:
        found.append((On.UPDATED, item.to))
    return found


# What was seen


def _by_looks(store: Store, batch: Batch) -> list[Planned]:
    actions = store.context.actions.seen_on(batch.side)
    if not actions or not batch.seen:
        return []
    known = _known(store, batch.side, batch.seen)
    links = {item.record.id: item.link for item in batch.items}
    # Before the first look at all records was taken, none of them is known to be new.
    followed = is_followed(store, batch.side)
    if not followed and reads_everything(store, batch.side) and not store.dry:
        return []  # another lane comes before the flow's first run, which takes that look
    watches = followed or store.dry
    planned: list[Planned] = []
    fresh: list[Watch] = []
    moved: list[Watch] = []
    for record in batch.seen:
        condition = meets(store.context, batch.side, record)
        now, row = look_at(record, actions, condition), known.get(record.id)
        before = look_of(row) if row is not None else None
        if before is not None and before.is_newer_than(record):
            continue
        if watches:
            found = seen(record, actions, now, before, condition)
            planned += [Planned(each, record, links.get(record.id)) for each in found]
        kept = now.merged(before) if before is not None else now
        if row is None:
            fresh.append(new_watch(store.context, batch.side, record.id, kept))
        elif kept != before:
            moved.append(noted(row, kept))
    if not store.dry:
        Watch.objects.bulk_create(fresh, ignore_conflicts=True)  # another lane may have looked meanwhile
        bulk.update(moved, ("changed_at", "count", "seen_sealed"))
    return planned


def is_followed(store: Store, side: Side) -> bool:
    """Whether a first look was taken at all records of `side`, for what the actions now ask of them."""
    wanted = store.context.actions.fingerprint(side)
    flow = store.context.flow.pk
    kept = Checkpoint.objects.filter(flow=flow, lane=Lane.LIVE, side=side, stream=STREAM)
    return kept.filter(poll_id=wanted).exists()


def reads_everything(store: Store, side: Side) -> bool:
    """Whether the flow reads the side from its very first record on, and has not begun to."""
    main = Checkpoint.objects.filter(flow=store.context.flow, lane=Lane.LIVE, side=side, stream="").first()
    begun = main is not None and (main.watermark is not None or main.poll_started is not None)
    return not begun and str(store.context.settings.get("start") or EVERYTHING) == EVERYTHING


def _known(store: Store, side: Side, records: Sequence[Record]) -> dict[str, Watch]:
    mine = Watch.objects.filter(flow=store.context.flow, side=side)
    held = mine if store.dry else mine.select_for_update()
    return {
        row.record_id: row
        for part in chunks([record.id for record in records])
        for row in held.filter(record_id__in=part)
    }


def look_of(row: Watch) -> Look:
    kept = row.seen or {}
    return Look(
        kept.get("values", {}),
        frozenset(kept.get("met", ())),
        frozenset(kept.get("known", ())),
        row.changed_at,
        row.count,
    )


def new_watch(context: Context, side: Side, id: str, look: Look) -> Watch:
    return noted(Watch(flow=context.flow, side=side, record_id=id), look)


def noted(row: Watch, look: Look) -> Watch:
    assert look.changed_at is not None
    row.changed_at, row.count = look.changed_at, look.count
    row.seen = {"values": dict(look.values), "met": sorted(look.met), "known": sorted(look.known)}
    return row


# Conditions and occasions


def meets(context: Context, side: Side, record: Record) -> Callable[[Action], bool]:
    """Whether a record of `side` meets an action's condition, as far as it alone can tell: what asks for its counterpart too,
    or cannot be told, is decided when the action begins."""
    scope = names_of(context, side, record.id, record.values)
    tools = context.tools(side.other)

    def condition(action: Action) -> bool:
        if not action.when or not all(
            name.startswith(f"{side}.") for name in texts.condition(action.when).columns
        ):
            return True
        try:
            return texts.holds(action.when, scope, tools)
        except Unmapped:
            return True

    return condition


def names_of(context: Context, side: Side, id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A record's columns by the names that texts read: `servicenow.number`."""
    told = {name: values.get(name) for name in context.actions.columns(side)}
    return {f"{side}.{name}": value for name, value in {**told, **dict.fromkeys(OWN_NAMES, id)}.items()}


def _occasion(context: Context, each: Planned) -> str:
    """In words, what the action follows; an action follows it once."""
    action, record = each.triggered.action, each.record
    if not action.once:
        return each.triggered.occasion
    before = {f"before.{name}": value for name, value in each.triggered.before.items()}
    scope = {**names_of(context, action.trigger.source, record.id, record.values), **before}
    try:
        return texts.filled(action.once, scope, context.tools(action.trigger.source.other))
    except Unmapped:
        return each.triggered.occasion


def _insert(store: Store, planned: Sequence[Planned]) -> None:
    """What was set off and has not been done on this occasion."""
    if not planned:
        return
    rows: dict[tuple[str, str, str, str], ActionRun] = {}
    key = data_key()
    for each in planned:
        row = _row(store, each, key)
        rows.setdefault((row.action, row.side, row.record_id, row.occasion), row)
    known = _done_before(store, list(rows.values()))
    fresh = [row for key, row in rows.items() if key not in known]
    if store.dry:
        tally(store, [row.action for row in fresh])
        tell_intended(store, fresh)
    else:
        ActionRun.objects.bulk_create(fresh, ignore_conflicts=True)


def _done_before(store: Store, rows: Sequence[ActionRun]) -> set[tuple[str, str, str, str]]:
    mine = ActionRun.objects.filter(flow=store.context.flow)
    return {
        key
        for part in chunks([row.record_id for row in rows])
        for key in mine.filter(record_id__in=part).values_list("action", "side", "record_id", "occasion")
    }


def _row(store: Store, each: Planned, key: bytes) -> ActionRun:
    context, action, record, now = store.context, each.triggered.action, each.record, store.now()
    source = action.trigger.source
    occasion = _occasion(context, each)
    row = ActionRun(
        flow=context.flow, link=each.link, revision=context.revision, run=store.run, action=action.name,
        trigger=action.trigger.on.value, side=source.value, record_id=record.id, record_number=record.number[:80],
        occasion=occasion_of(key, action.name, source, record.id, occasion), since=now, created_at=now,
    )  # fmt: skip
    row.state = {
        "occasion": occasion,
        "record": {name: record.values.get(name) for name in context.actions.columns(source)},
        "before": dict(each.triggered.before),
    }
    return row
