"""What must hold once all is quiet. Each answer is a sentence that says what is not so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mappings.apply import CompiledRow, canonical
from sync.core.records import Side
from sync.engine.deleting import TOMBSTONE as TOMBSTONES
from sync.models import Conflict, DeadLetter, Event, Intent, RecordLink, Waiting
from sync.models.attention import ConflictState, DeadLetterState
from tests.simulation.acted import acted
from tests.simulation.ledger import FIELDS, Loss

if TYPE_CHECKING:
    from tests.simulation.play import Play

# Letters that say that the engine could not tell what to do with a record: nothing here may cause one.
NEVER = frozenset(
    {"TWIN", "NAMED_RECORD_NOT_VISIBLE", "COUNTERPART_NOT_VISIBLE", "PATIENCE_ENDED", "unexpected"}
)


def ask(play: Play) -> list[str]:
    return [
        *_settled(play),
        *_letters(play),
        *_one_counterpart(play),
        *_agree(play),
        *_nothing_overwritten(play),
        *(_stay_deleted(play) if play.deletes else ()),
        *(acted(play) if play.acts else ()),
    ]


def _settled(play: Play) -> Iterator[str]:
    wrote = play.wrote
    if any(wrote[2:]):
        yield f"rounds after quiet wrote {wrote}: more than two write"
    gone = _deleted(play)  # what was about to be written from these waits until the flow's patience ends
    flow = play.setting.context.flow
    if left := Waiting.objects.filter(flow=flow).exclude(record_id__in=gone).count():
        yield f"{left} records still wait after {len(wrote)} quiet rounds"
    if left := Intent.objects.open().filter(flow=flow).exclude(source_id__in=gone).count():
        yield f"{left} intents are still open"


def _deleted(play: Play) -> set[str]:
    return {id for ids in play.deleted.values() for id in ids}


def _names_a_deleted_one(play: Play, side: Side, row: Any) -> bool:
    """Whether a record carries the key of one that people deleted before the two were known to be a pair."""
    if side is Side.SALESFORCE:
        return row["ServiceNow_Sys_Id__c"] in play.deleted[Side.SERVICENOW]
    return (row["correlation_id"] or "").rpartition(":")[2] in play.deleted[Side.SALESFORCE]


def _letters(play: Play) -> Iterator[str]:
    for letter in _open_letters(play):
        of_deleted = letter.code == "NAMED_RECORD_NOT_VISIBLE" and any(
            id in str(letter.content) for id in _deleted(play)
        )
        made_once_more = letter.code == "TWIN" and play.late
        if letter.code in NEVER and not of_deleted and not made_once_more:
            yield f"dead letter {letter.code} for {letter.record_id}: {letter.content.get('message')}"


def _open_letters(play: Play) -> list[DeadLetter]:
    return list(DeadLetter.objects.filter(flow=play.setting.context.flow, state=DeadLetterState.OPEN))


def _one_counterpart(play: Play) -> Iterator[str]:
    """Counted by the platforms' own rows."""
    context = play.setting.context
    rows = {side: dict(play.bench.platforms.rows(side)) for side in Side}
    every = list(RecordLink.objects.filter(flow=context.flow))
    links = [link for link in every if link.state == "active"]
    excused = {letter.record_id for letter in _open_letters(play)}
    for side in Side:
        linked = Counter(link.end(side) for link in links)
        ended = {link.end(side) for link in every if link.state != "active"}
        yield from (f"{id} has {number} links" for id, number in linked.items() if number > 1)
        yield from (f"a link names {id}, which is not in {side}" for id in linked if id not in rows[side])
        if context.creates(side.other):
            yield from (
                f"{id} of {side} entered and has no counterpart"
                for id, row in rows[side].items()
                if id not in linked
                and id not in excused
                and id not in ended
                and not _names_a_deleted_one(play, side, row)
            )
    for side in Side:
        expected = (
            play.made[side] + (play.made[side.other] if context.creates(side) else 0) + play.unmet[side]
        )
        if play.deletes and play.ledger.ever(side) > expected:
            yield f"{side} has had {play.ledger.ever(side)} records, and people made {expected}: one was made twice"
        missing = len(rows[side]) < expected and not excused and not play.deletes
        if len(rows[side]) > expected or missing:
            yield f"{side} holds {len(rows[side])} records, and {expected} should be there"
    keys = Counter(row["ServiceNow_Sys_Id__c"] for row in rows[Side.SALESFORCE].values())
    yield from (f"{number} Cases carry {key}" for key, number in keys.items() if key and number > 1)
    for link in links:
        there = rows[Side.SALESFORCE].get(link.salesforce_id, {})
        if there and there["ServiceNow_Sys_Id__c"] != link.servicenow_id:
            yield f"{link.salesforce_id} does not carry the key of its incident"


