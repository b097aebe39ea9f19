"""What is true of a suspect: the ordinary plan is asked about it, and nothing of the plan is carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sync.connectors.base import Connector
from sync.core.reconciling import Finding
from sync.core.records import Outcome, Record, Side
from sync.engine.bulk import chunks
from sync.engine.context import Context
from sync.engine.deciding import Deciding
from sync.engine.failures import NAMES
from sync.engine.grounds import Look
from sync.engine.items import Item
from sync.engine.known import ends_of
from sync.engine.store import Store
from sync.models import RecordLink, Suspect, Waiting
from sync.models.attention import WaitingReason
from sync.models.link import LinkState

GONE = "COUNTERPART_NOT_VISIBLE"
_OF_CODE = {GONE: Finding.ORPHANED, "NAMED_RECORD_NOT_VISIBLE": Finding.ORPHANED, "TWIN": Finding.TWIN}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`finding` None: nothing is to be said of it. `link`: the pair that it turned out to be, at rest or not."""

    finding: Finding | None
    fields: tuple[str, ...] = ()
    note: str = ""
    link: UUID | None = None
    numbers: Mapping[Side, str] = field(default_factory=dict)


NOTHING = Verdict(None)


@dataclass
class Judging:
    """`young`: by side, the stamp from which a record is too young to be held against anybody."""

    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    deciding: Deciding
    young: Mapping[Side, datetime]
    unburied: Mapping[Side, datetime]  # what was deleted later, the live lane may still have to carry over
    since: datetime | None = None  # records not changed since then are none of the flow's
    _dying: set[str] = field(default_factory=set)
    _letters: set[str] = field(default_factory=set)
    _waiting: set[str] = field(default_factory=set)
    _busy: set[str] = field(default_factory=set)
    _synced: dict[UUID, datetime | None] = field(default_factory=dict)
    _conflicts: set[tuple[UUID, str]] = field(default_factory=set)

    def judge(self, side: Side, suspects: Sequence[Suspect]) -> list[Verdict]:
        """One each. Both sides are read afresh, by id."""
        named = [each for each in suspects if _is_named(each)]
        others = [each for each in suspects if not _is_named(each)]
        look = self._look(side)
        found = self._read(side, [each.end(side) for each in others])
        items = self._decided(side, list(found.values()), look)
        self._mourn(side, [each.end(side) for each in others if each.link_id and each.end(side) not in found])
        verdicts = {each.pk: self._verdict(each, side, found, items) for each in others}
        verdicts |= self._of_named(side, named)
        return [verdicts[each.pk] for each in suspects]

    def agreeing(self, side: Side, records: Sequence[Record], look: Look) -> set[UUID]:
        """Links of these records, just read, whose pairs are in order although a value is not the base's."""
        items = self._decided(side, records, look)
        return {
            item.link.pk
            for item in items.values()
            if item.link is not None and item.other is not None and self._of_pair(item).finding is None
        }

    def _mourn(self, side: Side, ids: Sequence[str]) -> None:
        """Of records that are not shown: those whose deletion the live lane may not have come to yet."""
        if ids:
            deleted = self.connectors[side].deleted(self.context.name(side), ids=ids)
            self._dying |= {each.id for each in deleted if each.at >= self.unburied[side]}

    # Asking the plan

    def _decided(self, side: Side, records: Sequence[Record], look: Look) -> dict[str, Item]:
        """What would be done with each, by id."""
        if not records:
            return {}
        items = self.deciding.decide(side, records, look, entered=False, look_up=True)
        here = {item.record.id: item for item in items}
        self._look_behind(side, here)
        self._know(list(here.values()))
        self._mourn(side.other, [item.id_on(side.other) for item in here.values() if _is_widowed(item)])
        return here

    def _look_behind(self, side: Side, items: dict[str, Item]) -> None:
        """A one-way plan rests where its source did not move, without a look at the target: look there too."""
        quiet = {item.id_on(side.other): item for item in items.values() if _is_unseen(item)}
        if not quiet:
            return
        look = self._look(side.other)
        found = self._read(side.other, list(quiet))
        there = self.deciding.decide(side.other, list(found.values()), look, entered=False, look_up=True)
        seen = {item.record.id: item for item in there}
        for id, item in quiet.items():
            if id not in found:
                item.code = GONE
            elif id in seen:
                other = seen[id]
                other.other = other.other or item.record
                items[item.record.id] = other

    def _know(self, items: Sequence[Item]) -> None:
        """What is on record of these, read after both sides were."""
        ids = ends_of(items)
        self._letters = set(self.store.open_letters(items))
        self._waiting = {
            id
            for part in chunks(ids)
            for id in Waiting.objects.filter(flow=self.context.flow, record_id__in=part).values_list(
                "record_id", flat=True
            )
        }
        self._busy = set(self.store.open_intents(ids))
        links = [item.link.pk for item in items if item.link is not None and not item.new_link]
        self._synced = {
            pk: at
            for part in chunks(links)
            for pk, at in RecordLink.objects.filter(pk__in=part).values_list("pk", "synced_at")
        }
        self._conflicts = set(self.store.open_conflicts(links))

    # Verdicts

    def _verdict(
        self, suspect: Suspect, side: Side, found: Mapping[str, Record], items: Mapping[str, Item]
    ) -> Verdict:
        record = found.get(suspect.end(side))
        if record is None:
            if suspect.link_id is None:
                return NOTHING  # it was deleted meanwhile, or is not to be seen any more
            return self._of_lost_end(side, suspect.end(side))
        item = items.get(record.id)
        if item is None:
            return NOTHING
        verdict = self._of_pair(item) if item.link is not None and not item.new_link else self._of_lone(item)
        numbers = {side: each.number for side, each in _ends(item).items()}
        return Verdict(verdict.finding, verdict.fields, verdict.note, verdict.link, numbers)

    def _of_pair(self, item: Item) -> Verdict:
        link = item.link
        assert link is not None
        if link.state != LinkState.ACTIVE or link.flow_id != self.context.flow.pk:
            return NOTHING
        if _is_widowed(item):
            return self._of_lost_end(item.side.other, item.id_on(item.side.other))
        fields = self._open_fields(item)
        clashes = item.plan.clashes if item.plan is not None else []
        if item.outcome in (Outcome.UNCHANGED, Outcome.ADOPTED) and item.failure is None and not clashes:
            return Verdict(None, link=link.pk)
        if not fields and clashes and not item.failure:
            return Verdict(Finding.CONFLICT, tuple(clash.field for clash in clashes), link=link.pk)
        return Verdict(self._accounted(item) or Finding.UNEQUAL, fields, _note(item), link.pk)

    def _of_lost_end(self, side: Side, id: str) -> Verdict:
        if id in self._dying:
            return Verdict(Finding.IN_FLIGHT, note=f"{NAMES[side]} has deleted {id} just now.")
        return Verdict(
            Finding.ORPHANED, note=f"{NAMES[side]} does not show {id}: deleted, or hidden from our user."
        )

    def _of_lone(self, item: Item) -> Verdict:
        if item.outcome is Outcome.UNCHANGED:
            return NOTHING  # it does not enter, or is being made
        if self.since is not None and item.record.version.changed_at < self.since:
            return NOTHING
        code = item.failure.code if item.failure else ""
        finding = Finding.ORPHANED if item.new_link else _OF_CODE.get(code, Finding.MISSING)
        if finding is Finding.ORPHANED and item.other is not None:
            names = f"{item.other.number or item.other.id} carries its key, and there is no link."
            return Verdict(self._accounted(item) or finding, note=names)
        return Verdict(self._accounted(item) or finding, note=_note(item))

    def _accounted(self, item: Item) -> Finding | None:
        """Whether somebody or something takes care of it already."""
        ends = ends_of([item])
        if any(id in self._waiting or id in self._busy for id in ends) or self._has_moved(item):
            return Finding.IN_FLIGHT
        if any(id in self._letters for id in ends) or item.known:
            return Finding.FAILED
        return Finding.IN_FLIGHT if item.later is not None or self._is_young(item) else None

    def _has_moved(self, item: Item) -> bool:
        """Whether the live lane has brought the pair to rest since it was looked at."""
        link = item.link
        return link is not None and not item.new_link and self._synced.get(link.pk) != link.synced_at

    def _is_young(self, item: Item) -> bool:
        return any(self._too_young(side, record) for side, record in _ends(item).items())

    def _too_young(self, side: Side, record: Record) -> bool:
        return record.version.changed_at >= self.young[side]

    def _open_fields(self, item: Item) -> tuple[str, ...]:
        """Fields that differ and are not an open conflict."""
        link = item.link
        names = [write.field for to in Side if item.plan is not None for write in item.plan.writes(to)]
        names += list(item.extra)
        if item.plan is not None and link is not None:
            names += [
                clash.field for clash in item.plan.clashes if (link.pk, clash.row) not in self._conflicts
            ]
        return tuple(dict.fromkeys(names))

    # Records that name a counterpart which is not theirs

    def _of_named(self, side: Side, suspects: Sequence[Suspect]) -> dict[int, Verdict]:
        if not suspects:
            return {}
        found = self._read(side, [each.end(side) for each in suspects])
        own = self.store.links(side, [each.end(side) for each in suspects])
        held = self.store.links(side.other, [each.end(side.other) for each in suspects])
        claims = Counter(each.end(side.other) for each in suspects)
        strange = self._anothers(side.other, [each.end(side.other) for each in suspects])
        return {
            each.pk: NOTHING
            if each.end(side.other) in strange
            else self._of_claim(side, each, found.get(each.end(side)), own, held, claims)
            for each in suspects
        }

    def _anothers(self, side: Side, ids: Sequence[str]) -> set[str]:
        """Cases that belong to another instance, whatever the records of a clone say."""
        if side is Side.SERVICENOW or not self.context.mark_field:
            return set()
        found = self._read(side, ids)
        return {id for id, record in found.items() if self.context.is_anothers(record.values)}

    def _of_claim(
        self,
        side: Side,
        suspect: Suspect,
        record: Record | None,
        own: Mapping[str, RecordLink],
        held: Mapping[str, RecordLink],
        claims: Mapping[str, int],
    ) -> Verdict:
        there = suspect.end(side.other)
        link = own.get(suspect.end(side))
        if record is None or (link is not None and link.end(side.other) == there):
            return NOTHING
        values = {**record.values}
        if self.context.named_counterpart(side, record.id, values) != there:
            return NOTHING
        if self._too_young(side, record):
            return Verdict(Finding.IN_FLIGHT, numbers={side: record.number})
        holder = held.get(there)
        if (holder is not None and holder.state == LinkState.ACTIVE) or link is not None or claims[there] > 1:
            note = f"It names {there}, which is the counterpart of another record or is named by several."
            return Verdict(Finding.TWIN, note=note, numbers={side: record.number})
        return Verdict(
            Finding.ORPHANED, note=f"It names {there}, and there is no link.", numbers={side: record.number}
        )

    def _look(self, side: Side) -> Look:
        return Look(self.store.now(), self.connectors[side].server_now())

    def _read(self, side: Side, ids: Sequence[str]) -> dict[str, Record]:
        if not ids:
            return {}
        fields = list(self.context.fields(side))
        if side is Side.SALESFORCE and self.context.key_field not in fields:
            fields.append(self.context.key_field)
        found = self.connectors[side].read(
            self.context.name(side), ids, fields, self.context.number_field(side)
        )
        return dict(found)


