"""What platforms said of their tables and objects: kept for a day, and what differs from the last time noted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from sync.connectors.base import Connector
from sync.core.keys import Keys
from sync.core.records import FieldSchema, RecordType, Schema
from sync.core.schemas import differences
from sync.errors import SchemaError
from sync.models import CachedSchema, Connection, SchemaChange

FRESH = timedelta(hours=24)


def known_schema(connection: Connection, name: str) -> Schema | None:
    """What the platform said of `name`, if that is less than a day old and nothing has spoken against it since."""
    row = CachedSchema.objects.filter(connection=connection, name=name, stale=False).first()
    if row is None or timezone.now() - row.fetched_at > FRESH:
        return None
    return schema_of(row)


def schema_of(row: CachedSchema) -> Schema:
    fields = {key: FieldSchema(**_tuples(value)) for key, value in row.fields.items()}
    types = (RecordType(**{**each, "choices": _tuples(each["choices"])}) for each in row.record_types or ())
    return Schema(row.name, fields, tuple(types))


def look(connector: Connector, name: str) -> Schema:
    """All that a mapping is held against: a call or two, and one for each record type."""
    return connector.narrowed(connector.describe(name))


def read_schema(connection: Connection, connector: Connector, name: str) -> Schema:
    """Look at it now, and keep what is seen. Raises SyncError."""
    return remember_schema(connection, look(connector, name))


def remember_schema(connection: Connection, schema: Schema) -> Schema:
    """Keep it, and note what is not as it was when it was read last."""
    now = timezone.now()
    with transaction.atomic():
        before = (
            CachedSchema.objects.select_for_update().filter(connection=connection, name=schema.name).first()
        )
        if before is not None:
            SchemaChange.objects.bulk_create(
                SchemaChange(
                    connection=connection, name=schema.name, field=each.field, what=each.what, before=each.before,
                    after=each.after, record_type=each.record_type, seen_at=now, read_before=before.fetched_at,
                )
                for each in differences(_seen_before(before, schema), schema)
            )  # fmt: skip
        CachedSchema.objects.update_or_create(
            connection=connection,
            name=schema.name,
            defaults={
                "fields": {key: _json(field) for key, field in schema.fields.items()},
                "record_types": [_json(each) for each in schema.record_types],
                "fetched_at": now,
                "stale": False,
            },
        )
    return schema


def _seen_before(row: CachedSchema, now: Schema) -> Schema:
    """Of what was not looked at then, nothing has changed."""
    before = schema_of(row)
    return before if row.record_types is not None else replace(before, record_types=now.record_types)


def forget_schema(connection: Connection) -> None:
    """What is kept is not believed any more. It stays for the comparison with what is read next."""
    CachedSchema.objects.filter(connection=connection).update(stale=True)


def _json(told: FieldSchema | RecordType) -> dict[str, Any]:
    return {name: getattr(told, name) for name in told.__dataclass_fields__}


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def check_key(data: dict[str, Any], schema: Schema, keys: Keys) -> None:
    """An external id that is not unique lets two parallel creates make two records: the flow does not start."""
    name = data["salesforce_key_field"]
    field = schema.fields.get(name)
    if field is None:
        raise SchemaError(
            f"{schema.name} has no field {name}, or the integration user may not see it.",
            code="key_missing",
            advice=f"Create {name} on {schema.name} as Text({keys.length}), External ID, Unique, and give the user edit "
            "access to it.",
        )
    if field.length and field.length < keys.length:
        raise SchemaError(
            f"{schema.name}.{name} holds {field.length} characters, and a key has {keys.length}.",
            code="key_too_short",
            advice=f"Lengthen {name} to {keys.length} characters or more in Salesforce's object manager.",
        )
    if data["salesforce_key"] == "external_id" and not field.unique:
        raise SchemaError(
            f"{schema.name}.{name} is not unique: two creates at once could make two records.",
            code="key_not_unique",
            advice=f"Tick Unique on {schema.name}.{name} in Salesforce's object manager.",
        )
