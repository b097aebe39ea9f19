"""Which desk each pair belongs to and stands on, kept beside the pairs; and what becomes of hand-overs that are carried out.

Only flows with a routing table ask for any of this. Everything here is written in the transaction of the page that saw it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from mappings.models import Desk, RoutingTable
from mappings.routing import GROUP, OWNER, PERSON, Routing
from sync.connectors.base import Connector
from sync.core.planner import values_of
from sync.core.records import Side
from sync.engine.bulk import chunks
from sync.engine.items import Item
from sync.models import Flow, Placement
from sync.models.link import LinkState

FRESH_FOR = timedelta(hours=1)
AT_ONCE = 500
Seen = dict[str, dict[str, Any] | None]


def routing_of(flow: Flow, servicenow: Connector, salesforce: Connector, *, now: datetime) -> Routing | None:
    """The flow's table with the ids of its desks; where it has changed since, every record is placed anew."""
    table = flow.routing_table
    if table is None:
        return None
    if table.resolved_at is None or table.resolved_at < now - FRESH_FOR:
        _resolve(table, servicenow, salesforce, now)
    routing = table.spec()
    if (digest := _digest(routing)) != table.digest:
        place_anew(table, routing, now)
        RoutingTable.objects.filter(pk=table.pk).update(digest=digest)
    return routing


def _resolve(table: RoutingTable, servicenow: Connector, salesforce: Connector, now: datetime) -> None:
    """Look all groups and queues up; what is inactive or not there has no id. Raises what the connectors raise."""
    desks = list(table.desks.all())
    groups, queues = sorted({desk.servicenow for desk in desks}), sorted({desk.salesforce for desk in desks})
    with ThreadPoolExecutor(1) as side_by_side:
        asked = side_by_side.submit(servicenow.people, "group", groups) if groups else None
        there = salesforce.people("group", queues) if queues else {}
        here = asked.result() if asked else {}
    for desk in desks:
        group, queue = here.get(desk.servicenow), there.get(desk.salesforce)
        desk.servicenow_id = group.id if group and group.active else ""
        desk.salesforce_id = queue.id if queue and queue.active else ""
    with transaction.atomic():
        Desk.objects.bulk_update(desks, ["servicenow_id", "salesforce_id"])
        RoutingTable.objects.filter(pk=table.pk).update(resolved_at=now)


def _digest(routing: Routing) -> str:
    said = [[repr(desk) for desk in routing.desks], [repr(route) for route in routing.routes]]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def place_anew(table: RoutingTable, routing: Routing, now: datetime) -> None:
    """By what was seen of each pair last; a field that the table names only now is seen with the pair's next look."""
    rows = Placement.objects.filter(link__flow__routing_table=table).order_by("pk")
    last = None
    while part := list((rows.filter(pk__gt=last) if last else rows)[:AT_ONCE]):
        for row in part:
            _fill(row, routing, row.seen or {}, row.seen_at)
        Placement.objects.bulk_update(part, ["belongs", "here", "there", "wrong"])
        last = part[-1].pk


def record_placements(routing: Routing, flow: int, items: Iterable[Item], now: datetime) -> None:
    """Inside the caller's transaction: the pairs of the flow as this page saw and left them."""
    met = {
        item.link.pk: item
        for item in items
        if item.link is not None and item.link.flow_id == flow and item.link.state == LinkState.ACTIVE
    }
    held = {row.link_id: row for part in chunks(list(met)) for row in Placement.objects.filter(link__in=part)}
    made: list[Placement] = []
    moved: list[Placement] = []
    for key, item in met.items():
        row = held.get(key)
        before: Mapping[str, Any] = (row.seen if row else None) or {}
        seen = {side.value: _seen(item, side, routing, before.get(side)) for side in Side}
        if row is not None and seen == before:
            continue
        row = row or Placement(link=item.link)
        _fill(row, routing, seen, now)
        (moved if key in held else made).append(row)
    Placement.objects.bulk_create(made, batch_size=AT_ONCE)
    Placement.objects.bulk_update(moved, _COLUMNS, batch_size=AT_ONCE)


_COLUMNS = [
    "belongs",
    "here",
    "there",
    "wrong",
    "group_id",
    "person_id",
    "owner_id",
    "seen_at",
    "seen_sealed",
]


def _seen(item: Item, side: Side, routing: Routing, before: Any) -> dict[str, Any] | None:
    """The values that matter of the record on `side`, as they stand after what was written; None if it was never seen."""
    record = item.servicenow if side is Side.SERVICENOW else item.salesforce
    known = record.values if record is not None else before
    written = values_of(item.writes) | item.extra if item.written and item.to is side else {}
    if known is None and not written:
        return None
    values = {**(known or {}), **written}
    return {name: values.get(name) for name in routing.fields(side)}


def _fill(row: Placement, routing: Routing, seen: Mapping[str, Any], now: datetime) -> None:
    placed = routing.place(seen)
    row.belongs, row.here, row.there, row.wrong = placed.belongs, placed.here, placed.there, placed.wrong
    here, there = seen.get("servicenow") or {}, seen.get("salesforce") or {}
    row.group_id, row.person_id = str(here.get(GROUP) or "")[:32], str(here.get(PERSON) or "")[:32]
    row.owner_id, row.seen_at, row.seen = str(there.get(OWNER) or "")[:18], now, dict(seen)
