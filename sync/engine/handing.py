"""A person has handed a pair over to another desk: the owner is planned on both sides, and both records are told once it is so.

The plan is an ordinary one: the row of the owner is written to either side with an intent, one side at a time, and its base follows what
was sent. The words go as entries, with a mark each, so that an answer that is lost doubles none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from mappings.apply import CompiledRow, canonical
from mappings.routing import GROUP, OWNER, PERSON
from sync.core import notes
from sync.core.merge import Base
from sync.core.notes import LIMIT, STREAM, Exchange, Mark, Place
from sync.core.planner import FieldWrite, Plan, target_of
from sync.core.records import Side
from sync.engine.context import Context
from sync.engine.items import Item, values_on
from sync.engine.marks import sign
from sync.models import HandOver, JournalEntry, Run
from sync.models.routing import HandOverState


def owner_row(rows: Iterable[CompiledRow]) -> CompiledRow | None:
    """The row by which an owner goes both ways; without one there is nothing to hand over by."""
    return next(
        (row for row in rows if row.target == OWNER and GROUP in row.columns and not row.one_way), None
    )


def plan_hand_over(item: Item, order: HandOver, row: CompiledRow, plan: Plan) -> None:
    """Put the desk in place of whatever the merge found for the owner."""
    for planned in (plan.to_salesforce, plan.to_servicenow):
        planned[:] = [write for write in planned if write.row != row.id]
    plan.clashes[:] = [clash for clash in plan.clashes if clash.row != row.id]
    plan.problems[:] = [problem for problem in plan.problems if problem.row != row.id]
    plan.settled.append(row.id)
    here, there = values_on(item, Side.SERVICENOW), values_on(item, Side.SALESFORCE)
    x, y = row.read(here), there.get(row.target)
    wanted = _wanted(order, row, item)
    base, rule = item.known_base().get(row.id), f"handed over to {order.to_desk}"
    note = f"Handed over to {order.to_desk} by {order.by_name}."
    if canonical(y) != canonical(wanted[1]):
        plan.to_salesforce.append(
            FieldWrite(row.id, row.target, wanted[1], wanted[0], y, note, rule, False, base)
        )
    if canonical(x) != canonical(wanted[0]):
        field = target_of(row, Side.SERVICENOW)
        plan.to_servicenow.append(FieldWrite(row.id, field, wanted[0], wanted[1], x, note, rule, False, base))
    if stands(item, order, row):
        item.set_base(row.id, (x, y))
    item.order = order


def _wanted(order: HandOver, row: CompiledRow, item: Item) -> Base:
    """The group without a person of it, and the queue."""
    after = {**values_on(item, Side.SERVICENOW), GROUP: order.group_id, PERSON: ""}
    return row.read(after), order.queue_id


def stands(item: Item, order: HandOver, row: CompiledRow) -> bool:
    """Whether both sides show the desk."""
    x, y = row.read(values_on(item, Side.SERVICENOW)), values_on(item, Side.SALESFORCE).get(row.target)
    wanted = _wanted(order, row, item)
    return bool(canonical(x) == canonical(wanted[0]) and canonical(y) == canonical(wanted[1]))


def close_hand_overs(context: Context, run: Run, items: Sequence[Item], now: datetime) -> None:
    """Inside the caller's transaction: those that both sides show now are done, and what both records are told is planned."""
    row = owner_row(context.rows)
    done = [item for item in items if row is not None and _is_done(item, row)]
    orders = HandOver.objects.filter(
        pk__in=[item.order.pk for item in done if item.order], state=HandOverState.ASKED
    )
    for order in orders.select_related("link"):
        order.state, order.done_at = HandOverState.DONE, now
        order.save(update_fields=["state", "done_at"])
        JournalEntry.objects.bulk_create(words(order, context, run))


def _is_done(item: Item, row: CompiledRow) -> bool:
    if item.order is None or item.failure is not None or item.plan is None:
        return False
    left = [side for side in Side for write in item.plan.writes(side) if write.row == row.id]
    written = item.written and any(write.row == row.id for write in item.writes)
    return not left or (written and left == [item.to])


def words(order: HandOver, context: Context, run: Run) -> Iterator[JournalEntry]:
    """The note on either record: from whom, to whom, by whom and why."""
    pairing = context.exchange.pairing(Place.WORK_NOTES)
    text = f"Handed over from {order.from_desk or 'no desk'} to {order.to_desk}. {order.reason}".strip()
    for source in Side:
        way = pairing.way(source) if pairing is not None else None
        if pairing is None or way is None:
            continue
        for part, said in enumerate(_parts(text, order, context, source, way[1]), start=1):
            entry = JournalEntry(
                flow=context.flow, link=order.link, run=run, kind=pairing.kind.value, side=source, place=way[0].value,
                source_id=order.pk.hex, part=part, written_at=order.asked_at,
            )  # fmt: skip
            entry.text = said
            yield entry


def _parts(text: str, order: HandOver, context: Context, source: Side, target: Place) -> list[str]:
    def head(part: int, parts: int) -> str:
        mark = Mark(order.pk.hex, part)
        signed = Mark(mark.source, part, sign(context.flow, mark, source))
        return notes.head(order.by_name, order.asked_at, None, signed, parts)

    return notes.compose(text, LIMIT[STREAM[target]], head)


def keeps_thread(exchange: Exchange) -> bool:
    """Whether work notes go both ways, so that both records can be told."""
    pairing = exchange.pairing(Place.WORK_NOTES)
    return pairing is not None and all(pairing.way(side) is not None for side in Side)


Orders = dict[UUID, HandOver]
