"""What a Salesforce org says of its objects and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.knowledge import holds_articles, widened
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.reading import rows_by_key
from sync.core.records import FieldSchema, Person, RecordType, Schema
from sync.errors import AuthenticationError, ConfigurationError, RefusedError, SchemaError, TransientError

MOST_RECORD_TYPES = (
    50  # of an object that are asked for their values, a call each; nothing is said of any further one
)


def describe(org: Org, name: str) -> Schema:
    try:
        data = org.read(f"sobjects/{soql.name(name)}/describe")
    except SchemaError as error:
        raise SchemaError(
            f"There is no object {name}, or the integration user cannot see it.",
            code="unknown_object",
            advice="Check the object's name and the user's object permissions.",
            request_id=error.request_id,
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get("fields"), list):
        raise TransientError(f"Salesforce described {name} in no known form.", code="bad_answer")
    fields = map(_field, data["fields"])
    types = filter(None, map(_record_type, data.get("recordTypeInfos") or ()))
    schema = Schema(name, {field.name: field for field in fields}, tuple(types)[:MOST_RECORD_TYPES])
    return widened(schema) if holds_articles(name) else schema


def _record_type(data: Mapping[str, Any]) -> RecordType | None:
    """None for one that our user cannot give a record, and for the master, which every object has and narrows nothing."""
    if not (data.get("active") and data.get("available")) or data.get("master"):
        return None
    label = str(data.get("name") or "")
    default = bool(data.get("defaultRecordTypeMapping"))
    return RecordType(data["recordTypeId"], str(data.get("developerName") or label), label, default)


def narrowed(org: Org, schema: Schema) -> Schema:
    """With the values that each record type offers, of the lists that it narrows.

    Where the User Interface API does not serve the object, or not our user, nothing is said of values: all are offered.
    Source: User Interface API guide, "Get Values for All Picklist Fields of a Record Type" (a GET for each record type;
    values of `picklistFieldValues` by field). It tells of active values alone, as `FieldSchema.choices` does.
    """
    try:
        types = [replace(each, choices=_narrowed(org, schema, each)) for each in schema.record_types]
    except AuthenticationError:
        raise
    except (ConfigurationError, RefusedError):
        return schema
    return replace(schema, record_types=tuple(types))


def _narrowed(org: Org, schema: Schema, record_type: RecordType) -> dict[str, tuple[str, ...]]:
    data = org.read(f"ui-api/object-info/{soql.name(schema.name)}/picklist-values/{record_type.id}")
    told = data.get("picklistFieldValues") if isinstance(data, dict) else None
    if not isinstance(told, dict):
        raise TransientError(
            f"Salesforce told the values of {record_type.name} in no known form.", code="bad_answer"
        )
    found = {}
    for name, field in schema.fields.items():
        if name in told and field.choices:
            offered = {str(entry["value"]) for entry in told[name].get("values") or ()}
            values = tuple(value for value in field.choices if value in offered)
            if values != field.choices:
                found[name] = values
    return found


def _field(data: Mapping[str, Any]) -> FieldSchema:
    createable = bool(data.get("createable"))
    kind = str(data.get("type", ""))
    active = [entry for entry in data.get("picklistValues") or () if entry.get("active")]
    optional = data.get("nillable", True) or data.get("defaultedOnCreate", False) or kind == "boolean"
    return FieldSchema(
        name=data["name"],
        type=kind,
        label=str(data.get("label") or ""),
        length=int(data.get("length") or 0),
        required=createable and not optional,
        createable=createable,
        updateable=bool(data.get("updateable")),
        unique=bool(data.get("unique")),
        external_id=bool(data.get("externalId")),
        restricted=bool(data.get("restrictedPicklist")),
        choices=tuple(str(entry["value"]) for entry in active),
        labels=tuple(str(entry.get("label") or entry["value"]) for entry in active),
        reference_to=tuple(data.get("referenceTo") or ()),
        relationship=str(data.get("relationshipName") or ""),
    )


def people(org: Org, workers: Workers, kind: str, keys: Sequence[str]) -> dict[str, Person]:
    """Users by Username, queues by DeveloperName. Keys are matched without regard to case, as Salesforce does."""
    asked = {key.casefold(): key for key in keys}
    found = _users(org, workers, keys) if kind == "user" else _queues(org, workers, keys)
    return {asked[person.key.casefold()]: person for person in found if person.key.casefold() in asked}


def _users(org: Org, workers: Workers, keys: Sequence[str]) -> list[Person]:
    names = ["Id", "Username", "IsActive", "Email", "Name"]
    rows = rows_by_key(org, workers, "User", "Username", keys, names)
    return [
        Person(
            "user",
            row["Username"],
            row["Id"],
            bool(row["IsActive"]),
            row.get("Email") or "",
            row.get("Name") or "",
        )
        for row in rows
    ]


def _queues(org: Org, workers: Workers, keys: Sequence[str]) -> list[Person]:
    names = ["Id", "DeveloperName", "Name", "Email"]
    rows = rows_by_key(org, workers, "Group", "DeveloperName", keys, names, "Type = 'Queue'")
    return [
        Person("group", row["DeveloperName"], row["Id"], True, row.get("Email") or "", row.get("Name") or "")
        for row in rows
    ]