def _is_named(suspect: Suspect) -> bool:
    return suspect.link_id is None and bool(suspect.servicenow_id and suspect.salesforce_id)


def _is_unseen(item: Item) -> bool:
    """A linked record at rest whose counterpart was not looked at."""
    quiet = item.outcome is Outcome.UNCHANGED and item.failure is None
    return quiet and item.other is None and item.link is not None and item.link.state == LinkState.ACTIVE


def _is_widowed(item: Item) -> bool:
    """A pair of which one record was looked for and is not shown."""
    codes = (item.code, item.failure.code if item.failure else "", item.later.reason if item.later else "")
    alone = item.link is not None and not item.new_link and item.other is None
    return alone and (item.ending != "" or GONE in codes or WaitingReason.GUARD in codes)


def _ends(item: Item) -> dict[Side, Record]:
    return {
        side: record for side, record in ((item.side, item.record), (item.side.other, item.other)) if record
    }


def _note(item: Item) -> str:
    """Kept in the clear and printed in statements: only what names ids and fields, never what quotes a value."""
    if item.failure is None:
        return item.later.message if item.later is not None else ""
    if item.failure.code in _OF_CODE:
        return item.failure.message
    return f"{item.failure.field}: {item.failure.code}" if item.failure.field else item.failure.code
