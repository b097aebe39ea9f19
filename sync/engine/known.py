"""What the database knows of records: links, intents, letters, choices, and what is due. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from django.db.models import F, Q, QuerySet

from sync.core.records import Operation, Side
from sync.engine import bulk
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.context import Context
from sync.engine.items import Item
from sync.models import Conflict, DeadLetter, Flow, HandOver, Intent, RecordLink, Run, Waiting
from sync.models.attention import ConflictState, DeadLetterState, WaitingReason
from sync.models.link import END
from sync.models.routing import HandOverState


class Due(NamedTuple):
    """A record to read again. `asked`: a person wants what was given up to be tried once more."""

    side: Side
    id: str
    asked: bool = False


@dataclass(kw_only=True)
class Known:
    """`now` is the clock that leases and intents run on."""

    context: Context
    now: Callable[[], datetime]

    @property
    def settles(self) -> int:
        """The run whose own leftovers are looked at; 0: none."""
        return 0

    def links(self, side: Side, ids: Iterable[str]) -> dict[str, RecordLink]:
        """Links of these records of `side`, by their ids there."""
        found, name = self._links(), END[side]
        return {
            link.end(side): link
            for part in chunks(list(ids))
            for link in found.filter(**{f"{name}__in": part})
        }

    @cached_property
    def neighbours(self) -> frozenset[int]:
        """The other flows in use between the same two ends: their pairs are theirs."""
        flow = self.context.flow
        same = Flow.objects.filter(
            enabled=True, servicenow_connection_id=flow.servicenow_connection_id,
            salesforce_connection_id=flow.salesforce_connection_id,
            servicenow_table=self.context.table, salesforce_object=self.context.object,
        )  # fmt: skip
        return frozenset(same.exclude(pk=flow.pk).values_list("pk", flat=True))

    def _links(self) -> QuerySet[RecordLink]:
        """Of this pair of ends, whichever flow made them."""
        flow = self.context.flow
        return RecordLink.objects.filter(
            servicenow_connection_id=flow.servicenow_connection_id,
            servicenow_table=self.context.table,
            salesforce_connection_id=flow.salesforce_connection_id,
            salesforce_object=self.context.object,
        )

    # Intents. The ids of the two systems differ in length, so an id alone tells its side.

    def open_intents(
        self, source_ids: Iterable[str], *, of_neighbours: bool = False
    ) -> dict[str, list[Intent]]:
        """Open intents by the record they write from, made by whomever; and settled ones of which nothing tells yet."""
        flows = {self.context.flow.pk, *(self.neighbours if of_neighbours else ())}
        mine = Intent.objects.filter(flow__in=flows)
        found: dict[str, list[Intent]] = defaultdict(list)
        if any(bulk.holds(Intent, flow_id=flow) for flow in flows):
            for part in chunks(list(source_ids)):
                for intent in mine.filter(source_id__in=part):
                    found[intent.source_id].append(intent)
        return found

    def being_born(self, side: Side, ids: Iterable[str]) -> set[str]:
        """Which records of `side` an open intent is making, ours or a neighbour's, under an id that the flow chose."""
        if not (self.context.creates(side) or self.neighbours):
            return set()
        under_way = Intent.objects.open().filter(
            flow__in={self.context.flow.pk, *self.neighbours},
            side=side,
            operation=Operation.CREATE,
            link=None,
        )
        if not under_way.exists():
            return set()
        return {
            target
            for part in chunks(list(ids))
            for target in under_way.filter(target_id__in=part).values_list("target_id", flat=True)
        }

    # What needs a person

    def open_letters(self, items: Sequence[Item]) -> dict[str, list[DeadLetter]]:
        """Open dead letters by the record that was written from."""
        mine = DeadLetter.objects.filter(flow=self.context.flow, state=DeadLetterState.OPEN)
        found: dict[str, list[DeadLetter]] = defaultdict(list)
        if bulk.holds(DeadLetter, flow_id=self.context.flow.pk, state=DeadLetterState.OPEN):
            for part in chunks(ends_of(items)):
                for letter in mine.filter(record_id__in=part):
                    found[letter.record_id].append(letter)
        return found

    def told_letters(self, items: Sequence[Item]) -> dict[str, list[DeadLetter]]:
        """Like `open_letters`, with those that a person has put aside and that nothing came after."""
        mine = DeadLetter.objects.filter(flow=self.context.flow)
        aside = Q(state=DeadLetterState.IGNORED) & (
            Q(link=None) | Q(link__synced_at=None) | Q(link__synced_at__lte=F("last_at"))
        )
        found: dict[str, list[DeadLetter]] = defaultdict(list)
        told = (DeadLetterState.OPEN, DeadLetterState.IGNORED)
        if any(bulk.holds(DeadLetter, flow_id=self.context.flow.pk, state=state) for state in told):
            for part in chunks(ends_of(items)):
                for letter in mine.filter(aside | Q(state=DeadLetterState.OPEN), record_id__in=part):
                    found[letter.record_id].append(letter)
        return found

    def choices(self, links: Iterable[UUID]) -> dict[UUID, list[Conflict]]:
        """Open conflicts that a person has decided and nobody has written yet."""
        # Not asked of the flow as a whole: that would walk through all of its links.
        decided = Conflict.objects.filter(state=ConflictState.OPEN).exclude(choice="")
        found: dict[UUID, list[Conflict]] = defaultdict(list)
        for part in chunks(list(links)):
            for conflict in decided.filter(link__in=part):
                found[conflict.link_id].append(conflict)
        return found

    def hand_overs(self, links: Sequence[UUID]) -> dict[UUID, HandOver]:
        """Those that people have asked for and nobody has carried out yet."""
        if self.context.routing is None or not bulk.holds(
            HandOver, flow_id=self.context.flow.pk, state=HandOverState.ASKED
        ):
            return {}
        asked = HandOver.objects.filter(flow=self.context.flow, state=HandOverState.ASKED)
        return {order.link_id: order for part in chunks(links) for order in asked.filter(link__in=part)}

    def open_conflicts(self, links: Sequence[UUID]) -> dict[tuple[UUID, str], Conflict]:
        """By link and field row."""
        open_ones = Conflict.objects.filter(state=ConflictState.OPEN)
        return {
            (conflict.link_id, str(conflict.row)): conflict
            for part in chunks(links)
            for conflict in open_ones.filter(link__in=part)
        }

    def has_links(self) -> bool:
        return bulk.holds(RecordLink, flow_id=self.context.flow.pk)

    def numbered(self, numbers: Sequence[str]) -> dict[str, str]:
        """The sys_id of the pair that people call by such a number on either side, by number."""
        found: dict[str, str] = {}
        for part in chunks(numbers):
            for side in Side:
                column = f"{side}_number"
                pairs = self._links().filter(**{f"{column}__in": part})
                found.update(pairs.values_list(column, "servicenow_id"))
        return found

    def unnumbered(self, side: Side, limit: int) -> list[RecordLink]:
        """Links whose number on `side` was never read: a run ended between its create and that."""
        missing = {f"{side}_number": ""}
        return list(RecordLink.objects.filter(flow=self.context.flow, state="active", **missing)[:limit])

    # What is due

    def due(self, limit: int) -> list[Due]:
        """Records to read again now: waiting ones that are due, and what a dead worker left in doubt."""
        rows = Waiting.objects.filter(flow=self.context.flow)
        waiting = [
            Due(Side(side), id, reason == WaitingReason.RETRY)
            for side, id, reason in rows.filter(due_at__lte=self.now())
            .order_by("due_at", "id")
            .values_list("side", "record_id", "reason")[:limit]
        ]
        if not bulk.holds(Intent, flow_id=self.context.flow.pk, settled_at=None):
            return waiting
        living = leases.living_tokens(self.context.flow.pk, self.now())
        left = (
            Intent.objects.open()
            .filter(flow=self.context.flow)
            .exclude(lease_token__in=living)
            # Whoever goes on with the part of a dead worker reads its records again.
            .exclude(run__in=Run.objects.active().filter(parts__gt=0).exclude(pk=self.settles))
            .exclude(source_id__in=rows.values("record_id"))
            .select_related("link")[:limit]
        )
        orphans = [
            Due(Side(intent.side).other, intent.source_id)
            for intent in left
            # A pair waits under its ServiceNow end, whichever side the intent writes.
            if intent.link is None or not rows.filter(record_id=intent.link.servicenow_id).exists()
        ]
        return list(dict.fromkeys([*waiting, *orphans]))[:limit]

    def next_due(self) -> datetime | None:
        """When the next record will be due that is not due yet."""
        return (
            Waiting.objects.filter(flow=self.context.flow, due_at__gt=self.now())
            .order_by("due_at")
            .values_list("due_at", flat=True)
            .first()
        )

    def waiting_since(self, keys: Iterable[tuple[Side, str]]) -> dict[tuple[Side, str], Waiting]:
        found = Waiting.objects.filter(flow=self.context.flow)
        return {
            (Side(row.side), row.record_id): row
            for part in chunks([id for _, id in keys])
            for row in found.filter(record_id__in=part)
        }


def ends_of(items: Iterable[Item]) -> list[str]:
    """The ids of both ends of each item, as far as they are known."""
    return [id for item in items for id in (item.id_on(Side.SERVICENOW), item.id_on(Side.SALESFORCE)) if id]