def _stay_deleted(play: Play) -> Iterator[str]:
    """What people deleted does not come back, its counterpart meets the policy, and what they restored is a pair again."""
    context = play.setting.context
    rows = {side: dict(play.bench.platforms.rows(side)) for side in Side}
    policy = play.settings["options"]["deletions"]["servicenow"]
    for side in Side:
        yield from (
            f"{id} of {side} was deleted, and is back"
            for id in play.deleted[side]
            if id in rows[side] and id not in play.late
        )
    for link in RecordLink.objects.filter(flow=context.flow):
        ends = {side: link.end(side) in rows[side] for side in Side}
        followed = [
            TOMBSTONES[side] for side in context.reads
        ]  # of the other side, only its counterpart's changes tell
        if all(ends.values()) and link.state in followed:
            yield f"{link.servicenow_id} and its Case are there, and their link says {link.state}"
        for side in Side:
            survived = ends[side.other] and not ends[side] and link.end(side) in play.deleted[side]
            if survived and link.state == "active":
                yield f"{link.end(side)} of {side} was deleted, and its pair is said to live"
            # Of two that never met nobody knows what they had to do with each other.
            met = bool(link.base)
            if survived and policy == "delete" and met and not _is_theirs_to_keep(play, link, side):
                yield f"{link.end(side)} of {side} was deleted, and its counterpart was not"


def _is_theirs_to_keep(play: Play, link: RecordLink, side: Side) -> bool:
    """Whether people restored the other record after that of `side` was gone.

    So it is where the other one was back but not in sight yet: both were gone when somebody looked, and whether the
    restoration came before or after the deletion here no platform tells.
    """
    untold = link.end(side) in play.untold
    return untold or play.moved.get(link.end(side.other), 0) > play.moved[link.end(side)]


def _agree(play: Play) -> Iterator[str]:
    context = play.setting.context
    rows = {side: dict(play.bench.platforms.rows(side)) for side in Side}
    excused = {letter.record_id for letter in _open_letters(play)}
    open_ones = {
        (conflict.link_id, str(conflict.row))
        for conflict in Conflict.objects.filter(link__flow=context.flow, state=ConflictState.OPEN)
    }
    for link in RecordLink.objects.filter(flow=context.flow, state="active"):
        here, there = (
            rows[Side.SERVICENOW].get(link.servicenow_id),
            rows[Side.SALESFORCE].get(link.salesforce_id),
        )
        if here is None or there is None or {link.servicenow_id, link.salesforce_id} & excused:
            continue
        for row in context.rows:
            x, y = row.read(here), there[row.target]
            base = (link.base or {}).get(row.id)
            left = row.one_way == Side.SALESFORCE and (
                _is_left(play, link, row) or _is_as_met(play, link, row, base, x, y)
            )
            if not agrees(row, x, y) and (link.pk, row.id) not in open_ones and not left:
                yield f"{row.target}: {x!r} and {y!r} of {link.servicenow_id} do not agree (base {base!r})"


def _is_left(play: Play, link: RecordLink, row: CompiledRow) -> bool:
    """Whether a person changed the target of a one-way row last, and the flow leaves it so."""
    field = next(name for name, columns in _fields().items() if columns[Side.SALESFORCE] == row.target)
    by = play.ledger.last_by.get((Side.SALESFORCE, link.salesforce_id, field))
    # A flow that does not follow Salesforce restores what was changed there when it next looks at the record.
    restores = play.settings.get("drift") == "restore" and Side.SALESFORCE in play.setting.context.reads
    return by == "person" and not restores


