"""Upsert by external id, shared by the single call and the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Row


def key_field(view: View, name: str) -> Field:
    """Return the field that may find a row. Raises Refusal (NOT_FOUND)."""
    field = view.field(name)
    if field is None or not (field.external_id or field.id_lookup) or field.name not in view.table.indexes:
        raise Refusal("NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def upsert(
    writer: Writer, view: View, field: Field, key: str, sent: Mapping[str, Any], matches: tuple[Row, ...]
) -> tuple[Row, bool]:
    """Write the only match, or create; the answer tells the row and whether it is new. Raises Refusal."""
    if matches:
        writer.update(view, matches[0], sent)
        return matches[0], False
    return writer.insert(view, {**sent, field.name: key}), True
