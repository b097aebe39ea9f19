"""After a restoration the bases are older than both sides: what they are worth, and when that is over.

Between the backup and the loss the console went on: it carried an edit over, and that is forgotten. Suppose ServiceNow
showed 0, both sides agreed on 0, somebody made it 1 there, we wrote 1 to Salesforce, and somebody made it 0 again: by
the restored base Salesforce alone has changed, and its 1, our own echo, would go over the person's 0. A value that
equals the base is only known not to have moved while its record was not touched since the backup. Where it was, the
base of a field of which the other side differs is forgotten, and the field follows the flow's `adopt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mappings.apply import canonical
from sync.connectors.base import Connector
from sync.core.records import Record, Side
from sync.engine.context import Context
from sync.engine.items import Item
from sync.engine.store import Store
from sync.models import ActionRun, Flow, Waiting
from sync.models.action import ACTION_UNDER_WAY
from sync.models.base import Lane
from sync.models.run import FROM_CHECKPOINT


class Recovery:
    """What a run has to mind in a flow that was restored; nothing in any other."""

    def __init__(self, context: Context, store: Store, connectors: Mapping[Side, Connector]) -> None:
        self._context, self._store, self._connectors = context, store, connectors

    @property
    def backup_at(self) -> datetime | None:
        return self._context.flow.restored_from

    @property
    def is_on(self) -> bool:
        return self.backup_at is not None

    def since(self, side: Side) -> datetime | None:
        """When the backup was made, by the side's clock, an overlap taken off."""
        if self.backup_at is None:
            return None
        offset = self._connectors[side].server_now() - self._store.now()
        return self.backup_at + offset - self._context.overlap

    def touched(self, side: Side, record: Record) -> bool:
        """Whether the record may have been edited since the backup."""
        since = self.since(side)
        return since is not None and record.version.changed_at >= since

    def forget_doubtful(self, item: Item) -> None:
        """Take away the base of fields whose unchanged side may have moved and come back unseen."""
        if not self._is_old(item) or item.servicenow is None or item.salesforce is None:
            return
        records = {Side.SERVICENOW: item.servicenow, Side.SALESFORCE: item.salesforce}
        touched = {side: self.touched(side, record) for side, record in records.items()}
        base = item.known_base()
        for row in self._context.rows:
            if (known := base.get(row.id)) is None:
                continue
            here, there = row.read(item.servicenow.values), item.salesforce.values.get(row.target)
            moved = {
                Side.SERVICENOW: canonical(here) != canonical(known[0]),
                Side.SALESFORCE: canonical(there) != canonical(known[1]),
            }
            if any(moved[side] and not moved[side.other] and touched[side.other] for side in Side):
                del base[row.id]
                item.base_moved = True

    def _is_old(self, item: Item) -> bool:
        """Whether the pair's base is the backup's; one that has moved since knows what both sides showed then."""
        if self.backup_at is None or item.link is None or item.new_link:
            return False
        return item.link.synced_at is None or item.link.synced_at <= self.backup_at

    def end(self) -> None:
        """Both sides were read to their ends. What still waits, an action too, is done later, and minds the backup until then."""
        run, flow = self._store.run, self._context.flow
        whole = (
            run.kind in FROM_CHECKPOINT and run.lane == Lane.LIVE and not run.params and not self._store.dry
        )
        if not self.is_on or not whole or Waiting.objects.filter(flow=flow).exists():
            return
        if not ActionRun.objects.filter(flow=flow, status__in=ACTION_UNDER_WAY).exists():
            Flow.objects.filter(pk=flow.pk).update(restored_from=None)
            flow.restored_from = None
