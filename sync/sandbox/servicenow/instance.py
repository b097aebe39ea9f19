"""What a fresh instance holds before any work: dictionary, choices, properties, people, groups, roles."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from sync.sandbox.credentials import ServiceNowCredentials
from sync.sandbox.people import GROUPS, PEOPLE
from sync.sandbox.platform import PlatformContext
from sync.sandbox.servicenow.configured import CONFIGURED
from sync.sandbox.servicenow.delivered import ADMIN_ROLE, DEPARTMENTS, USERS
from sync.sandbox.servicenow.records import Records
from sync.sandbox.servicenow.schema import SYSTEM_COLUMNS, Choice, Column, Registry, Table
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.store import Store

Values = dict[str, str]

# Roles of the demo logins. itil reads and writes tasks; the others open the tables an integration also reads.
SYNC_ROLES = (
    "itil",
    "snc_platform_rest_api_access",
    "audit_reader",
    "import_transformer",
    "asset",
    "knowledge",
    "catalog",
    "sn_customerservice_agent",
)
ADMIN_ROLES = ("admin",)


def fixed_id(*parts: str) -> str:
    """A sys_id derived from names, the same on every start."""
    return hashlib.md5("/".join(parts).encode(), usedforsecurity=False).hexdigest()


def furnish(records: Records, store: Store, context: PlatformContext) -> None:
    at = stamp(context.clock.now())
    demo = context.credentials.servicenow
    own: dict[str, list[Values]] = {
        "sys_properties": _properties(context),
        "sys_user": _logins(demo),
        "sys_user_has_role": _granted(demo),
    }
    stamps = {"sys_created_on": at, "sys_updated_on": at}
    for name, rows in [*_delivered(store.registry), *((name, _identified(name, own[name])) for name in own)]:
        records.load(store.registry[name], ({**stamps, **row} for row in rows))


@cache
def _delivered(registry: Registry) -> list[tuple[str, list[Values]]]:
    """What every instance holds, whatever its address, time and logins are; worked out once, not for each instance."""
    content: dict[str, Sequence[Values]] = {
        "sys_db_object": [_table_entry(table) for table in registry],
        "sys_dictionary": [entry for table in registry for entry in _dictionary(table)],
        "sys_choice": [entry for table in registry for entry in _choices(table)],
        "sys_user_role": _roles(),
        "cmn_department": DEPARTMENTS,
        "sys_user": [*USERS, *(_person(person.user_name) for person in PEOPLE)],
        "sys_user_group": [_group(group.name, group.description) for group in GROUPS],
        "sys_user_grmember": _members(),
    }
    return [(name, _identified(name, rows)) for name, rows in [*content.items(), *CONFIGURED.items()]]


def _identified(table: str, rows: Sequence[Values]) -> list[Values]:
    return [{"sys_id": fixed_id(table, *row.values()), **row} for row in rows]


def _table_entry(table: Table) -> Values:
    parent = fixed_id("sys_db_object", table.parent.name) if table.parent else ""
    return {
        "sys_id": fixed_id("sys_db_object", table.name),
        "name": table.name,
        "label": table.label,
        "super_class": parent,
    }


def _dictionary(table: Table) -> list[Values]:
    """A table's own entries: those it inherits stand under its parent. The first describes the table itself."""
    whole = {"name": table.name, "element": "", "column_label": table.label, "internal_type": "collection"}
    own = table.own if table.parent else SYSTEM_COLUMNS + table.own
    return [whole, *(_column(table, column) for column in own)]


def _column(table: Table, column: Column) -> Values:
    return {
        "name": table.name,
        "element": column.name,
        "column_label": column.label,
        "internal_type": column.kind,
        "max_length": str(column.max_length),
        "mandatory": _flag(column.mandatory),
        "read_only": _flag(column.read_only),
        "reference": column.reference,
        "default_value": table.default(column),
        "choice": "1" if column.choices else "0",
        "display": _flag(column.name == table.display),
        "unique": _flag(column.name == "sys_id"),
    }


def _choices(table: Table) -> list[Values]:
    sets = {column.name: column.choices for column in table.own if column.choices} | table.choice_sets
    return [
        _choice(table.name, element, sequence, choice)
        for element, list_of in sets.items()
        for sequence, choice in enumerate(list_of)
    ]


def _choice(table: str, element: str, sequence: int, choice: Choice) -> Values:
    return {
        "name": table,
        "element": element,
        "value": choice.value,
        "label": choice.label,
        "sequence": str(sequence),
    }


def _properties(context: PlatformContext) -> list[Values]:
    values = {
        "instance_name": "acme-sandbox",
        "instance_id": fixed_id("instance", str(context.seed)),
        "glide.servlet.uri": f"{context.url}/",
        "glide.sys.default.tz": "UTC",
        "glide.invalid_query.returns_no_rows": "false",
        "glide.rest.choice.allow_non_existing_value": "false",
        "glide.oauth.inbound.client.credential.grant_type.enabled": "true",
    }
    return [{"name": name, "value": value} for name, value in values.items()]


def _roles() -> list[Values]:
    names = sorted({"itil", "user_admin", "personalize_choices", *SYNC_ROLES, *ADMIN_ROLES})
    return [{"sys_id": _role_id(name), "name": name} for name in names]


def _person(user_name: str) -> Values:
    person = next(each for each in PEOPLE if each.user_name == user_name)
    return {
        "sys_id": user_id(user_name),
        "user_name": user_name,
        "name": person.name,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "employee_number": person.employee_number,
        "title": person.title,
        "active": _flag(person.active),
        "time_zone": person.time_zone,
    }


def _logins(demo: ServiceNowCredentials) -> list[Values]:
    """The demo logins. The integration's user lives in a zone that is not UTC, as real ones do."""
    return [
        _login(demo.username, "Sync User", "US/Pacific", web_only=True),
        _login(demo.admin_username, "Integration Admin", "Europe/Berlin", web_only=False),
        _login(demo.no_role_username, "No Role", "UTC", web_only=False),
    ]


def _login(user_name: str, name: str, time_zone: str, *, web_only: bool) -> Values:
    first, _, last = name.partition(" ")
    return {
        "sys_id": user_id(user_name),
        "user_name": user_name,
        "name": name,
        "first_name": first,
        "last_name": last,
        "email": f"{user_name}@acme.example",
        "time_zone": time_zone,
        "web_service_access_only": _flag(web_only),
    }


def _group(name: str, description: str) -> Values:
    return {"sys_id": group_id(name), "name": name, "description": description}


def _members() -> list[Values]:
    return [
        {"user": user_id(person.user_name), "group": group_id(name)}
        for person in PEOPLE
        for name in person.groups
    ]


def _granted(demo: ServiceNowCredentials) -> list[Values]:
    granted: dict[str, tuple[str, ...]] = {person.user_name: ("itil",) for person in PEOPLE if person.groups}
    granted |= {demo.username: SYNC_ROLES, demo.admin_username: ADMIN_ROLES}
    return [
        {"user": user_id(user_name), "role": _role_id(role)}
        for user_name, roles in granted.items()
        for role in roles
    ] + [{"user": USERS[0]["sys_id"], "role": ADMIN_ROLE}]


def _role_id(name: str) -> str:
    return ADMIN_ROLE if name in ADMIN_ROLES else fixed_id("sys_user_role", name)


def user_id(user_name: str) -> str:
    return fixed_id("sys_user", user_name)


def group_id(name: str) -> str:
    return fixed_id("sys_user_group", name)


def _flag(value: bool) -> str:
    return "true" if value else "false"
