"""The words of dead letters that the engine itself writes: what happened, by which rule, and what to do."""

from __future__ import annotations

from mappings.apply import CompiledRow
from sync.core import loops
from sync.core.planner import Problem, target_of
from sync.core.records import Side
from sync.engine.context import Context
from sync.engine.items import Failure, Item

NAMES = {Side.SERVICENOW: "ServiceNow", Side.SALESFORCE: "Salesforce"}

_PARKED = {
    loops.COMES_BACK: (
        "{field} comes back different from what was written: it is computed, read-only or changed by automation there.",
        "Map a field that keeps what is written to it, or make the row one-way, then retry.",
    ),
    loops.ALTERNATES: (
        "{field} alternates between the same values without a person in between.",
        "Find the automation on both sides that disagrees about the field, switch one off, then retry.",
    ),
    loops.REFUSED_SILENTLY: (
        "{field} was written, and {side} kept its old value without a word.",
        "Check that the value is among the field's choices and that rules allow this change, then retry.",
    ),
}


def of_problem(problem: Problem) -> Failure:
    return Failure(
        problem.code, problem.message, problem.field, problem.value, advice=problem.advice, to=problem.to
    )


def parked(row: CompiledRow, code: str, to: Side | None = None) -> Failure:
    message, advice = _PARKED.get(code, ("{field} is left alone.", "Retry."))
    side = to or (Side(row.one_way) if row.one_way else Side.SALESFORCE)
    field = target_of(row, side)
    return Failure(
        code, message.format(field=field, side=NAMES[side]), field,
        rule="A field that does not come to rest is left alone for this record; its other fields go on.",
        advice=advice, to=to,
    )  # fmt: skip


def counterpart_missing(item: Item, side: Side) -> Failure:
    return Failure(
        "COUNTERPART_NOT_VISIBLE",
        f"{NAMES[side]} shows no record {item.id_on(side)}: it was deleted, or the integration user may not see it.",
        rule="A linked record is updated by its id and never created again.",
        advice="Restore it or give the integration user access to it, then retry; or ignore this letter.",
        to=side,
    )


def named_missing(item: Item, id: str, side: Side) -> Failure:
    return Failure(
        "NAMED_RECORD_NOT_VISIBLE",
        f"{item.record.number or item.record.id} names {id} as its counterpart, and {NAMES[side]} shows no such record.",
        value=id,
        rule="A record that names a counterpart gets no second one.",
        advice="Restore that record or give the integration user access to it, or clear the key on this one; then retry.",
        to=side,
    )


def twin(context: Context, item: Item, side: Side, carriers: list[str]) -> Failure:
    name, value = context.key_of(side, item.record.id) if side is item.to else (context.key_field, "")
    return Failure(
        "TWIN",
        f"{item.record.number} already stands on {', '.join(carriers)} in {name}, which belongs to another pair.",
        field=name,
        value=value,
        rule="One record has exactly one counterpart.",
        advice=f"Clear {name} on the copy in {NAMES[side]}, then retry.",
        to=side,
    )
