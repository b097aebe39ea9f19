"""Reading what the platforms say of their tables and objects, and keeping it. Runs in a worker or a command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from mappings.linting.behind import gather
from sync import linting, revisions
from sync.core.records import FieldSchema, Schema, Side
from sync.engine.connect import CallLog, open_connector
from sync.engine.schemas import read_schema
from sync.errors import AuthenticationError, SyncError, TransientError
from sync.models import Connection, Flow, Question, SchemaChange


def ends_of(flow: Flow) -> dict[Side, tuple[Connection, str]]:
    return {
        Side.SERVICENOW: (flow.servicenow_connection, flow.servicenow_table),
        Side.SALESFORCE: (flow.salesforce_connection, flow.salesforce_object),
    }


def answer(question: Question) -> dict[str, Any]:
    """Read what the question asks for: see Question. Raises SyncError."""
    params = question.params or {}
    if question.flow is not None and params.get("table"):
        connection = ends_of(question.flow)[Side(params["side"])][0]
        wanted: list[tuple[Connection, list[str], list[Flow]]] = [(connection, [params["table"]], [])]
    elif question.flow is not None:
        wanted = [
            (connection, [name], [question.flow]) for connection, name in ends_of(question.flow).values()
        ]
    else:
        assert question.connection is not None
        wanted = [(question.connection, used_of(question.connection), list(flows_on(question.connection)))]
    began = timezone.now()
    told = []
    for connection, names, flows in wanted:
        found = read(connection, names)
        for schema in (*found, *read_behind(connection, found, flows)):
            changes = SchemaChange.objects.filter(connection=connection, name=schema.name, seen_at__gte=began)
            told.append({
                "connection": connection.name, "name": schema.name, "fields": len(schema.fields), "changes": changes.count(),
            })  # fmt: skip
        for flow in flows_on(connection):
            linting.note(flow)
    return {"read": told}


def read_behind(connection: Connection, seen: Sequence[Schema], flows: Iterable[Flow]) -> list[Schema]:
    """The tables that the drafts of these flows go behind references to, each once. One that is not shown is left out."""
    side = Side(connection.system)
    known = {schema.name: schema for schema in seen}
    found: list[Schema] = []

    def fetch(table: str) -> Mapping[str, FieldSchema] | None:
        if table not in known:
            try:
                (known[table],) = read(connection, [table])
            except (AuthenticationError, TransientError):
                raise
            except SyncError:
                return None
            found.append(known[table])
        return known[table].fields

    for flow in flows:
        name = ends_of(flow)[side][1]
        spec = revisions.mapping_spec(revisions.snapshot(flow))
        names = [each for each in linting.names_of(spec, side) if "." in each]
        if name in known and names:
            gather(side, name, known[name].fields, names, fetch)
    return found


def flows_on(connection: Connection) -> QuerySet[Flow]:
    on = Q(servicenow_connection=connection) | Q(salesforce_connection=connection)
    return Flow.objects.filter(on, revision__isnull=False).select_related(
        "revision", "user_table", "servicenow_connection", "salesforce_connection"
    )


def used_of(connection: Connection) -> list[str]:
    """The tables or objects of a connection that flows name."""
    side = Side(connection.system)
    column = "servicenow_table" if side is Side.SERVICENOW else "salesforce_object"
    flows = Flow.objects.filter(**{f"{side}_connection": connection})
    return sorted(set(flows.values_list(column, flat=True)))


def read_both(flow: Flow) -> dict[Side, Schema]:
    """Read the flow's table and its object now. Raises SyncError."""
    return {side: read(connection, [name])[0] for side, (connection, name) in ends_of(flow).items()}


def read(connection: Connection, names: Iterable[str]) -> list[Schema]:
    """Read these tables or objects now, as background work. Raises SyncError at the first that cannot be read."""
    log = CallLog(None, {Side(connection.system): connection}, background=True)
    try:
        with closing(open_connector(connection, log)) as connector:
            return [read_schema(connection, connector, name) for name in names]
    finally:
        log.save()
