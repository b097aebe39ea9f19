"""The first look at all records of a side, so that what changes from then on is told from what was so before.

A flow that reads everything (`start: everything`) needs none: what is there enters. One that begins now, or that is given
actions later, looks at each record once and sets nothing off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from sync.connectors.base import Connector
from sync.core.records import ChangeQuery, Cursor, Page, Side
from sync.core.triggers import look_at
from sync.engine import bulk
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.context import Context
from sync.engine.store import Store
from sync.engine.triggering import EVERYTHING, STREAM, look_of, meets, new_watch, noted, reads_everything
from sync.models import Checkpoint, Watch
from sync.models.base import Lane

NOW = "now"


@dataclass
class Watching:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    safe_point: Callable[[], None]
    page_size: int

    def __call__(self) -> None:
        if self.store.dry or self.store.run.lane != Lane.LIVE:
            return
        for side in self.context.reads:
            wanted = self.context.actions.fingerprint(side)
            if wanted and self._kept(side).poll_id != wanted:
                if not reads_everything(self.store, side):
                    self._look_at_all(side)
                self._note(side, poll_id=wanted, poll_at=None, completed_at=self.store.now())

    def _kept(self, side: Side) -> Checkpoint:
        return self.store.checkpoint(side, STREAM)

    def _look_at_all(self, side: Side) -> None:
        for page in self.connectors[side].changes(self._query(side)):
            self.safe_point()
            self._keep(side, page)

    def _query(self, side: Side) -> ChangeQuery:
        """Everything in scope; of a flow that begins at a moment, what has not changed since then."""
        start = str(self.context.settings.get("start") or EVERYTHING)
        fresh = self.store.checkpoint(side).watermark is None
        until = datetime.fromisoformat(start) if fresh and start not in (EVERYTHING, NOW) else None
        kept = self._kept(side)
        return ChangeQuery(
            name=self.context.name(side), fields=self.context.actions.columns(side),
            number_field=self.context.number_field(side), scope=self.context.setting(side, "scope"), until=until,
            cursor=Cursor(kept.poll_at, kept.poll_id) if kept.poll_at else None, page_size=self.page_size,
        )  # fmt: skip

    def _keep(self, side: Side, page: Page) -> None:
        """Add what was not known of these records: what was seen of them before stays, or a transition since would be lost."""
        actions = self.context.actions.seen_on(side)
        ids = [record.id for record in page.records]
        mine = Watch.objects.filter(flow=self.context.flow, side=side)
        known = {row.record_id: row for part in chunks(ids) for row in mine.filter(record_id__in=part)}
        fresh, moved = [], []
        for record in page.records:
            now, row = look_at(record, actions, meets(self.context, side, record)), known.get(record.id)
            if row is None:
                fresh.append(new_watch(self.context, side, record.id, now))
            elif (kept := look_of(row).merged(now)) != look_of(row):
                moved.append(noted(row, kept))
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            Watch.objects.bulk_create(fresh, ignore_conflicts=True)
            bulk.update(moved, ("changed_at", "count", "seen_sealed"))
            if page.cursor is not None:
                self._note(side, poll_at=page.cursor.at, poll_id=page.cursor.id)
            self.store.calls.save()

    def _note(self, side: Side, **columns: object) -> None:
        Checkpoint.objects.filter(pk=self._kept(side).pk).update(**columns)
