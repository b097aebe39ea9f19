"""How many records a finding of the linter would hit, asked of the live system by reads alone. Runs in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Any

from mappings.linting import Hit
from mappings.text import length
from sync.connectors.base import Connector
from sync.connectors.salesforce import soql
from sync.connectors.servicenow import query
from sync.core.records import FieldSchema, LookUp, Schema, Side
from sync.engine.connect import CallLog, open_connector
from sync.errors import SyncError
from sync.linting import lint_flow
from sync.models import Flow
from sync.schemas import ends_of

LOOKED_AT = 1000  # records, the latest first, where no condition can say which are meant
_LATEST = {Side.SERVICENOW: "sys_updated_on desc", Side.SALESFORCE: "SystemModstamp desc"}
_BARE = frozenset({"boolean", "double", "int", "long", "currency", "percent", "date", "datetime"})


def count_hits(flow: Flow) -> dict[str, Any]:
    """The answer to such a question: see Question. Background work. Raises SyncError where a platform cannot be asked.

    A count that the platform refuses is told in its place, and the others go on.
    """
    ends = ends_of(flow)
    log = CallLog(None, {side: connection for side, (connection, _) in ends.items()}, background=True)
    try:
        with ExitStack() as stack:
            opened = {
                side: stack.enter_context(closing(open_connector(connection, log)))
                for side, (connection, _) in ends.items()
            }
            known: dict[Hit, dict[str, Any]] = {}
            found = lint_flow(flow)
            for finding in found.findings:
                if finding.hit is not None and finding.hit not in known:
                    side = Side(finding.hit.side)
                    known[finding.hit] = _counted(opened[side], flow, finding.hit, found.schemas[side])
            return {"hits": {each.key: known[each.hit] for each in found.findings if each.hit is not None}}
    finally:
        log.save()


def _counted(connector: Connector, flow: Flow, hit: Hit, schema: Schema | None) -> dict[str, Any]:
    """`of`: how many records were looked at, where that was not all of them."""
    side = Side(hit.side)
    name, scope = ends_of(flow)[side][1], getattr(flow, f"{side}_scope")
    try:
        condition = _condition(hit, scope, schema)
        if condition is not None:
            return {"records": connector.count(name, condition), "of": None}
        records = connector.look_up(
            LookUp(name, scope, (hit.column,), order=(_LATEST[side],), limit=LOOKED_AT)
        )
    except SyncError as error:
        return {"records": None, "of": None, "trouble": error.message}
    texts = [str(record.values.get(hit.column) or "") for record in records]
    found = sum(length(text) > hit.length for text in texts)
    return {"records": found, "of": len(texts) if len(texts) == LOOKED_AT else None}


def _condition(hit: Hit, scope: str, schema: Schema | None) -> str | None:
    """What either platform is asked; None where it cannot be asked for that."""
    fields = schema.fields if schema else {}
    if hit.kind == "longer" or (
        hit.side == Side.SALESFORCE and hit.kind == "filled" and _is_long(fields.get(hit.column))
    ):
        return None
    if hit.side == Side.SERVICENOW:
        return query.every(scope, _encoded(hit))
    return soql.both(scope, _soql(hit, fields))


def _is_long(field: FieldSchema | None) -> bool:
    """Salesforce filters by no long text."""
    return field is not None and field.type == "textarea" and field.length > 255


def _encoded(hit: Hit) -> str:
    if hit.kind == "filled":
        return f"{query.name(hit.column)}ISNOTEMPTY"
    parts = [query.one_of(name, values) for name, values in _alone(hit).items()]
    parts += ["^".join(query.one_of(name, [value]) for name, value in terms) for terms in _together(hit)]
    return "^NQ".join(parts)


def _soql(hit: Hit, fields: Mapping[str, FieldSchema]) -> str:
    if hit.kind == "filled":
        return f"{soql.name(hit.column)} != null"
    alternatives = [*hit.any_of]
    told = [
        " AND ".join(_equal(name, value, fields.get(name)) for name, value in terms) for terms in alternatives
    ]
    return " OR ".join(f"({each})" for each in told)


def _equal(name: str, value: str, field: FieldSchema | None) -> str:
    if not value:
        return f"{soql.name(name)} = null"
    if field is not None and field.type in _BARE:
        return f"{soql.name(name)} = {value}"
    return f"{soql.name(name)} = {soql.quoted(value)}"


def _alone(hit: Hit) -> dict[str, list[str]]:
    """Alternatives of one term each, by field."""
    found: dict[str, list[str]] = {}
    for terms in hit.any_of:
        if len(terms) == 1:
            found.setdefault(terms[0][0], []).append(terms[0][1])
    return found


def _together(hit: Hit) -> list[tuple[tuple[str, str], ...]]:
    return [terms for terms in hit.any_of if len(terms) > 1]