def _is_as_met(play: Play, link: RecordLink, row: CompiledRow, base: Any, x: Any, y: Any) -> bool:
    """Whether the two stand as they met: a one-way row cannot carry back what the target had, and must not blank it."""
    same = base is not None and canonical(base[0]) == canonical(x) and canonical(base[1]) == canonical(y)
    return same and (
        link.born_in == Side.SALESFORCE or play.settings.get("adopt") in ("salesforce", "newest", "ask")
    )


def _fields() -> dict[str, dict[Side, str]]:
    return FIELDS


def agrees(row: CompiledRow, x: Any, y: Any) -> bool:
    """Either projection holds, or the two differ by a move that the other side cannot see."""
    there, here = _attempt(row.to_salesforce, x), _attempt(row.to_servicenow, y)
    if there is not None and canonical(there) == canonical(y):
        return True
    if here is None or row.one_way == Side.SALESFORCE:
        return False
    if canonical(here) == canonical(x):
        return True
    if there is None or row.spec.transform != "value_map":
        return False
    again, back = _attempt(row.to_salesforce, here), _attempt(row.to_servicenow, there)
    return again == there or (back is not None and back == here)


def _attempt(project: Any, value: Any) -> Any:
    try:
        found = project(value).value
    except ValueError:
        return None
    return "" if found is None else found


def _nothing_overwritten(play: Play) -> Iterator[str]:
    for loss in play.ledger.losses:
        if loss.is_echo and not _may_revert(play, loss):
            yield f"{loss.edit.token} in {loss.edit.cell} was taken back to {loss.by}, which its author had seen"
        if not _is_on_record(play, loss):
            when = "was there when the engine looked" if loss.known else "came after the look"
            yield (
                f"{loss.edit.token} in {loss.edit.cell} {when} and went under {loss.by} without a record of it"
            )


def _may_revert(play: Play, loss: Loss) -> bool:
    """Whether there is a reason to write an older value over a newer one: the source of a one-way row, or doubt."""
    side, id, field = loss.edit.cell
    row = next(row for row in play.setting.context.rows if row.target == FIELDS[field][Side.SALESFORCE])
    link = RecordLink.objects.filter(flow=play.setting.context.flow, **{f"{side}_id": id}).first()
    return row.one_way is not None or link is None or _was_in_doubt(loss, link)


def _is_on_record(play: Play, loss: Loss) -> bool:
    side, id, _ = loss.edit.cell
    link = RecordLink.objects.filter(flow=play.setting.context.flow, **{f"{side}_id": id}).first()
    if link is None:
        return False
    if any(loss.edit.token + " " in str(conflict.values) for conflict in Conflict.objects.filter(link=link)):
        return True
    if loss.known:
        return _was_in_doubt(loss, link) or _is_told(loss, link)
    if side is Side.SALESFORCE:
        # An edit of the very second that the version planned over was stamped with, and not committed yet, passes the
        # condition; a real platform's row lock makes the write wait for it.
        return not loss.conditional or loss.edit.seen_from > loss.at
    return (
        _was_in_doubt(loss, link)
        or _events(link).filter(at__gte=loss.at, code="overwrite_suspected").exists()
    )


def _is_told(loss: Loss, link: RecordLink) -> bool:
    """A one-way field's source decides: what it went over stands in the event."""
    if loss.edit.cell[2] != "note":
        return False
    fields = (field for event in _events(link) for field in event.detail.get("fields", ()))
    return any(loss.edit.token + " " in str(field["under"]) for field in fields)


def _events(link: RecordLink) -> Any:
    return Event.objects.filter(link=link)


def _was_in_doubt(loss: Loss, link: RecordLink) -> bool:
    """Whether it is on record, since then, that the outcome of a write to the record was unknown."""
    # The doubt may have been told by a round that wrote nothing yet.
    since = min(loss.at, loss.edit.seen_from, loss.seen_since)
    told = (event.detail.get("notes", ()) for event in _events(link).filter(at__gte=since))
    return any("arlier write" in note for notes in told for note in notes)
