"""Reading what the platforms say of their tables and objects, and keeping it. Runs in a worker or a command."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from sync.core.records import Schema, Side
from sync.engine.connect import CallLog, open_connector
from sync.engine.context import remember_schema
from sync.models import Connection, Flow


def ends_of(flow: Flow) -> dict[Side, tuple[Connection, str]]:
    return {
        Side.SERVICENOW: (flow.servicenow_connection, flow.servicenow_table),
        Side.SALESFORCE: (flow.salesforce_connection, flow.salesforce_object),
    }


def read_both(flow: Flow) -> dict[Side, Schema]:
    """Read the flow's table and its object now. Raises SyncError."""
    return {side: read(connection, [name])[0] for side, (connection, name) in ends_of(flow).items()}


def read(connection: Connection, names: Iterable[str]) -> list[Schema]:
    """Read these tables or objects now, as background work. Raises SyncError at the first that cannot be read."""
    log = CallLog(None, {Side(connection.system): connection}, background=True)
    try:
        with closing(open_connector(connection, log)) as connector:
            return [remember_schema(connection, connector.describe(name)) for name in names]
    finally:
        log.save()
