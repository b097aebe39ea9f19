"""Which model columns a part of the file sets; apply writes through these tables and export reads through them."""

from __future__ import annotations

from typing import Any

from mappings.models import FieldRow, RoutingTable, UserTable, ValueMap
from sync.configuration.actions import stored
from sync.configuration.documents import (
    GUARD,
    Attachments,
    Comments,
    ConnectionDoc,
    Deletions,
    FieldDoc,
    FlowDoc,
    Said,
    UserTableDoc,
    ValueMapDoc,
)
from sync.configuration.rules import BULK
from sync.connectors.addresses import checked_origin
from sync.core.files import USUAL_SIZE
from sync.core.notes import KINDS, OFF, Place, leaks
from sync.models import Connection, Flow
from sync.models.flow import KeyStrategy

Columns = dict[str, Any]
SIDES = ("servicenow", "salesforce")


def connection_columns(doc: ConnectionDoc) -> Columns:
    return {
        "system": doc.system,
        "url": checked_origin(doc.url),
        "auth": doc.auth,
        "username": doc.username,
        "ca_bundle": doc.ca_bundle,
        "api_version": doc.api_version,
        "audience": doc.audience,
        "key_id": doc.key_id,
        "concurrency": doc.limits.concurrency,
        "limit_requests": doc.limits.requests,
        "limit_per": doc.limits.per,
        "reserve_percent": doc.limits.reserve,
    }


def value_map_columns(doc: ValueMapDoc) -> Columns:
    return {
        "description": doc.description,
        "unmapped_to_salesforce": doc.unmapped.to_salesforce or "fail",
        "unmapped_to_servicenow": doc.unmapped.to_servicenow or "fail",
        "default_to_salesforce": doc.default.to_salesforce,
        "default_to_servicenow": doc.default.to_servicenow,
    }


def user_table_columns(doc: UserTableDoc) -> Columns:
    return {
        "fallback_to_salesforce": doc.fallback.to_salesforce,
        "fallback_to_servicenow": doc.fallback.to_servicenow,
    }


def flow_columns(doc: FlowDoc) -> Columns:
    """All but the names of other rows; `enabled` only if the file says it."""
    here, there = doc.servicenow, doc.salesforce
    enabled = {} if doc.enabled is None else {"enabled": doc.enabled}
    return enabled | {
        "recipe": doc.recipe,
        "servicenow_table": here.table,
        "servicenow_scope": here.scope,
        "servicenow_enter": here.enter,
        "servicenow_key": _servicenow_key(doc),
        "servicenow_key_field": here.coalesce or here.field,
        "salesforce_object": there.object,
        "salesforce_scope": there.scope,
        "salesforce_enter": there.enter,
        "salesforce_key": KeyStrategy.EXTERNAL_ID.value if there.external_id else KeyStrategy.LOOKUP.value,
        "salesforce_key_field": there.external_id or there.lookup,
        "create_in_salesforce": doc.create.salesforce,
        "create_in_servicenow": doc.create.servicenow,
        **{name: getattr(doc, name) for name in FLOW_SAME},
        "options": {
            **with_guard(doc.guard),
            **with_bulk(doc.bulk),
            **with_approval(doc.approval),
            **with_key_prefix(there.key_prefix),
            **with_deletions(doc.deletions),
            **with_comments(doc.comments),
            **with_attachments(doc.attachments, doc.direction),
            **stored(doc.actions),
        },
    }


# Columns of a flow that carry the name of their key.
FLOW_SAME = (
    "direction",
    "conflict",
    "tie",
    "adopt",
    "drift",
    "on_leave",
    "start",
    "time_zone",
    "overlap",
    "patience",
    "reconcile",
)


def with_guard(guard: str) -> dict[str, str]:
    """The option as the engine reads it; the usual guard is kept unsaid."""
    return {} if guard == GUARD else {"guard": guard}


def with_approval(demanded: bool) -> dict[str, bool]:
    """Likewise: whether a plan is approved by a second person before it is applied."""
    return {"approval": True} if demanded else {}


def with_bulk(bulk: str | int) -> dict[str, str | int]:
    """The option as the engine reads it; the usual one is kept unsaid."""
    return {} if bulk == BULK else {"bulk": bulk}


def with_key_prefix(prefix: str) -> dict[str, str]:
    return {"key_prefix": prefix} if prefix else {}


def with_deletions(doc: Deletions) -> Columns:
    """The policies as the engine reads them; what says nothing is left out."""
    policies = {side: policy for side in SIDES if (policy := getattr(doc, side)) != "ignore"}
    closing = {side: dict(values) for side in SIDES if (values := getattr(doc.close, side))}
    found = {**policies, **({"close": closing} if closing else {})}
    return {"deletions": found} if found else {}


def with_comments(doc: Comments) -> Columns:
    """What is carried, as the engine reads it; what says nothing is left out, and so is a tick that nothing needs."""
    found = {
        kind.value: _said(kind, getattr(doc, kind)) for kind in KINDS if getattr(doc, kind).salesforce != OFF
    }
    if not found:
        return {}
    return {"comments": {**found, **({"before_link": "carry"} if doc.before_link == "carry" else {})}}


def _said(kind: Place, doc: Said) -> Columns:
    wanted = doc.public.reason.strip() if leaks(kind, Place(doc.salesforce)) else ""
    return {
        "salesforce": doc.salesforce,
        **({"direction": doc.direction} if doc.direction else {}),
        **({"public": {"reason": wanted}} if wanted else {}),
    }


def with_attachments(doc: Attachments | None, direction: str) -> Columns:
    """Which files are carried, as the engine reads it; what the flow's own `direction` and the defaults say is left out."""
    if doc is None:
        return {}
    wanted = {
        "direction": doc.direction if doc.direction != direction else "",
        "max_size": doc.max_size if doc.max_size != USUAL_SIZE else 0,
        "types": list(doc.types),
        "except": list(doc.excluded),
    }
    return {"attachments": {name: value for name, value in wanted.items() if value}}


def _servicenow_key(doc: FlowDoc) -> str:
    if doc.servicenow.coalesce:
        return KeyStrategy.COALESCE.value
    return KeyStrategy.FIELD.value if doc.servicenow.field else KeyStrategy.SYS_ID.value


def row_columns(doc: FieldDoc, position: int) -> Columns:
    """All but the value map."""
    same = ("salesforce", "servicenow", "direction", "value", "default", "required", "conflict", "reverse")
    return {"position": position, "transform": doc.how} | {name: getattr(doc, name) for name in same}


def differing(
    row: Connection | Flow | FieldRow | UserTable | RoutingTable | ValueMap, wanted: Columns
) -> Columns:
    """The columns of `wanted` that the row does not hold."""
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}
