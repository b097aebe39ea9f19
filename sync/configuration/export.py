"""The database as a configuration file: the same database gives the same lines, and applying them changes nothing.

Secrets are written as references, named after connection and secret; whoever applies the file elsewhere sets those
variables, and here the stored ones stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from mappings.models import FieldRow, RoutingTable, UserTable, ValueMap, ValueMapEntry
from mappings.models.valuemap import parse_along
from sync.configuration.documents import GUARD, Create, FlowDoc, Limits
from sync.configuration.routes import exported
from sync.configuration.rules import BULK
from sync.connectors.auth import METHODS
from sync.core.files import exact_size, patterns_of, size_of
from sync.core.records import Side
from sync.models import Connection, Flow, Schedule
from sync.models.flow import KeyStrategy
from sync.recipes import shipped
from sync.recipes.filling import left_out

Part = dict[str, Any]


def export(*, connections: bool = True) -> str:
    """`connections` False: without them, for another installation, whose own ones of the same names are then used."""
    sections = {
        "connections": [_connection(row) for row in Connection.objects.order_by("name") if connections],
        "value_maps": [_value_map(row) for row in ValueMap.objects.order_by("name")],
        "user_tables": [_user_table(row) for row in UserTable.objects.order_by("name")],
        "routing_tables": [exported(row) for row in RoutingTable.objects.order_by("name")],
        "flows": [
            _flow(row) for row in Flow.objects.order_by("name").select_related("user_table", "routing_table")
        ],
    }
    body: Part = {"version": 1} | {name: parts for name, parts in sections.items() if parts}
    return yaml.dump(
        body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False
    )


def reference(connection: str, secret: str) -> str:
    return "${" + re.sub(r"[^A-Z0-9]", "_", f"{connection}_{secret}".upper()) + "}"


def _without(part: Mapping[str, Any], defaults: Mapping[str, Any]) -> Part:
    """Leave out what an absent key means anyway."""
    return {key: value for key, value in part.items() if key not in defaults or value != defaults[key]}


def _connection(row: Connection) -> Part:
    method = METHODS.get((Side(row.system), row.auth))
    known = method.secret_names if method else ()
    secrets = [name for name in known if (row.secrets_set or {}).get(name)]
    limits = {
        "concurrency": row.concurrency,
        "requests": row.limit_requests,
        "per": row.limit_per,
        "reserve": f"{row.reserve_percent}%",
    }
    usual = Limits()
    part = {
        "name": row.name,
        "system": row.system,
        "url": row.url,
        "auth": row.auth,
        "username": row.username,
        "audience": row.audience,
        "key_id": row.key_id,
        "secrets": {name: reference(row.name, name) for name in secrets},
        "ca_bundle": row.ca_bundle,
        "api_version": row.api_version,
        "limits": _without(
            limits,
            {
                "concurrency": usual.concurrency,
                "requests": 0,
                "per": usual.per,
                "reserve": f"{usual.reserve}%",
            },
        ),
    }
    return _without(
        part,
        {
            "username": "",
            "audience": "",
            "key_id": "",
            "secrets": {},
            "ca_bundle": "",
            "api_version": "",
            "limits": {},
        },
    )


def _per_direction(row: Any, prefix: str, default: str) -> Part:
    both = {way: getattr(row, f"{prefix}_{way}") for way in ("to_salesforce", "to_servicenow")}
    return _without(both, dict.fromkeys(both, default))


def _entry(row: Any, *more: str) -> Part:
    names = (*more, "servicenow", "salesforce", "direction")
    return _without({name: getattr(row, name) for name in names}, {"direction": "both"})


def _value_entry(row: ValueMapEntry) -> Part:
    return _without({**_entry(row), "along": parse_along(row.along)}, {"along": {}})


def _value_map(row: ValueMap) -> Part:
    part = {
        "name": row.name,
        "description": row.description,
        "unmapped": _per_direction(row, "unmapped", "fail"),
        "default": _per_direction(row, "default", ""),
        "entries": [_value_entry(entry) for entry in row.entries.all()],
    }
    return _without(part, {"description": "", "unmapped": {}, "default": {}})


def _user_table(row: UserTable) -> Part:
    entries = row.entries.order_by("kind", "servicenow", "salesforce")
    part = {
        "name": row.name,
        "fallback": _per_direction(row, "fallback", ""),
        "entries": [_entry(entry, "kind") for entry in entries],
    }
    return _without(part, {"fallback": {}})


def _flow(row: Flow) -> Part:
    schedule = Schedule.objects.filter(flow=row).first()
    create = {"salesforce": row.create_in_salesforce, "servicenow": row.create_in_servicenow}
    part = {
        "name": row.name,
        "recipe": row.recipe,
        "enabled": row.enabled,
        "servicenow": _servicenow_end(row),
        "salesforce": _salesforce_end(row),
        "direction": row.direction,
        "create": _without(create, {"salesforce": Create().salesforce, "servicenow": Create().servicenow}),
        **{name: getattr(row, name) for name in ("conflict", "tie", "adopt", "drift", "on_leave")},
        "user_table": row.user_table.name if row.user_table else "",
        "routing_table": row.routing_table.name if row.routing_table else "",
        "schedule": schedule.cron if schedule else "",
        **{name: getattr(row, name) for name in ("time_zone", "start", "overlap", "patience", "reconcile")},
        "deletions": _deletions(row.options.get("deletions")),
        "comments": _comments(row.options.get("comments")),
        "attachments": _attachments(row.options.get("attachments")),
        "guard": "strict" if row.options.get("guard") == "strict" else GUARD,
        "bulk": row.options.get("bulk", BULK),
        "approval": bool(row.options.get("approval")),
        "actions": row.options.get("actions") or [],
        "fields": [_field(field) for field in row.rows.select_related("value_map")],
    }
    return left_out(shipped(), row.recipe, _without(part, _FLOW_DEFAULTS))


# As FlowDoc says them; `direction` and `enabled` are always written, because readers look for them.
_FLOW_DEFAULTS: Part = {
    name: FlowDoc.__dataclass_fields__[name].default
    for name in [
        "recipe",
        "conflict",
        "tie",
        "adopt",
        "drift",
        "on_leave",
        "user_table",
        "routing_table",
        "schedule",
        "time_zone",
        "start",
        "overlap",
        "patience",
        "reconcile",
        "guard",
        "bulk",
        "approval",
    ]
} | {"create": {}, "deletions": {}, "comments": {}, "attachments": None, "actions": []}


def _deletions(stored: Any) -> Part:
    known = stored if isinstance(stored, dict) else {}
    return {name: known[name] for name in ("servicenow", "salesforce", "close") if known.get(name)}


def _comments(stored: Any) -> Part:
    known = stored if isinstance(stored, dict) else {}
    return {name: known[name] for name in ("comments", "work_notes", "before_link") if known.get(name)}


def _attachments(stored: Any) -> Part | None:
    """None: no files are carried; an empty part: all that the defaults allow."""
    if not isinstance(stored, dict):
        return None
    wanted = {
        "direction": stored.get("direction"),
        "max_size": exact_size(size_of(stored)) if stored.get("max_size") else "",
        **{name: list(patterns_of(stored.get(name))) for name in ("types", "except")},
    }
    return {name: value for name, value in wanted.items() if value}


def _servicenow_end(row: Flow) -> Part:
    part = {
        "connection": row.servicenow_connection.name,
        "table": row.servicenow_table,
        "scope": row.servicenow_scope,
        "enter": row.servicenow_enter,
        row.servicenow_key: row.servicenow_key_field,
    }
    return _without(part, {"scope": "", "enter": "", KeyStrategy.SYS_ID.value: row.servicenow_key_field})


def _salesforce_end(row: Flow) -> Part:
    part = {
        "connection": row.salesforce_connection.name,
        "object": row.salesforce_object,
        row.salesforce_key: row.salesforce_key_field,
        "key_prefix": row.options.get("key_prefix", ""),
        "scope": row.salesforce_scope,
        "enter": row.salesforce_enter,
    }
    return _without(part, {"key_prefix": "", "scope": "", "enter": ""})


def _field(row: FieldRow) -> Part:
    value_map = row.value_map.name if row.value_map else ""
    part = {
        "servicenow": row.servicenow,
        "salesforce": row.salesforce,
        "direction": row.direction,
        "transform": row.transform,
        "reverse": row.reverse,
        "value_map": value_map,
        "value": row.value,
        "default": row.default,
        "required": row.required,
        "conflict": row.conflict,
    }
    implied = "value_map" if value_map else "copy"
    empty = dict.fromkeys(
        ("servicenow", "direction", "reverse", "value_map", "value", "default", "conflict"), ""
    )
    return _without(part, {**empty, "transform": implied, "required": False})


class _Dumper(yaml.SafeDumper):
    """Lists indented under their key, and every text that YAML could take for something else in quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """YAML's other line breaks (NEL, U+2028, U+2029) are kept by double quotes alone."""
        broken = not _OTHER_BREAKS.isdisjoint(data)
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if broken else None)


_OTHER_BREAKS = frozenset("\x85\u2028\u2029")
_Dumper.add_representer(str, _Dumper.represent_str)
