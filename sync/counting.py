"""How many records a run would look at, asked of the platforms before anybody confirms it. Nothing is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import datetime
from typing import Any

from sync.connectors.base import Connector
from sync.connectors.salesforce import soql
from sync.connectors.servicenow import query
from sync.core.records import Side
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import Context, build
from sync.engine.known import Known
from sync.engine.naming import find_named
from sync.engine.runner import EVERYTHING, NOW
from sync.errors import ConfigurationError
from sync.models import Flow, RecordLink

FIRST = "first"  # kind of what a flow's very first run would do, by its `start`


def count(flow: Flow, params: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a count of this run: see Question. Background work, which leaves the reserve of calls alone.

    Raises SyncError where a platform cannot be asked, or the flow cannot start.
    """
    if flow.revision is None:
        raise ConfigurationError("The flow has no published revision.", advice="Save it to publish one.")
    connections = {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
    log = CallLog(None, connections, background=True)
    try:
        with ExitStack() as stack:
            opened = {
                side: stack.enter_context(closing(open_connector(connection, log)))
                for side, connection in connections.items()
            }
            context = build(flow, flow.revision, opened[Side.SERVICENOW], opened[Side.SALESFORCE])
            if params.get("ids"):
                return _named(context, params["ids"], opened)
            return _ranged(context, params, opened)
    finally:
        log.save()


def _named(context: Context, names: list[str], opened: Mapping[Side, Connector]) -> dict[str, Any]:
    found = find_named(names, context, Known(context=context, now=datetime.now), opened)
    sides = [
        {"side": side, "name": context.name(side), "records": len(ids), "entering": None}
        for side, ids in found.ids.items()
        if ids
    ]
    return {"sides": sides, "linked": _linked(context.flow), "unknown": found.unknown}


def _ranged(context: Context, params: Mapping[str, Any], opened: Mapping[Side, Connector]) -> dict[str, Any]:
    linked = _linked(context.flow)
    since, until = _moment(params.get("since")), _moment(params.get("until"))
    if params.get("kind") == FIRST:
        start = context.settings.get("start") or EVERYTHING
        if start == NOW:
            return {"sides": [], "linked": linked, "unknown": []}
        since = None if start == EVERYTHING else _moment(start)
    # Where nothing is linked, a side of which nothing is created is not read.
    sides = [side for side in context.reads if linked or context.creates(side.other)]
    counted = []
    for side in sides:
        entering = None
        records = opened[side].count(context.name(side), _condition(context, side, since, until))
        if context.creates(side.other):
            enter = context.setting(side, "enter")
            condition = _condition(context, side, since, until, enter)
            entering = opened[side].count(context.name(side), condition) if enter else records
        counted.append({"side": side, "name": context.name(side), "records": records, "entering": entering})
    return {"sides": counted, "linked": linked, "unknown": []}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _condition(
    context: Context, side: Side, since: datetime | None, until: datetime | None, enter: str = ""
) -> str:
    scope = context.setting(side, "scope")
    if side is Side.SERVICENOW:
        return query.every(scope, enter, query.within(since, until))
    return soql.both(scope, enter, soql.within(since, until))


def _linked(flow: Flow) -> int:
    return RecordLink.objects.filter(flow=flow).count()
