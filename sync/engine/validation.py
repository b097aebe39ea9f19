"""What Salesforce would refuse, asked of its own description of the object: a dry run's writes go through here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mappings.text import length
from sync.core.planner import FieldWrite
from sync.core.records import RECORD_TYPE, FieldSchema, Operation, Record, RecordType, Schema
from sync.engine.items import Failure, Item


def violation(item: Item, schema: Schema) -> Failure | None:
    """The first rule of the schema that the planned write breaks, in the words of the platform's own refusal."""
    creating = item.operation is Operation.CREATE
    return next(violations(item.writes, item.extra, schema, creating=creating, over=item.target), None)


def violations(
    writes: Sequence[FieldWrite],
    extra: Mapping[str, Any],
    schema: Schema,
    *,
    creating: bool,
    over: Record | None = None,
) -> Iterator[Failure]:
    """Every rule that these values break. `extra`: what is sent beside the mapped fields; `over`: the record written over.

    A list is held against what the record's type offers, as the write leaves it.
    """
    sent = {write.field: write.sent for write in writes} | dict(extra)
    record_type = _record_type(sent, schema, None if creating else over)
    for write in writes:
        field = schema.fields.get(write.field)
        if field is not None and (code := _broken(field, write.sent, creating, record_type)):
            of_type = (
                f" by the record type {record_type.label}" if record_type and _fits(field, write.sent) else ""
            )
            yield Failure(
                code,
                f"{field.label or field.name}: {write.sent!r} would be refused{of_type}.",
                write.field,
                str(write.sent),
            )
    if creating:
        for field in schema.fields.values():
            if field.required and sent.get(field.name) is None and field.name not in extra:
                yield Failure(
                    "REQUIRED_FIELD_MISSING", f"Required field {field.name} has no value.", field.name
                )


def _record_type(sent: Mapping[str, Any], schema: Schema, over: Record | None) -> RecordType | None:
    """The type that the record has after the write. A record without one has no list narrowed; a new one gets the default."""
    held = sent.get(RECORD_TYPE)
    if held is None and over is not None:
        held = over.values.get(RECORD_TYPE)
        return schema.record_type(str(held)) if held else None
    return schema.record_type(str(held or ""))


def _fits(field: FieldSchema, value: Any) -> bool:
    return str(value) in field.choices


def _broken(field: FieldSchema, value: Any, creating: bool, record_type: RecordType | None) -> str:
    if not (field.createable if creating else field.updateable):
        return "INVALID_FIELD_FOR_INSERT_UPDATE"
    if value is None:
        return ""
    offered = record_type.offers(field.name, field.choices) if record_type else field.choices
    if field.restricted and field.choices and str(value) not in offered:
        return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    if field.length and isinstance(value, str) and length(value) > field.length:
        return "STRING_TOO_LONG"
    return ""
