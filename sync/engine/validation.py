"""What Salesforce would refuse, asked of its own description of the object: a dry run's writes go through here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mappings.text import length
from sync.core.planner import FieldWrite
from sync.core.records import FieldSchema, Operation, Schema
from sync.engine.items import Failure, Item


def violation(item: Item, schema: Schema) -> Failure | None:
    """The first rule of the schema that the planned write breaks, in the words of the platform's own refusal."""
    creating = item.operation is Operation.CREATE
    return next(violations(item.writes, item.extra, schema, creating=creating), None)


def violations(
    writes: Sequence[FieldWrite], extra: Mapping[str, Any], schema: Schema, *, creating: bool
) -> Iterator[Failure]:
    """Every rule that these values break. `extra`: what is sent beside the mapped fields."""
    for write in writes:
        field = schema.fields.get(write.field)
        if field is not None and (code := _broken(field, write.sent, creating)):
            yield Failure(
                code,
                f"{field.label or field.name}: {write.sent!r} would be refused.",
                write.field,
                str(write.sent),
            )
    if creating:
        sent = {write.field for write in writes if write.sent is not None} | set(extra)
        for field in schema.fields.values():
            if field.required and field.name not in sent:
                yield Failure(
                    "REQUIRED_FIELD_MISSING", f"Required field {field.name} has no value.", field.name
                )


def _broken(field: FieldSchema, value: Any, creating: bool) -> str:
    if not (field.createable if creating else field.updateable):
        return "INVALID_FIELD_FOR_INSERT_UPDATE"
    if value is None:
        return ""
    if field.restricted and field.choices and str(value) not in field.choices:
        return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    if field.length and isinstance(value, str) and length(value) > field.length:
        return "STRING_TOO_LONG"
    return ""
