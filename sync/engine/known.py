"""What the database knows of records: links, intents, letters, and what is due. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db.models import QuerySet

from sync.core.records import Side
from sync.engine import lease as leases
from sync.engine.context import Context
from sync.models import DeadLetter, Intent, RecordLink, Waiting
from sync.models.attention import DeadLetterState

T = TypeVar("T")
IN_CHUNK = 900  # parameters a statement may have on every database we support


@dataclass(kw_only=True)
class Known:
    """`source` is the side whose records are read. `now` is the clock that leases and intents run on."""

    context: Context
    now: Callable[[], datetime]
    source: Side = Side.SERVICENOW

    @property
    def target(self) -> Side:
        return self.source.other

    def links(self, ids: Sequence[str]) -> dict[str, RecordLink]:
        """Links of these source records, by source id."""
        found = self._links()
        return {
            link.servicenow_id: link for part in chunks(ids) for link in found.filter(servicenow_id__in=part)
        }

    def links_by_target(self, ids: Sequence[str]) -> dict[str, RecordLink]:
        found = self._links()
        return {
            link.salesforce_id: link for part in chunks(ids) for link in found.filter(salesforce_id__in=part)
        }

    def _links(self) -> QuerySet[RecordLink]:
        """Of this pair of ends, whichever flow made them."""
        flow = self.context.flow
        return RecordLink.objects.filter(
            servicenow_connection_id=flow.servicenow_connection_id,
            servicenow_table=self.context.table,
            salesforce_connection_id=flow.salesforce_connection_id,
            salesforce_object=self.context.object,
        )

    def open_intents(self, ids: Sequence[str]) -> dict[str, Intent]:
        """Open intents of these source records, made by whomever."""
        mine = Intent.objects.open().filter(flow=self.context.flow, side=self.target)
        if not mine.exists():
            return {}
        return {
            intent.source_id: intent for part in chunks(ids) for intent in mine.filter(source_id__in=part)
        }

    def open_letters(self, ids: Sequence[str]) -> dict[str, DeadLetter]:
        mine = DeadLetter.objects.filter(flow=self.context.flow, side=self.target, state=DeadLetterState.OPEN)
        if not mine.exists():
            return {}
        return {
            letter.record_id: letter for part in chunks(ids) for letter in mine.filter(record_id__in=part)
        }

    def has_links(self) -> bool:
        return RecordLink.objects.filter(flow=self.context.flow).exists()

    def unnumbered(self, limit: int) -> list[RecordLink]:
        """Links whose Salesforce number was never read: a run ended between its create and that."""
        return list(
            RecordLink.objects.filter(flow=self.context.flow, state="active", salesforce_number="")[:limit]
        )

    def due(self, limit: int) -> list[str]:
        """Source ids to read again now: waiting records that are due, and what a dead worker left in doubt."""
        waiting = list(
            Waiting.objects.filter(flow=self.context.flow, side=self.source, due_at__lte=self.now())
            .order_by("due_at", "id")
            .values_list("record_id", flat=True)[:limit]
        )
        living = leases.living_tokens(self.context.flow.pk, self.now())
        left = (
            Intent.objects.open()
            .filter(flow=self.context.flow, side=self.target)
            .exclude(lease_token__in=living)
            .exclude(
                source_id__in=Waiting.objects.filter(flow=self.context.flow, side=self.source).values(
                    "record_id"
                )
            )
            .values_list("source_id", flat=True)[:limit]
        )
        return list(dict.fromkeys([*waiting, *left]))[:limit]

    def next_due(self) -> datetime | None:
        return (
            Waiting.objects.filter(flow=self.context.flow, side=self.source)
            .order_by("due_at")
            .values_list("due_at", flat=True)
            .first()
        )

    def waiting_since(self, ids: Sequence[str]) -> dict[str, Waiting]:
        return {
            row.record_id: row
            for part in chunks(ids)
            for row in Waiting.objects.filter(flow=self.context.flow, side=self.source, record_id__in=part)
        }


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + IN_CHUNK] for start in range(0, len(values), IN_CHUNK))
