"""What was sent, from JSON to the values of a row: field names, foreign keys, what may not be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Values
from sync.sandbox.salesforce.values import parse


def apply(org: Org, view: View, values: Values, sent: Mapping[str, Any], *, creating: bool) -> list[Field]:
    """Parse what was sent into `values`; return the fields it named. Raises Refusal."""
    fields: list[Field] = []
    trims = org.dialect.trims_text
    slots = view.table.slots
    for name, value in sent.items():
        if name == "attributes":
            continue
        if isinstance(value, dict) and name.lower() in view.by_relationship:
            field, value = _by_external_id(org, view, name, value)
        else:
            field = _field(view, name)
        if not (field.createable if creating else field.updateable):
            raise Refusal(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {field.name}. Please check the security settings of "
                "this field and verify that it is read/write for your profile or permission set.",
                field.name,
            )
        if trims and isinstance(value, str):
            value = value.strip()
        values[slots[field.name]] = parse(field, value)
        fields.append(field)
    return fields


def _field(view: View, name: str) -> Field:
    field = view.field(name)
    if field is None:
        raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {view.name}", name)
    return field


def _by_external_id(org: Org, view: View, name: str, key: Mapping[str, Any]) -> tuple[Field, str]:
    """Resolve `{"Contact": {"Ext__c": "x"}}` to the reference field and the id it means."""
    field = view.by_relationship[name.lower()]
    named = {column: value for column, value in key.items() if column != "attributes"}
    target = str(key.get("attributes", {}).get("type") or field.reference_to[-1])
    (column, value), *rest = named.items() or [("", "")]
    table = org.tables.get(target)
    if rest or table is None or column not in table.indexes:
        raise Refusal("INVALID_FIELD", f"Invalid foreign key relationship {name}: {column}", name)
    rows = table.find(column, str(value))
    if len(rows) != 1:
        raise Refusal(
            "INVALID_FIELD",
            f"Foreign key external ID: {value} not found for field {column} in entity {target}",
        )
    return field, str(rows[0].values[0])
