"""What each flow of a connection lacks on its platform, by name, and what its user may do that no flow needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mappings.cells import columns_of
from mappings.spec import FieldSpec
from sync.connectors.base import Connector
from sync.core.records import ChangeQuery, FieldSchema, Finding, Probe, Schema, Side
from sync.engine.context import number_column
from sync.engine.schemas import read_schema
from sync.errors import SyncError
from sync.models import Connection, Flow
from sync.recipes.shelf import shipped

# Of ServiceNow: roles that open everything.
_TOO_MUCH = ("admin", "security_admin", "impersonator")
_TO = {Side.SERVICENOW: "to_servicenow", Side.SALESFORCE: "to_salesforce"}
_ADVICE = {
    Side.SERVICENOW: "Add the columns or let the integration user read and write them, or take their rows out of the flow.",
    Side.SALESFORCE: "Deploy deploy/salesforce and assign its permission set to the integration user, or add the fields and "
    "grant field-level security; or take their rows out of the flow.",
}


@dataclass(slots=True)
class _Asker:
    """Asks for each table or object once, however many flows use it; None where the probe has said why not."""

    connection: Connection
    connector: Connector
    side: Side
    seen: dict[str, Schema | None] = field(default_factory=dict)

    def schema(self, name: str) -> Schema | None:
        if name not in self.seen:
            try:
                self.seen[name] = read_schema(self.connection, self.connector, name)
            except SyncError:
                self.seen[name] = None
        return self.seen[name]


def lacking(connection: Connection, connector: Connector, probe: Probe) -> list[Finding]:
    """A line for each flow on the connection, and one for rights beyond all of them. Nothing is asked of one that is out."""
    if any(each.code in ("reached", "authenticated") and each.status == "error" for each in probe.findings):
        return []
    side = Side(connection.system)
    asker = _Asker(connection, connector, side)
    roles = {name for name in probe.facts.get("roles", "").split(", ") if name}
    flows = Flow.objects.filter(**{f"{side.value}_connection": connection}).order_by("name")
    found = [_of_flow(flow, asker, roles) for flow in flows.defer("revision")]
    return [*found, *_excess(roles)]


def _of_flow(flow: Flow, asker: _Asker, roles: set[str]) -> Finding:
    name = flow.servicenow_table if asker.side is Side.SERVICENOW else flow.salesforce_object
    schema = asker.schema(name)
    if schema is None:
        text = f"{flow.name}: {name} is not there, or the user may not see it."
        return Finding("flow", "error", text, "Install it, or give the user access to it.")
    specs = [row.spec() for row in flow.rows.select_related("value_map")]
    missing = [*_columns(flow, specs, schema, asker.side), *_hidden(flow, specs, schema, asker)]
    if missing:
        return Finding("flow", "error", f"{flow.name}: {'; '.join(missing)}.", _ADVICE[asker.side])
    if unheld := _roles_of(flow, asker.side) - roles if roles else set():
        text = f"{flow.name}: the user does not have {', '.join(sorted(unheld))}, which its recipe names."
        return Finding("flow", "warning", text, "Give it the role, unless it has the same rights otherwise.")
    return Finding("flow", "ok", f"{flow.name}: nothing that it names of {name} is missing.")


def _columns(flow: Flow, specs: list[FieldSpec], schema: Schema, side: Side) -> Iterator[str]:
    """What is missing of fields and rights, in words."""
    known = {name.casefold(): each for name, each in schema.fields.items()}
    named = {column for spec in specs for column in _named(spec, side)}
    if side is Side.SALESFORCE and flow.salesforce_key_field:
        named.add(flow.salesforce_key_field)
    if unknown := sorted(name for name in named if name.casefold() not in known):
        yield f"{schema.name} has no {', '.join(unknown)}, or the user cannot see it"
    creates = flow.create_in_servicenow if side is Side.SERVICENOW else flow.create_in_salesforce
    if creates and not any(each.createable for each in known.values()):
        yield f"the user may not create {schema.name}"
    written = {
        column
        for spec in specs
        if (spec.direction or flow.direction) in ("both", _TO[side])
        for column in _written(spec, side)
    }
    found = {name: known[name.casefold()] for name in written if name.casefold() in known}
    if fixed := sorted(name for name, each in found.items() if not _open(each, creates=creates)):
        yield f"the user may not write {', '.join(f'{schema.name}.{name}' for name in fixed)}"


def _named(spec: FieldSpec, side: Side) -> set[str]:
    """Fields that a row names; what lies behind a reference is another table's."""
    named = columns_of(spec) if side is Side.SERVICENOW else _written(spec, side)
    return {name for name in named if name and "." not in name}


def _written(spec: FieldSpec, side: Side) -> set[str]:
    named = spec.servicenow if side is Side.SERVICENOW else spec.salesforce.split(",")
    return {name.strip() for name in named if name.strip() and "." not in name}


def _open(each: FieldSchema, *, creates: bool) -> bool:
    return each.updateable or (creates and each.createable)


def _hidden(flow: Flow, specs: list[FieldSpec], schema: Schema, asker: _Asker) -> Iterator[str]:
    """Access control of ServiceNow hides columns that the dictionary shows: one row is looked at."""
    if asker.side is Side.SALESFORCE:
        return
    columns = {name for spec in specs for name in _named(spec, asker.side)} & schema.fields.keys()
    table = flow.servicenow_table
    query = ChangeQuery(
        table, tuple(sorted(columns)), number_column(table), flow.servicenow_scope, page_size=1
    )
    try:
        next(iter(asker.connector.changes(query)), None)
    except SyncError as error:
        yield error.message.rstrip(".")


def _roles_of(flow: Flow, side: Side) -> set[str]:
    """The roles that the flow's recipe names for ServiceNow, where it was made of one."""
    recipe = shipped().get(flow.recipe.partition("/")[0])
    if recipe is None or side is Side.SALESFORCE:
        return set()
    told = [need.name for need in recipe.needs.of(side.value) if need.what == "role"]
    return {name for each in told for name in re.split(r",\s*|\s+and\s+", each) if name}


def _excess(roles: set[str]) -> Iterator[Finding]:
    if more := [name for name in _TOO_MUCH if name in roles]:
        text = f"The user has {', '.join(more)}, which is more than any flow needs."
        yield Finding(
            "excess",
            "warning",
            text,
            "Take it away; the recipes name the roles that do, beside integration_console.",
        )
