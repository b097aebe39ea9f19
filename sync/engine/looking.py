"""The plan without a run: the very code that decides is asked about records, and nothing of it is carried out.

What a preview and an impact stand on. No lease, no intent, no event: only what both platforms show is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from django.utils import timezone

from sync.connectors.base import Connector
from sync.core.records import LookUp, Record, Side
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import Context, build
from sync.engine.deciding import Deciding
from sync.engine.grounds import Look
from sync.engine.items import Item
from sync.engine.lease import Lease
from sync.engine.store import Store
from sync.models import Flow, Revision, Run
from sync.models.base import Lane
from sync.models.link import LinkState
from sync.models.run import RunKind, RunMode

NEWEST = {Side.SERVICENOW: "sys_updated_on desc", Side.SALESFORCE: "SystemModstamp desc"}
NOBODY = "a look"  # holds no lane, so that nothing can be committed in its name


@dataclass
class Looking:
    """One look at a flow by one revision, which may be a draft that was never saved."""

    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    log: CallLog
    deciding: Deciding

    def read(self, side: Side, ids: Sequence[str]) -> Mapping[str, Record]:
        context = self.context
        return self.connectors[side].read(
            context.name(side), ids, context.fields(side), context.number_field(side)
        )

    def newest(self, side: Side, count: int) -> list[str]:
        """Ids of the records in scope that were changed last."""
        context = self.context
        asked = LookUp(
            context.name(side), context.setting(side, "scope"), (), order=(NEWEST[side],), limit=count
        )
        return [record.id for record in self.connectors[side].look_up(asked)]

    def decided(self, side: Side, ids: Sequence[str]) -> tuple[list[Item], list[str]]:
        """What a run would do with these records as they are now, one item each, and the ids of which nothing is shown.

        Of a pair both records are read, also where the plan rests without a look at the other one.
        """
        look = Look(self.store.now(), self.connectors[side].server_now())
        found = self.read(side, ids)
        records = [found[id] for id in ids if id in found]
        made = self.deciding.decide(side, records, look, entered=False, look_up=True)
        items = {item.record.id: item for item in made}
        for record in records:  # at rest without anything to tell
            items.setdefault(record.id, Item(record, side, side.other))
        self._see_others(side, list(items.values()))
        return [items[record.id] for record in records], [id for id in ids if id not in found]

    def _see_others(self, side: Side, items: Sequence[Item]) -> None:
        unseen = {
            item.link.end(side.other): item
            for item in items
            if item.other is None and item.link is not None and item.link.state == LinkState.ACTIVE
        }
        for id, record in self.read(side.other, list(unseen)).items() if unseen else ():
            unseen[id].other = record


@contextmanager
def looking(flow: Flow, revision: Revision) -> Iterator[Looking]:
    """Both platforms, asked in the background: the reserve of calls is left alone.

    Raises SyncError where a platform cannot be asked, or the flow by this revision could not start.
    """
    connections = {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
    log = CallLog(None, connections, background=True)
    try:
        log.ask()
        with ExitStack() as stack:
            opened = {
                side: stack.enter_context(closing(open_connector(connection, log)))
                for side, connection in connections.items()
            }
            context = build(flow, revision, opened[Side.SERVICENOW], opened[Side.SALESFORCE], judging=True)
            # Of the backfill lane: in the live one, what was edited this very second is left to the next look.
            run = Run(flow=flow, revision=revision, kind=RunKind.RESYNC, mode=RunMode.DRY, lane=Lane.BACKFILL)
            lease = Lease(flow.pk, Lane.BACKFILL, NOBODY)
            store = Store(context=context, now=timezone.now, run=run, lease=lease, calls=log)
            yield Looking(context, store, opened, log, Deciding(context, store, opened))
    finally:
        log.save()
